"""The memory that Dagster's processes hold when a location is loaded and nobody asks for anything.

Not here: which location (`location`).
"""

import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from scripts.benchmarks.lines import BenchmarkFailed
from scripts.benchmarks.processes import started
from scripts.dev import LOOPBACK, any_free_port
from scripts.web_server import LOADED, shown_locations

_STARTING_SECONDS: Final = 300
_SETTLING_SECONDS: Final = 120
_BETWEEN_LOOKS: Final = 2.0
_ANSWER_SECONDS: Final = 10
_STEADY_SHARE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Idle:
    """What was measured of one installation."""

    megabytes: float
    start_seconds: float
    """Until the location was loaded."""
    processes: str
    """What the processes hold, by their roles."""


def idle_memory(command: Sequence[str], environ: Mapping[str, str], log: Path, looks: int) -> Idle:
    """Start an installation, wait until its location is loaded and its memory no longer changes, and end it.

    Raises:
        BenchmarkFailed: it ended, its location failed to load, or was not loaded in time.
    """
    port = any_free_port()
    began = time.perf_counter()
    with (
        log.open("wb") as said,
        started([*command, "--port", str(port)], environ, said.fileno(), said.fileno()) as process,
    ):
        _wait_until_loaded(process, port, log)
        seconds = time.perf_counter() - began
        memory = _settled(psutil.Process(process.pid), looks)
    roles = ", ".join(f"{role} {megabytes:.0f} MB" for role, megabytes in memory.most_common())
    return Idle(memory.total(), seconds, roles)


def _wait_until_loaded(process: subprocess.Popen[str], port: int, log: Path) -> None:
    deadline = time.monotonic() + _STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if shown := shown_locations(f"http://{LOOPBACK}:{port}", _ANSWER_SECONDS):
            if wrong := {*shown.values()} - {LOADED}:
                raise BenchmarkFailed(f"the location does not load: {wrong.pop()}")
            return
        time.sleep(_BETWEEN_LOOKS / 10)
    print(log.read_text(errors="replace"), file=sys.stderr)
    raise BenchmarkFailed(f"{log.stem}: Dagster did not load its location; what it said is above")


def _settled(root: psutil.Process, looks: int) -> Counter[str]:
    """MB by role, when the sum has been steady for so many looks, or at the last one."""
    sums: deque[int] = deque(maxlen=looks)
    deadline = time.monotonic() + _SETTLING_SECONDS
    while True:
        held = _held(root)
        sums.append(held.total())
        is_steady = len(sums) == looks and max(sums) - min(sums) <= _STEADY_SHARE * max(sums)
        if is_steady or time.monotonic() > deadline:
            return Counter({role: size / 1e6 for role, size in held.items()})
        time.sleep(_BETWEEN_LOOKS)


def _held(root: psutil.Process) -> Counter[str]:
    """Bytes by role."""
    held: Counter[str] = Counter()
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            held[_role(process.cmdline())] += process.memory_full_info().pss
    return held


def _role(words: Sequence[str]) -> str:
    """What follows `python -m`; of Dagster's own command line the subcommand too."""
    if "-m" not in words:
        return " ".join(words[:1]) if "-c" not in words else "resource tracker"
    module, *more = words[words.index("-m") + 1 :]
    return f"{module} {more[0]}" if module == "dagster" and more else module
