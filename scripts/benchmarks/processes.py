"""Processes that benchmarks start: each one ends with the block that it was started for.

Not here: what they do.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from scripts.benchmarks.lines import BenchmarkFailed
from scripts.dagster_home import ROOT

_STOPPING_SECONDS: Final = 30


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str] | None = None, errors: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A command that runs from the repository's root until the block ends; it is asked to stop, then made to.

    `subprocess` itself waits 0.25 s after an interrupt, and leaves what takes longer behind.
    """
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(_STOPPING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def output_of(command: Sequence[str]) -> str:
    """What a command prints; what it says on standard error is shown only if it fails."""
    with started(command, errors=subprocess.PIPE) as process:
        output, errors = process.communicate()
    if process.returncode:
        print(errors, file=sys.stderr, end="")
        raise BenchmarkFailed(f"a part ended with exit code {process.returncode}; what it said is above")
    return output
