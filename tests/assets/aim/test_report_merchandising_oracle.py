"""The merchandising report against the same rules in plain Python, on random worlds."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from assets.aim.reference import VEHICLE_MAPPING
from assets.aim.tables import EVENT_ITEMS, MERCHANDISING_REPORT, SCHEMAS
from resources.warehouse import Typed, Warehouse
from tests.assets.aim.plain_merchandising import Row, london_date, report
from tests.assets.aim.sql_runs import given, rows, sql, warehouse_in

WORLDS_AT_ONCE = 30
RUN_DATES = (date(2025, 6, 9), date(2025, 4, 8), date(2025, 11, 4))
"""A plain one, and two whose windows hold the change to summer time and the change back."""

CODES = (
    "PSUCMM-AIM-1", "pxsucmm-aim", "SUCMM-AIM", "XSUCMM-AIM-2", "P1-AIM", "x-aim", "SUCMM", "XSUCMM1",
    "PSUCMM", "PXSUCMM", "UCMM", "XUCMM-NONCAM-2", "PUCMM", "PXUCMM", "SCMM", " pscmm ", "CMM", "PCMM-1",
    "NONCAM", "", None,
)  # fmt: skip
VEHICLES = (
    "FORD FOCUS", "Ford  Focus ", "CITROËN C3", "Citroen c3", "No VRM Search", " no vrm search ",
    "", "  ", "??", None,
)  # fmt: skip
PAGES = (
    None,
    None,
    "",
    "https://shop/tyres",
    "https://shop/RunFlat",
    "https://shop/truck-tyres",
    "https://staging.x",
)
INDICES = ("1", "2", "4", "5", "99", "200", " 3 ", "3.0", "3.5", "-1", "", " ", "(not set)", "x", None)


def as_microseconds(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000


def random_moments(random: Random, run_date: date) -> list[int]:
    """Few, so that they meet: around both ends of the window, the middle, and the changes of the clocks."""
    days = [-112, -111, -60, -22, -21, -21, -20, -10, -8, -2, -1, -1, 0]
    changes = [day for day in (date(2025, 3, 30), date(2025, 10, 26)) if abs((run_date - day).days) < 21]
    chosen = [run_date + timedelta(days=random.choice(days)) for _ in range(4)] + changes
    hours = [time(23, 0), time(23, 59, 59), time(0, 0), time(0, 59, 59), time(1, 0), time(12, 0)]
    return [
        as_microseconds(datetime.combine(day, random.choice(hours), UTC)) for day in chosen for _ in range(2)
    ]


def random_item(random: Random, moments: list[int]) -> Row:
    moment = None if random.random() < 0.03 else random.choice(moments)
    is_purchase = random.random() < 0.3
    return {
        "event_name": "purchase" if is_purchase else "view_item_list",
        "london_date": london_date(moment),
        "event_timestamp": moment,
        "user_pseudo_id": random.choice(["u1", "u1", "u2", "u3", "", " ", None]),
        "country": random.choice(["United Kingdom"] * 9 + ["France", None]),
        "page_location": random.choice(PAGES),
        "transaction_id": random.choice(["t1", "t2", "t3", "", None]) if is_purchase else None,
        "item_id": random.choice(["10000001", "10000001", "9000002", "x1", "", None]),
        "item_name": random.choice(["Road", "Tour", None]),
        "item_brand": random.choice(["Alpha", None]),
        "item_variant": random.choice(["v", None]),
        "item_list_index": random.choice(INDICES),
        "item_category5": random.choice(VEHICLES),
        "item_category6": random.choice(["205/55 R16", " 205/55 R16 ", "", None]),
        "item_category8": random.choice(CODES),
        "price": random.choice([80.5, 0.125, 1.005, 33.335, 0.0, None]),
        "quantity": random.choice([1, 2, 3, 0, None]),
    }


def random_mapping(random: Random) -> list[Row]:
    return [
        {
            "vehicle": random.choice(["Ford Focus", "FORDFOCUS", "Citroen C3", "VW GOLF", "-", None]),
            "CarMake": random.choice(["FORD", None]),
            "CarModel": None,
            **{name: random.choice(["a", "b", None]) for name in ("Pod", "Category", "Segment")},
        }
        for _ in range(random.randrange(5))
    ]


def random_ranges(random: Random, run_date: date) -> list[tuple[date, date]]:
    starts = [run_date - timedelta(days=random.randrange(25)) for _ in range(random.randrange(3))]
    return [(start, start + timedelta(days=random.randrange(-1, 4))) for start in starts]


def comparable(found: list[Row]) -> list[tuple[tuple[str, str], ...]]:
    return sorted(tuple(sorted((name, repr(value)) for name, value in row.items())) for row in found)


def reported(
    warehouse: Warehouse,
    items: list[Row],
    mapping: list[Row],
    run_date: date,
    masked: list[tuple[date, date]],
) -> list[Row]:
    given(warehouse, EVENT_ITEMS, items)
    given(warehouse, VEHICLE_MAPPING.table, mapping)
    given(warehouse, MERCHANDISING_REPORT, [])
    parameters: dict[str, Any] = {
        "run_date": run_date,
        "masked_from": Typed([start for start, _ in masked], "ARRAY<DATE>"),
        "masked_to": Typed([end for _, end in masked], "ARRAY<DATE>"),
    }
    warehouse.execute(sql("report_merchandising"), parameters)
    return rows(warehouse, MERCHANDISING_REPORT)


@pytest.mark.parametrize("first_seed", range(0, 210, WORLDS_AT_ONCE))
def test_the_report_is_that_of_the_rules_applied_row_by_row(first_seed: int, tmp_path: Path):
    warehouse = warehouse_in(tmp_path)
    compared = 0
    with warehouse.session():
        for seed in range(first_seed, first_seed + WORLDS_AT_ONCE):
            random = Random(seed)
            run_date = RUN_DATES[seed % len(RUN_DATES)]
            moments = random_moments(random, run_date)
            items = [random_item(random, moments) for _ in range(random.choice([5, 60, 300]))]
            mapping, masked = random_mapping(random), random_ranges(random, run_date)
            found = reported(warehouse, items, mapping, run_date, masked)
            expected = report(items, mapping, run_date, masked)
            assert comparable(found) == comparable(expected), f"world {seed}"
            compared += len(found)
    assert compared > WORLDS_AT_ONCE


def test_the_columns_are_those_of_the_document():
    assert list(SCHEMAS[MERCHANDISING_REPORT]) == [
        "Date", "journey_category", "Vehicle", "Size", "SlotPosition", "MerchandisingPosition",
        "Manufacturer", "ModelName", "Variant", "SKU", "TotalUsers", "Segment", "Pod", "Category",
        "Orders", "Purchasers", "PurchasedUnits", "PurchasedRevenue", "UsersUniqueDayJourney",
    ]  # fmt: skip
