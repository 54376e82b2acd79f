"""The values that go into and come out of an object store."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as it was when asked for.

    `size` is in bytes; `modified` is in UTC and carries its zone. `etag` is the MD5 of the content in
    hexadecimal for every object that was put in one piece, which is how all variants write. An object that
    another tool put into S3 in parts or under a KMS key, or composed on GCS, has the opaque etag of its
    store.
    """

    bucket: str
    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class ScanSource:
    """Where Polars finds an object: `pl.scan_parquet(uri, storage_options=storage_options, glob=False)`.

    The options hold endpoint and region, never a credential: Polars looks those up itself, as the clients do.
    """

    uri: str
    storage_options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of the key at the moment of writing. Neither named: nothing must."""

    if_absent: bool = False
    if_match: str | None = None

    def __post_init__(self) -> None:
        if self.if_absent and self.if_match is not None:
            raise ValueError("A write cannot ask for if_absent and if_match together: name one of the two.")

    @property
    def is_empty(self) -> bool:
        """Whether the write is unconditional."""
        return not self.if_absent and self.if_match is None

    def refusal(self, location: str) -> str:
        """The sentence for a write whose condition did not hold."""
        if self.if_absent:
            return f"{location} exists already; it was to be written only if absent."
        return f"{location} no longer has etag {self.if_match}, which was to be replaced; read it again."


@dataclass(frozen=True)
class Spool:
    """The whole content of an object in a file of this machine, closed and not yet published."""

    path: Path

    @cached_property
    def size(self) -> int:
        """Bytes."""
        return self.path.stat().st_size

    @cached_property
    def _md5(self) -> bytes:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, new_md5).digest()

    @property
    def etag(self) -> str:
        """The MD5 in hexadecimal: the etag the object will have."""
        return self._md5.hex()

    @property
    def content_md5(self) -> str:
        """The MD5 in base64, as HTTP's Content-MD5 and GCS's md5Hash want it."""
        return base64.b64encode(self._md5).decode("ascii")


def new_md5() -> "hashlib._Hash":
    """An MD5 that identifies content and guards nothing, and so exists on FIPS machines too."""
    return hashlib.md5(usedforsecurity=False)
