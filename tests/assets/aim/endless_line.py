"""A stream with one line too long to hold, made up as it is read."""

import io


class EndlessLine(io.BytesIO):
    """`before`, then `length` letters without a line end, then `after`."""

    def __init__(self, before: bytes, length: int, after: bytes) -> None:
        super().__init__()
        self._head = io.BytesIO(before)
        self._left = length
        self._tail = io.BytesIO(after)
        self.largest_request = 0

    def readline(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "the whole line was asked for at once"
        self.largest_request = max(self.largest_request, size)
        if line := self._head.readline(size):
            return line
        if self._left:
            return self._letters(size)
        return self._tail.readline(size)

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size > 0, "the whole file was asked for at once"
        self.largest_request = max(self.largest_request, size)
        return self._head.read(size) or self._letters(size) or self._tail.read(size)

    def _letters(self, size: int) -> bytes:
        given = min(size, self._left)
        self._left -= given
        return b"x" * given
