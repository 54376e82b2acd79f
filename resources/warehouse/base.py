"""The one handle for tables and SQL, and everything that its variants have in common.

The public methods split scripts, type parameters, fit frames, and translate a client's errors; a variant
supplies the hooks below them. Not here: any client library, and what tables mean.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg
import polars as pl

from resources.warehouse.columns import Schema, Schemas, fitted, polars_type, split_table
from resources.warehouse.errors import SchemaMismatch, StatementRefused
from resources.warehouse.sql_files import SqlFile, Statement, statements_of
from resources.warehouse.values import Parameters, Typed, typed_parameters


class Warehouse(dg.ConfigurableResource, ABC):
    """Tables in datasets, and GoogleSQL over them: the same promises on DuckDB and on BigQuery.

    Tables are named `dataset.table`. A table changes as a whole or not at all. A warehouse is configuration
    only: it opens clients when first used, so it can be built without a network and pickled to another
    process. Any method may raise `AccessRefused` or `WarehouseUnavailable`.
    """

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep what is open between calls until the block ends; without it each call opens and closes."""
        with self._session():
            yield

    def query(self, sql: SqlFile, parameters: Parameters | None = None) -> pl.DataFrame:
        """The rows of the file's one statement, in its order.

        INT64 comes as Int64, NUMERIC as Decimal(38, 9), TIMESTAMP as Datetime("us", "UTC"). Raises
        `StatementRefused` or `TableNotFound`.
        """
        statement = _only_statement(sql)
        values = _values([statement], parameters)
        with self._session(), self._translating(statement.location(), statement):
            return self._query(statement, values)

    def execute(
        self, sql: SqlFile | Sequence[SqlFile], parameters: Parameters | None = None
    ) -> tuple[int, ...]:
        """Run all statements of the files in one transaction; say how many rows each one changed.

        After an error none has changed anything. Raises `StatementRefused` or `TableNotFound`.
        """
        statements = statements_of([sql] if isinstance(sql, SqlFile) else sql)
        values = _values(statements, parameters)
        with self._session():
            return tuple(self._execute(statements, values))

    def load(self, table: str, frame: pl.DataFrame, schema: Schema, *, replace: bool = True) -> None:
        """Make the frame the whole content of the table, or add it with `replace=False`, in one step.

        The table and its dataset are made where they do not exist; a replaced one has the declared columns
        afterwards. Raises `SchemaMismatch` before anything is changed.
        """
        split_table(table)
        rows = fitted(table, frame, schema)
        with self._session(), self._translating(table):
            self._load(table, rows, schema, replace)

    def table_exists(self, table: str) -> bool:
        """Whether there is such a table, with or without rows."""
        split_table(table)
        with self._session(), self._translating(table):
            return self._columns(table) is not None

    def ensure_tables(self, schemas: Schemas) -> None:
        """Make the declared tables that do not exist, empty.

        Raises `SchemaMismatch` for one that exists with other column names.
        """
        with self._session():
            for table, schema in schemas.items():
                self._ensure_table(table, schema)

    def estimate(self, sql: SqlFile, parameters: Parameters | None = None) -> int | None:
        """The bytes that the file's one statement would be charged for; None where bytes cost nothing."""
        statement = _only_statement(sql)
        values = _values([statement], parameters)
        with self._session(), self._translating(statement.location(), statement):
            return self._estimate(statement, values)

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
    def _load(self, table: str, rows: pl.DataFrame, schema: Schema, replace: bool) -> None: ...

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

    def __reduce__(self) -> "tuple[Callable[..., Warehouse], tuple[type[Warehouse], dict[str, object]]]":
        # Dagster's own metadata on a resource cannot be pickled (1.13.27); the fields say everything.
        return _restore, (type(self), {name: getattr(self, name) for name in type(self).model_fields})


def _restore(variant: type[Warehouse], fields: dict[str, object]) -> Warehouse:
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
