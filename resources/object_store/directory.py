"""Objects as files: everything that the two stores in directories have in common.

Not here: where a bucket lies, and where a store keeps what is not an object, which is each store's own. POSIX
only: both rely on rename, flock and fsync.
"""

import io
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pydantic import Field

from resources.object_store.base import ObjectStore
from resources.object_store.digests import Digests
from resources.object_store.errors import AccessRefused, InvalidKey, ObjectNotFound, PreconditionFailed
from resources.object_store.files import is_file, move, remove, remove_empty_folders, sync, walk
from resources.object_store.values import Condition, ObjectInfo, ScanSource, Spool


class DirectoryObjectStore(ObjectStore):
    """Objects in a directory of this machine, safe between processes that all write through its class.

    Symbolic links may lead anywhere inside `root`; those that leave it are refused, and left out of listings.
    A name is a file or a folder, so beside the object `a` there can be no object `a/b` (`InvalidKey`).
    """

    root: str = Field(description="The folder that holds everything; made by the first write.")

    @abstractmethod
    def _folder(self, bucket: str) -> Path:
        """Where the objects of a bucket lie, each at its key."""

    @abstractmethod
    def _is_inside(self, path: Path) -> bool:
        """Whether an object or a folder of objects may lie at a resolved path."""

    @abstractmethod
    def _locked(self, bucket: str, key: str) -> AbstractContextManager[None]:
        """Exclude every other writer of the key, in any process and thread, for the moment of publishing."""

    @abstractmethod
    def _new_digests(self) -> Digests: ...

    def _uri(self, bucket: str, key: str) -> str:
        return str(self._folder(bucket) / key)

    def _list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for key, path in self._found(bucket, prefix):
            if info := self._info(bucket, key, path):
                yield info

    def _list_keys(self, bucket: str, prefix: str) -> Iterable[str]:
        return (key for key, path in self._found(bucket, prefix) if is_file(path))

    def _found(self, bucket: str, prefix: str) -> Iterator[tuple[str, Path]]:
        """Every key with the prefix and what lies there, which need not be a regular file."""
        folder = prefix.rpartition("/")[0]
        start = Path(os.path.realpath(self._folder(bucket) / folder))
        if self._is_inside(start) and start.is_dir():
            yield from walk(start, f"{folder}/" if folder else "", prefix, self._is_inside)

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
        # A delete beside us may have removed it, and its folder too.
        with suppress(FileNotFoundError), self._locked(bucket, key):
            remove(path)
        remove_empty_folders(path.parent, self._folder(bucket))
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

    @cached_property
    def _digests(self) -> Digests:
        return self._new_digests()

    @cached_property
    def _root(self) -> Path:
        return Path(os.path.realpath(self.root))

    def _path(self, bucket: str, key: str) -> Path:
        """The file of a key, which need not exist; refused where a symbolic link leads out of the root."""
        path = self._folder(bucket) / key
        target = Path(os.path.realpath(path))
        if not self._is_inside(target):
            raise AccessRefused(
                f"{path} is refused: a symbolic link leads to {target}, outside {self._root}."
            )
        return path

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
