"""Taking back leases that nobody will end: expired ones, those of dead processes and of runs that have ended.

A reaped row waits at most ten seconds, for its failure may have been the machine's; with its attempts used up
it goes to the dead letter. Not here: what else a reconciliation puts right (`reconciliation`).
"""

import json
import random
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from assets.discovery.ledger import breakers, costs, events, revisions, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.discovery.ledger.stage_rows import Failure, Held
from assets.transactions import transaction

LONGEST_WAIT_MS: Final = 10_000
_ROWS_AT_ONCE: Final = 500  # A reaper must not keep the workers of other jobs waiting for seconds.


class _Lease(NamedTuple):
    stage_id: int
    claim_id: int
    item_id: int
    job_id: str
    stage: str
    attempt: int
    max_attempts: int
    owner: str
    run_id: str | None
    started_at: int
    lease_until: int
    is_cancelled: int


def holders(connection: sqlite3.Connection) -> tuple[set[str], set[str]]:
    """Who holds leases now: the owners, and the runs. To be asked which of them are gone."""
    rows = connection.execute(
        "SELECT DISTINCT owner, run_id FROM item_stages WHERE status = 'in_progress'"
    ).fetchall()
    return {owner for owner, _ in rows}, {run_id for _, run_id in rows if run_id is not None}


def reap(
    connection: sqlite3.Connection,
    jobs: Mapping[str, JobPlan],
    now: int,
    *,
    dead_owners: Collection[str] = (),
    ended_runs: Collection[str] = (),
    chance: Callable[[], float] = random.random,
) -> int:
    """Free every lease that has expired or whose owner or run is gone; return how many.

    Rows of jobs that are not in `jobs` are freed too, by the default policies. `chance` places the jitter.
    """
    freed, told = 0, set[tuple[str, str, str]]()
    while True:
        if not _dead_leases(connection, now, dead_owners, ended_runs, 1):
            return freed
        with transaction(connection):
            leases = _dead_leases(connection, now, dead_owners, ended_runs, _ROWS_AT_ONCE)
            for lease in leases:
                job = jobs.get(lease.job_id) or JobPlan(lease.job_id, ())
                _free(connection, job, lease, now, chance)
                _inform_breaker(connection, job, lease, now, told)
        freed += len(leases)


def _dead_leases(
    connection: sqlite3.Connection,
    now: int,
    dead_owners: Collection[str],
    ended_runs: Collection[str],
    limit: int,
) -> list[_Lease]:
    rows = connection.execute(
        "SELECT s.id, s.claim_id, s.item_id, s.job_id, s.stage, s.attempt, s.max_attempts, s.owner, "
        "s.run_id, s.started_at, s.lease_until, w.cancelled_at IS NOT NULL FROM item_stages AS s "
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.status = 'in_progress' AND (s.lease_until <= ? "
        "OR s.owner IN (SELECT value FROM json_each(?)) OR s.run_id IN (SELECT value FROM json_each(?))) "
        "ORDER BY s.lease_until LIMIT ?",
        (now, json.dumps(sorted(dead_owners)), json.dumps(sorted(ended_runs)), limit),
    )
    return list(map(_Lease._make, rows))


def _free(
    connection: sqlite3.Connection, job: JobPlan, lease: _Lease, now: int, chance: Callable[[], float]
) -> None:
    plan = job.stage(lease.stage) or StagePlan(lease.stage)
    held, failure = Held(lease.stage_id, lease.claim_id), Failure("lost", error_text=_why(lease, now))
    subject = Subject(lease.job_id, lease.item_id, lease.stage, lease.run_id)
    events.write(connection, "reaped", subject, now, {"owner": lease.owner, "attempt": lease.attempt}, "warn")
    if lease.is_cancelled:
        events.write(connection, "cancelled", subject, now)
        stage_rows.end(connection, held, "cancelled", now, failure)
    elif lease.attempt >= lease.max_attempts:
        payload = {"class": "lost", "error": failure.error_text}
        events.write(connection, "stage_failed", subject, now, payload, "error")
        stage_rows.end(connection, held, "failed", now, failure)
    else:
        since_retry = lease.attempt - max(lease.max_attempts - plan.retry.max_attempts, 0)
        wait = min(plan.retry.backoff_ms(since_retry, chance()), LONGEST_WAIT_MS)
        stage_rows.put_back(connection, held, now + wait, failure, give_back=False)
    stage_rows.close_attempt(connection, lease.claim_id, "lost", now, failure)
    costs.release(connection, lease.claim_id, lease.job_id, lease.started_at)
    revisions.apply_waiting(connection, job, lease.item_id, now)


def _inform_breaker(
    connection: sqlite3.Connection, job: JobPlan, lease: _Lease, now: int, told: set[tuple[str, str, str]]
) -> None:
    """A process that died is one failure of a stage, however many rows of it it held.

    Else a single kill with a full batch of ten would open the breaker, and no row would be tried again
    before it has cooled down.
    """
    death = (lease.owner, lease.job_id, lease.stage)
    if death in told and breakers.load(connection, lease.job_id, lease.stage).probe != lease.claim_id:
        return
    told.add(death)
    plan = job.stage(lease.stage) or StagePlan(lease.stage)
    subject = Subject(lease.job_id, lease.item_id, lease.stage, lease.run_id)
    breakers.record(connection, subject, plan.breaker, lease.claim_id, "failure", now)


def _why(lease: _Lease, now: int) -> str:
    if lease.lease_until <= now:
        return f"The lease of {lease.owner} expired."
    return f"{lease.owner} ended without ending its lease."
