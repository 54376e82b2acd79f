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
