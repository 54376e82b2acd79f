"""A run of one job: the entry of everybody, and the one path that all modes take.

Not here: reading a source (`discovering`), working on what it showed (`draining`).
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.credentials import secrets_of
from assets.discovery.engine import forecast, trial
from assets.discovery.engine.attempts import Station
from assets.discovery.engine.context import (
    DiscoverySummary,
    RunContext,
    RunSummary,
    StageResult,
    require_legal,
)
from assets.discovery.engine.discovering import discover
from assets.discovery.engine.drain_plans import DrainPlan, Post
from assets.discovery.engine.draining import Drain, reconcile_ledger
from assets.discovery.engine.ends import Drained
from assets.discovery.engine.handler_loop import handler_loop
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.payloads import payload_of
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.job_model import Job
from assets.discovery.job_plans import job_entries
from assets.discovery.job_settings import RunnerConfig
from assets.discovery.ledger import claims, jobs, results, runs, schema, waiting
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.web import Web
from assets.failures import PermanentFailure


async def run_job(
    job: Job, runner_cfg: RunnerConfig, pacer: Pacer, resources: ResourceRegistry, ctx: RunContext
) -> RunSummary:
    """Discover what a job's source shows, then take its items through their stages, as far as `ctx` asks.

    A run that is restricted to `active_items` discovers nothing. When the task is cancelled the run is asked
    to stop, and its handlers get their grace, before this returns.

    Args:
        job: the job, one of `resources.jobs`.
        runner_cfg: how it runs (`JobsFile.runner_of`).
        pacer: the rates of its stages.
        resources: what it uses.
        ctx: what is asked.

    Raises:
        ConfigurationError: what is asked cannot be meant, or the job cannot run; nothing was done.
    """
    require_legal(ctx, job)

    def work() -> RunSummary:
        run = _Run(job, runner_cfg, pacer, resources, ctx)
        match ctx.mode:
            case "dry_run":
                return forecast.forecast(job, resources.plans[job.name], resources, ctx)
            case "test":
                return run.test()
            case "production":
                return run.produce(discovers=ctx.active_items is None)

    return await _beside_the_loop(work, resources)


async def drain_job(
    job: Job, runner_cfg: RunnerConfig, pacer: Pacer, resources: ResourceRegistry, ctx: RunContext
) -> RunSummary:
    """Take a job's items through their stages without looking at the source; all else is as in `run_job`."""
    require_legal(ctx, job)

    def work() -> RunSummary:
        return _Run(job, runner_cfg, pacer, resources, ctx).produce(discovers=False)

    return await _beside_the_loop(work, resources)


async def _beside_the_loop(work: Callable[[], RunSummary], resources: ResourceRegistry) -> RunSummary:
    """Do the work in a thread: the loop of the caller stays free."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        resources.stop.set()
        await asyncio.wait([task])
        task.result()
        raise


def open_ledger(resources: ResourceRegistry) -> sqlite3.Connection:
    """Open the ledger to write, at today's schema, with today's jobs, and put right what no worker will.

    The caller closes it.
    """
    connection = resources.ledgers.open_db(resources.ledger)
    try:
        schema.migrate(connection, resources.clock())
        jobs.sync(connection, job_entries(resources.jobs), resources.clock())
        reconcile_ledger(connection, resources.plans, resources)
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """The parameters of all stages, secrets in place, and the web as the job sees it."""

    params: Mapping[str, Mapping[str, Any]]
    web: Web


@dataclass(frozen=True, slots=True)
class _Run:
    job: Job
    runner: RunnerConfig
    pacer: Pacer
    resources: ResourceRegistry
    context: RunContext

    @property
    def _plan(self) -> JobPlan:
        return self.resources.plans[self.job.name]

    def produce(self, *, discovers: bool) -> RunSummary:
        """A production run."""
        surroundings = self._surroundings()
        with handler_loop() as loop, closing(open_ledger(self.resources)) as connection:
            refusal = claims.standing(connection, self.job.name, self.resources.clock())
            if refusal is not None and refusal.code in ("unknown", "orphaned", "disabled"):
                raise ConfigurationError([refusal.text])
            return self._recorded(connection, self._posts(surroundings, loop), discovers=discovers)

    def test(self) -> RunSummary:
        """A run on a scratch ledger; only what it costs is written to the real one."""
        surroundings = self._surroundings()
        tried = trial.prepare(self.job, self._plan, self.resources, self.context)
        scratch = replace(self, resources=tried.resources, context=tried.context)
        try:
            with handler_loop() as loop, closing(open_ledger(tried.resources)) as connection:
                posts = scratch._posts(surroundings, loop, self.context.test_stage)
                summary = scratch._recorded(connection, posts, discovers=tried.context.active_items is None)
                return replace(summary, results=_results(connection, summary.item_ids, scratch.resources))
        finally:
            trial.settle(self.job, self._plan, self.resources, tried)

    def _recorded(
        self, connection: sqlite3.Connection, posts: dict[str, Post], *, discovers: bool
    ) -> RunSummary:
        """Work, with an event at the beginning and at the end, whatever happens in between."""
        name, run_id, clock = self.job.name, self.resources.run_id, self.resources.clock
        runs.started(connection, name, run_id, clock(), {"mode": self.context.mode})
        try:
            summary = self._worked(connection, posts, discovers=discovers)
        except BaseException:
            with suppress(sqlite3.Error):  # The error that led here is the one to raise.
                runs.finished(connection, name, run_id, clock(), {"stopped": "error"})
            raise
        ending = {"stopped": summary.stopped, "done": summary.items_done, "failed": summary.items_failed}
        runs.finished(connection, name, run_id, clock(), ending)
        return summary

    def _worked(
        self, connection: sqlite3.Connection, posts: dict[str, Post], *, discovers: bool
    ) -> RunSummary:
        refusal = claims.standing(connection, self.job.name, self.resources.clock())
        is_paused = refusal is not None and refusal.code == "paused"
        discovery = None
        if discovers and not (is_paused and self.job.pause_discovery):
            discovery = self._discovered(connection)
        drained = Drained()
        if is_paused and refusal is not None:
            drained = Drained(stopped="paused", reason=refusal.text)
        elif not self.context.discover_only:
            drained = Drain(connection, self._drain_plan(posts), self.resources).run()
        elif self.resources.stop.is_set():
            drained = Drained(stopped="signal", reason="The run was asked to stop.")
        if discovery is not None and discovery.outcome == "failed" and drained.stopped == "drained":
            drained.stopped, drained.reason = "discovery_failed", discovery.error or ""
        return self._summary(connection, discovery, drained)

    def _discovered(self, connection: sqlite3.Connection) -> DiscoverySummary:
        return discover(
            self.job,
            self._plan,
            self.resources,
            connection,
            limit=self.context.limit,
            gate=self.pacer.gate(self.job),
        )

    def _drain_plan(self, posts: dict[str, Post]) -> DrainPlan:
        return DrainPlan(
            self._plan,
            posts,
            self.runner,
            most_items=self.context.limit,
            active_items=self.context.active_items,
            single_pass=self.context.single_pass,
        )

    def _surroundings(self) -> _Surroundings:
        """What handlers get of their surroundings; what is missing there stops the run before it begins."""
        environment = self.resources.environment
        try:
            params = {stage.name: self.job.stage_params(stage, environment) for stage in self.job.chain}
            return _Surroundings(params, self.resources.web_of(self.job))
        except (PermanentFailure, ValueError) as error:
            raise ConfigurationError([f"job {self.job.name}: {error}"]) from None

    def _posts(
        self, surroundings: _Surroundings, loop: asyncio.AbstractEventLoop, only: str | None = None
    ) -> dict[str, Post]:
        job, resources = self.job, self.resources
        path = resources.ledgers.path(resources.ledger)
        posts: dict[str, Post] = {}
        for stage in job.chain:
            gate = self.pacer.gate(job, stage.name)
            station = Station(
                job_id=job.name,
                stage=stage.name,
                handler=resources.handlers[stage.handler],
                params=surroundings.params[stage.name],
                timeout_s=stage.timeout_s,
                web=surroundings.web,
                ledger_path=path,
                clock=resources.clock,
                loop=loop,
                limiter=None if gate is None else gate.limiter,
                item_budget_micros=job.budget.per_item_micros if job.budget.on_exceed == "pause" else None,
                secrets=secrets_of(stage.params, resources.environment),
            )
            if only in (None, stage.name):
                posts[stage.name] = Post(station, stage.needs, gate, stage.concurrency)
        return posts

    def _summary(
        self, connection: sqlite3.Connection, discovery: DiscoverySummary | None, drained: Drained
    ) -> RunSummary:
        statuses = list(waiting.derived_statuses(connection, drained.item_ids).values())
        return RunSummary(
            job=self.job.name,
            mode=self.context.mode,
            run_id=self.resources.run_id,
            discovery=discovery,
            items_done=statuses.count("done"),
            items_failed=statuses.count("failed"),
            stages=drained.stages,
            cost_micros=drained.cost_micros,
            stopped=drained.stopped,
            stopped_reason=drained.reason,
            item_ids=frozenset(drained.item_ids),
        )


def _results(
    connection: sqlite3.Connection, item_ids: Collection[int], resources: ResourceRegistry
) -> tuple[StageResult, ...]:
    path = resources.ledgers.path(resources.ledger)
    found: list[StageResult] = []
    for row in results.stages_of(connection, item_ids):
        payload = None if row.result is None else payload_of(path, row.result)
        found.append(StageResult(row.key, row.stage, row.status, payload, row.error_text))
    return tuple(found)
