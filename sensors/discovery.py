"""The sensors of discovery, one for each job: look when it is due, drain when something waits.

A tick reads the ledger and never writes to it, and asks no source: both happen in the runs. It also registers
the partition keys of new items.

Not here: what to ask for (`discovery_planning`), what the ledger is asked (`assets.discovery.ledger.demand`).
"""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import dagster as dg

from assets.discovery.due import due_at
from assets.discovery.engine.registry import utc_now
from assets.discovery.job_model import Job
from assets.discovery.ledger import mirror, owners
from assets.discovery.ledger.demand import Demand, demand
from assets.discovery.ledger.jobs import Standing
from assets.discovery.mirroring import registration
from assets.discovery.partitions import item_partitions, partitions_name
from assets.discovery.readers.instants import in_zone
from assets.discovery.roster import Roster
from assets.discovery.steps import ended_runs, reading, working_runs
from jobs.discovery import JOB_TAG, AnyJob, discover_job_name, drain_job_name
from resources.ledger import Ledger
from sensors.discovery_planning import Fate, Kind, Memory, Situation, plan

KEYS_A_TICK: Final = 5000
"""Adding a key takes Dagster 0.1 ms, and a tick has 60 s."""

_RUN_KEY_TAG: Final = "dagster/run_key"
# Runs that were made and never launched do not count: nothing would ever be asked for again.
_UNDER_WAY: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def sensors_of(roster: Roster, jobs: Sequence[AnyJob]) -> list[dg.SensorDefinition]:
    """One sensor for each job of the jobs file; `jobs` are those of `jobs.discovery.jobs_of`."""
    by_name = {job.name: job for job in jobs}
    return [_sensor(roster, job, by_name) for job in roster.jobs]


def _sensor(roster: Roster, job: Job, jobs: Mapping[str, AnyJob]) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"discovery_{job.name}_sensor",
        jobs=[jobs[discover_job_name(job.name)], jobs[drain_job_name(job.name)]],
        minimum_interval_seconds=30,
        description=f"Looks at the source of {job.name} when due, and drains it when something waits.",
        default_status=dg.DefaultSensorStatus.STOPPED,
    )
    def discovery_sensor(context: dg.SensorEvaluationContext, ledger: Ledger) -> dg.SensorResult:
        return tick(roster, job, ledger, context.instance, context.cursor, utc_now())

    return discovery_sensor


def tick(
    roster: Roster, job: Job, ledger: Ledger, instance: dg.DagsterInstance, cursor: str | None, now: int
) -> dg.SensorResult:
    """What a tick of a job's sensor comes to. `now` is milliseconds UTC."""
    memory = Memory.read(cursor)
    with reading(ledger) as connection:
        asked = demand(
            connection,
            roster.plan(job),
            now,
            is_backfill=job.kind == "backfill",
            closed_until=_closed_until(roster, job, connection, now),
        )
        changes = []
        if asked.sequence != memory.registered:
            newest = mirror.population(connection, job.name, job.mirror_limit).newest
            change = registration(
                newest, instance.get_dynamic_partitions(partitions_name(job.name)), job.mirror_limit
            )
            partitions = item_partitions(job.name)
            if change.remove:
                changes.append(partitions.build_delete_request(change.remove[:KEYS_A_TICK]))
            if change.add:
                changes.append(partitions.build_add_request(change.add[:KEYS_A_TICK]))
            if max(len(change.add), len(change.remove)) <= KEYS_A_TICK:
                memory = replace(memory, registered=asked.sequence)
    planned = plan(
        _situation(job, asked, instance, now),
        memory,
        lambda key: _fate(instance, key),
        lambda at: in_zone(at, job.timezone),
    )
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key, job_name=_job_name(job, request.kind), tags={JOB_TAG: job.name}
            )
            for request in planned.requests
        ],
        skip_reason=planned.skip_reason,
        cursor=planned.memory.write(),
        dynamic_partitions_requests=changes,
    )


def _situation(job: Job, asked: Demand, instance: dg.DagsterInstance, now: int) -> Situation:
    row = asked.standing
    situation = Situation(
        job.name,
        now,
        is_enabled=job.enabled,
        is_discovering=_is_under_way(instance, discover_job_name(job.name)),
        is_draining=_is_under_way(instance, drain_job_name(job.name))
        or bool(working_runs(instance, asked.leases, now)),
    )
    if row is None:
        return replace(situation, discovery_due_at=due_at(job, None))
    is_paused = bool(row.paused) and not _pause_is_over(row, now)
    is_over_budget = row.over_budget_until is not None and row.over_budget_until > now
    return replace(
        situation,
        is_complete=asked.is_complete,
        paused=(row.paused_reason or "no reason given") if is_paused else None,
        pause_keeps_discovery=not job.pause_discovery,
        over_budget_until=row.over_budget_until if is_over_budget else None,
        discovery_due_at=due_at(job, row.last_discovery_at),
        is_woken=row.wake_at is not None,
        discoveries=asked.discoveries,
        sequence=asked.sequence,
        has_work=asked.claimable > 0 or _pause_is_over(row, now) or _has_dead_leases(asked, instance, now),
        unknown_config=job.config_hash[:16] if _has_changed(job, row, asked) else None,
        has_untold=asked.has_untold,
        next_retry_at=asked.next_due,
        shut_stages=tuple(sorted(asked.shut)),
    )


def _closed_until(roster: Roster, job: Job, connection: sqlite3.Connection, now: int) -> dict[str, int]:
    """The stages whose rate lets nothing through for longer than a drain lasts, and until when."""
    patience, pacer = roster.jobs_file.runner_of(job).drain_max_s * 1000, roster.pacer
    gates = {stage.name: pacer.gate(job, stage.name) for stage in job.chain}
    waits = {stage: gate.wait(connection, now) for stage, gate in gates.items() if gate is not None}
    return {stage: now + wait for stage, wait in waits.items() if wait > patience}


def _pause_is_over(row: Standing, now: int) -> bool:
    """Whether a pause has outlived its time; the next run ends it."""
    return bool(row.paused) and row.resume_at is not None and row.resume_at <= now


def _has_changed(job: Job, row: Standing, asked: Demand) -> bool:
    """Whether the ledger has yet to learn what the jobs file says of the job."""
    return asked.config_hash != job.config_hash or row.orphaned_at is not None or not row.enabled


def _has_dead_leases(asked: Demand, instance: dg.DagsterInstance, now: int) -> bool:
    """Whether somebody left work behind, which the next run takes back."""
    if any(lease.until <= now or owners.is_dead(lease.owner) for lease in asked.leases):
        return True
    return bool(ended_runs(instance, {lease.run_id for lease in asked.leases if lease.run_id is not None}))


def _job_name(job: Job, kind: Kind) -> str:
    return discover_job_name(job.name) if kind == "discover" else drain_job_name(job.name)


def _is_under_way(instance: dg.DagsterInstance, job_name: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=_UNDER_WAY), limit=1))


def _fate(instance: dg.DagsterInstance, run_key: str) -> Fate:
    """What became of the run with a key."""
    runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY_TAG: run_key}), limit=1)
    if not runs:
        return "unknown"
    return "live" if runs[0].status in _UNDER_WAY else "ended"
