"""When a job looks at its source again, by the clock of its entry in the jobs file.

Not here: what keeps it from looking then (pauses), and asking for it now (`ledger.pauses.wake`).
"""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from assets.discovery.job_model import Job

# Enough for a week of working hours by the quarter, and for years of months.
_TICKS_LOOKED_AT = 300
_A_MONDAY = datetime(2025, 1, 6, tzinfo=UTC)


def due_at(job: Job, last_discovery_at: int | None) -> int | None:
    """When the job's next discovery is due, in milliseconds UTC; `None`: only on request.

    A job that was never discovered is due at once (0). `cron` is read in the job's time zone.

    Args:
        job: the job, with `every_s` or `cron`.
        last_discovery_at: when its last discovery began, in milliseconds UTC.
    """
    discovery = job.discovery
    if discovery.every_s is None and discovery.cron is None:
        return None
    if last_discovery_at is None:
        return 0
    if discovery.every_s is not None:
        return last_discovery_at + round(discovery.every_s * 1000)
    return next_of_cron(str(discovery.cron), job.timezone, last_discovery_at)


def next_of_cron(cron: str, zone: str, after: int) -> int:
    """The first time of a cron expression after an instant, both in milliseconds UTC."""
    from cronsim import CronSim

    local = datetime.fromtimestamp(after / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return round(next(CronSim(cron, local)).timestamp() * 1000)


def longest_interval(job: Job) -> timedelta | None:
    """The longest time between two discoveries that are due; `None`: they are due only on request.

    Of a `cron` it is the longest of 300 intervals in a row.
    """
    from cronsim import CronSim

    discovery = job.discovery
    if discovery.every_s is not None:
        return timedelta(seconds=discovery.every_s)
    if discovery.cron is None:
        return None
    ticks = islice(CronSim(discovery.cron, _A_MONDAY.astimezone(ZoneInfo(job.timezone))), _TICKS_LOOKED_AT)
    return max(later - earlier for earlier, later in pairwise(tick.astimezone(UTC) for tick in ticks))
