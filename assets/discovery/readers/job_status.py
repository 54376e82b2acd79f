"""`status`: how each job stands, in one word with its reason, and how many of its items and stages are where.

Not here: how well it does over time (`job_figures`), and why one item does not move (`standstill`).
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from assets.discovery.credentials import shown
from assets.discovery.due import due_at
from assets.discovery.ledger import breakers, costs, jobs, waiting
from assets.discovery.ledger.jobs import JobState, Standing
from assets.discovery.ledger.plans import StagePlan
from assets.discovery.ledger.stale_items import count_stale_items
from assets.discovery.ledger.transitions import STATUSES
from assets.discovery.readers.instants import in_zone
from assets.discovery.readers.jobs_today import JobToday

DERIVED_STATUSES: Final = ("pending", "in_progress", "done", "failed", "cancelled")
"""What the ledger says of a whole item (the view `item_derived_status`)."""

_STAGE_COUNTS: Final = (
    "SELECT stage, 'pending', count(*) FROM item_stages INDEXED BY idx_item_stages_claim "
    "WHERE job_id = :job AND status = 'pending' GROUP BY stage UNION ALL "
    "SELECT stage, 'in_progress', count(*) FROM item_stages INDEXED BY idx_item_stages_lease "
    "WHERE job_id = :job AND status = 'in_progress' GROUP BY stage UNION ALL "
    "SELECT stage, 'failed', count(*) FROM item_stages INDEXED BY idx_item_stages_failed "
    "WHERE job_id = :job AND status = 'failed' GROUP BY stage UNION ALL "
    "SELECT stage, 'done', count(*) FROM item_stages INDEXED BY idx_item_stages_seq "
    "WHERE job_id = :job AND seq IS NOT NULL GROUP BY stage UNION ALL "
    "SELECT stage, status, count(*) FROM item_stages INDEXED BY idx_item_stages_status "
    "WHERE job_id = :job AND status IN ('skipped', 'cancelled') GROUP BY stage, status"
)


class JobStatus(TypedDict):
    """One job of `status`. `next_wake_at` is milliseconds UTC; items and stages name every status."""

    job: str
    state: JobState
    items: dict[str, int]
    stages: dict[str, dict[str, int]]
    stale: int
    cost_today_micros: int
    next_wake_at: int | None
    oldest_pending_s: int | None


class Status(TypedDict):
    """The document of `status`."""

    jobs: list[JobStatus]


@dataclass(frozen=True, slots=True)
class State:
    """A job's one word, and the reason as a sentence."""

    word: JobState
    reason: str


@dataclass(frozen=True, slots=True)
class Tally:
    """How many items and stages of a job have which status."""

    items: dict[str, int]
    stages: dict[str, dict[str, int]]


def status(connection: sqlite3.Connection, today: Sequence[JobToday], now: int) -> Status:
    """The document of `status` for these jobs."""
    return {"jobs": [job_status(connection, job, now) for job in today]}


def job_status(connection: sqlite3.Connection, today: JobToday, now: int) -> JobStatus:
    """How one job stands."""
    state = state_of(connection, today, now)
    counts = tally(connection, today)
    day = costs.local_day(now, today.zone)
    return JobStatus(
        job=today.name,
        state=state.word,
        items=counts.items,
        stages=counts.stages,
        stale=count_stale_items(connection, today.plan),
        cost_today_micros=costs.job_totals(connection, today.name, day, day).spent,
        next_wake_at=next_wake(connection, today, state.word, now),
        oldest_pending_s=oldest_pending_s(connection, today.name, now),
    )


def state_of(connection: sqlite3.Connection, today: JobToday, now: int) -> State:
    """The first that holds of orphaned, disabled, paused, over_budget, cooling, complete, running, idle.

    A job that left the jobs file, or was disabled there, is so at once; a job that the ledger does not know
    yet is idle.
    """
    row = jobs.standing(connection, today.name)
    if today.job is None or (row is not None and row.orphaned_at is not None):
        return State("orphaned", "It is no longer in the jobs file; its history stays.")
    if not today.job.enabled or (row is not None and not row.enabled):
        return State("disabled", "The jobs file says enabled: false.")
    if row is None:
        return State("idle", "It has never run.")
    word = jobs.state_of(connection, today.name, now, is_backfill=today.is_backfill)
    return State(word, _reason(connection, today, row, word, now))


def _reason(connection: sqlite3.Connection, today: JobToday, row: Standing, word: JobState, now: int) -> str:
    match word:
        case "paused":
            return paused_reason(row, today.zone)
        case "over_budget":
            return f"Its budget is spent; it goes on at {in_zone(row.over_budget_until or now, today.zone)}."
        case "cooling":
            return _cooling_reason(connection, today, now)
        case "complete":
            return "The backfill has listed everything, and nothing of it waits."
        case "running":
            live = "SELECT count(*) FROM item_stages WHERE job_id = ? AND status = 'in_progress'"
            (running,) = connection.execute(live, (today.name,)).fetchone()
            return f"{running} stage{'s' if running > 1 else ''} of its items run."
        case _:
            return "Nothing of it runs."


def paused_reason(row: Standing, zone: str) -> str:
    """Why, since when and until when a job is paused."""
    whose = "by hand" if row.pause_kind == "manual" else f"by the engine ({row.pause_kind})"
    why = shown(row.paused_reason or "no reason given").rstrip(".")
    ends = "a person resumes it" if row.resume_at is None else in_zone(row.resume_at, zone)
    return f"Paused {whose} since {in_zone(row.paused_at or 0, zone)}, until {ends}: {why}."


def _cooling_reason(connection: sqlite3.Connection, today: JobToday, now: int) -> str:
    cooling = [
        f"{stage} until {in_zone(breaker.cooldown_until, today.zone)}"
        for stage, breaker in sorted(breakers.load_open(connection, today.name).items())
        if breaker.state == "open" and breaker.cooldown_until > now
    ]
    return f"Too many attempts failed; left alone: {', '.join(cooling)}."


def tally(connection: sqlite3.Connection, today: JobToday) -> Tally:
    """Count items by derived status and stages by status.

    A stage that the jobs file no longer has does not count; of a job that left it all stages do.
    """
    query = (
        "SELECT derived_status, count(*) FROM item_derived_status WHERE job_id = ? GROUP BY derived_status"
    )
    items = dict(connection.execute(query, (today.name,)).fetchall())
    stages = _stage_counts(connection, today.name)
    named = stages if today.job is None else [stage.name for stage in today.plan.stages]
    return Tally(
        {status: items.get(status, 0) for status in DERIVED_STATUSES},
        {stage: {status: stages.get(stage, Counter())[status] for status in STATUSES} for stage in named},
    )


def _stage_counts(connection: sqlite3.Connection, job_id: str) -> dict[str, Counter[str]]:
    """Stages by status, from the indexes alone: a fifth of the time that reading every row takes.

    Rows with a sequence number are done or skipped, and of those only the skipped ones are looked at.
    """
    counts: dict[str, Counter[str]] = {}
    for stage, status, count in connection.execute(_STAGE_COUNTS, {"job": job_id}):
        counts.setdefault(stage, Counter())[status] += count
    for of_stage in counts.values():
        of_stage["done"] -= of_stage["skipped"]
    return counts


def next_wake(connection: sqlite3.Connection, today: JobToday, word: JobState, now: int) -> int | None:
    """When the job next has something to do by itself, in milliseconds UTC; `now` if that is due.

    `None`: nothing comes by itself. It is the earliest of discovery by the clock or a wake, the end of a
    pause or of a budget's stop, and the first waiting stage that may be claimed.
    """
    if today.job is None or word in ("orphaned", "disabled", "complete"):
        return None
    row = jobs.standing(connection, today.name)
    times = list[int | None]()
    if word != "paused" or not today.job.pause_discovery:
        times.append(due_at(today.job, row.last_discovery_at if row else None))
        times.append(row.wake_at if row else None)
    if row is not None and word == "paused":
        times.append(row.resume_at)
    elif row is not None and word == "over_budget":
        times.append(row.over_budget_until)
    elif row is not None and _has_claimable(connection, today, now):
        times.append(now)
    elif row is not None:
        times.append(waiting.next_due(connection, today.plan, now))
    return min((max(time, now) for time in times if time is not None), default=None)


def _has_claimable(connection: sqlite3.Connection, today: JobToday, now: int) -> bool:
    """Whether any row may be claimed now; it stops at the first, where `waiting.claimable` counts all."""
    cooling = breakers.load_open(connection, today.name)
    return any(
        _first_claimable(connection, today.name, stage, now)
        for stage in today.plan.stages
        if stage.name not in cooling
    )


def _first_claimable(connection: sqlite3.Connection, job_id: str, stage: StagePlan, now: int) -> bool:
    query = (
        "SELECT 1 FROM item_stages AS s INDEXED BY idx_item_stages_claim "
        "JOIN work_items AS w ON w.id = s.item_id "
        "WHERE s.job_id = ? AND s.stage = ? AND s.status = 'pending' AND s.not_before <= ? "
        "AND w.cancelled_at IS NULL AND w.pending_revision_json IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM json_each(?) AS n WHERE NOT EXISTS (SELECT 1 FROM item_stages AS d "
        "WHERE d.item_id = s.item_id AND d.stage = n.value AND d.status IN ('done', 'skipped'))) LIMIT 1"
    )
    values = (job_id, stage.name, now, json.dumps(stage.needs))
    return connection.execute(query, values).fetchone() is not None


def oldest_pending_s(connection: sqlite3.Connection, job_id: str, now: int) -> int | None:
    """For how many seconds the item that was found first of those that wait has waited; `None` without any.

    Items with a failed stage do not count: they wait for a person. An item that changed waits since then.
    """
    row = connection.execute(
        "SELECT coalesce((SELECT e.at FROM events AS e WHERE e.seq = w.seq), w.discovered_at) "
        "FROM work_items AS w WHERE w.id = (SELECT min(s.item_id) FROM item_stages AS s "
        "WHERE s.job_id = ? AND s.status = 'pending' AND NOT EXISTS (SELECT 1 FROM item_stages AS f "
        "WHERE f.item_id = s.item_id AND f.status = 'failed'))",
        (job_id,),
    ).fetchone()
    return None if row is None else max(now - row[0], 0) // 1000
