"""How many items are stale, fast enough for a status of 100,000 items.

The exact way (`staleness.count_stale`) hashes the inputs of every done stage anew. Here the order of events
shows for nearly all rows that their inputs cannot have changed since they were claimed, and only the items of
the others are hashed.
"""

import sqlite3
from typing import Final

from assets.discovery.ledger import staleness
from assets.discovery.ledger.plans import JobPlan, StagePlan

_DONE: Final = (
    "FROM item_stages AS s INDEXED BY idx_item_stages_seq "
    "WHERE s.job_id = ? AND s.stage = ? AND s.seq IS NOT NULL AND s.status = 'done'"
)
# A stage without needs reads the item's content only, and that waits while a stage runs.
_CONTENT_SINCE: Final = "NOT EXISTS (SELECT 1 FROM work_items AS w WHERE w.id = s.item_id AND w.seq < s.seq)"
# Changes that are ignored do not wait: they count from when they were written.
_CONTENT_SINCE_CLAIM: Final = (
    "NOT EXISTS (SELECT 1 FROM work_items AS w JOIN events AS e ON e.seq = w.seq "
    "WHERE w.id = s.item_id AND w.seq < s.seq AND e.at < s.started_at)"
)
# What was needed did not end before the claim. A skipped stage is not looked at itself, so it has to be newer
# than the content, too. (Two conditions instead of one: the second is only asked where the first one fails.)
_NEED_SINCE_CLAIM: Final = (
    "(NOT EXISTS (SELECT 1 FROM item_stages AS n WHERE n.item_id = s.item_id AND n.stage = ? "
    "AND n.status = 'done' AND n.finished_at < s.started_at) "
    "AND NOT EXISTS (SELECT 1 FROM item_stages AS n JOIN work_items AS w ON w.id = n.item_id "
    "WHERE n.item_id = s.item_id AND n.stage = ? "
    "AND n.status = 'skipped' AND n.finished_at < s.started_at AND n.seq > w.seq))"
)


def count_stale_items(connection: sqlite3.Connection, job: JobPlan) -> int:
    """How many items of the job have a stale stage: `staleness.count_stale(...).items`.

    Three things escape it, and `count_stale` and `reprocess` see them: what was done while the `needs` of a
    stage were changed and then changed back, or while the clock went backwards; and a result that is missing,
    which no function of the ledger leaves (the doctor reports it as an error).
    """
    stale, suspects = set[int](), set[int]()
    for stage in job.stages:
        if _needs_changed(connection, job, stage):
            return staleness.count_stale(connection, job).items
        condition, values = _may_have_changed(job, stage)
        rows = connection.execute(
            f"SELECT s.item_id, s.handler_version {_DONE} AND (s.handler_version IS NOT ? OR {condition})",
            (job.job_id, stage.name, stage.handler_version, *values),
        )
        for item_id, version in rows:
            (suspects if version == stage.handler_version else stale).add(item_id)
    suspects -= stale
    if suspects:
        stale |= {found.item_id for found in staleness.stale_stages(connection, job, items=suspects)}
    return len(stale)


def _may_have_changed(job: JobPlan, stage: StagePlan) -> tuple[str, list[str]]:
    """The condition under which the inputs of a row may have changed since its claim, and its values."""
    if stage.needs:
        return " OR ".join(_NEED_SINCE_CLAIM for _ in stage.needs), [n for n in stage.needs for _ in range(2)]
    return (_CONTENT_SINCE_CLAIM if job.discovery.on_change == "ignore" else _CONTENT_SINCE), []


def _needs_changed(connection: sqlite3.Connection, job: JobPlan, stage: StagePlan) -> bool:
    """Whether the row that was done first was done with other `needs`: its inputs differ unchanged."""
    condition, values = _may_have_changed(job, stage)
    first = connection.execute(
        f"SELECT s.item_id {_DONE} AND s.handler_version = ? AND NOT ({condition}) ORDER BY s.seq LIMIT 1",
        (job.job_id, stage.name, stage.handler_version, *values),
    ).fetchone()
    return first is not None and any(
        found.stage == stage.name for found in staleness.stale_stages(connection, job, items=first)
    )
