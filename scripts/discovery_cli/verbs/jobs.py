"""list, status."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from assets.discovery.handler_modules import import_handlers
from assets.discovery.readers.job_figures import JobFigures, job_figures
from assets.discovery.readers.job_status import Status, state_of
from assets.discovery.readers.job_status import status as job_statuses
from assets.discovery.readers.jobs_today import ListedJob, listed
from scripts.discovery_cli.selection import seen_jobs
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import Answer


@dataclass(frozen=True, slots=True)
class Standing(Answer[Status]):
    """The answer of `status`."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    """Why each job has its state, by name."""
    figures: JobFigures | None = None


def listing(place: Workplace) -> Answer[dict[str, list[ListedJob]]]:
    """What the jobs file says. A handler that is none is a mistake of that file."""
    import_handlers(place.jobs_file)
    return Answer(listed(place.jobs_file.jobs))


def status(place: Workplace, job: str | None) -> Standing:
    """How all jobs, or one of them, stand; people also get the reasons, and of one job how it does."""
    now = place.clock()
    with place.reading() as connection:
        today = seen_jobs(place, connection, job)
        reasons = {each.name: state_of(connection, each, now).reason for each in today}
        figures = None if job is None else job_figures(connection, today[0], now)
        return Standing(job_statuses(connection, today, now), reasons=reasons, figures=figures)
