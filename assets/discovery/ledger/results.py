"""What handlers returned: one row per item, stage, revision and handler version, the last one current.

A result stays current, and readable, until a newer one is committed in its place. The functions here join
the caller's transaction. Not here: which results are out of date (`staleness`), and the files of payloads
that are too big for a row.
"""

import hashlib
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from assets.discovery.ledger.outcomes import Done


@dataclass(frozen=True, slots=True)
class Result:
    """The current result of a stage: the payload as JSON text, or the path of its blob."""

    stage: str
    revision: int
    handler_version: str
    output_hash: str
    payload_json: str | None
    blob_path: str | None


class Finished(NamedTuple):
    """A done stage, as another job reads it."""

    seq: int
    key: str
    item_id: int
    revision: int
    output_hash: str
    payload_json: str | None
    blob_path: str | None


def input_hash(content_hash: str, needs: Sequence[str], outputs: Mapping[str, str | None]) -> str:
    """SHA-256 of the item's content hash and the output hashes of the stages needed (`-`: skipped)."""
    lines = [content_hash, *(f"{need} {outputs.get(need) or '-'}" for need in sorted(needs))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def output_hashes(
    connection: sqlite3.Connection, item_ids: Sequence[int]
) -> dict[int, dict[str, str | None]]:
    """The output hashes of the items' stages as they are known today, by item and stage."""
    found: dict[int, dict[str, str | None]] = {item_id: {} for item_id in item_ids}
    rows = connection.execute(
        "SELECT item_id, stage, output_hash FROM item_stages "
        "WHERE item_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(item_ids)),),
    )
    for item_id, stage, known in rows:
        found[item_id][stage] = known
    return found


def store(
    connection: sqlite3.Connection,
    item: tuple[int, str, str, int],
    done: Done,
    inputs: str,
    now: int,
) -> None:
    """Make a payload the current result of (item id, job, stage, revision); what was current is superseded.

    The same version run again replaces its row, so there is never a second one.
    """
    item_id, job_id, stage, revision = item
    supersede(connection, item_id, stage, now)
    connection.execute(
        "INSERT INTO results (item_id, job_id, stage, revision, handler_version, input_hash, output_hash, "
        "logic_hash, payload_json, blob_path, size, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (item_id, stage, revision, handler_version) DO UPDATE SET "
        "input_hash = excluded.input_hash, output_hash = excluded.output_hash, "
        "logic_hash = excluded.logic_hash, payload_json = excluded.payload_json, "
        "blob_path = excluded.blob_path, size = excluded.size, created_at = excluded.created_at, "
        "superseded_at = NULL",
        (
            item_id,
            job_id,
            stage,
            revision,
            done.handler_version,
            inputs,
            done.output_hash,
            done.logic_hash,
            done.payload_json,
            done.blob_path,
            done.size,
            now,
        ),
    )


def supersede(connection: sqlite3.Connection, item_id: int, stage: str, now: int) -> None:
    """The stage has ended anew: its current result, if any, is history."""
    connection.execute(
        "UPDATE results SET superseded_at = ? WHERE item_id = ? AND stage = ? AND superseded_at IS NULL",
        (now, item_id, stage),
    )


def current(connection: sqlite3.Connection, item_id: int) -> dict[str, Result]:
    """The current results of an item, by stage."""
    rows = connection.execute(
        "SELECT stage, revision, handler_version, output_hash, payload_json, blob_path FROM results "
        "WHERE item_id = ? AND superseded_at IS NULL",
        (item_id,),
    )
    return {row[0]: Result(*row) for row in rows}


def inputs(connection: sqlite3.Connection, item_id: int, needs: Sequence[str]) -> dict[str, Result]:
    """What a handler gets of the stages that it needs: the results of those that are done."""
    done = {
        stage
        for (stage,) in connection.execute(
            "SELECT stage FROM item_stages WHERE item_id = ? AND status = 'done'", (item_id,)
        )
    }
    found = current(connection, item_id)
    return {need: found[need] for need in needs if need in done and need in found}


def finished_since(
    connection: sqlite3.Connection, job_id: str, stage: str, seq: int, limit: int
) -> list[Finished]:
    """The done stages of a job whose sequence number is above `seq`, in that order, with what they put out.

    A stage that is done again comes again, behind all others; one that failed or was skipped never does.
    """
    rows = connection.execute(
        "SELECT s.seq, w.key, w.id, r.revision, r.output_hash, r.payload_json, r.blob_path "
        "FROM item_stages AS s INDEXED BY idx_item_stages_seq JOIN work_items AS w ON w.id = s.item_id "
        "JOIN results AS r ON r.item_id = s.item_id AND r.stage = s.stage AND r.superseded_at IS NULL "
        "WHERE s.job_id = ? AND s.stage = ? AND s.seq > ? AND s.status = 'done' ORDER BY s.seq LIMIT ?",
        (job_id, stage, seq, limit),
    )
    return list(map(Finished._make, rows))


class StageEnd(NamedTuple):
    """Where a stage of an item stands, with its current result if it is done."""

    key: str
    stage: str
    status: str
    error_text: str | None
    result: Result | None


def stages_of(connection: sqlite3.Connection, item_ids: Collection[int]) -> list[StageEnd]:
    """Every stage of these items, item by item, in the order of the job."""
    rows = connection.execute(
        "SELECT w.key, s.stage, s.status, coalesce(s.error_text, s.skip_reason), r.revision, "
        "r.handler_version, r.output_hash, r.payload_json, r.blob_path FROM item_stages AS s "
        "JOIN work_items AS w ON w.id = s.item_id LEFT JOIN results AS r ON r.item_id = s.item_id "
        "AND r.stage = s.stage AND r.superseded_at IS NULL AND s.status = 'done' "
        "WHERE s.item_id IN (SELECT value FROM json_each(?)) ORDER BY s.item_id, s.ord",
        (json.dumps(sorted(item_ids)),),
    )
    return [
        StageEnd(key, stage, status, text, Result(stage, *result) if result[0] is not None else None)
        for key, stage, status, text, *result in rows
    ]
