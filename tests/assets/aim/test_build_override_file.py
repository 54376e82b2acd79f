"""The override file: the product numbers of each CAM in the columns that the shop takes over."""

import pytest

from assets.aim.tables import OVERRIDE_FILE
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import override_file
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


def overrides(warehouse: Warehouse, inputs: Inputs) -> list[Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_override_file")
    return rows(warehouse, OVERRIDE_FILE, "CAM")


def test_a_row_is_written_as_the_shop_reads_it(warehouse: Warehouse) -> None:
    mapping = [mapped("MERCEDES C", "Mercedes-Benz", "C Class", Segment="C", Category="Saloon")]
    catalogue = [
        product(10000001, Manufacturer="Alpha", Model_Name="Road", OE="MO", Brand="A"),
        product(10000002, Manufacturer="Beta", Model_Name="Tour", OE="AO", Brand="B"),
    ]
    cells = [*FOUR, "-", "10000006", *["-"] * 17, "10000024"]
    inputs = Inputs(
        [published(1, "Mercedes C", "225/45 R17", cells)],
        mapping,
        catalogue,
        [{"CAM": "mercedesbenz c-class 225/45 17"}],
    )
    assert overrides(warehouse, inputs) == [
        {
            "Today": DAY,
            "Make": "Mercedes-Benz",
            "Model": "C Class",
            "Width": "225",
            "Profile": "45",
            "Rim": "17",
            "TakeoverName": "aim-mercedes-benz-cclass-225-45-17",
            "RibbonName": "",
            "Country": "UK",
            "Year": "",
            "CAMUSlot": 4,
            "SKU": "10000001",
            **{f"SKU{slot}": cell if cell != "-" else None for slot, cell in enumerate(cells[1:], 2)},
            **{f"RibbonName{slot}": "" for slot in range(2, 25)},
            "Manufacturer": "Alpha",
            "ModelName": "Road",
            "OE": "MO",
            "Segment": "C",
            "Category": "Saloon",
            "Size": "225/45 R17",
            "Vehicle": "Mercedes C",
            "CAM": "MERCEDESBENZCCLASS2254517",
            "distinct_sku_count": 6,
            "CAMSource": "manual",
        }
    ]


def test_each_product_is_in_the_column_of_its_slot(warehouse: Warehouse) -> None:
    cells = [str(10000000 + position) for position in range(1, 25)]
    (row,) = overrides(warehouse, Inputs([published(1, "FORD FOCUS", "205/55 R16", cells)], [FOCUS]))
    assert [row["SKU"], *(row[f"SKU{slot}"] for slot in range(2, 25))] == cells


@pytest.mark.parametrize(
    ("make", "model", "size", "name"),
    [
        ("Land Rover", " Range  Rover\tSport", "255/55 R19", "aim-landrover-rangeroversport-255-55-19"),
        ("CITROËN", "C3", "195/70 R15C", "aim-citroën-c3-195-70-15c"),
        ("Jeep", "CJ-7", "31x10.50 R15", "aim-jeep-cj-7-31-10.50-15"),
        ("Jeep", "Willys", "7.50 R16", "aim-jeep-willys-7.50--16"),
    ],
)
def test_the_takeover_is_named_after_the_cam_without_white_space(
    warehouse: Warehouse, make: str, model: str, size: str, name: str
) -> None:
    inputs = Inputs([published(1, "THIS", size)], [mapped("THIS", make, model)])
    assert [row["TakeoverName"] for row in overrides(warehouse, inputs)] == [name]


@pytest.mark.parametrize(
    ("first", "catalogue"),
    [
        ("10000001", []),
        ("10000001", [product(10000001, Manufacturer="", Model_Name="  ", OE=None)]),
        ("-", [product(10000001, Manufacturer="Alpha", Model_Name="Road", OE="MO")]),
    ],
)
def test_without_a_catalogue_text_of_the_first_hotbox_there_is_null(
    warehouse: Warehouse, first: str, catalogue: list[Row]
) -> None:
    lists = [published(1, "FORD FOCUS", "205/55 R16", [first, "-", "-", "10000001"])]
    (row,) = overrides(warehouse, Inputs(lists, [FOCUS], catalogue))
    assert [row[name] for name in ("Manufacturer", "ModelName", "OE")] == [None, None, None]


def test_a_product_that_the_catalogue_names_twice_makes_no_second_row(warehouse: Warehouse) -> None:
    catalogue = [product(10000001, Manufacturer=name, OE=name) for name in "BAC"]
    inputs = Inputs([published(1, "FORD FOCUS", "205/55 R16")], [FOCUS], catalogue)
    assert [row["OE"] for row in overrides(warehouse, inputs)] == ["A"]


def test_of_several_vehicles_of_one_cam_the_first_in_the_lists_wins(warehouse: Warehouse) -> None:
    mapping = [FOCUS, mapped("FOCUS ESTATE", "Ford", "Focus")]
    lists = [
        published(10, "FORD FOCUS", "205/55 R16", FOUR),
        published(9, "FOCUS ESTATE", "205/55 ZR16", FOUR[::-1]),
        published(11, "FOCUS ESTATE", "205/55 R17", FOUR[1:]),
    ]
    found = overrides(warehouse, Inputs(lists, mapping))
    assert [(row["Vehicle"], row["Size"], row["SKU"]) for row in found] == [
        ("FOCUS ESTATE", "205/55 ZR16", "10000004"),
        ("FOCUS ESTATE", "205/55 R17", "10000002"),
    ]


def test_a_date_run_twice_has_its_rows_once_and_other_dates_stay(warehouse: Warehouse) -> None:
    inputs = Inputs(
        [published(1, "FORD FOCUS", "205/55 R16", run_date=day) for day in (DAY, OTHER_DAY)], [FOCUS]
    )
    overrides(warehouse, inputs)
    run(warehouse, "resolve_cams", "build_override_file", run_date=OTHER_DAY)
    before = all_rows(warehouse, OVERRIDE_FILE)
    assert [row["Today"] for row in before] == [DAY, OTHER_DAY]
    run(warehouse, "resolve_cams", "build_override_file")
    assert all_rows(warehouse, OVERRIDE_FILE) == before


@pytest.mark.parametrize("seed", range(8))
def test_random_lists_are_overridden_as_in_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    overrides(warehouse, inputs)
    assert all_rows(warehouse, OVERRIDE_FILE) == unordered(override_file(inputs, DAY))
