"""`make bench-beams`: what beams costs, against row-wise baselines and the targets.

`logs` converts 2.8 million samples of machine logs to CSV, beside a `csv.writer`; `gamma` judges layers of
70,000 samples; `tick` is the sensor on 1,000 cases; `case` takes a case of three beams from its logs to its
report, with the CPU engine at 100,000 protons a beam. Each part is a process of its own. A wrong result ends
the benchmark with 1, a slow one does not.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from scripts.benchmarks.lines import BenchmarkFailed, Part, table_of
from scripts.benchmarks.processes import output_of

PARTS: Final = {"logs": 2_800_000, "gamma": 70_000, "tick": 1_000, "case": 100_000}
"""The parts, and how many samples, samples a layer, cases, and protons a beam each has at full size."""

_ONE_SIZE: Final = ("gamma",)
_FEWEST_PROTONS: Final = 1000

console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when everything ran and every result was right."""
    parser = argparse.ArgumentParser(
        prog="make bench-beams",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable (default: all)")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="of the size (default: 1)")
    parser.add_argument("--measure", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not 0 < options.share <= 1:
        parser.error("--share is above 0 and at most 1")
    try:
        if options.measure:
            print(_measured(options.measure, options.root, options.share).to_json())
        else:
            _show_all([part for part in PARTS if part in (options.only or PARTS)], options.share)
    except (BenchmarkFailed, OSError) as failure:
        print(f"bench-beams: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measured(part: str, root: Path, share: float) -> Part:
    """One part, in this process, which loads nothing but what that part needs."""
    size = max(round(PARTS[part] * share), 1)
    match part:
        case "logs":
            from scripts.benchmarks.beams_logs import measure_logs

            return measure_logs(root, size)
        case "gamma":
            from scripts.benchmarks.beams_gamma import measure_gamma

            return measure_gamma()
        case "tick":
            from scripts.benchmarks.beams_tick import measure_tick

            return measure_tick(root, size)
        case _:
            from scripts.benchmarks.beams_case import measure_case

            return measure_case(root, max(size, _FEWEST_PROTONS))


def _show_all(parts: Sequence[str], share: float) -> None:
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as root:
            before = os.getloadavg()[0]
            command = [sys.executable, "-m", "scripts.benchmarks.beams", "--measure", part]
            measured = Part.from_json(output_of([*command, "--root", root, "--share", str(share)]))
            load = (before, os.getloadavg()[0])
        console.print(table_of(measured, load, is_full_size=share == 1 or part in _ONE_SIZE))
        for note in measured.notes:
            console.print(note, highlight=False)
        console.print()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
