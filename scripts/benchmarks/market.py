"""`make bench-market`: what a month and fifteen years cost, against a plain baseline and the targets.

`month` makes one full-size month, phase by phase, the second time in its process, when numba and the caches
are warm. Beside labels and features is straightforward code of the kind that the pipeline replaced: an
early-exit loop and pandas' rolling windows, on a part of a session and extrapolated to the month. `history`
makes generated full-size months as one range run through Dagster's command line, projected to all 184 months.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Final

from assets.market.months import Month
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part, Stopwatch, peak_bytes
from scripts.benchmarks.processes import environment, run
from scripts.benchmarks.suites import Suite
from scripts.dagster_home import ROOT

MONTH: Final = "2025-10"
ALL_MONTHS: Final = 184

_BASELINE_ROWS: Final = 5_400
_FEWEST_MONTHS: Final = 12
"""From here on the start of the range no longer decides what a month takes."""


class MarketSuite(Suite):
    """A month, and a history of them."""

    program = "bench-market"
    module = "scripts.benchmarks.market"
    about = __doc__ or ""
    pipeline = "market"
    parts = ("month", "history")
    full: ClassVar = {"months": 36}
    quick: ClassVar = {"months": 1}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add `--months`."""
        parser.add_argument(
            "--months",
            type=int,
            metavar="N",
            help=f"months of history to generate and run, 0 for none (default: {self.full['months']})",
        )

    def problem(self, options: argparse.Namespace) -> str | None:
        """Fewer months than none."""
        return None if options.months >= 0 else "--months is 0 or more"

    def is_full_size(self, options: argparse.Namespace, part: str) -> bool:
        """A month has one size; a history is projected."""
        return part == "month" or options.months >= _FEWEST_MONTHS

    def prepare(self, root: Path, options: argparse.Namespace) -> list[str]:
        """Leave out a history of no months."""
        return [part for part in super().prepare(root, options) if options.months or part != "history"]

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """One part, in this process."""
        return _measure_month(root) if part == "month" else _measure_history(root, options.months)


def _measure_month(home: Path) -> Part:
    """Make the month twice and report the second time.

    Raises:
        BenchmarkFailed: it is not made, or not known as made.
    """
    from assets.market.month import MonthRequest, make_month
    from assets.market.published import month_state
    from assets.market.recipe import Recipe
    from resources.object_store import LocalObjectStore

    _generate(home, [MONTH])
    store, request = LocalObjectStore(root=str(home / "storage")), MonthRequest(MONTH, Recipe())
    make_month(store, request)
    watch = Stopwatch()
    outcome = make_month(store, request)
    made = watch.lap()
    state = month_state(store, MONTH, Recipe())
    looked, peak = watch.lap(), peak_bytes()
    if outcome.report is None or state != "done":
        raise BenchmarkFailed(f"the month {MONTH} is made and its state is {state}")
    rows = outcome.report.rows
    phases = {name: Line(name, seconds, rows=rows) for name, seconds in outcome.seconds.items()}
    baselines = _baselines()
    for name, baseline in baselines.items():
        phases[name] = phases[name].compared(baseline, "plain loops and pandas")
    lines = [
        Line("month", *made, rows),
        *phases.values(),
        Line("unchanged month", looked[0] * 1000, looked[1], unit="ms"),
        Line("peak memory", peak / 1e6, rows=rows, unit="MB"),
        *baselines.values(),
    ]
    note = f"The baselines are measured on {_BASELINE_ROWS:,} rows, and extrapolated for the ratio."
    return Part(f"One full-size month, {MONTH}, second time in its process", lines, [note], peak_bytes=peak)


def _baselines() -> dict[str, Line]:
    """Labels and features of a part of a session, by phase."""
    from assets.market.dbn import read_dbn
    from assets.market.recipe import Recipe
    from assets.market.selection import select_bars
    from assets.market.session_bars import fill_sessions
    from scripts.benchmarks.market_baseline import baseline_seconds
    from scripts.sample_data.market import vendor_file

    file = read_dbn(vendor_file(MONTH, size="full"), MONTH)
    bars = fill_sessions(file, select_bars(file, Month.parse(MONTH), Recipe()), "strict")
    seconds = baseline_seconds(bars, _BASELINE_ROWS)
    return {name: Line(f"{name}, baseline", value, rows=_BASELINE_ROWS) for name, value in seconds.items()}


def _measure_history(home: Path, count: int) -> Part:
    """Run the last `count` months up to `MONTH` as one range, and the same range again."""
    last = Month.parse(MONTH)
    months = [str(last.plus(step)) for step in range(1 - count, 1)]
    _generate(home, months)
    first = Month.parse(months[0])
    span = {
        "--start-year": first.year,
        "--start-month": first.month,
        "--end-year": last.year,
        "--end-month": last.month,
    }
    command = [sys.executable, str(ROOT / "scripts" / "process_monthly_batches.py")]
    command += [word for flag, value in span.items() for word in (flag, str(value))]
    made = _run(home, "range", command)
    again = _run(home, "again", [*command, "--skip-existing"])
    whole = made.value / count * ALL_MONTHS / 60
    return Part(
        f"{count} full-size months as one range run",
        [
            Line("all months", whole, rows=ALL_MONTHS, of="months", unit="min"),
            Line("range", made.value, made.cpu, count, "months"),
            Line("unchanged history", again.value, again.cpu, count, "months"),
        ],
        peak_bytes=0,
    )


def _generate(home: Path, months: Sequence[str]) -> None:
    flags = [flag for month in months for flag in ("--month", month)]
    _run(
        home, "sample_data", [sys.executable, "-m", "scripts.sample_data", "market", "--size", "full", *flags]
    )


def _run(home: Path, name: str, command: Sequence[str]) -> Line:
    """A command over the storage of a folder; its CPU seconds are those of all that it starts."""
    environ: Mapping[str, str] = environment(QUINTET_HOME=str(home))
    began = time.perf_counter()
    ended = run(command, environ, home / f"{name}.log")
    return Line(name, time.perf_counter() - began, ended.cpu_seconds)


if __name__ == "__main__":
    MarketSuite().run_as_program()
