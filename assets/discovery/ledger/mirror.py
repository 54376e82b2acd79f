"""What others are told of a job's items: which are done since they were told last, and which they may know.

Reading only, and never in a transaction: whoever is told writes to a store of its own. Not here: telling
(`assets.discovery.mirroring`), and the mark up to which was told (`jobs.set_mirrored`).
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple


class DoneItem(NamedTuple):
    """An item all of whose stages are done or skipped.

    `sequence` is the number of the event that ended its last stage: it rises whenever the item is done anew.
    `attempts`, `duration_ms` (of its stages as they are now) and `cost_micros` (of all time) are sums.
    """

    item_id: int
    partition_key: str
    key: str
    url: str | None
    revision: int
    sequence: int
    versions: Mapping[str, str]
    """The version of the handler, by stage; of a skipped stage as well, if its handler skipped it."""
    attempts: int
    duration_ms: int
    cost_micros: int


class FailedItem(NamedTuple):
    """A stage in the dead letter, with the item that it belongs to."""

    key: str
    partition_key: str
    stage: str
    error_class: str | None
    error_text: str | None
    attempts: int
    finished_at: int


class Population(NamedTuple):
    """The live items of a job: neither gone nor cancelled.

    `newest` are the partition keys of the most recently discovered ones, newest first; `first_id` is the id
    of the last of them.
    """

    live: int
    newest: list[str]
    first_id: int


_NO_ITEM: Final = 2**63 - 1


def done_since(
    connection: sqlite3.Connection,
    job_id: str,
    stages: Collection[str],
    after: int,
    limit: int,
    *,
    first_id: int = 0,
) -> list[tuple[int, int]]:
    """The live items whose last stage ended after an event and that are done: (sequence, item id), in order.

    Args:
        connection: the ledger.
        job_id: the job.
        stages: the stages of the job today.
        after: the sequence number of the event.
        limit: the most items.
        first_id: items with a smaller id are left out.
    """
    rows = connection.execute(
        "SELECT t.seq, t.item_id FROM (SELECT s.item_id, max(s.seq) AS seq "
        "FROM item_stages AS s INDEXED BY idx_item_stages_seq WHERE s.job_id = :job "
        "AND s.stage IN (SELECT value FROM json_each(:stages)) AND s.seq > :after GROUP BY s.item_id) AS t "
        "JOIN work_items AS w ON w.id = t.item_id "
        "WHERE w.id >= :first AND w.gone_at IS NULL AND w.cancelled_at IS NULL "
        "AND (SELECT derived_status FROM item_derived_status WHERE item_id = w.id) = 'done' "
        "ORDER BY t.seq LIMIT :limit",
        {
            "job": job_id,
            "stages": json.dumps(sorted(stages)),
            "after": after,
            "first": first_id,
            "limit": limit,
        },
    )
    return rows.fetchall()


def done_items(connection: sqlite3.Connection, item_ids: Collection[int]) -> list[DoneItem]:
    """Those of these items that are done, by their sequence."""
    rows = connection.execute(
        "SELECT w.id, w.partition_key, w.key, w.url, w.revision, max(s.seq), "
        "json_group_object(s.stage, s.handler_version) FILTER (WHERE s.handler_version IS NOT NULL), "
        "(SELECT count(*) FROM attempts AS a JOIN item_stages AS o ON o.id = a.stage_id "
        "WHERE o.item_id = w.id), coalesce(sum(s.duration_ms), 0) "
        "FROM work_items AS w JOIN item_stages AS s ON s.item_id = w.id "
        "WHERE w.id IN (SELECT value FROM json_each(?)) "
        "AND (SELECT derived_status FROM item_derived_status WHERE item_id = w.id) = 'done' "
        "GROUP BY w.id ORDER BY max(s.seq)",
        (json.dumps(sorted(item_ids)),),
    ).fetchall()
    spent = _spent(connection, item_ids)
    return [
        DoneItem._make((*row[:6], json.loads(versions), attempts, duration_ms, spent.get(row[0], 0)))
        for *row, versions, attempts, duration_ms in rows
    ]


def _spent(connection: sqlite3.Connection, item_ids: Collection[int]) -> dict[int, int]:
    """What items have cost; one pass over the job's costs, which no index finds by their item."""
    rows = connection.execute(
        "SELECT item_id, sum(micros) FROM costs WHERE state = 'settled' AND micros IS NOT NULL "
        "AND item_id IN (SELECT value FROM json_each(?)) GROUP BY item_id",
        (json.dumps(sorted(item_ids)),),
    )
    return dict(rows.fetchall())


def population(connection: sqlite3.Connection, job_id: str, limit: int) -> Population:
    """The live items of a job, and the newest of them, up to `limit`."""
    rows = connection.execute(
        "SELECT id, partition_key, count(*) OVER () FROM work_items "
        "WHERE job_id = ? AND gone_at IS NULL AND cancelled_at IS NULL ORDER BY id DESC LIMIT ?",
        (job_id, max(limit, 1)),
    ).fetchall()
    newest = rows[:limit]
    return Population(
        rows[0][2] if rows else 0,
        [key for _, key, _ in newest],
        newest[-1][0] if newest else _NO_ITEM,
    )


def item_ids(connection: sqlite3.Connection, job_id: str, partition_keys: Sequence[str]) -> dict[str, int]:
    """The items of a job behind partition keys; a key that is none is left out."""
    rows = connection.execute(
        "SELECT partition_key, id FROM work_items "
        "WHERE job_id = ? AND partition_key IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(partition_keys))),
    )
    return dict(rows.fetchall())


def failed_items(
    connection: sqlite3.Connection,
    job_id: str,
    limit: int,
    *,
    items: Collection[int] | None = None,
) -> tuple[int, list[FailedItem]]:
    """How many stages of a job are in the dead letter, and the latest of them, up to `limit`.

    `items` are ledger ids: only their stages count.
    """
    rows = connection.execute(
        "SELECT w.key, w.partition_key, s.stage, s.error_class, s.error_text, s.attempt, s.finished_at, "
        "count(*) OVER () FROM item_stages AS s INDEXED BY idx_item_stages_failed "
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.job_id = :job AND s.status = 'failed' "
        "AND (:items IS NULL OR s.item_id IN (SELECT value FROM json_each(:items))) "
        "ORDER BY s.finished_at DESC, s.id DESC LIMIT :limit",
        {
            "job": job_id,
            "items": None if items is None else json.dumps(sorted(items)),
            "limit": limit,
        },
    ).fetchall()
    return (rows[0][7] if rows else 0), [FailedItem(*row[:7]) for row in rows]


def retrying(connection: sqlite3.Connection, item_ids: Collection[int]) -> int:
    """How many of these items wait to be tried again."""
    (count,) = connection.execute(
        "SELECT count(*) FROM item_derived_status "
        "WHERE item_id IN (SELECT value FROM json_each(?)) AND next_attempt_at IS NOT NULL",
        (json.dumps(sorted(item_ids)),),
    ).fetchone()
    return count


def done_without_result(
    connection: sqlite3.Connection, job_id: str, stages: Collection[str], limit: int
) -> tuple[int, list[tuple[str, str]]]:
    """How many done stages have no result of their revision, and (key, stage) of some, up to `limit`."""
    rows = connection.execute(
        "SELECT w.key, s.stage, count(*) OVER () FROM item_stages AS s INDEXED BY idx_item_stages_seq "
        "JOIN work_items AS w ON w.id = s.item_id "
        "WHERE s.job_id = ? AND s.stage IN (SELECT value FROM json_each(?)) AND s.seq IS NOT NULL "
        "AND s.status = 'done' AND NOT EXISTS (SELECT 1 FROM results AS r WHERE r.item_id = s.item_id "
        "AND r.stage = s.stage AND r.revision = s.revision) ORDER BY s.item_id, s.ord LIMIT ?",
        (job_id, json.dumps(sorted(stages)), limit),
    ).fetchall()
    return (rows[0][2] if rows else 0), [(key, stage) for key, stage, _ in rows]
