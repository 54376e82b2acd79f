"""What a directory needs to be a store: changes that survive a crash, and a walk that stays inside."""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_MOST_TRIES = 100


def is_file(path: Path) -> bool:
    """Whether a regular file is there: no FIFO, which would block its reader. A refused folder raises."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise


def sync(path: Path) -> None:
    """Have the file's content, or the folder's entries, on the disk before returning."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, so that they survive a crash."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    try:
        folder.mkdir()
    except FileExistsError:
        if is_file(folder) or folder.is_symlink():
            raise
        # Otherwise a writer beside us made the folder first.
    sync(folder.parent)


def create(path: Path) -> None:
    """Make an empty file, with the permissions that the umask gives, and its folder."""
    _put_into_folder(path, lambda: path.touch(exist_ok=False))


def move(source: Path, target: Path) -> None:
    """Put `source`, already synced, in the place of `target` in one step that survives a crash."""
    _put_into_folder(target, lambda: source.replace(target))
    sync(target.parent)


def _put_into_folder(path: Path, put: Callable[[], object]) -> None:
    for tries_left in reversed(range(_MOST_TRIES)):
        try:
            make_folder(path.parent)
            put()
            break
        except FileNotFoundError:
            # A delete beside us had emptied the folder, and removed it before we could fill it.
            if not tries_left:
                raise


def remove(path: Path) -> None:
    """Remove a file, which may be gone, so that it stays removed after a crash."""
    path.unlink(missing_ok=True)
    folder = path.parent
    while True:
        try:
            sync(folder)
            break
        except FileNotFoundError:  # A delete beside us found the folder empty, and removed it.
            folder = folder.parent


def remove_empty_folders(folder: Path, top: Path) -> None:
    """Remove the folder and those above it, up to but without `top`, as long as they are empty."""
    with suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def remove_older_than(folder: Path, seconds: float) -> None:
    """Remove the files of a folder that nobody has written to for that long."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > seconds:
                path.unlink()


def walk(
    folder: Path,
    names: str,
    prefix: str,
    may_enter: Callable[[Path], bool],
    above: frozenset[Path] = frozenset(),
) -> Iterator[tuple[str, Path]]:
    """All (name, resolved path) below a resolved folder whose name begins with `prefix`.

    `names` is what every name in this folder begins with. A symbolic link is followed if `may_enter` accepts
    its target and the target is not a folder that the walk is already in.
    """
    above |= {folder}
    for entry in _entries(folder):
        name, path = names + entry.name, folder / entry.name
        if not name.startswith(prefix):
            continue
        if entry.is_symlink():
            path = Path(os.path.realpath(path))
            if not may_enter(path) or path in above:
                continue
        if path.is_dir() if entry.is_symlink() else entry.is_dir():
            yield from walk(path, f"{name}/", prefix, may_enter, above)
        else:
            yield name, path


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:  # Removed since it was found.
        return []
