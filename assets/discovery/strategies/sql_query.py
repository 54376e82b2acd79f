"""`sql_query`: the rows of a query, followed by a column that only grows.

Not here: how the position in the rows is stored and stepped back from (`watermarks`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import UnusableKey, joined_key
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.json_values import json_value
from assets.discovery.strategies.params import SqlQueryParams
from assets.discovery.strategies.watermarks import stepped_back, stored_value, value_of
from assets.failures import PermanentFailure, TransientFailure

_READ_ONLY: Final = {
    "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "mysql": "SET TRANSACTION READ ONLY",
    "mariadb": "SET TRANSACTION READ ONLY",
    "oracle": "SET TRANSACTION READ ONLY",
    "sqlite": "PRAGMA query_only = ON",
}
"""The first statement of a transaction that cannot write, by dialect. Others are rolled back all the same."""


class SqlQuery(BaseDiscovery):
    """The rows of a query in the order of (watermark, key), a batch at a time, never by OFFSET.

    The cursor `{watermark, key}` is the pair of the last row read; the next read wants strictly greater
    pairs, so rows with equal watermarks are not lost. `overlap` first re-reads that many units before the
    cursor (seconds for instants, days for dates), for rows that were committed late. At most `max_pages`
    batches after the cursor are read at a time; the next discovery goes on from there.
    """

    name: ClassVar[str] = "sql_query"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the rows; one without a watermark or with an empty key is rejected.

        Raises:
            PermanentFailure: the database refuses us or the query, or the query lacks a column of the job.
            TransientFailure: the database could not be reached.
        """
        params = SqlQueryParams.model_validate(ask.params)
        url = _url(params.database)
        try:
            with _read_only(url) as connection:
                yield from _Reading(ask, params, connection).items()
        except SQLAlchemyError as error:
            raise _failure(error, url) from None


class _Place(NamedTuple):
    """A pair of the keyset: where in the order of the rows something is."""

    watermark: Any
    key: tuple[Any, ...]


class _Reading:
    """One read of a query within one transaction."""

    def __init__(self, ask: Ask, params: SqlQueryParams, connection: sa.Connection) -> None:
        self._ask, self._params, self._connection = ask, params, connection
        # The query takes no parameters, so its colons are its own.
        text = params.query.strip().rstrip(";").replace(":", r"\:")
        self._watermark: sa.ColumnElement[Any] = sa.column(params.watermark_column)
        self._key: list[sa.ColumnElement[Any]] = [sa.column(name) for name in params.key_columns]
        self._source = sa.text(text).columns(*self._key, self._watermark).subquery("source")

    def items(self) -> Iterator[Candidate | Mark]:
        """What was committed late, then what is new."""
        start = _place(self._ask.cursor, len(self._key))
        self._reject_unplaced()
        if start is not None and self._params.overlap:
            yield from self._overlap(start)
        yield from self._new(start)

    def _reject_unplaced(self) -> None:
        """Rows with a null in the watermark or the key have no place in the order; a batch is told."""
        unplaced = sa.or_(*(column.is_(None) for column in (self._watermark, *self._key)))
        for row in self._rows(unplaced, ordered=False):
            values = ", ".join(f"{name}={row[name]!r:.60}" for name in self._names())
            self._ask.reject(
                f"row {values}", "its watermark or its key is null, so it has no place in the order; fill it"
            )

    def _overlap(self, start: _Place) -> Iterator[Candidate | Mark]:
        """Rows up to the cursor, which stays where it is."""
        from_ = stepped_back(start.watermark, self._params.overlap)
        until = sa.not_(self._after(start))
        after: sa.ColumnElement[bool] = self._watermark >= from_
        while rows := self._rows(sa.and_(after, until)):
            for row in rows:
                yield from self._candidates(row)
            if len(rows) < self._params.batch:
                return
            after = self._after(self._place_of(rows[-1]))

    def _new(self, start: _Place | None) -> Iterator[Candidate | Mark]:
        """Rows after the cursor, which moves with them."""
        ask, page = self._ask, 0
        condition = self._after(start) if start is not None else self._placed()
        while page < ask.max_pages and (rows := self._rows(condition)):
            page += 1
            for row in rows:
                yield from self._candidates(row)
                if ask.limit is not None or row is rows[-1]:
                    yield Mark(_cursor(self._place_of(row)), page=page)
            if len(rows) < self._params.batch:
                break
            condition = self._after(self._place_of(rows[-1]))
        if page == 0:
            yield Mark(ask.cursor, ask.validators)

    def _rows(
        self, condition: sa.ColumnElement[bool], *, ordered: bool = True
    ) -> Sequence[Mapping[str, Any]]:
        query = sa.select(sa.literal_column("*")).select_from(self._source).where(condition)
        if ordered:
            query = query.order_by(self._watermark, *self._key)
        found = self._connection.execute(query.limit(self._params.batch)).mappings()
        rows = [{str(name): value for name, value in row.items()} for row in found]
        if rows and (missing := [name for name in self._names() if name not in rows[0]]):
            raise PermanentFailure(
                f"The query gives no column {missing[0]!r}, which the job names; it gives "
                f"{', '.join(map(repr, rows[0]))}."
            )
        return rows

    def _names(self) -> tuple[str, ...]:
        return (*self._params.key_columns, self._params.watermark_column)

    def _after(self, place: _Place) -> sa.ColumnElement[bool]:
        """Strictly greater as a tuple, spelt out, for not every database compares tuples."""
        columns, values = [self._watermark, *self._key], [place.watermark, *place.key]
        return sa.or_(
            *(
                sa.and_(*(columns[n] == values[n] for n in range(depth)), columns[depth] > values[depth])
                for depth in range(len(columns))
            )
        )

    def _placed(self) -> sa.ColumnElement[bool]:
        return sa.and_(*(column.is_not(None) for column in (self._watermark, *self._key)))

    def _place_of(self, row: Mapping[str, Any]) -> _Place:
        return _Place(
            row[self._params.watermark_column], tuple(row[name] for name in self._params.key_columns)
        )

    def _candidates(self, row: Mapping[str, Any]) -> Iterator[Candidate]:
        """The row as a candidate, or none if it is rejected."""
        place = self._place_of(row)
        try:
            key = joined_key([json_value(value) for value in place.key])
            data = {name: json_value(value) for name, value in row.items()}
            if not key:
                raise UnusableKey("its key is empty")
        except ValueError as error:
            self._ask.reject(f"row {place.key!r:.100} at {place.watermark}", str(error))
        else:
            yield Candidate(key, data)


def _place(cursor: Mapping[str, Any] | None, columns: int) -> _Place | None:
    """Where the last read ended; from the top if the key has other columns now."""
    if cursor is None or len(cursor["key"]) != columns:
        return None
    return _Place(value_of(cursor["watermark"]), tuple(value_of(value) for value in cursor["key"]))


def _cursor(place: _Place) -> dict[str, Any]:
    return {"watermark": stored_value(place.watermark), "key": [stored_value(value) for value in place.key]}


def _url(database: str) -> sa.URL:
    """The address; an SQLite file is opened read-only, and not made if it does not exist."""
    try:
        url = sa.make_url(database)
    except ArgumentError:
        raise PermanentFailure(
            "The database of the job is no SQLAlchemy URL; write for example "
            "postgresql+psycopg2://user@host/name, or env:NAME for a variable that holds it."
        ) from None
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":", "file:")):
        return url
    path = Path(url.database).absolute()
    if not path.is_file():
        raise PermanentFailure(f"The database {path} is no file; correct database in the job.")
    return url.set(database=path.as_uri(), query={**url.query, "mode": "ro", "uri": "true"})


@contextmanager
def _read_only(url: sa.URL) -> Iterator[sa.Connection]:
    """A connection in a transaction that cannot write and is rolled back."""
    try:
        engine = sa.create_engine(url, poolclass=NullPool)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise PermanentFailure(
            f"The driver of {_shown(url)} is not installed ({error}); install it."
        ) from None
    with engine.connect() as connection:
        if statement := _READ_ONLY.get(connection.dialect.name):
            connection.exec_driver_sql(statement)
        yield connection
        connection.rollback()


def _shown(url: sa.URL) -> str:
    return url.render_as_string(hide_password=True)


def _failure(error: SQLAlchemyError, url: sa.URL) -> PermanentFailure | TransientFailure:
    """The failure without the statement and without the password."""
    reason = " ".join(str(getattr(error, "orig", None) or error).split())
    # SQLite reports wrong statements as operational errors too.
    may_pass = isinstance(error, OperationalError) and (
        url.get_backend_name() != "sqlite" or "locked" in reason
    )
    if may_pass:
        return TransientFailure(f"The database {_shown(url)} could not be read for now: {reason}.")
    return PermanentFailure(
        f"The query on {_shown(url)} is refused ({reason}); correct it, or the permissions."
    )
