"""How a stage's row looks before and after each move. The functions join the caller's transaction.

Not here: who may do it (`transitions`), and what else has to happen with it.
"""

import sqlite3
from dataclasses import dataclass

from assets.discovery.ledger.plans import RetryPolicy
from assets.discovery.ledger.transitions import Status


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed, as it is shown."""

    error_class: str | None = None
    error_code: str | None = None
    error_text: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A row in progress, by its fencing token."""

    stage_id: int
    claim_id: int


NO_FAILURE = Failure()


def put_back(
    connection: sqlite3.Connection, held: Held, not_before: int, failure: Failure, *, give_back: bool
) -> None:
    """From in progress to pending; `give_back` takes the attempt off the count."""
    connection.execute(
        "UPDATE item_stages SET status = 'pending', claim_id = NULL, owner = NULL, lease_until = NULL, "
        "not_before = ?, attempt = attempt - ?, error_class = ?, error_code = ?, error_text = ? "
        "WHERE id = ? AND claim_id = ? AND status = 'in_progress'",
        (
            not_before,
            int(give_back),
            failure.error_class,
            failure.error_code,
            failure.error_text,
            held.stage_id,
            held.claim_id,
        ),
    )


def end(
    connection: sqlite3.Connection, held: Held, status: Status, now: int, failure: Failure = NO_FAILURE
) -> None:
    """From in progress to failed or cancelled. What the stage last put out stays known."""
    connection.execute(
        "UPDATE item_stages SET status = ?, claim_id = NULL, owner = NULL, lease_until = NULL, "
        "finished_at = ?, duration_ms = max(? - started_at, 0), "
        "error_class = ?, error_code = ?, error_text = ?, "
        "stale_reason = NULL WHERE id = ? AND claim_id = ? AND status = 'in_progress'",
        (
            status,
            now,
            now,
            failure.error_class,
            failure.error_code,
            failure.error_text,
            held.stage_id,
            held.claim_id,
        ),
    )


def succeed(
    connection: sqlite3.Connection,
    held: Held,
    now: int,
    seq: int,
    *,
    output_hash: str | None = None,
    handler_version: str | None = None,
    skip_reason: str | None = None,
) -> None:
    """From in progress to done, or to skipped if a reason for that is given."""
    connection.execute(
        "UPDATE item_stages SET status = ?, claim_id = NULL, owner = NULL, lease_until = NULL, "
        "finished_at = ?, duration_ms = max(? - started_at, 0), "
        "error_class = NULL, error_code = NULL, error_text = NULL, "
        "stale_reason = NULL, skip_reason = ?, output_hash = ?, handler_version = ?, seq = ? "
        "WHERE id = ? AND claim_id = ? AND status = 'in_progress'",
        (
            "done" if skip_reason is None else "skipped",
            now,
            now,
            skip_reason,
            output_hash,
            handler_version,
            seq,
            held.stage_id,
            held.claim_id,
        ),
    )


def close_attempt(
    connection: sqlite3.Connection, claim_id: int, outcome: str, now: int, failure: Failure = NO_FAILURE
) -> None:
    """Write how an attempt ended."""
    connection.execute(
        "UPDATE attempts SET outcome = ?, finished_at = ?, error_class = ?, error_code = ?, error_text = ? "
        "WHERE id = ? AND outcome IS NULL",
        (outcome, now, failure.error_class, failure.error_code, failure.error_text, claim_id),
    )


def set_aside(
    connection: sqlite3.Connection, stage_id: int, status: Status, now: int, reason: str, seq: int
) -> None:
    """From pending or failed to skipped or cancelled, unworked."""
    connection.execute(
        "UPDATE item_stages SET status = ?, finished_at = ?, skip_reason = ?, stale_reason = NULL, seq = ? "
        "WHERE id = ?",
        (status, now, reason, seq if status == "skipped" else None, stage_id),
    )


def run_again(connection: sqlite3.Connection, stage_id: int, stale_reason: str, policy: RetryPolicy) -> None:
    """From done to pending because it is out of date; behind new work, its result and hashes stay known."""
    connection.execute(
        "UPDATE item_stages SET status = 'pending', attempt = 0, max_attempts = ?, not_before = 0, "
        "finished_at = NULL, duration_ms = NULL, seq = NULL, stale_reason = ?, "
        "priority = 100 + (SELECT priority FROM work_items WHERE id = item_stages.item_id) WHERE id = ?",
        (policy.max_attempts, stale_reason, stage_id),
    )


def retry(connection: sqlite3.Connection, stage_id: int, policy: RetryPolicy) -> None:
    """From a terminal status to pending by a person: as many attempts again as are configured."""
    connection.execute(
        "UPDATE item_stages SET status = 'pending', max_attempts = attempt + ?, not_before = 0, "
        "finished_at = NULL, duration_ms = NULL, seq = NULL, error_class = NULL, error_code = NULL, "
        "error_text = NULL, skip_reason = NULL, stale_reason = NULL WHERE id = ?",
        (policy.max_attempts, stage_id),
    )


def renew(
    connection: sqlite3.Connection, stage_id: int, revision: int, priority: int, policy: RetryPolicy
) -> None:
    """To pending at a new revision of the item, from any status but in progress."""
    connection.execute(
        "UPDATE item_stages SET status = 'pending', revision = ?, priority = ?, attempt = 0, "
        "max_attempts = ?, not_before = 0, started_at = NULL, finished_at = NULL, duration_ms = "
        "NULL, error_class = NULL, "
        "error_code = NULL, error_text = NULL, skip_reason = NULL, stale_reason = NULL, input_hash = NULL, "
        "output_hash = NULL, handler_version = NULL, seq = NULL WHERE id = ? AND status <> 'in_progress'",
        (revision, priority, policy.max_attempts, stage_id),
    )
