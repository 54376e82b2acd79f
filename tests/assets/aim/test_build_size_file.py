"""The size file: what the CAMs of a size show most often, laid onto 60 slots."""

from datetime import date
from decimal import Decimal

import pytest

from assets.aim.tables import SIZE_FILE
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import LAYOUT, size_file
from tests.assets.aim.published_lists import (
    DAY,
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

FILES = ("resolve_cams", "build_override_file", "build_size_file")


def branded(*numbers: int) -> list[Row]:
    return [product(number, Brand="Alpha") for number in numbers]


def showing(*lists: list[int], size: str = "205/55 R16", day: date = DAY) -> Inputs:
    """One CAM per list, of one size."""
    return Inputs(
        [
            published(number, f"CAR {number}", size, [str(sku) for sku in skus], day)
            for number, skus in enumerate(lists, 1)
        ],
        [mapped(f"CAR {number}", "Make", str(number)) for number, _ in enumerate(lists, 1)],
        branded(*{sku for skus in lists for sku in skus}),
    )


def sized(warehouse: Warehouse, inputs: Inputs) -> list[Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, *FILES)
    return rows(warehouse, SIZE_FILE, "Size, slot_number")


def slots(found: list[Row]) -> dict[int, int]:
    return {int(row["slot_number"]): row["product_id"] for row in found}


def test_products_stand_by_count_then_number_and_the_first_four_repeat(warehouse: Warehouse) -> None:
    lists = [[10000003] for _ in range(9)]
    for number in range(5):
        lists[number] += [10000001]
    for number in range(4, 9):
        lists[number] += [10000002]
    lists[0] += [10000004]
    found = slots(sized(warehouse, showing(*lists)))
    assert found == {
        1: 10000003,
        2: 10000001,
        3: 10000002,
        4: 10000004,
        9: 10000003,
        13: 10000001,
        17: 10000002,
        21: 10000004,
    }


def test_a_row_names_its_product_slot_dates_and_size(warehouse: Warehouse) -> None:
    inputs = Inputs(
        [published(1, "CAR", "205/55 ZR16", ["10000001"])],
        [mapped("CAR", "Make", "Model")],
        [product(10000001, Brand=" Alpha ", Manufacturer="Alpha Tyres Ltd")],
    )
    first, second = sized(warehouse, inputs)
    assert first == {
        "product_id": 10000001,
        "slot_number": Decimal("1.001"),
        "Rationale": "AIM_Size",
        "Initiative": "AIM_Size",
        "Notes": "AIM_Size",
        "Start_date": date(2025, 6, 10),
        "Review_date": date(2025, 7, 10),
        "Brand": "Alpha",
        "Size": "205/55 R16",
    }
    assert second == {**first, "slot_number": Decimal("9.001")}


def test_the_60_slots_show_56_ranks(warehouse: Warehouse) -> None:
    skus = list(range(10000001, 10000061))
    found = slots(sized(warehouse, showing(skus[:24], skus[24:48], skus[48:])))
    assert list(found) == list(range(1, 61))
    assert [sku - 10000000 for sku in found.values()] == LAYOUT


@pytest.mark.parametrize(("ranks", "last"), [(8, 21), (9, 21), (17, 21), (18, 22)])
def test_a_slot_whose_rank_no_product_has_is_no_row(warehouse: Warehouse, ranks: int, last: int) -> None:
    found = slots(sized(warehouse, showing(list(range(10000001, 10000001 + ranks)))))
    assert list(found) == [slot for slot, rank in enumerate(LAYOUT, 1) if rank <= ranks]
    assert max(found) == last


@pytest.mark.parametrize(
    ("size", "written"),
    [
        ("205/55 RF16", "205/55 R16"),
        ("195/70 R15C", "195/70 R15C"),
        ("7.50 R16", "7.50 R16"),
        ("31x10.50 R15", "31/10.50 R15"),
    ],
)
def test_a_size_is_written_without_its_construction(warehouse: Warehouse, size: str, written: str) -> None:
    found = sized(warehouse, showing([10000001], size=size))
    assert {row["Size"] for row in found} == {written}


def test_products_are_counted_within_their_size(warehouse: Warehouse) -> None:
    sizes = ("205/55 R16", "205/55 ZR16", "205/55 R17", "205/50 R16", "215/55 R16")
    lists = [published(n, f"CAR {n}", size, [f"1000000{n}"]) for n, size in enumerate(sizes, 1)]
    mapping = [mapped(f"CAR {n}", "Make", str(n)) for n, _ in enumerate(sizes, 1)]
    found = sized(warehouse, Inputs(lists, mapping, branded(*range(10000001, 10000006))))
    assert [(row["Size"], int(row["slot_number"]), row["product_id"] - 10000000) for row in found] == [
        *[("205/50 R16", 1, 4), ("205/50 R16", 9, 4)],
        *[("205/55 R16", 1, 1), ("205/55 R16", 2, 2), ("205/55 R16", 9, 1), ("205/55 R16", 13, 2)],
        *[("205/55 R17", 1, 3), ("205/55 R17", 9, 3)],
        *[("215/55 R16", 1, 5), ("215/55 R16", 9, 5)],
    ]


def test_products_without_a_brand_are_left_out_before_ranks_are_given(warehouse: Warehouse) -> None:
    skus = range(10000001, 10000006)
    inputs = Inputs(
        showing(list(skus)).lists,
        [mapped("CAR 1", "Make", "Model")],
        [
            product(10000001),
            product(10000002, Brand="  "),
            product(10000003, Manufacturer="M"),
            *branded(10000005),
        ],
    )
    assert slots(sized(warehouse, inputs)) == {1: 10000005, 9: 10000005}


def test_the_same_count_goes_by_the_number_not_the_text(warehouse: Warehouse) -> None:
    assert slots(sized(warehouse, showing([10000001, 9000001])))[1] == 9000001


def test_a_cam_counts_once_for_a_product_that_it_shows_twice(warehouse: Warehouse) -> None:
    found = slots(sized(warehouse, showing([10000002, 10000002, 10000002], [10000001], [10000001])))
    assert found[1] == 10000001


def test_the_last_slot_of_a_list_counts(warehouse: Warehouse) -> None:
    found = slots(sized(warehouse, showing(list(range(10000001, 10000025)), [10000024])))
    assert found[1] == 10000024


def test_a_product_that_the_catalogue_names_twice_counts_once(warehouse: Warehouse) -> None:
    inputs = showing([10000001], [10000002, 10000001], [10000002])
    catalogue = [
        *branded(10000001, 10000002),
        product(10000002, Brand="Beta"),
        product(10000002, Brand="Gamma"),
    ]
    found = sized(warehouse, Inputs(inputs.lists, inputs.mapping, catalogue))
    assert [(row["product_id"], row["Brand"]) for row in found[:2]] == [
        (10000001, "Alpha"),
        (10000002, "Alpha"),
    ]


def test_a_date_run_twice_has_its_rows_once_and_other_dates_stay(warehouse: Warehouse) -> None:
    today, other = showing([10000001]), showing([10000002], day=OTHER_DAY)
    sized(
        warehouse,
        Inputs([*today.lists, *other.lists], today.mapping, branded(10000001, 10000002)),
    )
    run(warehouse, *FILES, run_date=OTHER_DAY)
    before = all_rows(warehouse, SIZE_FILE)
    assert [(row["Start_date"], row["product_id"]) for row in before] == [
        *[(DAY, 10000001)] * 2,
        *[(OTHER_DAY, 10000002)] * 2,
    ]
    run(warehouse, *FILES)
    assert all_rows(warehouse, SIZE_FILE) == before


@pytest.mark.parametrize("seed", range(8))
def test_random_lists_give_the_size_file_of_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    sized(warehouse, inputs)
    assert all_rows(warehouse, SIZE_FILE) == unordered(size_file(inputs, DAY))
