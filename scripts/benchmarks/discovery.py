"""`make bench-discovery`: what the ledger and the engine of discovery cost, against huey and the targets.

`claims` counts rows claimed and finished by 1, 4 and 8 processes beside huey's SQLite queue; `upserts` and
`source` time what comes in, the latter a file of a million lines; `reads` times status and doctor on a large
ledger; `drain` is what a drain costs beyond its handlers, without and with Dagster's records. Each part is a
process of its own. A wrong count ends the benchmark with 1, a slow one does not.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from scripts.benchmarks.lines import BenchmarkFailed, Part, table_of
from scripts.benchmarks.processes import output_of

PARTS: Final = {"claims": 20_000, "upserts": 10_000, "source": 1_000_000, "reads": 100_000, "drain": 1_000}
"""The parts, and how many rows each has at full size."""

console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 160)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 0 when everything ran and every count was right."""
    parser = argparse.ArgumentParser(
        prog="make bench-discovery",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="a part, repeatable (default: all)")
    parser.add_argument("--share", type=float, default=1.0, metavar="X", help="of the rows (default: 1)")
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
        print(f"bench-discovery: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _measured(part: str, root: Path, share: float) -> Part:
    """One part, in this process. The peak is that of this process alone: `ru_maxrss` is inherited."""
    from scripts.benchmarks import discovery_claims, discovery_drain, discovery_rows

    measure = {
        "claims": discovery_claims.measure_claims,
        "upserts": discovery_rows.measure_upserts,
        "source": discovery_rows.measure_source,
        "reads": discovery_rows.measure_reads,
        "drain": discovery_drain.measure_drain,
    }[part]
    return replace(measure(root, max(round(PARTS[part] * share), 1)), peak_bytes=_peak_bytes())


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024


def _show_all(parts: Sequence[str], share: float) -> None:
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="quintet-bench-") as root:
            before = os.getloadavg()[0]
            command = [sys.executable, "-m", "scripts.benchmarks.discovery", "--measure", part]
            measured = Part.from_json(output_of([*command, "--root", root, "--share", str(share)]))
            load = (before, os.getloadavg()[0])
        console.print(table_of(measured, load, is_full_size=share == 1))
        for note in measured.notes:
            console.print(note, highlight=False)
        console.print()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
