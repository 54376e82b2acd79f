"""Items on trial: chosen in one ledger, copied to another with all that a test of them needs, and paid for.

The one ledger is only read, but for what the test cost. In the other, rows that came along have the mode
`test`, so rows of the mode `production` are those that the first ledger has not been told of. Not here: the
files of the ledgers, and the run on the copy.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from assets.discovery.ledger import costs, stage_rows
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.transactions import transaction

_ONE_DAY_MS: Final = 86_400_000


def find_item(connection: sqlite3.Connection, job_id: str, word: str) -> int | None:
    """The item of a job that a person means: by key, else by partition key, else by id."""
    row = connection.execute(
        "SELECT id FROM work_items WHERE job_id = :job AND (key = :word OR partition_key = :word "
        "OR CAST(id AS TEXT) = :word) ORDER BY key = :word DESC, partition_key = :word DESC LIMIT 1",
        {"job": job_id, "word": word.strip()},
    ).fetchone()
    return row[0] if row else None


def unmet_needs(connection: sqlite3.Connection, item_id: int, stage: StagePlan) -> dict[str, str]:
    """The stages that a stage needs and that are neither done nor skipped for an item, with their status."""
    statuses = dict(
        connection.execute("SELECT stage, status FROM item_stages WHERE item_id = ?", (item_id,)).fetchall()
    )
    found = {need: statuses.get(need, "pending") for need in stage.needs}
    return {need: status for need, status in found.items() if status not in ("done", "skipped")}


def newest_ready(connection: sqlite3.Connection, job_id: str, stage: StagePlan, most: int) -> list[int]:
    """The newest items of a job for which everything that a stage needs is done or skipped."""
    rows = connection.execute(
        "SELECT w.id FROM work_items AS w WHERE w.job_id = ? AND w.gone_at IS NULL "
        "AND w.cancelled_at IS NULL AND ? = (SELECT count(*) FROM item_stages AS s WHERE s.item_id = w.id "
        "AND s.status IN ('done', 'skipped') AND s.stage IN (SELECT value FROM json_each(?))) "
        "ORDER BY w.id DESC LIMIT ?",
        (job_id, len(set(stage.needs)), json.dumps(stage.needs), most),
    )
    return [item_id for (item_id,) in rows]


def missing_anywhere(connection: sqlite3.Connection, job_id: str, stage: StagePlan) -> list[str]:
    """Those of the stages that a stage needs that are not done for the newest item of a job."""
    row = connection.execute("SELECT max(id) FROM work_items WHERE job_id = ?", (job_id,)).fetchone()
    return list(stage.needs) if row[0] is None else list(unmet_needs(connection, row[0], stage))


def copy_items(source: sqlite3.Connection, target: sqlite3.Connection, item_ids: Sequence[int]) -> None:
    """Copy items of a job with their stages and current results; they keep their ids.

    What only the source's workers may go on with is left behind: rows in progress wait, and so does what was
    put off. An item that is cancelled or gone there may be tried.
    """
    chosen = (json.dumps(list(item_ids)),)
    within = "IN (SELECT value FROM json_each(?))"
    items = {
        "discovery_id": None,
        "pending_revision_json": None,
        "missing_since": None,
        "missing_count": 0,
        "gone_at": None,
        "cancelled_at": None,
    }
    with transaction(target):
        _copy(source, target, "work_items", f"id {within}", chosen, items)
        _copy(source, target, "item_stages", f"item_id {within} AND status <> 'in_progress'", chosen)
        running = f"item_id {within} AND status = 'in_progress'"
        waiting = {"status": "pending", "claim_id": None, "owner": None, "lease_until": None}
        _copy(source, target, "item_stages", running, chosen, waiting)
        target.execute("UPDATE item_stages SET not_before = 0")
        _copy(source, target, "results", f"item_id {within} AND superseded_at IS NULL", chosen)


def copy_limits(
    source: sqlite3.Connection, target: sqlite3.Connection, job: JobPlan, item_ids: Collection[int], now: int
) -> None:
    """Copy what budgets and rates count: the job's costs of the month, all of today, the items'; limiters."""
    month = costs.local_day(now, job.timezone).replace(day=1).isoformat()
    chosen = json.dumps(sorted(item_ids))
    counted = (
        "state <> 'released' AND ((job_id = ? AND day_local >= ?) OR at >= ? "
        "OR item_id IN (SELECT value FROM json_each(?)))"
    )
    with transaction(target):
        values = (job.job_id, month, now - _ONE_DAY_MS, chosen)
        _copy(source, target, "costs", counted, values, {"attempt_id": None, "mode": "test"})
        # An item that is found anew in the copy may get the id of another one in the source.
        target.execute(
            "UPDATE costs SET item_id = NULL WHERE item_id NOT IN (SELECT value FROM json_each(?))", (chosen,)
        )
        _copy(source, target, "limiters", "kind = 'rate'", ())


def reset(
    connection: sqlite3.Connection, job: JobPlan, item_ids: Collection[int], stages: Collection[str]
) -> None:
    """Set stages of items pending, whatever they are; what they returned last stays readable."""
    with transaction(connection):
        rows = connection.execute(
            "SELECT s.id, s.stage, s.revision, w.priority FROM item_stages AS s "
            "JOIN work_items AS w ON w.id = s.item_id WHERE s.item_id IN (SELECT value FROM json_each(?))",
            (json.dumps(sorted(item_ids)),),
        ).fetchall()
        for stage_id, name, revision, priority in rows:
            stage = job.stage(name)
            if stage is not None and name in stages:
                stage_rows.renew(connection, stage_id, revision, priority, stage.retry)


def unsettled(connection: sqlite3.Connection) -> bool:
    """Whether a copy has costs that the ledger it came from was not told of."""
    row = connection.execute("SELECT 1 FROM costs WHERE mode = 'production' AND state = 'settled'").fetchone()
    return row is not None


def settle(source: sqlite3.Connection, target: sqlite3.Connection, job_id: str) -> int:
    """Write the costs of a test into the ledger of its job, with mode `test`; return the micros.

    They belong to the item with the same key, if the job has it. Each row is written once, however often this
    is called; a crash between the two ledgers repeats it.
    """
    rows = source.execute(
        "SELECT c.id, c.micros, w.key FROM costs AS c LEFT JOIN work_items AS w ON w.id = c.item_id "
        "WHERE c.mode = 'production' AND c.state = 'settled' ORDER BY c.id"
    ).fetchall()
    with transaction(target):
        for cost_id, _, key in rows:
            item = target.execute(
                "SELECT id FROM work_items WHERE job_id = ? AND key = ?", (job_id, key)
            ).fetchone()
            told = {"item_id": item[0] if item else None, "attempt_id": None, "mode": "test", "id": None}
            _copy(source, target, "costs", "id = ?", (cost_id,), told)
    with transaction(source):
        told_ids = json.dumps([cost_id for cost_id, _, _ in rows])
        source.execute(
            "UPDATE costs SET mode = 'test' WHERE id IN (SELECT value FROM json_each(?))", (told_ids,)
        )
    return sum(micros or 0 for _, micros, _ in rows)


def _copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: str,
    condition: str,
    values: Sequence[object],
    changed: Mapping[str, object] | None = None,
) -> None:
    """Copy the rows of a table that meet a condition, with some columns changed."""
    rows = source.execute(f"SELECT * FROM {table} WHERE {condition}", values)  # noqa: S608 - of this module.
    names = [column[0] for column in rows.description]
    changed = changed or {}
    marks = ", ".join("?" for _ in names)
    target.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - names of the schema.
        ([changed.get(name, value) for name, value in zip(names, row, strict=True)] for row in rows),
    )
