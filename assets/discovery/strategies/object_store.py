"""`object_store`: the objects of a bucket.

Not here: any client of a store; the handle comes with the question.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import ClassVar, Protocol

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.marking import USUAL, marks_every
from assets.discovery.strategies.params import ObjectStoreParams
from assets.failures import PermanentFailure, TransientFailure


class StoredObject(Protocol):
    """What a listing says of an object."""

    @property
    def key(self) -> str:
        """Its name in the bucket."""
        ...

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def etag(self) -> str:
        """Another one for another content; an MD5 only of what was put in one piece."""
        ...

    @property
    def modified(self) -> datetime:
        """In UTC, with its zone."""
        ...


class Store(Protocol):
    """What this strategy needs of the `object_store` resource."""

    def list(self, bucket: str, prefix: str = "") -> Sequence[StoredObject]:
        """All objects whose key begins with `prefix`, sorted by key."""
        ...

    def uri(self, bucket: str, key: str) -> str:
        """The object's location as people write it."""
        ...


class ObjectStore(BaseDiscovery):
    """The objects of a bucket, known as `bucket/key` and changed when their ETag is, in pages of 1,000.

    Keys come in the order of their UTF-8 bytes. Where new keys always sort last (`monotonic`), the cursor
    `{key}` is the last one read, and at most `max_pages` pages are read at a time. Otherwise every listing is
    complete: with no cursor to go on from, a cap on pages would hide the last objects for ever.
    """

    name: ClassVar[str] = "object_store"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the objects in the order of their keys.

        Raises:
            PermanentFailure: there is no such bucket, or it refuses us.
            TransientFailure: the store could not be reached.
        """
        params = ObjectStoreParams.model_validate(ask.params)
        if params.monotonic:
            yield from _new_objects(ask, params)
            return
        page = 1
        for number, found in enumerate(_listed(ask.object_store, params)):
            page = 1 + number // USUAL
            yield _candidate(ask.object_store, params.bucket, found)
        yield Mark(page=page, complete=True)


def _new_objects(ask: Ask, params: ObjectStoreParams) -> Iterator[Candidate | Mark]:
    last = (ask.cursor or {}).get("key", "")
    new = [found for found in _listed(ask.object_store, params) if found.key > last]
    if not new:
        yield Mark(ask.cursor, ask.validators)
        return
    allowed = new[: ask.max_pages * USUAL]
    for number, found in enumerate(allowed, start=1):
        yield _candidate(ask.object_store, params.bucket, found)
        if number % marks_every(ask) == 0 or number == len(allowed):
            yield Mark({"key": found.key}, page=1 + (number - 1) // USUAL)


def _listed(store: Store, params: ObjectStoreParams) -> Iterator[StoredObject]:
    place = f"the bucket {params.bucket} (prefix {params.prefix!r})"
    try:
        listed = store.list(params.bucket, params.prefix)
    except ConnectionError as error:
        raise TransientFailure(f"Listing {place} failed for now: {error}") from error
    except (OSError, ValueError) as error:
        raise PermanentFailure(
            f"Listing {place} is refused: {error} Check the bucket, the prefix and the permissions."
        ) from error
    # Python compares texts by code point, which is the order of their UTF-8 bytes.
    return iter(
        sorted((found for found in listed if found.key.endswith(params.suffix)), key=lambda found: found.key)
    )


def _candidate(store: Store, bucket: str, found: StoredObject) -> Candidate:
    data = {
        "bucket": bucket,
        "key": found.key,
        "bytes": found.size,
        "etag": found.etag,
        "modified": found.modified.isoformat(),
    }
    return Candidate(
        f"{bucket}/{found.key}",
        data,
        url=store.uri(bucket, found.key),
        title=found.key.rpartition("/")[2],
        content_hash=found.etag,
    )
