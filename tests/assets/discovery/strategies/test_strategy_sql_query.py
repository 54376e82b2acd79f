"""Rows of a query: nothing is lost among equal watermarks, and nothing is written."""

import datetime as dt
import sqlite3
from contextlib import closing
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.sql_query import SqlQuery
from assets.discovery.strategies.watermarks import stepped_back, stored_value, value_of
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing


def execute(path, statement: str, rows=((),)) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(statement, rows)


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "source.sqlite"
    execute(place, "CREATE TABLE things (t, id, name)")
    return place


def insert(path, *rows: tuple) -> None:
    execute(path, "INSERT INTO things (t, id, name) VALUES (?, ?, 'it''s 10:30 :x')", rows)


def query(path, **params) -> Source:
    defaults = {
        "database": f"sqlite:///{path}",
        "query": "SELECT t, id, name FROM things WHERE name LIKE '%:%' ;",
        "key_columns": ["id"],
        "watermark_column": "t",
    }
    return Source(SqlQuery(), defaults | params)


def test_rows_with_equal_watermarks_are_each_read_once_however_small_the_limit(path):
    insert(path, (10, 1), (10, 2), (11, 3))
    source = query(path)
    assert [source.read(limit=1).keys for _ in range(4)] == [["1"], ["2"], ["3"], []]
    assert source.cursor == {"watermark": 11, "key": [3]}
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize("batch", [1, 2, 3, 1000])
def test_batches_of_any_size_give_all_rows_in_order_and_their_data(path, batch):
    insert(path, (11, 3), (10, 2), (10, 1), (12, 0), (10, 7))
    read = query(path, batch=batch).read()
    assert read.keys == ["1", "2", "7", "3", "0"]
    assert read.data[0] == {"t": 10, "id": 1, "name": "it's 10:30 :x"}
    assert not read.is_complete


def test_later_rows_are_read_from_the_cursor_and_a_changed_row_is_read_again(path):
    insert(path, (10, 1), (11, 2))
    source = query(path)
    source.read()
    execute(path, "UPDATE things SET t = 12 WHERE id = 1")
    insert(path, (13, 3))
    assert source.read().keys == ["1", "3"]


def test_rows_that_were_committed_late_are_found_by_the_overlap_and_the_cursor_stays(path):
    insert(path, (10, 1), (20, 2))
    plain, overlapping = query(path), query(path, overlap=5, batch=1)
    plain.read()
    overlapping.read()
    insert(path, (14, 3), (15, 4), (20, 0), (19, 5))
    assert plain.read().keys == []
    read = overlapping.read()
    assert read.new == ["4", "5", "0"]
    assert overlapping.cursor == {"watermark": 20, "key": [2]}
    assert_a_second_read_changes_nothing(overlapping)


def test_a_page_cap_goes_on_the_next_time_and_is_not_used_up_by_the_overlap(path):
    insert(path, *((n, n) for n in range(6)))
    source = query(path, batch=1, overlap=100)
    source.max_pages = 2
    assert [len(source.read().new) for _ in range(4)] == [2, 2, 2, 0]


def test_several_key_columns_of_several_types_are_followed(tmp_path):
    place = tmp_path / "two.sqlite"
    execute(place, "CREATE TABLE things (t TEXT, a TEXT, b INTEGER)")
    rows = [
        ("2026-03-01T00:00:00", "x", 2),
        ("2026-03-01T00:00:00", "x", 10),
        ("2026-03-01T00:00:00", "y", 1),
    ]
    execute(place, "INSERT INTO things VALUES (?, ?, ?)", rows)
    source = query(place, query="SELECT * FROM things", key_columns=["a", "b"], batch=1, overlap=1)
    assert source.read().keys == ["x|2", "x|10", "y|1"]
    assert_a_second_read_changes_nothing(source)


def test_the_watermark_may_be_part_of_the_key(path):
    insert(path, (10, 1), (10, 2), (11, 1))
    source = query(path, key_columns=["t", "id"], batch=1)
    assert source.read().keys == ["10|1", "10|2", "11|1"]
    assert_a_second_read_changes_nothing(source)


def test_rows_without_a_place_in_the_order_are_rejected(path):
    insert(path, (None, 1), (10, None), (10, 2), (11, " "))
    read = query(path).read()
    assert read.keys == ["2"]
    assert len(read.rejected) == 3
    assert "null" in read.rejected[0][1]
    assert "id=1" in read.rejected[0][0]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"query": "SELECT t, name FROM things"}, ["id"]),
        ({"query": "SELECT nothing FROM things"}, ["nothing"]),
        ({"query": "DELETE FROM things RETURNING t, id"}, ["refused"]),
        ({"query": "SELEC"}, ["refused"]),
        ({"database": "sqlite:////nowhere/at/all.sqlite"}, ["all.sqlite", "database"]),
        ({"database": "nonsense"}, ["SQLAlchemy URL"]),
        ({"database": "nodriver://user:hidden@host/db"}, ["driver", "***"]),
        ({"overlap": 5, "watermark_column": "name"}, ["overlap"]),
    ],
)
def test_what_cannot_be_read_fails_in_one_sentence_without_a_password(path, params, words):
    insert(path, (10, 1))
    source = query(path, **params)
    source.cursor = {"watermark": "it is no instant", "key": [1]} if "overlap" in params else None
    with pytest.raises(PermanentFailure) as failure:
        source.read()
    text = str(failure.value)
    assert all(word in text for word in words), text
    assert "hidden" not in text


def test_the_source_is_neither_written_nor_made(path, tmp_path):
    insert(path, (10, 1))
    before = path.read_bytes()
    query(path).read()
    assert path.read_bytes() == before
    with pytest.raises(PermanentFailure):
        query(tmp_path / "none.sqlite").read()
    assert not (tmp_path / "none.sqlite").exists()


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), unique_by=lambda row: row[1], max_size=10),
    crashes=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5),
    batch=st.integers(1, 4),
    overlap=st.integers(0, 2),
)
def test_a_crash_anywhere_repeats_and_never_skips(tmp_path_factory, rows, crashes, batch, overlap):
    place = tmp_path_factory.mktemp("crash") / "source.sqlite"
    execute(place, "CREATE TABLE things (t, id, name)")
    insert(place, *rows)
    source = query(place, batch=batch, overlap=overlap)
    for crash_after, is_limited in crashes:
        source.read(crash_after=crash_after, limit=100 if is_limited else None)
    source.read()
    assert set(source.known) == {str(key) for _, key in rows}


@pytest.mark.parametrize(
    "value",
    [
        7,
        "x",
        1.5,
        dt.datetime(2026, 3, 7, 5, 0, 0, 123456, tzinfo=dt.UTC),
        dt.datetime.fromisoformat("2026-03-07T00:00:00"),
        dt.date(2026, 3, 7),
        Decimal("1.50"),
        UUID(int=7),
        b"ab",
    ],
)
def test_a_watermark_comes_back_from_the_cursor_as_it_was(value):
    assert value_of(stored_value(value)) == value


@pytest.mark.parametrize(
    ("watermark", "units", "earlier"),
    [
        (10, 3.0, 7),
        (1.5, 0.5, 1.0),
        (Decimal("1.5"), 1.0, Decimal("0.5")),
        (dt.datetime(2026, 3, 7, tzinfo=dt.UTC), 60.0, dt.datetime(2026, 3, 6, 23, 59, tzinfo=dt.UTC)),
        (dt.date(2026, 3, 7), 1.0, dt.date(2026, 3, 6)),
        ("2026-03-07", 1.0, "2026-03-06"),
        ("2026-03-07T00:00:00Z", 1.0, "2026-03-06T23:59:59Z"),
        ("2026-03-07 00:00:00", 1.0, "2026-03-06 23:59:59"),
        ("2026-03-07T00:00:00.000", 1.0, "2026-03-06T23:59:59.000"),
        ("2026-03-07T00:00:00.000000+01:00", 1.0, "2026-03-06T23:59:59.000000+01:00"),
    ],
)
def test_an_overlap_steps_back_in_the_unit_of_the_watermark_and_keeps_its_form(watermark, units, earlier):
    assert stepped_back(watermark, units) == earlier
