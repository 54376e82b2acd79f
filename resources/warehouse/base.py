"""The one handle for tables and SQL, and everything that its variants have in common.

The public methods split scripts, type parameters, fit frames, and translate a client's errors; a variant
supplies the hooks below them. Not here: any client library, and what tables mean.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import dagster as dg
import polars as pl
from pydantic import Field

from resources.warehouse.columns import Schema, Schemas, fitted, polars_type, split_table
from resources.warehouse.errors import ReadOnly, SchemaMismatch, StatementRefused
from resources.warehouse.json_lines import JsonLines
from resources.warehouse.selections import count_of, rows_of
from resources.warehouse.sql_files import SqlFile, Statement, statements_of
from resources.warehouse.values import Parameters, Scalar, Typed, typed_parameters

_QUERY = re.compile(r"[(\s]*(SELECT|WITH|FROM)\b", re.IGNORECASE)


class Warehouse(dg.ConfigurableResource, ABC):
    """Tables in datasets, and GoogleSQL over them: the same promises on DuckDB and on BigQuery.

    Tables are named `dataset.table` or `project.dataset.table`; DuckDB passes over the project. A table
    changes as a whole or not at all. A warehouse is configuration only: it opens clients when first used, so
    it can be built without a network and pickled to another process. Any method may raise `AccessRefused` or
    `WarehouseUnavailable`, and one that changes tables `ReadOnly`.
    """

    read_only: bool = Field(default=False, description="Whether every change of a table is refused.")

    def reading(self) -> "Warehouse":
        """The same warehouse for questions only; what it is asked leaves no trace, not even an empty file."""
        return _restore(type(self), {**self._configuration(), "read_only": True})

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep what is open between calls until the block ends; without it each call opens and closes."""
        with self._session():
            yield

    def query(self, sql: SqlFile, parameters: Parameters | None = None) -> pl.DataFrame:
        """The rows of the file's one statement, in its order.

        INT64 comes as Int64, NUMERIC as Decimal(38, 9) whatever its limits, TIME as Time, TIMESTAMP as
        Datetime("us", "UTC"). Raises `StatementRefused` or `TableNotFound`.
        """
        statement = _only_statement(sql)
        if not _QUERY.match(statement.text):
            raise StatementRefused(
                f"{statement.location()}: a query begins with SELECT or WITH; execute anything else instead."
            )
        values = _values([statement], parameters)
        with self._session(), self._translating(statement.location(), statement):
            return self._query(statement, values)

    def rows(
        self,
        table: str,
        *,
        where: Mapping[str, Scalar] | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
    ) -> pl.DataFrame:
        """The rows of the table whose columns equal the values, sorted as GoogleSQL sorts (nulls first).

        All columns come, in the table's order and in the types of `query`. Raises `TableNotFound`,
        `StatementRefused` for a column that does not exist, and `ValueError` for what is no column's name.
        """
        sql, parameters = rows_of(table, where or {}, order_by, limit)
        return self.query(sql, parameters)

    def count(self, table: str, *, where: Mapping[str, Scalar] | None = None) -> int:
        """How many rows `rows` would give, at the cost of none of them; raises as `rows` does."""
        return self.query(*count_of(table, where or {})).item()

    def execute(
        self, sql: SqlFile | Sequence[SqlFile], parameters: Parameters | None = None
    ) -> tuple[int, ...]:
        """Run all statements of the files in one transaction; say how many rows each one changed.

        After an error none has changed anything. Raises `StatementRefused` or `TableNotFound`.
        """
        files = [sql] if isinstance(sql, SqlFile) else sql
        self._check_may_change(", ".join(file.path for file in files))
        statements = statements_of(files)
        values = _values(statements, parameters)
        with self._session():
            return tuple(self._execute(statements, values))

    def load(
        self,
        table: str,
        frames: pl.DataFrame | Iterator[pl.DataFrame],
        schema: Schema,
        *,
        replace: bool = True,
    ) -> None:
        """Make the frames the whole content of the table, or add them with `replace=False`, in one step.

        The table and its dataset are made where they do not exist; a replaced one has the declared columns
        afterwards. Of an iterator two frames at most are held at a time. When it raises, or with
        `SchemaMismatch`, the table stays as it was.
        """
        self._check_may_change(table)
        split_table(table)
        if isinstance(frames, pl.DataFrame):
            frames = iter([fitted(table, frames, schema)])
        else:
            frames = (fitted(table, frame, schema) for frame in frames)
        with self._session():
            self._load(table, frames, schema, replace)

    def load_together(self, tables: Mapping[str, tuple[pl.DataFrame, Schema]]) -> None:
        """Make each frame the whole content of its table: of all tables, or of none.

        On BigQuery the tables change one right after the other, once all frames are there. Raises as `load`.
        """
        self._check_may_change(", ".join(tables))
        for table in tables:
            split_table(table)
        loads = [(table, fitted(table, frame, schema), schema) for table, (frame, schema) in tables.items()]
        with self._session():
            self._load_together(loads)

    def load_json_lines(self, table: str, stream: BinaryIO, schema: Schema) -> int:
        """Make the JSON objects of a file, one per line, the whole content of the table, in one step.

        Says how many lines were left out because they are none; `JsonLines` says what a line means. A few
        blocks of the file are held at a time. Raises what reading the file raises; the table then stays as it
        was.
        """
        self._check_may_change(table)
        split_table(table)
        lines = JsonLines(stream, schema)
        with self._session():
            self._load_json_lines(table, lines, schema)
        return lines.left_out

    def table_exists(self, table: str) -> bool:
        """Whether there is such a table, with or without rows."""
        split_table(table)
        with self._session(), self._translating(table):
            return self._columns(table) is not None

    def ensure_tables(self, schemas: Schemas) -> None:
        """Make the declared tables that do not exist, empty.

        Raises `SchemaMismatch` for one that exists with other column names.
        """
        self._check_may_change(", ".join(schemas))
        with self._session():
            for table, schema in schemas.items():
                self._ensure_table(table, schema)

    def estimate(self, sql: SqlFile, parameters: Parameters | None = None) -> int | None:
        """The bytes that the file's one statement would be charged for; None where bytes cost nothing."""
        statement = _only_statement(sql)
        values = _values([statement], parameters)
        with self._session(), self._translating(statement.location(), statement):
            return self._estimate(statement, values)

    def _check_may_change(self, what: str) -> None:
        if self.read_only:
            raise ReadOnly(
                f"{what}: this warehouse is open for reading only; change tables with the one that reading() "
                "was called on."
            )

    def _ensure_table(self, table: str, schema: Schema) -> None:
        split_table(table)
        for google_type in schema.values():
            polars_type(google_type)
        with self._translating(table):
            self._create(table, schema)
            present = self._columns(table)
        if present != list(schema):
            raise SchemaMismatch(
                f"{table} has the columns {', '.join(present or [])} and is declared with "
                f"{', '.join(schema)}; rename or remove the old table."
            )

    @contextmanager
    def _session(self) -> Iterator[None]:
        yield

    @abstractmethod
    def _query(self, statement: Statement, values: Mapping[str, Typed]) -> pl.DataFrame: ...

    @abstractmethod
    def _execute(self, statements: Sequence[Statement], values: Mapping[str, Typed]) -> list[int]:
        """Run the statements, each inside `_translating`, in one transaction."""

    @abstractmethod
    def _load(self, table: str, frames: Iterator[pl.DataFrame], schema: Schema, replace: bool) -> None:
        """Load the fitted frames, its own calls inside `_translating`, in one step."""

    @abstractmethod
    def _load_together(self, loads: Sequence[tuple[str, pl.DataFrame, Schema]]) -> None: ...

    def _load_json_lines(self, table: str, lines: JsonLines, schema: Schema) -> None:
        """Load the rows in one step; a variant may know a shorter way than frames."""
        self._load(table, lines.frames(), schema, replace=True)

    @abstractmethod
    def _create(self, table: str, schema: Schema) -> None:
        """Make the table, and its dataset, unless it exists."""

    @abstractmethod
    def _columns(self, table: str) -> list[str] | None:
        """The names of the table's columns in order; None if it does not exist."""

    @abstractmethod
    def _estimate(self, statement: Statement, values: Mapping[str, Typed]) -> int | None: ...

    @abstractmethod
    def _translate(self, error: Exception, location: str, statement: Statement | None) -> Exception | None:
        """The error of this package that a client's exception means; None for one it does not know."""

    @contextmanager
    def _translating(self, location: str, statement: Statement | None = None) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            translated = self._translate(error, location, statement)
            if translated is None:
                raise
            raise translated from error

    def __reduce__(self) -> "tuple[Callable[..., Warehouse], tuple[type[Warehouse], dict[str, Any]]]":
        # Dagster's own metadata on a resource cannot be pickled (1.13.27); the fields say everything.
        return _restore, (type(self), self._configuration())

    def _configuration(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}


def _restore(variant: type[Warehouse], fields: dict[str, Any]) -> Warehouse:
    return variant(**fields)


def _only_statement(sql: SqlFile) -> Statement:
    statements = statements_of([sql])
    if len(statements) != 1:
        raise StatementRefused(f"{sql.path} holds {len(statements)} statements; a query is one.")
    return statements[0]


def _values(statements: Sequence[Statement], parameters: Parameters | None) -> dict[str, Typed]:
    values = typed_parameters(parameters or {})
    for statement in statements:
        if missing := sorted(statement.parameters - values.keys()):
            raise StatementRefused(f"{statement.location()}: pass a value for @{missing[0]}.")
    return values
