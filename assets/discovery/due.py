"""When a job looks at its source again, by the clock of its entry in the jobs file.

Not here: what keeps it from looking then (pauses), and asking for it now (`ledger.pauses.wake`).
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from assets.discovery.job_model import Job


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
