"""The static page of all jobs: how each stands, its funnel, failures, discoveries, stale work, and limiters.

It needs no script and nothing from elsewhere, so that it can be mailed and kept. `report.html` is how it
looks; every value is escaped there. Not here: where the page is written (the command line).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from assets.discovery.credentials import shown
from assets.discovery.readers.failure_kinds import FailureKind, failure_kinds
from assets.discovery.readers.instants import in_zone
from assets.discovery.readers.job_figures import JobFigures, Spread, job_figures
from assets.discovery.readers.job_status import JobStatus, State, job_status, state_of
from assets.discovery.readers.jobs_today import JobToday
from assets.discovery.readers.shown_rows import shown_rows
from assets.discovery.readers.stale_plan import StalePlan, stale_plan
from assets.durations import span

LAST_DISCOVERIES: Final = 15
MOST_FAILURE_KINDS: Final = 20
_MICROS: Final = 1_000_000
_SHARES: Final = ("done", "skipped", "in_progress", "pending", "failed", "cancelled")
"""The statuses in the order in which a funnel shows them."""


@dataclass(frozen=True, slots=True)
class Bar:
    """How much of a day's budget is spent: percent of the limit, at most 100, and how that is."""

    percent: float
    level: str


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """One stage: its counts, their shares in percent, and how long it takes."""

    stage: str
    counts: dict[str, int]
    shares: list[tuple[str, float]]
    duration: Spread | None
    wait: Spread | None


@dataclass(frozen=True, slots=True)
class JobReport:
    """What the page shows of one job."""

    today: JobToday
    state: State
    status: JobStatus
    figures: JobFigures
    limit_micros: int | None
    bar: Bar | None
    funnel: list[FunnelRow]
    kinds: list[FailureKind]
    discoveries: list[dict[str, Any]]
    stale: StalePlan


def report_page(connection: sqlite3.Connection, jobs: Sequence[JobToday], now: int) -> str:
    """The page as HTML text, as of `now`; times are in the time zone of their job, shared ones in UTC."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"usd": usd, "at": _at, "span": span, "ms": _milliseconds, "words": _words}
    return environment.get_template("report.html").render(
        jobs=[_job_report(connection, job, now) for job in jobs],
        limiters=_limiters(connection),
        statuses=_SHARES,
        now=now,
        most_kinds=MOST_FAILURE_KINDS,
    )


def usd(micros: int) -> str:
    """An amount of micro-USD for people: to the cent, smaller ones to the last digit that counts."""
    amount = Decimal(micros) / _MICROS
    if micros == 0 or abs(amount) >= Decimal("0.01"):
        return f"${amount:,.2f}"
    return f"${amount.normalize():f}"


def _job_report(connection: sqlite3.Connection, today: JobToday, now: int) -> JobReport:
    status, figures = job_status(connection, today, now), job_figures(connection, today, now)
    limit = today.plan.budget.daily_micros
    return JobReport(
        today=today,
        state=state_of(connection, today, now),
        status=status,
        figures=figures,
        limit_micros=limit,
        bar=None if limit is None else _bar(status["cost_today_micros"], limit, today.plan.budget.soft_ratio),
        funnel=[_funnel_row(stage, counts, figures) for stage, counts in status["stages"].items()],
        kinds=failure_kinds(connection, today.name),
        discoveries=_discoveries(connection, today),
        stale=stale_plan(connection, today.plan),
    )


def _bar(spent: int, limit: int, soft_ratio: float) -> Bar:
    level = "bad" if spent >= limit else "warn" if spent >= limit * soft_ratio else "good"
    return Bar(min(100 * spent / limit, 100) if limit else 100, level)


def _funnel_row(stage: str, counts: dict[str, int], figures: JobFigures) -> FunnelRow:
    total = sum(counts.values())
    shares = [(status, 100 * counts[status] / total) for status in _SHARES if counts[status]]
    known = figures.stages.get(stage)
    return FunnelRow(stage, counts, shares, known and known.duration, known and known.wait)


def _discoveries(connection: sqlite3.Connection, today: JobToday) -> list[dict[str, Any]]:
    query = (
        "SELECT started_at, finished_at - started_at AS took_ms, coalesce(outcome, 'running') AS outcome, "
        "n_read, n_new, n_changed, n_unchanged, n_duplicate, n_rejected, n_missing, n_gone, error_text "
        "FROM discoveries WHERE job_id = ? ORDER BY id DESC LIMIT ?"
    )
    return list(shown_rows(connection, query, (today.name, LAST_DISCOVERIES), today.zone))


def _limiters(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT name, kind, state, cooldown_until, updated_at FROM limiters ORDER BY kind, name"
    )
    return [
        {"name": shown(name.removeprefix("breaker:")), "kind": kind, "state": state, "until": until, "at": at}
        for name, kind, state, until, at in rows
    ]


def _milliseconds(value: int) -> str:
    return (
        f"{value} ms" if value < 1000 else f"{value / 1000:.1f} s" if value < 60_000 else span(value / 1000)
    )


def _at(at: int, zone: str) -> str:
    return in_zone(at, zone).replace("T", " ")


def _words(name: str) -> str:
    return name.replace("_", " ")
