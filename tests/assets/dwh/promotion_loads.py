"""Promotions on their way into a warehouse: extracts in a store, rows of the table, what is there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from assets.dwh.metrics import JobRun
from assets.dwh.paths import Location, RawPromotions
from assets.dwh.promotion_rows import latest_rows, promotion_row
from assets.dwh.promotion_tables import PROMOTION_COLUMNS, PROMOTIONS
from assets.dwh.stages.promoting import PromotionsLoad, PromotionsLoaded, PromotionsSite, load_promotions
from resources.object_store import ObjectStore
from resources.spark import Spark
from resources.warehouse import SqlFile, Warehouse
from resources.warehouse.columns import polars_type

SOURCE = RawPromotions(Location("dwh-data", "promotions_raw"))
DAY, NEXT_DAY = date(2025, 1, 15), date(2025, 1, 16)
NOON = datetime(2025, 1, 16, 12, tzinfo=UTC)
ROW_SCHEMA = {name: polars_type(kind) for name, kind in PROMOTION_COLUMNS.items()}
RUN = JobRun("load_promos_job", "promos-20250116T120000Z-abc123", NOON, created_by="loader")


def put_extract(
    store: ObjectStore, frame: pl.DataFrame, day: date = DAY, name: str = "part-0.parquet"
) -> Location:
    place = SOURCE.extract(day) / name
    with store.open_write(place.bucket, place.key) as stream:
        frame.write_parquet(stream)
    return place


@contextmanager
def site_on(
    spark: Spark, store: ObjectStore, warehouse: Warehouse, now: datetime = NOON
) -> Iterator[PromotionsSite]:
    with spark.session() as session, spark.files(store, "dwh-data", "_scratch") as files:
        yield PromotionsSite(session, files, store, warehouse, lambda: now)


def load(
    site: PromotionsSite, *days: date, created_by: str = "loader", table: str = PROMOTIONS
) -> PromotionsLoaded:
    return load_promotions(PromotionsLoad(SOURCE, days, created_by, table), site, RUN)


def rows_by_rule(extracts: Sequence[pl.DataFrame], created_by: str = "loader") -> list[dict[str, Any]]:
    """What the rule in plain Python makes of all rows of the extracts."""
    sources = (row for extract in extracts for row in extract.to_arrow().to_pylist())
    return [dict(row) for row in latest_rows(promotion_row(source, created_by) for source in sources)]


def table_rows(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Rows of the table from the columns that matter; the rest is null, the flags are false."""
    flags = {name: False for name, kind in PROMOTION_COLUMNS.items() if kind == "BOOL"}
    return pl.DataFrame([{**dict.fromkeys(PROMOTION_COLUMNS), **flags, **row} for row in rows], ROW_SCHEMA)


def stored(warehouse: Warehouse, *columns: str, table: str = PROMOTIONS) -> list[Any]:
    """The rows of the table by id, or some of their columns; nothing where there is no table."""
    if not warehouse.table_exists(table):
        return []
    found = warehouse.rows(table, order_by=["promotionid"])
    return found.select(columns).rows() if columns else found.to_dicts()


def sql(text: str) -> SqlFile:
    return SqlFile.from_bytes("test.sql", text.encode())
