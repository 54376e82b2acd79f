"""MD5 digests of local files, computed once for each state that a file is in.

S3 and GCS know an object's digest; a directory does not, and hashing 50 GB of vendor files for every listing
would take minutes. A digest is remembered with the file's inode, size, mtime and ctime, in this process and,
where there is a place for them, in one small file per object. ctime makes that safe: every change of content
sets it, and nobody can set it back.
"""

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from resources.object_store.files import remove_empty_folders
from resources.object_store.values import new_md5

# A file changed twice within one tick of the file system's clock (4 to 10 ms on Linux, up to 2 s elsewhere)
# looks unchanged, so a digest taken that soon after a change is not remembered. Git's index has the same
# rule.
RACY_NS = 2_000_000_000

_MOST_IN_MEMORY = 65_536  # About 20 MB.


class FileState(NamedTuple):
    """What cannot stay the same when a file's content changes."""

    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


_in_memory: dict[tuple[int, FileState], str] = {}


class Digests:
    """Digests of files, remembered in this process's memory alone.

    `clock` returns nanoseconds since the beginning of 1970, UTC.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock

    def md5(self, path: Path, name: str) -> tuple[str, os.stat_result]:
        """The digest of the file at `path` in hexadecimal, and the file's status that goes with it."""
        status = path.stat()
        place = status.st_dev, _state(status)
        known = _in_memory.get(place) or self._read(name, _state(status))
        if known is None:
            return self._compute(path, name)
        _remember(place, known)
        return known, status

    def forget(self, name: str) -> None:
        """Remove what is stored about an object that was removed."""

    def _compute(self, path: Path, name: str) -> tuple[str, os.stat_result]:
        with path.open("rb") as file:
            before, started = _state(os.fstat(file.fileno())), self._clock()
            digest = hashlib.file_digest(file, new_md5).hexdigest()
            status = os.fstat(file.fileno())
        if before == _state(status) and started - before.ctime_ns > RACY_NS:
            _remember((status.st_dev, before), digest)
            self._write(name, before, digest)
        return digest, status

    def _read(self, name: str, state: FileState) -> str | None:
        return None

    def _write(self, name: str, state: FileState, digest: str) -> None: ...


class DigestCache(Digests):
    """Digests also remembered as `folder/<name>`, and written through temporaries in `spool`.

    Where the folder cannot be written, this process's memory is all there is.
    """

    def __init__(self, folder: Path, spool: Path, clock: Callable[[], int] = time.time_ns) -> None:
        super().__init__(clock)
        self._folder = folder
        self._spool = spool

    def forget(self, name: str) -> None:
        """Remove the small file of an object that was removed."""
        with suppress(OSError):
            self.entry(name).unlink()
            remove_empty_folders(self.entry(name).parent, self._folder)

    def entry(self, name: str) -> Path:
        """The small file that remembers the digest of `name`."""
        return self._folder / name

    def _read(self, name: str, state: FileState) -> str | None:
        try:
            *remembered, digest = self.entry(name).read_text("ascii").split()
        except (OSError, ValueError):
            return None
        # The length guards against an entry that a crash left cut.
        return digest if remembered == [str(number) for number in state] and len(digest) == 32 else None

    def _write(self, name: str, state: FileState, digest: str) -> None:
        temporary = self._spool / uuid4().hex
        with suppress(OSError):
            self._spool.mkdir(parents=True, exist_ok=True)
            self.entry(name).parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(" ".join([*map(str, state), digest]) + "\n", "ascii")
            temporary.replace(self.entry(name))


def _state(status: os.stat_result) -> FileState:
    return FileState(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _remember(place: tuple[int, FileState], digest: str) -> None:
    if len(_in_memory) >= _MOST_IN_MEMORY:
        _in_memory.clear()
    _in_memory[place] = digest
