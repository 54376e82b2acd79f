"""Processes of the dwh benchmarks: each side is one of its own, and its memory is that of all it started.

Not here: what they do.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from scripts.benchmarks.lines import BenchmarkFailed
from scripts.benchmarks.processes import started

_BETWEEN_LOOKS: Final = 0.1
_LINES_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that did its work, with all that it started, Java included. Looked at ten times a second."""

    output: str
    """What it printed."""
    peak_bytes: int
    """The most resident memory at one moment; pages that two processes share count in both."""
    cpu_seconds: float
    """Of all threads: it says more than the wall on a machine that others use too."""


def environment(home: Path, **more: str) -> dict[str, str]:
    """That of this process without settings of Quintet and Spark; engines spill into the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QUINTET_", "SPARK_"))}
    spill = home / "spill"
    spill.mkdir(parents=True, exist_ok=True)
    return {**kept, "SPARK_LOCAL_DIRS": str(spill), "SPARK_LOCAL_IP": "127.0.0.1", **more}


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
        raise BenchmarkFailed(f"{log.stem} ended with exit code {process.returncode}; what it said is above")
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
