"""Objects as files: `root/<bucket>/<key>`, the same tree that a synchronised bucket has.

Beside the buckets lie `.tmp` (unpublished writes), `.locks` and `.etags` (see `digests`); no bucket can have
such a name.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from resources.object_store.digests import DigestCache, Digests
from resources.object_store.directory import DirectoryObjectStore
from resources.object_store.files import create, remove_older_than
from resources.object_store.locks import locked

_LOCK_STRIPES = 256  # Enough that two keys seldom share a lock, few enough to need no cleaning.
_ABANDONED_SECONDS = 24 * 3600  # A killed writer leaves its temporary; none is silent that long and alive.


class LocalObjectStore(DirectoryObjectStore):
    """Objects in a directory that holds the buckets."""

    def _folder(self, bucket: str) -> Path:
        return self._root / bucket

    def _is_inside(self, path: Path) -> bool:
        """Whether a resolved path lies in a bucket of this root, and is none of the store's own files."""
        if not path.is_relative_to(self._root):
            return False
        parts = path.relative_to(self._root).parts
        return bool(parts) and not parts[0].startswith(".")

    def _new_spool(self, bucket: str, key: str) -> Path:
        folder = self._root / ".tmp"
        path = folder / uuid4().hex
        create(path)
        remove_older_than(folder, _ABANDONED_SECONDS)
        return path

    def _new_digests(self) -> Digests:
        return DigestCache(self._root / ".etags", self._root / ".tmp")

    @contextmanager
    def _locked(self, bucket: str, key: str) -> Iterator[None]:
        folder = self._root / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        stripe = zlib.crc32(f"{bucket}/{key}".encode()) % _LOCK_STRIPES
        with locked(folder / f"{stripe:02x}", self._uri(bucket, key), leave_file=True):
            yield
