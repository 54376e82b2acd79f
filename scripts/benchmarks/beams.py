"""`make bench-beams`: what beams costs, against row-wise baselines and the targets.

`logs` converts 2.8 million samples of machine logs to CSV, beside a `csv.writer`; `gamma` judges layers of
70,000 samples; `tick` is the sensor on 1,000 cases; `case` takes a case of three beams from its logs to its
report, with the CPU engine at 100,000 protons a beam. Each part is a process of its own. A wrong result ends
the benchmark with 1, a slow one does not.
"""

import argparse
from pathlib import Path
from typing import ClassVar, Final

from scripts.benchmarks.lines import Part
from scripts.benchmarks.suites import Suite, add_share, share_problem

SIZES: Final = {"logs": 2_800_000, "gamma": 70_000, "tick": 1_000, "case": 100_000}
"""The parts, and how many samples, samples a layer, cases, and protons a beam each has at full size."""

_ONE_SIZE: Final = ("gamma",)
_FEWEST_PROTONS: Final = 1000


class BeamsSuite(Suite):
    """The parts of beams, each a share of its size."""

    program = "bench-beams"
    module = "scripts.benchmarks.beams"
    about = __doc__ or ""
    pipeline = "beams"
    parts = tuple(SIZES)
    full: ClassVar = {"share": 1.0}
    quick: ClassVar = {"share": 0.05}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add `--share`."""
        add_share(parser, "of the size")

    def problem(self, options: argparse.Namespace) -> str | None:
        """A share that is none."""
        return share_problem(options)

    def is_full_size(self, options: argparse.Namespace, part: str) -> bool:
        """Layers are as large as they are."""
        return part in _ONE_SIZE or super().is_full_size(options, part)

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """One part, in this process, which loads nothing but what that part needs."""
        size = max(round(SIZES[part] * options.share), 1)
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


if __name__ == "__main__":
    BeamsSuite().run_as_program()
