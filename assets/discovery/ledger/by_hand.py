"""What a person does to stages: try again, skip, cancel. Each is one transaction and keeps all history."""

import sqlite3
from dataclasses import dataclass
from typing import Final, Literal

from assets.discovery.ledger import events, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.discovery.ledger.transitions import By, Status, require_legal
from assets.transactions import transaction

_RETRIED: Final[tuple[tuple[Status, ...], ...]] = (("failed",), ("cancelled",), ("done", "skipped"))


@dataclass(frozen=True, slots=True)
class _Row:
    stage_id: int
    item_id: int
    stage: str
    status: Status


def retry_item(connection: sqlite3.Connection, job: JobPlan, item_id: int, now: int) -> int:
    """Set the failed stages of an item pending; return how many.

    Without a failed one it is the cancelled stages, and without those the done and skipped ones. Other
    stages are left alone. Stages that the jobs file no longer has are never set pending.
    """
    with transaction(connection):
        rows = [row for row in _of_item(connection, item_id) if job.stage(row.stage)]
        for statuses in _RETRIED:
            chosen = [row for row in rows if row.status in statuses]
            if chosen:
                query = "UPDATE work_items SET cancelled_at = NULL WHERE id = ?"
                connection.execute(query, (item_id,))
                return _retry(connection, job, chosen, now)
        return 0


def retry_failed(
    connection: sqlite3.Connection, job: JobPlan, now: int, error_class: str | None = None
) -> int:
    """Set the failed stages of a job pending, all or those of one error class; return how many."""
    with transaction(connection):
        rows = connection.execute(
            "SELECT id, item_id, stage, status FROM item_stages WHERE job_id = ? AND status = 'failed' "
            "AND (? IS NULL OR error_class = ?) ORDER BY item_id, ord",
            (job.job_id, error_class, error_class),
        ).fetchall()
        return _retry(
            connection, job, [row for row in (_Row(*row) for row in rows) if job.stage(row.stage)], now
        )


def _retry(connection: sqlite3.Connection, job: JobPlan, rows: list[_Row], now: int) -> int:
    for row in rows:
        require_legal(row.stage, row.status, "pending", By.PERSON)
        plan = job.stage(row.stage) or StagePlan(row.stage)
        stage_rows.retry(connection, row.stage_id, plan.retry)
        subject = Subject(job.job_id, row.item_id, row.stage)
        events.write(connection, "retried", subject, now, {"from": row.status})
    return len(rows)


def set_aside(
    connection: sqlite3.Connection,
    item_id: int,
    to: Literal["skipped", "cancelled"],
    reason: str,
    now: int,
    stage: str | None = None,
) -> int:
    """Skip or cancel one stage of an item, or all that wait or failed; return how many.

    Cancelling a whole item also stops what of it is running from being tried again. Raises
    `IllegalTransition` for a named stage that neither waits nor failed, `KeyError` for one without a row.
    """
    with transaction(connection):
        rows = _of_item(connection, item_id)
        if stage is not None:
            rows = [row for row in rows if row.stage == stage]
            if not rows:
                raise KeyError(stage)
        else:
            rows = [row for row in rows if row.status in ("pending", "failed")]
        (job_id,) = connection.execute("SELECT job_id FROM work_items WHERE id = ?", (item_id,)).fetchone()
        for row in rows:
            require_legal(row.stage, row.status, to, By.PERSON)
            type_ = "skipped_by_hand" if to == "skipped" else "cancelled"
            seq = events.write(
                connection, type_, Subject(job_id, item_id, row.stage), now, {"reason": reason}
            )
            stage_rows.set_aside(connection, row.stage_id, to, now, reason, seq)
        if to == "cancelled" and stage is None:
            connection.execute(
                "UPDATE work_items SET cancelled_at = coalesce(cancelled_at, ?), "
                "pending_revision_json = NULL WHERE id = ?",
                (now, item_id),
            )
    return len(rows)


def _of_item(connection: sqlite3.Connection, item_id: int) -> list[_Row]:
    rows = connection.execute(
        "SELECT id, item_id, stage, status FROM item_stages WHERE item_id = ? ORDER BY ord", (item_id,)
    )
    return [_Row(*row) for row in rows]
