"""A dry run: the source is read, and it is told what the next production run would do with what it shows.

The ledger is only read, and no handler is called. Not here: the rules of both countings (`ledger.previews`).
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from time import monotonic

from assets.discovery.engine.context import DiscoverySummary, RunContext, RunSummary
from assets.discovery.engine.discovering import NoTurn, smaller, upstream_of
from assets.discovery.engine.pacer import Gate, Pacer
from assets.discovery.engine.reading import Interrupted, Listed, Reading, Start
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.job_model import Job
from assets.discovery.job_plans import job_entry
from assets.discovery.ledger import costs, jobs, previews, schema
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.ledger.previews import Preview, Scope


class _Counting(Preview):
    """Counts what a listing shows, and hears of events without writing them."""

    def tell(self, event: str, text: str) -> None:
        """Nothing is kept: the text is among the warnings."""


def forecast(job: Job, plan: JobPlan, resources: ResourceRegistry, context: RunContext) -> RunSummary:
    """What the next production run of a job would insert, change, claim and spend, all going well.

    An absent ledger counts as empty and is not made. The source is asked as slowly as the job's pace says,
    but other processes are not told. A job that is disabled or paused claims nothing.

    Args:
        job: the job.
        plan: the same job as the ledger needs it.
        resources: what it is read with.
        context: `limit`, `discover_only`, `single_pass` and `active_items` are heeded as in production.
    """
    with _to_read(resources) as connection:
        preview, discovery = _Counting(connection, plan), None
        if context.active_items is None:
            listed, error = _read(job, resources, context, connection, preview)
            discovery = _summary(listed, error)
        claims = {}
        if job.enabled and not context.discover_only:
            now = resources.clock()
            wait_s = 0 if context.single_pass else resources.jobs.runner_of(job).drain_max_s
            scope = Scope(now + round(wait_s * 1000), context.limit, context.active_items)
            claims = previews.claims_ahead(connection, plan, preview, scope, now)
        estimate = sum(n * _price(connection, plan, stage) for stage, n in claims.items())
    return RunSummary(
        job=job.name,
        mode="dry_run",
        run_id=resources.run_id,
        discovery=discovery,
        stopped="discovery_failed" if discovery and discovery.outcome == "failed" else "drained",
        stopped_reason=(discovery and discovery.error) or "",
        claims={stage.name: claims[stage.name] for stage in plan.stages if claims.get(stage.name)},
        cost_estimate_micros=estimate,
    )


@contextmanager
def _to_read(resources: ResourceRegistry) -> Iterator[sqlite3.Connection | None]:
    if not resources.ledgers.path(resources.ledger).exists():
        yield None
        return
    with closing(resources.ledgers.open_raw_db(resources.ledger)) as connection:
        if schema.version_of(connection) == 0:
            yield None
            return
        schema.require_known(connection)
        yield connection


def _read(
    job: Job,
    resources: ResourceRegistry,
    context: RunContext,
    connection: sqlite3.Connection | None,
    preview: _Counting,
) -> tuple[Listed, str | None]:
    standing = None
    if connection is not None and jobs.keeps_place(connection, job_entry(job)):
        standing = jobs.standing(connection, job.name)
    with upstream_of(job, resources) as upstream:
        start = Start(
            standing and standing.cursor_json,
            standing and standing.validators_json,
            smaller(context.limit, job.discovery.limit),
            _turns(job, resources, connection, Pacer.of(resources.jobs).gate(job)),
            upstream,
        )
        reading = Reading(job, resources, preview, start)
        listed = reading.run()
    if listed.error is not None:
        return listed, reading.error_text(listed.error)
    if job.discovery.empty_is_error and listed.counts.n_read == 0 and not listed.not_modified:
        return listed, f"The source of {job.name} listed nothing, which is an error for this job."
    return listed, None


def _turns(
    job: Job, resources: ResourceRegistry, connection: sqlite3.Connection | None, gate: Gate | None
) -> Callable[[], None]:
    """What returns when the next request may go; no turn is taken, so they keep their distance here."""
    patience = round(resources.jobs.runner_of(job).drain_max_s * 1000)
    spacing_s = max((rate.spacing_us() * gate.weight / 1e6 for rate in gate.rates), default=0) if gate else 0
    next_at = 0.0

    def wait() -> None:
        nonlocal next_at
        ms = gate.wait(connection, resources.clock()) if gate and connection else 0
        if gate and ms > patience:
            raise NoTurn(gate.limiter, ms, patience)
        if resources.stop.wait(max(next_at - monotonic(), ms / 1000, 0)):
            raise Interrupted
        next_at = monotonic() + spacing_s

    return wait


def _price(connection: sqlite3.Connection | None, plan: JobPlan, name: str) -> int:
    """What one attempt at a stage is thought to cost: as the last ones did, else as its job says."""
    known = 0 if connection is None else costs.forecast(connection, plan.job_id, name)
    stage = plan.stage(name)
    return known or (stage.estimate_micros if stage else 0)


def _summary(listed: Listed, error: str | None) -> DiscoverySummary:
    counts = listed.counts
    outcome = "interrupted" if listed.interrupted else "not_modified" if listed.not_modified else "ok"
    return DiscoverySummary(
        outcome="failed" if error is not None else outcome,
        n_read=counts.n_read,
        n_new=counts.n_new,
        n_changed=counts.n_changed,
        n_unchanged=counts.n_unchanged,
        n_duplicate=counts.n_duplicate,
        n_rejected=counts.n_rejected,
        warnings=tuple(listed.warnings),
        error=error,
        new_keys=tuple(counts.new_keys),
    )
