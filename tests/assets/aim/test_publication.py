"""From publishable rows to what goes out: the staged frame, the two files, the moment and the guard."""

import csv
import io
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.publication import (
    cam_sku_csv,
    last_modified,
    publish_refusal,
    results_csv,
    staged_lists,
)
from assets.aim.results import ROW_SCHEMA
from assets.aim.slots import EMPTY, SLOTS
from assets.aim.tables import SCHEMAS, STAGED_LISTS
from resources.warehouse.columns import fitted
from tests.assets.aim.publishing_runs import frame, listed

FOCUS = listed("FORD FOCUS", "205/55 R16", 1000001, 1000002, 1000003, 1000004, None, 1000005)
CELLS = st.lists(
    st.sampled_from([EMPTY, *(str(10_000_000 + n) for n in range(30))]), min_size=24, max_size=24
)


# ---- the staged lists ----


def test_a_staged_list_has_its_keys_and_its_products_without_gaps():
    (row,) = staged_lists(frame([FOCUS])).to_dicts()
    assert row == {
        "position": 1,
        **FOCUS,
        "vehicle_key": "FORDFOCUS",
        "size_identity": "205/55/16",
        "Width": "205",
        "Profile": "55",
        "Rim": "16",
        **{f"cam_sku_{place}": f"100000{place}" if place <= 5 else None for place in range(1, 25)},
    }


@pytest.mark.parametrize(
    ("vehicle", "size", "keys"),
    [
        ("Citroën C3", "195/70 R15C", ("CITROENC3", "195/70/15C", "195", "70", "15C")),
        ("JEEP", "31/1050 R15", ("JEEP", "31/10.50/15", "31", "10.50", "15")),
        ("JEEP", "7.50 R16", ("JEEP", "7.50//16", "7.50", "", "16")),
        ("FORD FOCUS", "205/55 16", ("FORDFOCUS", "2055516", None, None, None)),
        ("FORD FOCUS", "größe 16", ("FORDFOCUS", "GROSSE16", None, None, None)),
    ],
)
def test_a_size_without_a_core_stands_for_itself_and_has_no_parts(vehicle, size, keys):
    staged = staged_lists(frame([listed(vehicle, size, 1, 2, 3, 4)]))
    assert staged.select("vehicle_key", "size_identity", "Width", "Profile", "Rim").row(0) == keys


def test_positions_count_from_1_in_runlist_order():
    lists = [listed(f"CAR {n}", "205/55 R16", 1, 2, 3, 4) for n in (3, 1, 2)]
    staged = staged_lists(frame(lists))
    assert staged.select("position", "Vehicle").rows() == [(1, "CAR 3"), (2, "CAR 1"), (3, "CAR 2")]


@pytest.mark.parametrize("lists", [[], [FOCUS]])
def test_the_staged_frame_fits_its_table(lists):
    staged = staged_lists(frame(lists))
    assert staged.columns == list(SCHEMAS[STAGED_LISTS])
    assert fitted(STAGED_LISTS, staged, SCHEMAS[STAGED_LISTS]).height == len(lists)


@given(st.lists(CELLS, max_size=4))
def test_a_gapless_list_is_the_filled_cells_in_order_then_nothing(cells):
    staged = staged_lists(frame([listed(f"CAR {n}", "", *row) for n, row in enumerate(cells)]))
    found = staged.select(f"cam_sku_{place}" for place in range(1, 25)).rows()
    filled = [[cell for cell in row if cell != EMPTY] for row in cells]
    assert [list(row) for row in found] == [[*row, *[None] * (24 - len(row))] for row in filled]


# ---- the files ----

SLOT_NAMES = "HB1,HB2,HB3,HB4," + ",".join(f"SKU{n}" for n in range(1, 21))


def test_the_results_file_has_the_26_columns_in_runlist_order():
    golf = listed('VW "GOLF", MK7', "7.50 R16", 1000006, 1000007, 1000008, 1000009)
    assert results_csv(frame([FOCUS, golf])).decode() == (
        f"Vehicle,Size,{SLOT_NAMES}\n"
        f"FORD FOCUS,205/55 R16,1000001,1000002,1000003,1000004,-,1000005{',-' * 18}\n"
        f'"VW ""GOLF"", MK7",7.50 R16,1000006,1000007,1000008,1000009{",-" * 20}\n'
    )


def test_the_cam_sku_file_leaves_empty_slots_blank_and_ends_with_the_moment():
    moment = last_modified(date(2025, 6, 10))
    assert cam_sku_csv(frame([FOCUS]), moment).decode() == (
        f"Vehicle,Size,{SLOT_NAMES},last_modified\n"
        f"FORD FOCUS,205/55 R16,1000001,1000002,1000003,1000004,,1000005{',' * 18},"
        "2025-06-10T05:00:00+00:00\n"
    )


@given(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), CELLS), max_size=3))
def test_both_files_read_back_as_what_was_published(rows):
    lists = [listed(vehicle, "205/55 R16", *cells) for vehicle, cells in rows]
    results = list(csv.DictReader(io.StringIO(results_csv(frame(lists)).decode(), newline="")))
    assert results == lists
    products = cam_sku_csv(frame(lists), datetime(2025, 1, 1, tzinfo=UTC)).decode()
    for found, given_list in zip(csv.DictReader(io.StringIO(products, newline="")), lists, strict=True):
        assert found["Vehicle"] == given_list["Vehicle"]
        assert [found[slot] or EMPTY for slot in SLOTS] == [given_list[slot] for slot in SLOTS]


def test_without_rows_the_files_are_their_headers():
    assert results_csv(frame([])).decode().splitlines() == [",".join(ROW_SCHEMA)]
    assert cam_sku_csv(frame([]), datetime(2025, 1, 1, tzinfo=UTC)).count(b"\n") == 1


# ---- the moment ----


@pytest.mark.parametrize(
    ("run_date", "hour"),
    [
        (date(2025, 1, 7), 6),
        (date(2025, 6, 10), 5),
        (date(2025, 3, 30), 5),  # The clocks went forward at 01:00 that day.
        (date(2025, 10, 26), 6),  # And back at 02:00.
    ],
)
def test_a_run_date_stands_for_six_in_london(run_date, hour):
    moment = last_modified(run_date)
    assert moment == datetime(run_date.year, run_date.month, run_date.day, hour, tzinfo=UTC)
    assert moment.tzinfo is UTC


# ---- the guard ----


@pytest.mark.parametrize(
    ("attempted", "succeeded", "limit", "publishes"),
    [
        (10, 8, 0.8, True),
        (10, 7, 0.8, False),
        (10_000, 7_999, 0.8, False),
        (100, 7, 0.07, True),  # 0.07 * 100 is more than 7.
        (100, 29, 0.29, True),  # And 0.29 * 100 less than 29.
        (10, 10, 1.0, True),
        (10, 9, 1.0, False),
        (10, 1, 0.0, True),
        (10, 0, 0.0, False),
        (0, 0, 0.0, False),
        (0, 0, 0.8, False),
    ],
)
def test_a_run_publishes_from_the_limit_on_and_never_nothing(attempted, succeeded, limit, publishes):
    assert (publish_refusal(attempted, succeeded, limit, {}) is None) is publishes


@given(st.integers(1, 10_000).flatmap(lambda most: st.tuples(st.integers(1, most), st.integers(1, 9_999))))
def test_a_ratio_exactly_at_a_written_limit_publishes_and_one_cam_less_does_not(case):
    parts, digits = case
    limit = float(f"0.{digits:04}")
    attempted, at_limit = parts * 10_000, parts * digits
    assert publish_refusal(attempted, at_limit, limit, {}) is None
    assert publish_refusal(attempted, at_limit - 1, limit, {}) is not None


def test_a_refusal_names_the_ratio_the_counts_and_the_remedy():
    refusal = publish_refusal(10_000, 7_999, 0.8, {"TIMEOUT": 1_000, "UPSTREAM_ERROR": 1_001})
    assert refusal == (
        "The run published nothing: 7999 of 10000 CAMs have a list that may be shown, a ratio of 0.7999, and "
        "only one above 0 and of at least 0.8 (AIM_MIN_SUCCESS_RATIO) is published (UPSTREAM_ERROR: 1001, "
        "TIMEOUT: 1000); the lists stay as they were, see to the recommendation service and run the date "
        "again."
    )


@pytest.mark.parametrize(
    ("attempted", "failures", "says"),
    [
        (3, {"UPSTREAM_ERROR": 3}, "0 of 3 CAMs .* (UPSTREAM_ERROR: 3)"),
        (0, {}, "no CAM to ask for; check the runlist"),
    ],
)
def test_every_refusal_says_that_nothing_was_published(attempted, failures, says):
    refusal = publish_refusal(attempted, 0, 0.0, failures) or ""
    assert "published nothing" in refusal
    for part in says.split(" .* "):
        assert part in refusal


def test_equally_frequent_failures_come_by_name():
    refusal = publish_refusal(9, 0, 0.8, {"TIMEOUT": 3, "BATCH_FAILED": 3, "NO_RESULTS": 3}) or ""
    assert "(BATCH_FAILED: 3, NO_RESULTS: 3, TIMEOUT: 3)" in refusal
