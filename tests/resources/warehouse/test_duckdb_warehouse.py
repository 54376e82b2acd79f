"""The DuckDB file itself, and where sqlglot alone would change rows without an error."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.aim.vehicles import fold
from resources.warehouse import (
    DuckDBWarehouse,
    ReadOnly,
    SqlFile,
    StatementRefused,
    TableNotFound,
    Warehouse,
    WarehouseUnavailable,
)

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""
COMMIT_AND_DIE = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("INSERT INTO d.t VALUES (2)")
os._exit(9)
"""
FOLD = r"REGEXP_REPLACE(UPPER(REPLACE(NORMALIZE(text, NFKD), 'ß', 'SS')), r'[^A-Z0-9]', '')"


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(path=str(tmp_path / "warehouse" / "quintet.duckdb"))


@pytest.fixture
def held_elsewhere(warehouse: DuckDBWarehouse) -> Iterator[None]:
    """Another process has the file open."""
    warehouse.load("d.t", pl.DataFrame({"x": [1]}), {"x": "INT64"})
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, warehouse.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate(timeout=30)


def sql(text: str) -> SqlFile:
    return SqlFile.from_bytes("select_rows.sql", text.encode())


def value(warehouse: Warehouse, expression: str) -> Any:
    return warehouse.query(sql(f"SELECT {expression} AS answer")).item()


# ---- the file ----


def test_a_file_that_another_process_holds_is_named(warehouse: DuckDBWarehouse, held_elsewhere: None) -> None:
    with pytest.raises(WarehouseUnavailable, match=r"quintet\.duckdb is open in another process"):
        value(warehouse, "1")


def test_the_file_is_closed_when_the_session_ends(warehouse: DuckDBWarehouse) -> None:
    read = [sys.executable, "-c", "import sys, duckdb; duckdb.connect(sys.argv[1])", warehouse.path]
    with warehouse.session():
        value(warehouse, "1")
        assert subprocess.run(read, check=False, capture_output=True).returncode == 1
    assert subprocess.run(read, check=False, capture_output=True).returncode == 0


def test_of_tables_loaded_together_none_changes_when_the_engine_refuses_one(
    warehouse: DuckDBWarehouse,
) -> None:
    old, new, schema = pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]}), {"x": "INT64"}
    warehouse.load("d.t", old, schema)
    view = "import sys, duckdb; duckdb.connect(sys.argv[1]).execute('CREATE VIEW d.v AS SELECT 1 AS x')"
    subprocess.run([sys.executable, "-c", view, warehouse.path], check=True)
    with pytest.raises(Exception, match="View"):
        warehouse.load_together({"d.t": (new, schema), "d.v": (new, schema)})
    assert warehouse.rows("d.t").equals(old)


def test_what_is_no_database_is_refused_and_kept(warehouse: DuckDBWarehouse) -> None:
    file = Path(warehouse.path)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"a note" * 1000)
    with pytest.raises(WarehouseUnavailable, match=r"quintet\.duckdb cannot be used"):
        value(warehouse, "1")
    assert file.read_bytes() == b"a note" * 1000


def test_loading_the_package_imports_no_engine() -> None:
    probe = (
        "import sys, resources.warehouse; print({'duckdb', 'sqlglot', 'google.cloud'} & sys.modules.keys())"
    )
    found = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert found.stdout == "set()\n"


# ---- reading only ----


def test_reading_leaves_the_file_as_it_was(warehouse: DuckDBWarehouse) -> None:
    warehouse.load("d.t", pl.DataFrame({"x": [1]}), {"x": "INT64"})
    file = Path(warehouse.path)
    file.parent.chmod(0o555)
    before = file.read_bytes(), file.stat().st_mtime_ns
    reading = warehouse.reading()
    with reading.session():
        assert reading.rows("d.t", where={"x": 1}).height == 1
        assert [path.name for path in file.parent.iterdir()] == [file.name]
    file.parent.chmod(0o755)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_reading_makes_no_file(warehouse: DuckDBWarehouse) -> None:
    reading = warehouse.reading()
    assert not reading.table_exists("d.t")
    assert value(reading, "1") == 1
    for ask in (lambda: reading.rows("d.t"), lambda: reading.query(sql("SELECT x FROM `d.t`"))):
        with pytest.raises(TableNotFound, match=r"d\.t.* does not exist"):
            ask()
    with pytest.raises(ReadOnly):
        reading.ensure_tables({"d.t": {"x": "INT64"}})
    assert not Path(warehouse.path).parent.exists()


def test_a_file_is_read_by_many_and_written_by_one(warehouse: DuckDBWarehouse) -> None:
    warehouse.load("d.t", pl.DataFrame({"x": [1]}), {"x": "INT64"})
    read = "import sys, duckdb; duckdb.connect(sys.argv[1], read_only=True)"
    with warehouse.reading().session():
        for _ in range(2):
            reading = warehouse.reading()
            assert reading.count("d.t") == 1
            assert value(reading, "NORMALIZE('é', NFD)") == "e\u0301"
        subprocess.run([sys.executable, "-c", read, warehouse.path], check=True)
        with pytest.raises(WarehouseUnavailable, match="for reading and for writing"):
            warehouse.count("d.t")
    with warehouse.session(), pytest.raises(WarehouseUnavailable, match="for reading and for writing"):
        warehouse.reading().count("d.t")


def test_a_file_that_is_written_elsewhere_cannot_be_read(
    warehouse: DuckDBWarehouse, held_elsewhere: None
) -> None:
    with pytest.raises(WarehouseUnavailable, match=r"quintet\.duckdb is open in another process"):
        warehouse.reading().count("d.t")


def test_what_a_killed_writer_had_committed_is_read(warehouse: DuckDBWarehouse) -> None:
    warehouse.load("d.t", pl.DataFrame({"x": [1]}), {"x": "INT64"})
    write = [sys.executable, "-c", COMMIT_AND_DIE, warehouse.path]
    assert subprocess.run(write, check=False).returncode == 9
    log = Path(f"{warehouse.path}.wal")
    before = log.read_bytes()
    assert warehouse.reading().count("d.t") == 2
    assert log.read_bytes() == before


# ---- loading ----


def test_a_load_replaces_the_columns_too(warehouse: DuckDBWarehouse) -> None:
    warehouse.load("d.t", pl.DataFrame({"old": ["x"]}), {"old": "STRING"})
    warehouse.load("d.t", pl.DataFrame({"new": [1]}), {"new": "INT64"})
    assert warehouse.query(sql("SELECT * FROM d.t")).to_dicts() == [{"new": 1}]


def test_a_load_that_fails_leaves_the_table_as_it_was(warehouse: DuckDBWarehouse) -> None:
    warehouse.load("d.t", pl.DataFrame({"x": [1]}), {"x": "INT64"})
    warehouse.execute(sql("CREATE VIEW d.v AS SELECT x FROM d.t"))
    with pytest.raises(Exception, match="v"):  # A view is no table, whatever DuckDB's words for it.
        warehouse.load("d.v", pl.DataFrame({"x": [2]}), {"x": "INT64"})
    assert warehouse.query(sql("SELECT x FROM d.v")).item() == 1


# ---- what sqlglot alone would change ----


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("SAFE_CAST('1.5' AS INT64)", None),
        ("SAFE_CAST(' 12 ' AS INT64)", 12),
        ("SAFE_CAST(2.5 AS INT64)", 3),
        ("CAST(-2.5 AS INT64)", -3),
        ("CAST(CAST('2.5' AS NUMERIC) AS INT64)", 3),
        ("CAST(TRUE AS INT64)", 1),
        ("CAST(' -7 ' AS INT64)", -7),
        ("SAFE_CAST('1.123456789' AS NUMERIC)", Decimal("1.123456789")),
        ("CAST('12345678901234567890.5' AS NUMERIC)", Decimal("12345678901234567890.500000000")),
        ("ROUND(1.005, 2)", 1.0),
        ("0.1 + 0.2", 0.30000000000000004),
        ("DATE_ADD(DATE '2025-01-31', INTERVAL 1 MONTH)", date(2025, 2, 28)),
        ("DATE_TRUNC(DATE '2025-06-09', MONTH)", date(2025, 6, 1)),
        ("NORMALIZE('e\u0301')", "é"),
        ("NORMALIZE('é', NFD)", "e\u0301"),
        ("NORMALIZE('ﬁ', NFKC)", "fi"),
        ("NORMALIZE(NULL, NFKD)", None),
        (r"TRIM(' a b\t\n')", "a b"),
        (r"TRIM('\u3000a\u00a0')", "a"),
        (r"LTRIM('\ta\t')", "a\t"),
        (r"RTRIM('\ta\t')", "\ta"),
        ("(SELECT COUNTIF(x) FROM UNNEST([TRUE]) AS x WHERE NOT x)", 0),
        ("DIV(9 - 5, 4)", 1),
        ("DIV(17, 2 + 3)", 3),
        ("['a', 'b'][OFFSET(1)]", "b"),
        ("['a', 'b'][ORDINAL(1 + 1)]", "b"),
    ],
)
def test_an_expression_keeps_its_google_meaning(
    warehouse: DuckDBWarehouse, expression: str, expected: Any
) -> None:
    found = value(warehouse, expression)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT x, at FROM UNNEST([1]) AS x WITH OFFSET AS at", "WITH OFFSET does not run on the embedded"),
        ("SELECT ['a', 'b'][OFFSET(x)] AS y FROM UNNEST([0]) AS x", r"computed OFFSET\(\) does not run"),
        ("SELECT DIV(1, x) AS y FROM UNNEST([0]) AS x", "division by zero"),
        ("SELECT NORMALIZE_AND_CASEFOLD('é') AS x", "only NORMALIZE with NFC"),
        ("SELECT ARRAY_AGG(x LIMIT 3) AS x FROM UNNEST([1]) AS x", "not supported in DuckDB"),
        ("SELECT TO_CODE_POINTS('é') AS x", "to_code_points"),
        ("SELECT 'abc AS x", "unclosed quote"),
        ("SELECT CAST('1.5' AS INT64) AS x", "no integer"),
    ],
)
def test_what_has_no_equal_is_refused_and_not_answered_otherwise(
    warehouse: DuckDBWarehouse, text: str, says: str
) -> None:
    with pytest.raises(StatementRefused, match=rf"select_rows\.sql.*{says}"):
        warehouse.query(sql(text))


def test_every_character_folds_in_sql_as_it_does_in_python(warehouse: DuckDBWarehouse) -> None:
    characters = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]
    frame = pl.DataFrame({"text": characters})
    warehouse.load("d.t", frame, {"text": "STRING"})
    found = warehouse.query(sql(f"SELECT text, {FOLD} AS folded FROM d.t"))
    other = [text for text, folded in found.iter_rows() if folded != fold(text)]
    assert other == []
    assert found.height == len(characters)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT name, item.id FROM `a.events` CROSS JOIN UNNEST(items) AS item",
        "SELECT e.name, item.id FROM a.events AS e, UNNEST(e.items) AS item WHERE e.name != 'c'",
        "WITH e AS (SELECT * FROM a.events) SELECT e.name, item.id FROM e CROSS JOIN UNNEST(e.items) AS item",
        "SELECT name, item.id FROM (SELECT * FROM a.events) AS e JOIN UNNEST(e.items) AS item ON TRUE",
        "SELECT e.name, item.id FROM a.events AS e JOIN a.events AS f USING (name), UNNEST(f.items) AS item",
        "SELECT f.name, item.id FROM a.events AS e, UNNEST(e.items) AS item JOIN a.events AS f USING (name)",
    ],
)
def test_the_elements_of_a_list_join_their_row(warehouse: DuckDBWarehouse, text: str) -> None:
    frame = pl.DataFrame({"name": ["a", "b", "c"], "items": [[{"id": 1}, None, {"id": 1}], [], None]})
    warehouse.load("a.events", frame, {"name": "STRING", "items": "ARRAY<STRUCT<id INT64>>"})
    found = warehouse.query(SqlFile.from_bytes("unnest.sql", text.encode()))
    assert sorted(found.rows(), key=str) == [("a", 1), ("a", 1), ("a", None)]


def test_a_left_join_keeps_rows_without_elements(warehouse: DuckDBWarehouse) -> None:
    frame = pl.DataFrame({"name": ["a", "b"], "items": [[{"id": 1}], []]})
    warehouse.load("a.events", frame, {"name": "STRING", "items": "ARRAY<STRUCT<id INT64>>"})
    text = "SELECT name, item.id FROM a.events AS e LEFT JOIN UNNEST(e.items) AS item ON TRUE ORDER BY name"
    found = warehouse.query(SqlFile.from_bytes("unnest.sql", text.encode()))
    assert found.rows() == [("a", 1), ("b", None)]
