"""SIGINT and SIGTERM: the first one asks, the second one ends the process at once."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(ask: Callable[[], None], sentence: str) -> Iterator[None]:
    """While this lasts, the first signal calls `ask` and shows the sentence; the next one kills.

    `ask` is called within a signal handler, between two steps of the main thread.
    """
    was_asked = False

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal was_asked
        if was_asked:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        was_asked = True
        ask()
        # Not through sys.stderr: the signal may have come in the middle of a write to it.
        os.write(2, f"{sentence}\n".encode())

    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
