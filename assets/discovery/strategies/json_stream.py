"""The elements of a JSON array, one after the other, without holding the array.

Not here: lines of JSON, which are read line by line (`table_rows`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NoReturn, TextIO

from assets.failures import PermanentFailure

_CHUNK: Final = 1 << 18
_LARGEST_ELEMENT: Final = 64 << 20
_BLANK: Final = " \t\n\r"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
"""Python's own, which would take NaN and infinities."""


def json_elements(text: TextIO, path: Path) -> Iterator[Any]:
    """The elements of the array that the text is.

    Raises:
        PermanentFailure: it is no array, breaks off, or has an element of more than 64 million characters.
    """
    array = _Array(text, path)
    array.expect("[")
    if array.peek() == "]":
        array.expect("]")
    else:
        yield array.value()
        while array.expect(",]") == ",":
            yield array.value()
    if rest := array.peek():
        array.refuse(f"{rest!r} after the end of the array")


class _Array:
    """An array being read: what is in memory of it, and how many elements came before."""

    def __init__(self, text: TextIO, path: Path) -> None:
        self._text, self._path = text, path
        self._buffer, self._at, self._elements = "", 0, 0

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._buffer):
                if self._buffer[self._at] not in _BLANK:
                    return self._buffer[self._at]
                self._at += 1
            if not self._read_on():
                return ""

    def expect(self, allowed: str) -> str:
        """Take the next character, which must be one of those."""
        found = self.peek()
        if not found or found not in allowed:
            wanted = " or ".join(allowed)
            self.refuse(f"{wanted} expected, but {repr(found) if found else 'the file ends'}")
        self._at += 1
        return found

    def value(self) -> Any:
        """Take the next value."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                if len(self._buffer) - self._at > _LARGEST_ELEMENT or not self._read_on():
                    self.refuse(str(error))
            else:
                # A number at the end of what was read may have more digits.
                if end == len(self._buffer) and self._read_on():
                    continue
                self._at = end
                self._elements += 1
                return value

    def refuse(self, reason: str) -> NoReturn:
        raise PermanentFailure(
            f"The table {self._path} is no JSON array after {self._elements} elements ({reason}); "
            "write it again, or name its format in the job."
        )

    def _read_on(self) -> bool:
        """Twice as much each time, so that a long element is not tried too often."""
        chunk = self._text.read(max(_CHUNK, len(self._buffer) - self._at))
        self._buffer, self._at = self._buffer[self._at :] + chunk, 0
        return bool(chunk)
