"""The `warehouse` resource: GoogleSQL over named tables, on DuckDB or on BigQuery.

    base         Warehouse: the methods that pipelines call, and the hooks that a variant fills in
    duckdb       DuckDBWarehouse: one file, GoogleSQL transpiled (the `local`, `test` and `aws` deployments)
    bigquery     BigQueryWarehouse, around dagster-gcp's BigQueryResource; imported only where it is used
    sql_files    SqlFile: the text that runs and what proves which text it was; its statements
    selections   the questions that need no file: rows of one table, and how many there are
    values       typed parameters
    columns      declared schemas, and frames that fit them
    json_lines   files of JSON objects as rows
    google_sql   what sqlglot leaves to do between GoogleSQL and DuckDB
    errors       what every variant raises

What belongs here: how SQL and frames get in and out. What does not: the SQL, which is
`assets/<pipeline>/sql/<verb>_<noun>.sql`, and the tables, which each pipeline declares.
"""

from resources.warehouse.base import Warehouse
from resources.warehouse.columns import Schema, Schemas
from resources.warehouse.duckdb import DuckDBWarehouse
from resources.warehouse.errors import (
    AccessRefused,
    ReadOnly,
    SchemaMismatch,
    StatementRefused,
    TableNotFound,
    WarehouseUnavailable,
)
from resources.warehouse.json_lines import JsonLines
from resources.warehouse.sql_files import SqlFile, read_sql
from resources.warehouse.values import Parameters, Typed

__all__ = [
    "AccessRefused",
    "DuckDBWarehouse",
    "JsonLines",
    "Parameters",
    "ReadOnly",
    "Schema",
    "SchemaMismatch",
    "Schemas",
    "SqlFile",
    "StatementRefused",
    "TableNotFound",
    "Typed",
    "Warehouse",
    "WarehouseUnavailable",
    "read_sql",
]
