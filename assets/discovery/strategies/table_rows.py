"""The rows of a table in a file, one after the other, whatever the format: memory holds a few at a time.

Not here: which rows are things, and where reading goes on (`table_file`).
"""

import codecs
import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn, cast

from assets.discovery.strategies.json_stream import DECODER, json_elements
from assets.discovery.strategies.json_values import json_value
from assets.failures import PermanentFailure

_BUFFER: Final = 1 << 18
_ROWS_AT_ONCE: Final = 1000
_COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}
_FORMATS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_UNDECODED: Final = re.compile("[\udc80-\udcff]")
"""What the error handler `surrogateescape` makes of bytes that are no text in the encoding."""

GROWING: Final = frozenset({"csv", "tsv", "jsonl"})
"""The formats to which rows are appended; every other has an end that a longer file overwrites."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file and how it is read; encoding and delimiter (`None`: the format's own) where it is text."""

    path: Path
    format: str
    encoding: str = "utf-8"
    delimiter: str | None = None


class Row(NamedTuple):
    """One row: what it says, or what is wrong with it."""

    position: str
    value: Any = None
    problem: str = ""
    is_ended: bool = True
    """False for a last row whose end is not there yet: it may be half written."""
    is_blank: bool = False
    """A line that is no row."""


def table_format(path: Path, given: str) -> str:
    """The format that is given, or for `auto` the one that the name of the file says.

    Raises:
        PermanentFailure: the name says none.
    """
    if given != "auto":
        return given
    name = path.with_suffix("") if path.suffix.lower() in _COMPRESSIONS else path
    if name.suffix.lower() not in _FORMATS:
        raise PermanentFailure(
            f"The format of the table {path} cannot be told from its name; write format: csv, tsv, jsonl, "
            "json, parquet or arrow in the job."
        )
    return _FORMATS[name.suffix.lower()]


def table_rows(table: Table, file: BinaryIO, size: int, columns: tuple[str, ...]) -> Generator[Row]:
    """The rows in the first `size` bytes of the file: what is appended while they are read waits.

    Raises:
        PermanentFailure: the header lacks one of `columns`, or the file is not of its format.
        OSError: it cannot be read, or its compression ends in the middle.
        UnicodeError: it cannot be decoded at all.
    """
    if table.format in {"parquet", "arrow"}:
        yield from _column_rows(table, file, columns)
        return
    content = _content(table.path, file, size)
    match table.format:
        case "csv" | "tsv":
            text = io.TextIOWrapper(content, _encoding(table), "surrogateescape", newline="")
            yield from _csv_rows(table, _Lines(text), columns)
        case "jsonl":
            yield from _json_line_rows(
                _Lines(io.TextIOWrapper(content, _encoding(table), "surrogateescape", newline="\n"))
            )
        case _:
            yield from _json_rows(io.TextIOWrapper(content, _encoding(table)), table.path)


class _First(io.RawIOBase):
    """The first bytes of a file, as if it ended there."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def _content(path: Path, file: BinaryIO, size: int) -> BinaryIO:
    """The bytes of the table, decompressed as the name of the file says."""
    raw = io.BufferedReader(_First(file, size), _BUFFER)
    compression = _COMPRESSIONS.get(path.suffix.lower())
    if compression is None:
        return raw
    import pyarrow as pa  # It costs 0.1 s, and only these files need it.

    # Unlike zstandard's own reader this one notices when the file ends in the middle of a frame.
    decompressed = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), compression)
    return io.BufferedReader(cast("io.RawIOBase", decompressed), _BUFFER)


def _encoding(table: Table) -> str:
    """The encoding of the job; UTF-8 with or without its byte order mark."""
    return "utf-8-sig" if codecs.lookup(table.encoding).name == "utf-8" else table.encoding


class _Lines:
    """The lines of a text, which remembers of the last ones whether they were whole and could be decoded."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.is_ended, self.are_over = True, False
        self._undecoded = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._text, None)
        if line is None:
            self.are_over = True
            raise StopIteration
        self.is_ended = line.endswith(("\n", "\r"))
        if not line.isascii() and _UNDECODED.search(line):
            self._undecoded = True
        return line

    def problem(self) -> str:
        """What is wrong with the lines since the last question."""
        undecoded, self._undecoded = self._undecoded, False
        return (
            f"it has bytes that are no {self._text.encoding}; name the file's encoding in the job"
            if undecoded
            else ""
        )


def _csv_rows(table: Table, lines: _Lines, columns: tuple[str, ...]) -> Iterator[Row]:
    """RFC 4180: values stay text, and a row may go over several lines."""
    delimiter = table.delimiter or ("\t" if table.format == "tsv" else ",")
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(table, reader, lines, columns)
    if header is None:
        return
    while True:
        position = f"line {reader.line_num + 1}"
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.problem()
            problem = (
                f"up to line {reader.line_num} it breaks the rules of quoting ({error}); close each quote"
            )
            yield Row(position, problem=problem, is_ended=not lines.are_over)
            continue
        problem = lines.problem()
        if not problem and fields and len(fields) != len(header):
            problem = (
                f"it has {len(fields)} fields and the header {len(header)}; quote fields that hold the "
                "delimiter, and write empty ones too"
            )
        value = dict(zip(header, fields, strict=False))
        yield Row(position, value, problem, lines.is_ended, is_blank=not fields)


def _header(
    table: Table, reader: Iterator[list[str]], lines: _Lines, columns: tuple[str, ...]
) -> list[str] | None:
    """The names of the columns; `None` for an empty file."""
    try:
        header = next((fields for fields in reader if fields), None)
    except csv.Error as error:
        raise PermanentFailure(
            f"The header of the table {table.path} breaks the rules of quoting ({error}); correct it."
        ) from None
    if header is None:
        return None
    if problem := lines.problem():
        raise PermanentFailure(f"The header of the table {table.path} cannot be used: {problem}.")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise PermanentFailure(
            f"The header of the table {table.path} names the column {twice[0]!r} twice; "
            "give each its own name."
        )
    _require(table.path, columns, header)
    return header


def _require(path: Path, columns: tuple[str, ...], header: list[str]) -> None:
    if missing := [column for column in columns if column not in header]:
        raise PermanentFailure(
            f"The table {path} has no column {missing[0]!r}, which the job names in key_columns; it has "
            f"{', '.join(map(repr, header))}."
        )


def _json_line_rows(lines: _Lines) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        text, problem = line.strip(), lines.problem()
        if not text:
            yield Row(f"line {number}", is_ended=lines.is_ended, is_blank=True)
        elif problem:
            yield Row(f"line {number}", problem=problem, is_ended=lines.is_ended)
        else:
            yield _json_line_row(f"line {number}", text, lines.is_ended)


def _json_line_row(position: str, text: str, is_ended: bool) -> Row:
    try:
        return Row(position, DECODER.decode(text), is_ended=is_ended)
    except (ValueError, RecursionError) as error:
        return Row(position, problem=f"it is no JSON ({error}); write one value per line", is_ended=is_ended)


def _json_rows(text: io.TextIOWrapper, path: Path) -> Iterator[Row]:
    for number, value in enumerate(json_elements(text, path), start=1):
        yield Row(f"element {number}", value)


def _column_rows(table: Table, file: BinaryIO, columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows of Parquet, Arrow IPC and Arrow streams, a thousand at a time."""
    import pyarrow as pa

    with _seekable(table.path, file) as content:
        try:
            names, batches = _batches(table.format, content)
            _require(table.path, columns, names)
            number = 0
            for batch in batches:
                for value in batch.to_pylist():
                    number += 1
                    yield _column_row(f"row {number}", value)
        except (pa.ArrowException, ValueError, OverflowError) as error:  # The latter for years after 9999.
            _refuse(table, error)


@contextmanager
def _seekable(path: Path, file: BinaryIO) -> Iterator[BinaryIO]:
    """The file, or one that holds it decompressed: these formats are read from their end."""
    if path.suffix.lower() not in _COMPRESSIONS:
        yield file
        return
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(_content(path, file, os.fstat(file.fileno()).st_size), whole, _BUFFER)
        whole.seek(0)
        yield whole


def _batches(format_: str, file: BinaryIO) -> tuple[list[str], Iterator[Any]]:
    """The names of the columns, and the rows in batches that are small."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if format_ == "parquet":
        parquet = pq.ParquetFile(file)
        return parquet.schema_arrow.names, parquet.iter_batches(_ROWS_AT_ONCE)
    if file.read(6) == b"ARROW1":
        file.seek(0)
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        file.seek(0)
        reader = pa.ipc.open_stream(file)
        batches = iter(reader)
    return reader.schema.names, (part for batch in batches for part in _parts(batch))


def _parts(batch: Any) -> Iterator[Any]:
    return (batch.slice(start, _ROWS_AT_ONCE) for start in range(0, batch.num_rows, _ROWS_AT_ONCE))


def _column_row(position: str, value: Any) -> Row:
    try:
        return Row(position, json_value(value))
    except ValueError as error:
        return Row(position, problem=str(error))


def _refuse(table: Table, error: Exception) -> NoReturn:
    raise PermanentFailure(
        f"The table {table.path} is no {table.format} ({' '.join(str(error).split())}); "
        "name its format in the job, or write the file again."
    ) from None
