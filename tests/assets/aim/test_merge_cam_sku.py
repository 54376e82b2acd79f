"""CAM_SKU after a merge: whole lists replaced, nothing deleted, nothing newer touched, all of it counted."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from assets.aim.publication import last_modified
from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.sizes import size_key
from assets.aim.slots import EMPTY, SLOTS
from assets.aim.tables import CAM_SKU, STAGED_CAM_SKU, STAGED_LISTS
from assets.aim.vehicles import vehicle_key
from resources.warehouse import DuckDBWarehouse, Warehouse
from tests.assets.aim import sql_runs
from tests.assets.aim.publishing_runs import cam_sku_row, listed, merge, stage, stored
from tests.assets.aim.sql_runs import rows, sql, warehouse_in

TUESDAY, FRIDAY = date(2025, 6, 10), date(2025, 6, 13)
TUESDAY_AT_SIX = datetime(2025, 6, 10, 5, tzinfo=UTC)
SIZE = ("205", "55", "16")
MAPPING = {
    "FORD FOCUS": ("Ford", "Focus"),
    "FORD FOCUS ESTATE": ("FORD", "FOCUS"),
    "CITROËN C3": ("Citroën", "C3"),
    "CITROEN C3 AIRCROSS": ("CITROËN", "c3"),
    "JEEP": ("Jeep", "CJ"),
    "NO MAKE": (" ", "Model"),
    "NO MODEL": ("Make", None),
}
COUNTS = ("inserted", "replaced", "untouched", "unmapped", "unparsed", "aliases")


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckDBWarehouse]:
    warehouse = warehouse_in(tmp_path)
    with warehouse.session():
        given_mapping(warehouse, MAPPING)
        yield warehouse


def given_mapping(warehouse: Warehouse, mapping: dict[str, tuple[str | None, str | None]]) -> None:
    vehicles = [
        {"vehicle": name, "CarMake": make, "CarModel": model} for name, (make, model) in mapping.items()
    ]
    sql_runs.given(warehouse, VEHICLE_MAPPING.table, vehicles)


def focus(*cells: object, vehicle: str = "FORD FOCUS", size: str = "205/55 R16") -> dict[str, str]:
    return listed(vehicle, size, *cells)


def counted(**counts: int) -> dict[str, int]:
    return dict.fromkeys(COUNTS, 0) | counts


def test_a_matched_list_is_replaced_whole(warehouse):
    sql_runs.given(
        warehouse,
        CAM_SKU,
        [cam_sku_row("Ford", "Focus", SIZE, ["A1", "A2", "A3", "A4"], TUESDAY_AT_SIX - timedelta(days=3))],
    )
    assert merge(warehouse, TUESDAY, focus("B1", "B2", "B3", "B4", None, "A1")) == counted(replaced=1)
    assert stored(warehouse) == [("Ford", "Focus", SIZE, ["B1", "B2", "B3", "B4", "A1"], TUESDAY_AT_SIX)]


def test_a_shorter_list_leaves_no_tail_of_the_old_one(warehouse):
    merge(warehouse, TUESDAY, focus(*range(1000001, 1000025)))
    merge(warehouse, FRIDAY, focus("B1", "B2", "B3", "B4"))
    assert [row[3] for row in stored(warehouse)] == [["B1", "B2", "B3", "B4"]]


def test_a_list_that_matches_nothing_is_inserted_and_nothing_is_deleted(warehouse):
    golf = cam_sku_row("VW", "Golf", SIZE, ["A1"], TUESDAY_AT_SIX)
    sql_runs.given(warehouse, CAM_SKU, [golf])
    counts = merge(warehouse, TUESDAY, focus(*range(1000001, 1000025)))
    assert counts == counted(inserted=1, untouched=1)
    all_24 = [str(n) for n in range(1000001, 1000025)]
    assert stored(warehouse) == [
        ("Ford", "Focus", SIZE, all_24, TUESDAY_AT_SIX),
        ("VW", "Golf", SIZE, ["A1"], TUESDAY_AT_SIX),
    ]


@pytest.mark.parametrize(
    ("modified", "is_replaced"),
    [
        (None, True),
        (TUESDAY_AT_SIX - timedelta(microseconds=1), True),
        (TUESDAY_AT_SIX, True),
        (TUESDAY_AT_SIX + timedelta(microseconds=1), False),
    ],
)
def test_a_row_is_replaced_unless_it_is_newer(warehouse, modified, is_replaced):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row("Ford", "Focus", SIZE, ["A1", "A2"], modified)])
    counts = merge(warehouse, TUESDAY, focus("B1"))
    assert counts == counted(replaced=int(is_replaced), untouched=int(not is_replaced))
    new, old = (
        ("Ford", "Focus", SIZE, ["B1"], TUESDAY_AT_SIX),
        ("Ford", "Focus", SIZE, ["A1", "A2"], modified),
    )
    assert stored(warehouse) == [new if is_replaced else old]


def test_an_earlier_date_run_again_replaces_only_what_no_later_one_wrote(warehouse):
    merge(warehouse, TUESDAY, focus("A1"), focus("A2", vehicle="JEEP"))
    merge(warehouse, FRIDAY, focus("B1"))
    counts = merge(warehouse, TUESDAY, focus("C1"), focus("C2", vehicle="JEEP"))
    assert counts == counted(replaced=1, untouched=1)
    assert [row[3] for row in stored(warehouse)] == [["B1"], ["C2"]]


def test_a_failed_cam_keeps_its_last_good_list(warehouse):
    merge(warehouse, TUESDAY, focus("A1"), focus("A2", vehicle="JEEP"))
    assert merge(warehouse, FRIDAY, focus("B1")) == counted(replaced=1, untouched=1)
    assert stored(warehouse)[1] == ("Jeep", "CJ", SIZE, ["A2"], TUESDAY_AT_SIX)


@pytest.mark.parametrize("spelling", [("FORD", "focus"), ("ford", "FOCUS"), ("Ford", "Focus")])
def test_make_and_model_match_in_any_case_and_keep_the_stored_spelling(warehouse, spelling):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row(spelling[0], spelling[1], SIZE, ["A1"], None)])
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(replaced=1)
    assert stored(warehouse) == [(*spelling, SIZE, ["B1"], TUESDAY_AT_SIX)]


def test_letters_with_marks_match_in_any_case_too(warehouse):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row("CITROËN", "C3", SIZE, ["A1"], None)])
    assert merge(warehouse, TUESDAY, focus("B1", vehicle="Citroën  C3")) == counted(replaced=1)


@pytest.mark.parametrize(
    "size", [("205", "55", "17"), ("205", "60", "16"), ("195", "55", "16"), ("205", "55", "16C")]
)
def test_each_part_of_a_size_must_be_the_same(warehouse, size):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row("Ford", "Focus", size, ["A1"], None)])
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(inserted=1, untouched=1)


@pytest.mark.parametrize("spelling", [("Fiat", "Focus"), ("Ford", "Fiesta"), ("Ford ", "Focus")])
def test_another_make_or_model_is_another_row(warehouse, spelling):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row(spelling[0], spelling[1], SIZE, ["A1"], None)])
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(inserted=1, untouched=1)


def test_rows_that_differ_only_in_case_are_both_replaced(warehouse):
    twins = [cam_sku_row(make, "Focus", SIZE, ["A1"], None) for make in ("FORD", "Ford")]
    sql_runs.given(warehouse, CAM_SKU, twins)
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(replaced=2)
    assert [row[3] for row in stored(warehouse)] == [["B1"], ["B1"]]


def test_of_two_rows_that_differ_only_in_case_a_newer_one_stays(warehouse):
    newer = cam_sku_row("FORD", "Focus", SIZE, ["A1"], TUESDAY_AT_SIX + timedelta(days=1))
    sql_runs.given(warehouse, CAM_SKU, [newer, cam_sku_row("Ford", "Focus", SIZE, ["A1"], None)])
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(replaced=1, untouched=1)
    assert [row[3] for row in stored(warehouse)] == [["A1"], ["B1"]]


@pytest.mark.parametrize("profile", ["", None])
def test_a_narrow_size_is_found_whether_its_profile_is_empty_or_null(warehouse, profile):
    sql_runs.given(warehouse, CAM_SKU, [cam_sku_row("Jeep", "CJ", ("7.50", profile, "16"), ["A1"], None)])
    counts = merge(warehouse, TUESDAY, focus("B1", vehicle="JEEP", size="7.50 R16"))
    assert counts == counted(replaced=1)
    assert stored(warehouse) == [("Jeep", "CJ", ("7.50", profile, "16"), ["B1"], TUESDAY_AT_SIX)]


def test_a_narrow_size_is_inserted_with_an_empty_profile(warehouse):
    merge(warehouse, TUESDAY, focus("B1", vehicle="JEEP", size="7.50 R16"))
    assert stored(warehouse) == [("Jeep", "CJ", ("7.50", "", "16"), ["B1"], TUESDAY_AT_SIX)]


def test_rows_that_others_left_without_a_key_stay_and_count_as_untouched(warehouse):
    nameless = dict.fromkeys(cam_sku_row("", "", SIZE, [], None))
    sql_runs.given(warehouse, CAM_SKU, [nameless, nameless])
    assert merge(warehouse, TUESDAY, focus("B1")) == counted(inserted=1, untouched=2)
    assert len(rows(warehouse, CAM_SKU)) == 3


# ---- which list is for which row ----


def test_of_several_vehicles_with_one_target_the_first_in_runlist_order_wins(warehouse):
    estate, plain = focus("A1", vehicle="FORD FOCUS ESTATE"), focus("B1")
    assert merge(warehouse, TUESDAY, estate, plain) == counted(inserted=1, aliases=1)
    assert stored(warehouse) == [("FORD", "FOCUS", SIZE, ["A1"], TUESDAY_AT_SIX)]
    assert merge(warehouse, TUESDAY, plain, estate) == counted(replaced=1, aliases=1)
    assert stored(warehouse) == [("FORD", "FOCUS", SIZE, ["B1"], TUESDAY_AT_SIX)]


def test_sizes_that_differ_only_in_construction_have_one_target(warehouse):
    # Of one vehicle they are one CAM and never come together; of two they may.
    estate = focus("A1", vehicle="FORD FOCUS ESTATE", size="205/55 ZR16")
    assert merge(warehouse, TUESDAY, focus("B1"), estate) == counted(inserted=1, aliases=1)


def test_lists_without_a_target_are_left_out_and_counted_once(warehouse):
    counts = merge(
        warehouse,
        TUESDAY,
        focus("A1", vehicle="UNKNOWN CAR"),
        focus("A2", vehicle="NO MAKE"),
        focus("A3", vehicle="NO MODEL"),
        focus("A4", vehicle="UNKNOWN CAR", size="odd size"),
        focus("A5", size="odd size"),
        focus("A6"),
    )
    assert counts == counted(inserted=1, unmapped=4, unparsed=1)
    assert [row[3] for row in stored(warehouse)] == [["A6"]]
    reasons = [row["left_out"] for row in rows(warehouse, STAGED_CAM_SKU, "position")]
    assert reasons == ["unmapped"] * 4 + ["unparsed", None]


def test_when_no_list_has_a_target_every_count_is_a_number(warehouse):
    assert merge(warehouse, TUESDAY, focus("A1", vehicle="UNKNOWN CAR")) == counted(unmapped=1)
    assert stored(warehouse) == []


def test_a_vehicle_is_found_by_its_key(warehouse):
    assert merge(warehouse, TUESDAY, focus("A1", vehicle="citroen-C3")) == counted(inserted=1)
    assert stored(warehouse)[0][:2] == ("Citroën", "C3")


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_mapping_that_names_a_vehicle_twice_gives_one_target_whatever_its_order(warehouse, is_reversed):
    vehicles = [
        {"vehicle": "FORD FOCUS", "CarMake": None, "CarModel": "Zero"},
        {"vehicle": "FORD FOCUS", "CarMake": "Ford", "CarModel": "One"},
        {"vehicle": "FORD FOCUS", "CarMake": "Ford", "CarModel": "Two"},
        {"vehicle": "Ford Focus", "CarMake": "Ford", "CarModel": "Another"},
    ]
    sql_runs.given(warehouse, VEHICLE_MAPPING.table, vehicles[::-1] if is_reversed else vehicles)
    assert merge(warehouse, TUESDAY, focus("A1")) == counted(inserted=1)
    assert stored(warehouse)[0][:2] == ("Ford", "One")


def test_a_vehicle_without_any_letter_or_digit_is_no_vehicle(warehouse):
    given_mapping(warehouse, {"宝马": ("BMW", "X5")})
    assert merge(warehouse, TUESDAY, focus("A1", vehicle="奥迪")) == counted(unmapped=1)


def test_make_and_model_are_written_without_the_blanks_around_them(warehouse):
    given_mapping(warehouse, {"FORD FOCUS": (" Ford ", "Focus ")})
    merge(warehouse, TUESDAY, focus("A1"))
    assert stored(warehouse)[0][:2] == ("Ford", "Focus")


def test_lists_of_an_earlier_run_do_not_come_again(warehouse):
    merge(warehouse, TUESDAY, focus("A1", vehicle="JEEP"))
    assert merge(warehouse, FRIDAY, focus("B1")) == counted(inserted=1, untouched=1)
    assert len(rows(warehouse, STAGED_CAM_SKU)) == 1


# ---- any lists on any table ----

PRODUCTS = st.lists(st.integers(1000001, 1000030), min_size=1, max_size=24, unique=True)
CELLS = PRODUCTS.flatmap(lambda ids: st.permutations([*ids, *[None] * (24 - len(ids))]))
SIZES = ["205/55 R16", "205/55 ZR16", "205/55 R17", "7.50 R16", "odd size"]
LISTS = st.lists(
    st.builds(
        lambda vehicle, size, cells: listed(vehicle, size, *cells),
        st.sampled_from([*MAPPING, "UNKNOWN CAR"]),
        st.sampled_from(SIZES),
        CELLS,
    ),
    max_size=6,
)
STORED = st.lists(
    st.builds(
        cam_sku_row,
        st.sampled_from(["Ford", "FORD", "Citroën", "JEEP", "VW"]),
        st.sampled_from(["Focus", "focus", "C3", "cj", "Golf"]),
        st.sampled_from([SIZE, ("205", "55", "17"), ("7.50", None, "16"), ("7.50", "", "16")]),
        PRODUCTS,
        st.sampled_from([None, *(TUESDAY_AT_SIX + timedelta(days=days) for days in (-1, 0, 1))]),
    ),
    max_size=5,
)
FEW = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)

Target = tuple[str, ...]


def target_of(row: dict[str, Any]) -> Target:
    return (row["Make"].upper(), row["Model"].upper(), row["Width"], row["Profile"] or "", row["Rim"])


def merged(
    table: Sequence[dict[str, Any]], lists: Sequence[dict[str, str]], moment: datetime
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What the document asks of a merge, row by row; and its counts."""
    makers = {
        vehicle_key(name): names for name, names in MAPPING.items() if all(n and n.strip() for n in names)
    }
    counts = counted()
    incoming: dict[Target, dict[str, Any]] = {}
    for row in lists:
        names, key = makers.get(vehicle_key(row["Vehicle"])), size_key(row["Size"])
        if names is None or key is None:
            counts["unmapped" if names is None else "unparsed"] += 1
            continue
        products = [row[slot] for slot in SLOTS if row[slot] != EMPTY]
        made = cam_sku_row(str(names[0]), str(names[1]), tuple(key), products, moment)
        counts["aliases"] += target_of(made) in incoming
        incoming.setdefault(target_of(made), made)
    after = []
    for row in table:
        new = incoming.get(target_of(row))
        is_newer = row["last_modified"] is not None and row["last_modified"] > moment
        if new is None or is_newer:
            counts["untouched"] += 1
            after.append(row)
        else:
            counts["replaced"] += 1
            names = {name: row[name] for name in ("Make", "Model", "Width", "Profile", "Rim")}
            after.append({**new, **names})
    present = {target_of(row) for row in table}
    inserted = [row for target, row in incoming.items() if target not in present]
    counts["inserted"] = len(inserted)
    return in_any_order(after + inserted), counts


def in_any_order(table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(table, key=lambda row: str(list(row.values())))


@FEW
@given(STORED, LISTS)
def test_a_merge_does_what_the_rules_say_and_doing_it_again_changes_nothing(warehouse, table, lists):
    sql_runs.given(warehouse, CAM_SKU, table)
    expected, counts = merged(table, lists, last_modified(TUESDAY))
    assert merge(warehouse, TUESDAY, *lists) == counts
    assert in_any_order(rows(warehouse, CAM_SKU)) == expected
    again = merge(warehouse, TUESDAY, *lists)
    assert in_any_order(rows(warehouse, CAM_SKU)) == expected
    assert again["inserted"] == 0
    assert again["replaced"] + again["untouched"] == len(expected)


@FEW
@given(LISTS, st.randoms(use_true_random=False))
def test_only_positions_decide_and_not_the_order_of_the_staged_rows(warehouse, lists, random):
    assume(lists)
    sql_runs.given(warehouse, CAM_SKU, [])
    merge(warehouse, TUESDAY, *lists)
    in_order = stored(warehouse)
    sql_runs.given(warehouse, CAM_SKU, [])
    stage(warehouse, *lists)
    staged = rows(warehouse, STAGED_LISTS)
    random.shuffle(staged)
    sql_runs.given(warehouse, STAGED_LISTS, staged)
    scripts = [sql("stage_cam_sku"), sql("merge_cam_sku")]
    warehouse.execute(scripts, {"last_modified": last_modified(TUESDAY)})
    assert stored(warehouse) == in_order
