"""Comma-separated records (RFC 4180, UTF-8) from a stream, where one bad record costs only itself.

Memory is bounded by what is kept: a line of a gigabyte is passed over in pieces. The standard library's
parser reads 200,000 rows in well under a second, and unlike a whole-file parser it says which line is wrong
and goes on after it. Not here: what the fields mean (`feeds`, `runlist`, `reference`).
"""

import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

MAX_LINE_BYTES: Final = 1 << 20
"""No line of an input comes near 1 MiB; one that does has lost its line ends."""

MAX_KEPT_REJECTIONS: Final = 10_000
"""1 % of a million rows. Beyond that rejections are counted, not kept."""

_BOM: Final = b"\xef\xbb\xbf"


class Rejection(NamedTuple):
    """A record that was left out: the line it begins on, from 1, and what is wrong with it (a predicate)."""

    line: int
    reason: str


class Rejections:
    """The records of one file that were left out."""

    def __init__(self) -> None:
        self.count = 0
        self.kept: list[Rejection] = []

    def add(self, line: int, reason: str) -> None:
        """Count a rejection, and keep it while there are few."""
        self.count += 1
        if len(self.kept) < MAX_KEPT_REJECTIONS:
            self.kept.append(Rejection(line, reason))


class CsvRecords(Iterator[list[str]]):
    """The records of a file; blank lines are none.

    After each record, `line` is the line it began on. Lines that cannot be read, and records that the caller
    gives to `reject`, are added to `rejections`. Where such a record spans lines, as after a stray quote,
    only its first line is lost: the others are read again as records of their own. `first_foreign_line` is
    the first line that was no UTF-8 text.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.line = 0
        self.rejections = Rejections()
        self.first_foreign_line: int | None = None
        self._lines = _Lines(stream)
        self._reader = csv.reader(self._lines, strict=True)

    def __next__(self) -> list[str]:
        while True:
            self._lines.taken.clear()
            try:
                fields = next(self._reader)
            except (csv.Error, _UnreadableLine) as error:
                self._note_line()
                self._reject_unreadable(error)
                continue
            if len(fields) > 1 or (fields and fields[0].strip()):
                self._note_line()
                return fields

    def reject(self, reason: str) -> None:
        """Leave out the record that was given last."""
        self.rejections.add(self.line, reason)
        self._lines.give_back_all_but_the_first()

    def _reject_unreadable(self, error: Exception) -> None:
        if not isinstance(error, _UnreadableLine) or len(self._lines.taken) > 1:
            self.reject("has a stray quote or carriage return")
            return
        if isinstance(error, _ForeignLine) and self.first_foreign_line is None:
            self.first_foreign_line = self.line
        self.reject(str(error))

    def _note_line(self) -> None:
        self.line = self._lines.number - len(self._lines.taken) + 1


class _UnreadableLine(Exception):
    """A line that is no text, or too long to be one; never seen outside this module."""


class _ForeignLine(_UnreadableLine):
    """A line of another encoding."""


class _Lines(Iterator[str]):
    """Physical lines as text, with those `taken` for the current record remembered.

    It is a class, not a generator, because reading goes on after it raised.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._returned: deque[str | _UnreadableLine] = deque()
        self.taken: list[str | _UnreadableLine] = []
        self.number = 0

    def __next__(self) -> str:
        line = self._returned.popleft() if self._returned else self._read()
        self.number += 1
        self.taken.append(line)
        if isinstance(line, str):
            return line
        raise line

    def give_back_all_but_the_first(self) -> None:
        again = self.taken[1:]
        self._returned.extendleft(reversed(again))
        self.number -= len(again)
        self.taken = self.taken[:1]

    def _read(self) -> str | _UnreadableLine:
        raw = self._stream.readline(MAX_LINE_BYTES + 1)
        if not raw:
            raise StopIteration
        if self.number == 0:
            raw = raw.removeprefix(_BOM)
        if len(raw) > MAX_LINE_BYTES:
            while raw and not raw.endswith(b"\n"):
                raw = self._stream.readline(MAX_LINE_BYTES)
            return _UnreadableLine(f"is longer than {MAX_LINE_BYTES:,} bytes")
        if b"\0" in raw:
            return _ForeignLine("holds a NUL, as text in UTF-16 does")
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            return _ForeignLine(f"is not UTF-8 from its byte {error.start + 1} on")
