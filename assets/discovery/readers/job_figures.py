"""How a job does over time: throughput, durations and waits, retries, costs, and the time that is left.

Not here: how it stands now (`job_status`).
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from typing import Final

from assets.discovery.ledger import costs
from assets.discovery.ledger.plans import StagePlan
from assets.discovery.readers.jobs_today import JobToday

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
COST_DAYS: Final = 30
LAST_ENDS: Final = 1000
"""Durations and waits are those of a stage's last so many results."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds: the median, the value that 95 of 100 do not exceed, and the largest."""

    p50: int
    p95: int
    max: int


@dataclass(frozen=True, slots=True)
class StageFigures:
    """How long attempts at a stage take, and how long new items wait for one; `None`: not known yet."""

    duration: Spread | None
    wait: Spread | None


@dataclass(frozen=True, slots=True)
class JobFigures:
    """The figures of a job. Attempts count where they ended done or skipped; money is micro-USD."""

    ended_1h: int
    ended_24h: int
    retry_rate: float | None
    """The share of the last 24 hours' attempts that have to be made again; `None` without any."""
    cost_30d_micros: int
    cost_per_item_micros: int | None
    """What an item cost in those 30 days, of those that cost anything."""
    left_s: int | None
    """How long what waits will take at the rate of the last hour, else day; `None` if nothing ended."""
    stages: Mapping[str, StageFigures]


def job_figures(connection: sqlite3.Connection, today: JobToday, now: int) -> JobFigures:
    """The figures of one job."""
    ended_1h, ended_24h, again, closed = connection.execute(
        "SELECT count(*) FILTER (WHERE finished_at > ?2 AND outcome IN ('done', 'skipped')), "
        "count(*) FILTER (WHERE outcome IN ('done', 'skipped')), "
        "count(*) FILTER (WHERE outcome IN ('retry', 'lost')), "
        "count(*) FILTER (WHERE outcome IN ('done', 'skipped', 'failed', 'retry', 'lost')) "
        "FROM attempts WHERE job_id = ?1 AND finished_at > ?3",
        (today.name, now - _HOUR_MS, now - _DAY_MS),
    ).fetchone()
    cost, paid_items = _costs(connection, today, now)
    return JobFigures(
        ended_1h=ended_1h,
        ended_24h=ended_24h,
        retry_rate=again / closed if closed else None,
        cost_30d_micros=cost,
        cost_per_item_micros=round(cost / paid_items) if paid_items else None,
        left_s=_left_s(_waiting(connection, today.name), ended_1h, ended_24h),
        stages={stage.name: _stage_figures(connection, today.name, stage) for stage in today.plan.stages},
    )


def spread(values: Sequence[int]) -> Spread | None:
    """The spread of some values, each of them one that was there (nearest rank)."""
    if not values:
        return None
    ranked = sorted(values)
    return Spread(*(ranked[max(ceil(share * len(ranked)), 1) - 1] for share in (0.5, 0.95, 1)))


def _costs(connection: sqlite3.Connection, today: JobToday, now: int) -> tuple[int, int]:
    last = costs.local_day(now, today.zone)
    return connection.execute(
        "SELECT coalesce(sum(micros), 0), count(DISTINCT item_id) FROM costs "
        "WHERE day_local BETWEEN ? AND ? AND job_id = ? AND state = 'settled' AND micros > 0",
        ((last - timedelta(days=COST_DAYS - 1)).isoformat(), last.isoformat(), today.name),
    ).fetchone()


def _waiting(connection: sqlite3.Connection, job_id: str) -> int:
    """The stages that wait, without those of items with a failed stage: they wait for a person."""
    (waiting,) = connection.execute(
        "SELECT count(*) FROM item_stages AS s WHERE s.job_id = ? AND s.status = 'pending' AND NOT EXISTS "
        "(SELECT 1 FROM item_stages AS f WHERE f.item_id = s.item_id AND f.status = 'failed')",
        (job_id,),
    ).fetchone()
    return waiting


def _left_s(waiting: int, ended_1h: int, ended_24h: int) -> int | None:
    if waiting == 0:
        return 0
    rate = ended_1h / 3600 or ended_24h / 86_400
    return round(waiting / rate) if rate else None


def _stage_figures(connection: sqlite3.Connection, job_id: str, stage: StagePlan) -> StageFigures:
    # What runs again, whether by revision, reprocessing or retry, has waited for something else.
    rows = connection.execute(
        "SELECT s.duration_ms, CASE WHEN s.attempt = 1 AND s.revision = 1 AND s.priority = w.priority THEN "
        "max(s.started_at - coalesce((SELECT max(n.finished_at) FROM item_stages AS n "
        "WHERE n.item_id = s.item_id AND n.stage IN (SELECT value FROM json_each(?))), w.discovered_at), 0) "
        "END FROM item_stages AS s INDEXED BY idx_item_stages_seq "
        "CROSS JOIN work_items AS w ON w.id = s.item_id WHERE s.job_id = ? AND s.stage = ? "
        "AND s.seq IS NOT NULL AND s.status = 'done' ORDER BY s.seq DESC LIMIT ?",
        (json.dumps(stage.needs), job_id, stage.name, LAST_ENDS),
    ).fetchall()
    return StageFigures(
        spread([duration for duration, _ in rows if duration is not None]),
        spread([wait for _, wait in rows if wait is not None]),
    )
