"""pause, unpause, wake."""

from dataclasses import dataclass
from getpass import getuser
from sqlite3 import Connection
from typing import TypedDict

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.ledger import jobs, pauses
from assets.discovery.ledger.jobs import Standing
from assets.discovery.readers.job_status import paused_reason
from scripts.discovery_cli.answers import STOPPED
from scripts.discovery_cli.moments import moment_ahead
from scripts.discovery_cli.selection import chosen_job
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import Answer


class Paused(TypedDict):
    """The document of all three: whether the job is paused now, and whether this command changed anything."""

    job: str
    paused: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class AtRest(Answer[Paused]):
    """The answer of `pause`: why, since when and until when."""

    reason: str = ""


def pause(place: Workplace, job: str | None, reason: str, until: str | None, *, at_once: bool) -> AtRest:
    """Pause a job, until a time or for good. A pause that holds keeps its reason and its end."""
    found = chosen_job(place, job)
    ends = None if until is None else moment_ahead(until, found.timezone, place.clock(), "--until")
    with place.writing() as connection:
        changed = pauses.pause(
            connection,
            found.name,
            reason.strip() or "paused by hand",
            place.clock(),
            by=_user(),
            until=ends,
            at_once=at_once,
        )
        row = _row(connection, found.name)
    notes = () if changed else (f"The job {found.name} was paused before, and that stays as it is.",)
    document = Paused(job=found.name, paused=True, changed=changed)
    return AtRest(document, notes=notes, reason=paused_reason(row, found.timezone))


def unpause(place: Workplace, job: str | None) -> Answer[Paused]:
    """End a pause, whoever began it; the breakers of the job are closed."""
    found = chosen_job(place, job)
    with place.writing() as connection:
        changed = pauses.unpause(connection, found.name, place.clock())
    notes = () if changed else (f"The job {found.name} was not paused.",)
    return Answer(Paused(job=found.name, paused=False, changed=changed), notes=notes)


def wake(place: Workplace, job: str | None) -> Answer[Paused]:
    """Make discovery due and let retries go on; exit code 3 on a paused job, where nothing changes."""
    found = chosen_job(place, job)
    if not found.enabled:
        raise ConfigurationError(
            [f"the job {found.name} is disabled in the jobs file; enable it there first"]
        )
    with place.writing() as connection:
        changed = pauses.wake(connection, found.name, place.clock())
        row = _row(connection, found.name)
    document = Paused(job=found.name, paused=bool(row.paused), changed=changed)
    if changed:
        return Answer(document)
    why, remedy = paused_reason(row, found.timezone), f"`inv jobs.unpause -j {found.name}` ends the pause"
    return Answer(document, STOPPED, (f"{found.name} was not woken. {why} Nothing was changed; {remedy}.",))


def _row(connection: Connection, job: str) -> Standing:
    row = jobs.standing(connection, job)
    assert row is not None  # noqa: S101 - narrows the type: the jobs were synced when the ledger was opened.
    return row


def _user() -> str | None:
    try:
        return getuser()
    except (OSError, KeyError):
        return None
