"""The jobs as the ledger knows them: what the jobs file says today, and what became of those it dropped.

History is never deleted: a job that leaves the file is orphaned, a stage that leaves it is cancelled where it
was not finished. Not here: pauses (`pauses`), budgets (`budgets`), cursors (`items`, `listings`).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from assets.discovery.ledger import events, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.ledger.transactions import transaction

JobState = Literal["orphaned", "disabled", "paused", "over_budget", "cooling", "complete", "running", "idle"]


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One job of the jobs file: its canonical configuration (secrets masked) and the SHA-256 of that."""

    job_id: str
    config_json: str
    config_hash: str
    enabled: bool = True


class Synced(NamedTuple):
    """The jobs that a sync changed."""

    added: list[str]
    changed: list[str]
    orphaned: list[str]


class Standing(NamedTuple):
    """A job's row, as far as discovery and people ask for it. Times are milliseconds UTC."""

    job_id: str
    enabled: int
    orphaned_at: int | None
    paused: int
    pause_kind: str | None
    paused_reason: str | None
    paused_at: int | None
    resume_at: int | None
    over_budget_until: int | None
    wake_at: int | None
    cursor_json: str | None
    validators_json: str | None
    last_discovery_at: int | None
    last_discovery_id: int | None
    mirror_seq: int


def sync(connection: sqlite3.Connection, entries: Sequence[JobEntry], now: int) -> Synced:
    """Make `job_state` say what the jobs file says: add, change, orphan and bring back, in one transaction.

    A changed configuration lets an over-budget job ask again: its limit may be what changed.
    """
    with transaction(connection):
        rows = connection.execute(
            "SELECT job_id, config_hash, enabled, orphaned_at FROM job_state"
        ).fetchall()
        known = {job_id: rest for job_id, *rest in rows}
        synced = Synced([], [], [])
        for entry in entries:
            if entry.job_id not in known:
                connection.execute("INSERT INTO job_state (job_id) VALUES (?)", (entry.job_id,))
                synced.added.append(entry.job_id)
            elif known[entry.job_id] != [entry.config_hash, int(entry.enabled), None]:
                payload = {"before": known[entry.job_id][0], "after": entry.config_hash}
                events.write(connection, "config_changed", Subject(entry.job_id), now, payload)
                synced.changed.append(entry.job_id)
            else:
                continue
            connection.execute(
                "UPDATE job_state SET config_json = ?, config_hash = ?, enabled = ?, orphaned_at = NULL, "
                "over_budget_until = NULL WHERE job_id = ?",
                (entry.config_json, entry.config_hash, int(entry.enabled), entry.job_id),
            )
        names = {entry.job_id for entry in entries}
        for job_id, (_, _, orphaned_at) in known.items():
            if job_id not in names and orphaned_at is None:
                connection.execute("UPDATE job_state SET orphaned_at = ? WHERE job_id = ?", (now, job_id))
                events.write(connection, "config_changed", Subject(job_id), now, {"orphaned": True}, "warn")
                synced.orphaned.append(job_id)
    return synced


def align_stages(connection: sqlite3.Connection, job: JobPlan, now: int) -> int:
    """Give every live item the rows of today's stages, and cancel what waits in stages that were removed.

    Returns how many rows that changed. Rows that were never tried take over today's number of attempts.
    """
    if not _is_misaligned(connection, job):
        return 0
    with transaction(connection):
        changed = _cancel_removed(connection, job, now)
        for ord_, stage in enumerate(job.stages):
            connection.execute(
                "UPDATE item_stages SET ord = ? WHERE job_id = ? AND stage = ? AND ord <> ?",
                (ord_, job.job_id, stage.name, ord_),
            )
            changed += connection.execute(
                "INSERT INTO item_stages (item_id, job_id, stage, ord, revision, priority, max_attempts) "
                "SELECT w.id, w.job_id, ?, ?, w.revision, w.priority, ? FROM work_items AS w "
                "WHERE w.job_id = ? AND w.gone_at IS NULL AND w.cancelled_at IS NULL AND NOT EXISTS "
                "(SELECT 1 FROM item_stages AS s WHERE s.item_id = w.id AND s.stage = ?) ORDER BY w.id",
                (stage.name, ord_, stage.retry.max_attempts, job.job_id, stage.name),
            ).rowcount
            connection.execute(
                "UPDATE item_stages SET max_attempts = ? WHERE job_id = ? AND stage = ? "
                "AND status = 'pending' AND attempt = 0 AND max_attempts <> ?",
                (stage.retry.max_attempts, job.job_id, stage.name, stage.retry.max_attempts),
            )
    return changed


def _is_misaligned(connection: sqlite3.Connection, job: JobPlan) -> bool:
    """Whether there is anything to align: read without the write lock, for every run asks this."""
    for ord_, stage in enumerate(job.stages):
        (found,) = connection.execute(
            "SELECT EXISTS (SELECT 1 FROM work_items AS w LEFT JOIN item_stages AS s ON s.item_id = w.id "
            "AND s.stage = :stage WHERE w.job_id = :job AND w.gone_at IS NULL AND w.cancelled_at IS NULL "
            "AND (s.id IS NULL OR s.ord <> :ord OR (s.status = 'pending' AND s.attempt = 0 "
            "AND s.max_attempts <> :attempts)))",
            {"stage": stage.name, "job": job.job_id, "ord": ord_, "attempts": stage.retry.max_attempts},
        ).fetchone()
        if found:
            return True
    return bool(_removed(connection, job))


def _removed(connection: sqlite3.Connection, job: JobPlan) -> list[tuple[int, int, str]]:
    """Rows that wait or failed in stages which the job no longer has."""
    names = {stage.name for stage in job.stages}
    rows = connection.execute(
        "SELECT id, item_id, stage FROM item_stages WHERE job_id = ? AND status IN ('pending', 'failed')",
        (job.job_id,),
    )
    return [row for row in rows if row[2] not in names]


def _cancel_removed(connection: sqlite3.Connection, job: JobPlan, now: int) -> int:
    rows = _removed(connection, job)
    if rows:
        stages = sorted({stage for _, _, stage in rows})
        payload = {"removed_stages": stages, "rows": len(rows)}
        seq = events.write(connection, "config_changed", Subject(job.job_id), now, payload)
        for stage_id, _, _ in rows:
            reason = "The stage was removed from the jobs file."
            stage_rows.set_aside(connection, stage_id, "cancelled", now, reason, seq)
    return len(rows)


def standing(connection: sqlite3.Connection, job_id: str) -> Standing | None:
    """The job's row; `None` if the ledger does not know it."""
    row = connection.execute(
        "SELECT job_id, enabled, orphaned_at, paused, pause_kind, paused_reason, paused_at, resume_at, "
        "over_budget_until, wake_at, cursor_json, validators_json, last_discovery_at, last_discovery_id, "
        "mirror_seq FROM job_state WHERE job_id = ?",
        (job_id,),
    ).fetchone()
    return Standing._make(row) if row else None


def state_of(connection: sqlite3.Connection, job_id: str, now: int, *, is_backfill: bool = False) -> JobState:
    """The one word for a job that people see. Raises `KeyError` for a job that the ledger does not know."""
    row = standing(connection, job_id)
    if row is None:
        raise KeyError(job_id)
    return _stopped(row, now) or _going(connection, job_id, now, is_backfill)


def _stopped(row: Standing, now: int) -> JobState | None:
    if row.orphaned_at is not None:
        return "orphaned"
    if not row.enabled:
        return "disabled"
    if row.paused:
        return "paused"
    is_over = row.over_budget_until is not None and row.over_budget_until > now
    return "over_budget" if is_over else None


def _going(connection: sqlite3.Connection, job_id: str, now: int, is_backfill: bool) -> JobState:
    if _is_cooling(connection, job_id, now):
        return "cooling"
    if is_backfill and _is_complete(connection, job_id):
        return "complete"
    live = "SELECT 1 FROM item_stages WHERE job_id = ? AND status = 'in_progress' AND lease_until > ?"
    return "running" if connection.execute(live, (job_id, now)).fetchone() else "idle"


def _is_cooling(connection: sqlite3.Connection, job_id: str, now: int) -> bool:
    query = "SELECT 1 FROM limiters WHERE name >= ? AND name < ? AND state = 'open' AND cooldown_until > ?"
    return connection.execute(query, (f"breaker:{job_id}/", f"breaker:{job_id}0", now)).fetchone() is not None


def _is_complete(connection: sqlite3.Connection, job_id: str) -> bool:
    listing = connection.execute(
        "SELECT complete FROM discoveries WHERE job_id = ? AND outcome = 'ok' ORDER BY id DESC LIMIT 1",
        (job_id,),
    ).fetchone()
    waiting = connection.execute(
        "SELECT 1 FROM item_stages WHERE job_id = ? AND status IN ('pending', 'in_progress') LIMIT 1",
        (job_id,),
    ).fetchone()
    return listing is not None and bool(listing[0]) and waiting is None


def set_mirrored(connection: sqlite3.Connection, job_id: str, seq: int) -> None:
    """Remember up to which event the job's finished items are known elsewhere; it never goes back."""
    with transaction(connection):
        connection.execute(
            "UPDATE job_state SET mirror_seq = max(mirror_seq, ?) WHERE job_id = ?", (seq, job_id)
        )
