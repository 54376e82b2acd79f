"""Everything that one filter run reads, as one frame of `FILTERED_COLUMNS`.

Not here: which inputs a day has (`assets.dwh.inputs`), where their files are, and which rows stay (`dedup`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from assets.dwh.days import INTERVAL_MINUTES, format_instant
from assets.dwh.frames.columns import value_of
from assets.dwh.frames.instants import instant_micros
from assets.dwh.frames.schemas import (
    FILTERED_COLUMNS,
    SOURCE_RUN_ID,
    SOURCE_TIMESTAMP,
    filtered_schema,
    transformed_schema,
)

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """The files of one input, JSON lines of the transformed schema; their folders' names mean nothing."""

    run_id: str
    source_timestamp: datetime
    layout: Literal["transformed", "adopted"]
    """Of adopted rows the time columns are derived again from `data.updated`."""
    paths: tuple[str, ...]
    """At least one, as the engine reads them."""


@dataclass(frozen=True, slots=True)
class PreviousRows:
    """The parquet files of an earlier output. The columns that say where a row came from may be absent."""

    paths: tuple[str, ...]
    left_out: frozenset[str]
    """Rows of these source run ids are not read."""


def input_rows(
    session: "SparkSession", batches: Iterable[Batch], previous: PreviousRows | None
) -> "DataFrame":
    """All rows of the inputs, of which there is at least one.

    A line that is no JSON, or has another type, fails the action that reads it.
    """
    frames = [_batch_rows(session, batch) for batch in batches]
    if previous is not None and previous.paths:
        frames.append(_previous_rows(session, previous))
    return balanced_union(frames)


def balanced_union(frames: "Sequence[DataFrame]") -> "DataFrame":
    """The rows of one or more frames with equal columns.

    The plan is a balanced tree: a chain of 288 frames overflows the stack of Sail 0.7.2, which kills it.
    """
    if len(frames) == 1:
        return frames[0]
    half = len(frames) // 2
    return balanced_union(frames[:half]).unionAll(balanced_union(frames[half:]))


def _batch_rows(session: "SparkSession", batch: Batch) -> "DataFrame":
    from pyspark.sql import functions as sf

    # FAILFAST: the JVM would make rows of nulls out of broken lines. Sail fails whatever the mode is.
    reader = session.read.schema(transformed_schema()).option("mode", "FAILFAST")
    rows = reader.json(list(batch.paths))
    if batch.layout == "adopted":
        rows = rows.withColumns(_time_columns())
    sources = {
        SOURCE_TIMESTAMP: sf.lit(format_instant(batch.source_timestamp)),
        SOURCE_RUN_ID: sf.lit(batch.run_id),
    }
    return _in_order(rows.withColumns(sources))


def _previous_rows(session: "SparkSession", previous: PreviousRows) -> "DataFrame":
    from pyspark.sql import functions as sf

    rows = session.read.schema(filtered_schema()).parquet(*previous.paths)
    micros = sf.coalesce(instant_micros(sf.col(SOURCE_TIMESTAMP)), sf.lit(0).cast("bigint"))
    # Text that another program wrote gets the one spelling of each instant, so that equal rows stay equal.
    rows = rows.withColumns({
        SOURCE_TIMESTAMP: _instant_text(micros),
        SOURCE_RUN_ID: sf.coalesce(sf.col(SOURCE_RUN_ID), sf.lit("")),
    })  # fmt: skip
    if previous.left_out:
        rows = rows.where(~sf.col(SOURCE_RUN_ID).isin(sorted(previous.left_out)))
    return _in_order(rows)


def _in_order(rows: "DataFrame") -> "DataFrame":
    return rows.select(*(value_of(name) for name in FILTERED_COLUMNS))


def _time_columns() -> "dict[str, Column]":
    """The columns `5min` to `min`; null where `data.updated` is no instant."""
    from pyspark.sql import functions as sf

    time = sf.timestamp_micros(instant_micros(value_of("data.updated")))
    minute = sf.minute(time)
    floored = (minute - minute % INTERVAL_MINUTES).cast("int")
    return {
        "5min": floored,
        "year": sf.date_format(time, "yyyy"),
        "month": sf.date_format(time, "MM"),
        "day": sf.date_format(time, "dd"),
        "hour": sf.date_format(time, "HH"),
        "min": sf.lpad(floored.cast("string"), 2, "0"),
    }


def _instant_text(micros: "Column") -> "Column":
    """Microseconds as `days.format_instant` writes their instant."""
    from pyspark.sql import functions as sf

    time = sf.timestamp_micros(micros)
    fraction = sf.pmod(micros, sf.lit(_SECOND))
    digits = sf.concat(sf.lit("."), sf.lpad(fraction.cast("string"), 6, "0"))
    return sf.concat(
        sf.date_format(time, "yyyy-MM-dd"),
        sf.lit("T"),
        sf.date_format(time, "HH:mm:ss"),
        sf.when(fraction == 0, sf.lit("")).otherwise(digits),
        sf.lit("Z"),
    )
