"""What the tests of `assets.parallel` run in worker processes, which need not import pytest for it."""

import os
import signal
import threading
from pathlib import Path

import polars as pl

from assets.failures import PermanentFailure

LONGEST_WAIT = 60.0
"""Seconds after which a task that waits for something gives up, so that no test can leave it behind."""


class UntransportableError(Exception):
    """An exception that pickles and does not unpickle, as do many with a constructor of their own."""

    def __init__(self, row: int, rule: str) -> None:
        super().__init__(f"row {row} breaks {rule}")


def square(number: int) -> int:
    return number * number


def process_id(_argument: object) -> int:
    return os.getpid()


def threads_of_polars(_argument: object) -> int:
    return pl.thread_pool_size()


def environment_variable(name: str) -> str | None:
    return os.environ.get(name)


def fail(sentence: str) -> None:
    raise PermanentFailure(sentence)


def fail_with_what_cannot_travel(_argument: object) -> None:
    raise UntransportableError(7, "volume > 0")


def leave_the_interpreter(_argument: object) -> None:
    raise SystemExit(3)


def die_if_told(told: bool) -> str:
    if told:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def wait_for(mark: Path) -> bool:
    """Return whether the file appeared in time."""
    passed, pause = 0.0, threading.Event()
    while not mark.exists() and passed < LONGEST_WAIT:
        pause.wait(0.02)
        passed += 0.02
    return mark.exists()


def report_and_stay(folder: Path) -> None:
    """Leave a file named after this process, stay, and leave another one if nobody put an end to it."""
    (folder / f"{os.getpid()}.came").touch()
    threading.Event().wait(LONGEST_WAIT)
    (folder / f"{os.getpid()}.stayed").touch()


def report_or_return(path: Path) -> None:
    """Return at once for a file; for a folder, report and stay."""
    if path.is_dir():
        report_and_stay(path)
