"""What a job's discoveries found, one after the other. Reading only.

Not here: judging them (`listings`), and how items fare since (`mirror`, `readers`).
"""

import json
import sqlite3
from collections.abc import Collection
from typing import NamedTuple


class PastDiscovery(NamedTuple):
    """One discovery. `outcome=None`: it was broken off, or runs. Times are milliseconds UTC."""

    started_at: int
    outcome: str | None
    n_read: int
    n_new: int
    n_changed: int
    n_gone: int


class NewItem(NamedTuple):
    """An item as a discovery found it. Times are milliseconds UTC."""

    key: str
    partition_key: str
    title: str | None
    url: str | None
    published_at: int | None


def discoveries(connection: sqlite3.Connection, job_id: str, limit: int) -> list[PastDiscovery]:
    """The last discoveries of a job, oldest first."""
    rows = connection.execute(
        "SELECT started_at, outcome, n_read, n_new, n_changed, n_gone FROM discoveries "
        "WHERE job_id = ? ORDER BY id DESC LIMIT ?",
        (job_id, limit),
    ).fetchall()
    return [PastDiscovery._make(row) for row in reversed(rows)]


def new_items(connection: sqlite3.Connection, job_id: str, keys: Collection[str]) -> list[NewItem]:
    """The items under these keys, in the order in which they were found."""
    rows = connection.execute(
        "SELECT key, partition_key, title, url, published_at FROM work_items "
        "WHERE job_id = ? AND key IN (SELECT value FROM json_each(?)) ORDER BY id",
        (job_id, json.dumps(sorted(keys))),
    )
    return list(map(NewItem._make, rows))


def cursor_after(connection: sqlite3.Connection, discovery_id: int) -> str | None:
    """Where a discovery left off, as JSON text."""
    row = connection.execute(
        "SELECT cursor_after_json FROM discoveries WHERE id = ?", (discovery_id,)
    ).fetchone()
    return row[0] if row else None


class Progress(NamedTuple):
    """How far a run has come since an event, and how many stages of the job still wait."""

    discovered: int
    done: int
    skipped: int
    failed: int
    to_try_again: int
    waiting: int


def progress(connection: sqlite3.Connection, job_id: str, run_id: str, since: int) -> Progress:
    """Count what a run has written after the event `since`."""
    rows = connection.execute(
        "SELECT type, count(*) FROM events WHERE job_id = ? AND seq > ? AND run_id = ? GROUP BY type",
        (job_id, since, run_id),
    )
    count = dict(rows.fetchall())
    (waiting,) = connection.execute(
        "SELECT count(*) FROM item_stages INDEXED BY idx_item_stages_claim "
        "WHERE job_id = ? AND status = 'pending'",
        (job_id,),
    ).fetchone()
    return Progress(
        count.get("discovered", 0),
        count.get("stage_done", 0),
        count.get("stage_skipped", 0),
        count.get("stage_failed", 0),
        count.get("retry_scheduled", 0),
        waiting,
    )
