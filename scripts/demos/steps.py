"""What a demo is made of: commands that are printed, run and timed, and one table at the end."""

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from scripts.dagster_home import ROOT
from scripts.process_groups import end_group

# Beside a terminal rich assumes 80 columns, too few for the tables.
console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 120)


class DemoFailed(Exception):
    """A step of the demo did not do what it should."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a pipeline's users judge it by, as one table, with sentences below it."""

    table: Table
    notes: Sequence[str] = ()


class Guide:
    """Says where the demo is: which pipeline of how many, which step, how long since it began."""

    def __init__(self, pipelines: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.pipelines = tuple(pipelines)
        self._clock = clock
        self._began = clock()
        self._pipeline = ""
        self._step = 0

    @property
    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return self._clock() - self._began

    def begin(self, pipeline: str, title: str) -> None:
        """Go on to a pipeline."""
        self._pipeline, self._step = pipeline, 0
        console.print()
        console.rule(f"{self._place} {pipeline}: {title}")

    @contextmanager
    def step(self, name: str, does: str = "") -> Iterator[None]:
        """Say what is done while the block lasts, and how long it took; on a terminal the seconds run."""
        self._step += 1
        head = f"{self._place} {self._pipeline}, step {self._step}: {name}"
        console.print(f"\n[bold]{head}[/bold]  [dim]{self.elapsed:.0f} s so far[/dim]", highlight=False)
        if does:
            console.print(f"  {does}", highlight=False, markup=False)
        began = self._clock()
        with _running_seconds(name):
            yield
        console.print(f"  [dim]done in {self._clock() - began:.1f} s[/dim]", highlight=False)

    def run(self, name: str, command: Sequence[str], *, shows: bool = False) -> None:
        """Run a command from the repository's root; its output is shown if it `shows` something, or fails.

        Raises:
            DemoFailed: the command did not end with 0.
        """
        with self.step(name, shlex.join(["python" if part == sys.executable else part for part in command])):
            code, output = _finished(command)
            if shows or code != 0:
                console.print(output.rstrip(), markup=False, highlight=False)
            if code != 0:
                raise DemoFailed(f"{self._pipeline}, {name}: exit code {code}; the output is above")

    @property
    def _place(self) -> str:
        return f"{self.pipelines.index(self._pipeline) + 1}/{len(self.pipelines)}"


@contextmanager
def _running_seconds(name: str) -> Iterator[None]:
    """Have the seconds run on a terminal; elsewhere nothing is shown."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(name)
        yield


def _finished(command: Sequence[str]) -> tuple[int, str]:
    """The exit code of a command, and what it wrote. Interrupted here, it is ended with all its processes."""
    # In a session of its own, Ctrl-C reaches it once, from here, and not from the terminal too.
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            end_group(process)
            raise
    return process.returncode, output
