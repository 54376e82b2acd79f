"""One row for each key and day, over any number of inputs: the plan that filter_images carries out.

Rows are read once into a scratch folder, wide; which of them stay is decided on a few narrow columns; the
output joins the two. So nothing is read or computed twice, and no wide row is ever sorted. The rule itself:

- Rows with a null in a key column never compete and all stay.
- Of the rows of a key the greatest stays: by source instant, then by the order column as an instant (lowest
  where it is none), then by source run id, then by the row itself, fields in schema order. Null is lowest,
  and text compares by its UTF-8 bytes.

Not here: reading inputs (`batches`), where scratch folders are, and what of the output is published.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any, Final

from assets.dwh.frames.columns import value_of
from assets.dwh.frames.instants import instant_micros, micros_of
from assets.dwh.frames.schemas import FILTERED_COLUMNS, FILTERED_FIELDS, SOURCE_RUN_ID, SOURCE_TIMESTAMP
from assets.dwh.intervals import Interval

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

FILE: Final = "_file"
"""The folder column of the output: one file for each of its values, which count from 0."""

SLOT_MINUTES: Final = 5

_ROW, _SOURCE, _ORDER, _SLOT = "_row", "_source", "_order", "_slot"
_IS_KEYED, _TIES = "_is_keyed", "_ties"


@dataclass(frozen=True, slots=True)
class DedupRule:
    """Which rows compete, by what, and how the day is cut for the picture."""

    keys: tuple[str, ...]
    """Fields of `TRANSFORMED_FIELDS`."""
    order: str
    time: str
    day: Interval
    """Rows are counted by slots of it."""

    def slot_start(self, slot: int) -> datetime:
        """When a slot begins."""
        return self.day.start + slot * timedelta(minutes=SLOT_MINUTES)


@dataclass(frozen=True, slots=True)
class Tally:
    """Numbers of rows, by source run id and by slot of the day; slot None for a time outside of it."""

    rows: Mapping[tuple[Any, ...], int]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())

    def by_run_id(self) -> dict[str, int]:
        """Rows by source run id."""
        return dict(self._sums(0))

    def by_slot(self) -> dict[int | None, int]:
        """Rows by slot."""
        return dict(self._sums(1))

    def _sums(self, part: int) -> Counter[Any]:
        sums: Counter[Any] = Counter()
        for group, count in self.rows.items():
            sums[group[part]] += count
        return sums


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays: the numbers of the rows with a key, and of those without."""

    keyed: Tally
    unkeyed: Tally


def write_rows(rows: "DataFrame", rule: DedupRule, folder: str) -> None:
    """Write rows of `batches` with what decides about them beside: the only time that inputs are read."""
    from pyspark.sql import functions as sf

    order = instant_micros(value_of(rule.order))
    time = order if rule.time == rule.order else instant_micros(value_of(rule.time))
    source = sf.coalesce(instant_micros(sf.col(SOURCE_TIMESTAMP)), sf.lit(0).cast("bigint"))
    wide = rows.withColumns({
        _ROW: sf.monotonically_increasing_id(),
        _SOURCE: source,
        _ORDER: order,
        _SLOT: _slot(time, rule.day),
    })  # fmt: skip
    _write_scratch(wide, folder)


def count_rows(session: "SparkSession", rows_folder: str) -> Tally:
    """What was read."""
    return Tally(_groups(session.read.parquet(rows_folder), SOURCE_RUN_ID, _SLOT))


def write_kept(
    session: "SparkSession", rows_folder: str, rule: DedupRule, folders: tuple[str, str]
) -> tuple[str, ...]:
    """Decide which rows stay; return those of the two folders that hold their narrow columns.

    Args:
        session: the session.
        rows_folder: what `write_rows` wrote.
        rule: the same rule.
        folders: two new folders; the second is used only where nothing but the rows themselves tells some of
            them apart.
    """
    from pyspark.sql import functions as sf

    rows = session.read.parquet(rows_folder)
    keys = {f"_key{number}": value_of(field) for number, field in enumerate(rule.keys)}
    narrow = rows.select(
        _ROW, _SOURCE, _ORDER, _SLOT, SOURCE_RUN_ID, *(value.alias(name) for name, value in keys.items())
    )
    is_keyed = reduce(and_, (sf.col(name).isNotNull() for name in keys))
    kept = _first_ranked(narrow.where(is_keyed), tuple(keys)).withColumn(_IS_KEYED, sf.lit(True))
    passed = narrow.where(~is_keyed).withColumns({_IS_KEYED: sf.lit(False), _TIES: sf.lit(1).cast("bigint")})
    columns = (_ROW, _SLOT, SOURCE_RUN_ID, *keys, _IS_KEYED, _TIES)
    _write_scratch(kept.select(*columns).unionAll(passed.select(*columns)), folders[0])
    decided = session.read.parquet(folders[0])
    if not _row_count(decided.where(sf.col(_TIES) > 1)):
        return folders[:1]
    best = _without_ties(decided, rows, tuple(keys)).withColumn(_TIES, sf.lit(1).cast("bigint"))
    _write_scratch(best.select(*columns), folders[1])
    return folders


def count_kept(session: "SparkSession", kept_folders: tuple[str, ...]) -> Kept:
    """What stays."""
    groups = _groups(_kept(session, kept_folders), SOURCE_RUN_ID, _SLOT, _IS_KEYED)
    return Kept(
        keyed=Tally({group[:2]: count for group, count in groups.items() if group[2]}),
        unkeyed=Tally({group[:2]: count for group, count in groups.items() if not group[2]}),
    )


def different_keys(session: "SparkSession", kept_folders: tuple[str, ...], rule: DedupRule) -> int:
    """How many different keys the rows have that stay; as many as there are rows with a key."""
    from pyspark.sql import functions as sf

    kept = _kept(session, kept_folders)
    names = [f"_key{number}" for number in range(len(rule.keys))]
    return _row_count(kept.where(sf.col(_IS_KEYED)).select(*names).distinct())


def write_output(
    session: "SparkSession",
    rows_folder: str,
    kept_folders: tuple[str, ...],
    folder: str,
    *,
    keyed: bool | None,
    count: int,
    max_records_per_file: int,
) -> None:
    """Write the rows that stay, as `FILTERED_COLUMNS`, in the files that `file_count` says.

    Args:
        session: the session.
        rows_folder: what `write_rows` wrote.
        kept_folders: what `write_kept` returned.
        folder: a new folder. Each file lies below it in a folder of the column `FILE`.
        keyed: only the rows with a key, or only those without one; None for both.
        count: how many rows these are, at least 1: of no row engines write no file.
        max_records_per_file: no file holds more.
    """
    from pyspark.sql import functions as sf

    kept = _kept(session, kept_folders)
    if keyed is not None:
        kept = kept.where(sf.col(_IS_KEYED) == sf.lit(keyed))
    files = file_count(count, max_records_per_file)
    placed = _placed(kept.select(_ROW), files, max_records_per_file)
    rows = session.read.parquet(rows_folder).select(_ROW, *(value_of(name) for name in FILTERED_COLUMNS))
    # Without the second argument of `repartition` Sail 0.7.2 writes up to four files, whatever the first is.
    output = rows.join(placed, _ROW).drop(_ROW).repartition(files, FILE)
    output.write.partitionBy(FILE).option("compression", "snappy").parquet(folder)


def file_count(rows: int, max_records_per_file: int) -> int:
    """How many files hold that many rows: at least one."""
    return max(1, -(-rows // max_records_per_file))


def _kept(session: "SparkSession", folders: tuple[str, ...]) -> "DataFrame":
    """The rows that stay: those without ties in the first folder, and the best of tied ones in the second."""
    from pyspark.sql import functions as sf

    return session.read.parquet(*folders).where(sf.col(_TIES) == 1)


def _first_ranked(keyed: "DataFrame", keys: tuple[str, ...]) -> "DataFrame":
    """The rows of each key that nothing but the row itself could tell apart, with their number."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    of_key = Window.partitionBy(*keys)
    order = of_key.orderBy(sf.desc(_SOURCE), sf.desc_nulls_last(_ORDER), sf.desc(SOURCE_RUN_ID))
    first = keyed.withColumn("_rank", sf.rank().over(order)).where(sf.col("_rank") == 1)
    return first.withColumn(_TIES, sf.count(sf.lit(1)).over(of_key))


def _without_ties(decided: "DataFrame", rows: "DataFrame", keys: tuple[str, ...]) -> "DataFrame":
    """Of tied rows the greatest, field by field. Wholly equal ones differ only in `_row`."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    tied = decided.where(sf.col(_TIES) > 1)
    fields = {f"_field{number}": value_of(field) for number, field in enumerate(FILTERED_FIELDS)}
    values = rows.select(_ROW, *(value.alias(name) for name, value in fields.items()))
    order = Window.partitionBy(*keys).orderBy(*(sf.desc_nulls_last(name) for name in fields), sf.desc(_ROW))
    ranked = tied.join(values, _ROW).withColumn("_rank", sf.row_number().over(order))
    return ranked.where(sf.col("_rank") == 1)


def _placed(kept: "DataFrame", files: int, max_records_per_file: int) -> "DataFrame":
    """Each row with the number of its file, counted exactly."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sf

    if files == 1:
        return kept.withColumn(FILE, sf.lit(0))
    position = sf.row_number().over(Window.partitionBy(sf.lit(0)).orderBy(_ROW)) - 1
    return kept.withColumn(FILE, sf.floor(position / max_records_per_file).cast("int"))


def _slot(time: "Column", day: Interval) -> "Column":
    """The slot of the day that a time in microseconds falls into; null outside of the day."""
    from pyspark.sql import functions as sf

    start, end = micros_of(day.start), micros_of(day.end)
    slot = sf.floor((time - start) / (SLOT_MINUTES * 60_000_000)).cast("int")
    return sf.when((time >= start) & (time < end), slot)


def _groups(frame: "DataFrame", *columns: str) -> dict[tuple[Any, ...], int]:
    """The number of rows by the values of columns."""
    from pyspark.sql import functions as sf

    groups = frame.groupBy(*columns).agg(sf.count(sf.lit(1)).alias("rows")).collect()
    return {tuple(group[column] for column in columns): group["rows"] for group in groups}


def _row_count(frame: "DataFrame") -> int:
    from pyspark.sql import functions as sf

    return frame.agg(sf.count(sf.lit(1)).alias("rows")).collect()[0]["rows"]


def _write_scratch(frame: "DataFrame", folder: str) -> None:
    # lz4 costs a third of the time that the engines' default codecs do, for files that live a minute.
    frame.write.option("compression", "lz4").parquet(folder)
