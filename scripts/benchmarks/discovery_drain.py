"""What a drain costs beyond its handlers: claims, threads, results and events, and Dagster's records of them.

Not here: claims alone (`discovery_claims`).
"""

import asyncio
from pathlib import Path

from assets.discovery.engine.context import RunContext
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.run import drain_job, run_job
from scripts.benchmarks.discovery_jobs import job_of, registry, write_source
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch


def measure_drain(root: Path, rows: int) -> Part:
    """Drain so many items of one stage whose handler takes no time."""
    write_source(root, rows)
    resources = registry(root)
    job, pacer = job_of(resources), Pacer.of(resources.jobs)
    runner = resources.jobs.runner_of(job)
    asyncio.run(run_job(job, runner, pacer, resources, RunContext(discover_only=True)))
    watch = Stopwatch()
    summary = asyncio.run(drain_job(job, runner, pacer, resources, RunContext(single_pass=True)))
    plain = Line("drain, no mirroring", *watch.lap(), rows, "items", seconds=5)
    if summary.items_done != rows:
        raise BenchmarkFailed(f"{summary.items_done:,} of {rows:,} items are done ({summary.stopped})")
    return Part(f"drain: {rows:,} items of one stage", [plain])
