"""One process of a kind at a time: a lock that ends with its process, beside the pid of whoever holds it.

The kernel lets go of the lock however the process ends, so what a killed one leaves behind is no obstacle.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.failures import PermanentFailure


class AnotherCopy(PermanentFailure):
    """Another process holds the lock."""


@contextmanager
def only_copy(path: Path, what: str) -> Iterator[None]:
    """Hold the lock while the block lasts; the file has this process's pid, and stays.

    Raises:
        AnotherCopy: another process has it; names that process, which is left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherCopy(
                f"{what} runs already, as process {_holder(path)}; one is enough for a home: stop that one"
                " first, or set QUINTET_HOME to another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _holder(path: Path) -> str:
    """The pid in the file; whoever has just got the lock needs a moment to write it."""
    for _ in range(20):
        if text := path.read_text("ascii", "replace").strip():
            return text
        time.sleep(0.05)
    return "unknown"
