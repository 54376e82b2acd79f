"""`load_promos`: the promotions of ingress days, extracted, judged, and merged into the warehouse.

Not here: the rows (`frames.promotions`), the files (`promotion_extracts`), the merge (`promotion_table`),
who asks for which days, and who is told how it ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

import polars as pl

from assets.dwh.frames.promotions import ROWS_OF_PROMOTION, latest_rows, warehouse_rows
from assets.dwh.metrics import PROMOTIONS_LOADED, Counts, JobRun, Metrics, PhaseClock, metrics_of
from assets.dwh.paths import RawPromotions
from assets.dwh.promotion_tables import PROMOTION_COLUMNS, PROMOTIONS
from assets.dwh.quality import Threshold, evaluate
from assets.dwh.stages.promotion_extracts import (
    ExtractFile,
    check_readable,
    extract_files,
    read_extract,
)
from assets.dwh.stages.promotion_table import IdCounts, PromotionTable
from assets.failures import PermanentFailure, TransientFailure
from resources.object_store import ObjectStore
from resources.spark import EngineFiles
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

REQUIRED_COLUMNS: Final = ("_id", "updatedate")
_TIMES_OF_DAY: Final = tuple(name for name, kind in PROMOTION_COLUMNS.items() if kind == "TIME")
_SECOND: Final = 1_000_000_000


class ExtractRefused(PermanentFailure):
    """The extract has no rows, lacks a required column, or has rows without an id. Nothing was loaded."""


@dataclass(frozen=True, slots=True)
class PromotionsLoad:
    """What is to be loaded: the extracts of which days, in whose name, and into which table."""

    source: RawPromotions
    days: Sequence[date]
    created_by: str
    table: str = PROMOTIONS


@dataclass(frozen=True, slots=True)
class PromotionsSite:
    """Where a load runs: an engine and its files, the store of the extracts, the warehouse, and a clock."""

    session: "SparkSession"
    files: EngineFiles
    store: ObjectStore
    warehouse: Warehouse
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class PromotionsLoaded:
    """A load that is done: every one of `staged` was read back from the table before it was committed."""

    metrics: Metrics
    extract: tuple[ExtractFile, ...]
    rows_read: int
    staged: IdCounts
    """The promotions of the extract, one row each, as the transform quality judged them."""
    merged: int
    """How many of them are in the table as given."""

    @property
    def repeats_removed(self) -> int:
        """Extracted rows in whose place another row of the same promotion was loaded."""
        return self.rows_read - self.staged.rows

    @property
    def newer_in_table(self) -> int:
        """Promotions that the table already had with a later update, and kept."""
        return self.staged.rows - self.merged


def load_promotions(load: PromotionsLoad, site: PromotionsSite, run: JobRun) -> PromotionsLoaded:
    """Merge the promotions of the days into the table: all of them, or after any failure none.

    Days may be loaded in any order and again: a promotion is replaced by none with an older update.

    Raises:
        ExtractRefused: the extract is not good enough. The warehouse has not been asked for anything.
        ThresholdViolated: the transformed rows are not, with the same consequence.
        PermanentFailure: a file of the extract cannot be read; it is named.
        TransientFailure: the engine did not see all rows of the files.
        StatementRefused: the warehouse refused the merge, or its read-back failed.
    """
    phases = PhaseClock(site.now)
    with phases.phase("extract"):
        extract = extract_files(site.store, load.source, load.days)
        _check_footers(extract, load)
    with phases.phase("transform"):
        promotions = _promotions(extract, load, site)
        rows_read = int(promotions[ROWS_OF_PROMOTION].sum())
        _check_rows(promotions, rows_read, extract)
        staged = IdCounts.of(promotions)
        _check_transformed(staged)
    with phases.phase("load"):
        merged = PromotionTable(site.warehouse, load.table).merge(promotions, site.now())
    dropped = {"duplicate": rows_read - staged.rows, "newer_in_table": staged.rows - merged}
    metrics = metrics_of(
        run,
        "SUCCESS",
        site.now(),
        counts=Counts(records_read=rows_read, records_written=merged, dropped=dropped),
        phases=phases.phases(),
        payload=PROMOTIONS_LOADED,
    )
    return PromotionsLoaded(metrics, extract, rows_read, staged, merged)


def _check_footers(extract: Sequence[ExtractFile], load: PromotionsLoad) -> None:
    if not sum(file.rows for file in extract):
        folders = ", ".join(load.source.extract(day).uri("s3") for day in sorted(set(load.days)))
        raise _refused("Row Count failed", f"No rows in the parquet files of {folders or 'no day'}")
    lacking = {name: [file for file in extract if name not in file.columns] for name in REQUIRED_COLUMNS}
    if absent := [name for name, files in lacking.items() if files]:
        named = sorted({file.place.uri("s3") for files in lacking.values() for file in files})
        raise _refused(f"Columns failed: {', '.join(absent)}", f"Lacking in {', '.join(named)}")


def _check_rows(promotions: pl.DataFrame, rows_read: int, extract: Sequence[ExtractFile]) -> None:
    # Sail reads a path that does not exist, or no longer does, as no rows.
    expected = sum(file.rows for file in extract)
    if rows_read != expected:
        raise TransientFailure(
            f"The engine read {rows_read} of the {expected} rows of the promotion extract; run it again, and "
            "see that the engine reaches the files if it comes back"
        )
    nameless = promotions.filter(pl.col("promotionid").is_null())[ROWS_OF_PROMOTION].sum()
    if nameless:
        raise _refused("Null Count failed", f"{nameless} of {rows_read} rows have no _id")


def _refused(sentence: str, note: str) -> ExtractRefused:
    """The sentence is the contract's; what else a person needs is a note."""
    error = ExtractRefused(f"Extract Data Quality - {sentence}")
    error.add_note(note)
    return error


def _check_transformed(counts: IdCounts) -> None:
    rules = (
        ("Row Count", counts.rows, Threshold("<=", 0, should_throw=True)),
        ("Null Count", counts.null_ids, Threshold(">", 0, should_throw=True)),
        ("Distinct Count", counts.distinct_ids, Threshold("<", counts.rows, should_throw=True)),
    )
    for name, value, threshold in rules:
        evaluate(f"Transform Data Quality - {name}", value, [threshold])


def _promotions(extract: Sequence[ExtractFile], load: PromotionsLoad, site: PromotionsSite) -> pl.DataFrame:
    """One row for each promotion, in the types of the table, and `ROWS_OF_PROMOTION`."""
    try:
        rows = warehouse_rows(read_extract(site.session, site.files, extract), load.created_by)
        promotions = pl.DataFrame(latest_rows(rows).toArrow())
    except Exception as error:
        # Which file it was, an engine says in its own words, Sail not at all.
        check_readable(site.store, extract)
        named = ", ".join(file.place.uri("s3") for file in extract)
        error.add_note(f"Each file of the extract can be read as parquet by itself: {named}")
        raise
    return promotions.with_columns((pl.col(*_TIMES_OF_DAY) * _SECOND).cast(pl.Time)).sort("promotionid")
