"""The failed stages of a job, counted by kind of message."""

import sqlite3
from dataclasses import dataclass

from assets.discovery.credentials import shown
from assets.discovery.readers.error_messages import normalised


@dataclass(slots=True)
class FailureKind:
    """Failures of one stage and class with one kind of message. `last_at` is milliseconds UTC."""

    stage: str
    error_class: str
    message: str
    count: int
    last_at: int
    example_key: str
    """The item that failed last."""


def failure_kinds(connection: sqlite3.Connection, job_id: str) -> list[FailureKind]:
    """The kinds of the job's failed stages, the most frequent first."""
    rows = connection.execute(
        "SELECT s.stage, coalesce(s.error_class, '-'), coalesce(s.error_text, ''), s.finished_at, w.key "
        "FROM item_stages AS s INDEXED BY idx_item_stages_failed JOIN work_items AS w ON w.id = s.item_id "
        "WHERE s.job_id = ? AND s.status = 'failed'",
        (job_id,),
    )
    kinds: dict[tuple[str, str, str], FailureKind] = {}
    for stage, error_class, text, at, key in rows:
        message = normalised(text) or "no message"
        kind = kinds.setdefault(
            (stage, error_class, message), FailureKind(stage, error_class, message, 0, at, shown(key))
        )
        kind.count += 1
        if at >= kind.last_at:
            kind.last_at, kind.example_key = at, shown(key)
    return sorted(kinds.values(), key=lambda kind: (-kind.count, kind.stage, kind.message))
