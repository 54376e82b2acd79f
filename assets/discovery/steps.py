"""A run of a job as a step of Dagster: the engine in a thread beside it, and what is recorded of it.

The ledger is the truth. What Dagster is told of a run: keys for the newest items, a materialisation for each
item that is done, an observation with what the run did, and the checks. Items that fail are the ledger's
business and fail no run, unless all of several did.

Not here: the assets (`assets`), which items Dagster is told of (`mirroring`), the engine (`engine`).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

import dagster as dg

from assets.discovery import mirroring
from assets.discovery.checks import check_results, discovered_key, items_key
from assets.discovery.engine.context import RunContext, RunSummary
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.registry import LEDGER, ResourceRegistry, utc_now
from assets.discovery.engine.run import drain_job, run_job
from assets.discovery.job_model import Job
from assets.discovery.job_settings import RunnerConfig
from assets.discovery.ledger import demand, events, history, mirror, owners, schema
from assets.discovery.ledger.demand import Lease
from assets.discovery.partitions import PartitionCatalogue
from assets.discovery.readers.absent_ledger import as_empty
from assets.discovery.readers.jobs_today import JobToday
from assets.discovery.roster import Roster
from assets.discovery.run_facts import discovery_facts, mirror_facts, refusal, work_facts
from assets.discovery.side_work import beside
from assets.durations import rate, span
from assets.facts import Facts
from assets.failures import PermanentFailure
from assets.metadata import metadata
from assets.retries import Patience, translated_failures
from resources.http import Http
from resources.ledger import Ledger, LedgerAbsent, LedgerUnusable
from resources.object_store import ObjectStore

Context = dg.OpExecutionContext | dg.AssetExecutionContext
Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]
Entry = Callable[[Job, RunnerConfig, Pacer, ResourceRegistry, RunContext], Coroutine[Any, Any, RunSummary]]

ALREADY_DRAINING: Final = "already_draining"

# Stages have their retries in the ledger, and a discovery has its next turn.
_NO_RETRIES: Final = Patience(retries=0, looks=0)
_TO_WRITE_S: Final = 30.0
"""Beyond their grace: for a ledger that others keep busy."""
_AS_LONG_AS_IT_TAKES_S: Final = 30 * 86_400.0
"""Items that a person asked for by name are not cut off by the time of a drain."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of a step."""

    ledger: Ledger
    http: Http
    object_store: ObjectStore


@dataclass(frozen=True, slots=True)
class Step:
    """A step of Dagster for one job of the jobs file."""

    context: Context
    roster: Roster
    job: Job
    resources: Resources

    @property
    def today(self) -> JobToday:
        """The job as its readers need it."""
        return self.roster.today(self.job)

    @property
    def catalogue(self) -> PartitionCatalogue:
        """The job's items as Dagster knows them."""
        return PartitionCatalogue(self.context, self.job.name)

    def run(self, entry: Entry, ask: RunContext, *, drain_max_s: float | None = None) -> RunSummary:
        """Let the engine work in a thread of its own; when this step is interrupted it is asked to stop."""
        registry = registry_of(
            self.roster, self.resources, self.context.instance, self.context.run.run_id, stop := Event()
        )
        runner = self.roster.jobs_file.runner_of(self.job)
        if drain_max_s is not None:
            runner = runner.model_copy(update={"drain_max_s": drain_max_s})
        pacer = self.roster.pacer

        def work() -> RunSummary:
            return asyncio.run(entry(self.job, runner, pacer, registry, ask))

        return beside(work, stop, runner.grace_s + _TO_WRITE_S, self._teller())

    def _teller(self) -> Callable[[], None]:
        """What logs how far the run has come, and how long the rest will take."""
        name, began = self.job.name, utc_now()
        with reading(self.resources.ledger) as connection:
            since = events.last_seq(connection, name)

        def tell() -> None:
            with reading(self.resources.ledger) as connection:
                state = history.progress(connection, name, self.context.run.run_id, since)
            ended = state.done + state.skipped + state.failed
            line = f"{name}: {state.discovered:,} items discovered; {ended:,} stages ended"
            line += f" ({state.failed:,} failed, {state.to_try_again:,} to be tried again)"
            elapsed = max((utc_now() - began) / 1000, 1.0)
            left = f"; {rate(ended, elapsed)}, {span(state.waiting * elapsed / ended)} left" if ended else ""
            self.context.log.info("%s; %s wait%s", line, f"{state.waiting:,}", left)

        return tell

    def check_results(self, asset_key: dg.AssetKey) -> list[dg.AssetCheckResult]:
        """What the checks of an asset of this job come to now."""
        with reading(self.resources.ledger) as connection:
            return check_results(asset_key, connection, self.today, utc_now())


def discover(step: Step) -> Results:
    """Look at the source, take what it shows, register the items; the body of `discovered`."""
    key, failure = discovered_key(step.job.name), None
    with translated_failures(step.context, _NO_RETRIES), _known_failures():
        if _is_selected(step, key):
            summary = step.run(run_job, RunContext(discover_only=True))
            with reading(step.resources.ledger) as connection:
                unmirrored = mirroring.register(connection, step.job, step.catalogue)
                facts = discovery_facts(connection, step.today, summary) | {"unmirrored": unmirrored}
            found = summary.discovery
            if found is None or found.outcome in ("failed", "interrupted"):
                _observe(step, key, facts)
                failure = found and (found.error or "; ".join(found.warnings))
            else:
                yield dg.MaterializeResult(asset_key=key, metadata=metadata(facts))
        yield from _selected_checks(step, key)
        if failure:
            raise PermanentFailure(failure)


def work(step: Step) -> Results:
    """Take exactly the items of the run's partitions through their stages; the body of `items`."""
    key, failure = items_key(step.job.name), None
    with translated_failures(step.context, _NO_RETRIES), _known_failures():
        if _is_selected(step, key):
            asked = _asked_items(step)
            ask = RunContext(single_pass=True, active_items=asked)
            summary = step.run(run_job, ask, drain_max_s=_AS_LONG_AS_IT_TAKES_S)
            catalogue = step.catalogue
            with reading(step.resources.ledger) as connection:
                done = mirror.done_items(connection, asked)
                facts = work_facts(connection, step.today, summary)
            for item in done:
                catalogue.record(item)
            _observe(step, key, facts)
            failure = refusal(summary)
        yield from _selected_checks(step, key)
        if failure:
            raise PermanentFailure(failure)


def drain(step: Step) -> None:
    """Claim until nothing is claimable or the time is up, then tell Dagster of items that are done."""
    name, key = step.job.name, items_key(step.job.name)
    with translated_failures(step.context, _NO_RETRIES), _known_failures():
        with reading(step.resources.ledger) as connection:
            leases = demand.leases(connection, name)
        others = working_runs(step.context.instance, leases, utc_now()) - {step.context.run.run_id}
        if others:
            reason = f"The run {min(others)} works on items of {name}; what is left waits for the next drain."
            _observe(step, key, {"stopped": ALREADY_DRAINING, "reason": reason})
            return
        summary = step.run(drain_job, RunContext())
        with closing(step.resources.ledger.open_db(LEDGER)) as connection:
            unmirrored = mirroring.register(connection, step.job, step.catalogue)
            mirrored = mirroring.tell(connection, step.job, step.catalogue)
            facts = work_facts(connection, step.today, summary) | mirror_facts(mirrored, unmirrored)
        _observe(step, key, facts)
        for result in step.check_results(key):
            log_check(step.context, result)
        if failure := refusal(summary):
            raise PermanentFailure(failure)


def registry_of(
    roster: Roster, resources: Resources, instance: dg.DagsterInstance, run_id: str, stop: Event
) -> ResourceRegistry:
    """What a run of Dagster uses: the resources, and what the instance knows of other runs."""
    return ResourceRegistry(
        ledgers=resources.ledger,
        jobs=roster.jobs_file,
        handlers=roster.handlers,
        webs=resources.http,
        object_store=resources.object_store,
        environment=os.environ,
        run_id=run_id,
        stop=stop,
        ended_runs=lambda run_ids: ended_runs(instance, run_ids),
    )


def ended_runs(instance: dg.DagsterInstance, run_ids: Collection[str]) -> set[str]:
    """Of these runs, those of Dagster that have ended; of runs that it does not know nothing is said."""
    if not run_ids:
        return set()
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(run_ids)))
    return {run.run_id for run in runs if run.is_finished}


def working_runs(instance: dg.DagsterInstance, leases: Collection[Lease], now: int) -> set[str]:
    """The runs of Dagster that hold live leases and have not ended; those of a command line are none."""
    live = {
        lease.run_id
        for lease in leases
        if lease.run_id is not None and lease.until > now and not owners.is_dead(lease.owner)
    }
    if not live:
        return set()
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(live)))
    return {run.run_id for run in runs if not run.is_finished}


@contextmanager
def reading(ledger: Ledger) -> Iterator[sqlite3.Connection]:
    """The ledger, to read. One that does not exist yet is empty, and no file is made.

    Raises:
        PermanentFailure: it is of another version than this code.
    """
    try:
        connection = ledger.open_raw_db(LEDGER)
    except LedgerAbsent:
        with closing(ledger.open_memory_db()) as empty:
            yield as_empty(empty)
        return
    with closing(connection):
        if schema.version_of(connection) == 0:
            with closing(ledger.open_memory_db()) as empty:
                yield as_empty(empty)
            return
        schema.require_known(connection)
        yield connection


def log_check(context: Context, result: dg.AssetCheckResult) -> None:
    """Record what a check came to in a step that is not that of its asset."""
    if result.asset_key is None or result.check_name is None:
        raise ValueError("a check that is not of the step's asset needs its asset key and its name")
    event = dg.AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        metadata=dict(result.metadata),
        severity=result.severity,
        description=result.description,
    )
    context.log_event(event)  # pyright: ignore[reportArgumentType] # Dagster takes it, its annotation does not say so.


@contextmanager
def _known_failures() -> Iterator[None]:
    """What a person has to mend, in the words of whoever found it."""
    try:
        yield
    except LedgerUnusable as failure:
        raise PermanentFailure(str(failure)) from failure


def _is_selected(step: Step, asset_key: dg.AssetKey) -> bool:
    """Whether the run is to make the asset; people may also ask for its checks alone."""
    return asset_key in _asset_context(step).selected_asset_keys


def _selected_checks(step: Step, asset_key: dg.AssetKey) -> Iterator[dg.AssetCheckResult]:
    names = {key.name for key in _asset_context(step).selected_asset_check_keys}
    if names:
        yield from (result for result in step.check_results(asset_key) if result.check_name in names)


def _asked_items(step: Step) -> set[int]:
    """The items of the run's partitions.

    Raises:
        PermanentFailure: the ledger has no item of some of these keys.
    """
    keys, name = list(_asset_context(step).partition_keys), step.job.name
    with reading(step.resources.ledger) as connection:
        found = mirror.item_ids(connection, name, keys)
    if unknown := [key for key in keys if key not in found]:
        examples = ", ".join(unknown[:5])
        raise PermanentFailure(
            f"{len(unknown)} of the {len(keys)} partitions are no items of {name} in the ledger: {examples}; "
            "a partition is an item's partition key, see inv jobs.items"
        )
    return set(found.values())


def _asset_context(step: Step) -> dg.AssetExecutionContext:
    if not isinstance(step.context, dg.AssetExecutionContext):
        raise TypeError("the step of an asset was asked for in an op that makes none")
    return step.context


def _observe(step: Step, asset_key: dg.AssetKey, facts: Facts) -> None:
    """Show what a run did on the page of its asset, whether or not it made anything."""
    step.context.log_event(dg.AssetObservation(asset_key, metadata=metadata(facts)))
    told = {name: fact for name, fact in facts.items() if isinstance(fact, (str, int, float))}
    step.context.log.info("%s", "; ".join(f"{name} {fact}" for name, fact in told.items()))
