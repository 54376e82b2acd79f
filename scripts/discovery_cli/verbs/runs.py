"""run, test, dry-run: one command line, one run of one job."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, TypedDict

from assets.discovery.credentials import shown, shown_config
from assets.discovery.engine.context import DiscoverySummary, Mode, RunContext, RunSummary
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.run import run_job
from assets.discovery.job_model import Job
from assets.discovery.ledger.claims import standing
from scripts.discovery_cli.answers import STOPPED
from scripts.discovery_cli.interruption import interruptible
from scripts.discovery_cli.selection import chosen_job, whole_number
from scripts.discovery_cli.workplace import Workplace
from scripts.terminal.answers import DONE, FAILED, Answer

_READ: Final = ("n_read", "n_new", "n_changed", "n_unchanged", "n_duplicate", "n_rejected")
_RUN: Final = ("outcome", *_READ, "n_missing", "n_gone")


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of all three. What cannot be meant together is refused by the engine (`require_legal`)."""

    limit: str | None = None
    single_pass: bool = False
    discover_only: bool = False
    stage: str | None = None
    item: str | None = None
    no_reset: bool = False

    def context(self, mode: Mode) -> RunContext:
        """The same as the engine takes it."""
        return RunContext(
            mode=mode,
            limit=whole_number(self.limit, "--limit"),
            test_stage=self.stage,
            test_item=self.item,
            no_reset=self.no_reset,
            discover_only=self.discover_only,
            single_pass=self.single_pass,
        )


class Ran(TypedDict):
    """The document of `run`."""

    job: str
    mode: Mode
    run_id: str
    discovery: dict[str, Any] | None
    items: dict[str, int]
    stages: dict[str, int]
    cost_micros: int
    stopped: str


class TestResult(TypedDict):
    """What a stage of an item came to in a test."""

    key: str
    stage: str
    status: str
    payload: Any


class Tested(Ran):
    """The document of `test`."""

    results: list[TestResult]


class Forecast(TypedDict):
    """The document of `dry-run`."""

    job: str
    mode: Mode
    discovery: dict[str, Any] | None
    claims: dict[str, int]
    cost_estimate_micros: int


def run(place: Workplace, job: str | None, asked: Asked) -> Answer[Ran]:
    """A production run. Exit code 3 if the job may do nothing more for now, though nothing failed."""
    found, context = chosen_job(place, job), asked.context("production")
    summary = _carried_out(place, found, context)
    code = _code(summary)
    if code == DONE and _is_held_up(place, found):
        code = STOPPED
    return Answer(_ran(summary), code, _notes(summary))


def test(place: Workplace, job: str | None, asked: Asked) -> Answer[Tested]:
    """A test, on a scratch ledger. Of a pause of the real job it knows nothing."""
    summary = _carried_out(place, chosen_job(place, job), asked.context("test"))
    results = [
        TestResult(
            key=shown(result.key),
            stage=result.stage,
            status=result.status,
            payload=shown_config(result.payload),
        )
        for result in summary.results
    ]
    errors = [
        f"{result.stage} of {result.key}: {result.error}"
        for result in summary.results
        if result.error and result.status != "done"
    ]
    return Answer({**_ran(summary), "results": results}, _code(summary), (*errors, *_notes(summary)))


def dry_run(place: Workplace, job: str | None, asked: Asked) -> Answer[Forecast]:
    """What the next run would do. Nothing is written, and no handler is called."""
    summary = _carried_out(place, chosen_job(place, job), asked.context("dry_run"))
    discovery = None
    if summary.discovery is not None:
        new_keys = [shown(key) for key in summary.discovery.new_keys]
        discovery = {**_counters(summary.discovery, _READ), "new_keys": new_keys}
    document = Forecast(
        job=summary.job,
        mode=summary.mode,
        discovery=discovery,
        claims=dict(summary.claims),
        cost_estimate_micros=summary.cost_estimate_micros,
    )
    warnings = () if summary.discovery is None else summary.discovery.warnings
    return Answer(document, _code(summary), (*warnings, *_notes(summary)))


VERBS: Final[Mapping[str, Callable[[Workplace, str | None, Asked], Answer[Any]]]] = {
    "run": run,
    "test": test,
    "dry-run": dry_run,
}


def _carried_out(place: Workplace, job: Job, context: RunContext) -> RunSummary:
    registry, runner = place.registry, place.jobs_file.runner_of(job)
    sentence = (
        f"Stopping: what is running gets {runner.grace_s:g} s, and is then given back; "
        "another signal ends this process at once."
    )
    with interruptible(registry.stop.set, sentence):
        return asyncio.run(run_job(job, runner, Pacer.of(place.jobs_file), registry, context))


def _code(summary: RunSummary) -> int:
    discovery = summary.discovery
    if summary.stages.failed or (discovery is not None and discovery.outcome == "failed"):
        return FAILED
    return STOPPED if summary.stopped in ("paused", "over_budget", "breaker") else DONE


def _is_held_up(place: Workplace, job: Job) -> bool:
    """Whether the job has been paused, or has spent its budget, by the end of the run."""
    with place.reading() as connection:
        refusal = standing(connection, job.name, place.clock())
    return refusal is not None and refusal.code in ("paused", "over_budget")


def _ran(summary: RunSummary) -> Ran:
    discovery = None
    if summary.discovery is not None:
        warnings = [shown(warning) for warning in summary.discovery.warnings]
        discovery = {**_counters(summary.discovery, _RUN), "warnings": warnings}
    return Ran(
        job=summary.job,
        mode=summary.mode,
        run_id=summary.run_id,
        discovery=discovery,
        items={"done": summary.items_done, "failed": summary.items_failed},
        stages=asdict(summary.stages),
        cost_micros=summary.cost_micros,
        stopped=summary.stopped,
    )


def _counters(discovery: DiscoverySummary, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(discovery, name) for name in names}


def _notes(summary: RunSummary) -> tuple[str, ...]:
    """Why it failed or stopped, each said once, and how a pause ends."""
    error = None if summary.discovery is None else summary.discovery.error
    remedy = f"`inv jobs.unpause -j {summary.job}` ends the pause." if summary.stopped == "paused" else ""
    return tuple(dict.fromkeys(note for note in (error, summary.stopped_reason, remedy) if note))
