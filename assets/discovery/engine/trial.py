"""The ledger of a test: a scratch file with the items that are tried, and nothing of it in the real one.

What a test costs is real, so it is written to the real ledger, with mode `test`. Not here: the run itself,
which is the one of production (`run`).
"""

import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.engine.context import RunContext
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.job_model import Job
from assets.discovery.job_plans import job_entry
from assets.discovery.ledger import alignment, copies, jobs, schema
from assets.discovery.ledger.plans import JobPlan, StagePlan

DEFAULT_LIMIT: Final = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What a test works with instead of the resources and the context that it was asked with.

    `context.active_items` are the items on trial; `None` says that it discovers into an empty ledger.
    """

    resources: ResourceRegistry
    context: RunContext


def prepare(job: Job, plan: JobPlan, resources: ResourceRegistry, context: RunContext) -> Trial:
    """Choose what to try and make the scratch ledger of it, in place of the one of the last test.

    The scratch lies beside the real ledger, so results in files stay readable. In it the job is neither
    paused nor disabled: one item can be tried before a job is switched on. What was spent counts there too.

    Raises:
        ConfigurationError: no such item of this job, or a stage that is needed is not done; nothing was
            made, and the last scratch is still there.
    """
    limit = context.limit or DEFAULT_LIMIT
    live = _open_live(resources)
    try:
        chosen = _chosen(job, plan, live, context, limit)
        scratch = f"discovery-test-{job.name}"
        path = resources.ledgers.path(scratch)
        if path.exists():
            _settle_leftovers(job, resources, scratch)
        _remove(path)
        with closing(resources.ledgers.open_db(scratch)) as connection:
            schema.migrate(connection, resources.clock())
            _fill(connection, live, job, plan, resources, chosen, context)
    finally:
        if live is not None:
            live.close()
    enabled = tuple(
        each.model_copy(update={"enabled": True}) if each.name == job.name else each
        for each in resources.jobs.jobs
    )
    return Trial(
        replace(
            resources,
            ledger=scratch,
            upstream_ledger=resources.ledger,
            jobs=resources.jobs.model_copy(update={"jobs": enabled}),
        ),
        replace(context, limit=limit, active_items=None if chosen is None else set(chosen)),
    )


def settle(job: Job, plan: JobPlan, resources: ResourceRegistry, trial: Trial) -> int:
    """Write what a test cost to the real ledger, and nothing else; returns the micros.

    Args:
        job: the job.
        plan: the same job as the ledger needs it.
        resources: those of the real ledger.
        trial: what `prepare` returned.
    """
    return _settle(job, resources, trial.resources.ledger)


def _open_live(resources: ResourceRegistry) -> sqlite3.Connection | None:
    """The real ledger, to read; `None` if there is none yet."""
    if not resources.ledgers.path(resources.ledger).exists():
        return None
    connection = resources.ledgers.open_raw_db(resources.ledger)
    try:
        if schema.version_of(connection) == 0:
            connection.close()
            return None
        schema.require_known(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _chosen(
    job: Job, plan: JobPlan, live: sqlite3.Connection | None, context: RunContext, limit: int
) -> list[int] | None:
    """The items to try; `None`: those that a discovery finds."""
    stage = None if context.test_stage is None else plan.stage(context.test_stage)
    if context.test_item is not None:
        item_id = None if live is None else copies.find_item(live, job.name, context.test_item)
        if live is None or item_id is None:
            text = f"the job {job.name} has no item {context.test_item!r}"
            raise ConfigurationError([f"{text}; give the key, id or partition key of one that it has"])
        if stage is not None:
            _require_needs(live, item_id, stage, context.test_item)
        return [item_id]
    if stage is None:
        return None
    ready = [] if live is None else copies.newest_ready(live, job.name, stage, limit)
    if not ready:
        missing = list(stage.needs) if live is None else copies.missing_anywhere(live, job.name, stage)
        raise ConfigurationError([_no_item_is_ready(job, stage, missing)])
    return ready


def _require_needs(live: sqlite3.Connection, item_id: int, stage: StagePlan, word: str) -> None:
    unmet = copies.unmet_needs(live, item_id, stage)
    if unmet:
        listed = ", ".join(f"{name} ({status})" for name, status in unmet.items())
        text = f"stage {stage.name} of {word} needs stages that are not done: {listed}"
        raise ConfigurationError([f"{text}; run those first, or test the item without choosing a stage"])


def _no_item_is_ready(job: Job, stage: StagePlan, missing: Collection[str]) -> str:
    if not missing:
        return f"the job {job.name} has no item yet; test it without choosing a stage"
    return (
        f"stage {stage.name} of {job.name} needs stages that are done for none of its items: "
        f"{', '.join(missing)}; run those first, or test without choosing a stage"
    )


def _fill(
    connection: sqlite3.Connection,
    live: sqlite3.Connection | None,
    job: Job,
    plan: JobPlan,
    resources: ResourceRegistry,
    chosen: list[int] | None,
    context: RunContext,
) -> None:
    now = resources.clock()
    jobs.sync(connection, [replace(job_entry(job), enabled=True)], now)
    if live is None:
        return
    if chosen is not None:
        copies.copy_items(live, connection, chosen)
        alignment.align_stages(connection, plan, now)
        if not context.no_reset:
            names = [stage.name for stage in plan.stages]
            copies.reset(
                connection, plan, chosen, names if context.test_stage is None else [context.test_stage]
            )
    copies.copy_limits(live, connection, plan, chosen or (), now)


def _settle_leftovers(job: Job, resources: ResourceRegistry, scratch: str) -> None:
    """A test that was killed has told nobody what it cost."""
    with closing(resources.ledgers.open_raw_db(scratch)) as connection:
        is_ours = schema.version_of(connection) == schema.NEWEST
    if is_ours:
        _settle(job, resources, scratch)


def _settle(job: Job, resources: ResourceRegistry, scratch: str) -> int:
    with closing(resources.ledgers.open_db(scratch)) as source:
        if not copies.unsettled(source):
            return 0
        with closing(resources.ledgers.open_db(resources.ledger)) as target:
            schema.migrate(target, resources.clock())
            return copies.settle(source, target, job.name)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
