"""The validation report: seven claims about the published lists of a run date."""

from typing import Any

import pytest

from assets.aim.slots import SLOTS
from assets.aim.tables import VALIDATION_REPORT
from resources.warehouse import Warehouse
from tests.assets.aim.plain_reports import validation_report
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
    scored,
    unordered,
)
from tests.assets.aim.sql_runs import rows

SEVERITIES = {
    "every_row_has_four_hotboxes": "error",
    "no_sku_appears_twice_in_a_row": "error",
    "every_cell_is_an_id_or_a_dash": "error",
    "every_sku_is_a_scored_product": "error",
    "hb1_is_never_budget": "warn",
    "every_vehicle_is_mapped": "warn",
    "every_size_is_parsable": "warn",
}
GOOD = published(1, "FORD FOCUS", "205/55 R16")
SCORES = [scored(int(sku), "Premium") for sku in FOUR]


def validated(warehouse: Warehouse, inputs: Inputs) -> dict[str, Row]:
    given_inputs(warehouse, inputs)
    run(warehouse, "validate_lists")
    return {row["claim"]: row for row in rows(warehouse, VALIDATION_REPORT)}


def failed(warehouse: Warehouse, *lists: Row, **others: Any) -> set[str]:
    report = validated(warehouse, Inputs(lists, **{"mapping": [FOCUS], "scores": SCORES, **others}))
    assert len(report) == len(SEVERITIES)
    return {claim for claim, row in report.items() if row["status"] != "pass"}


@pytest.mark.parametrize("lists", [[], [GOOD], [{**GOOD, "run_date": OTHER_DAY, "HB1": "Error"}]])
def test_where_nothing_is_wrong_every_claim_passes_without_a_sample(
    warehouse: Warehouse, lists: list[Row]
) -> None:
    total = sum(row["run_date"] == DAY for row in lists)
    assert validated(warehouse, Inputs(lists, [FOCUS], scores=SCORES)) == {
        claim: {
            "run_date": DAY,
            "claim": claim,
            "severity": severity,
            "status": "pass",
            "failing_rows": 0,
            "total_rows": total,
            "sample": None,
        }
        for claim, severity in SEVERITIES.items()
    }


def test_a_broken_claim_counts_its_rows_and_names_the_first_three(warehouse: Warehouse) -> None:
    sizes = {12: "205/55 16", 9: "unknown", 10: "205/55 R16", 11: "big", 100: "last"}
    lists = [published(position, f"CAR {position}", size) for position, size in sizes.items()]
    report = validated(warehouse, Inputs(lists))
    assert report["every_size_is_parsable"] == {
        "run_date": DAY,
        "claim": "every_size_is_parsable",
        "severity": "warn",
        "status": "fail",
        "failing_rows": 4,
        "total_rows": 5,
        "sample": "CAR 9|unknown; CAR 11|big; CAR 12|205/55 16",
    }
    assert report["every_vehicle_is_mapped"]["failing_rows"] == 5


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        ({"HB1": "-"}, {"every_row_has_four_hotboxes"}),
        ({"HB4": "-"}, {"every_row_has_four_hotboxes"}),
        ({"HB2": None}, {"every_row_has_four_hotboxes", "every_cell_is_an_id_or_a_dash"}),
        ({"HB3": "Error"}, {"every_row_has_four_hotboxes", "every_cell_is_an_id_or_a_dash"}),
        ({"SKU1": "-"}, set()),
        ({"SKU1": None}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU1": ""}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU1": "123456"}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU1": "123456789"}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU1": " - "}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU20": "10000005 "}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU20": "10000001"}, {"no_sku_appears_twice_in_a_row"}),
        ({"HB2": "10000001"}, {"no_sku_appears_twice_in_a_row"}),
        ({"SKU1": "Error", "SKU2": "Error"}, {"every_cell_is_an_id_or_a_dash"}),
        ({"SKU20": "9000001"}, {"every_sku_is_a_scored_product"}),
        ({"HB1": "10000009"}, {"every_sku_is_a_scored_product"}),
        ({"HB1": "10000005"}, {"hb1_is_never_budget"}),
        ({"HB2": "10000005"}, set()),
        ({"HB1": "10000006"}, set()),
        ({"Vehicle": "Ford-Focus"}, set()),
        ({"Vehicle": "FORD FOCUS ST"}, {"every_vehicle_is_mapped"}),
        ({"Vehicle": "NO MAKE"}, {"every_vehicle_is_mapped"}),
        ({"Vehicle": "NO MODEL"}, {"every_vehicle_is_mapped"}),
        ({"Vehicle": None}, {"every_vehicle_is_mapped"}),
        ({"Vehicle": "宝马"}, {"every_vehicle_is_mapped"}),
        ({"Size": " 7.50 R16 "}, set()),
        ({"Size": "205/55 16"}, {"every_size_is_parsable"}),
        ({"Size": None}, {"every_size_is_parsable"}),
    ],
)
def test_each_claim_fails_for_what_breaks_it_and_nothing_else(
    warehouse: Warehouse, change: Row, claims: set[str]
) -> None:
    scores = [
        *SCORES,
        scored(10000005, " budget ", "FORDFOCUS"),
        scored(10000005, " budget ", "VWGOLF"),
        scored(10000006, None),
    ]
    mapping = [FOCUS, mapped("NO MAKE", " ", "X"), mapped("NO MODEL", "X", None), mapped("奔驰", "X", "Y")]
    assert failed(warehouse, {**GOOD, **change}, scores=scores, mapping=mapping) == claims


def test_without_scores_every_sku_passes(warehouse: Warehouse) -> None:
    assert failed(warehouse, GOOD, scores=[]) == set()


def test_a_row_counts_once_however_many_of_its_cells_are_wrong(warehouse: Warehouse) -> None:
    report = validated(warehouse, Inputs([{**GOOD, **dict.fromkeys(SLOTS, "FormatError")}]))
    assert report["every_cell_is_an_id_or_a_dash"]["failing_rows"] == 1
    assert report["every_row_has_four_hotboxes"]["sample"] == "FORD FOCUS|205/55 R16"


def test_the_same_sku_in_two_rows_is_no_repetition(warehouse: Warehouse) -> None:
    assert failed(warehouse, GOOD, {**GOOD, "position": 2}) == set()


def test_a_vehicle_that_is_mapped_twice_is_one_row(warehouse: Warehouse) -> None:
    mapping = [mapped("FORD FOCUS", "Ford", None), mapped("FordFocus", "A", "B")]
    report = validated(warehouse, Inputs([GOOD, {**GOOD, "position": 2}], mapping))
    assert report["every_vehicle_is_mapped"]["failing_rows"] == 2
    assert report["every_vehicle_is_mapped"]["total_rows"] == 2


def test_a_date_run_twice_has_its_claims_once_and_other_dates_stay(warehouse: Warehouse) -> None:
    given_inputs(warehouse, Inputs([GOOD, {**GOOD, "run_date": OTHER_DAY, "HB1": "-"}], [FOCUS]))
    for day in (DAY, OTHER_DAY):
        run(warehouse, "validate_lists", run_date=day)
    before = all_rows(warehouse, VALIDATION_REPORT)
    assert [(row["run_date"], row["claim"]) for row in before if row["status"] == "fail"] == [
        (OTHER_DAY, "every_row_has_four_hotboxes")
    ]
    run(warehouse, "validate_lists")
    assert all_rows(warehouse, VALIDATION_REPORT) == before


@pytest.mark.parametrize("seed", range(12))
def test_random_lists_are_judged_as_in_plain_python(warehouse: Warehouse, seed: int) -> None:
    inputs = random_inputs(seed)
    validated(warehouse, inputs)
    assert all_rows(warehouse, VALIDATION_REPORT) == unordered(validation_report(inputs, DAY))
