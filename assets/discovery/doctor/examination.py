"""The examination of a ledger, and putting right what is safe to.

Every check reads; none of them may stop the others. Not here: the checks (a module for each subject).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from assets.discovery.credentials import hidden
from assets.discovery.doctor import (
    inconsistent_rows,
    leaked_secrets,
    lost_work,
    machinery,
    money,
    repeated_failures,
    sources,
    storage,
)
from assets.discovery.doctor.case import Case, StandingJob
from assets.discovery.doctor.findings import IDS, Finding
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.ledger import events, reconciliation
from assets.discovery.ledger.events import Subject
from assets.transactions import transaction

Check = Callable[[Case], Iterator[Finding]]

_OF_THE_FILE: Final = (storage.network_file_system, storage.disk_low, storage.wal_large)
_SAFE_TO_FIX: Final[tuple[Check, ...]] = (
    lost_work.expired_lease,
    lost_work.dead_owner,
    inconsistent_rows.missing_stage_rows,
    inconsistent_rows.orphan_stage,
    money.expired_reservation,
)
_OF_THE_ROWS: Final[tuple[Check, ...]] = (
    *_SAFE_TO_FIX,
    lost_work.unknown_handler,
    inconsistent_rows.stage_order,
    inconsistent_rows.done_without_result,
    inconsistent_rows.stale_results,
    inconsistent_rows.view_mismatch,
    sources.discovery_anomalous,
    sources.discovery_overdue,
    sources.duplicate_after_canonicalisation,
    repeated_failures.error_concentration,
    repeated_failures.retry_storm,
    repeated_failures.queue_growing,
    money.over_budget,
    money.unpriced_cost,
    machinery.limiter_cooled_long,
    machinery.clock_jump,
    machinery.mirror_drift,
    leaked_secrets.secret_in_events,
)
_WORST_FIRST: Final = ("error", "warn", "info")


def examine(
    connection: sqlite3.Connection | None,
    jobs: Sequence[StandingJob],
    now: int,
    surroundings: Surroundings,
    only: str | None = None,
) -> list[Finding]:
    """Everything that a person should know of a ledger, the worst first. Writes nothing.

    A damaged file and a schema of another version are findings, no errors; of the latter the rows are not
    examined.

    Args:
        connection: the ledger, read-only or not; `None` if there is none yet or it cannot be opened.
        jobs: all jobs of the jobs file (`case.standing_jobs`).
        now: milliseconds UTC.
        surroundings: what only the caller knows.
        only: keep the findings of this job, and those of the whole ledger.
    """
    findings = [finding for check in _OF_THE_FILE for finding in check(surroundings)]
    if connection is not None:
        findings += _examined(Case(connection, jobs, now, surroundings))
    secrets = leaked_secrets.secrets_of(jobs, surroundings.environment)
    told = {
        replace(finding, evidence=hidden(finding.evidence, secrets.values())): None
        for finding in findings
        if only is None or finding.job in (None, only)
    }
    return sorted(told, key=_rank)


def fix(
    connection: sqlite3.Connection, jobs: Sequence[StandingJob], now: int, surroundings: Surroundings
) -> list[Finding]:
    """Put right what is safe to, by one reconciliation over all jobs; return the findings that are gone.

    Each is told by an event `doctor_fixed` of its job. A second call finds nothing and writes nothing. A
    ledger that is damaged or of another schema version is left as it is.
    """
    case = Case(connection, jobs, now, surroundings)
    try:
        before = [] if list(storage.schema_behind(case)) else _of(case, _SAFE_TO_FIX)
    except sqlite3.DatabaseError:
        return []
    if not before:
        return []
    reconciliation.reconcile(
        connection, case.plans, now, ended_runs=surroundings.ended_runs, is_dead=surroundings.is_dead
    )
    left = {(finding.id, finding.job) for finding in _of(case, _SAFE_TO_FIX)}
    secrets = leaked_secrets.secrets_of(jobs, surroundings.environment)
    fixed = [
        replace(finding, evidence=hidden(finding.evidence, secrets.values()))
        for finding in before
        if (finding.id, finding.job) not in left
    ]
    with transaction(connection):
        for finding in fixed:
            payload = {"finding": finding.id, "evidence": finding.evidence}
            events.write(connection, "doctor_fixed", Subject(finding.job or ""), now, payload)
    return fixed


def _examined(case: Case) -> list[Finding]:
    try:
        behind = list(storage.schema_behind(case))
    except sqlite3.DatabaseError as error:
        return [storage.damaged(case.surroundings.ledger, error)]
    findings = _of(case, [storage.integrity])
    return findings + (behind or _of(case, _OF_THE_ROWS))


def _of(case: Case, checks: Sequence[Check]) -> list[Finding]:
    """What the checks find. A page that cannot be read is a finding, and the other checks go on.

    All of them read one state of the ledger: counts of a moment apart would differ wherever work goes on.
    """
    findings: list[Finding] = []
    case.connection.execute("BEGIN")
    try:
        for check in checks:
            try:
                findings += check(case)
            except sqlite3.DatabaseError as error:
                findings.append(storage.damaged(case.surroundings.ledger, error))
    finally:
        if case.connection.in_transaction:
            case.connection.execute("ROLLBACK")
    return findings


def _rank(finding: Finding) -> tuple[int, int, str, str]:
    return (
        _WORST_FIRST.index(finding.severity),
        IDS.index(finding.id),
        finding.job or "",
        finding.evidence,
    )
