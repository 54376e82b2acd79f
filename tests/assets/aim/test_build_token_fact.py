"""The token fact: one row per filled slot of every list that is a CAM."""

import pytest

from assets.aim.tables import TOKEN_FACT
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import token_fact
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


def tokens(warehouse: Warehouse, inputs: Inputs) -> list[Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_token_fact")
    return rows(warehouse, TOKEN_FACT, "Vehicle, token_position")


def test_a_token_has_its_product_its_slot_and_its_cam(warehouse: Warehouse) -> None:
    catalogue = [product(10000003, Manufacturer="Alpha", Model_Name="Road", OE="BMW", Brand="Brand")]
    cells = ["-", "-", "10000003", "-", "10000005"]
    inputs = Inputs([published(1, "Ford  Focus", "205/55 ZR16", cells)], [FOCUS], catalogue)
    of_the_list = {
        "snapshot_date": DAY,
        "Make": "Ford",
        "Model": "Focus",
        "Vehicle": "Ford  Focus",
        "Size": "205/55 ZR16",
        "Segment": "B",
        "Category": "Hatch",
        "CAM": "FORDFOCUS2055516",
        "CAMSource": "AIM",
        "distinct_sku_count": 2,
    }
    assert tokens(warehouse, inputs) == [
        {
            **of_the_list,
            "Manufacturer": "Alpha",
            "Model_Name": "Road",
            "OE": "BMW",
            "has_oe": True,
            "sku": 10000003,
            "token_position": 3,
            "token_bucket": "Hotbox 3",
            "is_hotbox": True,
            "hotbox_n": 3,
        },
        {
            **of_the_list,
            "Manufacturer": None,
            "Model_Name": None,
            "OE": None,
            "has_oe": False,
            "sku": 10000005,
            "token_position": 5,
            "token_bucket": "Waves",
            "is_hotbox": False,
            "hotbox_n": None,
        },
    ]


def test_the_24_slots_are_four_hotboxes_and_twenty_waves(warehouse: Warehouse) -> None:
    cells = [str(10000000 + position) for position in range(1, 25)]
    found = tokens(warehouse, Inputs([published(1, "FORD FOCUS", "205/55 R16", cells)], [FOCUS]))
    assert [(row["token_position"], row["sku"]) for row in found] == [
        (position, 10000000 + position) for position in range(1, 25)
    ]
    assert [(row["token_bucket"], row["is_hotbox"], row["hotbox_n"]) for row in found] == [
        *((f"Hotbox {number}", True, number) for number in range(1, 5)),
        *[("Waves", False, None)] * 20,
    ]


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_catalogue_text_is_null(warehouse: Warehouse, blank: str | None) -> None:
    catalogue = [product(10000001, Manufacturer=blank, Model_Name=blank, OE=blank)]
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16", ["10000001"])], [FOCUS], catalogue)
    (row,) = tokens(warehouse, inputs)
    assert [row[name] for name in ("Manufacturer", "Model_Name", "OE", "has_oe")] == [None, None, None, False]


def test_a_product_that_the_catalogue_names_twice_is_one_token(warehouse: Warehouse) -> None:
    catalogue = [product(10000001, Manufacturer=name, OE=name) for name in "BAC"]
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16", ["10000001"])], [FOCUS], catalogue)
    assert [row["Manufacturer"] for row in tokens(warehouse, inputs)] == ["A"]


def test_several_vehicles_of_one_cam_all_have_their_tokens(warehouse: Warehouse) -> None:
    mapping = [FOCUS, mapped("FORD FOCUS ESTATE", "Ford", "Focus")]
    lists = [published(1, "FORD FOCUS", "205/55 R16"), published(2, "FORD FOCUS ESTATE", "205/55 R16")]
    found = tokens(warehouse, Inputs(lists, mapping))
    assert [row["Vehicle"] for row in found] == ["FORD FOCUS"] * 4 + ["FORD FOCUS ESTATE"] * 4


def test_a_date_run_twice_has_its_rows_once_and_other_dates_stay(warehouse: Warehouse) -> None:
    inputs = Inputs(
        [published(1, "FORD FOCUS", "205/55 R16", run_date=day) for day in (DAY, OTHER_DAY)], [FOCUS]
    )
    tokens(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_token_fact", run_date=OTHER_DAY)
    before = all_rows(warehouse, TOKEN_FACT)
    assert [row["snapshot_date"] for row in before] == [DAY] * len(FOUR) + [OTHER_DAY] * len(FOUR)
    run(warehouse, "resolve_cams", "build_token_fact")
    assert all_rows(warehouse, TOKEN_FACT) == before


@pytest.mark.parametrize("seed", range(8))
def test_random_lists_give_the_tokens_of_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    tokens(warehouse, inputs)
    assert all_rows(warehouse, TOKEN_FACT) == unordered(token_fact(inputs, DAY))
