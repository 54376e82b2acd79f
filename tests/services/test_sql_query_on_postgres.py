"""`sql_query` on a real PostgreSQL: instants, keys of several types, transactions that cannot write."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NoReturn

import pytest
import sqlalchemy as sa

from assets.discovery.strategies.sql_query import SqlQuery
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing
from tests.postgres_server import postgres_server

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[str]:
    """A new server on a loopback port, as a SQLAlchemy URL."""
    with postgres_server(tmp_path_factory, missing_service) as port:
        yield f"postgresql+psycopg2://postgres:hidden@127.0.0.1:{port}/postgres"


@pytest.fixture
def engine(server: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(server, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS things")
        connection.exec_driver_sql(
            'CREATE TABLE things (id uuid PRIMARY KEY, "updatedAt" timestamptz, price numeric, note text)'
        )
    yield engine
    engine.dispose()


NOON = datetime.fromisoformat("2026-03-01T12:00:00.000001+00:00")


def insert(engine: sa.Engine, *rows: tuple[int, float]) -> None:
    with engine.begin() as connection:
        for number, seconds in rows:
            connection.execute(
                sa.text("INSERT INTO things VALUES (cast(:id AS uuid), :at, 1.50, '100% \\:x')"),
                {"id": f"00000000-0000-0000-0000-{number:012}", "at": NOON + timedelta(seconds=seconds)},
            )


def query(server: str, **params: object) -> Source:
    defaults = {
        "database": server,
        "query": "SELECT *, price::text AS text FROM things WHERE note LIKE '100%:x'",
        "key_columns": ["id"],
        "watermark_column": "updatedAt",
    }
    return Source(SqlQuery(), defaults | params)


def test_instants_and_uuids_are_followed_one_row_at_a_time(server, engine):
    insert(engine, (1, 0), (2, 0), (3, 0.000001))
    source = query(server, batch=1)
    assert [[key[-1] for key in source.read(limit=1).keys] for _ in range(4)] == [["1"], ["2"], ["3"], []]
    assert_a_second_read_changes_nothing(source)
    insert(engine, (4, 7))
    (data,) = source.read().data
    assert data["updatedAt"] == "2026-03-01T12:00:07.000001+00:00"
    assert (data["price"], data["text"], data["note"]) == ("1.50", "1.50", "100% :x")


def test_rows_that_were_committed_late_are_found_by_the_overlap(server, engine):
    insert(engine, (1, 0), (2, 100))
    source = query(server, overlap=60, batch=1)
    source.read()
    cursor = source.cursor
    insert(engine, (3, 30), (4, 50), (5, 100))
    assert [key[-1] for key in source.read().new] == ["4", "5"]
    assert source.cursor != cursor  # The row of the same instant with the greater key.
    assert_a_second_read_changes_nothing(source)


def test_a_query_that_would_write_is_refused(server, engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE SEQUENCE IF NOT EXISTS counter")
    with pytest.raises(PermanentFailure, match="read-only") as failure:
        query(
            server, query="SELECT *, nextval('counter') AS n FROM things, (SELECT nextval('counter')) AS x"
        ).read()
    assert "hidden" not in str(failure.value)


def test_a_server_that_is_away_may_be_back_later(server, engine):
    away = sa.make_url(server).set(port=1).render_as_string(hide_password=False)
    with pytest.raises(TransientFailure) as failure:
        query(away).read()
    assert "hidden" not in str(failure.value)
