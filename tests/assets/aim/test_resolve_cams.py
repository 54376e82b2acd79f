"""Which published lists are CAMs: a mapped vehicle and a parsed size, and what is known of them."""

import pytest

from assets.aim.slots import SLOTS
from assets.aim.tables import LIST_HISTORY, RESOLVED_CAMS
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import resolved_cams
from tests.assets.aim.published_lists import (
    DAY,
    FOCUS,
    FOUR,
    OTHER_DAY,
    Inputs,
    Row,
    all_rows,
    given_inputs,
    mapped,
    published,
    random_inputs,
    run,
    unordered,
)
from tests.assets.aim.sql_runs import given, rows


def resolved(warehouse: Warehouse, inputs: Inputs) -> list[Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, "resolve_cams")
    return rows(warehouse, RESOLVED_CAMS, "position")


def test_a_list_gets_its_make_model_size_and_key(warehouse: Warehouse) -> None:
    mapping = [mapped("Mercedes C", "Mercedes-Benz", "C Class", Segment="C", Category="Saloon")]
    inputs = Inputs([published(1, "MERCEDES C", "225/45 ZR17", [*FOUR, "-", "10000005"])], mapping)
    assert resolved(warehouse, inputs) == [
        {
            **dict.fromkeys(SLOTS),
            "position": 1,
            "Vehicle": "MERCEDES C",
            "Size": "225/45 ZR17",
            **dict(zip(SLOTS, [*FOUR, None, "10000005"], strict=False)),
            "Make": "Mercedes-Benz",
            "Model": "C Class",
            "Width": "225",
            "Profile": "45",
            "Rim": "17",
            "Segment": "C",
            "Category": "Saloon",
            "CAM": "MERCEDESBENZCCLASS2254517",
            "CAMSource": "AIM",
            "distinct_sku_count": 5,
        }
    ]


@pytest.mark.parametrize(
    ("size", "key"),
    [
        ("205/55 RF16", ("205", "55", "16")),
        ("195/70 R15C", ("195", "70", "15C")),
        ("31x10.50 R15", ("31", "10.50", "15")),
        ("7.50 R16", ("7.50", "", "16")),
        (" 205/55 R16 ", ("205", "55", "16")),
    ],
)
def test_width_profile_and_rim_are_those_of_the_size_key(
    warehouse: Warehouse, size: str, key: tuple[str, str, str]
) -> None:
    (row,) = resolved(warehouse, Inputs([published(1, "FORD FOCUS", size)], [FOCUS]))
    assert (row["Width"], row["Profile"], row["Rim"]) == key
    assert row["CAM"] == f"FORDFOCUS{''.join(key).replace('.', '')}"


@pytest.mark.parametrize(
    ("vehicle", "known_as"),
    [
        ("CITROËN C3", "Citroen c3"),
        ("Citroe\u0308n-C3", "CITROËN C3"),
        ("FORD  FOCUS", "Ford Focus"),
        ("FORD FOCUS", "FORDFOCUS"),
    ],
)
def test_a_vehicle_is_found_under_any_spelling(warehouse: Warehouse, vehicle: str, known_as: str) -> None:
    inputs = Inputs([published(1, vehicle, "205/55 R16")], [mapped(known_as, "Make", "Model")])
    assert len(resolved(warehouse, inputs)) == 1


@pytest.mark.parametrize(
    "row",
    [
        published(1, "VW GOLF", "205/55 R16"),
        published(1, "NO MAKE", "205/55 R16"),
        published(1, "NO MODEL", "205/55 R16"),
        published(1, "宝马", "205/55 R16"),
        published(1, None, "205/55 R16"),
        published(1, "FORD FOCUS", "205/55 16"),
        published(1, "FORD FOCUS", None),
        published(1, "FORD FOCUS", "205/55 R16", run_date=OTHER_DAY),
    ],
)
def test_a_list_without_a_mapped_vehicle_or_a_size_or_of_another_date_is_left_out(
    warehouse: Warehouse, row: Row
) -> None:
    mapping = [FOCUS, mapped("No make", " ", "X"), mapped("No model", "X", None), mapped("奔驰", "X", "Y")]
    assert resolved(warehouse, Inputs([row], mapping)) == []


def test_of_two_mappings_of_a_vehicle_the_same_one_wins_in_any_order(warehouse: Warehouse) -> None:
    lists = [published(1, "Ford Focus", "205/55 R16")]
    mapping = [mapped("FORD FOCUS", "Ford", "Focus ST"), mapped("FORDFOCUS", "A", "B"), FOCUS]
    found = [resolved(warehouse, Inputs(lists, order)) for order in (mapping, mapping[::-1])]
    assert [[row["Model"] for row in table] for table in found] == [["Focus"], ["Focus"]]


def test_every_vehicle_of_one_cam_has_its_row(warehouse: Warehouse) -> None:
    mapping = [FOCUS, mapped("FORD FOCUS ESTATE", " Ford ", "Focus")]
    lists = [published(1, "FORD FOCUS ESTATE", "205/55 R16"), published(2, "FORD FOCUS", "205/55 ZR16")]
    found = resolved(warehouse, Inputs(lists, mapping))
    assert [(row["Vehicle"], row["CAM"]) for row in found] == [
        ("FORD FOCUS ESTATE", "FORDFOCUS2055516"),
        ("FORD FOCUS", "FORDFOCUS2055516"),
    ]


@pytest.mark.parametrize(
    ("manual", "source"),
    [
        ([], "AIM"),
        (["FORDFOCUS2055516"], "manual"),
        (["Ford Focus 205/55 R16"], "AIM"),
        (["ford focus 205/55 16", "FORDFOCUS2055516"], "manual"),
        ([None, "FORDFOCUS2055517"], "AIM"),
    ],
)
def test_a_cam_on_the_manual_list_says_so(
    warehouse: Warehouse, manual: list[str | None], source: str
) -> None:
    inputs = Inputs(
        [published(1, "FORD FOCUS", "205/55 R16")], [FOCUS], manual_cams=[{"CAM": cam} for cam in manual]
    )
    assert [row["CAMSource"] for row in resolved(warehouse, inputs)] == [source]


def test_only_product_numbers_are_kept_and_each_counts_once(warehouse: Warehouse) -> None:
    cells = ["10000001", "Error", "10000001", None, "", "9000001", "123456789", "-", " 10000002", "123456"]
    (row,) = resolved(warehouse, Inputs([published(1, "FORD FOCUS", "205/55 R16", cells)], [FOCUS]))
    expected = ["10000001", None, "10000001", None, None, "9000001", *[None] * 18]
    assert [row[slot] for slot in SLOTS] == expected
    assert row["distinct_sku_count"] == 2


def test_the_last_slot_counts(warehouse: Warehouse) -> None:
    cells = ["-"] * 23 + ["10000024"]
    (row,) = resolved(warehouse, Inputs([published(1, "FORD FOCUS", "205/55 R16", cells)], [FOCUS]))
    assert (row["SKU20"], row["distinct_sku_count"]) == ("10000024", 1)


def test_nothing_of_an_earlier_run_stays(warehouse: Warehouse) -> None:
    assert len(resolved(warehouse, Inputs([published(1, "FORD FOCUS", "205/55 R16")], [FOCUS]))) == 1
    given(warehouse, LIST_HISTORY, [])
    run(warehouse, "resolve_cams")
    assert rows(warehouse, RESOLVED_CAMS) == []


@pytest.mark.parametrize("seed", range(12))
def test_random_lists_resolve_as_in_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    resolved(warehouse, inputs)
    assert all_rows(warehouse, RESOLVED_CAMS) == unordered(resolved_cams(inputs, DAY))
