"""An object store in memory, as far as the market pipeline needs one (`published.Store`)."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryObject:
    """What the store knows of an object."""

    size: int
    etag: str


class MemoryStore:
    """Buckets and keys in a dictionary; etags depend on content only, as in a directory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}
        self.bytes_read = 0

    def head(self, bucket: str, key: str) -> MemoryObject | None:
        data = self.objects.get((bucket, key))
        if data is None:
            return None
        return MemoryObject(len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())

    def read_bytes(self, bucket: str, key: str) -> bytes:
        data = self._content(bucket, key)
        self.bytes_read += len(data)
        return data

    def read_range(self, bucket: str, key: str, start: int, length: int) -> bytes:
        data = self._content(bucket, key)
        first = start if start >= 0 else max(0, len(data) + start)
        self.bytes_read += len(data[first : first + length])
        return data[first : first + length]

    def put_bytes(self, bucket: str, key: str, data: bytes) -> MemoryObject:
        self.objects[bucket, key] = data
        written = self.head(bucket, key)
        assert written is not None
        return written

    def uri(self, bucket: str, key: str) -> str:
        return f"memory://{bucket}/{key}"

    def _content(self, bucket: str, key: str) -> bytes:
        if (bucket, key) not in self.objects:
            raise FileNotFoundError(self.uri(bucket, key))
        return self.objects[bucket, key]
