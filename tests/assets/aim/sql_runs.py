"""Runs the SQL files of aim on an embedded warehouse: tables given as rows, tables read back as rows."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assets.aim.sizes import size_keys
from assets.aim.tables import SCHEMAS, SIZE_KEYS
from resources.warehouse import DuckDBWarehouse, SqlFile, Warehouse, read_sql
from resources.warehouse.columns import polars_type


def sql(name: str) -> SqlFile:
    return read_sql(f"assets/aim/sql/{name}.sql")


def warehouse_in(folder: Path) -> DuckDBWarehouse:
    """A warehouse with every declared table, empty."""
    warehouse = DuckDBWarehouse(path=str(folder / "warehouse.duckdb"))
    warehouse.ensure_tables(SCHEMAS)
    return warehouse


def given(warehouse: Warehouse, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Make these the rows of a declared table; a column that a row lacks is null."""
    schema = {name: polars_type(kind) for name, kind in SCHEMAS[table].items()}
    unknown = {name for row in rows for name in row} - schema.keys()
    assert not unknown, f"{table} has no column {unknown}"
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    warehouse.load(table, frame, SCHEMAS[table])


def given_size_keys(warehouse: Warehouse, sizes: Iterable[str]) -> None:
    """Fill the working table of size keys from size texts, as a run does."""
    texts = pl.Series("Size", sorted(set(sizes)), dtype=pl.String)
    frame = texts.to_frame().hstack(size_keys(texts)).drop_nulls("size_key")
    warehouse.load(SIZE_KEYS, frame, SCHEMAS[SIZE_KEYS])


def rows(warehouse: Warehouse, table: str, order_by: str = "1") -> list[dict[str, Any]]:
    """All rows of a table, in the order of some columns."""
    text = f"SELECT * FROM `{table}` ORDER BY {order_by}"
    return warehouse.query(SqlFile.from_bytes("all_rows.sql", text.encode())).to_dicts()
