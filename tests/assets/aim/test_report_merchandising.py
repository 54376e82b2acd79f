"""The merchandising report, rule by rule: views, positions, journeys, purchases, metrics, masks, dates."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.tables import EVENT_ITEMS, MERCHANDISING_REPORT
from resources.warehouse import Typed, Warehouse
from tests.assets.aim.plain_merchandising import METRICS, london_date
from tests.assets.aim.sql_runs import given, rows, sql, warehouse_in

RUN_DATE = date(2025, 6, 9)
NOON = "2025-06-05T11:00:00"
LATER = "2025-06-05T12:00:00"

Row = dict[str, Any]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = warehouse_in(Path(tmp_path_factory.mktemp("merchandising")))
    with made.session():
        yield made


@pytest.fixture(autouse=True)
def nothing_reported_yet(warehouse: Warehouse) -> None:
    given(warehouse, MERCHANDISING_REPORT, [])
    given(warehouse, VEHICLE_MAPPING.table, [])


def item(moment: str = NOON, **values: Any) -> Row:
    since = datetime.fromisoformat(moment).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    timestamp = since // timedelta(microseconds=1)
    return {
        "event_name": "view_item_list",
        "event_timestamp": timestamp,
        "london_date": london_date(timestamp),
        "user_pseudo_id": "u1",
        "country": "United Kingdom",
        "page_location": "https://shop/tyres",
        "item_id": "10000001",
        "item_name": "Road",
        "item_brand": "Alpha",
        "item_variant": "v",
        "item_list_index": "3",
        "item_category5": "Ford Focus",
        "item_category6": "205/55 R16",
        "item_category8": "CMM-AIM-1",
        **values,
    }


def purchase(moment: str = LATER, **values: Any) -> Row:
    bought = {"event_name": "purchase", "transaction_id": "t1", "price": 80.5, "quantity": 2}
    return item(moment, **{**bought, **values})


def run(warehouse: Warehouse, run_date: date, masked: list[tuple[date, date]]) -> None:
    parameters: dict[str, Any] = {
        "run_date": run_date,
        "masked_from": Typed([start for start, _ in masked], "ARRAY<DATE>"),
        "masked_to": Typed([end for _, end in masked], "ARRAY<DATE>"),
    }
    warehouse.execute(sql("report_merchandising"), parameters)


def reported(
    warehouse: Warehouse,
    *items: Row,
    run_date: date = RUN_DATE,
    masked: list[tuple[date, date]] | None = None,
) -> list[Row]:
    given(warehouse, EVENT_ITEMS, items)
    run(warehouse, run_date, masked or [])
    return rows(warehouse, MERCHANDISING_REPORT, "Date, SKU, SlotPosition, Vehicle")


def test_a_view_and_its_purchase_are_one_row_with_every_column(warehouse: Warehouse):
    mapping = {"vehicle": "FORD FOCUS", "Segment": "C", "Pod": "P1", "Category": "Family"}
    given(warehouse, VEHICLE_MAPPING.table, [mapping])
    assert reported(warehouse, item(), purchase()) == [
        {
            "Date": date(2025, 6, 5),
            "journey_category": "AIM",
            "Vehicle": "FORD FOCUS",
            "Size": "205/55 R16",
            "SlotPosition": 3,
            "MerchandisingPosition": "Hotbox 3",
            "Manufacturer": "Alpha",
            "ModelName": "Road",
            "Variant": "v",
            "SKU": "10000001",
            "TotalUsers": 1,
            "Segment": "C",
            "Pod": "P1",
            "Category": "Family",
            "Orders": 1,
            "Purchasers": 1,
            "PurchasedUnits": 2,
            "PurchasedRevenue": 161.0,
            "UsersUniqueDayJourney": 1,
        }
    ]


def test_without_a_purchase_there_are_zeros(warehouse: Warehouse):
    (row,) = reported(warehouse, item())
    bought = {name: row[name] for name in ("Orders", "Purchasers", "PurchasedUnits", "PurchasedRevenue")}
    assert bought == {"Orders": 0, "Purchasers": 0, "PurchasedUnits": 0, "PurchasedRevenue": 0.0}


@pytest.mark.parametrize(
    "word",
    [
        "fitfast", "truck", "manufacturer", "seasonal", "runflat", "reinforced", "loadratings",
        "carmanufacturer", "speedratings", "staging", "inforgen",
    ],
)  # fmt: skip
def test_views_on_other_landings_do_not_count(warehouse: Warehouse, word: str):
    assert reported(warehouse, item(page_location=f"https://shop/A{word.title()}Z"), purchase()) == []


@pytest.mark.parametrize("page", [None, "", "https://shop/run-flat"])
def test_a_page_may_be_absent(warehouse: Warehouse, page: str | None):
    assert len(reported(warehouse, item(page_location=page))) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"country": "France"},
        {"country": None},
        {"country": "united kingdom"},
        {"user_pseudo_id": None},
        {"user_pseudo_id": " "},
        {"item_id": "1x"},
        {"item_id": None},
        {"london_date": None},
        {"event_name": "view_item"},
    ],
)
def test_what_is_no_view_is_not_reported(warehouse: Warehouse, values: Row):
    assert reported(warehouse, item(**values)) == []


@pytest.mark.parametrize(
    ("index", "slot", "name"),
    [
        ("1", 1, "Hotbox 1"),
        ("4", 4, "Hotbox 4"),
        (" 3 ", 3, "Hotbox 3"),
        ("3.0", 3, "Hotbox 3"),
        ("200", 4, "Hotbox 4"),
        ("0", 0, "Waves"),
        ("5", 5, "Waves"),
        ("99", 99, "BrandSelector"),
        ("100", 100, "Waves"),
        ("-1", -1, "Waves"),
        *((index, None, "Waves") for index in (None, "", " ", "(not set)", "x", "3x", "3.5", "9" * 30)),
    ],
)
def test_the_position_is_the_index_in_the_list(
    warehouse: Warehouse, index: str | None, slot: int | None, name: str
):
    (row,) = reported(warehouse, item(item_list_index=index))
    assert (row["SlotPosition"], row["MerchandisingPosition"]) == (slot, name)


@pytest.mark.parametrize(
    ("code", "vehicle", "journey"),
    [
        ("psucmm-aim-01", "x", "AIM U - SWITCH"),
        ("PSCMM-AIM-3", "x", "AIM - SWITCH"),
        ("XUCMM-NONCAM-2", "x", "CAM U"),
        ("NONCAM", "x", "NON MERCH VRM"),
        (None, " no vrm search ", "SIZE"),
        ("PXSUCMM-AIM", "x", "AIM U - SWITCH"),
        ("SUCMM-AIM", "x", "AIM U"),
        ("XSUCMM-AIM", "x", "AIM U"),
        (" cmm-aim", "x", "AIM"),
        ("-AIM", "no vrm search", "AIM"),
        ("CMM-AI", "x", "CAM"),
        ("SUCMM", "x", "CAM WAVES U"),
        ("XSUCMM", "x", "CAM WAVES U"),
        ("PSUCMM", "x", "CAM WAVES U - SWITCH"),
        ("PXSUCMM", "x", "CAM WAVES U - SWITCH"),
        ("UCMM", "x", "CAM U"),
        ("PUCMM", "x", "CAM U - SWITCH"),
        ("PXUCMM", "x", "CAM U - SWITCH"),
        ("SCMM", "x", "CAM WAVES"),
        ("PSCMM", "x", "CAM WAVES - SWITCH"),
        ("CMM", "NO VRM SEARCH", "CAM"),
        ("PCMM", "x", "CAM - SWITCH"),
        ("XCMM", "No VRM Search", "SIZE"),
        ("XSCMM", "x", "NON MERCH VRM"),
        ("", None, "NON MERCH VRM"),
    ],
)
def test_the_first_rule_that_fits_names_the_journey(
    warehouse: Warehouse, code: str | None, vehicle: str | None, journey: str
):
    (row,) = reported(warehouse, item(item_category8=code, item_category5=vehicle))
    assert row["journey_category"] == journey


@pytest.mark.parametrize(
    ("kept", "other"),
    [
        ({"item_list_index": "2"}, {"item_list_index": "10"}),
        ({"item_list_index": "7"}, {"item_list_index": None}),
        ({"item_list_index": "200"}, {"item_list_index": "5"}),
        ({"item_category8": "A", "item_category5": "Z"}, {"item_category8": "B", "item_category5": "A"}),
        ({"item_category8": "Z"}, {"item_category8": None}),
        ({"item_category5": "A", "item_category6": "Z"}, {"item_category5": "B", "item_category6": "A"}),
        ({"item_category5": "Z"}, {"item_category5": None}),
        ({"item_category6": "A"}, {"item_category6": "B"}),
        ({"item_category6": "Z"}, {"item_category6": None}),
        ({"item_brand": "A", "item_name": "Z"}, {"item_brand": "B", "item_name": "A"}),
    ],
)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_one_view_is_kept_of_a_user_a_sku_and_a_moment(
    warehouse: Warehouse, kept: Row, other: Row, is_reversed: bool
):
    pair = [item(**kept), item(**other)]
    (row,) = reported(warehouse, *(pair[::-1] if is_reversed else pair), purchase())
    (alone,) = reported(warehouse, item(**kept), purchase())
    assert (row, row["TotalUsers"]) == (alone, 1)


def test_a_purchase_belongs_to_the_last_view_at_or_before_it(warehouse: Warehouse):
    views = [item(f"2025-06-05T1{hour}:00:00", item_list_index=f"{hour}") for hour in (1, 2, 3)]
    found = reported(warehouse, *views, purchase("2025-06-05T12:00:00"))
    assert [row["Orders"] for row in found] == [0, 1, 0]


@pytest.mark.parametrize(
    "values",
    [
        {"user_pseudo_id": "u2"},
        {"item_id": "10000002"},
        {"transaction_id": None},
        {"transaction_id": " "},
        {"country": "France"},
        {"moment": "2025-06-05T10:59:59.999999"},
        {"moment": "2025-06-08T23:00:00"},
    ],
)
def test_a_purchase_without_a_view_before_it_is_not_reported(warehouse: Warehouse, values: Row):
    (row,) = reported(warehouse, item(), purchase(**values))
    assert row["Orders"] == 0


@pytest.mark.parametrize(
    ("seen", "bought", "orders"),
    [
        ("2025-05-18T22:59:59", "2025-05-20T12:00:00", []),
        ("2025-05-18T23:00:00", "2025-05-20T12:00:00", [1]),
        ("2025-06-08T22:59:59", "2025-06-08T22:59:59", [1]),
        ("2025-06-08T22:59:59", "2025-06-08T23:00:00", [0]),
        ("2025-06-08T23:00:00", "2025-06-08T23:00:00", []),
    ],
)
def test_a_row_has_the_date_of_the_view_and_that_is_in_the_window(
    warehouse: Warehouse, seen: str, bought: str, orders: list[int]
):
    found = reported(warehouse, item(seen), purchase(bought))
    assert [row["Orders"] for row in found] == orders


def test_a_later_view_in_the_window_takes_the_purchase_from_one_before_it(warehouse: Warehouse):
    found = reported(warehouse, item("2025-05-10T12:00:00"), item(), purchase("2025-06-07T12:00:00"))
    assert [(row["Date"], row["Orders"]) for row in found] == [(date(2025, 6, 5), 1)]


@pytest.mark.parametrize(
    ("run_date", "moment", "day"),
    [
        (date(2025, 4, 8), "2025-03-30T00:59:59", date(2025, 3, 30)),
        (date(2025, 4, 8), "2025-03-30T23:00:00", date(2025, 3, 31)),
        (date(2025, 11, 4), "2025-10-25T23:30:00", date(2025, 10, 26)),
        (date(2025, 11, 4), "2025-10-26T23:30:00", date(2025, 10, 26)),
        (date(2025, 11, 4), "2025-10-27T00:00:00", date(2025, 10, 27)),
    ],
)
def test_a_day_begins_at_midnight_in_london(warehouse: Warehouse, run_date: date, moment: str, day: date):
    assert [row["Date"] for row in reported(warehouse, item(moment), run_date=run_date)] == [day]


def test_a_user_counts_once_a_day_and_once_a_day_in_each_journey(warehouse: Warehouse):
    found = reported(
        warehouse,
        item("2025-06-05T10:00:00", item_id="10000002", item_list_index=None),
        item("2025-06-05T10:00:00", item_id="10000003", item_list_index="9", item_category8="CMM"),
        item("2025-06-05T10:00:00", item_id="10000004", item_list_index="9"),
        item("2025-06-05T11:00:00", item_id="10000001", item_list_index="1"),
        item("2025-06-05T11:00:00", item_id="10000001", item_list_index="1", user_pseudo_id="u2"),
        item("2025-06-05T23:00:00", item_id="10000001", item_list_index="1"),
    )
    counts = [(row["Date"].day, row["SKU"], row["TotalUsers"], row["UsersUniqueDayJourney"]) for row in found]
    assert counts == [
        (5, "10000001", 1, 1),
        (5, "10000002", 0, 0),
        (5, "10000003", 1, 1),
        (5, "10000004", 0, 1),
        (6, "10000001", 1, 1),
    ]


def test_the_first_view_of_a_moment_without_positions_is_that_of_the_first_sku(warehouse: Warehouse):
    found = reported(
        warehouse,
        item(item_id="9000001", item_list_index=None),
        item(item_id="10000001", item_list_index=None),
    )
    assert [(row["SKU"], row["TotalUsers"]) for row in found] == [("10000001", 1), ("9000001", 0)]


def test_views_that_are_left_out_do_not_make_a_user_known(warehouse: Warehouse):
    (row,) = reported(warehouse, item("2025-06-05T09:00:00", page_location="https://shop/truck"), item())
    assert row["TotalUsers"] == 1


def test_orders_and_purchasers_are_distinct_units_and_revenue_are_summed(warehouse: Warehouse):
    (row,) = reported(
        warehouse,
        item(),
        item(user_pseudo_id="u2"),
        purchase(),
        purchase(price=None, quantity=None),
        purchase(transaction_id="t2", price=10.25, quantity=None),
        purchase(user_pseudo_id="u2", transaction_id="t2", quantity=0),
        purchase(user_pseudo_id="u2", transaction_id="t3", quantity=0),
    )
    found = [row[name] for name in ("Orders", "Purchasers", "PurchasedUnits", "PurchasedRevenue")]
    assert found == [3, 2, 4, 171.25]


@pytest.mark.parametrize(
    ("price", "quantity", "revenue"),
    [(1.005, 1, 1.01), (-1.005, 1, -1.01), (0.335, 3, 1.01), (33.335, 1, 33.34), (1e300, 1, 0.0)],
)
def test_revenue_rounds_halves_away_from_zero(
    warehouse: Warehouse, price: float, quantity: int, revenue: float
):
    (row,) = reported(warehouse, item(), purchase(price=price, quantity=quantity))
    assert row["PurchasedRevenue"] == revenue


def test_blank_vehicles_and_sizes_are_null_and_spellings_are_one(warehouse: Warehouse):
    found = reported(
        warehouse,
        item(item_category5=" ford focus ", item_category6=" 205/55 R16 "),
        item(user_pseudo_id="u2"),
        item(user_pseudo_id="u3", item_category5=" ", item_category6=""),
        item(user_pseudo_id="u4", item_category5=None, item_category6=None),
    )
    landings = [(row["Vehicle"], row["Size"], row["TotalUsers"]) for row in found]
    assert sorted(landings, key=str) == [("FORD FOCUS", "205/55 R16", 2), (None, None, 2)]


def test_the_mapping_is_found_by_the_folded_vehicle_and_by_its_first_row(warehouse: Warehouse):
    names = ("vehicle", "CarMake", "Segment")
    mapping = [
        ("citroen c3", "B", "s1"),
        ("CITROËN-C3", "A", "s2"),
        ("CITROËN-C3", "0", "s3"),
        ("-", "A", "s4"),
    ]
    given(warehouse, VEHICLE_MAPPING.table, [dict(zip(names, row, strict=True)) for row in mapping])
    found = reported(
        warehouse,
        item(item_category5="Citroën C3"),
        item(user_pseudo_id="u2", item_category5="CITROEN  C3"),
        item(user_pseudo_id="u3", item_category5="?"),
        item(user_pseudo_id="u4", item_category5=None),
    )
    segments = {row["Vehicle"]: row["Segment"] for row in found}
    assert segments == {"CITROËN C3": "s3", "CITROEN  C3": "s3", "?": None, None: None}


def test_masked_dates_keep_their_rows_and_lose_their_metrics(warehouse: Warehouse):
    views = [item(f"2025-06-0{day}T12:00:00") for day in range(1, 9)]
    masked = [
        (date(2025, 6, 2), date(2025, 6, 3)),
        (date(2025, 6, 6), date(2025, 6, 6)),
        (date(2025, 6, 3),) * 2,
    ]
    found = reported(warehouse, *views, purchase("2025-06-03T13:00:00"), masked=masked)
    assert [row["Date"].day for row in found] == list(range(1, 9))
    for row in found:
        values = {row[name] is None for name in METRICS}
        assert values == {row["Date"].day in {2, 3, 6}}, row


def test_a_mask_that_ends_before_it_begins_masks_nothing(warehouse: Warehouse):
    (row,) = reported(warehouse, item(), masked=[(date(2025, 6, 6), date(2025, 6, 4))])
    assert row["TotalUsers"] == 1


def test_a_second_run_leaves_the_same_rows(warehouse: Warehouse):
    first = reported(warehouse, item(), item(LATER, item_id="10000002"), purchase())
    assert reported(warehouse, item(), item(LATER, item_id="10000002"), purchase()) == first


def test_all_dates_of_the_window_are_replaced_and_no_other(warehouse: Warehouse):
    days = [date(2025, 5, 18), date(2025, 5, 19), date(2025, 6, 5), date(2025, 6, 8), date(2025, 6, 9)]
    given(warehouse, MERCHANDISING_REPORT, [{"Date": day, "SKU": "1", "TotalUsers": 7} for day in days])
    found = reported(warehouse, item("2025-06-07T12:00:00"))
    assert [(row["Date"], row["SKU"]) for row in found] == [
        (date(2025, 5, 18), "1"),
        (date(2025, 6, 7), "10000001"),
        (date(2025, 6, 9), "1"),
    ]
