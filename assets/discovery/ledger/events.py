"""The events of the ledger: what happened, in the order of a sequence that never goes back.

Claims write none, the attempt row is their record. The functions here join the caller's transaction, so an
event exists if and only if what it tells of was committed.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["info", "warn", "error"]

EVENT_TYPES: Final = frozenset(
    {"discovered", "changed", "returned", "missing", "gone", "source_rewritten"}
    | {"discovery_failed", "discovery_anomalous"}
    | {"stage_done", "stage_skipped", "stage_failed", "retry_scheduled", "rate_limited", "snoozed"}
    | {"lease_lost", "reaped", "released", "paused", "resumed", "woken"}
    | {"breaker_open", "breaker_half_open", "breaker_closed", "budget_soft", "budget_hard", "unpriced"}
    | {"stale_reset", "retried", "skipped_by_hand", "cancelled", "doctor_fixed", "config_changed"}
    | {"run_started", "run_finished"}
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: a job, one of its items, one of the item's stages; and the run that did it."""

    job_id: str
    item_id: int | None = None
    stage: str | None = None
    run_id: str | None = None


def write(
    connection: sqlite3.Connection,
    type_: str,
    subject: Subject,
    now: int,
    payload: Mapping[str, object] | None = None,
    level: Level = "info",
) -> int:
    """Append an event and return its sequence number. Raises `ValueError` for a type that is not declared."""
    if type_ not in EVENT_TYPES:
        raise ValueError(f"{type_!r} is no event type of the ledger; declare it in EVENT_TYPES.")
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":")) if payload else "{}"
    cursor = connection.execute(
        "INSERT INTO events (at, job_id, item_id, stage, type, level, run_id, payload_json) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (now, subject.job_id, subject.item_id, subject.stage, type_, level, subject.run_id, text),
    )
    assert cursor.lastrowid is not None  # noqa: S101 - narrows the type: an INSERT always has one.
    return cursor.lastrowid


def last_seq(connection: sqlite3.Connection, job_id: str) -> int:
    """The sequence number of the job's newest event; 0 without any."""
    (seq,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM events WHERE job_id = ?", (job_id,)
    ).fetchone()
    return seq


def prune(connection: sqlite3.Connection, job_id: str, before: int, up_to: int | None = None) -> int:
    """Remove the job's events older than `before`, none behind the sequence number `up_to`; return how many.

    Nothing else is ever pruned.
    """
    return connection.execute(
        "DELETE FROM events WHERE job_id = ? AND at < ? AND (? IS NULL OR seq <= ?)",
        (job_id, before, up_to, up_to),
    ).rowcount
