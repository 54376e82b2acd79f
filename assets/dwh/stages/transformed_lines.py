"""The lines of one transform run between the raw objects and the store: worked out once, counted, in files.

The engine works the lines out once, into scratch files. Everything else comes from there: all counts in one
aggregate, and the text files, whose exact number is fixed by arithmetic on the counts. Not here: what is
published (`transforming`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

from assets.dwh.frames.raw_lines import (
    DROPPED,
    READ,
    LineRule,
    RawObject,
    failure_of,
    finished_lines,
)
from assets.dwh.paths import Category
from assets.dwh.stages.site import Site
from resources.spark import Written

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_MOST_WRITERS: Final = 64


class LinesUnaccounted(RuntimeError):
    """What was counted does not add up: a defect of ours or of the engine, so nothing is published."""


OutputCategory = Category | Literal["_dropped"]


class Output(NamedTuple):
    """The rows of a category and row day, or the dropped records of the run day."""

    category: OutputCategory
    day: date


class PrefixCount(NamedTuple):
    """How many records of a prefix were written (no reason), or dropped for a reason."""

    begins: datetime
    reason: str | None
    records: int


class _Count(NamedTuple):
    """An entry of the one aggregate."""

    output: Output
    reason: str | None
    begins: int
    unit: str
    records: int
    size: int


@dataclass(frozen=True)
class Lines:
    """The finished lines of a run in the scratch folder of its engine, and what they count."""

    folder: str
    records_read: int
    bytes_read: int
    """Of the objects as they are stored."""
    counts: tuple[_Count, ...]

    @cached_property
    def records(self) -> Mapping[Output, int]:
        """The number of lines of each output, by category and day."""
        return dict(sorted(self._by_output((count.output, count.records) for count in self.counts).items()))

    @cached_property
    def sizes(self) -> Mapping[Output, int]:
        """The bytes of the lines of each output."""
        return self._by_output((count.output, count.size) for count in self.counts)

    @cached_property
    def dropped(self) -> Mapping[str, int]:
        """The number of dropped lines by reason."""
        dropped: Counter[str] = Counter()
        for count in self.counts:
            if count.reason is not None:
                dropped[count.reason] += count.records
        return dict(sorted(dropped.items()))

    @cached_property
    def by_prefix(self) -> tuple[PrefixCount, ...]:
        """The number of lines by prefix and reason, in order of time."""
        found: Counter[tuple[int, str]] = Counter()
        for count in self.counts:
            found[count.begins, count.reason or ""] += count.records
        return tuple(
            PrefixCount(datetime.fromtimestamp(begins, UTC), reason or None, records)
            for (begins, reason), records in sorted(found.items())
        )

    @staticmethod
    def _by_output(numbers: Iterable[tuple[Output, int]]) -> dict[Output, int]:
        total: Counter[Output] = Counter()
        for output, number in numbers:
            total[output] += number
        return dict(total)


def work_out(site: Site, objects: Sequence[RawObject], rule: LineRule) -> Lines:
    """Read every object once, and keep its finished lines in scratch files.

    Raises:
        RawObjectUnreadable: an object is not what its name says, is gone or may not be read.
        RawObjectOutOfReach: the store did not answer.
        LinesUnaccounted: an object was not read exactly once, or a line was lost or doubled.
    """
    folder = site.files.scratch("lines")
    if not objects:
        return Lines(folder, 0, 0, ())
    frame = finished_lines(site.session, objects, rule, site.most_python_tasks)
    try:
        frame.write.option("compression", "lz4").parquet(folder)
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        raise failure from error
    lines = _counted(site, folder, objects)
    if (accounted := sum(count.records for count in lines.counts)) != lines.records_read:
        raise LinesUnaccounted(
            f"{lines.records_read} records were read and {accounted} came out; run it again"
        )
    return lines


@dataclass(frozen=True, slots=True)
class TextFiles:
    """The lines of a run as text files in a scratch folder: the parts of each output, in order."""

    folder: str
    parts: Mapping[Output, Sequence[Written]]


def write_files(site: Site, lines: Lines, max_records: int) -> TextFiles:
    """Write the lines as text files; an output has exactly ceil(lines / `max_records`) of them.

    Raises:
        LinesUnaccounted: the files do not hold the bytes of all lines.
    """
    folder = site.files.scratch("outputs")
    if not lines.counts:
        return TextFiles(folder, {})
    numbered = _numbered(site, lines, max_records)
    files = {output: -(-records // max_records) for output, records in lines.records.items()}
    writers = min(sum(files.values()), _MOST_WRITERS)
    numbered.repartition(writers, "category", "day", "_file").write.partitionBy(
        "category", "day", "_file"
    ).text(folder)
    written = _by_output(site.files.written(folder))
    for output in files.keys() | written.keys():
        _check(output, written.get(output, []), files.get(output, 0), lines.sizes.get(output, 0))
    return TextFiles(folder, written)


def _check(output: Output, parts: Sequence[Written], files: int, size: int) -> None:
    """Raise unless an output has its files, each once, and the bytes of all its lines in them."""
    found = sum(part.size for part in parts)
    if [_file_number(part) for part in parts] != list(range(files)) or found != size:
        raise LinesUnaccounted(
            f"{output.category} of {output.day} was to be {size} bytes in {files} files and is {found} in "
            f"{len(parts)}; run it again"
        )


def _counted(site: Site, folder: str, objects: Sequence[RawObject]) -> Lines:
    from pyspark.sql import functions as sf

    every = site.session.read.parquet(folder)
    entries = every.where(sf.col("category") == READ).select("unit", "nth", "size").toArrow().to_pylist()
    if sorted(entry["unit"] for entry in entries) != sorted(found.key for found in objects):
        raise LinesUnaccounted(
            f"{len(objects)} objects were to be read once, {len(entries)} were; run it again"
        )
    counts = (
        every.where(sf.col("category") != READ)
        .groupBy("category", "day", "reason", "begins", "unit")
        .agg(sf.count("*").alias("records"), sf.sum("size").alias("size"))
        .toArrow()
        .to_pylist()
    )
    return Lines(
        folder,
        records_read=sum(entry["nth"] for entry in entries),
        bytes_read=sum(entry["size"] for entry in entries),
        counts=tuple(_count(row) for row in counts),
    )


def _count(row: dict[str, Any]) -> _Count:
    return _Count(_output(row), row["reason"], row["begins"], row["unit"], row["records"], row["size"])


def _numbered(site: Site, lines: Lines, max_records: int) -> "DataFrame":
    """The lines with the number of their file.

    Units of work stand one after the other in an output, so a line's place in it is the number of lines in
    the units before, which the counts tell, and its place in its unit.
    """
    from pyspark.sql import functions as sf

    starts = site.session.createDataFrame(
        _starts(lines.counts), "category string, day string, unit string, start long"
    )
    every = site.session.read.parquet(lines.folder)
    place = sf.col("start") + sf.col("nth")
    return every.join(sf.broadcast(starts), ["category", "day", "unit"]).select(
        "category", "day", sf.floor(place / max_records).cast("int").alias("_file"), "value"
    )


def _starts(counts: Iterable[_Count]) -> list[tuple[str, str, str, int]]:
    """How many lines of an output lie in the units before each unit; units in order of their first prefix."""
    records: Counter[tuple[Output, str]] = Counter()
    first: dict[str, int] = {}
    for count in counts:
        records[count.output, count.unit] += count.records
        first[count.unit] = min(count.begins, first.get(count.unit, count.begins))
    starts: list[tuple[str, str, str, int]] = []
    before: Counter[Output] = Counter()
    for output, unit in sorted(records, key=lambda entry: (entry[0], first[entry[1]], entry[1])):
        starts.append((output.category, output.day.isoformat(), unit, before[output]))
        before[output] += records[output, unit]
    return starts


def _by_output(written: Iterable[Written]) -> dict[Output, list[Written]]:
    """The files of each output, by number."""
    outputs: dict[Output, list[Written]] = {}
    for file in written:
        outputs.setdefault(_output(_columns(file)), []).append(file)
    return {output: sorted(files, key=_file_number) for output, files in outputs.items()}


def _output(columns: Mapping[str, Any]) -> Output:
    category, day = columns["category"], date.fromisoformat(columns["day"])
    for known in (*get_args(Category), DROPPED):
        if known == category:
            return Output(known, day)
    raise LinesUnaccounted(f"There is no category {category!r}; run it again")


def _file_number(file: Written) -> int:
    return int(_columns(file)["_file"])


def _columns(file: Written) -> dict[str, str]:
    """The values of the columns that are folders in a path."""
    return dict(folder.split("=", 1) for folder in file.path.split("/")[:-1])
