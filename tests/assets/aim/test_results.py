"""Result processing: cells, squash, publishability, error codes, one row per CAM."""

import json
from typing import Any

import polars as pl
import pytest

from assets.aim.results import ERROR_CODES, ROW_SCHEMA, judge, publishable
from assets.aim.slots import HOTBOXES, LIST_SLOTS, SLOTS

NOTHING_SCORED = pl.Series("ProductId", [], dtype=pl.Int64)
HOTBOX_IDS = {slot: f"1000000{number}" for number, slot in enumerate(HOTBOXES, start=1)}


def answer(**changes: Any) -> dict[str, Any]:
    good = {
        "Vehicle": "FORD FOCUS",
        "Size": "205/55R16",
        **HOTBOX_IDS,
        "SKUs": [],
        "success": True,
        "error_code": None,
    }
    return good | changes


def judged(*answers: object, known: pl.Series = NOTHING_SCORED) -> list[dict[str, Any]]:
    return judge(answers, known).rows(named=True)


def slots(row: dict[str, Any]) -> list[str]:
    """SKU1.. up to the last that is filled."""
    ids = [row[slot] for slot in LIST_SLOTS]
    while ids and ids[-1] == "-":
        ids.pop()
    return ids


def test_there_are_24_slots_everywhere():
    assert (len(HOTBOXES), len(LIST_SLOTS), len(SLOTS), len(ROW_SCHEMA)) == (4, 20, 24, 26)
    assert (SLOTS[0], SLOTS[3], SLOTS[4], SLOTS[23]) == ("HB1", "HB4", "SKU1", "SKU20")


@pytest.mark.parametrize(
    ("skus", "expected"),
    [
        (
            ["10000005", "10000006", "10000005", "-", "10000006", "10000007"],
            ["10000005", "10000006", "-", "-", "-", "10000007"],
        ),
        (["10000001"], []),
        (["10000005", "", "10000007"], ["10000005", "-", "10000007"]),
        (["10000005", None, "10000007"], ["10000005", "-", "10000007"]),
        (["10000005", "FormatError", "10000007"], ["10000005", "-", "10000007"]),
        ([f"200000{number:02d}" for number in range(25)], [f"200000{number:02d}" for number in range(20)]),
        ("10000005", []),
        (None, []),
        ({"0": "10000005"}, []),
    ],
)
def test_list_slots_keep_their_position_and_no_product_comes_twice(skus, expected):
    (row,) = judged(answer(SKUs=skus))
    assert slots(row) == expected
    assert row["error_code"] is None


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("1234567", "1234567"),
        ("12345678", "12345678"),
        (" 12345678\u00a0\n", "12345678"),
        (12345678, "12345678"),
        (12345678.0, "12345678"),
        ("12345678.0", "12345678"),
        ("123456", "-"),
        ("123456789", "-"),
        (123456789, "-"),
        (12345678.5, "-"),
        ("12345678.00", "-"),
        (-1234567, "-"),
        ("+1234567", "-"),
        ("1234 5678", "-"),
        ("\uff11\uff12\uff13\uff14\uff15\uff16\uff17", "-"),
        ("Error", "-"),
        ("\ud800", "-"),
        (True, "-"),
        (float("nan"), "-"),
        (float("inf"), "-"),
        pytest.param(10**5_000, "-", id="a number too long to write"),
        (["12345678"], "-"),
        ({"id": "12345678"}, "-"),
    ],
)
def test_a_cell_is_seven_or_eight_digits_or_a_dash(cell, kept):
    (row,) = judged(answer(SKUs=[cell, "10000009"]))
    assert (row["SKU1"], row["SKU2"]) == (kept, "10000009")
    (row,) = judged(answer(HB1=cell))
    assert row["HB1"] == kept


def test_only_scored_products_are_kept_when_there_are_any():
    known = pl.Series("ProductId", [10000001, 10000002, 10000003, 10000004, 10000006, None])
    (row,) = judged(answer(SKUs=["10000005", "10000006", "010000006"]), known=known)
    assert slots(row) == ["-", "10000006"]
    (row,) = judged(answer(SKUs=["1234567", "01234567"]), known=known.extend(pl.Series([1234567])))
    assert slots(row) == ["1234567"]
    (row,) = judged(answer(HB4="10000009"), known=known)
    assert (row["HB4"], row["error_code"]) == ("-", "FORMAT_ERROR")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (None, "INTERNAL_ERROR"),
        (3, "INTERNAL_ERROR"),
        ("success", "INTERNAL_ERROR"),
        ([answer()], "INTERNAL_ERROR"),
        ({}, "INTERNAL_ERROR"),
        (answer(success="true"), "INTERNAL_ERROR"),
        (answer(success=1), "INTERNAL_ERROR"),
        (answer(success=None, error_code="TIMEOUT"), "TIMEOUT"),
        (answer(success=False, error_code="NO_RESULTS"), "NO_RESULTS"),
        (answer(success=False, error_code="anything else"), "INTERNAL_ERROR"),
        (answer(success=False, error_code=["TIMEOUT"]), "INTERNAL_ERROR"),
        (answer(**dict.fromkeys(HOTBOXES, "Error"), success=False, error_code="TIMEOUT"), "TIMEOUT"),
        (answer(HB2=HOTBOX_IDS["HB1"]), "FORMAT_ERROR"),
        (answer(HB3=None), "FORMAT_ERROR"),
        (answer(HB4="Error"), "FORMAT_ERROR"),
        (answer(Vehicle=" "), "INVALID_INPUT"),
        (answer(Size=None), "INVALID_INPUT"),
        (answer(Size=20555), "INVALID_INPUT"),
        (answer(Vehicle="\ud800"), "INVALID_INPUT"),
        (answer(Vehicle="_", HB1="-"), "INVALID_INPUT"),
    ],
)
def test_a_row_that_cannot_be_published_is_excluded_and_counted_by_code(bad, code):
    result = publishable(judge([bad, answer()], NOTHING_SCORED))
    assert result.rows.height == 1
    assert result.failures == {code: 1}
    assert code in ERROR_CODES


def test_a_successful_answer_is_published_whatever_its_error_code_says():
    assert judged(answer(error_code="TIMEOUT"))[0]["error_code"] is None


def test_failures_are_counted_by_code_in_alphabetical_order():
    codes = ["TIMEOUT", "NO_RESULTS", "TIMEOUT", "BATCH_FAILED"]
    result = publishable(judge([answer(success=False, error_code=code) for code in codes], NOTHING_SCORED))
    assert list(result.failures.items()) == [("BATCH_FAILED", 1), ("NO_RESULTS", 1), ("TIMEOUT", 2)]
    assert result.rows.is_empty()
    assert dict(result.rows.schema) == ROW_SCHEMA


def test_a_failed_first_row_never_beats_a_good_later_one():
    failed = answer(Vehicle="FORD  FOCUS", success=False, error_code="TIMEOUT")
    good = answer(Vehicle="Ford Focus", Size="205/55 R16", SKUs=["10000009"])
    later = answer(Vehicle="ford focus", Size="205/55 ZR16")
    result = publishable(judge([failed, good, later], NOTHING_SCORED))
    assert result.rows.select("Vehicle", "Size", "SKU1").rows() == [("Ford Focus", "205/55 R16", "10000009")]
    assert (result.failures, result.duplicates) == ({"TIMEOUT": 1}, 1)


def test_an_answer_is_repaired_and_never_torn_apart():
    texts = [("AUDI A4", "205/55R16"), ("JEEP", "31/10.50R15"), ("VW_GOLF", "GTI 205/55R16")]
    rows = judged(*(answer(Vehicle=vehicle, Size=size) for vehicle, size in texts))
    assert [(row["Vehicle"], row["Size"]) for row in rows] == [
        ("AUDI A4", "205/55 R16"),
        ("JEEP", "31/10.50 R15"),
        ("VW GOLF GTI", "205/55 R16"),
    ]


def test_a_cam_that_was_asked_for_keeps_its_own_vehicle_and_size():
    cams = pl.DataFrame(
        {"Vehicle": ["VW GOLF", "AUDI A4"], "Size": ["7.50 R16", "205/55 R16"], "rank": [1, 2]}
    )
    rows = judge([answer(Vehicle="other", Size=None), None], NOTHING_SCORED, cams)
    assert rows.columns == [*ROW_SCHEMA, "error_code"]
    assert rows.select("Vehicle", "Size", "error_code").rows() == [
        ("VW GOLF", "7.50 R16", None),
        ("AUDI A4", "205/55 R16", "INTERNAL_ERROR"),
    ]


def test_no_answers_are_no_rows_of_the_same_type():
    result = publishable(judge([], NOTHING_SCORED))
    assert (result.rows.height, dict(result.rows.schema)) == (0, ROW_SCHEMA)
    assert (result.failures, result.duplicates) == ({}, 0)


def test_answers_are_read_as_json_gives_them():
    text = """[{
        "Vehicle": "A4", "Size": "205/55R16", "success": true, "SKUs": [NaN, "\\ud800"],
        "HB1": 1.0000001e7, "HB2": 10000002, "HB3": "10000003", "HB4": 10000004.0
    }]"""
    (row,) = judged(*json.loads(text))
    assert [row[slot] for slot in HOTBOXES] == list(HOTBOX_IDS.values())
    assert row["error_code"] is None
