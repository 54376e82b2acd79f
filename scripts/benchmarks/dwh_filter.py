"""`make bench-dwh`: a day of image rows deduplicated, against the predecessor's shape in the same run.

Ours is the registered job `filter_images`, with `latest/`, on Sail and on the JVM; the baseline computes its
frame anew for six actions, as the predecessor did, on the JVM. Each is a process of its own. The rows of all
are compared: different ones end the benchmark with 1, slow ones do not. Standard output is one line of JSON,
all else goes to standard error. `ratio` is the baseline's seconds by ours, `parts` are seconds by phase or
action; `cpu_seconds` and `peak_mb` are of a side's process with all that it started, from its start to its
end; `load` is that of the machine before and after each side.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scripts.benchmarks.dwh_inputs import Inputs, remove_outputs, write_inputs
from scripts.benchmarks.dwh_ours import Run
from scripts.benchmarks.dwh_processes import Ended, environment, run
from scripts.benchmarks.dwh_rows import Fingerprint, fingerprint
from scripts.benchmarks.lines import BenchmarkFailed

ROWS: Final = 5_000_000
OUTPUTS: Final = 3
ENGINES: Final = ("sail", "jvm")
PREDECESSOR: Final = "predecessor"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when everything ran and all came to the same rows."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        inputs = Inputs(options.rows, options.outputs)
    except ValueError as error:
        parser.error(str(error))
    try:
        if options.measure:
            print(_measured(options.measure, options.home, inputs).to_json())
            return 0
        engines = ENGINES if options.engine == "both" else (options.engine,)
        sides = engines if options.no_predecessor else (*engines, PREDECESSOR)
        with folder(options.home) as home:
            print(json.dumps(_compared(home, inputs, sides)))
    except (BenchmarkFailed, OSError) as failure:
        print(f"bench-dwh: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench-dwh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_inputs(parser, ROWS)
    parser.add_argument(
        "--engine", choices=(*ENGINES, "both"), default="both", help="what ours runs on (default: both)"
    )
    parser.add_argument(
        "--no-predecessor", action="store_true", help="leave the baseline out, for a machine without Java"
    )
    parser.add_argument("--measure", choices=(*ENGINES, PREDECESSOR), help=argparse.SUPPRESS)
    return parser


def add_inputs(parser: argparse.ArgumentParser, rows: int) -> None:
    """The options that say what is deduplicated, and where."""
    parser.add_argument(
        "--rows", type=int, default=rows, metavar="N", help=f"rows of all outputs (default: {rows:,})"
    )
    parser.add_argument(
        "--outputs", type=int, default=OUTPUTS, metavar="N", help=f"transform outputs (default: {OUTPUTS})"
    )
    parser.add_argument(
        "--home", type=Path, metavar="DIR", help="put everything there, keep it, and use the inputs again"
    )


@contextmanager
def folder(home: Path | None) -> Iterator[Path]:
    """The folder of a benchmark: the one that was named, else one that is gone at the end."""
    if home is not None:
        yield home.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="quintet-bench-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def say(text: str) -> None:
    """Tell people how far it is."""
    print(text, file=sys.stderr, flush=True)


def _measured(side: str, home: Path, inputs: Inputs) -> Run:
    """One side, in this process."""
    from scripts.benchmarks.dwh_ours import run_ours
    from scripts.benchmarks.dwh_predecessor import run_predecessor

    return run_predecessor(home, inputs) if side == PREDECESSOR else run_ours(home, side)


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
        return self.ended.peak_bytes / 2**20


def _compared(home: Path, inputs: Inputs, sides: Sequence[str]) -> dict[str, Any]:
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
    rows = {name: side.rows for name, side in measured.items()}
    if len(set(rows.values())) > 1:
        raise BenchmarkFailed(f"The sides came to different rows, so one of them is wrong: {rows}")
    baseline = measured.pop(PREDECESSOR, None)
    return {
        "rows": inputs.rows,
        "outputs": inputs.outputs,
        "rows_out": next(iter(rows.values())).rows,
        "equal_rows": True if len(rows) > 1 else None,
        "ours": {name: side.figures for name, side in measured.items()},
        "predecessor": baseline and baseline.figures,
        "ratio": {
            name: round(baseline.result.seconds / side.result.seconds, 2)
            for name, side in measured.items()
            if baseline
        },
        "cores": os.cpu_count(),
        "load": load,
    }


def _in_own_process(name: str, home: Path, inputs: Inputs) -> _Side:
    remove_outputs(home)
    command = [sys.executable, "-m", "scripts.benchmarks.dwh_filter", "--measure", name, "--home", str(home)]
    command += ["--rows", str(inputs.rows), "--outputs", str(inputs.outputs)]
    ended = run(command, environment(home), home / f"{name}.log")
    result = Run.from_json(ended.output)
    return _Side(result, ended, fingerprint(Path(result.folder)))


def _load() -> float:
    """How busy the machine was in the last minute: beyond its cores, timings say little."""
    return round(os.getloadavg()[0], 1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
