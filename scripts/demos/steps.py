"""A step of a demo: a command that is printed, run and timed."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from scripts.dagster_home import ROOT

# Beside a terminal rich assumes 80 columns, too few for the tables.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


class DemoFailed(Exception):
    """A step of the demo did not do what it should."""


@dataclass(frozen=True, slots=True)
class Step:
    """A finished command: its wall time, and the peak memory of the largest process it needed."""

    name: str
    seconds: float
    peak_mebibytes: float


def run_step(name: str, command: Sequence[str], *, shows: bool = False) -> Step:
    """Run a command from the repository's root; its output is shown if it `shows` something, or fails.

    Raises:
        DemoFailed: the command did not end with 0.
    """
    shown = shlex.join(["python" if part == sys.executable else part for part in command])
    console.print(f"\n[bold]{name}[/bold]\n  {shown}", highlight=False)
    started = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        output = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if shows or process.returncode != 0:
        console.print(output.rstrip(), markup=False, highlight=False)
    if process.returncode != 0:
        raise DemoFailed(f"{name}: exit code {process.returncode}; the output is above")
    return Step(name, time.monotonic() - started, usage.ru_maxrss / 1024)
