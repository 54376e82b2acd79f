"""New content of an item: a new revision, at which every stage runs again.

While a stage runs, the new content waits beside the item, and nothing of it is claimed; whoever ends the last
running stage applies it. The functions join the caller's transaction unless they say otherwise.
"""

import json
import sqlite3
from dataclasses import asdict, dataclass

from assets.discovery.ledger import events, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan
from assets.transactions import transaction


@dataclass(frozen=True, slots=True)
class Content:
    """What an item carries of its source. `published_at` is milliseconds UTC."""

    data_json: str
    content_hash: str
    url: str | None = None
    title: str | None = None
    published_at: int | None = None
    priority: int = 100


def is_running(connection: sqlite3.Connection, item_id: int) -> bool:
    """Whether a stage of the item is in progress."""
    query = "SELECT 1 FROM item_stages WHERE item_id = ? AND status = 'in_progress'"
    return connection.execute(query, (item_id,)).fetchone() is not None


def set_waiting(connection: sqlite3.Connection, item_id: int, content: Content | None) -> None:
    """Let new content wait, in place of any that waits already; `None` lets go of it."""
    text = None if content is None else json.dumps(asdict(content), ensure_ascii=False)
    connection.execute("UPDATE work_items SET pending_revision_json = ? WHERE id = ?", (text, item_id))


def set_content(connection: sqlite3.Connection, item_id: int, content: Content) -> None:
    """Replace what the item carries, at the same revision."""
    connection.execute(
        "UPDATE work_items SET data_json = ?, content_hash = ?, url = ?, title = ?, published_at = ?, "
        "priority = ? WHERE id = ?",
        (
            content.data_json,
            content.content_hash,
            content.url,
            content.title,
            content.published_at,
            content.priority,
            item_id,
        ),
    )


def apply(connection: sqlite3.Connection, job: JobPlan, item_id: int, content: Content, now: int) -> None:
    """Begin a new revision: all stages of today's jobs file pending again, attempt 0, event `changed`."""
    set_content(connection, item_id, content)
    (revision,) = connection.execute(
        "UPDATE work_items SET revision = revision + 1, pending_revision_json = NULL, cancelled_at = NULL "
        "WHERE id = ? RETURNING revision",
        (item_id,),
    ).fetchone()
    rows = connection.execute("SELECT id, stage FROM item_stages WHERE item_id = ?", (item_id,)).fetchall()
    for stage_id, name in rows:
        stage = job.stage(name)
        if stage is not None:
            stage_rows.renew(connection, stage_id, revision, content.priority, stage.retry)
    seq = events.write(connection, "changed", Subject(job.job_id, item_id), now, {"revision": revision})
    connection.execute("UPDATE work_items SET seq = ? WHERE id = ?", (seq, item_id))


def apply_waiting(connection: sqlite3.Connection, job: JobPlan, item_id: int, now: int) -> bool:
    """Apply the content that waits for this item, unless a stage is still running; returns whether it did."""
    row = connection.execute(
        "SELECT pending_revision_json FROM work_items WHERE id = ? AND pending_revision_json IS NOT NULL",
        (item_id,),
    ).fetchone()
    if row is None or is_running(connection, item_id):
        return False
    apply(connection, job, item_id, Content(**json.loads(row[0])), now)
    return True


def apply_all_waiting(connection: sqlite3.Connection, job: JobPlan, now: int) -> int:
    """Apply what waits in a job and can be applied; a transaction of its own. Returns how many items."""
    query = "SELECT id FROM work_items WHERE job_id = ? AND pending_revision_json IS NOT NULL"
    if connection.execute(query, (job.job_id,)).fetchone() is None:
        return 0
    with transaction(connection):
        items = [item_id for (item_id,) in connection.execute(query, (job.job_id,)).fetchall()]
        return sum(apply_waiting(connection, job, item_id, now) for item_id in items)
