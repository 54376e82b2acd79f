"""Files that survive a crash: what is under a name is whole, and stays there when the power goes."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assets.beams.failures import beam_failure

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_new(path: Path, content: bytes) -> None:
    """Make a file with this content on the disk; its name is durable only after `sync_folder`.

    Raises:
        FileExistsError: the name is taken.
    """
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk before returning."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes, *, staging: Path | None = None) -> None:
    """Put a file in place, whole or not at all; what was under its name stays until then.

    `staging` is a folder of the same file system for the unfinished file, where the file's own folder may
    hold nothing else.
    """
    part = (staging or path.parent) / f".{path.name}.part"
    part.unlink(missing_ok=True)
    try:
        write_new(part, content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


@contextmanager
def disk_full_named(output: str) -> Iterator[None]:
    """Turn the system's word for a full disk into the failure that is tried again; `output` is of a case."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        raise beam_failure(
            "disk_full",
            f"The disk of the output folder {output} is full: the CSVs of a beam need about twice the room of"
            " its logs; free some, it is tried again.",
        ) from error
