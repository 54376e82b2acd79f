"""Raw objects as finished lines: which output each of their lines goes to, and the text that stands there.

Workers read the objects through the store and follow the rule for one line (`raw_records`) itself, so all
engines agree with it. Only a decryption that the engine does in SQL comes between two maps.

Not here: writing the lines and counting them (`stages.transformed_lines`).
"""

import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from uuid import uuid4

from assets.dwh.decryptor import Decrypted, Decryptor, SqlFunction
from assets.dwh.raw_records import Dropped, Encrypted, Kept, located, numbered_lines, transformed, with_places
from assets.failures import PermanentFailure, QuintetFailure, TransientFailure

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

DROPPED: Final = "_dropped"
"""The category of lines that give no row."""

READ: Final = "_read"
"""The category of the one entry for each object that was read, which is no line."""

_OBJECTS: Final = "bucket string, key string, begins long"
_FINISHED: Final = (
    "category string, day string, reason string, begins long, unit string, nth long, size long, value string"
)
_LOCATED: Final = (
    "category string, day string, reason string, begins long, nth long, size long, value string, "
    "if_failed string, image_view string, image_id string, image_data string"
)
_OBJECTS_OF_A_TASK: Final = 8
_BATCH_BYTES: Final = 8 * 1024 * 1024

# Compact, and as UTF-8 instead of escapes. Records are trees, so there is no circle to look for.
_json: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


class RawReader(Protocol):
    """Reads stored objects. It is sent to workers, so it can be pickled; every object store is one."""

    def read_bytes(self, bucket: str, key: str) -> bytes:
        """The content of an object; raises OSError if it cannot be read."""
        ...


class RawObjectUnreadable(PermanentFailure):
    """A raw object is not what its name says, or is not there, or may not be read."""


class RawObjectOutOfReach(TransientFailure):
    """The store did not answer for a raw object."""


@dataclass(frozen=True, slots=True, order=True)
class RawObject:
    """A raw object, and when its prefix begins."""

    bucket: str
    key: str
    begins: datetime


@dataclass(frozen=True, slots=True)
class LineRule:
    """How the lines of a run are read."""

    reader: RawReader
    decryptor: Decryptor | SqlFunction
    timezone: str
    interval_minutes: int
    run_day: date
    """The day under which dropped records are filed."""


class _Line(NamedTuple):
    """A finished line, numbered and measured later. For an object these are its records, bytes and key."""

    category: str
    day: str
    reason: str | None
    begins: int
    nth: int | None
    size: int | None
    value: str


def finished_lines(
    session: "SparkSession", objects: Sequence[RawObject], rule: LineRule, most_tasks: int = 16
) -> "DataFrame":
    """All lines of the objects, each once, and one `READ` entry for each object. Computed again at each use.

    The work is cut into at most `most_tasks` tasks; each holds an object and 8 MiB of its lines.

    | column | |
    |---|---|
    | category, day | the output: a category or `DROPPED`; the row day, or the run day of dropped ones |
    | reason | why it was dropped, null if it was not |
    | begins | when the prefix of its object begins, in seconds since 1970 |
    | unit, nth | its place, from 0, among the lines of the same output in the same unit of work |
    | size | the bytes of the text with its line end |
    | value | the text: JSON of a transformed or dropped record |

    A `READ` entry has the key of its object as `unit`, its records as `nth` and its stored bytes as `size`.
    An object that cannot be read fails whatever uses the frame; `failure_of` knows the error.
    """
    from pyspark.sql import functions as sf

    frame = _object_frame(session, objects, most_tasks)
    decryptor = rule.decryptor
    if not isinstance(decryptor, SqlFunction):
        return frame.mapInArrow(partial(_transformed_batches, rule=rule, decryptor=decryptor), _FINISHED)
    encrypted = frame.mapInArrow(partial(_located_batches, rule=rule), _LOCATED)
    images = ("image_view", "image_id", "image_data")
    places = sf.call_function(decryptor.name, *map(sf.col, images)).alias("places")
    return (
        encrypted.select("*", places)
        .drop(*images)
        .mapInArrow(partial(_decrypted_batches, run_day=rule.run_day.isoformat()), _FINISHED)
    )


def failure_of(error: Exception) -> QuintetFailure | None:
    """The failure of a worker to read an object, which an engine wraps in an error of its own; else None."""
    match = re.search(r"(RawObjectUnreadable|RawObjectOutOfReach): (Raw object .+)", str(error))
    if match is None:
        return None
    kind = RawObjectUnreadable if match[1] == "RawObjectUnreadable" else RawObjectOutOfReach
    return kind(match[2].strip())


def _object_frame(session: "SparkSession", objects: Sequence[RawObject], most_tasks: int) -> "DataFrame":
    """The objects, spread evenly over tasks."""
    rows = [(found.bucket, found.key, int(found.begins.timestamp())) for found in objects]
    tasks = min(-(-len(rows) // _OBJECTS_OF_A_TASK), most_tasks)
    return session.createDataFrame(rows, _OBJECTS).repartition(max(1, tasks))


def _transformed_batches(
    batches: Iterable["pa.RecordBatch"], rule: LineRule, decryptor: Decryptor
) -> Iterator["pa.RecordBatch"]:
    """Finished lines of a frame of objects, by a decryptor in Python."""

    def finished() -> Iterator[_Line]:
        for found in _read_objects(batches, rule.reader):
            for number, line in numbered_lines(found.content):
                outcome = transformed(line, decryptor, rule.timezone, rule.interval_minutes)
                if isinstance(outcome, Kept):
                    yield _kept_line(outcome, found.begins)
                else:
                    yield _dropped_line(outcome, rule, found, line, number)
            yield found.entry()

    return _finished_batches(finished())


def _located_batches(batches: Iterable["pa.RecordBatch"], rule: LineRule) -> Iterator["pa.RecordBatch"]:
    """Lines of a frame of objects up to decryption: with what they encrypt, and what they are if it fails."""
    failed = Dropped("transform_decryption_failure")

    def rows() -> Iterator[tuple[Any, ...]]:
        for found in _read_objects(batches, rule.reader):
            for number, line in numbered_lines(found.content):
                outcome = located(line, rule.timezone, rule.interval_minutes)
                if isinstance(outcome, Encrypted):
                    if_failed = _dropped_line(failed, rule, found, line, number).value
                    images = (outcome.image_view, outcome.image_id, outcome.image_data)
                    yield (*_kept_line(outcome.kept, found.begins), if_failed, *images)
                else:
                    yield (*_dropped_line(outcome, rule, found, line, number), None, None, None, None)
            yield (*found.entry(), None, None, None, None)

    return _batches(rows(), _LOCATED)


def _decrypted_batches(batches: Iterable["pa.RecordBatch"], run_day: str) -> Iterator["pa.RecordBatch"]:
    """Finished lines of located ones, to which the engine has added a struct of decrypted `places`."""

    def finished() -> Iterator[_Line]:
        for batch in batches:
            for row in batch.to_pylist():
                line = _Line(*(row[name] for name in _Line._fields))
                yield line if row["if_failed"] is None else _decrypted_line(line, row, run_day)

    return _finished_batches(finished())


def _decrypted_line(line: _Line, row: dict[str, Any], run_day: str) -> _Line:
    record = with_places(json.loads(line.value), Decrypted.of_object(row["places"] or {}))
    if isinstance(record, Dropped):
        return line._replace(category=DROPPED, day=run_day, reason=record.reason, value=row["if_failed"])
    return line._replace(value=_json(record))


def _kept_line(kept: Kept, begins: int) -> _Line:
    return _Line(kept.category, kept.day.isoformat(), None, begins, None, None, _json(kept.record))


class _Object(NamedTuple):
    """An object that was read."""

    key: str
    begins: int
    content: bytes
    stored_bytes: int

    def entry(self) -> _Line:
        """What says that it was read; its records are counted apart from what became of them."""
        records = sum(1 for _ in numbered_lines(self.content))
        return _Line(READ, "", None, self.begins, records, self.stored_bytes, self.key)


def _dropped_line(dropped: Dropped, rule: LineRule, found: _Object, line: bytes, number: int) -> _Line:
    value = _json(dropped.record(line, found.key, number))
    return _Line(DROPPED, rule.run_day.isoformat(), dropped.reason, found.begins, None, None, value)


def _read_objects(batches: Iterable["pa.RecordBatch"], reader: RawReader) -> Iterator[_Object]:
    for batch in batches:
        for row in batch.to_pylist():
            yield _read_object(reader, row["bucket"], row["key"], row["begins"])


def _read_object(reader: RawReader, bucket: str, key: str, begins: int) -> _Object:
    try:
        stored = reader.read_bytes(bucket, key)
        content = gzip.decompress(stored) if key.endswith(".gz") else stored
    except (ConnectionError, TimeoutError) as error:
        raise RawObjectOutOfReach(
            f"Raw object {bucket}/{key} is out of reach ({_told(error)}); run the window again later"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise RawObjectUnreadable(
            f"Raw object {bucket}/{key} cannot be read ({_told(error)}); put it there whole, or remove it, "
            "and run the window again"
        ) from error
    return _Object(key, begins, content, len(stored))


def _told(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _finished_batches(lines: Iterable[_Line]) -> Iterator["pa.RecordBatch"]:
    """The lines of one unit of work, numbered within each output."""
    unit = uuid4().hex
    before: Counter[tuple[str, str]] = Counter()

    def rows() -> Iterator[tuple[Any, ...]]:
        for line in lines:
            category, day, reason, begins, nth, size, value = line
            if category == READ:
                yield (category, day, reason, begins, value, nth, size, "")
            else:
                nth, size = before[category, day], len(value.encode()) + 1
                before[category, day] += 1
                yield (category, day, reason, begins, unit, nth, size, value)

    return _batches(rows(), _FINISHED)


def _batches(rows: Iterable[tuple[Any, ...]], columns: str) -> Iterator["pa.RecordBatch"]:
    """Arrow batches of rows; each holds about 8 MiB of text."""
    import pyarrow as pa

    types = {"string": pa.string(), "long": pa.int64()}
    fields = [column.split() for column in columns.split(", ")]
    schema = pa.schema([(name, types[kind]) for name, kind in fields])
    value = schema.get_field_index("value")
    waiting: list[tuple[Any, ...]] = []
    length = 0
    for row in rows:
        waiting.append(row)
        length += len(row[value])
        if length >= _BATCH_BYTES:
            yield _batch(waiting, schema)
            waiting, length = [], 0
    if waiting:
        yield _batch(waiting, schema)


def _batch(rows: list[tuple[Any, ...]], schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    return pa.RecordBatch.from_arrays(
        [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)], schema=schema
    )
