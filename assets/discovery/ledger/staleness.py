"""Which done stages are out of date, and running exactly those again.

A stage is stale for `version` (its result is of another handler version), `input` (its inputs differ from
today's) or `missing` (it has no result). Stages behind one that runs again keep their result until its new
output is known: if that is equal, they stay (early cut-off).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from assets.discovery.ledger import events, results, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.transactions import transaction

Reason = Literal["version", "input", "missing"]


class StaleStage(NamedTuple):
    """A done stage that is out of date."""

    item_id: int
    stage_id: int
    stage: str
    reason: Reason


@dataclass(slots=True)
class Staleness:
    """The stale stages of a job, counted. `items` are those with at least one."""

    items: int = 0
    by_stage: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[str] = field(default_factory=Counter)
    advisory_logic: int = 0
    """Items with a result of today's version whose handler's source has changed since: it only advises."""


@dataclass(frozen=True, slots=True)
class Reprocessed:
    """What a reprocess did, in items."""

    queued: int
    already_waiting: int
    skipped_running: int
    remaining: int


class _Row(NamedTuple):
    item_id: int
    stage_id: int
    stage: str
    status: str
    input_hash: str | None
    output_hash: str | None
    content_hash: str
    version: str | None


def stale_stages(
    connection: sqlite3.Connection,
    job: JobPlan,
    stage: str | None = None,
    items: Collection[int] | None = None,
) -> Iterator[StaleStage]:
    """The stale stages of a job, of one of its stages or of these items only, newest items first."""
    plans = {plan.name: plan for plan in job.stages}
    for rows in _items(connection, job.job_id, items):
        outputs = {row.stage: row.output_hash for row in rows}
        for row in rows:
            if row.status != "done" or row.stage not in plans or stage not in (None, row.stage):
                continue
            reason = _reason(row, plans[row.stage], outputs)
            if reason is not None:
                yield StaleStage(row.item_id, row.stage_id, row.stage, reason)


def _reason(row: _Row, plan: StagePlan, outputs: dict[str, str | None]) -> Reason | None:
    if row.version is None:
        return "missing"
    if row.version != plan.handler_version:
        return "version"
    return "input" if row.input_hash != results.input_hash(row.content_hash, plan.needs, outputs) else None


def _items(
    connection: sqlite3.Connection, job_id: str, items: Collection[int] | None
) -> Iterator[list[_Row]]:
    """The stages of the job's items, item by item, newest first."""
    chosen = None if items is None else json.dumps(sorted(items))
    named = "json_each(?) AS c CROSS JOIN work_items AS w ON w.id = c.value"
    rows = connection.execute(
        "SELECT s.item_id, s.id, s.stage, s.status, s.input_hash, s.output_hash, w.content_hash, "  # noqa: S608 - constants
        f"r.handler_version FROM {'work_items AS w' if chosen is None else named} "
        "CROSS JOIN item_stages AS s ON s.item_id = w.id "
        "LEFT JOIN results AS r ON r.item_id = s.item_id AND r.stage = s.stage AND r.superseded_at IS NULL "
        "WHERE w.job_id = ? ORDER BY w.id DESC",
        (job_id,) if chosen is None else (chosen, job_id),
    )
    gathered: list[_Row] = []
    for row in map(_Row._make, rows):
        if gathered and gathered[0].item_id != row.item_id:
            yield gathered
            gathered = []
        gathered.append(row)
    if gathered:
        yield gathered


def count_stale(connection: sqlite3.Connection, job: JobPlan) -> Staleness:
    """Count the stale stages of a job, by stage and by reason."""
    counts, items = Staleness(), set[int]()
    for stale in stale_stages(connection, job):
        items.add(stale.item_id)
        counts.by_stage[stale.stage] += 1
        counts.by_reason[stale.reason] += 1
    counts.items = len(items)
    counts.advisory_logic = _advisory(connection, job)
    return counts


def _advisory(connection: sqlite3.Connection, job: JobPlan) -> int:
    plans = [(plan.name, plan.handler_version, plan.logic_hash) for plan in job.stages if plan.logic_hash]
    (count,) = connection.execute(
        "SELECT count(DISTINCT r.item_id) FROM json_each(?) AS p JOIN results AS r ON r.job_id = ? "
        "AND r.stage = json_extract(p.value, '$[0]') AND r.handler_version = json_extract(p.value, '$[1]') "
        "AND r.logic_hash <> json_extract(p.value, '$[2]') "
        "JOIN item_stages AS s ON s.item_id = r.item_id AND s.stage = r.stage AND s.status = 'done' "
        "WHERE r.superseded_at IS NULL",
        (json.dumps(plans), job.job_id),
    ).fetchone()
    return count


def reprocess(
    connection: sqlite3.Connection,
    job: JobPlan,
    now: int,
    *,
    limit: int | None = None,
    stage: str | None = None,
) -> Reprocessed:
    """Set stale stages pending, newest items first, in one transaction.

    `limit` bounds how many items of the job may wait for reprocessing, so that a second call adds nothing.
    Items with a running stage are left alone and counted.
    """
    with transaction(connection):
        by_item: dict[int, list[StaleStage]] = {}
        for stale in stale_stages(connection, job, stage):
            by_item.setdefault(stale.item_id, []).append(stale)
        running, waiting = _busy_items(connection, job.job_id)
        ready = [item_id for item_id in by_item if item_id not in running]
        room = len(ready) if limit is None else max(limit - len(waiting), 0)
        # An item that waits already takes no place of its own when more of its stages join it.
        fresh = [item_id for item_id in ready if item_id not in waiting][:room]
        chosen = [item_id for item_id in ready if item_id in waiting] + fresh if room else fresh
        for item_id in chosen:
            for stale in by_item[item_id]:
                _queue(connection, job, stale, now)
    skipped = len(by_item) - len(ready)
    return Reprocessed(len(fresh), len(waiting), skipped, len(by_item) - len(chosen) - skipped)


def _busy_items(connection: sqlite3.Connection, job_id: str) -> tuple[set[int], set[int]]:
    """The items with a running stage, and those that wait for reprocessing."""
    rows = connection.execute(
        "SELECT item_id, status FROM item_stages WHERE job_id = ? AND (status = 'in_progress' "
        "OR (status = 'pending' AND stale_reason IS NOT NULL))",
        (job_id,),
    ).fetchall()
    running = {item_id for item_id, status in rows if status == "in_progress"}
    return running, {item_id for item_id, status in rows if status == "pending"}


def _queue(connection: sqlite3.Connection, job: JobPlan, stale: StaleStage, now: int) -> None:
    plan = job.stage(stale.stage) or StagePlan(stale.stage)
    stage_rows.run_again(connection, stale.stage_id, stale.reason, plan.retry)
    subject = Subject(job.job_id, stale.item_id, stale.stage)
    events.write(connection, "stale_reset", subject, now, {"reason": stale.reason})


def reconsider(
    connection: sqlite3.Connection, finished: Subject, dependents: Sequence[StagePlan], now: int
) -> list[str]:
    """The subject's stage has a new output: its done dependents whose inputs it changed run again.

    Returns their names; those with equal inputs stay done. Joins the transaction that finishes the stage.
    """
    item_id = finished.item_id or 0
    rows = connection.execute(
        "SELECT s.id, s.stage, s.status, s.input_hash, s.output_hash, w.content_hash FROM item_stages AS s "
        "JOIN work_items AS w ON w.id = s.item_id WHERE s.item_id = ?",
        (item_id,),
    ).fetchall()
    outputs: dict[str, str | None] = {row[1]: row[4] for row in rows}
    plans = {plan.name: plan for plan in dependents}
    again: list[str] = []
    for stage_id, name, status, known, _, content_hash in rows:
        if name not in plans or status != "done":
            continue
        if known != results.input_hash(content_hash, plans[name].needs, outputs):
            stage_rows.run_again(connection, stage_id, "upstream", plans[name].retry)
            subject = Subject(finished.job_id, item_id, name, finished.run_id)
            events.write(connection, "stale_reset", subject, now, {"reason": "upstream"})
            again.append(name)
    return again
