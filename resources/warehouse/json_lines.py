"""Files of JSON objects, one per line, as rows of declared columns.

The lines are split here and read by DuckDB's JSON functions, whichever warehouse the rows go to, so that a
line means the same in all of them. Not here: how rows get into a table.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import polars as pl

from resources.warehouse.columns import Schema, fields_of, fitted
from resources.warehouse.google_sql import duckdb_type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyarrow import RecordBatch, StringArray

BLOCK_BYTES: Final = 8 << 20
_ROWS_OF_A_FRAME: Final = 50_000
_RELATION: Final = "json_lines"
_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = b"\n"
_BLANKS: Final = b" \t\r"


class JsonLines:
    """The JSON objects of a file, read once, a block at a time.

    Every line that is a JSON object is a row; keys that the schema lacks are ignored, keys that a line lacks
    are null, and of a key that comes twice the first one counts. A value of another type is converted where
    it can be: numbers, booleans, objects and arrays to their text, texts to the numbers that they spell,
    fractions to the nearest integer (of two the even one). Where it cannot be, the value alone is null.

    Left out are blank lines, which nobody counts, and what is no JSON object in UTF-8: cut lines, two objects
    on a line, other values, and lines longer than a block, which are never held as a whole. A byte order mark
    is passed over. NaN, Infinity and a comma after the last entry are taken for JSON.
    """

    def __init__(self, stream: BinaryIO, schema: Schema, block_bytes: int = BLOCK_BYTES) -> None:
        self._stream = stream
        self._schema = schema
        self._block_bytes = block_bytes
        self._seen = 0
        self._error: BaseException | None = None
        self.rows = 0

    @property
    def left_out(self) -> int:
        """How many of the lines so far were no JSON objects; `rows` is to say how many were."""
        return self._seen - self.rows

    def frames(self) -> Iterator[pl.DataFrame]:
        """The rows as frames of the schema, in the order of the file."""
        import duckdb

        with duckdb.connect() as connection, self.selected(connection) as query:
            for batch in connection.execute(query).to_arrow_reader(_ROWS_OF_A_FRAME):
                frame = pl.DataFrame(batch)
                self.rows += frame.height
                yield fitted(_RELATION, frame, self._schema)

    @contextmanager
    def selected(self, connection: "DuckDBPyConnection") -> Iterator[str]:
        """A query of the rows, good once and while the block lasts. What the file raises is raised."""
        import pyarrow as pa

        batches = pa.RecordBatchReader.from_batches(pa.schema([("line", pa.string())]), self._caught())
        connection.register(_RELATION, batches)
        try:
            structure = json.dumps(_structure(self._schema))
            # By way of an array, or DuckDB reads each line twice: for the condition and for the columns.
            yield (
                f"SELECT UNNEST(object) FROM (SELECT UNNEST([TRY(json_transform(line, '{structure}'))]) "  # noqa: S608
                f"AS object FROM {_RELATION}) WHERE object IS NOT NULL"
            )
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
        finally:
            connection.unregister(_RELATION)

    def _caught(self) -> Iterator["RecordBatch"]:
        """The batches; an error is kept, for DuckDB would make one of its own of it."""
        try:
            for block in self._blocks():
                yield self._batch(block)
        except BaseException as error:
            self._error = error
            raise

    def _blocks(self) -> Iterator[bytes]:
        """Whole lines, with no line end after the last one."""
        is_first, is_overlong, rest = True, False, b""
        while chunk := self._stream.read(self._block_bytes):
            if is_first:
                chunk, is_first = chunk.removeprefix(_BOM), False
            whole, found, after = chunk.rpartition(_LINE_END)
            if found:
                if is_overlong:
                    _, _, whole = whole.partition(_LINE_END)
                yield rest + whole
                rest, is_overlong = after, False
            elif not is_overlong:
                rest += chunk
            if len(rest) > self._block_bytes:
                rest, is_overlong = b"", True
                self._seen += 1
        yield rest

    def _batch(self, block: bytes) -> "RecordBatch":
        import pyarrow as pa

        lines = _lines_in_place(block, self._block_bytes)
        if lines is None:
            texts = [line for line in block.split(_LINE_END) if line.strip(_BLANKS)]
            self._seen += len(texts)
            short = [line.strip(_BLANKS) for line in texts if len(line) <= self._block_bytes]
            lines = pa.array([text.decode() for text in short if _may_be_object(text)], pa.string())
        else:
            self._seen += len(lines)
        return pa.record_batch([lines], names=["line"])


def _lines_in_place(block: bytes, longest: int) -> "StringArray | None":
    """The lines without a copy, if all are UTF-8, begin with a brace and are short enough; else None."""
    import pyarrow as pa

    content = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(content == ord(_LINE_END))
    starts = np.concatenate(([0], ends + 1))
    if starts[-1] == len(block) or not (content[starts] == ord("{")).all():
        return None
    offsets = np.append(starts, len(block)).astype(np.int32)
    if np.diff(offsets).max() > longest:
        return None
    lines = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(block))
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return lines


def _may_be_object(text: bytes) -> bool:
    try:
        return text.decode().startswith("{")
    except UnicodeDecodeError:
        return False


def _structure(schema: Schema) -> dict[str, Any]:
    """The columns as DuckDB's JSON functions are told them."""
    return {name: _structure_of(google_type) for name, google_type in schema.items()}


def _structure_of(google_type: str) -> Any:
    outer, inner = fields_of(google_type)
    match outer:
        case "ARRAY":
            return [_structure_of(inner[0][1])]
        case "STRUCT":
            return {name: _structure_of(kind) for name, kind in inner}
        case _:
            return duckdb_type(google_type)
