"""`make bench-location`: what the code location costs, beside an empty Dagster project in the same run.

`load` loads it in a fresh interpreter, `materialise` materialises its smallest asset from the command line on
an instance without history, `memory` starts `make dev` and waits until its memory has settled. The empty
project has no definitions, for `materialise` one asset that does nothing, and the same settings of the
instance. What is repeated takes turns with the empty project, and the median is shown.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import ClassVar, Final

from scripts.benchmarks.lines import BenchmarkFailed, Line, Part
from scripts.benchmarks.location_memory import idle_memory
from scripts.benchmarks.processes import environment, run
from scripts.benchmarks.suites import Suite
from scripts.dagster_home import ROOT, prepare_dagster_home
from scripts.dev import LOOPBACK

SMALLEST: Final = "discovery/calendar_backfill/discovered"
"""It reads no input: the weeks of a quarter become items of a ledger."""

_EMPTY: Final = "import dagster as dg\n\ndefs = dg.Definitions()\n"
_TRIVIAL: Final = """\
import dagster as dg


@dg.asset
def trivial() -> None: ...


defs = dg.Definitions(assets=[trivial])
"""
_AGAINST: Final = "an empty project"
_PROBE: Final = Path(__file__).with_name("location_probe.py")


class LocationSuite(Suite):
    """The code location, beside an empty one."""

    program = "bench-location"
    module = "scripts.benchmarks.location"
    about = __doc__ or ""
    pipeline = "location"
    parts = ("load", "materialise", "memory")
    parts_are_processes = False
    full: ClassVar = {"repeat": 5}
    quick: ClassVar = {"repeat": 1}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add `--repeat`."""
        parser.add_argument(
            "--repeat", type=int, metavar="N", help=f"times for the medians (default: {self.full['repeat']})"
        )

    def problem(self, options: argparse.Namespace) -> str | None:
        """No times."""
        return None if options.repeat >= 1 else "--repeat is 1 or more"

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """Measure processes of one kind."""
        match part:
            case "load":
                return measure_load(root, options.repeat)
            case "materialise":
                return measure_materialise(root, options.repeat)
            case _:
                return measure_memory(root, options.repeat + 1)


def measure_load(root: Path, repeat: int) -> Part:
    """Load both in fresh interpreters, once without measuring, so that the bytecode of all lies there."""
    empty = _project(root / "empty", _EMPTY)
    ours: list[dict[str, Line]] = []
    theirs: list[dict[str, Line]] = []
    for _ in range(repeat + 1):
        ours.append(_loaded(root, ROOT))
        theirs.append(_loaded(root, empty))
    mine, other = _medians(ours[1:]), _medians(theirs[1:])
    lines = [
        mine["beyond dagster"],
        mine["interpreter to location"].compared(other["interpreter to location"], _AGAINST),
        mine["import dagster"],
    ]
    return Part(f"The code location in a fresh interpreter, median of {repeat}", lines)


def measure_materialise(root: Path, repeat: int) -> Part:
    """Materialise from the command line, each time on a new instance."""
    trivial = _project(root / "trivial", _TRIVIAL)
    ours: list[Line] = []
    theirs: list[Line] = []
    for _ in range(repeat):
        theirs.append(_materialised(root, trivial, "trivial"))
        ours.append(_materialised(root, ROOT, SMALLEST))
    line = _median(ours).compared(_median(theirs), "a trivial asset")
    return Part(f"dagster asset materialize --select {SMALLEST}, median of {repeat}", [line])


def measure_memory(root: Path, looks: int) -> Part:
    """Start both, one after the other, each alone; its memory has settled when so many looks see the same."""
    empty = _project(root / "empty", _EMPTY)
    ours = idle_memory(
        [sys.executable, "-m", "scripts.dev"], _own_environment(root / "ours"), root / "ours.log", looks
    )
    theirs = idle_memory(
        _empty_installation(empty), _own_environment(root / "theirs"), root / "theirs.log", looks
    )
    lines = [
        Line(name, value, unit=unit).compared(Line(name, other, unit=unit), _AGAINST)
        for name, unit, value, other in (
            ("idle memory", "MB", ours.megabytes, theirs.megabytes),
            ("start", "s", ours.start_seconds, theirs.start_seconds),
        )
    ]
    notes = [
        "Memory is PSS, of all processes: pages that several share count once.",
        f"Ours: {ours.processes}.",
        f"Empty: {theirs.processes}.",
    ]
    return Part("`make dev` without work", lines, notes)


def _empty_installation(project: Path) -> list[str]:
    return [sys.executable, "-m", "dagster", "dev", "-f", str(project / "definitions.py"), "-h", LOOPBACK]


def _project(folder: Path, definitions: str) -> Path:
    folder.mkdir()
    (folder / "definitions.py").write_text(definitions, encoding="utf-8")
    return folder


def _own_environment(home: Path) -> dict[str, str]:
    """One with a home and an instance of its own, both new, and the instance with the shipped settings."""
    homes = {"QUINTET_HOME": str(home), "DAGSTER_HOME": str(home / "dagster")}
    prepare_dagster_home(homes)
    return environment(**homes)


def _loaded(root: Path, project: Path) -> dict[str, Line]:
    """One load in a fresh interpreter."""
    command = [sys.executable, "-P", str(_PROBE), str(project)]
    ended = run(command, environment(QUINTET_HOME=str(root / "home")), root / "load.log")
    took: dict[str, list[float]] = json.loads(ended.output)
    (dagster, dagster_cpu), (location, location_cpu) = took["dagster"], took["location"]
    return {
        "import dagster": Line("import dagster", dagster, dagster_cpu),
        "beyond dagster": Line("beyond dagster", location, location_cpu),
        "interpreter to location": Line(
            "interpreter to location", dagster + location, dagster_cpu + location_cpu
        ),
    }


def _materialised(root: Path, project: Path, asset: str) -> Line:
    """One run of the command line in a fresh process, in a home and on an instance without history.

    Raises:
        BenchmarkFailed: it failed, or materialised nothing.
    """
    with tempfile.TemporaryDirectory(dir=root) as home:
        environ = _own_environment(Path(home))
        command = [sys.executable, "-m", "dagster", "asset", "materialize"]
        command += ["-f", str(project / "definitions.py"), "--select", asset]
        log = root / "materialise.log"
        began = time.perf_counter()
        ended = run(command, environ, log)
        seconds = time.perf_counter() - began
    said = log.read_text(encoding="utf-8", errors="replace") + ended.output
    if "ASSET_MATERIALIZATION" not in said:
        raise BenchmarkFailed(f"{asset} was not materialised")
    return Line("materialise", seconds, ended.cpu_seconds)


def _medians(loads: list[dict[str, Line]]) -> dict[str, Line]:
    return {name: _median([load[name] for load in loads]) for name in loads[0]}


def _median(lines: list[Line]) -> Line:
    """Wall time and CPU time, each the median of its own."""
    cpu = median(line.cpu or 0.0 for line in lines)
    return Line(lines[0].name, median(line.value for line in lines), cpu)


if __name__ == "__main__":
    LocationSuite().run_as_program()
