"""What waits: when the next row falls due, and whether any is claimable. Reading only, one statement each.

Not here: claiming it (`claims`), and why it is not claimable (`readers`).
"""

import json
import sqlite3
from collections.abc import Collection, Mapping
from typing import Final

from assets.discovery.ledger import breakers
from assets.discovery.ledger.plans import JobPlan, StagePlan

_READY: Final = (
    "SELECT count(*) FILTER (WHERE s.not_before <= :now "
    "AND s.item_id NOT IN (SELECT value FROM json_each(:without))), "
    "min(s.not_before) FILTER (WHERE s.not_before > :now OR :open_until > 0) "
    "FROM item_stages AS s INDEXED BY idx_item_stages_claim JOIN work_items AS w ON w.id = s.item_id "
    "WHERE s.job_id = :job AND s.stage = :stage AND s.status = 'pending' "
    "AND w.cancelled_at IS NULL AND w.pending_revision_json IS NULL "
    "AND (:items IS NULL OR s.item_id IN (SELECT value FROM json_each(:items))) "
    "AND (:n = 0 OR :n = (SELECT count(*) FROM item_stages AS n WHERE n.item_id = s.item_id "
    "AND n.status IN ('done', 'skipped') AND n.stage IN (SELECT value FROM json_each(:needs))))"
)


def next_due(
    connection: sqlite3.Connection,
    job: JobPlan,
    now: int,
    *,
    stages: Collection[str] | None = None,
    active_items: Collection[int] | None = None,
) -> int | None:
    """When the next row that waits on a timer may be claimed; `None` if none does.

    A timer is a retry, a snooze, or the cool-down of its stage's breaker. Rows that may be claimed now count
    only where the breaker keeps them.
    """
    due: list[int] = []
    open_until = {
        name: breaker.cooldown_until
        for name, breaker in breakers.load_open(connection, job.job_id).items()
        if breaker.state == "open" and breaker.cooldown_until > now
    }
    for stage in job.stages:
        if stages is not None and stage.name not in stages:
            continue
        first = open_until.get(stage.name, 0)
        values = _values(job, stage, now, active_items) | {"open_until": first}
        _, earliest = connection.execute(_READY, values).fetchone()
        if earliest is not None:
            due.append(max(earliest, first))
    return min(due, default=None)


def claimable(
    connection: sqlite3.Connection,
    job: JobPlan,
    now: int,
    *,
    active_items: Collection[int] | None = None,
    without: Collection[int] = (),
) -> Mapping[str, int]:
    """How many rows of each stage could be claimed now, as far as timers and the stages before tell.

    `active_items` restricts the items, `without` leaves some out. Pauses, budgets and breakers are not asked.
    """
    counts: dict[str, int] = {}
    for stage in job.stages:
        values = _values(job, stage, now, active_items) | {"without": json.dumps(sorted(without))}
        counts[stage.name], _ = connection.execute(_READY, values).fetchone()
    return counts


def derived_statuses(connection: sqlite3.Connection, item_ids: Collection[int]) -> dict[int, str]:
    """The derived status of items, by id."""
    rows = connection.execute(
        "SELECT item_id, derived_status FROM item_derived_status "
        "WHERE item_id IN (SELECT value FROM json_each(?))",
        (json.dumps(sorted(item_ids)),),
    )
    return dict(rows.fetchall())


def _values(
    job: JobPlan, stage: StagePlan, now: int, active_items: Collection[int] | None
) -> dict[str, object]:
    return {
        "now": now,
        "open_until": 0,
        "without": "[]",
        "job": job.job_id,
        "stage": stage.name,
        "items": None if active_items is None else json.dumps(sorted(active_items)),
        "needs": json.dumps(stage.needs),
        "n": len(set(stage.needs)),
    }
