"""A disk that takes a number of changes and then no more: what a crash after any one of them leaves.

As a program it is the crash itself, `python -m tests.assets.beams.stopping_disk ROOT CHANGES`: it publishes
the new logs of `published_beams` below ROOT and kills itself with SIGKILL before the next change.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class DiskStopped(BaseException):
    """No handler of errors may catch it: after a crash nothing runs."""


class _Disk:
    """Audit hooks cannot be taken away again, so one stays and asks what is being tested."""

    root: str | None = None
    changes_left = 0
    stop: Callable[[], None]

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.root is None or not arguments or not str(arguments[0]).startswith(self.root):
            return
        if event in _CHANGES or (event == "open" and arguments[2] & _WRITING):
            if self.changes_left <= 0:
                self.stop()
            self.changes_left -= 1


_disk = _Disk()
sys.addaudithook(_disk.audit)


def _raise_stopped() -> None:
    raise DiskStopped


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def disk_stopping_after(
    changes: int, root: Path, stop: Callable[[], None] = _raise_stopped
) -> Iterator[None]:
    """Let so many files and folders below `root` be made, moved or removed; refuse every further change."""
    _disk.root, _disk.changes_left, _disk.stop = str(root), changes, stop
    try:
        yield
    finally:
        _disk.root = None


if __name__ == "__main__":
    from tests.assets.beams.published_beams import NEW, publish

    root, changes = Path(sys.argv[1]), int(sys.argv[2])
    with disk_stopping_after(changes, root / "out", _kill_this_process):
        publish(root, NEW)
