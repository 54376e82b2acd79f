"""Objects as files: `root/<bucket>/<key>`, the same tree that a synchronised bucket has.

Beside the buckets lie `.tmp` (unpublished writes), `.locks` and `.etags` (see `digests`); no bucket can have
such a name. POSIX only: it relies on rename, flock and fsync.
"""

import fcntl
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from uuid import uuid4

from pydantic import Field
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_random

from resources.object_store.base import ObjectStore
from resources.object_store.digests import DigestCache
from resources.object_store.errors import (
    AccessRefused,
    InvalidKey,
    ObjectNotFound,
    PreconditionFailed,
    StoreUnavailable,
)
from resources.object_store.files import (
    is_file,
    make_folder,
    move,
    remove,
    remove_older_than,
    sync,
    walk,
)
from resources.object_store.values import Condition, ObjectInfo, ScanSource, Spool

# A holder renames one file and syncs its folder: milliseconds, unless the process is stopped.
LOCK_SECONDS = 60
_LOCK_STRIPES = 256  # Enough that two keys seldom share a lock, few enough to need no cleaning.
_ABANDONED_SECONDS = 24 * 3600  # A killed writer leaves its temporary; none is silent that long and alive.


class LocalObjectStore(ObjectStore):
    """Objects in a directory of this machine, safe between processes that all write through this class.

    Symbolic links may lead anywhere inside `root`; those that leave it are refused, and left out of listings.
    A name is a file or a folder, so beside the object `a` there can be no object `a/b` (`InvalidKey`).
    """

    root: str = Field(description="The folder that holds the buckets; made by the first write.")

    def _uri(self, bucket: str, key: str) -> str:
        return str(self._root / bucket / key)

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        folder = prefix.rpartition("/")[0]
        start = Path(os.path.realpath(self._root / bucket / folder))
        if not self._is_inside(start) or not start.is_dir():
            return
        for key, path in walk(start, f"{folder}/" if folder else "", prefix, self._is_inside):
            if info := self._info(bucket, key, path):
                yield info

    def _head(self, bucket: str, key: str) -> ObjectInfo | None:
        return self._info(bucket, key, self._path(bucket, key))

    def _open(self, bucket: str, key: str) -> io.FileIO | None:
        path = self._path(bucket, key)
        return io.FileIO(path) if is_file(path) else None

    def _publish(self, bucket: str, key: str, spool: Spool, condition: Condition) -> ObjectInfo:
        sync(spool.path)
        modified = datetime.fromtimestamp(spool.path.stat().st_mtime, UTC)
        written = ObjectInfo(bucket, key, spool.size, spool.etag, modified)
        with self._locked(bucket, key):
            path = self._path(bucket, key)
            self._check(condition, bucket, key)
            move(spool.path, path)
        return written

    def _delete(self, bucket: str, key: str) -> None:
        path = self._path(bucket, key)
        if not path.is_symlink() and not is_file(path):
            return
        with self._locked(bucket, key):
            remove(path, self._root / bucket)
        self._digests.forget(f"{bucket}/{key}")

    def _scan_source(self, bucket: str, key: str) -> ScanSource:
        return ScanSource(str(self._path(bucket, key)))

    def _translate(self, error: Exception, location: str) -> Exception | None:
        match error:
            case AccessRefused():
                return None
            case PermissionError():
                return AccessRefused(
                    f"{location}: the operating system refuses access to {error.filename}; "
                    "correct its owner or permissions."
                )
            case FileNotFoundError():
                return ObjectNotFound(f"{location} does not exist any more: it was removed at this moment.")
            case FileExistsError() | IsADirectoryError() | NotADirectoryError():
                return InvalidKey(
                    f"{location} cannot be written: on a disk a name is either a file or a folder, and "
                    f"{error.filename2 or error.filename} is already the other; choose another key."
                )
            case _:
                return None

    def _new_spool(self) -> Path:
        folder = self._root / ".tmp"
        make_folder(folder)
        remove_older_than(folder, _ABANDONED_SECONDS)
        path = folder / uuid4().hex
        path.touch(exist_ok=False)  # With the permissions that the umask gives the object in the end.
        return path

    @cached_property
    def _root(self) -> Path:
        return Path(os.path.realpath(self.root))

    @cached_property
    def _digests(self) -> DigestCache:
        return DigestCache(self._root / ".etags", self._root / ".tmp")

    def _path(self, bucket: str, key: str) -> Path:
        """The file of a key, which need not exist; refused where a symbolic link leads out of the root."""
        path = self._root / bucket / key
        target = Path(os.path.realpath(path))
        if not self._is_inside(target):
            raise AccessRefused(
                f"{path} is refused: a symbolic link leads to {target}, outside {self._root}."
            )
        return path

    def _is_inside(self, path: Path) -> bool:
        """Whether a resolved path lies in a bucket of this root, and is none of the store's own files."""
        if not path.is_relative_to(self._root):
            return False
        parts = path.relative_to(self._root).parts
        return bool(parts) and not parts[0].startswith(".")

    def _info(self, bucket: str, key: str, path: Path) -> ObjectInfo | None:
        try:
            if not is_file(path):
                return None
            etag, status = self._digests.md5(path, f"{bucket}/{key}")
        except FileNotFoundError:  # Removed since it was listed.
            return None
        return ObjectInfo(bucket, key, status.st_size, etag, datetime.fromtimestamp(status.st_mtime, UTC))

    def _check(self, condition: Condition, bucket: str, key: str) -> None:
        if condition.is_empty:
            return
        present = self._head(bucket, key)
        etag = present.etag if present else None
        if etag != condition.if_match:  # None, too, where the condition is that no object is there.
            raise PreconditionFailed(condition.refusal(self._uri(bucket, key)))

    @contextmanager
    def _locked(self, bucket: str, key: str) -> Iterator[None]:
        """Exclude every other writer of the key, in any process and thread, for the moment of publishing."""
        folder = self._root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        stripe = zlib.crc32(f"{bucket}/{key}".encode()) % _LOCK_STRIPES
        with (folder / f"{stripe:02x}").open("ab") as file:
            try:
                for attempt in Retrying(
                    retry=retry_if_exception_type(BlockingIOError),
                    wait=wait_random(0.001, 0.01),
                    stop=stop_after_delay(LOCK_SECONDS),
                ):
                    with attempt:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except RetryError:
                raise StoreUnavailable(
                    f"{self._uri(bucket, key)} has been locked by another process for {LOCK_SECONDS} s; "
                    f"find the process that has {file.name} open (fuser), and let it go on or end it."
                ) from None
            yield
