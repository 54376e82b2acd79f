"""Benchmark of a tick of the sensor: seconds for cases of which nothing has changed.

Beside it the listing alone, and a plain walk over the same files, which asks for the status of each.
"""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from assets.beams.folder_shapes import MARKER
from assets.beams.listing import CaseFolder, ScanRoot
from assets.beams.registry import cases, schema
from assets.beams.run_requests import Runs
from assets.beams.settings import BeamSettings, settings_of
from assets.beams.stages.scanning import Known, Tick, tick
from resources.ledger import Ledger
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch

FILES_PER_CASE = 50
"""A plan, the marker, and three deliveries of 16 files."""

_DELIVERIES = 3
_LAYERS = 14
_NOTHING_RUNS = Runs(frozenset(), frozenset(), lambda _: False)


def measure_tick(root: Path, case_count: int) -> Part:
    """Tick over completed cases with 50 files each.

    Raises:
        BenchmarkFailed: a case was missed, or something was asked for.
    """
    settings = settings_of({}, root)
    for number in range(1, case_count + 1):
        _make_case(settings.scan_root / "G2" / f"QA{number:05d}")
    file_count = case_count * FILES_PER_CASE
    with closing(Ledger(folder=str(root / "ledger")).open_db("beams")) as connection:
        schema.migrate(connection)
        watch = Stopwatch()
        folders = _listed(settings.scan_root)
        listing = Line("listing", *watch.lap(), file_count, "files")
        _complete(connection, folders)
        cursor = _ticked(settings, connection, None).cursor
        watch = Stopwatch()
        done = _ticked(settings, connection, cursor)
        wall, cpu = watch.lap()
    if len(done.cases) != case_count or done.requests:
        raise BenchmarkFailed(f"{len(done.cases)} of {case_count} cases, {len(done.requests)} runs asked for")
    walk = _walked(settings.scan_root, file_count)
    ticked = Line("tick", wall, cpu, file_count, "files")
    return Part(
        "Tick of the sensor",
        [ticked.compared(walk, "walk"), listing.compared(walk, "walk"), walk],
        notes=[f"{case_count} cases of which nothing has changed; the folders are in the page cache."],
    )


def _make_case(case: Path) -> None:
    deliveries = [case / f"20260320100{number}0000" for number in range(_DELIVERIES)]
    for delivery in deliveries:
        delivery.mkdir(parents=True)
        names = ["PlanInfo.txt", "PlanRange.txt", *(f"01-{layer:03d}.ptn" for layer in range(_LAYERS))]
        for name in names:
            (delivery / name).touch()
    (case / "plan.dcm").touch()
    (case / MARKER).touch()


def _listed(scan_root: Path) -> list[CaseFolder]:
    scan = ScanRoot(scan_root)
    found = [one for top in scan.tops for one in scan.found_in(top)]
    return [one for one in found if isinstance(one, CaseFolder)]


def _complete(connection: sqlite3.Connection, folders: list[CaseFolder]) -> None:
    """Have the registry know every case as completed with the content that it has."""
    now = datetime.now(UTC)
    for folder in folders:
        cases.see(connection, folder.key, folder.room, folder.path, now)
        cases.make_ready(connection, folder.key, folder.fingerprint, now)
    connection.execute("UPDATE cases SET status = 'completed'")


def _ticked(settings: BeamSettings, connection: sqlite3.Connection, cursor: str | None) -> Tick:
    known = Known(lambda: _NOTHING_RUNS, (), ())
    return tick(settings, connection, known, cursor, datetime.now(UTC), actor="benchmark", budget_s=None)


def _walked(scan_root: Path, file_count: int) -> Line:
    watch = Stopwatch()
    seen = sum(
        os.lstat(os.path.join(folder, name)).st_size >= 0  # noqa: PTH118 - as fast as it goes
        for folder, _, names in os.walk(scan_root)
        for name in names
    )
    line = Line("walk", *watch.lap(), file_count, "files")
    if seen != file_count:
        raise BenchmarkFailed(f"{seen} files lie there instead of {file_count}")
    return line
