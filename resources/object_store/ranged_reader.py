"""A file-like view of a remote object that is read by byte ranges of one fixed version.

Ranges, rather than one long response, make the reader seekable (Parquet begins at the footer), keep memory at
one read-ahead buffer, and let a dropped connection cost one range instead of the whole download.
"""

import io
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Fetch = Callable[[int, int], bytes]
"""`fetch(start, length)` returns exactly those bytes of the version it is bound to, or raises."""

_LARGEST_RANGE = 64 * 1024 * 1024  # What one broken response can cost.


class RangedReader(io.RawIOBase):
    """An unbuffered reader of `size` bytes, for `io.BufferedReader`, whose buffer is then the range size."""

    def __init__(self, size: int, fetch: Fetch) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._position = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"Position {base + offset} lies before the beginning of the object.")
        self._position = base + offset
        return self._position

    @override
    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        data = self._next_range(len(view))
        view[: len(data)] = data
        return len(data)

    @override
    def readall(self) -> bytes:
        # The inherited method asks for the rest of the object in ranges of 8 KiB.
        return b"".join(iter(lambda: self._next_range(_LARGEST_RANGE), b""))

    def _next_range(self, most: int) -> bytes:
        length = min(most, _LARGEST_RANGE, self._size - self._position)
        if length <= 0:
            return b""
        data = self._fetch(self._position, length)
        self._position += len(data)
        return data
