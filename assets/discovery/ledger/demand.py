"""What a job asks of whoever schedules it: one look, without a write lock, and cheap where nothing waits.

Not here: what follows from it (`sensors.discovery_planning`), and what people read (`readers`).
"""

import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

from assets.discovery.ledger import breakers, events, jobs, mirror, waiting
from assets.discovery.ledger.jobs import Standing
from assets.discovery.ledger.plans import JobPlan

_NOTHING: Final[Mapping[str, int]] = {}


class Lease(NamedTuple):
    """What one worker holds: in which run, and until when the last of its leases lasts."""

    owner: str
    run_id: str | None
    until: int


class Demand(NamedTuple):
    """How a job stands, as far as it matters for what to start. Times are milliseconds UTC."""

    standing: Standing | None
    """`None`: the ledger does not know the job; then nothing else is set."""
    config_hash: str | None = None
    sequence: int = 0
    """The number of the job's newest event."""
    discoveries: int = 0
    """How many discoveries have begun so far."""
    is_complete: bool = False
    """A backfill that has listed everything and of which nothing waits."""
    claimable: int = 0
    next_due: int | None = None
    """When the next row that waits on a timer, a breaker or a rate is claimable; `None` if one is now."""
    shut: Mapping[str, int] = _NOTHING
    """The stages whose breaker is open, and until when."""
    leases: tuple[Lease, ...] = ()
    has_untold: bool = False
    """Whether an item was done since others were told last (`mirror`)."""


def demand(
    connection: sqlite3.Connection,
    job: JobPlan,
    now: int,
    *,
    is_backfill: bool = False,
    closed_until: Mapping[str, int] = _NOTHING,
) -> Demand:
    """Look at a job.

    Args:
        connection: the ledger.
        job: the job.
        now: milliseconds UTC.
        is_backfill: whether the job comes to an end.
        closed_until: stages that nothing of can start before an instant, beside those with an open breaker.
    """
    name = job.job_id
    standing = jobs.standing(connection, name)
    if standing is None:
        return Demand(None)
    shut = {
        stage: breaker.cooldown_until
        for stage, breaker in breakers.load_open(connection, name).items()
        if breaker.state == "open" and breaker.cooldown_until > now
    }
    rows = waiting.claimable(connection, job, now)
    claimable = sum(count for stage, count in rows.items() if stage not in {*shut, *closed_until})
    (config_hash, discoveries) = connection.execute(
        "SELECT j.config_hash, (SELECT count(*) FROM discoveries AS d WHERE d.job_id = j.job_id) "
        "FROM job_state AS j WHERE j.job_id = ?",
        (name,),
    ).fetchone()
    stages = [stage.name for stage in job.stages]
    return Demand(
        standing,
        config_hash,
        sequence=events.last_seq(connection, name),
        discoveries=discoveries,
        is_complete=is_backfill and jobs.state_of(connection, name, now, is_backfill=True) == "complete",
        claimable=claimable,
        next_due=None if claimable else _next_due(connection, job, now, rows, closed_until),
        shut=shut,
        leases=leases(connection, name),
        has_untold=bool(mirror.done_since(connection, name, stages, standing.mirror_seq, 1)),
    )


def _next_due(
    connection: sqlite3.Connection,
    job: JobPlan,
    now: int,
    rows: Mapping[str, int],
    closed_until: Mapping[str, int],
) -> int | None:
    opens = [until for stage, until in closed_until.items() if rows.get(stage, 0)]
    due = waiting.next_due(connection, job, now)
    return min(opens if due is None else [*opens, due], default=None)


def leases(connection: sqlite3.Connection, job_id: str) -> tuple[Lease, ...]:
    """Who works on items of a job now, or did and never ended it."""
    rows = connection.execute(
        "SELECT owner, run_id, max(lease_until) FROM item_stages INDEXED BY idx_item_stages_lease "
        "WHERE status = 'in_progress' AND job_id = ? GROUP BY owner, run_id ORDER BY owner, run_id",
        (job_id,),
    )
    return tuple(map(Lease._make, rows))
