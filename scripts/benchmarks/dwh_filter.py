"""`make bench-dwh`: a day of image rows deduplicated, against the predecessor's shape in the same run.

Ours is the registered job `filter_images`, with `latest/`, on Sail and on the JVM; the baseline computes its
frame anew for six actions, as the predecessor did, on the JVM. Each is a process of its own. The rows of all
are compared: different ones end the benchmark with 1, slow ones do not. Standard output is one line of JSON,
all else goes to standard error. `ratio` is the baseline's seconds by ours, `parts` are seconds by phase or
action; `cpu_seconds` and `peak_mb` are of a side's process with all that it started, from its start to its
end; `load` is that of the machine before and after each side.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from scripts.benchmarks.dwh_inputs import Inputs, remove_outputs, write_inputs
from scripts.benchmarks.dwh_ours import Run
from scripts.benchmarks.dwh_rows import Fingerprint, fingerprint
from scripts.benchmarks.dwh_side import PREDECESSOR
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part
from scripts.benchmarks.processes import Ended, environment, run
from scripts.benchmarks.suites import Suite
from scripts.terminal.answers import say

ENGINES: Final = ("sail", "jvm")


class DaySuite(Suite):
    """A benchmark of one day of image rows. Its one part starts a process for each way to do the day."""

    pipeline = "dwh"
    prints_details = True
    parts_are_processes = False

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add what says which rows, and where they lie."""
        of = {"rows": "rows of all outputs", "outputs": "transform outputs"}
        for name, what in of.items():
            help_text = f"{what} (default: {self.full[name]:,})"
            parser.add_argument(f"--{name}", type=int, metavar="N", help=help_text)
        parser.add_argument(
            "--home", type=Path, metavar="DIR", help="put everything there, keep it, and use the inputs again"
        )

    def problem(self, options: argparse.Namespace) -> str | None:
        """Rows that do not fill the outputs."""
        try:
            Inputs(options.rows, options.outputs)
        except ValueError as error:
            return str(error)
        return None

    @contextmanager
    def folder(self, options: argparse.Namespace) -> Iterator[Path]:
        """That of `--home`, else one that is gone at the end."""
        if options.home is not None:
            yield options.home.absolute()
            return
        with super().folder(options) as made:
            yield made

    @contextmanager
    def part_folder(self, root: Path) -> Iterator[Path]:
        """The one part has it all."""
        yield root


class FilterSuite(DaySuite):
    """Ours on each engine, and the predecessor's shape."""

    program = "bench-dwh"
    module = "scripts.benchmarks.dwh_filter"
    about = __doc__ or ""
    parts = ("filter",)
    full: ClassVar = {"rows": 5_000_000, "outputs": 3}
    quick: ClassVar = {"rows": 50_000, "engine": "sail"}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the sides to those of a day."""
        super().add_options(parser)
        parser.add_argument(
            "--engine", choices=(*ENGINES, "both"), default="both", help="what ours runs on (default: both)"
        )
        parser.add_argument(
            "--no-predecessor", action="store_true", help="leave the baseline out, for a machine without Java"
        )

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """All sides."""
        inputs = Inputs(options.rows, options.outputs)
        engines = ENGINES if options.engine == "both" else (options.engine,)
        sides = engines if options.no_predecessor else (*engines, PREDECESSOR)
        return _compared(root, inputs, sides)


@dataclass(frozen=True, slots=True)
class _Side:
    """What one side measured, in a process of its own."""

    result: Run
    ended: Ended
    rows: Fingerprint

    @property
    def figures(self) -> dict[str, Any]:
        """The numbers as the line has them."""
        parts = {name: round(seconds, 2) for name, seconds in self.result.parts.items()}
        return {
            "seconds": round(self.result.seconds, 2),
            "cpu_seconds": round(self.ended.cpu_seconds, 1),
            "peak_mb": round(self.peak_mb),
            "parts": parts,
        }

    @property
    def peak_mb(self) -> float:
        """Peak memory."""
        return self.ended.peak_bytes / 1e6


def engine_environment(home: Path, **more: str) -> dict[str, str]:
    """That of a side: engines spill into the folder."""
    spill = home / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    return environment(SPARK_LOCAL_DIRS=str(spill), SPARK_LOCAL_IP="127.0.0.1", **more)


def _compared(home: Path, inputs: Inputs, sides: Sequence[str]) -> Part:
    """Measure the sides one after another.

    Raises:
        BenchmarkFailed: a side failed, or they came to different rows.
    """
    say(f"Making {inputs.rows:,} rows in {inputs.outputs} transform outputs")
    write_inputs(home, inputs)
    load = [_load()]
    measured: dict[str, _Side] = {}
    for name in sides:
        measured[name] = side = _in_own_process(name, home, inputs)
        load.append(_load())
        say(f"{name}: {side.rows.rows:,} rows in {side.result.seconds:.1f} s, peak {side.peak_mb:,.0f} MB")
    if len({side.rows for side in measured.values()}) > 1:
        rows = {name: side.rows for name, side in measured.items()}
        raise BenchmarkFailed(f"The sides came to different rows, so one of them is wrong: {rows}")
    return Part(
        f"A day of {inputs.rows:,} rows in {inputs.outputs} transform outputs",
        _lines(measured, inputs.rows),
        ["Memory and CPU are of a side's process with all that it started."],
        _details(measured, inputs, load),
    )


def _lines(measured: Mapping[str, _Side], rows: int) -> list[Line]:
    """Two lines for each side, ours beside the predecessor's if it was measured."""
    times = {
        name: Line(name, side.result.seconds, side.ended.cpu_seconds, rows) for name, side in measured.items()
    }
    peaks = {
        name: Line(f"{name}, peak memory", side.ended.peak_bytes / 1e6, rows=rows, unit="MB")
        for name, side in measured.items()
    }
    if PREDECESSOR in measured:
        for kind in (times, peaks):
            for name in measured.keys() - {PREDECESSOR}:
                kind[name] = kind[name].compared(kind[PREDECESSOR], "its predecessor's shape on the JVM")
    return [kind[name] for name in measured for kind in (times, peaks)]


def _details(measured: Mapping[str, _Side], inputs: Inputs, load: Sequence[float]) -> dict[str, Any]:
    """The line of JSON."""
    ours = {name: side for name, side in measured.items() if name != PREDECESSOR}
    baseline = measured.get(PREDECESSOR)
    return {
        "rows": inputs.rows,
        "outputs": inputs.outputs,
        "rows_out": next(iter(measured.values())).rows.rows,
        "equal_rows": True if len(measured) > 1 else None,
        "ours": {name: side.figures for name, side in ours.items()},
        "predecessor": baseline and baseline.figures,
        "ratio": {
            name: round(baseline.result.seconds / side.result.seconds, 2)
            for name, side in ours.items()
            if baseline
        },
        "cores": os.cpu_count(),
        "load": load,
    }


def _in_own_process(name: str, home: Path, inputs: Inputs) -> _Side:
    remove_outputs(home)
    command = [sys.executable, "-m", "scripts.benchmarks.dwh_side", name, str(home)]
    command += [str(inputs.rows), str(inputs.outputs)]
    ended = run(command, engine_environment(home), home / f"{name}.log")
    result = Run.from_json(ended.output)
    return _Side(result, ended, fingerprint(Path(result.folder)))


def _load() -> float:
    """How busy the machine was in the last minute: beyond its cores, timings say little."""
    return round(os.getloadavg()[0], 1)


if __name__ == "__main__":
    FilterSuite().run_as_program()
