"""Files that survive a crash: what is under a name is whole, and stays there when the power goes."""

import os
from pathlib import Path


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
