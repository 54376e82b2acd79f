"""How files pass between a Spark engine and the object store.

An engine on this machine reads the files of a directory store where they lie, and copies of a cloud's
objects; what it writes goes to a folder of this machine. An engine elsewhere reads and writes a cloud's
bucket itself, by address. With a directory store it must see the same disk, as the processes of a cluster
on one machine do. Either way what it wrote becomes an object only by `publish`, atomically.
"""

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from resources.object_store import ObjectStore
from resources.object_store.directory import DirectoryObjectStore

_TRANSFERS = 8
_CHUNK_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Written:
    """A file of rows that an engine wrote: its path inside the folder, folders of columns included."""

    path: str
    size: int
    """Bytes."""


class EngineFiles(ABC):
    """The files of one run on one engine."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @abstractmethod
    def readable(self, objects: Sequence[tuple[str, str]]) -> list[str]:
        """Where the engine reads these objects, each given as bucket and key, in the same order."""

    @abstractmethod
    def scratch(self, name: str) -> str:
        """A folder that does not exist yet, for the engine to write to and read from."""

    @abstractmethod
    def written(self, folder: str) -> list[Written]:
        """The files of rows below a scratch folder, by path; none where the engine wrote nothing."""

    def publish(self, folder: str, written: Written, bucket: str, key: str) -> None:
        """Make a file of a scratch folder the object of that key, with `Written.size` bytes."""
        with self._open(folder, written) as source, self._store.open_write(bucket, key) as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)

    @contextmanager
    @abstractmethod
    def _open(self, folder: str, written: Written) -> Iterator[BinaryIO]: ...


@contextmanager
def files_of_engine(
    store: ObjectStore, *, work_folder: str, elsewhere: tuple[str, str] | None
) -> Iterator[EngineFiles]:
    """The files of a run; `elsewhere` is the bucket and prefix for an engine that is not on this machine."""
    if elsewhere is not None and not isinstance(store, DirectoryObjectStore):
        files = _FilesInBucket(store, *elsewhere)
        try:
            yield files
        finally:
            files.remove()
        return
    Path(work_folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="spark-", dir=work_folder, ignore_cleanup_errors=True) as folder:
        yield _FilesOnDisk(store, Path(folder))


class _FilesOnDisk(EngineFiles):
    def __init__(self, store: ObjectStore, folder: Path) -> None:
        super().__init__(store)
        self._folder = folder

    def readable(self, objects: Sequence[tuple[str, str]]) -> list[str]:
        if isinstance(self._store, DirectoryObjectStore):
            return [self._store.scan_source(*address).uri for address in objects]
        with ThreadPoolExecutor(_TRANSFERS) as pool:
            return list(pool.map(self._copy, objects))

    def scratch(self, name: str) -> str:
        return str(self._folder / f"{name}-{uuid4().hex[:8]}")

    def written(self, folder: str) -> list[Written]:
        root = Path(folder)
        found = ((path.relative_to(root).as_posix(), path) for path in root.rglob("*") if path.is_file())
        return sorted(Written(path, file.stat().st_size) for path, file in found if _holds_rows(path))

    @contextmanager
    def _open(self, folder: str, written: Written) -> Iterator[BinaryIO]:
        with Path(folder, written.path).open("rb") as file:
            yield file

    def _copy(self, address: tuple[str, str]) -> str:
        bucket, key = address
        # The key's own folders may look like columns to an engine; the end says how the file is compressed.
        copy = self._folder / "inputs" / f"{uuid4().hex}-{key.rpartition('/')[2]}"
        copy.parent.mkdir(exist_ok=True)
        with self._store.open_read(bucket, key) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK_BYTES)
        return str(copy)


class _FilesInBucket(EngineFiles):
    def __init__(self, store: ObjectStore, bucket: str, prefix: str) -> None:
        super().__init__(store)
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/{uuid4().hex}"

    def readable(self, objects: Sequence[tuple[str, str]]) -> list[str]:
        return [_address(self._store.uri(*address)) for address in objects]

    def scratch(self, name: str) -> str:
        return _address(self._store.uri(self._bucket, f"{self._prefix}/{name}-{uuid4().hex[:8]}"))

    def written(self, folder: str) -> list[Written]:
        root = f"{self._key(folder)}/"
        found = self._store.list(self._bucket, root)
        return [Written(info.key.removeprefix(root), info.size) for info in found if _holds_rows(info.key)]

    @contextmanager
    def _open(self, folder: str, written: Written) -> Iterator[BinaryIO]:
        with self._store.open_read(self._bucket, f"{self._key(folder)}/{written.path}") as source:
            yield source

    def remove(self) -> None:
        for key in self._store.list_keys(self._bucket, f"{self._prefix}/"):
            self._store.delete(self._bucket, key)

    def _key(self, folder: str) -> str:
        return folder.partition("://")[2].partition("/")[2]


def _address(uri: str) -> str:
    """The address as engines know it: open-source Spark reads S3 as `s3a`."""
    return f"s3a://{uri.removeprefix('s3://')}" if uri.startswith("s3://") else uri


def _holds_rows(path: str) -> bool:
    """Whether it is no marker or checksum, which engines write beside the rows."""
    return not path.rpartition("/")[2].startswith(("_", "."))
