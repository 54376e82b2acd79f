"""The promotions table of a warehouse: a load is staged, merged and read back, and counts only as a whole.

Not here: which rows there are (`frames.promotions`), and which columns (`promotion_tables`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import uuid4

import polars as pl

from assets.dwh.promotion_tables import PROMOTION_COLUMNS, PROMOTIONS, SCHEMAS, STAGED, table_names
from resources.warehouse import SqlFile, Warehouse, read_sql

SQL_FOLDER: Final = "assets/dwh/sql"
_MERGE: Final = ("merge_promotions", "prove_promotions", "clear_staged_promotions")

_ABANDONED_AFTER: Final = timedelta(days=1)
"""What a load staged and did not clear; BigQuery ends a job after half an hour, so none is running then."""


class IdCounts(NamedTuple):
    """How many rows, rows without an id, and different ids there are."""

    rows: int
    null_ids: int
    distinct_ids: int

    @classmethod
    def of(cls, promotions: pl.DataFrame) -> "IdCounts":
        """The counts of rows of `PROMOTION_COLUMNS`."""
        ids = promotions["promotionid"]
        return cls(len(ids), ids.null_count(), ids.drop_nulls().n_unique())


@dataclass(frozen=True, slots=True)
class PromotionTable:
    """The table of that name, `dataset.table` or `project.dataset.table`; `…_staged` beside it is ours."""

    warehouse: Warehouse
    name: str = PROMOTIONS

    def merge(self, promotions: pl.DataFrame, loaded_at: datetime) -> int:
        """Merge one row for each promotion; say how many are now in the table as given.

        The others are there with a later update. Both tables are made where they do not exist. The rows are
        staged first, which takes a load job of its own on BigQuery, and then merged, read back and cleared in
        one transaction: an error, the death of this process or a row that is not read back leaves the table
        as it was.

        Raises:
            SchemaMismatch: a value does not fit its column, or the table has other columns.
            StatementRefused: the read-back did not find every row, or a promotion is given twice.
        """
        load_id = uuid4().hex
        parameters = {
            "load_id": load_id,
            "loaded_at": loaded_at,
            "promotions": promotions.height,
            "abandoned_before": loaded_at - _ABANDONED_AFTER,
        }
        names = table_names(self.name)
        staged = promotions.select(
            pl.lit(load_id).alias("load_id"), pl.lit(loaded_at).alias("staged_at"), *PROMOTION_COLUMNS
        )
        with self.warehouse.session():
            self.warehouse.ensure_tables({names[usual]: schema for usual, schema in SCHEMAS.items()})
            self.warehouse.load(names[STAGED], staged, SCHEMAS[STAGED], replace=False)
            merged, *_ = self.warehouse.execute([self._sql(file) for file in _MERGE], parameters)
        return merged

    def count(self) -> IdCounts:
        """The counts of the whole table.

        Raises:
            TableNotFound: nothing was ever loaded.
        """
        return IdCounts(*self.warehouse.query(self._sql("count_promotions")).row(0))

    def _sql(self, name: str) -> SqlFile:
        return read_sql(f"{SQL_FOLDER}/{name}.sql").renamed(table_names(self.name))
