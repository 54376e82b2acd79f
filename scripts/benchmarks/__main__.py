"""`make bench`: every benchmark, each in a process of its own, and one table of what they measured.

One that fails keeps no other from being measured: its rows say why, and the exit code is 1. A missed target
is marked in its row and fails nothing.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from scripts.benchmarks.machine import machine_facts
from scripts.benchmarks.outcomes import Outcome, markdown, read_json, rows_of, write_json
from scripts.benchmarks.processes import started

PROGRAMS: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "market": {"market": ("--months", "12")},
    "aim": {"aim": ()},
    "dwh": {"dwh_filter": ("--engine", "sail"), "dwh_cluster": ("--rows", "200000")},
    "discovery": {"discovery": ()},
    "beams": {"beams": ()},
    "location": {"location": ()},
}
"""The modules that measure a pipeline, with the options that keep the long ones short."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write; 0 when every row was measured, 1 when one was not, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    facts = machine_facts()
    chosen = [name for name in PROGRAMS if name in (options.only or PROGRAMS)]
    outcomes, failures = _measured(chosen, is_quick=options.quick)
    rows = rows_of(chosen, outcomes, failures)
    table = markdown(rows, facts, str(options.date or datetime.now(UTC).date()))
    if options.json:
        write_json(options.json, outcomes)
    if options.out:
        options.out.write_text(table, encoding="utf-8")
        print(f"The table of {len(rows)} rows is in {options.out}", file=sys.stderr)
    else:
        print(table)
    return 1 if any(row.verdict == "failed" for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--only", choices=PROGRAMS, action="append", help="a pipeline, repeatable (default: all)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, minutes together; a target is for the full size"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write the table there, not to standard output"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there, too")
    parser.add_argument(
        "--date", type=date.fromisoformat, help="the date in the table (default: today's, UTC)"
    )
    return parser


def _measured(pipelines: Sequence[str], *, is_quick: bool) -> tuple[list[Outcome], dict[str, str]]:
    """The outcomes of all programs, and of a pipeline whose program failed a sentence that says so."""
    outcomes: list[Outcome] = []
    failures: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        for pipeline in pipelines:
            for program, flags in PROGRAMS[pipeline].items():
                file = Path(folder, f"{program}.json")
                code = _run(program, ["--json", str(file), *(["--quick"] if is_quick else flags)])
                if file.exists():
                    outcomes += read_json(file)
                if code:
                    failures[pipeline] = f"scripts.benchmarks.{program} ended with exit code {code}"
    return outcomes, failures


def _run(program: str, flags: Sequence[str]) -> int:
    """Run a benchmark to its end. Its tables go where people look, and not among the table of all."""
    command = [sys.executable, "-m", f"scripts.benchmarks.{program}", *flags]
    print(f"== {program}", file=sys.stderr, flush=True)
    with started(command, output=sys.stderr.fileno()) as process:
        return process.wait()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
