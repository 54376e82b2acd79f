"""The analysis table: one row per CAM, its 24 slots in words."""

import pytest

from assets.aim.tables import ANALYSIS
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import analysis
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
    product,
    published,
    random_inputs,
    run,
    unordered,
)
from tests.assets.aim.sql_runs import rows

ALPHA_ROAD = product(10000001, Manufacturer="Alpha", Model_Name="Road 5")


def analysed(warehouse: Warehouse, inputs: Inputs) -> list[Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_analysis")
    return rows(warehouse, ANALYSIS, "CAM, Make, Model")


def test_a_row_has_its_products_in_words_and_null_in_empty_slots(warehouse: Warehouse) -> None:
    cells = ["10000001", "10000002", "10000003", "10000004", "-", "10000006", *["-"] * 17, "10000024"]
    manual = [{"CAM": "Ford Focus 205/55 16"}]
    lists = [published(7, "FORD FOCUS", "205/55 R16", cells)]
    (row,) = analysed(warehouse, Inputs(lists, [FOCUS], [ALPHA_ROAD], manual))
    assert row == {
        "Today": DAY,
        "Make": "Ford",
        "Model": "Focus",
        "Width": "205",
        "Profile": "55",
        "Rim": "16",
        "SKU": "Alpha-Road 5-10000001",
        **{f"SKU{slot}": f"--{cell}" if cell != "-" else None for slot, cell in enumerate(cells[1:], 2)},
        "Segment": "B",
        "Category": "Hatch",
        "CAM": "FORDFOCUS2055516",
        "distinct_sku_count": 6,
        "CAMSource": "manual",
    }


@pytest.mark.parametrize(
    ("catalogue", "words"),
    [
        ([], "--10000001"),
        ([product(10000001)], "--10000001"),
        ([product(10000001, Manufacturer=" ", Model_Name="")], "--10000001"),
        ([product(10000001, Manufacturer="Alpha")], "Alpha--10000001"),
        ([product(10000001, Model_Name="Road")], "-Road-10000001"),
        ([product(10000001, Manufacturer=" Alpha ", Model_Name="A-B")], "Alpha-A-B-10000001"),
        ([product(10000002, Manufacturer="Beta", Model_Name="Tour")], "--10000001"),
        ([product(10000001, Manufacturer=name, Model_Name="x") for name in "BAC"], "A-x-10000001"),
    ],
)
def test_missing_parts_of_a_product_are_empty(warehouse: Warehouse, catalogue: list[Row], words: str) -> None:
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16")], [FOCUS], catalogue)
    assert [row["SKU"] for row in analysed(warehouse, inputs)] == [words]


def test_a_seven_digit_product_is_described(warehouse: Warehouse) -> None:
    catalogue = [product(9000001, Manufacturer="Alpha", Model_Name="Road")]
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16", ["9000001"])], [FOCUS], catalogue)
    assert [row["SKU"] for row in analysed(warehouse, inputs)] == ["Alpha-Road-9000001"]


def test_of_several_vehicles_of_one_cam_the_first_in_the_lists_wins(warehouse: Warehouse) -> None:
    mapping = [mapped("FORD FOCUS", "Ford", "Focus"), mapped("FOCUS ESTATE", "Ford", "Focus", Segment="E")]
    lists = [
        published(10, "FORD FOCUS", "205/55 R16", FOUR),
        published(9, "FOCUS ESTATE", "205/55 ZR16", FOUR[::-1]),
    ]
    (row,) = analysed(warehouse, Inputs(lists, mapping))
    assert (row["SKU"], row["Segment"]) == ("--10000004", "E")


@pytest.mark.parametrize(
    ("other", "size"),
    [
        (("Fiat", "Focus"), "205/55 R16"),
        (("Ford", "Fiesta"), "205/55 R16"),
        (("Ford", "Focus"), "215/55 R16"),
        (("Ford", "Focus"), "205/65 R16"),
        (("Ford", "Focus"), "205/55 R16C"),
    ],
)
def test_make_model_width_profile_and_rim_each_tell_cams_apart(
    warehouse: Warehouse, other: tuple[str, str], size: str
) -> None:
    lists = [published(1, "FORD FOCUS", "205/55 R16"), published(2, "OTHER", size)]
    assert len(analysed(warehouse, Inputs(lists, [FOCUS, mapped("OTHER", *other)]))) == 2


def test_a_list_without_a_product_is_a_row_all_the_same(warehouse: Warehouse) -> None:
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16", [])], [FOCUS])
    assert [(row["SKU"], row["distinct_sku_count"]) for row in analysed(warehouse, inputs)] == [(None, 0)]


def test_a_date_run_twice_has_its_rows_once_and_other_dates_stay(warehouse: Warehouse) -> None:
    inputs = Inputs(
        [published(1, "FORD FOCUS", "205/55 R16", run_date=day) for day in (DAY, OTHER_DAY)], [FOCUS]
    )
    analysed(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_analysis", run_date=OTHER_DAY)
    before = all_rows(warehouse, ANALYSIS)
    assert [row["Today"] for row in before] == [DAY, OTHER_DAY]
    run(warehouse, "resolve_cams", "build_analysis")
    assert all_rows(warehouse, ANALYSIS) == before


@pytest.mark.parametrize("seed", range(8))
def test_random_lists_are_analysed_as_in_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    analysed(warehouse, inputs)
    assert all_rows(warehouse, ANALYSIS) == unordered(analysis(inputs, DAY))
