"""`make bench-market`: what a month and fifteen years cost, against a plain baseline and the targets.

1. One full-size month in a process of its own, phase by phase: wall, CPU and peak memory.
2. The baseline: labels by an early-exit loop and features by pandas rolling windows, straightforward code of
   the kind that the pipeline replaced, on a part of a session and extrapolated to the month.
3. A history of generated full-size months as one range run through Dagster, projected to all 184 months.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assets.market.months import Month
from scripts.benchmarks.market_baseline import baseline_seconds
from scripts.dagster_home import ROOT

MONTH = "2025-10"
ALL_MONTHS = 184
TARGETS = {
    "month": 1.5,
    "labels": 0.15,
    "features": 0.6,
    "resident GB": 1.0,
    "all months, min": 8.0,
    "skip": 0.05,
}

console = Console(soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when everything ran."""
    parser = argparse.ArgumentParser(prog="make bench-market", description=__doc__)
    parser.add_argument(
        "--months", type=int, default=36, help="months of history to generate and run (default: 36)"
    )
    parser.add_argument("--measure-month", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure_month:
        print(json.dumps(_measure_month(Path(options.measure_month))))
        return 0
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        home = Path(folder)
        _generate(home, [MONTH])
        month = _in_own_process(home)
        _show_month(month)
        _show_baseline(month)
        if options.months:
            _show_history(home, options.months)
    return 0


def _measure_month(home: Path) -> dict[str, Any]:
    """Make the month twice and report the second time: numba and the caches are warm then."""
    from assets.market.month import MonthRequest, make_month
    from assets.market.published import month_state
    from assets.market.recipe import Recipe
    from resources.object_store import LocalObjectStore

    store, request = LocalObjectStore(root=str(home / "storage")), MonthRequest(MONTH, Recipe())
    make_month(store, request)
    wall, cpu = time.perf_counter(), time.process_time()
    outcome = make_month(store, request)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    started = time.perf_counter()
    state = month_state(store, MONTH, Recipe())
    return {
        "phases": dict(outcome.seconds),
        "rows": outcome.report.rows if outcome.report else 0,
        "wall": wall,
        "cpu": cpu,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "skip": time.perf_counter() - started,
        "state": state,
    }


def _in_own_process(home: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "scripts.benchmarks.market", "--measure-month", str(home)]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _show_month(month: dict[str, Any]) -> None:
    phases, wall = month["phases"], month["wall"]
    table = Table(
        "phase",
        "seconds",
        "share",
        title=f"One full-size month, {MONTH}: {month['rows']:,} rows, second time in its process",
    )
    for phase, seconds in phases.items():
        table.add_row(phase, f"{seconds:.3f}", f"{seconds / wall:.0%}")
    console.print(table)
    measured = {
        "month": wall,
        "labels": phases["labels"],
        "features": phases["features"],
        "resident GB": month["peak_bytes"] / 1e9,
        "skip": month["skip"],
    }
    targets = Table("figure", "measured", "target", "measured / target", title=f"CPU {month['cpu']:.2f} s")
    for name, value in measured.items():
        targets.add_row(name, f"{value:.3f}", f"{TARGETS[name]:g}", f"{value / TARGETS[name]:.2f}")
    console.print(targets)


def _show_baseline(month: dict[str, Any], rows: int = 5_400) -> None:
    from assets.market.dbn import read_dbn
    from assets.market.recipe import Recipe
    from assets.market.selection import select_bars
    from assets.market.session_bars import fill_sessions
    from scripts.sample_data.market import vendor_file

    file = read_dbn(vendor_file(MONTH, size="full"), MONTH)
    bars = fill_sessions(file, select_bars(file, Month.parse(MONTH), Recipe()), "strict")
    slice_seconds = baseline_seconds(bars, rows)
    table = Table(
        "part",
        f"baseline on {rows:,} rows",
        "extrapolated to the month",
        "ours",
        "ratio",
        title="Plain loops and pandas",
    )
    for part, seconds in slice_seconds.items():
        whole = seconds / rows * month["rows"]
        ours = month["phases"][part]
        table.add_row(part, f"{seconds:.2f} s", f"{whole:.0f} s", f"{ours:.3f} s", f"{whole / ours:.0f}x")
    console.print(table)


def _show_history(home: Path, count: int) -> None:
    """Run the last `count` months up to `MONTH` as one range through Dagster's command line."""
    last = Month.parse(MONTH)
    months = [str(last.plus(step)) for step in range(1 - count, 1)]
    console.print(f"Generating {count} full-size months ...")
    _generate(home, months)
    script = [sys.executable, str(ROOT / "scripts" / "process_monthly_batches.py")]
    first = Month.parse(months[0])
    span = [
        "--start-year",
        str(first.year),
        "--start-month",
        str(first.month),
        "--end-year",
        str(last.year),
        "--end-month",
        str(last.month),
    ]
    seconds = _timed_run([*script, *span], home)
    again = _timed_run([*script, *span, "--skip-existing"], home)
    projected = seconds / count * ALL_MONTHS / 60
    table = Table("figure", "value", title=f"{count} months as one range run")
    table.add_row("wall time", f"{seconds:.0f} s")
    table.add_row("months per minute", f"{count / seconds * 60:.1f}")
    table.add_row(f"projected to {ALL_MONTHS} months", f"{projected:.1f} min")
    table.add_row(
        f"projected / target of {TARGETS['all months, min']:g} min",
        f"{projected / TARGETS['all months, min']:.2f}",
    )
    table.add_row("the same range again, all unchanged", f"{again:.1f} s")
    console.print(table)


def _generate(home: Path, months: Sequence[str]) -> None:
    flags = [flag for month in months for flag in ("--month", month)]
    command = [sys.executable, "-m", "scripts.sample_data", "market", "--size", "full", *flags]
    _timed_run(command, home)


def _timed_run(command: Sequence[str], home: Path) -> float:
    started = time.perf_counter()
    environ = {**os.environ, "QUINTET_HOME": str(home), "DAGSTER_HOME": "", "DAGSTER_DISABLE_TELEMETRY": "1"}
    subprocess.run(command, cwd=ROOT, check=True, env=environ, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
