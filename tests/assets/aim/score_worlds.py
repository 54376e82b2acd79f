"""What the scores are made from, as rows, and a run of the SQL over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias

from assets.aim.reference import INFLUENCE, PRODUCT_CATALOGUE
from assets.aim.tables import CAR_SALES, EVENTS, SCORES, TYRE_FEED
from resources.warehouse import Warehouse
from tests.assets.aim.sql_runs import given, given_size_keys, rows, sql

Row: TypeAlias = dict[str, Any]

RUN_DATE = date(2025, 6, 9)


@dataclass(frozen=True)
class World:
    """The tables that the SQL reads."""

    feed: Sequence[Row]
    sales: Sequence[Row] = ()
    catalogue: Sequence[Row] = ()
    influence: Sequence[Row] = ()
    items: Sequence[Row] = ()
    run_date: date = RUN_DATE


def score(warehouse: Warehouse, world: World) -> list[Row]:
    """The rows of the score table after a run, by product and vehicle, the one without a vehicle first."""
    with warehouse.session():
        given(warehouse, TYRE_FEED, world.feed)
        given(warehouse, CAR_SALES, world.sales)
        given(warehouse, PRODUCT_CATALOGUE.table, world.catalogue)
        given(warehouse, INFLUENCE.table, world.influence)
        given(warehouse, EVENTS, [event_of(item) for item in world.items])
        given_size_keys(warehouse, [row["Size"].strip() for row in world.feed if row.get("Size")])
        warehouse.execute([sql("collect_event_items"), sql("score_tyres")], {"run_date": world.run_date})
        return rows(warehouse, SCORES, "ProductId, Vehicle")


def event_of(item: Row) -> Row:
    """An event with one item, of the columns of both."""
    day = item["event_date"]
    return {
        "event_name": item["event_name"],
        "event_date": None if day is None else f"{day:%Y%m%d}",
        "items": [{name: item.get(name) for name in ("item_id", "item_category5")}],
    }


def product_id(number: int) -> int:
    return 10_000_000 + number


def tyre(number: int, **columns: Any) -> Row:
    """A feed row: a premium tyre of 205/55 R16 without a merit, save `columns`."""
    return {
        "ProductId": product_id(number),
        "Grade": "Premium",
        "Size": "205/55 R16",
        "WetGrip": "-",
        "Price": 80.0,
        "row_number": number,
        **columns,
    }


def sale(number: int, vehicle: str, units: int | None, price: float | None = 80.0, **columns: Any) -> Row:
    """A sales row: the vehicle's first word is its make, and every order is of one unit."""
    make, _, model = vehicle.partition(" ")
    return {
        "ProductId": str(product_id(number)),
        "CarMake": make,
        "CarModel": model,
        "Orders": units,
        "Units": units,
        "AvgPrice": price,
        **columns,
    }


def views(number: int, count: int, vehicle: str | None = None, day: date = RUN_DATE) -> list[Row]:
    """So many items of lists that somebody saw on a day."""
    item = {
        "event_name": "view_item_list",
        "event_date": day,
        "item_id": str(product_id(number)),
        "item_category5": vehicle,
    }
    return [item] * count
