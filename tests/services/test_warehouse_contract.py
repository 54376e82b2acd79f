"""What every warehouse promises, on DuckDB and, through the official client, on BigQuery's emulator.

Where bqemulator 1.3.0 differs from BigQuery, the test says so beside what it does about it.
"""

import io
import pickle
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from resources.warehouse import (
    DuckDBWarehouse,
    ReadOnly,
    SchemaMismatch,
    SqlFile,
    StatementRefused,
    TableNotFound,
    Typed,
    Warehouse,
)
from tests.services.bigquery_server import PROJECT

TABLE = "AIM.aim-analysis-table"
SCHEMA = {
    "text": "STRING",
    "whole": "INT64",
    "real": "FLOAT64",
    "flag": "BOOL",
    "day": "DATE",
    "hour": "TIME",
    "moment": "TIMESTAMP",
    "money": "NUMERIC",
}
ROWS = pl.DataFrame(
    {
        "text": ["CITROËN", None],
        "whole": [2**62, None],
        "real": [0.1, None],
        "flag": [True, None],
        "day": [date(2025, 6, 9), None],
        "hour": [time(23, 59, 59, 999999), None],
        "moment": [datetime(2025, 6, 9, 5, 0, 0, 123456, tzinfo=UTC), None],
        "money": [Decimal("12345678901234567890.123456789"), None],
    },
    schema_overrides={"money": pl.Decimal(38, 9), "moment": pl.Datetime("us", "UTC")},
)
LIST = "CAM_files.CAM_SKU"
LIST_SCHEMA = {"make": "STRING", "sku": "INT64", "run_date": "DATE"}
# The vehicle key of every join: NFKD, no marks, upper case, only A-Z and 0-9.
FOLD = r"REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(@text, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')"


@pytest.fixture
def duckdb_warehouse(tmp_path: Path) -> Warehouse:
    return DuckDBWarehouse(path=str(tmp_path / "warehouse" / "quintet.duckdb"))


@pytest.fixture(params=["duckdb", pytest.param("bigquery", marks=pytest.mark.services)])
def warehouse(request: pytest.FixtureRequest) -> Warehouse:
    return request.getfixturevalue(f"{request.param}_warehouse")


def sql(text: str) -> SqlFile:
    return SqlFile.from_bytes("assets/aim/sql/select_rows.sql", text.encode())


def rows(warehouse: Warehouse, text: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return warehouse.query(sql(text), parameters).rows()


def value(warehouse: Warehouse, expression: str, **parameters: Any) -> Any:
    return warehouse.query(sql(f"SELECT {expression} AS answer"), parameters).item()


def listed(warehouse: Warehouse, *skus: int, day: date = date(2025, 6, 9)) -> None:
    frame = pl.DataFrame(
        {"make": [f"make {sku}" for sku in skus], "sku": skus, "run_date": [day] * len(skus)}
    )
    warehouse.load(LIST, frame, LIST_SCHEMA)


def skus(warehouse: Warehouse) -> list[int]:
    return [sku for (sku,) in rows(warehouse, f"SELECT sku FROM `{LIST}` ORDER BY sku")]


# ---- loading ----


def test_every_type_and_null_comes_back_as_it_was(warehouse: Warehouse) -> None:
    warehouse.load(TABLE, ROWS, SCHEMA)
    found = warehouse.query(sql(f"SELECT * FROM `{TABLE}` ORDER BY whole DESC"))
    assert found.equals(ROWS)
    assert found.schema == ROWS.schema


def test_nested_columns_come_back_and_can_be_unnested(warehouse: Warehouse) -> None:
    schema = {"name": "STRING", "items": "ARRAY<STRUCT<id STRING, price FLOAT64>>"}
    frame = pl.DataFrame(
        {"name": ["a", "b"], "items": [[{"id": "1", "price": 2.5}, {"id": "2", "price": None}], []]}
    )
    warehouse.load("analytics.events", frame, schema)
    found = rows(
        warehouse,
        "SELECT e.name, item.id, item.price FROM analytics.events AS e, UNNEST(e.items) AS item "
        "ORDER BY item.id",
    )
    assert found == [("a", "1", 2.5), ("a", "2", None)]


LIMITED = "dw_core.limited"
LIMITED_SCHEMA = {"code": "STRING(5)", "price": "NUMERIC(10, 2)"}


def limited(code: str | None, price: str | None) -> pl.DataFrame:
    money = None if price is None else Decimal(price)
    return pl.DataFrame({"code": [code], "price": [money]}, schema={"code": pl.String, "price": pl.Decimal})


def test_columns_with_limits_keep_what_fits_into_them(warehouse: Warehouse) -> None:
    warehouse.ensure_tables({LIMITED: LIMITED_SCHEMA})
    for row in (limited("CITRÖ", "99999999.99"), limited("", "-0.5"), limited(None, None)):
        warehouse.load(LIMITED, row, LIMITED_SCHEMA, replace=False)
    found = warehouse.rows(LIMITED, order_by=["price"])
    assert found.rows() == [(None, None), ("", Decimal("-0.5")), ("CITRÖ", Decimal("99999999.99"))]
    assert found.schema == {"code": pl.String(), "price": pl.Decimal(38, 9)}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (limited("CITROEN", "1"), r"column code does not fit STRING\(5\); it has 7 characters"),
        (limited("", "100000000"), r"column price does not fit NUMERIC\(10, 2\)"),
        (limited("", "0.125"), r"column price is .* declared NUMERIC\(10, 2\)"),
    ],
)
def test_a_value_beyond_the_limits_is_refused_and_the_table_stays(
    warehouse: Warehouse, row: pl.DataFrame, says: str
) -> None:
    warehouse.load(LIMITED, limited("a", "1"), LIMITED_SCHEMA)
    with pytest.raises(SchemaMismatch, match=f"{LIMITED}: .*{says}"):
        warehouse.load(LIMITED, row, LIMITED_SCHEMA)
    lines = b'{"code": "short"}\n{"code": "too long"}\n'
    with pytest.raises(SchemaMismatch):
        warehouse.load_json_lines(LIMITED, io.BytesIO(lines), LIMITED_SCHEMA)
    # bqemulator forgets the limits of a column, so what a statement inserts is refused elsewhere only.
    if isinstance(warehouse, DuckDBWarehouse):
        with pytest.raises(StatementRefused, match="CHECK constraint"):
            warehouse.execute(sql(f"INSERT INTO `{LIMITED}` (code) VALUES ('too long')"))
    assert warehouse.rows(LIMITED).rows() == [("a", Decimal(1))]


def test_an_empty_frame_makes_an_empty_table_with_its_columns(warehouse: Warehouse) -> None:
    warehouse.load(TABLE, ROWS.clear(), SCHEMA)
    found = warehouse.query(sql(f"SELECT * FROM `{TABLE}`"))
    assert found.height == 0
    assert found.schema == ROWS.schema


def test_a_load_replaces_the_rows_of_the_table(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    listed(warehouse, 2, 3)
    assert skus(warehouse) == [2, 3]


def test_a_load_can_add_to_a_table(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    more = pl.DataFrame({"make": ["b"], "sku": [2], "run_date": [date(2025, 6, 10)]})
    warehouse.load(LIST, more, LIST_SCHEMA, replace=False)
    assert skus(warehouse) == [1, 2]


def pages(*skus: int) -> Iterator[pl.DataFrame]:
    for sku in skus:
        yield pl.DataFrame({"make": [None], "sku": [sku], "run_date": [date(2025, 6, 10)]})


@pytest.mark.parametrize(
    ("replace", "given", "expected"),
    [(True, [2, 3], [2, 3]), (False, [2, 3], [1, 2, 3]), (True, [], []), (False, [], [1])],
)
def test_frames_come_one_by_one_and_are_one_load(
    warehouse: Warehouse, replace: bool, given: list[int], expected: list[int]
) -> None:
    listed(warehouse, 1)
    warehouse.load(LIST, pages(*given), LIST_SCHEMA, replace=replace)
    assert skus(warehouse) == expected


def test_frames_of_every_type_come_back_as_they_were(warehouse: Warehouse) -> None:
    warehouse.load(TABLE, iter([ROWS.head(1), ROWS.clear(), ROWS.tail(1)]), SCHEMA)
    found = warehouse.rows(TABLE).sort("whole", nulls_last=True)
    assert found.equals(ROWS)
    assert found.schema == ROWS.schema
    warehouse.load(TABLE, iter([]), SCHEMA)
    assert warehouse.rows(TABLE).schema == ROWS.schema


@pytest.mark.parametrize("replace", [True, False])
def test_an_iterator_that_raises_leaves_the_table_as_it_was(warehouse: Warehouse, replace: bool) -> None:
    def broken() -> Iterator[pl.DataFrame]:
        yield from pages(2)
        raise TimeoutError("the server of the pages is gone")

    listed(warehouse, 1)
    with pytest.raises(TimeoutError, match="of the pages"):
        warehouse.load(LIST, broken(), LIST_SCHEMA, replace=replace)
    with pytest.raises(SchemaMismatch, match="lacks run_date"):
        warehouse.load(LIST, iter([*pages(2), pl.DataFrame({"make": [""], "sku": [3]})]), LIST_SCHEMA)
    assert skus(warehouse) == [1]
    with pytest.raises(TimeoutError):
        warehouse.load("new.table", broken(), LIST_SCHEMA)
    assert not warehouse.table_exists("new.table")


def test_tables_that_are_loaded_together_are_all_replaced(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    warehouse.load_together({LIST: (next(pages(2)), LIST_SCHEMA), "new.table": (ROWS, SCHEMA)})
    assert skus(warehouse) == [2]
    assert warehouse.rows("new.table").sort("whole", nulls_last=True).equals(ROWS)
    warehouse.load_together({LIST: (next(pages(3)), LIST_SCHEMA), "new.table": (ROWS.clear(), SCHEMA)})
    assert (skus(warehouse), warehouse.count("new.table")) == ([3], 0)


def test_of_tables_loaded_together_none_changes_when_one_does_not_fit(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    with pytest.raises(SchemaMismatch, match=r"new\.table"):
        warehouse.load_together({LIST: (next(pages(2)), LIST_SCHEMA), "new.table": (next(pages(2)), SCHEMA)})
    assert skus(warehouse) == [1]
    assert not warehouse.table_exists("new.table")


def test_lines_of_json_become_the_rows_of_the_table(warehouse: Warehouse) -> None:
    schema = {**SCHEMA, "items": "ARRAY<STRUCT<id STRING, price FLOAT64>>"}
    line = (
        b'{"text": "CITRO\xc3\x8bN", "whole": 4611686018427387904, "real": 0.1, "flag": true, '
        b'"day": "2025-06-09", "hour": "23:59:59.999999", "moment": "2025-06-09T05:00:00.123456Z", '
        b'"money": 1.125, "items": [{"id": 7}, {"price": "2.5"}]}'
    )
    content = b"\xef\xbb\xbf" + line + b"\n\nno line\n" + line[:-9] + b"\n{}\n"
    for _ in range(2):
        assert warehouse.load_json_lines("analytics.lines", io.BytesIO(content), schema) == 2
    found = warehouse.rows("analytics.lines", order_by=["whole"]).to_dicts()
    expected = {**ROWS.row(0, named=True), "money": Decimal("1.125"), "items": [("7", None), (None, 2.5)]}
    assert len(found) == 2
    assert {**found[1], "items": [(item["id"], item["price"]) for item in found[1]["items"]]} == expected
    assert {name: value or None for name, value in found[0].items()} == dict.fromkeys(expected)
    with pytest.raises(ReadOnly):
        warehouse.reading().load_json_lines("analytics.lines", io.BytesIO(content), schema)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"make": ["a"], "sku": [1]}, "lacks run_date"),
        ({"make": ["a"], "sku": [1], "run_date": [None], "more": [1]}, "has more too much"),
        ({"make": ["a"], "sku": ["1"], "run_date": [None]}, "column sku is String and declared INT64"),
        ({"make": ["a"], "sku": [1.0], "run_date": [None]}, "column sku is Float64"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_and_the_table_stays(
    warehouse: Warehouse, frame: dict[str, list[Any]], says: str
) -> None:
    listed(warehouse, 1)
    with pytest.raises(SchemaMismatch, match=f"{LIST}.*{says}"):
        warehouse.load(LIST, pl.DataFrame(frame), LIST_SCHEMA)
    assert skus(warehouse) == [1]


# ---- tables ----


def test_declared_tables_are_made_once_and_keep_their_rows(warehouse: Warehouse) -> None:
    assert not warehouse.table_exists(TABLE)
    warehouse.ensure_tables({TABLE: SCHEMA, LIST: LIST_SCHEMA})
    assert warehouse.table_exists(TABLE)
    listed(warehouse, 1)
    warehouse.ensure_tables({TABLE: SCHEMA, LIST: LIST_SCHEMA})
    assert skus(warehouse) == [1]


def test_a_table_with_other_columns_than_declared_is_named(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    with pytest.raises(SchemaMismatch, match=rf"{LIST} has the columns make, sku, run_date"):
        warehouse.ensure_tables({LIST: {"make": "STRING"}})


@pytest.mark.parametrize("name", ["plain", "a.b.c.d", "A.b.c", "a-b.c", 'a.b"c', "a.", ""])
def test_what_is_no_table_name_is_refused(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ValueError, match="is no table"):
        warehouse.table_exists(name)


def test_a_table_of_a_project_is_found_by_its_whole_name(warehouse: Warehouse) -> None:
    whole = f"{PROJECT}.{LIST}"
    warehouse.load(whole, next(pages(1)), LIST_SCHEMA)
    warehouse.ensure_tables({whole: LIST_SCHEMA})
    assert warehouse.table_exists(whole)
    assert warehouse.table_exists(LIST)
    assert warehouse.rows(whole).height == warehouse.count(whole) == 1
    script = f"DELETE FROM `{LIST}` WHERE TRUE; INSERT INTO `{LIST}` (make, sku) SELECT 'a', 2"
    assert warehouse.execute(sql(script).renamed({LIST: whole})) == (1, 1)
    assert rows(warehouse, f"SELECT l.sku FROM `{whole}` AS l JOIN `{LIST}` AS r ON l.sku = r.sku") == [(2,)]


# ---- rows of a table ----


def test_the_rows_of_a_table_come_whole_or_in_part(warehouse: Warehouse) -> None:
    listed(warehouse, 3, 1, 2)
    warehouse.load(LIST, pages(1), LIST_SCHEMA, replace=False)
    everything = warehouse.rows(LIST, order_by=["sku", "make"])
    assert everything.rows() == [
        (None, 1, date(2025, 6, 10)),
        *[(f"make {sku}", sku, date(2025, 6, 9)) for sku in (1, 2, 3)],
    ]
    assert everything.columns == list(LIST_SCHEMA)
    assert warehouse.rows(LIST).sort("sku", "make").equals(everything)
    assert warehouse.rows(LIST, order_by=["sku", "make"], limit=2).equals(everything.head(2))
    assert warehouse.rows(LIST, limit=0).equals(everything.clear())


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, [1, 2, 3]),
        ({"sku": 2}, [2]),
        ({"run_date": date(2025, 6, 9)}, [1, 2, 3]),
        ({"run_date": date(2025, 6, 9), "make": "make 3"}, [3]),
        ({"run_date": date(2025, 6, 9), "sku": 4}, []),
        ({"make": "' OR TRUE --"}, []),
    ],
)
def test_rows_and_count_answer_equalities(
    warehouse: Warehouse, where: dict[str, Any], expected: list[int]
) -> None:
    listed(warehouse, 1, 2, 3)
    assert warehouse.rows(LIST, where=where, order_by=["sku"])["sku"].to_list() == expected
    assert warehouse.count(LIST, where=where) == len(expected)


def test_columns_may_be_called_like_keywords(warehouse: Warehouse) -> None:
    schema = {"select": "STRING", "limit": "INT64"}
    warehouse.load("AIM.odd", pl.DataFrame({"select": ["b", "a"], "limit": [1, 1]}), schema)
    assert warehouse.rows("AIM.odd", where={"limit": 1}, order_by=["select"])["select"].to_list() == [
        "a",
        "b",
    ]


def test_rows_of_what_does_not_exist_are_refused(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    for ask in (warehouse.rows, warehouse.count):
        with pytest.raises(TableNotFound, match="missing"):
            ask("CAM_files.missing")
        with pytest.raises(StatementRefused, match=r"CAM_files\.CAM_SKU, line [13]: .*nope"):
            ask(LIST, where={"nope": 1})
        with pytest.raises(ValueError, match=r"'x` OR TRUE' is no column"):
            ask(LIST, where={"x` OR TRUE": 1})
        with pytest.raises(ValueError, match="is no table"):
            ask("x` WHERE TRUE")
    with pytest.raises(ValueError, match="'sku DESC' is no column"):
        warehouse.rows(LIST, order_by=["sku DESC"])
    with pytest.raises(ValueError, match="-1 rows cannot be selected"):
        warehouse.rows(LIST, limit=-1)


# ---- reading only ----


def test_a_warehouse_for_reading_answers_and_changes_nothing(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2)
    reading = warehouse.reading()
    with reading.session():
        assert skus(reading) == [1, 2]
        assert reading.count(LIST) == reading.rows(LIST).height == 2
        assert reading.table_exists(LIST)
        assert not reading.table_exists("AIM.missing")
        assert value(reading, FOLD, text="Citroën") == "CITROEN"
        for change in (
            lambda: reading.load(LIST, next(pages(3)), LIST_SCHEMA),
            lambda: reading.load(LIST, pages(3), LIST_SCHEMA, replace=False),
            lambda: reading.execute(sql(f"DELETE FROM `{LIST}` WHERE TRUE")),
            lambda: reading.ensure_tables({"AIM.new": LIST_SCHEMA}),
        ):
            with pytest.raises(ReadOnly, match="open for reading only"):
                change()
    assert skus(pickle.loads(pickle.dumps(reading)).reading()) == [1, 2]
    listed(warehouse, 3)
    assert skus(reading) == [3]


def test_a_query_cannot_change_a_table(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    for handle in (warehouse, warehouse.reading()):
        with pytest.raises(StatementRefused, match=r"line 2: a query begins with SELECT or WITH"):
            handle.query(sql(f"-- SELECT\nDELETE FROM `{LIST}` WHERE TRUE"))
    assert skus(warehouse) == [1]
    assert rows(warehouse, f"(SELECT sku FROM `{LIST}`)") == [(1,)]
    assert rows(warehouse, f"with l as (SELECT sku FROM `{LIST}`) SELECT * FROM l") == [(1,)]


# ---- parameters ----


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("it's @x; --", "it's @x; --"),
        (7, 7),
        (0.1, 0.1),
        (True, True),
        (date(2025, 6, 9), date(2025, 6, 9)),
        (time(5, 30, 0, 1), time(5, 30, 0, 1)),
        (datetime(2025, 6, 9, 5, tzinfo=UTC), datetime(2025, 6, 9, 5, tzinfo=UTC)),
        (Decimal("1.123456789"), Decimal("1.123456789")),
        (Typed(None, "DATE"), None),
        (["a", "b"], ["a", "b"]),
        ([date(2025, 6, 9)], [date(2025, 6, 9)]),
        (Typed([], "ARRAY<INT64>"), []),
    ],
)
def test_a_parameter_keeps_its_type_and_value(warehouse: Warehouse, given: Any, expected: Any) -> None:
    found = value(warehouse, "@given", given=given)
    assert (found.to_list() if isinstance(found, pl.Series) else found) == expected


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "NoneType has no GoogleSQL type"),
        ([], "here none"),
        ([1, "a"], "here INT64, STRING"),
        (datetime(2025, 6, 9), "no time zone"),  # noqa: DTZ001 - that it has none is the point
    ],
)
def test_a_value_without_a_type_is_refused_by_name(warehouse: Warehouse, given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=f"@given: .*{says}"):
        value(warehouse, "@given", given=given)


def test_a_parameter_without_a_value_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(StatementRefused, match=r"select_rows\.sql, line 1: pass a value for @given"):
        value(warehouse, "@given")


def test_a_script_takes_what_each_statement_names(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2)
    script = f"DELETE FROM `{LIST}` WHERE sku = @gone; UPDATE `{LIST}` SET make = @make WHERE TRUE"
    assert warehouse.execute(sql(script), {"gone": 1, "make": "new", "unused": 3}) == (1, 1)
    assert rows(warehouse, f"SELECT make, sku FROM `{LIST}`") == [("new", 2)]


# ---- scripts and transactions ----

REPLACE_DAY = f"""-- One day anew.
DELETE FROM `{LIST}` WHERE run_date = @run_date;

INSERT INTO `{LIST}` (make, sku, run_date)
SELECT CONCAT('new ', CAST(sku AS STRING)), sku, @run_date FROM UNNEST(@skus) AS sku;
"""


def test_a_day_replaced_twice_has_its_rows_once_and_other_days_stay(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2, day=date(2025, 6, 8))
    parameters = {"run_date": date(2025, 6, 9), "skus": [3, 4, 5]}
    assert warehouse.execute(sql(REPLACE_DAY), parameters) == (0, 3)
    assert warehouse.execute(sql(REPLACE_DAY), parameters) == (3, 3)
    assert skus(warehouse) == [1, 2, 3, 4, 5]


def test_after_a_failing_statement_nothing_has_changed(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2)
    script = f"""DELETE FROM `{LIST}` WHERE TRUE;
INSERT INTO `{LIST}` (make, sku, run_date) VALUES ('a', 9, NULL);

INSERT INTO `{LIST}` (make, sku, run_date) SELECT 'b', CAST(make AS INT64), NULL FROM `{LIST}`;"""
    with pytest.raises(StatementRefused, match=r"select_rows\.sql, line 4: "):
        warehouse.execute(sql(script))
    assert skus(warehouse) == [1, 2]


def test_several_files_are_one_transaction(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2)
    first = SqlFile.from_bytes("first.sql", f"DELETE FROM `{LIST}` WHERE TRUE".encode())
    second = SqlFile.from_bytes("second.sql", b"INSERT INTO `AIM.missing` (x) VALUES (1)")
    with pytest.raises(TableNotFound, match=r"second\.sql, line 1: "):
        warehouse.execute([first, second])
    assert skus(warehouse) == [1, 2]
    assert warehouse.execute([first, first]) == (2, 0)


@pytest.mark.parametrize("command", ["BEGIN TRANSACTION", "COMMIT", "ROLLBACK TRANSACTION"])
def test_a_script_may_not_end_its_transaction(warehouse: Warehouse, command: str) -> None:
    listed(warehouse, 1)
    with pytest.raises(StatementRefused, match=r"line 2: (BEGIN|COMMIT|ROLLBACK) is not allowed"):
        warehouse.execute(sql(f"DELETE FROM `{LIST}` WHERE TRUE;\n{command};"))
    assert skus(warehouse) == [1]


MERGE = f"""
MERGE `{LIST}` AS stored
USING (SELECT 'MAKE 1' AS make, 11 AS sku UNION ALL SELECT 'make 3', 3) AS incoming
ON UPPER(stored.make) = UPPER(incoming.make)
WHEN MATCHED AND (stored.run_date IS NULL OR stored.run_date <= @run_date) THEN
  UPDATE SET sku = incoming.sku, run_date = @run_date
WHEN NOT MATCHED THEN
  INSERT (make, sku, run_date) VALUES (incoming.make, incoming.sku, @run_date);
"""


def test_a_merge_updates_what_matches_and_inserts_the_rest(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2)
    assert warehouse.execute(sql(MERGE), {"run_date": date(2025, 6, 9)}) == (2,)
    assert rows(warehouse, f"SELECT make, sku FROM `{LIST}` ORDER BY make") == [
        ("make 1", 11),
        ("make 2", 2),
        ("make 3", 3),
    ]
    warehouse.execute(sql(MERGE), {"run_date": date(2025, 6, 9)})
    assert skus(warehouse) == [2, 3, 11]


# ---- the language ----


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SAFE_CAST('12' AS INT64)", 12),
        ("SAFE_CAST('abc' AS INT64)", None),
        ("SAFE_CAST('1.5' AS FLOAT64)", 1.5),
        # bqemulator keeps three digits of a text that is cast to NUMERIC, so there are three.
        ("CAST(SAFE_CAST('1.125' AS NUMERIC) AS FLOAT64)", 1.125),
        ("REGEXP_CONTAINS('10000001', r'^[0-9]+$')", True),
        ("REGEXP_EXTRACT('205/55 R16', r'R([0-9]+)')", "16"),
        ("REGEXP_EXTRACT('none', r'([0-9]+)')", None),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2, 3]) AS x)", 2),
        ("(SELECT COUNTIF(x > 1) FROM UNNEST([1, 2, 3]) AS x WHERE x > 9)", 0),
        # bqemulator trims spaces only, and takes DIV(9 - 5, 4) for 9 - DIV(5, 4).
        ("TRIM(' a b ')", "a b"),
        ("TRIM('xxaxx', 'x')", "a"),
        ("REGEXP_REPLACE('a1b2c3', r'[0-9]', '')", "abc"),
        ("REGEXP_REPLACE('205/55', r'^([0-9]+)/([0-9]+)$', r'\\2-\\1')", "55-205"),
        ("ROUND(2.5)", 3.0),
        ("ROUND(-2.5)", -3.0),
        ("SAFE_DIVIDE(1, 0)", None),
        ("7 / 2", 3.5),
        ("DATE_SUB(DATE '2025-06-09', INTERVAL 90 DAY)", date(2025, 3, 11)),
        ("DATE_DIFF(DATE '2025-06-09', DATE '2025-06-01', DAY)", 8),
        ("PARSE_DATE('%Y%m%d', '20250609')", date(2025, 6, 9)),
        ("FORMAT_DATE('%Y%m%d', DATE '2025-06-09')", "20250609"),
        ("TIMESTAMP_MICROS(1749452400000000)", datetime(2025, 6, 9, 7, tzinfo=UTC)),
        ("DATE(TIMESTAMP '2025-06-09 23:30:00+00', 'Europe/London')", date(2025, 6, 10)),
        ("SPLIT('a-b-c', '-')[SAFE_OFFSET(1)]", "b"),
        ("SPLIT('a-b-c', '-')[SAFE_OFFSET(9)]", None),
        ("ARRAY_TO_STRING(['a', 'b'], '; ')", "a; b"),
        ("IF(1 IN UNNEST([1, 2]), 'in', 'out')", "in"),
        ("(SELECT STRING_AGG(x, '; ' ORDER BY x DESC) FROM UNNEST(['a', 'b']) AS x)", "b; a"),
        ("(SELECT SUM(x) FROM UNNEST([1, 2, 3]) AS x)", 6),
        ("GREATEST(1, NULL)", None),
    ],
)
def test_an_expression_means_the_same_everywhere(
    warehouse: Warehouse, expression: str, expected: Any
) -> None:
    found = value(warehouse, expression)
    assert found == expected
    assert type(found) is type(expected)


def test_a_division_by_zero_is_an_error(warehouse: Warehouse) -> None:
    listed(warehouse, 0)
    with pytest.raises(StatementRefused, match=r"(?i)division by zero"):
        rows(warehouse, f"SELECT 1 / sku AS share FROM `{LIST}`")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CITROËN C3", "CITROENC3"),
        ("Citroe\u0308n c3", "CITROENC3"),
        ("Škoda Octavia", "SKODAOCTAVIA"),
        ("Ⅳ ﬁ Ａ①", "IVFIA1"),
        ("Straße", "STRASSE"),
        ("205/55 R16", "20555R16"),
        ("", ""),
        ("宝马", ""),
    ],
)
def test_a_name_folds_in_sql_as_it_does_in_python(warehouse: Warehouse, text: str, expected: str) -> None:
    plain = unicodedata.normalize("NFKD", text).upper()
    assert re.sub("[^A-Z0-9]", "", plain) == expected
    assert value(warehouse, FOLD, text=text) == expected


def test_qualify_keeps_one_row_per_group(warehouse: Warehouse) -> None:
    listed(warehouse, 1, 2, 3)
    first_by_parity = f"""
        SELECT sku FROM `{LIST}` WHERE TRUE
        QUALIFY ROW_NUMBER() OVER (PARTITION BY MOD(sku, 2) ORDER BY sku DESC) = 1 ORDER BY sku"""
    assert rows(warehouse, first_by_parity) == [(2,), (3,)]


def test_windows_rank_and_sum(warehouse: Warehouse) -> None:
    listed(warehouse, 5, 6, 7)
    windows = f"""
        SELECT sku, RANK() OVER (ORDER BY sku DESC) AS place, SUM(sku) OVER (ORDER BY sku) AS so_far,
          LAG(sku) OVER (ORDER BY sku) AS before, COUNT(*) OVER () AS n
        FROM `{LIST}` ORDER BY sku"""
    assert rows(warehouse, windows) == [(5, 3, 5, None, 3), (6, 2, 11, 5, 3), (7, 1, 18, 6, 3)]


def test_nulls_come_first_in_ascending_order(warehouse: Warehouse) -> None:
    assert rows(warehouse, "SELECT x FROM UNNEST([2, NULL, 1]) AS x ORDER BY x") == [(None,), (1,), (2,)]


# ---- refusals ----


@pytest.mark.parametrize(
    "text",
    [
        "SELECT\n  nope\nFROM `CAM_files.CAM_SKU`",
        "SELECT 1\nFROM (",
        "SELEC 1",
        "SELECT CAST(make AS INT64) AS x FROM `CAM_files.CAM_SKU`",
    ],
)
def test_a_statement_that_cannot_run_names_its_file_and_line(warehouse: Warehouse, text: str) -> None:
    listed(warehouse, 1)
    with pytest.raises(StatementRefused, match=r"assets/aim/sql/select_rows\.sql, line [12]: \S"):
        warehouse.query(sql(text))


def test_a_table_that_does_not_exist_is_an_error_of_its_own(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    with pytest.raises(TableNotFound, match=r"select_rows\.sql, line 1: .*missing"):
        rows(warehouse, "SELECT 1 AS one FROM `CAM_files.missing`")


@pytest.mark.parametrize("text", ["", "-- nothing", ";", "SELECT 1 AS a; SELECT 2 AS a"])
def test_a_query_is_exactly_one_statement(warehouse: Warehouse, text: str) -> None:
    with pytest.raises(StatementRefused, match="statement"):
        warehouse.query(sql(text))


# ---- the handle ----


def test_calls_within_a_session_see_each_other(warehouse: Warehouse) -> None:
    with warehouse.session():
        listed(warehouse, 1)
        with warehouse.session():
            assert skus(warehouse) == [1]
        assert skus(warehouse) == [1]
    assert skus(warehouse) == [1]


def test_a_warehouse_can_be_sent_to_another_process(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    assert skus(pickle.loads(pickle.dumps(warehouse))) == [1]


def test_an_estimate_is_bytes_or_nothing_and_refuses_what_would_not_run(warehouse: Warehouse) -> None:
    listed(warehouse, 1)
    estimate = warehouse.estimate(sql(f"SELECT sku FROM `{LIST}` WHERE sku > @least"), {"least": 0})
    # bqemulator scans for nothing: BigQuery would say 8 bytes a row.
    assert estimate is None if isinstance(warehouse, DuckDBWarehouse) else estimate == 0
    with pytest.raises(TableNotFound):
        warehouse.estimate(sql("SELECT 1 AS one FROM `AIM.missing`"))
    assert skus(warehouse) == [1]
