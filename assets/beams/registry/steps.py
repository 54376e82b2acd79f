"""The rows of `workflow_steps`: one for each step and attempt, closed in place so that durations can be read.

Joins the caller's transaction. Not here: what a step changes in its case or beam.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from assets.beams.registry.instants import stamp


class StepOf(NamedTuple):
    """What a step belongs to; a step of the whole case has no beam."""

    case_key: str
    beam_id: str | None
    attempt: int


class Request(NamedTuple):
    """Who asked for something, and why."""

    actor: str
    reason: str | None = None


def begin(
    connection: sqlite3.Connection,
    of: StepOf,
    step: str,
    run_id: str,
    now: datetime,
    by: Request | None = None,
) -> None:
    """A run begins a step; tried again within one attempt, its row begins again."""
    actor, reason = by or (None, None)
    again = connection.execute(
        "UPDATE workflow_steps SET status = 'started', run_id = ?, started_at = ?, completed_at = NULL,"
        " metadata = NULL WHERE case_key = ? AND beam_id IS ? AND attempt = ? AND step = ?",
        (run_id, stamp(now), *of, step),
    )
    if again.rowcount == 0:
        connection.execute(
            "INSERT INTO workflow_steps (case_key, beam_id, attempt, step, run_id, status, actor, reason,"
            " started_at) VALUES (?, ?, ?, ?, ?, 'started', ?, ?, ?)",
            (*of, step, run_id, actor, reason, stamp(now)),
        )


def close(
    connection: sqlite3.Connection,
    of: StepOf,
    step: str | None,
    status: Literal["completed", "failed", "skipped"],
    now: datetime,
    metadata: Mapping[str, object] | None = None,
) -> None:
    """End a step that was begun, or with None all that are open."""
    connection.execute(
        "UPDATE workflow_steps SET status = ?, completed_at = ?, metadata = ? WHERE case_key = ?"
        " AND beam_id IS ? AND attempt = ? AND step = coalesce(?, step) AND status = 'started'",
        (status, stamp(now), json.dumps(metadata) if metadata else None, *of, step),
    )


def note(
    connection: sqlite3.Connection,
    of: StepOf,
    step: str,
    by: Request,
    now: datetime,
    metadata: Mapping[str, object],
) -> None:
    """Something that was over when it happened: a person's request, a change by the planner."""
    connection.execute(
        "INSERT INTO workflow_steps (case_key, beam_id, attempt, step, status, actor, reason, started_at,"
        " completed_at, metadata) VALUES (?, ?, ?, ?, 'completed', ?, ?, ?, ?, ?)",
        (*of, step, by.actor, by.reason, stamp(now), stamp(now), json.dumps(metadata)),
    )


def running(
    connection: sqlite3.Connection, case_key: str, beam_id: str | None, active_runs: Collection[str]
) -> str | None:
    """An active run with an open step of the case, or of this beam and its whole case; None if none has."""
    return connection.execute(
        "SELECT max(run_id) FROM workflow_steps WHERE case_key = ?1 AND status = 'started'"
        " AND (?2 IS NULL OR beam_id IS NULL OR beam_id = ?2)"
        " AND run_id IN (SELECT value FROM json_each(?3))",
        (case_key, beam_id, json.dumps(sorted(active_runs))),
    ).fetchone()[0]


def is_manifest_of(connection: sqlite3.Connection, case_key: str, step: str, fingerprint: str | None) -> bool:
    """Whether the newest manifest of a case that was begun is done, and of this fingerprint."""
    row = connection.execute(
        "SELECT status, json_extract(metadata, '$.fingerprint') FROM workflow_steps"
        " WHERE case_key = ? AND beam_id IS NULL AND step = ? ORDER BY id DESC LIMIT 1",
        (case_key, step),
    ).fetchone()
    return row is not None and row == ("completed", fingerprint)


def has_open(connection: sqlite3.Connection, of: StepOf, step: str, run_id: str) -> bool:
    """Whether this run has begun the step of this attempt and not ended it."""
    query = (
        "SELECT 1 FROM workflow_steps WHERE case_key = ? AND beam_id IS ? AND attempt = ? AND step = ?"
        " AND run_id = ? AND status = 'started'"
    )
    return connection.execute(query, (*of, step, run_id)).fetchone() is not None
