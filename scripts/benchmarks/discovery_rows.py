"""A ledger of many items: how fast they come in, and how fast people get their answers.

Not here: claims (`discovery_claims`).
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from assets.discovery.doctor.case import standing_jobs
from assets.discovery.doctor.examination import examine
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.engine.discovering import discover
from assets.discovery.engine.run import open_ledger
from assets.discovery.ledger import claims, finishing
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.finishing import Ended
from assets.discovery.ledger.outcomes import Done, Failed
from assets.discovery.readers.job_status import status
from assets.discovery.readers.jobs_today import jobs_today
from scripts.benchmarks.discovery_jobs import JOB, SOURCE, job_of, registry, write_source
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch, peak_bytes

STAGES: Final = ("fetch", "extract", "transcribe", "score")


def measure_upserts(root: Path, rows: int) -> Part:
    """Take candidates for the first time, and again unchanged."""
    write_source(root, rows)
    resources = registry(root)
    job, plan = job_of(resources), resources.plans[JOB]
    with closing(open_ledger(resources)) as connection:
        watch = Stopwatch()
        discover(job, plan, resources, connection)
        first = Line("upsert, all new", *watch.lap(), rows, "items")
        _touch(root / SOURCE)
        before = _stage_rows(connection)
        watch = Stopwatch()
        again = discover(job, plan, resources, connection)
        second = Line("upsert, all unchanged", *watch.lap(), rows, "items")
        if again.n_unchanged != rows or _stage_rows(connection) != before:
            raise BenchmarkFailed(f"{again.n_unchanged:,} of {rows:,} items were unchanged")
    return Part(f"upserts: {rows:,} candidates of a table file", [first, second])


def measure_source(root: Path, rows: int) -> Part:
    """A table file, in full size of a million lines: its peak memory is the number that counts."""
    write_source(root, rows)
    resources = registry(root)
    with closing(open_ledger(resources)) as connection:
        watch = Stopwatch()
        found = discover(job_of(resources), resources.plans[JOB], resources, connection)
        line = Line("discover a table file", *watch.lap(), rows, "lines")
    if found.n_new != rows:
        raise BenchmarkFailed(f"{found.n_new:,} of {rows:,} lines became items")
    peak = Line("peak memory", peak_bytes() / 1e6, rows=rows, of="lines", unit="MB")
    return Part("source", [line, peak])


def measure_reads(root: Path, rows: int) -> Part:
    """Status and doctor on a ledger whose items stand at different stages."""
    write_source(root, rows)
    resources = registry(root, STAGES, claim_batch=500)
    plan = resources.plans[JOB]
    with closing(open_ledger(resources)) as connection:
        watch = Stopwatch()
        discover(job_of(resources), plan, resources, connection)
        filled = Line("discover", *watch.lap(), rows, "items")
        _work(root, rows)
        worked = Line("claim and finish, one process", *watch.lap(), rows, "stages")
    with closing(resources.ledgers.open_raw_db(resources.ledger)) as reader:
        today = jobs_today(resources.jobs, resources.plans)
        watch = Stopwatch()
        told = status(reader, today, resources.clock())
        read = Line("status", *watch.lap(), rows, "items")
        examine(reader, standing_jobs(resources.jobs), resources.clock(), Surroundings())
        examined = Line("doctor", *watch.lap(), rows, "items")
    if not told:
        raise BenchmarkFailed("the status is empty")
    return Part(f"reads: {rows:,} items x {len(STAGES)} stages", [filled, worked, read, examined])


def _work(root: Path, most: int) -> None:
    """Finish so many stages; every fiftieth fails."""
    resources = registry(root, STAGES)
    plan, worker, number = resources.plans[JOB], Worker("host:1:1:bench", "bench"), 0
    with closing(resources.ledgers.open_db(resources.ledger)) as connection:
        while number < most:
            found = claims.claim(connection, plan, worker, 500, resources.clock()).claims
            ended: list[Ended] = []
            for claim in found:
                number += 1
                failed = Failed("permanent", f"not found: page {number}")
                done = Done("1", f"{number:064x}", '{"a":1}', size=7)
                ended.append(Ended(claim, done if number % 50 else failed))
            finishing.finish(connection, plan, ended, resources.clock())


def _stage_rows(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT * FROM item_stages ORDER BY id").fetchall()


def _touch(path: Path) -> None:
    """The same lines, as a file that must be read again."""
    text = path.read_bytes()
    path.write_bytes(text.replace(b"\n", b" \n", 1))
