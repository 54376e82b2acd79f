"""The items of the events: which days and events, both dates, the page, and every column as it came."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.aim.events import TABLE
from assets.aim.tables import EVENT_ITEMS
from resources.warehouse import Warehouse
from tests.assets.aim.sql_runs import given, rows, sql, warehouse_in

RUN_DATE = date(2025, 6, 9)
ITEM = {
    "item_id": "10000001",
    "item_name": "Road",
    "item_brand": "Alpha",
    "item_variant": "v",
    "item_list_id": "l",
    "item_list_index": "3",
    "item_category5": "FORD FOCUS",
    "item_category6": "205/55 R16",
    "item_category8": "CMM-AIM-1",
    "price": 80.5,
    "quantity": 1,
}


def microseconds(moment: str) -> int:
    """Of a moment in UTC."""
    since = datetime.fromisoformat(moment).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(microseconds=1)


EVENT = {
    "event_date": "20250609",
    "event_timestamp": microseconds("2025-06-09T07:00:00"),
    "event_name": "view_item_list",
    "user_pseudo_id": "u1",
    "geo": {"country": "United Kingdom"},
    "event_params": [{"key": "page_location", "value": {"string_value": "https://shop/…"}}],
    "ecommerce": {"transaction_id": None},
    "items": [ITEM],
}


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = warehouse_in(Path(tmp_path_factory.mktemp("events")))
    with made.session():
        yield made


def collected(warehouse: Warehouse, *events: dict[str, Any]) -> list[dict[str, Any]]:
    given(warehouse, TABLE, events)
    warehouse.execute(sql("collect_event_items"), {"run_date": RUN_DATE})
    return rows(warehouse, EVENT_ITEMS, "item_id")


def event_on(event_date: str | None, moment: str | None) -> dict[str, Any]:
    return {
        **EVENT,
        "event_date": event_date,
        "event_timestamp": None if moment is None else microseconds(moment),
    }


def parameters(*entries: tuple[str | None, str | None]) -> list[dict[str, Any]]:
    return [{"key": key, "value": {"string_value": value}} for key, value in entries]


def test_every_column_is_that_of_the_event_or_of_its_item(warehouse: Warehouse):
    bought = {**EVENT, "event_name": "purchase", "ecommerce": {"transaction_id": "t1"}}
    expected = {
        **{name: value for name, value in ITEM.items() if name != "item_list_id"},
        "event_name": "purchase",
        "event_date": date(2025, 6, 9),
        "london_date": date(2025, 6, 9),
        "event_timestamp": EVENT["event_timestamp"],
        "user_pseudo_id": "u1",
        "country": "United Kingdom",
        "page_location": "https://shop/…",
        "transaction_id": "t1",
    }
    assert collected(warehouse, bought) == [expected]


def test_each_item_of_an_event_is_a_row_and_equal_ones_are_kept(warehouse: Warehouse):
    many = [{**ITEM, "item_id": f"{number}"} for number in (*range(10000001, 10000201), 10000001)]
    found = collected(warehouse, {**EVENT, "items": many}, {**EVENT, "items": [ITEM]}, EVENT)
    assert [row["item_id"] for row in found] == sorted([item["item_id"] for item in many] + ["10000001"] * 2)


def test_an_event_without_items_has_no_row(warehouse: Warehouse):
    assert collected(warehouse, {**EVENT, "items": []}, {**EVENT, "items": None}) == []


@pytest.mark.parametrize("item_id", [None, "", " ", "x1", "1x", "10000001 ", "-1", "1.0", "١٢"])
def test_an_item_id_that_is_not_all_digits_is_left_out(warehouse: Warehouse, item_id: str | None):
    found = collected(warehouse, {**EVENT, "items": [{**ITEM, "item_id": item_id}, {**ITEM, "item_id": "7"}]})
    assert [row["item_id"] for row in found] == ["7"]


@pytest.mark.parametrize("name", ["page_view", "VIEW_ITEM_LIST", "view_item", None])
def test_other_events_are_left_out(warehouse: Warehouse, name: str | None):
    assert collected(warehouse, {**EVENT, "event_name": name}) == []


@pytest.mark.parametrize(
    ("event_date", "moment", "is_kept"),
    [
        ("20250217", None, True),
        ("20250216", None, False),
        ("20250610", None, True),
        ("20250611", None, False),
        (None, "2025-02-17T00:00:00", True),
        (None, "2025-02-16T23:59:59", False),
        (None, "2025-06-10T22:59:59.999999", True),
        (None, "2025-06-10T23:00:00", False),
        ("20200101", "2025-06-01T12:00:00", True),
        ("20250601", "2020-01-01T12:00:00", True),
        ("20200101", "2020-01-01T12:00:00", False),
        (None, None, False),
        ("x", None, False),
    ],
)
def test_an_event_is_kept_if_one_of_its_dates_is_near_the_run(
    warehouse: Warehouse, event_date: str | None, moment: str | None, is_kept: bool
):
    assert len(collected(warehouse, event_on(event_date, moment))) == is_kept


@pytest.mark.parametrize(
    ("text", "event_date"),
    [
        ("20250601", date(2025, 6, 1)),
        ("2025-06-01", None),
        ("2025061", None),
        ("20250631", None),
        ("20250601x", None),
        (" 20250601", None),
        ("", None),
        (None, None),
    ],
)
def test_an_event_date_is_eight_digits_of_a_real_day_or_null(
    warehouse: Warehouse, text: str | None, event_date: date | None
):
    (row,) = collected(warehouse, event_on(text, "2025-06-09T07:00:00"))
    assert (row["event_date"], row["london_date"]) == (event_date, date(2025, 6, 9))


@pytest.mark.parametrize(
    ("moment", "london_date"),
    [
        ("2025-03-29T23:59:59.999999", date(2025, 3, 29)),
        ("2025-03-30T00:00:00", date(2025, 3, 30)),
        ("2025-03-30T22:59:59.999999", date(2025, 3, 30)),
        ("2025-03-30T23:00:00", date(2025, 3, 31)),
        ("2025-06-09T22:59:59", date(2025, 6, 9)),
        ("2025-06-09T23:00:00", date(2025, 6, 10)),
        ("2025-10-25T22:59:59", date(2025, 10, 25)),
        ("2025-10-25T23:00:00", date(2025, 10, 26)),
        ("2025-10-26T23:59:59", date(2025, 10, 26)),
        ("2025-10-27T00:00:00", date(2025, 10, 27)),
    ],
)
def test_the_london_date_follows_summer_time(warehouse: Warehouse, moment: str, london_date: date):
    (row,) = collected(warehouse, event_on("20250609", moment))
    assert row["london_date"] == london_date


@pytest.mark.parametrize("timestamp", [None, -(2**63), 2**63 - 1, -62135596800000001, 253402300800000000])
def test_a_timestamp_that_is_no_moment_has_no_london_date(warehouse: Warehouse, timestamp: int | None):
    (row,) = collected(warehouse, {**EVENT, "event_timestamp": timestamp})
    assert (row["event_timestamp"], row["london_date"]) == (timestamp, None)


PAGE = ("page_location", "https://a")
OTHER = ("page_location", "https://b")
TITLE = ("page_title", '"key":"page_location","value":{"string_value":"https://c"}')
NO_KEY = (None, "https://d")


@pytest.mark.parametrize(
    ("entries", "page"),
    [
        ([], None),
        ([TITLE], None),
        ([NO_KEY, PAGE], "https://a"),
        *(([TITLE] * before + [PAGE, OTHER], "https://a") for before in range(7)),
        *(([TITLE] * before + [("page_location", None), OTHER], None) for before in range(7)),
        ([TITLE] * 5 + [("page_location", 'a"b\\c/é\n\t{"x":1}')], 'a"b\\c/é\n\t{"x":1}'),
        ([TITLE] * 5 + [("page_location", "")], ""),
        ([TITLE] * 5 + [("page_location", "null")], "null"),
        ([TITLE] * 9, None),
        ([("page_locations", "x"), ("Page_Location", "x")] * 3, None),
    ],
)
def test_the_page_is_the_text_of_the_first_entry_of_that_name(
    warehouse: Warehouse, entries: list[tuple[str | None, str | None]], page: str | None
):
    (row,) = collected(warehouse, {**EVENT, "event_params": parameters(*entries)})
    assert row["page_location"] == page


@pytest.mark.parametrize("before", range(6))
def test_an_entry_without_a_value_has_no_page(warehouse: Warehouse, before: int):
    entries = [*parameters(*[TITLE] * before), {"key": "page_location", "value": None}, *parameters(OTHER)]
    (row,) = collected(warehouse, {**EVENT, "event_params": entries})
    assert row["page_location"] is None


@pytest.mark.parametrize("key", ["geo", "event_params", "ecommerce", "user_pseudo_id"])
def test_what_an_event_lacks_is_null(warehouse: Warehouse, key: str):
    column = {"geo": "country", "event_params": "page_location", "ecommerce": "transaction_id"}.get(key, key)
    (row,) = collected(warehouse, {**EVENT, key: None})
    assert row[column] is None


def test_the_table_is_refilled_whole(warehouse: Warehouse):
    first = collected(warehouse, EVENT)
    assert collected(warehouse, EVENT) == first
    assert collected(warehouse) == []
