"""The SQL of publishing through the official BigQuery client, a few rows for each file.

What its rules are in full is tested on the embedded warehouse (`tests/assets/aim`).
"""

from datetime import UTC, date, datetime

import pytest

from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.tables import (
    CAM_SKU,
    LIST_HISTORY,
    LISTS,
    SCHEMAS,
    SIZE_KEYS,
    STAGED_CAM_SKU,
    STAGED_LISTS,
)
from resources.warehouse import Warehouse
from tests.assets.aim import sql_runs
from tests.assets.aim.publishing_runs import cam_sku_row, compare, listed, merge, publish, stored
from tests.assets.aim.sql_runs import rows

pytestmark = pytest.mark.services

TUESDAY, FRIDAY = date(2025, 6, 10), date(2025, 6, 13)
TUESDAY_AT_SIX = datetime(2025, 6, 10, 5, tzinfo=UTC)
FOCUS = listed("FORD FOCUS", "205/55 R16", 1000001, 1000002, 1000003, 1000004)
FOCUS_TOO = listed("Ford-Focus", "205/55 ZR16", 1000005, 1000006, 1000007, 1000008)
C3 = listed("Citroën C3", "odd size", 1000011, 1000012, 1000013, 1000014, None, 1000015)


@pytest.fixture
def warehouse(bigquery_warehouse: Warehouse) -> Warehouse:
    tables = (LISTS, LIST_HISTORY, CAM_SKU, SIZE_KEYS, STAGED_LISTS, STAGED_CAM_SKU, VEHICLE_MAPPING.table)
    bigquery_warehouse.ensure_tables({table: SCHEMAS[table] for table in tables})
    return bigquery_warehouse


def shown(warehouse: Warehouse) -> list[dict[str, str]]:
    return rows(warehouse, LISTS, "Vehicle")


def test_lists_are_replaced_and_an_earlier_date_run_again_leaves_them(warehouse: Warehouse) -> None:
    publish(warehouse, TUESDAY, FOCUS, C3)
    publish(warehouse, FRIDAY, FOCUS_TOO)
    publish(warehouse, TUESDAY, C3)
    assert shown(warehouse) == [FOCUS_TOO]
    assert rows(warehouse, LIST_HISTORY, "run_date") == [
        {"run_date": TUESDAY, "position": 1, **C3},
        {"run_date": FRIDAY, "position": 1, **FOCUS_TOO},
    ]


def test_appending_replaces_a_cam_under_another_spelling_and_keeps_others(warehouse: Warehouse) -> None:
    publish(warehouse, TUESDAY, FOCUS, C3)
    publish(warehouse, FRIDAY, FOCUS_TOO, disposition="WRITE_APPEND")
    publish(warehouse, FRIDAY, FOCUS_TOO, disposition="WRITE_APPEND")
    assert shown(warehouse) == [C3, FOCUS_TOO]


def test_the_comparison_counts_each_cam(warehouse: Warehouse) -> None:
    new = listed("VW GOLF", "7.50 R16", 1000021, 1000022, 1000023, 1000024)
    publish(warehouse, TUESDAY, FOCUS, C3)
    assert compare(warehouse, FOCUS_TOO, new) == {"added": 1, "changed": 1, "unchanged": 0, "gone": 1}
    assert compare(warehouse, FOCUS, C3) == {"added": 0, "changed": 0, "unchanged": 2, "gone": 0}


def test_a_merge_replaces_inserts_and_leaves_what_it_counted(warehouse: Warehouse) -> None:
    mapping = [
        {"vehicle": "FORD FOCUS", "CarMake": "Ford", "CarModel": "Focus"},
        {"vehicle": "CITROEN C3", "CarMake": "Citroën", "CarModel": "C3"},
        {"vehicle": "NO MODEL", "CarMake": "Ford", "CarModel": " "},
    ]
    sql_runs.given(warehouse, VEHICLE_MAPPING.table, mapping)
    size, narrow = ("205", "55", "16"), ("7.50", "", "16")
    later = datetime(2025, 6, 13, 5, tzinfo=UTC)
    table = [
        cam_sku_row("FORD", "focus", size, ["A1", "A2", "A3", "A4", "A5", "A6"], None),
        cam_sku_row("Citroën", "C3", size, ["A1"], later),
        cam_sku_row("VW", "Golf", size, ["A1"], TUESDAY_AT_SIX),
    ]
    sql_runs.given(warehouse, CAM_SKU, table)
    lists = [
        FOCUS,
        FOCUS_TOO | {"Vehicle": "Ford Focus"},
        listed("CITROËN C3", "205/55 R16", "B1"),
        listed("CITROËN C3", "7.50 R16", "C1", None, "C2"),
        C3,
        listed("NO MODEL", "205/55 R16", "D1"),
    ]
    counts = {"inserted": 1, "replaced": 1, "untouched": 2, "unmapped": 1, "unparsed": 1, "aliases": 1}
    assert merge(warehouse, TUESDAY, *lists) == counts
    expected = [
        ("Citroën", "C3", narrow, ["C1", "C2"], TUESDAY_AT_SIX),
        ("Citroën", "C3", size, ["A1"], later),
        ("FORD", "focus", size, ["1000001", "1000002", "1000003", "1000004"], TUESDAY_AT_SIX),
        ("VW", "Golf", size, ["A1"], TUESDAY_AT_SIX),
    ]
    assert stored(warehouse) == sorted(expected, key=str)
    assert merge(warehouse, TUESDAY, *lists) == counts | {"inserted": 0, "replaced": 2}
    assert stored(warehouse) == sorted(expected, key=str)
