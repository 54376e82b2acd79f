"""`make bench-discovery`: what the ledger and the engine of discovery cost, against huey and the targets.

`claims` counts rows claimed and finished by 1, 4 and 8 processes beside huey's SQLite queue; `upserts` and
`source` time what comes in, the latter a file of a million lines; `reads` times status and doctor on a large
ledger; `drain` is what a drain costs beyond its handlers, without and with Dagster's records; `recovery` is
how long the rows of a killed worker take. Each part is a process of its own. A wrong count ends the benchmark
with 1, a slow one does not.
"""

import argparse
from pathlib import Path
from typing import ClassVar, Final

from scripts.benchmarks.lines import Part
from scripts.benchmarks.suites import Suite, add_share, share_problem

SIZES: Final = {
    "claims": 20_000,
    "upserts": 10_000,
    "source": 1_000_000,
    "reads": 100_000,
    "drain": 1_000,
    "recovery": 100,
}
"""The parts, and how many rows each has at full size."""


class DiscoverySuite(Suite):
    """The parts of discovery, each a share of its rows."""

    program = "bench-discovery"
    module = "scripts.benchmarks.discovery"
    about = __doc__ or ""
    pipeline = "discovery"
    parts = tuple(SIZES)
    full: ClassVar = {"share": 1.0}
    quick: ClassVar = {"share": 0.02}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add `--share`."""
        add_share(parser, "of the rows")

    def problem(self, options: argparse.Namespace) -> str | None:
        """A share that is none."""
        return share_problem(options)

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """One part, in this process."""
        from scripts.benchmarks import (
            discovery_claims,
            discovery_drain,
            discovery_recovery,
            discovery_rows,
        )

        measure = {
            "claims": discovery_claims.measure_claims,
            "upserts": discovery_rows.measure_upserts,
            "source": discovery_rows.measure_source,
            "reads": discovery_rows.measure_reads,
            "drain": discovery_drain.measure_drain,
            "recovery": discovery_recovery.measure_recovery,
        }[part]
        return measure(root, max(round(SIZES[part] * options.share), 1))


if __name__ == "__main__":
    DiscoverySuite().run_as_program()
