"""The one handle for objects in buckets, and everything that its variants have in common.

The public methods check names, spool what is written, and translate a client's errors; a variant supplies the
hooks below them, each about one call to its store. Not here: any client library, and what objects mean.
"""

import io
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TypeAlias

import dagster as dg

from resources.object_store.errors import ObjectNotFound
from resources.object_store.names import check_bucket, check_key, check_prefix, is_key
from resources.object_store.ranged_reader import Fetch, RangedReader
from resources.object_store.values import Condition, ObjectInfo, ScanSource, Spool

READ_AHEAD_BYTES = 8 * 1024 * 1024

# The class below has a method `list`, which would hide the built-in in its own annotations.
Listing: TypeAlias = list[ObjectInfo]
Keys: TypeAlias = list[str]


class ObjectStore(dg.ConfigurableResource, ABC):
    """Objects in buckets: the same promises on a directory, on S3 and on GCS.

    An object changes as a whole or not at all, and no reader ever sees half of one. A store is configuration
    only: it opens clients when first used, so it can be built without a network and pickled to another
    process. Any method may raise `AccessRefused` or `StoreUnavailable`, and `InvalidKey` for a name that
    `names` refuses.
    """

    def list(self, bucket: str, prefix: str = "") -> Listing:
        """All objects whose key begins with `prefix`, sorted by key; every page is fetched.

        Keys that `names` would refuse (folder markers, say) are left out. A bucket that does not exist raises
        `ObjectNotFound` on S3 and GCS; in a directory, where the first write makes a bucket, it is empty.
        There the first listing also reads every file, for its etag; later ones read those that changed.
        """
        check_bucket(bucket)
        check_prefix(prefix)
        with self._translating(self._uri(bucket, prefix)):
            found = [info for info in self._list(bucket, prefix) if is_key(info.key)]
        return sorted(found, key=lambda info: info.key)

    def list_keys(self, bucket: str, prefix: str = "") -> Keys:
        """The keys of `list`, in the same order, without reading any content."""
        check_bucket(bucket)
        check_prefix(prefix)
        with self._translating(self._uri(bucket, prefix)):
            return sorted(key for key in self._list_keys(bucket, prefix) if is_key(key))

    def head(self, bucket: str, key: str) -> ObjectInfo | None:
        """What is known of the object without reading it, or None if it does not exist."""
        with self._translating(self.uri(bucket, key)):
            return self._head(bucket, key)

    @contextmanager
    def open_read(self, bucket: str, key: str) -> Iterator[BinaryIO]:
        """The object as a seekable binary file, fetched piece by piece as it is read.

        The bytes are those of one version. A replacement meanwhile is not seen on a disk, and raises
        `PreconditionFailed` on S3 and GCS, where the older bytes are gone. Raises `ObjectNotFound`.
        """
        with self._reader(bucket, key, READ_AHEAD_BYTES) as reader:
            yield reader

    def read_bytes(self, bucket: str, key: str) -> bytes:
        """The whole content. Raises `ObjectNotFound`."""
        with self._reader(bucket, key, READ_AHEAD_BYTES) as reader:
            return reader.read()

    def read_range(self, bucket: str, key: str, start: int, length: int) -> bytes:
        """Up to `length` bytes from `start`, where a negative `start` counts from the end (Parquet footers).

        Bytes outside the object are left out, not refused. Raises `ObjectNotFound`.
        """
        if length < 0:
            raise ValueError(f"A range cannot have {length} bytes: the length must be 0 or more.")
        with self._reader(bucket, key, min(max(length, 1), READ_AHEAD_BYTES)) as reader:
            size = reader.seek(0, os.SEEK_END)
            reader.seek(start if start >= 0 else max(0, size + start))
            return reader.read(length)

    @contextmanager
    def open_write(
        self, bucket: str, key: str, *, if_absent: bool = False, if_match: str | None = None
    ) -> Iterator[BinaryIO]:
        """A seekable file for the new content, which becomes the object when the block ends without error.

        `if_absent` publishes only where no object is, `if_match` only over the object with that etag.
        Otherwise it raises `PreconditionFailed`; of several writers with the same condition exactly one
        succeeds.
        """
        condition = Condition(if_absent, if_match)
        with self._spool(bucket, key) as spool:
            with spool.path.open("w+b") as file:
                yield file
            with self._translating(self.uri(bucket, key)):
                self._publish(bucket, key, spool, condition)

    def put_bytes(
        self, bucket: str, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """Write `data` as the whole object, under the conditions of `open_write`; say what was written."""
        condition = Condition(if_absent, if_match)
        with self._spool(bucket, key) as spool:
            spool.path.write_bytes(data)
            with self._translating(self.uri(bucket, key)):
                return self._publish(bucket, key, spool, condition)

    def delete(self, bucket: str, key: str) -> None:
        """Remove the object; one that does not exist is already removed."""
        with self._translating(self.uri(bucket, key)):
            self._delete(bucket, key)

    def scan_source(self, bucket: str, key: str) -> ScanSource:
        """Where Polars can scan the object lazily. Whether it exists is for the scan to find out."""
        with self._translating(self.uri(bucket, key)):
            return self._scan_source(bucket, key)

    def uri(self, bucket: str, key: str) -> str:
        """The object's location as people write it: `s3://…`, `gs://…`, or a path."""
        check_bucket(bucket)
        check_key(key)
        return self._uri(bucket, key)

    @abstractmethod
    def _uri(self, bucket: str, key: str) -> str: ...

    @abstractmethod
    def _list(self, bucket: str, prefix: str) -> Iterable[ObjectInfo]: ...

    def _list_keys(self, bucket: str, prefix: str) -> Iterable[str]:
        return (info.key for info in self._list(bucket, prefix))

    @abstractmethod
    def _head(self, bucket: str, key: str) -> ObjectInfo | None: ...

    @abstractmethod
    def _open(self, bucket: str, key: str) -> io.RawIOBase | None:
        """An unbuffered, seekable reader of one version; None if the object does not exist."""

    @abstractmethod
    def _publish(self, bucket: str, key: str, spool: Spool, condition: Condition) -> ObjectInfo:
        """Make the spool the object in one step if the condition holds, or raise `PreconditionFailed`."""

    @abstractmethod
    def _delete(self, bucket: str, key: str) -> None: ...

    @abstractmethod
    def _scan_source(self, bucket: str, key: str) -> ScanSource: ...

    @abstractmethod
    def _translate(self, error: Exception, location: str) -> Exception | None:
        """The error of this package that a client's exception means; None for one it does not know."""

    def _new_spool(self, bucket: str, key: str) -> Path:
        """An empty file, private to this user, to spool into."""
        descriptor, path = tempfile.mkstemp(prefix="quintet-")
        os.close(descriptor)
        return Path(path)

    def _end_spool(self, path: Path) -> None:
        """Remove the file, which is gone where publishing moved it."""
        path.unlink(missing_ok=True)

    @contextmanager
    def _spool(self, bucket: str, key: str) -> Iterator[Spool]:
        with self._translating(self.uri(bucket, key)):
            spool = Spool(self._new_spool(bucket, key))
        try:
            yield spool
        finally:
            self._end_spool(spool.path)

    @contextmanager
    def _reader(self, bucket: str, key: str, read_ahead: int) -> Iterator[BinaryIO]:
        location = self.uri(bucket, key)
        with self._translating(location):
            raw = self._open(bucket, key)
        if raw is None:
            raise ObjectNotFound(f"{location} does not exist.")
        with io.BufferedReader(raw, read_ahead) as reader:
            yield reader

    def _ranged_reader(self, location: str, size: int, fetch: Fetch) -> RangedReader:
        return RangedReader(size, partial(self._fetch, location, fetch))

    def _fetch(self, location: str, fetch: Fetch, start: int, length: int) -> bytes:
        with self._translating(location):
            return fetch(start, length)

    @contextmanager
    def _translating(self, location: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            translated = self._translate(error, location)
            if translated is None:
                raise
            raise translated from error

    def __reduce__(self) -> "tuple[Callable[..., ObjectStore], tuple[type[ObjectStore], dict[str, object]]]":
        # Dagster's own metadata on a resource cannot be pickled (1.13.27); the fields say everything.
        return _restore, (type(self), {name: getattr(self, name) for name in type(self).model_fields})


def _restore(variant: type[ObjectStore], fields: dict[str, object]) -> ObjectStore:
    return variant(**fields)
