"""Locks between processes: that of a write, held for milliseconds, and that of a folder, held for a run.

Both are flock, which ends with the process that holds it, so none outlives its holder. The two never meet:
a write locks a file, a run the folder itself.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_random

from resources.object_store.errors import StoreBusy, StoreUnavailable
from resources.object_store.files import make_folder

# A holder renames one file and syncs its folder: milliseconds, unless the process is stopped.
LOCK_SECONDS = 60
_LOCK_TABLE = Path("/proc/locks")  # Linux only; elsewhere the holder stays unnamed.


@contextmanager
def locked(lock: Path, location: str, *, leave_file: bool) -> Iterator[None]:
    """Exclude every other process and thread that locks the file `lock`, which is made where it is absent.

    Without `leave_file` it is removed at the end. Raises `StoreUnavailable`, naming `location`, after
    `LOCK_SECONDS` of waiting.
    """
    try:
        file = _patiently(lock)
    except RetryError:
        raise StoreUnavailable(
            f"{location} has been locked by another process for {LOCK_SECONDS} s; "
            f"find the process that has {lock} open (fuser), and let it go on or end it."
        ) from None
    with file:
        try:
            yield
        finally:
            if not leave_file:
                lock.unlink(missing_ok=True)


@contextmanager
def exclusive_folder(root: Path) -> Iterator[None]:
    """Hold the folder, which is made where it is absent, until the block ends.

    Raises `StoreBusy` at once while another holder, in any process, has it. It excludes other holders only:
    who reads or writes objects without holding the folder is not kept from it. No file is made.
    """
    make_folder(root)
    descriptor = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreBusy(
                f"{root} is in use by {_holder(os.fstat(descriptor))}; "
                "wait until that has ended, or choose another folder."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _patiently(lock: Path) -> BinaryIO:
    tries = Retrying(
        retry=retry_if_exception_type(BlockingIOError),
        wait=wait_random(0.001, 0.01),
        stop=stop_after_delay(LOCK_SECONDS),
    )
    return tries(_take, lock)


def _take(lock: Path) -> BinaryIO:
    """The locked file, open; raises `BlockingIOError` where another has it."""
    file = lock.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_at(lock, file):
            raise BlockingIOError(f"{lock} was removed by its last holder after it was opened here.")
    except BaseException:
        file.close()
        raise
    return file


def _is_at(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _holder(folder: os.stat_result) -> str:
    """The process that holds the flock of a file, as far as the system tells."""
    place = f"{os.major(folder.st_dev):02x}:{os.minor(folder.st_dev):02x}:{folder.st_ino}"
    try:
        locks = [line.split() for line in _LOCK_TABLE.read_text("ascii").splitlines()]
    except OSError:
        locks = []
    # 1: FLOCK ADVISORY WRITE 4711 08:01:131073 0 EOF
    holders = [words[4] for words in locks if words[1] == "FLOCK" and words[5] == place]
    return f"process {holders[0]}" if holders else "another process"
