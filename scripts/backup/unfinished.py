"""A place to work in, whose result gets its final name when it is complete, and not before."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.failures import PermanentFailure


class AlreadyThere(PermanentFailure):
    """Something has the final name, or somebody else is making it."""


@contextmanager
def unfinished(target: Path) -> Iterator[Path]:
    """A new folder beside the target, `.<name>.partial`, for this process alone; it is gone after the block.

    What a killed process left there is removed first: its lock ended with it.

    Raises:
        AlreadyThere: another process works on the same target.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f".{target.name}.partial"
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _hold(descriptor, folder, target)
        try:
            _empty(folder)
            yield folder
        finally:
            # With the lock still held: nobody else has begun to work there.
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _hold(descriptor: int, folder: Path, target: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Who held it may have removed the folder since it was opened here, and somebody else made it anew.
        is_held = os.path.samestat(os.fstat(descriptor), folder.stat())
    except (BlockingIOError, FileNotFoundError):
        is_held = False
    if not is_held:
        raise AlreadyThere(f"Another process is making {target}; wait for its end, or choose another name.")


def publish(finished: Path, target: Path) -> None:
    """Give a finished file or folder its final name. An empty folder of that name gives way.

    Raises:
        AlreadyThere: something else has the name by now.
    """
    try:
        if finished.is_dir():
            finished.rename(target)
        else:
            # Unlike a rename, a link never takes the place of something.
            target.hardlink_to(finished)
    except OSError as error:
        raise AlreadyThere(f"{target} cannot be made: {error.strerror}; choose another name.") from None
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
