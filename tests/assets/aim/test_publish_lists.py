"""The lists in the shop and their history: which rows each run date and each write disposition leaves."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.aim.cams import first_of_each_cam
from assets.aim.publication import PUBLISHING_SCRIPTS
from assets.aim.settings import WriteDisposition
from assets.aim.sizes import size_key
from assets.aim.tables import LIST_HISTORY, LISTS, STAGED_LISTS
from assets.aim.vehicles import fold, vehicle_key
from resources.warehouse import DuckDBWarehouse, SqlFile, StatementRefused, Warehouse
from tests.assets.aim import sql_runs
from tests.assets.aim.publishing_runs import compare, frame, listed, publish, stage
from tests.assets.aim.sql_runs import rows, sql, warehouse_in

TUESDAY, FRIDAY = date(2025, 6, 10), date(2025, 6, 13)
FOCUS = listed("FORD FOCUS", "205/55 R16", 1000001, 1000002, 1000003, 1000004)
FOCUS_TOO = listed("Ford-Focus", "205/55 ZR16", 1000005, 1000006, 1000007, 1000008)
GOLF = listed("VW GOLF", "195/65 R15", 1000011, 1000012, 1000013, 1000014, None, 1000015)
ODD = listed("VW GOLF", "odd size", 1000021, 1000022, 1000023, 1000024)
ODD_TOO = listed("VW Golf", "Odd-Size", 1000025, 1000026, 1000027, 1000028)

List = dict[str, str]


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = warehouse_in(tmp_path)
    with warehouse.session():
        yield warehouse


def shown(warehouse: Warehouse) -> list[dict[str, Any]]:
    return rows(warehouse, LISTS, "Vehicle, Size, HB1")


def history(warehouse: Warehouse, run_date: date) -> list[dict[str, Any]]:
    return [row for row in rows(warehouse, LIST_HISTORY, "run_date, position") if row["run_date"] == run_date]


def in_order(*lists: List) -> list[List]:
    return sorted(lists, key=lambda row: (row["Vehicle"], row["Size"], row["HB1"]))


def test_a_run_leaves_its_lists_in_the_shop_and_in_the_history(warehouse):
    publish(warehouse, TUESDAY, GOLF, FOCUS)
    assert shown(warehouse) == in_order(FOCUS, GOLF)
    assert history(warehouse, TUESDAY) == [
        {"run_date": TUESDAY, "position": 1, **GOLF},
        {"run_date": TUESDAY, "position": 2, **FOCUS},
    ]


@pytest.mark.parametrize("disposition", get_args(WriteDisposition))
def test_a_date_published_twice_leaves_the_same_rows(warehouse, disposition):
    publish(warehouse, TUESDAY, FOCUS, GOLF, ODD, disposition=disposition)
    once = shown(warehouse), history(warehouse, TUESDAY)
    publish(warehouse, TUESDAY, FOCUS, GOLF, ODD, disposition=disposition)
    assert (shown(warehouse), history(warehouse, TUESDAY)) == once


def test_a_date_published_anew_replaces_its_lists(warehouse):
    publish(warehouse, TUESDAY, FOCUS, GOLF)
    publish(warehouse, TUESDAY, FOCUS_TOO)
    assert shown(warehouse) == [FOCUS_TOO]
    assert history(warehouse, TUESDAY) == [{"run_date": TUESDAY, "position": 1, **FOCUS_TOO}]


def test_a_later_date_replaces_the_shop_and_leaves_the_history_of_the_earlier(warehouse):
    publish(warehouse, TUESDAY, FOCUS, GOLF)
    tuesday = history(warehouse, TUESDAY)
    publish(warehouse, FRIDAY, ODD)
    assert shown(warehouse) == [ODD]
    assert history(warehouse, TUESDAY) == tuesday


@pytest.mark.parametrize("disposition", get_args(WriteDisposition))
def test_an_earlier_date_run_again_changes_its_history_and_not_the_shop(warehouse, disposition):
    publish(warehouse, TUESDAY, FOCUS, ODD)
    publish(warehouse, FRIDAY, FOCUS, GOLF)
    publish(warehouse, TUESDAY, FOCUS_TOO, ODD_TOO, disposition=disposition)
    assert shown(warehouse) == in_order(FOCUS, GOLF)
    assert [row["HB1"] for row in history(warehouse, TUESDAY)] == ["1000005", "1000025"]
    assert [row["HB1"] for row in history(warehouse, FRIDAY)] == ["1000001", "1000011"]


# ---- appending ----


def test_appending_keeps_the_lists_of_cams_that_the_run_did_not_publish(warehouse):
    publish(warehouse, TUESDAY, FOCUS, GOLF)
    publish(warehouse, FRIDAY, FOCUS_TOO, disposition="WRITE_APPEND")
    assert shown(warehouse) == in_order(FOCUS_TOO, GOLF)
    assert [row["HB1"] for row in history(warehouse, FRIDAY)] == ["1000005"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (("FORD FOCUS", "205/55 R16"), ("Ford-Focus", "205/55 ZR16")),
        (("Citroën C3", " 7.50 R16 "), ("CITROEN C3", "7.50R16")),
        (("VW GOLF", "odd size"), ("VW Golf", "Odd-Size")),
        (("STRASSE", "größe"), ("Straße", "GROSSE")),
    ],
)
def test_appending_knows_a_cam_under_another_spelling(warehouse, old, new):
    publish(warehouse, TUESDAY, listed(*old, 1000001, 1000002, 1000003, 1000004))
    replacing = listed(*new, 1000005, 1000006, 1000007, 1000008)
    publish(warehouse, FRIDAY, replacing, disposition="WRITE_APPEND")
    assert shown(warehouse) == [replacing]


@pytest.mark.parametrize(
    "other",
    [
        ("FORD FOCUS", "205/55 R17"),
        ("FORD FOCUS", "2055516"),
        ("FORD FIESTA", "205/55 R16"),
    ],
)
def test_appending_takes_no_other_cam_for_the_same(warehouse, other):
    kept = listed(*other, 1000005, 1000006, 1000007, 1000008)
    publish(warehouse, TUESDAY, kept)
    publish(warehouse, FRIDAY, FOCUS, disposition="WRITE_APPEND")
    assert shown(warehouse) == in_order(kept, FOCUS)


def test_appending_keeps_rows_of_others_and_mends_their_duplicates(warehouse):
    theirs = listed("SEAT IBIZA", "185/60 R15", 1000031, 1000032, 1000033, 1000034)
    nameless = dict.fromkeys(FOCUS, None)
    sql_runs.given(warehouse, LISTS, [theirs, theirs, FOCUS, FOCUS, FOCUS_TOO, nameless])
    publish(warehouse, TUESDAY, FOCUS, disposition="WRITE_APPEND")
    assert shown(warehouse) == [nameless, FOCUS, theirs, theirs]


# ---- failures ----


def test_a_run_that_fails_in_publishing_leaves_everything_as_it_was(warehouse):
    publish(warehouse, TUESDAY, FOCUS)
    before = shown(warehouse), history(warehouse, TUESDAY)
    stage(warehouse, GOLF)
    broken = SqlFile.from_bytes("broken.sql", b"DELETE FROM `AIM.AIMData` WHERE CAST('x' AS INT64) = 1")
    with pytest.raises(StatementRefused):
        warehouse.execute([sql("clear_lists"), sql("publish_lists"), broken], {"run_date": TUESDAY})
    assert (shown(warehouse), history(warehouse, TUESDAY)) == before


# ---- what a run changes ----


def test_the_comparison_counts_cams_added_changed_unchanged_and_gone(warehouse):
    publish(warehouse, TUESDAY, FOCUS, GOLF, ODD)
    moved = {**GOLF, "SKU1": "1000015", "SKU2": "-"}
    new = listed("SEAT IBIZA", "185/60 R15", 1000031, 1000032, 1000033, 1000034)
    respelt = {**FOCUS, "Vehicle": "Ford Focus", "Size": "205/55 ZR16"}
    assert compare(warehouse, new, moved, respelt) == {
        "added": 1,
        "changed": 1,
        "unchanged": 1,
        "gone": 1,
    }


@pytest.mark.parametrize(
    ("before", "counts"),
    [
        ([], (1, 0, 0, 0)),
        ([FOCUS], (0, 0, 1, 0)),
        ([FOCUS, FOCUS], (0, 0, 1, 0)),
        ([FOCUS, FOCUS_TOO], (0, 1, 0, 0)),
        ([FOCUS_TOO, FOCUS_TOO], (0, 1, 0, 0)),
        ([GOLF, GOLF, ODD, ODD_TOO], (1, 0, 0, 2)),
        ([{**FOCUS, "SKU20": None}], (0, 0, 1, 0)),
        ([dict.fromkeys(FOCUS, None)], (1, 0, 0, 1)),
    ],
)
def test_the_comparison_counts_each_cam_once_whatever_the_table_holds(warehouse, before, counts):
    sql_runs.given(warehouse, LISTS, before)
    names = ("added", "changed", "unchanged", "gone")
    assert compare(warehouse, FOCUS) == dict(zip(names, counts, strict=True))


def test_a_cam_with_two_lists_in_the_table_is_changed_whichever_of_them_goes_out(warehouse):
    sql_runs.given(warehouse, LISTS, [FOCUS, FOCUS_TOO])
    assert [compare(warehouse, row)["changed"] for row in (FOCUS, FOCUS_TOO)] == [1, 1]


def test_each_slot_counts_in_a_comparison(warehouse):
    for slot in list(FOCUS)[2:]:
        sql_runs.given(warehouse, LISTS, [{**FOCUS, slot: "1000099"}])
        assert compare(warehouse, FOCUS)["changed"] == 1, slot


# ---- any sequence of runs ----

VEHICLES = st.sampled_from(["FORD FOCUS", "Ford-Focus", "Citroën C3", "CITROEN C3", "Straße", "STRASSE"])
SIZES = st.sampled_from(["205/55 R16", "205/55 ZR16", "7.50 R16", "odd size", "Odd-Size", "größe", "2055516"])
ANY_LIST = st.builds(listed, VEHICLES, SIZES, *[st.integers(1000001, 1000003)] * 4)
RUN = st.tuples(
    st.sampled_from([TUESDAY, FRIDAY, date(2025, 6, 17)]),
    st.lists(ANY_LIST, min_size=1, max_size=4).map(lambda lists: first_of_each_cam(frame(lists)).to_dicts()),
    st.sampled_from(get_args(WriteDisposition)),
)


def cam(row: List) -> tuple[str, str]:
    key = size_key(row["Size"])
    return vehicle_key(row["Vehicle"]), key.text if key else fold(row["Size"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ANY_LIST, max_size=3), st.lists(RUN, min_size=1, max_size=4))
def test_after_any_runs_the_shop_holds_the_latest_lists_and_where_asked_those_of_other_cams(
    warehouse, before, runs
):
    sql_runs.given(warehouse, LISTS, before)
    sql_runs.given(warehouse, LIST_HISTORY, [])
    expected, dates = before, {}
    for run_date, lists, disposition in runs:
        publish(warehouse, run_date, *lists, disposition=disposition)
        dates[run_date] = lists
        latest = dates[max(dates)]
        published = {cam(row) for row in latest}
        others = [row for row in expected if cam(row) not in published]
        expected = latest + (others if disposition != "WRITE_TRUNCATE" else [])
        assert shown(warehouse) == in_order(*expected)
    for run_date, lists in dates.items():
        found = history(warehouse, run_date)
        assert found == [
            {"run_date": run_date, "position": position, **row} for position, row in enumerate(lists, start=1)
        ]


def test_the_order_of_the_staged_rows_is_of_no_account(warehouse):
    publish(warehouse, TUESDAY, FOCUS, GOLF, ODD)
    straight = shown(warehouse), history(warehouse, TUESDAY)
    stage(warehouse, FOCUS, GOLF, ODD)
    sql_runs.given(warehouse, STAGED_LISTS, rows(warehouse, STAGED_LISTS, "position DESC"))
    warehouse.execute([sql("clear_lists"), sql("publish_lists")], {"run_date": TUESDAY})
    assert (shown(warehouse), history(warehouse, TUESDAY)) == straight


def test_every_write_disposition_has_its_scripts():
    assert set(PUBLISHING_SCRIPTS) == set(get_args(WriteDisposition))
