"""costs, events."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from assets.discovery.readers.cost_report import CostReport, Grouping, cost_report
from assets.discovery.readers.event_log import EventFilter, EventLog
from assets.discovery.readers.event_log import events as logged
from scripts.discovery_cli.answers import Stream
from scripts.discovery_cli.interruption import interruptible
from scripts.discovery_cli.moments import day as day_of
from scripts.discovery_cli.moments import moment
from scripts.discovery_cli.selection import one_of, seen_job, whole_number
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import Answer

_LOOK_S: Final = 0.5
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `events`."""

    job: str | None = None
    since: str | None = None
    type: str | None = None
    limit: str = "50"


def costs(place: Workplace, job: str | None, day: str | None, by: str) -> Answer[CostReport]:
    """What was spent, of all jobs or one, of all days or one."""
    grouping: Grouping = one_of(get_args(Grouping), by, "grouping")
    on = None if day is None else day_of(day, "--day")
    with place.reading() as connection:
        name = None if job is None else seen_job(place, connection, job).name
        return Answer(cost_report(connection, grouping, job_id=name, day=on))


def events(place: Workplace, asked: Asked) -> Answer[EventLog]:
    """The newest events, or the first behind a sequence number."""
    chosen = _filter(place, asked)
    with place.reading() as connection:
        return Answer(logged(connection, chosen))


def followed(place: Workplace, asked: Asked) -> Stream:
    """The same, and then those that come, until a signal says that it is enough."""
    return Stream("events", _coming(place, _filter(place, asked)))


def _coming(place: Workplace, chosen: EventFilter) -> Iterator[dict[str, Any]]:
    is_over = False

    def end() -> None:
        nonlocal is_over
        is_over = True

    with interruptible(end, "No longer following."):
        while not is_over:
            # Opened again each time: a ledger that was not there may have been made.
            with place.reading() as connection:
                found = logged(connection, chosen)["events"]
            yield from found
            last = found[-1]["seq"] if found else chosen.after or 0
            chosen = replace(chosen, after=last, limit=_BATCH)
            if not found:
                time.sleep(_LOOK_S)


def _filter(place: Workplace, asked: Asked) -> EventFilter:
    limit, job, zone = whole_number(asked.limit, "--limit") or 0, None, "UTC"
    if asked.job is not None:
        with place.reading() as connection:
            today = seen_job(place, connection, asked.job)
        job, zone = today.name, today.zone
    chosen = EventFilter(job_id=job, type=asked.type, limit=limit)
    since = (asked.since or "").strip()
    if since.isascii() and since.isdigit():
        return replace(chosen, after=int(since))
    return replace(chosen, since=moment(since, zone, "--since")) if since else chosen
