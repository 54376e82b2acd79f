"""list, status."""

from collections.abc import Iterator

from rich.console import RenderableType

from assets.discovery.doctor.wording import span as length
from assets.discovery.ledger.transitions import STATUSES
from assets.discovery.readers.job_figures import JobFigures, Spread, StageFigures
from assets.discovery.readers.job_status import JobStatus
from assets.discovery.readers.jobs_today import ListedJob
from assets.durations import span
from scripts.discovery_cli.amounts import money, when
from scripts.discovery_cli.verbs.jobs import Standing
from scripts.terminal.answers import Answer
from scripts.terminal.layout import counts, facts, heading, remark, sentence, table


def listing(answer: Answer[dict[str, list[ListedJob]]]) -> Iterator[RenderableType]:
    """A line for each job."""
    rows = [
        (job["job"], job["kind"], job["enabled"], job["strategy"], ", ".join(job["stages"]))
        for job in answer.document["jobs"]
    ]
    yield table(("job", "kind", "enabled", "strategy", "stages"), rows)


def status(answer: Standing) -> Iterator[RenderableType]:
    """A line for each job, and why those stand still that do; of one job also its stages and figures."""
    jobs = answer.document["jobs"]
    yield table(
        ("job", "state", "items", "#stale", "cost today", "oldest", "next"),
        [_line(job) for job in jobs],
    )
    if answer.figures is not None:
        yield from _closely(jobs[0], answer.figures)
    for job in jobs:
        if answer.figures is not None or job["state"] not in ("idle", "running"):
            yield remark(f"{job['job']}: {answer.reasons[job['job']]}")


def _closely(job: JobStatus, figures: JobFigures) -> Iterator[RenderableType]:
    yield heading("Stages")
    yield table(
        ("stage", *(f"#{status}" for status in STATUSES), "takes", "waits"),
        [
            (stage, *(counted[status] for status in STATUSES), *_times(figures.stages.get(stage)))
            for stage, counted in job["stages"].items()
        ],
    )
    if job["stages"]:
        yield sentence("Times: half of them, 95 of 100, the longest.")
    again, left = figures.retry_rate, figures.left_s
    yield heading("Figures")
    yield facts(
        {
            "stages done in 1 h, 24 h": f"{figures.ended_1h:,}, {figures.ended_24h:,}",
            "to be tried again": None if again is None else f"{again:.1%}",
            "cost of 30 days": money(figures.cost_30d_micros),
            "cost of an item": figures.cost_per_item_micros and money(figures.cost_per_item_micros),
            "time left": None if left is None else span(left),
        }
    )


def _times(figures: StageFigures | None) -> tuple[str | None, str | None]:
    return (None, None) if figures is None else (_spread(figures.duration), _spread(figures.wait))


def _spread(spread: Spread | None) -> str | None:
    if spread is None:
        return None
    return ", ".join(length(milliseconds) for milliseconds in (spread.p50, spread.p95, spread.max))


def _line(job: JobStatus) -> tuple[object, ...]:
    waits = job["oldest_pending_s"]
    return (
        job["job"],
        job["state"],
        counts(job["items"]),
        job["stale"],
        money(job["cost_today_micros"]),
        None if waits is None else span(waits),
        when(job["next_wake_at"]),
    )
