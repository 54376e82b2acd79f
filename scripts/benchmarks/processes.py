"""Processes that benchmarks start: each one ends with the block that it was started for.

Not here: what they do.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from scripts.benchmarks.lines import BenchmarkFailed
from scripts.dagster_home import ROOT

_STOPPING_SECONDS: Final = 30
_BETWEEN_LOOKS: Final = 0.1
_LINES_SHOWN: Final = 40
_SETTINGS: Final = ("QUINTET_", "SPARK_", "DAGSTER_", "AIM_", "BEAMS_", "DWH_", "TYRESCORE_")
# Without bytecode, every process compiles our modules again: 0.3 s of the location.
_NO_BYTECODE: Final = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that did its work, with all that it started, Java included. Looked at ten times a second."""

    output: str
    """What it printed."""
    peak_bytes: int
    """The most resident memory at one moment; pages that two processes share count in both."""
    cpu_seconds: float
    """Of all threads: it says more than the wall on a machine that others use too."""


def environment(**more: str) -> dict[str, str]:
    """That of this process without what makes runs differ: settings of Quintet and Spark, no bytecode."""
    dropped = (*_SETTINGS, _NO_BYTECODE)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "DAGSTER_DISABLE_TELEMETRY": "1", **more}


@contextmanager
def started(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    errors: int | None = None,
    output: int = subprocess.PIPE,
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs from the repository's root until the block ends; it is asked to stop, then made to.

    `subprocess` itself waits 0.25 s after an interrupt, and leaves what takes longer behind.
    """
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=output, stderr=errors, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def output_of(command: Sequence[str], name: str) -> str:
    """What a command prints, in an environment without settings. Raises as `run` does."""
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        return run(command, environment(), Path(folder, f"{name}.log")).output


def run(command: Sequence[str], environ: Mapping[str, str], log: Path) -> Ended:
    """Run a command to its end; what it says on standard error goes to a file.

    Raises:
        BenchmarkFailed: it failed. The end of what it said is on standard error then.
    """
    # The reader is outermost: it ends when the process does, also when that is interrupted.
    with (
        ThreadPoolExecutor(1) as reader,
        log.open("wb") as errors,
        started(command, environ, errors.fileno()) as process,
    ):
        printed = reader.submit(process.stdout.read) if process.stdout else None
        usage = _usage_until_end(process)
        output = printed.result() if printed else ""
    if process.returncode:
        said = [*output.splitlines(), *log.read_text(errors="replace").splitlines()]
        print(*said[-_LINES_SHOWN:], sep="\n", file=sys.stderr)
        last = said[-1] if said else "it said nothing"
        raise BenchmarkFailed(f"{log.stem} ended with exit code {process.returncode}: {last}")
    return Ended(output, usage.peak_bytes, sum(usage.cpu_seconds.values()))


@dataclass(slots=True)
class _Usage:
    """What looks at a process and all below it have found so far."""

    peak_bytes: int = 0
    cpu_seconds: dict[psutil.Process, float] = field(default_factory=dict)

    def look(self, root: psutil.Process) -> None:
        resident = 0
        with suppress(psutil.NoSuchProcess):
            for process in (root, *root.children(recursive=True)):
                with suppress(psutil.NoSuchProcess):
                    resident += process.memory_info().rss
                    times = process.cpu_times()
                    self.cpu_seconds[process] = times.user + times.system
        self.peak_bytes = max(self.peak_bytes, resident)


def _usage_until_end(process: subprocess.Popen[str]) -> _Usage:
    root, usage = psutil.Process(process.pid), _Usage()
    while process.poll() is None:
        usage.look(root)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_BETWEEN_LOOKS)
    return usage
