"""How long it takes until the rows of a killed worker are done: reaped, waited for, and worked on again.

A worker on this machine is known to be dead at once, one on another only when its leases end. Not here: that
nothing is lost by a kill, which tests show.
"""

import asyncio
import multiprocessing
import signal
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from assets.discovery.engine.context import RunContext
from assets.discovery.engine.discovering import discover
from assets.discovery.engine.pacer import Pacer
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.engine.run import drain_job, open_ledger
from assets.discovery.ledger import claims
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.owners import Owner
from scripts.benchmarks.discovery_jobs import JOB, job_of, registry, write_source
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch

LEASE_S: Final = 5
_ELSEWHERE: Final = "elsewhere:1:1:bench"
_PATIENCE_S: Final = 120
_BETWEEN_DRAINS_S: Final = 0.5


def measure_recovery(root: Path, rows: int) -> Part:
    """Kill a worker that holds `rows` rows, and drain until they are done.

    Raises:
        BenchmarkFailed: they are not, after two minutes.
    """
    here = _recovered("killed here", root / "here", rows, owner=None)
    elsewhere = _recovered("killed elsewhere", root / "elsewhere", rows, owner=_ELSEWHERE)
    note = "A reaped row waits up to ten seconds before it is worked on again."
    return Part(f"recovery of {rows:,} rows after SIGKILL, leases of {LEASE_S} s", [here, elsewhere], [note])


def _recovered(name: str, root: Path, rows: int, owner: str | None) -> Line:
    root.mkdir()
    write_source(root, rows)
    resources = registry(root)
    with closing(open_ledger(resources)) as connection:
        discover(job_of(resources), resources.plans[JOB], resources, connection)
    _claim_and_kill(root, rows, owner)
    watch, deadline = Stopwatch(), time.monotonic() + _PATIENCE_S
    while (done := _done(resources)) < rows:
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{name}: {done:,} of {rows:,} rows are done after {_PATIENCE_S} s")
        job = job_of(resources)
        runner, pacer = resources.jobs.runner_of(job), Pacer.of(resources.jobs)
        asyncio.run(drain_job(job, runner, pacer, resources, RunContext()))
        time.sleep(_BETWEEN_DRAINS_S)
    return Line(name, *watch.lap(), rows)


def _claim_and_kill(root: Path, rows: int, owner: str | None) -> None:
    context = multiprocessing.get_context("spawn")
    claimed = context.Queue()
    worker = context.Process(target=_hold, args=(str(root), rows, owner, claimed))
    worker.start()
    try:
        held = claimed.get(timeout=_PATIENCE_S)
    finally:
        worker.kill()
        worker.join()
    if held != rows:
        raise BenchmarkFailed(f"the worker to be killed holds {held:,} of {rows:,} rows")


def _hold(root: str, rows: int, owner: str | None, claimed: Any) -> None:
    """Claim rows and never come back."""
    resources = registry(Path(root))
    with closing(resources.ledgers.open_db(resources.ledger)) as connection:
        own = str(Owner.of_this_process(resources.run_id))
        worker = Worker(owner or own, resources.run_id, LEASE_S * 1000)
        found = claims.claim(connection, resources.plans[JOB], worker, rows, resources.clock()).claims
        claimed.put(len(found))
        signal.pause()


def _done(resources: ResourceRegistry) -> int:
    with closing(resources.ledgers.open_raw_db(resources.ledger)) as connection:
        return connection.execute("SELECT count(*) FROM item_stages WHERE status = 'done'").fetchone()[0]
