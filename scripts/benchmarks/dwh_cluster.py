"""`make bench-dwh-cluster`: one day on one machine, and the same day on a Spark standalone cluster.

The cluster is a master and two workers on the loopback interface, started from the pyspark wheel. The job
runs through the entry of a container every time: in a process alone on Sail and on the JVM, submitted to the
cluster with the package of `scripts.dwh_package`, and through a Spark Connect server on the cluster. The
rows of all are compared: different ones end the benchmark with 1. Standard output is one line of JSON.

On one machine the cluster shares the cores with everything else, so this shows that the day runs there and
comes to the same rows, and what the way costs; not what more machines gain. `seconds` are those of the whole
process, `job_seconds` those of the job inside, `executors` is how many the job had on the cluster.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, ClassVar, Final

from scripts.benchmarks.dwh_filter import DaySuite, engine_environment, say
from scripts.benchmarks.dwh_inputs import Inputs, remove_outputs, write_inputs
from scripts.benchmarks.dwh_ours import job_arguments, output_folder
from scripts.benchmarks.dwh_rows import Fingerprint, fingerprint
from scripts.benchmarks.dwh_spark_cluster import WORKERS, Cluster, connect_server, standalone_cluster
from scripts.benchmarks.lines import BenchmarkFailed, Line, Part
from scripts.benchmarks.processes import run
from scripts.dagster_home import ROOT
from scripts.dwh_package import build

WAYS: Final = ("sail", "jvm", "submit", "connect")
_ENTRY: Final = Path("container", "generic_entry.py")


class ClusterSuite(DaySuite):
    """The day in every way."""

    program = "bench-dwh-cluster"
    module = "scripts.benchmarks.dwh_cluster"
    about = __doc__ or ""
    parts = ("cluster",)
    full: ClassVar = {"rows": 1_000_000, "outputs": 3}
    quick: ClassVar = {"rows": 3_000}

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the ways to the options of a day."""
        super().add_options(parser)
        parser.add_argument("--way", choices=WAYS, action="append", help="repeatable (default: all)")

    def measure(self, part: str, root: Path, options: argparse.Namespace) -> Part:
        """All ways."""
        return _compared(root, Inputs(options.rows, options.outputs), options.way or WAYS)


@dataclass(frozen=True, slots=True)
class _Timing:
    """How long the day took."""

    seconds: float
    job_seconds: float
    executors: int | None = None


class _Days:
    """Runs the day again and again in one folder, and keeps what came of it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.timings: dict[str, _Timing] = {}
        self.rows: dict[str, Fingerprint] = {}

    def alone(self, way: str, **settings: str) -> None:
        """In a process of this machine; the settings say where its engine is."""
        self._run(way, [sys.executable, str(ROOT / "scripts" / _ENTRY)], settings)

    def submitted(self, cluster: Cluster, package: Path) -> None:
        """On the cluster, with the code of the package."""
        command = cluster.submit(str(package.parent / _ENTRY), packages=[package])
        self._run("submit", command, {}, cluster)

    def through(self, cluster: Cluster, remote: str) -> None:
        """On the cluster, through a Spark Connect server."""
        settings = {"QUINTET_SPARK_ENGINE": "connect", "QUINTET_SPARK_REMOTE": remote}
        self._run("connect", [sys.executable, str(ROOT / "scripts" / _ENTRY)], settings, cluster)

    def _run(
        self, way: str, command: Sequence[str], settings: dict[str, str], cluster: Cluster | None = None
    ) -> None:
        home = self._home
        remove_outputs(home)
        environ = engine_environment(
            home,
            QUINTET_HOME=str(home),
            DAGSTER_HOME=str(_dagster_home(home)),
            PYSPARK_PYTHON=sys.executable,
            **settings,
        )
        started = time.perf_counter()
        ended = run([*command, *_arguments()], environ, home / f"{way}.log")
        seconds = time.perf_counter() - started
        # spark-submit puts on its standard output what the entry says on either.
        metrics: dict[str, Any] = json.loads(ended.output.splitlines()[-1])
        self.rows[way] = fingerprint(output_folder(home))
        executors = cluster.executors[-1] if cluster else None
        self.timings[way] = _Timing(round(seconds, 2), round(metrics["duration_seconds"], 2), executors)
        say(f"{way}: {self.rows[way].rows:,} rows in {seconds:.1f} s")


def _compared(home: Path, inputs: Inputs, ways: Sequence[str]) -> Part:
    say(f"Making {inputs.rows:,} rows in {inputs.outputs} transform outputs")
    write_inputs(home, inputs)
    load, days = [os.getloadavg()[0]], _Days(home)
    for way in ("sail", "jvm"):
        if way in ways:
            days.alone(way, QUINTET_SPARK_ENGINE=way)
    if {"submit", "connect"} & set(ways):
        say(f"Starting a master and {WORKERS} workers")
        _run_on_cluster(home, days, ways)
    load.append(os.getloadavg()[0])
    if len(set(days.rows.values())) > 1:
        raise BenchmarkFailed(f"The ways came to different rows, so one of them is wrong: {days.rows}")
    details = {
        "rows": inputs.rows,
        "outputs": inputs.outputs,
        "rows_out": next(iter(days.rows.values())).rows,
        "equal_rows": True if len(days.rows) > 1 else None,
        "workers": WORKERS,
        "ways": {way: asdict(timing) for way, timing in days.timings.items()},
        "cores": os.cpu_count(),
        "load": [round(value, 1) for value in load],
    }
    title = f"A day of {inputs.rows:,} rows through the entry of a container"
    return Part(title, _lines(days.timings, inputs.rows), details=details)


def _lines(timings: Mapping[str, _Timing], rows: int) -> list[Line]:
    """A line for each way, beside the JVM of one machine if that was among them."""
    lines = {way: Line(way, timing.seconds, rows=rows) for way, timing in timings.items()}
    if (alone := lines.get("jvm")) is not None:
        for way in lines.keys() - {"jvm"}:
            lines[way] = lines[way].compared(alone, "the JVM of one machine")
    return [*lines.values()]


def _run_on_cluster(home: Path, days: _Days, ways: Sequence[str]) -> None:
    """An application takes all cores, so the Spark Connect server starts when the other one has ended."""
    place = Path(mkdtemp(prefix="cluster-", dir=home))
    with standalone_cluster(place, engine_environment(home, PYSPARK_PYTHON=sys.executable)) as cluster:
        if "submit" in ways:
            days.submitted(cluster, build(place / "package"))
        if "connect" in ways:
            with connect_server(cluster) as remote:
                days.through(cluster, remote)


def _arguments() -> list[str]:
    words = ["--module_name", "filter_images", "--created_by", "benchmark"]
    return words + [word for name, value in job_arguments().items() for word in (f"--{name}", value)]


def _dagster_home(home: Path) -> Path:
    made = home / "dagster"
    made.mkdir(exist_ok=True)
    return made


if __name__ == "__main__":
    ClusterSuite().run_as_program()
