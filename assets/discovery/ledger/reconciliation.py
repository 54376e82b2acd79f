"""One pass that puts right what no worker will: at the start of every run, every few seconds during one."""

import random
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from assets.discovery.ledger import alignment, costs, limiters, owners, pauses, reaping, revisions
from assets.discovery.ledger.plans import JobPlan
from assets.transactions import transaction


class Reconciled(NamedTuple):
    """What a pass did."""

    reaped: int
    resumed: list[str]
    stage_rows: int
    revisions: int
    reservations: int
    clamped: list[str]


def reconcile(
    connection: sqlite3.Connection,
    plans: Mapping[str, JobPlan],
    now: int,
    *,
    ended_runs: Collection[str] = (),
    is_dead: Callable[[str], bool] = owners.is_dead,
    chance: Callable[[], float] = random.random,
) -> Reconciled:
    """Free dead leases, resume what is due, create missing rows, apply waiting revisions, clamp clocks.

    `plans` are the jobs of the jobs file; leases of other jobs are freed too. Each part is a transaction of
    its own and is left out when there is nothing to do, so a pass without findings takes no write lock.
    """
    holding, _ = reaping.holders(connection)
    dead = {owner for owner in holding if is_dead(owner)}
    reaped = reaping.reap(connection, plans, now, dead_owners=dead, ended_runs=ended_runs, chance=chance)
    resumed = pauses.resume_due(connection, now)
    astray = alignment.misaligned(connection, plans.values())
    rows = sum(alignment.align_stages(connection, plans[job_id], now) for job_id in sorted(astray))
    applied = sum(revisions.apply_all_waiting(connection, plan, now) for plan in plans.values())
    released = 0
    if costs.has_expired(connection, now):
        with transaction(connection):
            released = costs.release_expired(connection, now)
    clamped: list[str] = []
    if limiters.ahead_of(connection, now):
        with transaction(connection):
            clamped = limiters.clamp(connection, now)
    return Reconciled(reaped, resumed, rows, applied, released, clamped)
