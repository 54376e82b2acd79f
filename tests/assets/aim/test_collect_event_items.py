"""The items of the events: which days and events count, the London date, the page, every column as it came.

Cases that do not touch each other are events of one table, told apart by their product.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.aim.events import TABLE
from assets.aim.tables import EVENT_ITEMS, ITEM_VIEWS
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
    "event_date": "20250605",
    "event_timestamp": microseconds("2025-06-05T07:00:00"),
    "event_name": "view_item_list",
    "user_pseudo_id": "u1",
    "geo": {"country": "United Kingdom"},
    "event_params": [{"key": "page_location", "value": {"string_value": "https://shop/…"}}],
    "ecommerce": {"transaction_id": None},
    "items": [ITEM],
}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    made = warehouse_in(Path(tmp_path_factory.mktemp("events")))
    with made.session():
        yield made


def collect(warehouse: Warehouse, events: Sequence[Row], run_date: date = RUN_DATE) -> None:
    given(warehouse, TABLE, events)
    warehouse.execute(sql("collect_event_items"), {"run_date": run_date})


def items_of(warehouse: Warehouse, *events: Row) -> list[Row]:
    collect(warehouse, events)
    return rows(warehouse, EVENT_ITEMS, "item_id")


def views_of(warehouse: Warehouse, *events: Row) -> list[tuple[str, str | None, int]]:
    collect(warehouse, events)
    found = rows(warehouse, ITEM_VIEWS, "item_id, item_category5")
    return [(row["item_id"], row["item_category5"], row["views"]) for row in found]


def apart(events: Sequence[Row]) -> list[Row]:
    """The events with one item each, whose product is their place."""
    return [{**event, "items": [{**ITEM, "item_id": str(place)}]} for place, event in enumerate(events)]


def item_of_each(warehouse: Warehouse, events: Sequence[Row], run_date: date = RUN_DATE) -> list[Row | None]:
    """The row of each event's only item, if there is one."""
    collect(warehouse, apart(events), run_date)
    found = {row["item_id"]: row for row in rows(warehouse, EVENT_ITEMS)}
    return [found.get(str(place)) for place in range(len(events))]


def are_counted(warehouse: Warehouse, events: Sequence[Row]) -> list[bool]:
    """Whether the view of each event's only item was counted."""
    collect(warehouse, apart(events))
    found = {row["item_id"]: row["views"] for row in rows(warehouse, ITEM_VIEWS)}
    assert set(found.values()) <= {1}
    return [str(place) in found for place in range(len(events))]


def event_on(event_date: str | None, moment: str | None) -> Row:
    return {
        **EVENT,
        "event_date": event_date,
        "event_timestamp": None if moment is None else microseconds(moment),
    }


def parameters(*entries: tuple[str | None, str | None]) -> list[Row]:
    return [{"key": key, "value": {"string_value": value}} for key, value in entries]


def test_every_column_is_that_of_the_event_or_of_its_item(warehouse: Warehouse):
    bought = {**EVENT, "event_name": "purchase", "ecommerce": {"transaction_id": "t1"}}
    expected = {
        **{name: value for name, value in ITEM.items() if name != "item_list_id"},
        "event_name": "purchase",
        "london_date": date(2025, 6, 5),
        "event_timestamp": EVENT["event_timestamp"],
        "user_pseudo_id": "u1",
        "country": "United Kingdom",
        "page_location": "https://shop/…",
        "transaction_id": "t1",
    }
    assert items_of(warehouse, bought) == [expected]
    assert rows(warehouse, ITEM_VIEWS) == []


def test_each_item_of_an_event_is_a_row_and_equal_ones_are_kept(warehouse: Warehouse):
    many = [{**ITEM, "item_id": f"{number}"} for number in (*range(10000001, 10000201), 10000001)]
    found = items_of(warehouse, {**EVENT, "items": many}, {**EVENT, "items": [ITEM]}, EVENT)
    assert [row["item_id"] for row in found] == sorted([item["item_id"] for item in many] + ["10000001"] * 2)


def test_views_are_counted_by_product_and_vehicle_as_it_is_written(warehouse: Warehouse):
    golf = {**ITEM, "item_category5": "VW GOLF"}
    nameless = {**ITEM, "item_category5": None}
    other = {**ITEM, "item_id": "20000002", "price": 3.0}
    spelt = {**ITEM, "item_category5": "Ford Focus"}
    found = views_of(
        warehouse,
        {**EVENT, "items": [ITEM, golf, ITEM, other]},
        {**EVENT, "items": [nameless, ITEM, nameless]},
        {**EVENT, "items": [spelt], "user_pseudo_id": "u2", "geo": None},
    )
    assert sorted(found, key=str) == [
        ("10000001", "FORD FOCUS", 3),
        ("10000001", "Ford Focus", 1),
        ("10000001", "VW GOLF", 1),
        ("10000001", None, 2),
        ("20000002", "FORD FOCUS", 1),
    ]


def test_an_event_without_items_has_no_row(warehouse: Warehouse):
    without = ({**EVENT, "items": []}, {**EVENT, "items": None}, {**EVENT, "items": [None]})
    assert (items_of(warehouse, *without), views_of(warehouse, *without)) == ([], [])


def test_an_item_id_that_is_not_all_digits_is_left_out(warehouse: Warehouse):
    odd = [None, "", " ", "x1", "1x", "10000001 ", "-1", "1.0", "١٢", "7"]
    event = {**EVENT, "items": [{**ITEM, "item_id": item_id} for item_id in odd]}
    assert [row["item_id"] for row in items_of(warehouse, event)] == ["7"]
    assert views_of(warehouse, event) == [("7", "FORD FOCUS", 1)]


def test_other_events_are_left_out_and_purchases_are_no_views(warehouse: Warehouse):
    names = ["page_view", "VIEW_ITEM_LIST", "view_item", None, "purchase", "view_item_list"]
    events = [{**EVENT, "event_name": name} for name in names]
    found = item_of_each(warehouse, events)
    assert [row and row["event_name"] for row in found] == [None] * 4 + names[4:]
    assert are_counted(warehouse, events) == [False] * 5 + [True]


ITEM_MOMENTS = [
    ("2025-05-18T22:59:59.999999", None),
    ("2025-05-18T23:00:00", date(2025, 5, 19)),
    ("2025-06-08T22:59:59.999999", date(2025, 6, 8)),
    ("2025-06-08T23:00:00", None),
    ("2025-06-09T12:00:00", None),
    (None, None),
]


@pytest.mark.parametrize("event_date", ["20250605", "20200101", "x", None])
def test_items_are_kept_of_the_21_london_dates_before_the_run_whatever_the_date_of_the_event(
    warehouse: Warehouse, event_date: str | None
):
    found = item_of_each(warehouse, [event_on(event_date, moment) for moment, _ in ITEM_MOMENTS])
    assert [row and row["london_date"] for row in found] == [day for _, day in ITEM_MOMENTS]


VIEW_DATES = {
    "20250310": False,
    "20250311": True,
    "20250609": True,
    "20250610": False,
    "2025-06-01": False,
    "2025060": False,
    "20250431": False,
    "20250601x": False,
    " 20250601": False,
    "": False,
    None: False,
}


@pytest.mark.parametrize("moment", ["2025-06-05T12:00:00", "2020-01-01T12:00:00", None])
def test_views_are_counted_by_the_date_of_the_event_whatever_its_moment(
    warehouse: Warehouse, moment: str | None
):
    found = are_counted(warehouse, [event_on(text, moment) for text in VIEW_DATES])
    assert dict(zip(VIEW_DATES, found, strict=True)) == VIEW_DATES


@pytest.mark.parametrize(
    ("run_date", "dates"),
    [
        (
            date(2025, 4, 8),
            {
                "2025-03-17T23:59:59.999999": None,
                "2025-03-18T00:00:00": date(2025, 3, 18),
                "2025-03-29T23:59:59.999999": date(2025, 3, 29),
                "2025-03-30T00:00:00": date(2025, 3, 30),
                "2025-03-30T22:59:59.999999": date(2025, 3, 30),
                "2025-03-30T23:00:00": date(2025, 3, 31),
                "2025-04-07T22:59:59.999999": date(2025, 4, 7),
                "2025-04-07T23:00:00": None,
            },
        ),
        (
            date(2025, 11, 4),
            {
                "2025-10-13T22:59:59.999999": None,
                "2025-10-13T23:00:00": date(2025, 10, 14),
                "2025-10-25T22:59:59": date(2025, 10, 25),
                "2025-10-25T23:00:00": date(2025, 10, 26),
                "2025-10-26T23:59:59": date(2025, 10, 26),
                "2025-10-27T00:00:00": date(2025, 10, 27),
                "2025-11-03T23:59:59.999999": date(2025, 11, 3),
                "2025-11-04T00:00:00": None,
            },
        ),
    ],
)
def test_the_london_date_follows_summer_time(
    warehouse: Warehouse, run_date: date, dates: dict[str, date | None]
):
    found = item_of_each(warehouse, [event_on(None, moment) for moment in dates], run_date)
    assert [row and row["london_date"] for row in found] == list(dates.values())


def test_a_timestamp_that_is_no_moment_has_no_item_and_its_view_counts(warehouse: Warehouse):
    stamps = [-(2**63), 2**63 - 1, -62135596800000001, 253402300800000000]
    events = [{**EVENT, "event_timestamp": stamp} for stamp in stamps]
    assert item_of_each(warehouse, events) == [None] * 4
    assert are_counted(warehouse, events) == [True] * 4


PAGE = ("page_location", "https://a")
OTHER = ("page_location", "https://b")
TITLE = ("page_title", '"key":"page_location","value":{"string_value":"https://c"}')
NO_KEY = (None, "https://d")
PAGES: list[tuple[list[Row], str | None]] = [
    ([], None),
    (parameters(TITLE), None),
    (parameters(NO_KEY, PAGE), "https://a"),
    *((parameters(*[TITLE] * before, PAGE, OTHER), "https://a") for before in range(7)),
    *((parameters(*[TITLE] * before, ("page_location", None), OTHER), None) for before in range(7)),
    *(
        ([*parameters(*[TITLE] * before), {"key": "page_location", "value": None}, *parameters(OTHER)], None)
        for before in range(6)
    ),
    *(
        (parameters(*[TITLE] * 5, ("page_location", text)), text)
        for text in ('a"b\\c/é\n\t{"x":1}', "", "null")
    ),
    (parameters(*[TITLE] * 9), None),
    (parameters(*[("page_locations", "x"), ("Page_Location", "x")] * 3), None),
]


def test_the_page_is_the_text_of_the_first_entry_of_that_name(warehouse: Warehouse):
    found = item_of_each(warehouse, [{**EVENT, "event_params": entries} for entries, _ in PAGES])
    assert [row and row["page_location"] for row in found] == [page for _, page in PAGES]
    assert all(found)


def test_what_an_event_lacks_is_null(warehouse: Warehouse):
    columns = {
        "geo": "country",
        "event_params": "page_location",
        "ecommerce": "transaction_id",
        "user_pseudo_id": "user_pseudo_id",
    }
    found = item_of_each(warehouse, [{**EVENT, key: None} for key in columns])
    assert [row and row[column] for row, column in zip(found, columns.values(), strict=True)] == [None] * 4
    assert all(found)


def test_the_tables_are_refilled_whole(warehouse: Warehouse):
    first = items_of(warehouse, EVENT), rows(warehouse, ITEM_VIEWS)
    assert (items_of(warehouse, EVENT), rows(warehouse, ITEM_VIEWS)) == first
    assert (items_of(warehouse), rows(warehouse, ITEM_VIEWS)) == ([], [])
