"""Tables in one DuckDB file: datasets are schemas, GoogleSQL is transpiled.

The file is open only while a call or a session lasts, and then for this process alone. Not here: the
translation, which is `google_sql`.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING
from uuid import uuid4

import polars as pl
from pydantic import Field, PrivateAttr

from resources.warehouse.base import Warehouse
from resources.warehouse.columns import Schema, fields_of, limits_of, split_table
from resources.warehouse.errors import (
    SchemaMismatch,
    StatementRefused,
    TableNotFound,
    WarehouseUnavailable,
)
from resources.warehouse.google_sql import duckdb_type, register_functions, to_duckdb
from resources.warehouse.json_lines import JsonLines
from resources.warehouse.sql_files import Statement
from resources.warehouse.values import Typed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ATTACHED = '"the-file"'  # A hyphen is in no dataset's name, so the two cannot be mistaken.
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER"})


class DuckDBWarehouse(Warehouse):
    """Tables in one DuckDB file, which is made, with its folder, when first used.

    Calls of several threads wait for each other. While a session lasts nobody else can open the file: they
    get `WarehouseUnavailable`. Any number can read it together (`reading`), as long as nobody writes.
    """

    path: str = Field(description="The database file.")

    _lock: RLock = PrivateAttr(default_factory=RLock)
    _open: "DuckDBPyConnection | None" = PrivateAttr(default=None)

    @contextmanager
    def _session(self) -> Iterator[None]:
        with self._lock:
            if self._open is not None:
                yield
                return
            with self._translating(self.path):
                self._open = self._connect()
            try:
                yield
            finally:
                self._open.close()
                self._open = None

    def _connect(self) -> "DuckDBPyConnection":
        import duckdb

        if self.read_only:
            connection = self._connect_to_read()
        else:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(self.path)
        connection.execute("SET TimeZone = 'UTC'")  # What GoogleSQL takes where no zone is named.
        register_functions(connection)
        return connection

    def _connect_to_read(self) -> "DuckDBPyConnection":
        """An engine of this handle's own with the file attached; without a file it has no tables either.

        Connecting to the file would share one engine, and with it the functions that Python registers,
        between all readers of this process: when the first one closes, calling them from the next ends the
        process (DuckDB 1.5).
        """
        import duckdb

        # Where large sorts spill, made when needed only; by default it is `.tmp` in the working folder.
        spill = Path(tempfile.gettempdir()) / f"quintet-{uuid4().hex}"
        connection = duckdb.connect(config={"temp_directory": str(spill)})
        try:
            if Path(self.path).exists():
                file = self.path.replace("'", "''")
                connection.execute(f"ATTACH '{file}' AS {_ATTACHED} (READ_ONLY)")
                connection.execute(f"USE {_ATTACHED}")
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _connection(self) -> "DuckDBPyConnection":
        if self._open is None:
            raise RuntimeError("The DuckDB file is not open: a hook was called outside of _session().")
        return self._open

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.begin()
        try:
            yield
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()

    def _query(self, statement: Statement, values: Mapping[str, Typed]) -> pl.DataFrame:
        found = self._connection.sql(to_duckdb(statement, values), params=_arguments(statement, values))
        if found is None:
            raise StatementRefused(f"{statement.location()}: the statement has no rows; execute it instead.")
        kinds = zip(found.columns, map(str, found.types), strict=True)
        return found.project(", ".join(_widened(_quoted(name), kind) for name, kind in kinds)).pl()

    def _execute(self, statements: Sequence[Statement], values: Mapping[str, Typed]) -> list[int]:
        with self._transaction():
            return [self._run(statement, values) for statement in statements]

    def _run(self, statement: Statement, values: Mapping[str, Typed]) -> int:
        with self._translating(statement.location(), statement):
            arguments = _arguments(statement, values)
            row = self._connection.execute(to_duckdb(statement, values), arguments).fetchone()
        return row[0] if row and isinstance(row[0], int) else 0

    def _load(self, table: str, frames: Iterator[pl.DataFrame], schema: Schema, replace: bool) -> None:
        with self._transaction():
            self._fill(table, frames, schema, replace)

    def _load_together(self, loads: Sequence[tuple[str, pl.DataFrame, Schema]]) -> None:
        with self._transaction():
            for table, frame, schema in loads:
                self._fill(table, iter([frame]), schema, replace=True)

    def _load_json_lines(self, table: str, lines: JsonLines, schema: Schema) -> None:
        with self._translating(table), self._transaction(), lines.selected(self._connection) as query:
            self._make(table, schema, replace=True)
            (lines.rows,) = self._connection.execute(f"INSERT INTO {_name(table)} {query}").fetchall()[0]

    def _fill(self, table: str, frames: Iterator[pl.DataFrame], schema: Schema, replace: bool) -> None:
        with self._translating(table):
            self._make(table, schema, replace)
            for frame in frames:
                self._add(table, frame)

    def _make(self, table: str, schema: Schema, replace: bool) -> None:
        if replace:
            self._connection.execute(f"DROP TABLE IF EXISTS {_name(table)}")
        self._create(table, schema)

    def _add(self, table: str, rows: pl.DataFrame) -> None:
        self._connection.register("loaded_rows", rows)
        try:
            self._connection.execute(
                f"INSERT INTO {_name(table)} BY NAME SELECT * FROM loaded_rows"  # noqa: S608
            )
        finally:
            self._connection.unregister("loaded_rows")

    def _create(self, table: str, schema: Schema) -> None:
        columns = ", ".join(_definition(name, kind) for name, kind in schema.items())
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_quoted(split_table(table)[0])}")
        self._connection.execute(f"CREATE TABLE IF NOT EXISTS {_name(table)} ({columns})")

    def _columns(self, table: str) -> list[str] | None:
        found = self._connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() "
            "AND schema_name = ? AND table_name = ? ORDER BY column_index",
            list(split_table(table)),
        ).fetchall()
        return [name for (name,) in found] or None

    def _estimate(self, statement: Statement, values: Mapping[str, Typed]) -> int | None:
        explain = f"EXPLAIN {to_duckdb(statement, values)}"  # It refuses what would not run.
        self._connection.execute(explain, _arguments(statement, values))
        return None

    def _translate(self, error: Exception, location: str, statement: Statement | None) -> Exception | None:
        import duckdb

        reason = str(error).partition("\n")[0]
        translated: Exception | None = None
        match error:
            case duckdb.CatalogException() if "Table with name" in reason:
                translated = TableNotFound(f"{location}: {reason}")
            case duckdb.IOException() if "lock" in reason:
                translated = WarehouseUnavailable(
                    f"{self.path} is open in another process; wait until its run has ended. ({reason})"
                )
            case duckdb.BinderException() if "file handle conflict" in reason:
                translated = WarehouseUnavailable(
                    f"{self.path} cannot be open for reading and for writing in one process; "
                    "end the other session first."
                )
            case duckdb.IOException() | duckdb.FatalException():
                translated = WarehouseUnavailable(f"{self.path} cannot be used: {reason}")
            case duckdb.Error() if statement is not None:
                translated = StatementRefused(f"{location}: {reason}")
            case duckdb.ConstraintException():
                translated = SchemaMismatch(f"{location}: a value does not fit its column. ({reason})")
        return translated


def _arguments(statement: Statement, values: Mapping[str, Typed]) -> dict[str, object]:
    """The values that the statement names: DuckDB refuses any other."""
    return {name: values[name].value for name in statement.parameters}


def _widened(column: str, kind: str) -> str:
    """The column as the type that BigQuery would have: INT64 for all integers, NUMERIC for all decimals."""
    if kind in _INTEGERS:
        return f"CAST({column} AS BIGINT) AS {column}"
    if kind.startswith("DECIMAL"):
        return f"CAST({column} AS DECIMAL(38, 9)) AS {column}"
    return column


def _definition(name: str, google_type: str) -> str:
    """A column of a table; its length is a condition, for DuckDB reads that of a type and lets it go."""
    column = f"{_quoted(name)} {duckdb_type(google_type)}"
    if fields_of(google_type)[0] == "STRING" and (limits := limits_of(google_type)):
        return f"{column} CHECK (length({_quoted(name)}) <= {limits[0]:d})"
    return column


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _name(table: str) -> str:
    return ".".join(map(_quoted, split_table(table)))
