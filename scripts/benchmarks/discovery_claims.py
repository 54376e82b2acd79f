"""Claims per second: rows of one stage claimed and finished by several processes, and huey's queue emptied.

Ours keeps a row per attempt, a lease, a result and an event; huey's SQLite queue deletes the task and stores
its result. Both run without handlers worth the name. Not here: what is done with the numbers (`discovery`).
"""

import multiprocessing
import queue
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from assets.discovery.engine.discovering import discover
from assets.discovery.engine.run import open_ledger
from assets.discovery.keys import digest
from assets.discovery.ledger import claims, finishing
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.finishing import Ended
from assets.discovery.ledger.outcomes import Done
from assets.discovery.ledger.owners import Owner
from scripts.benchmarks.discovery_jobs import JOB, job_of, registry, write_source
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part

PROCESSES: Final = (1, 4, 8)
BATCH: Final = 25
_PATIENCE_S: Final = 120
_ABOUT_HUEY: Final = (
    "huey takes one task at a time, without leases, attempts, fencing or events, and never syncs "
    "(fsync=False); as it comes it syncs every task and is far slower."
)


def measure_claims(root: Path, rows: int) -> Part:
    """Claim and finish `rows` rows with 1, 4 and 8 processes, and let huey do the same."""
    lines: list[Line] = []
    write_source(root, rows)
    for processes in PROCESSES:
        folder = root / f"claims-{processes}"
        (folder / "ledger").mkdir(parents=True)
        (folder / "lines.jsonl").symlink_to(root / "lines.jsonl")
        _fill(folder)
        ours = _line(f"claim and finish, {processes} processes", _work, folder, processes, rows)
        _require_all_done(folder, rows)
        _enqueue(folder, rows)
        theirs = _line(f"huey: dequeue and execute, {processes} processes", _consume, folder, processes, rows)
        lines += [ours.compared(theirs, "huey"), theirs]
    return Part(f"claims: {rows:,} rows, batches of {BATCH}", lines, [_ABOUT_HUEY])


def _fill(folder: Path) -> None:
    resources = registry(folder)
    with closing(open_ledger(resources)) as connection:
        discover(job_of(resources), resources.plans[JOB], resources, connection)


def _line(name: str, work: Callable[..., None], folder: Path, processes: int, rows: int) -> Line:
    """How long so many processes work, from the moment at which all of them are ready."""
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(processes + 1), context.Queue()
    running = [context.Process(target=work, args=(str(folder), start, results)) for _ in range(processes)]
    for process in running:
        process.start()
    start.wait(_PATIENCE_S)
    began = time.perf_counter()
    cpu = _sum_of(results, running)
    wall = time.perf_counter() - began
    for process in running:
        process.join()
    return Line(name, wall, cpu, rows)


def _sum_of(results: Any, running: list[Any]) -> float:
    """What all processes told; fails when one ends without a word."""
    told: list[float] = []
    while len(told) < len(running):
        try:
            told.append(results.get(timeout=1))
        except queue.Empty:
            if any(process.exitcode for process in running):
                raise BenchmarkFailed("a process failed; what it said is above") from None
    return sum(told)


def _work(folder: str, start: Any, results: Any) -> None:
    resources = registry(Path(folder))
    plan = resources.plans[JOB]
    payload = '{"key":"value"}'
    done = Done("1", digest({"key": "value"}), payload, size=len(payload))
    with closing(resources.ledgers.open_db(resources.ledger)) as connection:
        worker = Worker(str(Owner.of_this_process(resources.run_id)), resources.run_id)
        start.wait(_PATIENCE_S)
        cpu = time.process_time()
        while found := claims.claim(connection, plan, worker, BATCH, resources.clock()).claims:
            finishing.finish(connection, plan, [Ended(claim, done) for claim in found], resources.clock())
        results.put(time.process_time() - cpu)


def _require_all_done(folder: Path, rows: int) -> None:
    with closing(_raw(folder)) as connection:
        (done,) = connection.execute("SELECT count(*) FROM item_stages WHERE status = 'done'").fetchone()
        (attempts,) = connection.execute("SELECT count(*) FROM attempts").fetchone()
    if (done, attempts) != (rows, rows):
        raise BenchmarkFailed(f"{done:,} of {rows:,} rows are done, by {attempts:,} attempts")


def _raw(folder: Path) -> sqlite3.Connection:
    resources = registry(folder)
    return resources.ledgers.open_raw_db(resources.ledger)


def _huey(folder: Path) -> Any:
    from huey import SqliteHuey

    # With its own 5 s, eight processes end in "database is locked" on a busy machine.
    return SqliteHuey("bench", filename=str(folder / "huey.db"), timeout=_PATIENCE_S, fsync=False)


def _task(huey: Any) -> Any:
    return huey.task(name="work")(_echo)


def _echo(number: int) -> dict[str, int]:
    return {"number": number}


def _enqueue(folder: Path, rows: int) -> None:
    huey = _huey(folder)
    task = _task(huey)
    for number in range(rows):
        huey.enqueue(task.s(number))


def _consume(folder: str, start: Any, results: Any) -> None:
    huey = _huey(Path(folder))
    _task(huey)
    start.wait(_PATIENCE_S)
    cpu = time.process_time()
    while (task := huey.dequeue()) is not None:
        huey.execute(task)
    results.put(time.process_time() - cpu)
