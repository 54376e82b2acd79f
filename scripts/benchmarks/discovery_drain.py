"""What a drain costs beyond its handlers: claims, threads, results and events, and Dagster's records of them.

Not here: claims alone (`discovery_claims`).
"""

import asyncio
import logging
from pathlib import Path

import dagster as dg

from assets.discovery.assets import assets_of
from assets.discovery.checks import items_key
from assets.discovery.engine.context import RunContext
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.engine.run import drain_job, run_job
from assets.discovery.roster import Roster
from jobs.discovery import drain_job_name, jobs_of
from resources.object_store import LocalObjectStore
from scripts.benchmarks.discovery_jobs import JOB, job_of, jobs_text, registry, write_source
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch


def measure_drain(root: Path, rows: int) -> Part:
    """Drain so many items of one stage whose handler takes no time, by the engine alone and in Dagster."""
    plain = _by_the_engine(_discovered(root / "engine", rows), rows)
    in_dagster, runs = _in_dagster(root / "dagster", _discovered(root / "dagster", rows), rows)
    more = (in_dagster.value - plain.value) / rows * 1000
    note = f"Dagster, {runs} runs and a record of each item, costs {more:.1f} ms an item more."
    return Part(f"drain: {rows:,} items of one stage", [plain, in_dagster], [note])


def _discovered(root: Path, rows: int) -> ResourceRegistry:
    root.mkdir()
    write_source(root, rows)
    resources = registry(root)
    job = job_of(resources)
    runner, pacer = resources.jobs.runner_of(job), Pacer.of(resources.jobs)
    asyncio.run(run_job(job, runner, pacer, resources, RunContext(discover_only=True)))
    return resources


def _by_the_engine(resources: ResourceRegistry, rows: int) -> Line:
    job = job_of(resources)
    runner, pacer = resources.jobs.runner_of(job), Pacer.of(resources.jobs)
    watch = Stopwatch()
    summary = asyncio.run(drain_job(job, runner, pacer, resources, RunContext(single_pass=True)))
    line = Line("drain, no mirroring", *watch.lap(), rows, "items")
    if summary.items_done != rows:
        raise BenchmarkFailed(f"{summary.items_done:,} of {rows:,} items are done ({summary.stopped})")
    return line


def _in_dagster(root: Path, resources: ResourceRegistry, rows: int) -> tuple[Line, int]:
    """The Dagster job in this process, run until all items are recorded, hundreds a run; and the runs."""
    (root / "jobs.yaml").write_text(jobs_text(), encoding="utf-8")
    roster = Roster.load(root / "jobs.yaml")
    store = LocalObjectStore(root=str(root / "storage"))
    location = dg.Definitions(
        assets=assets_of(roster),
        jobs=jobs_of(roster),
        resources={"ledger": resources.ledgers, "http": resources.webs, "object_store": store},
    )
    job = location.resolve_job_def(drain_job_name(JOB))
    logging.getLogger("dagster").setLevel(logging.ERROR)
    watch, runs, recorded = Stopwatch(), 0, 0
    with dg.DagsterInstance.local_temp(str(root)) as instance:
        while recorded < rows:
            before, runs = recorded, runs + 1
            job.execute_in_process(instance=instance)
            recorded = len(instance.get_materialized_partitions(items_key(JOB)))
            if recorded == before:
                raise BenchmarkFailed(
                    f"run {runs} recorded nothing; {recorded:,} of {rows:,} items are known"
                )
        return Line("drain in Dagster", *watch.lap(), rows, "items"), runs
