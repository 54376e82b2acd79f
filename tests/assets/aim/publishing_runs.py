"""Publishes lists on a warehouse as Stage 4 does: rows in, tables as they are afterwards."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from assets.aim.publication import PUBLISHING_SCRIPTS, last_modified, staged_lists
from assets.aim.results import ROW_SCHEMA
from assets.aim.settings import WriteDisposition
from assets.aim.slots import EMPTY, SLOTS
from assets.aim.tables import CAM_SKU, LIST_HISTORY, LISTS, SCHEMAS, STAGED_LISTS
from resources.warehouse import Warehouse
from tests.assets.aim.sql_runs import given_size_keys, rows, sql

CAM_SKU_COLUMNS = tuple(SCHEMAS[CAM_SKU])


def listed(vehicle: str, size: str, *cells: object) -> dict[str, str]:
    """A publishable row: cells from HB1 on, where None is an empty slot, and all others empty too."""
    texts = [EMPTY if cell is None else str(cell) for cell in cells]
    slots = dict.fromkeys(SLOTS, EMPTY) | dict(zip(SLOTS, texts, strict=False))
    return {"Vehicle": vehicle, "Size": size, **slots}


def frame(lists: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(lists, ROW_SCHEMA)


def stage(warehouse: Warehouse, *lists: Mapping[str, str]) -> None:
    """Put the lists, and the keys of every size that is published or about to be, into working tables."""
    warehouse.load(STAGED_LISTS, staged_lists(frame(lists)), SCHEMAS[STAGED_LISTS])
    published = [*rows(warehouse, LISTS), *rows(warehouse, LIST_HISTORY)]
    given_size_keys(warehouse, {row["Size"].strip() for row in [*lists, *published] if row["Size"]})


def publish(
    warehouse: Warehouse,
    run_date: date,
    *lists: Mapping[str, str],
    disposition: WriteDisposition = "WRITE_TRUNCATE",
) -> None:
    stage(warehouse, *lists)
    scripts = [sql(name) for name in PUBLISHING_SCRIPTS[disposition]]
    warehouse.execute(scripts, {"run_date": run_date})


def compare(warehouse: Warehouse, *lists: Mapping[str, str]) -> dict[str, int]:
    stage(warehouse, *lists)
    return warehouse.query(sql("compare_lists")).to_dicts()[0]


def merge(warehouse: Warehouse, run_date: date, *lists: Mapping[str, str]) -> dict[str, int]:
    """Merge the lists into CAM_SKU; the counts that were asked for before."""
    stage(warehouse, *lists)
    moment = {"last_modified": last_modified(run_date)}
    warehouse.execute(sql("stage_cam_sku"))
    counts = warehouse.query(sql("count_cam_sku"), moment).to_dicts()[0]
    warehouse.execute(sql("merge_cam_sku"), moment)
    return counts


def cam_sku_row(
    make: str, model: str, size: tuple[str | None, ...], products: Sequence[object], modified: Any
) -> dict[str, Any]:
    """A row of CAM_SKU; `size` is Width, Profile and Rim."""
    ids = [*map(str, products), *[None] * (24 - len(products))]
    return dict(zip(CAM_SKU_COLUMNS, [make, model, *size, *ids, modified], strict=True))


def stored(warehouse: Warehouse) -> list[tuple[Any, ...]]:
    """CAM_SKU as Make, Model, size, products and last_modified, in the order of these texts."""
    found = [tuple(row.values()) for row in rows(warehouse, CAM_SKU)]
    return sorted(((*row[:2], row[2:5], products_of(row), row[-1]) for row in found), key=str)


def products_of(row: tuple[Any, ...]) -> list[str]:
    """The products of a row, whose list has no gaps."""
    ids = list(row[5:29])
    products = [product for product in ids if product is not None]
    assert ids == [*products, *[None] * (24 - len(products))], "the list has gaps"
    return products
