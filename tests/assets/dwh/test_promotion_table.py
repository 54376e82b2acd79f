"""Merging promotions: what is replaced, what is kept, and that a merge counts as a whole or not at all."""

import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.dwh.promotion_tables import PROMOTIONS, SCHEMAS, STAGED
from assets.dwh.stages.promotion_table import IdCounts, PromotionTable
from resources.warehouse import (
    DuckDBWarehouse,
    SchemaMismatch,
    SqlFile,
    StatementRefused,
    TableNotFound,
    Warehouse,
    read_sql,
)
from tests.assets.dwh.promotion_loads import NOON, ROW_SCHEMA, sql, stored, table_rows

ROOT = Path(__file__).resolve().parents[3]
SQL = sorted((ROOT / "assets/dwh/sql").glob("*.sql"))
EARLY, LATE = datetime(2025, 1, 15, 8, tzinfo=UTC), datetime(2025, 1, 15, 20, tzinfo=UTC)
TOMORROW = NOON + timedelta(days=1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return DuckDBWarehouse(path=str(tmp_path / "quintet.duckdb"))


def row(
    name: str, updated: datetime | None, code: str | None = None, created_by: str = "first"
) -> dict[str, Any]:
    by = {"dwcreatedby": created_by, "etl_created_by": created_by}
    return {"promotionid": name, "promotioncode": code, "eventupdtime": updated, **by}


def merge(warehouse: Warehouse, *rows: Mapping[str, Any], at: datetime = NOON) -> int:
    return PromotionTable(warehouse).merge(table_rows(*rows), at)


def staged(warehouse: Warehouse) -> int:
    return warehouse.count(STAGED)


# ---- what is replaced ----


@pytest.mark.parametrize(
    ("there", "incoming", "is_replaced"),
    [
        (EARLY, LATE, True),
        (EARLY, EARLY, True),
        (LATE, EARLY, False),
        (None, EARLY, True),
        (None, None, True),
        (EARLY, None, False),
    ],
)
def test_an_incoming_promotion_replaces_one_that_is_not_newer(
    warehouse: Warehouse, there: datetime | None, incoming: datetime | None, is_replaced: bool
):
    assert merge(warehouse, row("p", there, "there"), row("other", LATE)) == 2
    assert merge(warehouse, row("p", incoming, "incoming")) == is_replaced
    expected = (incoming, "incoming") if is_replaced else (there, "there")
    assert stored(warehouse, "promotionid", "eventupdtime", "promotioncode") == [
        ("other", LATE, None),
        ("p", *expected),
    ]
    assert staged(warehouse) == 0


def test_who_created_a_promotion_and_when_is_kept_and_who_wrote_it_last_is_not(warehouse: Warehouse):
    merge(warehouse, row("p", EARLY), row("q", LATE))
    merge(warehouse, row("p", LATE, created_by="second"), row("q", EARLY, created_by="second"), at=TOMORROW)
    columns = ("dwcreatedby", "dwcreatedat", "etl_created_by", "etl_created_at")
    assert stored(warehouse, *columns) == [
        ("first", NOON, "second", TOMORROW),
        ("first", NOON, "first", NOON),
    ]


def test_every_column_is_inserted_and_replaced(warehouse: Warehouse):
    def filled(number: int) -> pl.DataFrame:
        values = {
            name: pl.Series([number]).cast(kind) if kind.is_numeric() else _value(kind, number)
            for name, kind in ROW_SCHEMA.items()
        }
        return pl.DataFrame(values).with_columns(promotionid=pl.lit("p"))

    def found() -> pl.DataFrame:
        return warehouse.rows(PROMOTIONS).select(*ROW_SCHEMA).cast(pl.Schema(ROW_SCHEMA))

    table = PromotionTable(warehouse)
    table.merge(filled(1), NOON)
    assert found().equals(filled(1))
    table.merge(filled(2), NOON)
    assert found().equals(filled(2).with_columns(dwcreatedby=filled(1)["dwcreatedby"]))


def _value(kind: pl.DataType, number: int) -> pl.Series:
    if kind == pl.String:
        return pl.Series([str(number)])
    if kind == pl.Boolean:
        return pl.Series([number % 2 == 0])
    return pl.Series([number * 1_000_000]).cast(kind)


UPDATES = st.none() | st.integers(0, 3)
EXTRACTS = st.lists(st.dictionaries(st.sampled_from("abcd"), UPDATES, min_size=1), min_size=1, max_size=4)


def of_extract(extract: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Rows in which the same update of a promotion says the same."""
    return [
        row(name, None if update is None else EARLY + timedelta(hours=update), f"{name}-{update}")
        for name, update in extract.items()
    ]


@settings(max_examples=15)
@given(extracts=EXTRACTS, data=st.data())
def test_extracts_in_any_order_and_again_give_the_same_table(
    extracts: Sequence[Mapping[str, int | None]], data: st.DataObject
):
    order = data.draw(
        st.permutations([*extracts, *data.draw(st.lists(st.sampled_from(extracts), max_size=2))])
    )
    newest: dict[str, int] = {}
    for extract in extracts:
        for name, update in extract.items():
            newest[name] = max(newest.get(name, -1), -1 if update is None else update)
    with TemporaryDirectory() as folder:
        warehouse = DuckDBWarehouse(path=f"{folder}/quintet.duckdb")
        with warehouse.session():
            for extract in order:
                merge(warehouse, *of_extract(extract))
            found = stored(warehouse, "promotionid", "promotioncode")
    expected = {name: None if update < 0 else update for name, update in newest.items()}
    assert found == [(name, f"{name}-{update}") for name, update in sorted(expected.items())]


# ---- as a whole or not at all ----


class ForgetfulWarehouse(DuckDBWarehouse):
    """Says that it merged, and loses something."""

    loses: str

    def _run(self, statement: Any, values: Any) -> int:
        if Path(statement.path).stem != "merge_promotions":
            return super()._run(statement, values)
        if self.loses == "everything":
            return 2
        changed = super()._run(statement, values)
        self._connection.execute(self.loses)
        return changed


@pytest.mark.parametrize(
    "loses",
    [
        "everything",
        "DELETE FROM dw_core.d_promotion_3_0 WHERE promotionid = 'r'",
        "UPDATE dw_core.d_promotion_3_0 SET eventupdtime = NULL WHERE promotionid = 'p'",
        "UPDATE dw_core.d_promotion_3_0 SET eventupdtime = TIMESTAMPTZ '2025-01-15 08:00:00Z'",
        "INSERT INTO dw_core.d_promotion_3_0 SELECT * FROM dw_core.d_promotion_3_0 WHERE promotionid = 'r'",
        "DELETE FROM dw_core.d_promotion_3_0_staged",
    ],
)
def test_a_promotion_that_is_not_read_back_fails_the_load_and_the_table_stays(
    warehouse: DuckDBWarehouse, loses: str
):
    merge(warehouse, row("p", EARLY, "there"))
    before = stored(warehouse)
    forgetful = ForgetfulWarehouse(path=warehouse.path, loses=loses)
    with pytest.raises(StatementRefused, match=r"prove_promotions\.sql, line \d+: .*Read-back failed"):
        merge(forgetful, row("p", LATE, "new"), row("r", LATE, "new"))
    assert stored(warehouse) == before


@pytest.mark.parametrize("step", ["load", "merge_promotions", "prove_promotions", "clear_staged_promotions"])
def test_the_death_of_the_process_leaves_the_table_and_the_next_load_succeeds(
    warehouse: DuckDBWarehouse, step: str
):
    merge(warehouse, row("p", EARLY, "there"))
    before = stored(warehouse)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.assets.dwh.killed_merge", warehouse.path, step],
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert stored(warehouse) == before
    assert staged(warehouse) == 2
    assert merge(warehouse, row("p", LATE, "new"), at=TOMORROW + timedelta(days=1)) == 1
    assert stored(warehouse, "promotioncode") == [("new",)]
    assert staged(warehouse) == 0, "what the dead process left is cleared a day later"


def test_what_another_load_has_staged_is_left_to_it(warehouse: Warehouse):
    merge(warehouse, row("p", EARLY))
    theirs = table_rows(row("q", EARLY)).with_columns(load_id=pl.lit("theirs"), staged_at=pl.lit(NOON))
    warehouse.load(STAGED, theirs.select(*SCHEMAS[STAGED]), SCHEMAS[STAGED])
    merge(warehouse, row("r", EARLY), at=NOON + timedelta(hours=23))
    assert stored(warehouse, "promotionid") == [("p",), ("r",)]
    assert staged(warehouse) == 1


def test_a_promotion_that_is_given_twice_is_refused(warehouse: Warehouse):
    merge(warehouse, row("p", EARLY, "there"))
    before = stored(warehouse)
    with pytest.raises(StatementRefused):
        merge(warehouse, row("q", LATE, "a"), row("q", LATE, "b"))
    assert stored(warehouse) == before


def test_a_table_with_other_columns_is_refused(warehouse: Warehouse):
    warehouse.ensure_tables({PROMOTIONS: {"promotionid": "STRING"}})
    with pytest.raises(SchemaMismatch, match=r"d_promotion_3_0 has the columns promotionid"):
        merge(warehouse, row("p", EARLY))


# ---- counting ----


def test_the_table_is_counted(warehouse: Warehouse):
    table = PromotionTable(warehouse)
    with pytest.raises(TableNotFound):
        table.count()
    merge(warehouse, row("p", EARLY), row("q", EARLY))
    assert table.count() == IdCounts(2, 0, 2)
    twice = "INSERT INTO `dw_core.d_promotion_3_0` (promotionid) VALUES ('p'), (NULL)"
    warehouse.execute(sql(twice))
    assert table.count() == IdCounts(4, 1, 2)


def test_ids_of_a_frame_are_counted():
    frame = pl.DataFrame({"promotionid": ["p", None, "q", "p"]})
    assert IdCounts.of(frame) == IdCounts(4, 1, 2)


# ---- defect 22: copied straight into the table, merged with itself, credentials in SQL text ----


def test_the_table_is_changed_by_one_merge_from_staged_rows_only():
    changes = []
    for path in SQL:
        file = read_sql(path.relative_to(ROOT).as_posix())
        words = file.text.upper()
        changes += [
            path.stem for verb in ("INSERT INTO", "DELETE FROM", "UPDATE `", "MERGE `") if verb in words
        ]
    assert changes == ["clear_staged_promotions", "merge_promotions"]
    merging = read_sql("assets/dwh/sql/merge_promotions.sql").text
    statement = merging[merging.index("MERGE") :]
    assert statement.count("`dw_core.d_promotion_3_0`") == 1, "the table is the target and no source"
    assert statement.count("`dw_core.d_promotion_3_0_staged`") == 1


class NotingWarehouse(DuckDBWarehouse):
    """Remembers which text was run, and into which tables rows were loaded."""

    noted: list[str]

    def _run(self, statement: Any, values: Any) -> int:
        self.noted.append(statement.text)
        return super()._run(statement, values)

    def _load(self, table: str, frames: Any, schema: Any, replace: bool) -> None:
        self.noted.append(f"load {table}")
        super()._load(table, frames, schema, replace)


def test_no_value_is_in_the_text_of_a_statement_and_no_row_is_loaded_into_the_table(tmp_path: Path):
    warehouse = NotingWarehouse(path=str(tmp_path / "quintet.duckdb"), noted=[])
    merge(warehouse, row("id'; DROP", EARLY, "it's", created_by="se'cret"))
    assert warehouse.noted[0] == f"load {STAGED}"
    texts = [read_sql(path.relative_to(ROOT).as_posix()).text for path in SQL]
    for text in warehouse.noted[1:]:
        assert any(text in file for file in texts), "a statement is the file's own text"
    assert stored(warehouse, "promotionid", "promotioncode", "dwcreatedby") == [
        ("id'; DROP", "it's", "se'cret")
    ]


def test_a_file_is_renamed_in_all_places():
    names = {PROMOTIONS: "mart.promos", STAGED: "mart.promos_staged"}
    for path in SQL:
        file = SqlFile.from_bytes(path.name, path.read_bytes()).renamed(names)
        statement = file.text[file.text.rindex("\n\n") :]
        assert "dw_core" not in statement
