"""`show`: one item with its stages, attempts, results, costs and events, and why it does not move."""

import sqlite3
from typing import Any, Final, TypedDict

from assets.discovery.readers.jobs_today import JobToday
from assets.discovery.readers.shown_rows import shown_rows
from assets.discovery.readers.standstill import Why, why

LAST_EVENTS: Final = 200

_ITEM: Final = (
    "SELECT w.id, w.job_id AS job, w.key, w.partition_key, d.derived_status, w.revision, w.title, w.url, "
    "w.published_at, w.data_json, w.content_hash, w.priority, w.discovered_at, w.last_seen_at, "
    "w.missing_since, w.gone_at, w.cancelled_at, w.pending_revision_json "
    "FROM work_items AS w JOIN item_derived_status AS d ON d.item_id = w.id WHERE w.id = ?"
)
_STAGES: Final = (
    "SELECT stage, status, revision, attempt, max_attempts, priority, not_before, owner, run_id, "
    "lease_until, started_at, finished_at, duration_ms, error_class, error_code, error_text, skip_reason, "
    "stale_reason, handler_version, input_hash, output_hash FROM item_stages WHERE item_id = ? ORDER BY ord"
)
_ATTEMPTS: Final = (
    "SELECT a.id, a.stage, a.revision, a.attempt, a.owner, a.run_id, a.started_at, a.finished_at, a.outcome, "
    "a.error_class, a.error_code, a.error_text FROM item_stages AS s JOIN attempts AS a ON a.stage_id = s.id "
    "WHERE s.item_id = ? ORDER BY a.id"
)
_RESULTS: Final = (
    "SELECT stage, revision, handler_version, created_at, superseded_at, output_hash, size, payload_json, "
    "blob_path FROM results WHERE item_id = ? ORDER BY id"
)
_COSTS: Final = (
    "SELECT at, day_local AS day, stage, attempt_id, mode, state, provider, model, units_json, micros "
    "FROM costs WHERE item_id = ? ORDER BY id"
)
_EVENTS: Final = (
    "SELECT * FROM (SELECT seq, at, stage, type, level, run_id, payload_json FROM events "
    "WHERE job_id = ? AND item_id = ? ORDER BY seq DESC LIMIT ?) ORDER BY seq"
)


class Story(TypedDict):
    """The document of `show`. Times are texts in the job's time zone, with the offset.

    Results are those of every revision and version; the current ones have no `superseded_at`. A payload that
    lies in a file has a `blob_path` instead. Of the events it is the last `LAST_EVENTS`.
    """

    item: dict[str, Any]
    stages: list[dict[str, Any]]
    attempts: list[dict[str, Any]]
    results: list[dict[str, Any]]
    costs: list[dict[str, Any]]
    events: list[dict[str, Any]]
    why: Why


def show(connection: sqlite3.Connection, today: JobToday, item_id: int, now: int) -> Story:
    """Everything about an item of the job (`item_list.find_item` gives its id)."""
    zone = today.zone
    (item,) = shown_rows(connection, _ITEM, (item_id,), zone)
    return Story(
        item=item,
        stages=list(shown_rows(connection, _STAGES, (item_id,), zone)),
        attempts=list(shown_rows(connection, _ATTEMPTS, (item_id,), zone)),
        results=list(shown_rows(connection, _RESULTS, (item_id,), zone)),
        costs=list(shown_rows(connection, _COSTS, (item_id,), zone)),
        events=list(shown_rows(connection, _EVENTS, (today.name, item_id, LAST_EVENTS), zone)),
        why=why(connection, today, item_id, now),
    )
