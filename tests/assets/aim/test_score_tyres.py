"""The scores of the tyres: what the document works out, and the edges of its rules, through the SQL file."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pytest

from assets.aim.tables import SCHEMAS, SCORES
from resources.warehouse import Warehouse
from tests.assets.aim.score_worlds import Row, World, product_id, sale, score, tyre, views
from tests.assets.aim.sql_runs import warehouse_in

BEST, BETTER, GOOD, FAIR = (
    f"{name} TYRE SCORE" for name in ("1.BEST", "2.BETTER", "3.GOOD", "4.FAIR")
)  # fmt: skip
UNCLASSIFIED = "Unclassified"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    warehouse = warehouse_in(tmp_path_factory.mktemp("scores"))
    with warehouse.session():
        yield warehouse


def only(rows: Sequence[Row]) -> Row:
    (row,) = rows
    return row


def row_of(rows: Sequence[Row], number: int, vehicle: str | None = None) -> Row:
    """The one row of a product and a vehicle."""
    return only([row for row in rows if (row["ProductId"], row["Vehicle"]) == (product_id(number), vehicle)])


def merits(award: str | None, fuel: str | None, noise: str | None, oe: str | None, wet: str) -> Row:
    return {"AwardScore": award, "Fuel": fuel, "Noise": noise, "OE": oe, "WetGrip": wet}


# ---- ranks and tiers ----


def is_first(warehouse: Warehouse, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a product is ranked before another one, which has the lower number and so wins ties."""
    first, second = score(warehouse, World(feed=[tyre(1, **other), tyre(2, **one)]))
    assert {first["TyreScore"], second["TyreScore"]} == {BEST, GOOD}
    return second["TyreScore"] == BEST


@pytest.mark.parametrize(
    ("product", "same_or_more", "less"),
    [
        pytest.param(
            merits("Award", "A", "68-A", "Yes", "A"),
            merits("award", "a", "68-a", "yes", "a"),
            merits("Award", "A", "68-B", "Yes", "A"),
            id="36.0 as much as in small letters, above 35.5",
        ),
        pytest.param(
            merits("Award", "A", "70-B", "No", "A"),
            merits("none", "A", "70-B", "Yes", "A"),
            merits("Award", "A", "70-C", "No", "A"),
            id="25.5 as much by another way, above 25.1",
        ),
        pytest.param(
            merits("none", "E", "74-C", "No", "E"),
            merits("none", "G", "70-B", "No", "D"),
            merits("none", "E", "70-B", "No", "F"),
            id="1.6 between 1.75 and 1.5",
        ),
        pytest.param(
            merits("none", "D", "71 B", "No", "D"),
            merits("none", "E", "70-B", "No", "C"),
            merits("none", "E", "74-C", "No", "C"),
            id="3.75 between 4.0 and 3.6",
        ),
        pytest.param(
            merits(" AWARD ", "B ", "dB-70-B", " yes", " b"),
            merits("Award", "B", "70 - b ", "Yes", "B"),
            merits("Award", "C", "68-A", "Yes", "A"),
            id="34.0 with blanks around, above 31.0",
        ),
        pytest.param(
            merits(None, None, None, None, "C"),
            merits("Awarded", "AA", "A", "Y", "C"),
            merits(None, None, None, None, "D"),
            id="2.5, what is unknown counts nothing, above 1.25",
        ),
        pytest.param(
            merits(None, None, "68-A-X", None, "C"),
            merits(None, None, "68-AB", None, "C"),
            merits(None, None, "B-C", None, "D"),
            id="2.5, only all of what follows the last hyphen is a noise class, above 1.35",
        ),
    ],
)
def test_a_product_is_ranked_by_its_merits(
    warehouse: Warehouse, product: Row, same_or_more: Row, less: Row
) -> None:
    assert not is_first(warehouse, product, same_or_more)
    assert is_first(warehouse, product, less)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (merits("Award", None, None, None, "-"), merits(None, None, None, "Yes", "-")),
        (merits(None, "A", None, None, "-"), merits("Award", None, None, None, "-")),
        (merits(None, "C", None, None, "-"), merits(None, None, None, None, "A")),
        (merits(None, "D", None, None, "-"), merits(None, None, None, None, "C")),
        (merits(None, "E", None, None, "-"), merits(None, None, "68-A", None, "-")),
        (merits(None, None, "68-B", None, "-"), merits(None, None, None, None, "E")),
        # 10 + 0.5 + 4.5 and 9 + 1 + 5.
        (merits(None, "A", "68-B", None, "B"), merits(None, "B", "68-A", None, "A")),
    ],
)
def test_of_equal_merits_the_lower_product_number_is_first(
    warehouse: Warehouse, one: Row, other: Row
) -> None:
    assert not is_first(warehouse, one, other)
    assert not is_first(warehouse, other, one)


@pytest.mark.parametrize(
    ("products", "sizes"),
    [
        (1, (1, 0, 0, 0, 0)),
        (4, (1, 1, 1, 1, 0)),
        (10, (3, 2, 3, 1, 1)),
        (100, (25, 25, 25, 15, 10)),
        (101, (26, 25, 25, 15, 10)),
        (150, (38, 37, 38, 22, 15)),
    ],
)
def test_the_tiers_have_their_sizes_in_short_and_long_feeds(
    warehouse: Warehouse, products: int, sizes: tuple[int, ...]
) -> None:
    found = score(warehouse, World(feed=[tyre(number) for number in range(products, 0, -1)]))
    tiers = [row["TyreScore"] for row in found]
    assert tiers == sorted(tiers)
    counts = Counter(tiers)
    assert tuple(counts[tier] for tier in (BEST, BETTER, GOOD, FAIR, UNCLASSIFIED)) == sizes


# ---- products ----


def test_the_labels_of_a_product_are_those_of_its_last_row_trimmed(warehouse: Warehouse) -> None:
    texts = {
        "Grade": "GRADE",
        "Size": "SIZE",
        "Manufacturer": "BRAND",
        "Model": "Model",
        "WetGrip": "WET_GRIP",
        "Fuel": "FUEL",
        "Noise": "NOISE_REDUCTION",
        "Season": "SEASONAL_PERFORMANCE",
        "Offer": "OFFER",
        "OE": "OE",
        "AwardScore": "AWARD_SCORE",
    }
    feed = [
        tyre(1, row_number=10, **{label: f"  last {label} " for label in texts}),
        tyre(1, row_number=9, **dict.fromkeys(texts, "before")),
    ]
    found = only(score(warehouse, World(feed)))
    assert {name: found[name] for name in texts.values()} == {
        name: f"last {label}" for label, name in texts.items()
    }


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_in_the_last_row_is_no_label_whatever_stood_there_before(
    warehouse: Warehouse, blank: str | None
) -> None:
    feed = [tyre(1, row_number=1, Season="Winter"), tyre(1, row_number=2, Season=blank)]
    assert only(score(warehouse, World(feed)))["SEASONAL_PERFORMANCE"] is None


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_product_without_wet_grip_is_in_no_rank_zone_or_share(
    warehouse: Warehouse, blank: str | None
) -> None:
    without = [
        tyre(9, row_number=90, Fuel="A"),
        tyre(9, row_number=91, Fuel="A", WetGrip=blank, Grade="Budget"),
    ]
    world = World(
        feed=[tyre(1), tyre(2), *without],
        sales=[sale(1, "FORD FOCUS", 5, 80.0), sale(9, "FORD FOCUS", 5, 20.0)],
    )
    focus, gem = score(warehouse, world)
    assert (focus["TyreScore"], gem["TyreScore"]) == (BEST, GOOD)
    assert (focus["GoldilocksZone"], focus["PremiumShare"], focus["BudgetShare"]) == (80.0, 100.0, 0.0)
    assert (gem["GoldilocksZone"], gem["PremiumShare"]) == (80.0, 100.0)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ([80.0], 80.0),
        ([63.33, 63.34], 63.34),
        ([1.005], 1.01),
        ([2.675], 2.68),
        ([80.0, None, 90.0], 85.0),
        ([10.0, 10.0, 10.01], 10.0),
        ([None], None),
        ([1e300], None),
    ],
)
def test_a_price_is_the_mean_of_the_known_ones_with_ties_upwards(
    warehouse: Warehouse, prices: list[float | None], expected: float | None
) -> None:
    feed = [tyre(1, row_number=row, Price=price) for row, price in enumerate(prices)]
    assert only(score(warehouse, World(feed)))["PRICE"] == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([(110.0, 100.0, 100.0)], 1.10),
        ([(92.5, 90.0, 100.0)], 0.97),
        ([(50.0, 0.0, 0.0)], 1.00),
        ([(100.0, 0.0, 80.0)], 1.25),
        ([(100.0, 80.0, None)], 1.25),
        ([(100.0, None, None)], 1.00),
        ([(None, 100.0, 50.0)], 1.00),
        ([(0.0, 100.0, 50.0)], 0.00),
        ([(100.5, 100.0, 100.0)], 1.01),
        # Unrounded: 0.015 / 0.01, not 0.02 / 0.01.
        ([(0.01, 0.01, None), (0.02, 0.01, None)], 1.5),
        # The mean of two means, 90 and 60, not of the four prices.
        ([(75.0, 90.0, 60.0), (75.0, 90.0, None), (75.0, 90.0, 0.0)], 1.0),
        ([(1e300, 1e-300, None)], 1.0),
    ],
)
def test_the_price_fluctuation_compares_with_the_known_previous_prices(
    warehouse: Warehouse, rows: list[tuple[float | None, ...]], expected: float
) -> None:
    columns = ("Price", "PrevPrice7", "PrevPrice28")
    feed = [
        tyre(1, row_number=row, **dict(zip(columns, prices, strict=True))) for row, prices in enumerate(rows)
    ]
    assert only(score(warehouse, World(feed)))["PRICEFLUCTUATION"] == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["RUNFLAT"], "Runflat"),
        ([" Runflat "], "Runflat"),
        (["Run flat"], "Non-Runflat"),
        ([""], "Non-Runflat"),
        ([None], "Non-Runflat"),
        ([], "Non-Runflat"),
        (["no", "runflat", "RunFlat"], "Runflat"),
    ],
)
def test_the_catalogue_says_what_is_runflat(
    warehouse: Warehouse, texts: list[str | None], expected: str
) -> None:
    other = [{"SKU": product_id(2), "run_flat": "RUNFLAT"}]
    catalogue = [{"SKU": product_id(1), "run_flat": text} for text in texts]
    found = score(warehouse, World([tyre(1)], catalogue=other + catalogue))
    assert only(found)["RunflatStatus"] == expected


# ---- sales ----


def test_sales_are_summed_per_product_and_vehicle_however_it_is_spelt(warehouse: Warehouse) -> None:
    world = World(
        feed=[tyre(1), tyre(2)],
        sales=[
            sale(1, "Ford Focus", 2, Orders=1),
            sale(1, "X", 3, CarMake=" FORD ", CarModel="focus  ", Orders=None),
            sale(1, "FORD FOCUS", None, Orders=4),
            sale(1, "BMW 3 Series", 1),
            sale(7, "FORD FOCUS", 100),
        ],
    )
    found = score(warehouse, world)
    assert [
        (row["ProductId"], row["Vehicle"], row["Orders"], row["Units"], row["SalesStatus"]) for row in found
    ] == [
        (product_id(1), "BMW3 SERIES", 1, 1, "Active"),
        (product_id(1), "FORDFOCUS", 5, 5, "Active"),
        (product_id(2), None, 0, 0, "Potential"),
    ]


def test_a_sale_without_make_or_model_is_a_sale_nevertheless(warehouse: Warehouse) -> None:
    world = World(
        feed=[tyre(1)],
        sales=[
            sale(1, "FORD ", 1, CarModel=None),
            sale(1, " FOCUS", 2, CarMake=None),
            sale(1, " ", 3),
        ],
        items=views(1, 5) + views(1, 7, "NO VRM SEARCH"),
    )
    found = score(warehouse, world)
    assert [(row["Vehicle"], row["Units"], row["PRODUCTLISTVIEWS"]) for row in found] == [
        ("", 3, 0),
        ("FOCUS", 2, 0),
        ("FORD", 1, 0),
    ]


# ---- zones and shares ----

WORKED_FEED = [
    tyre(1, Grade="Premium"),
    tyre(2, Grade="MidRange"),
    tyre(3, Grade="Budget"),
    tyre(4),
    tyre(5, Grade="Premium", Size="225/40 ZR18"),
    tyre(6, Grade="Budget", Size="225/40 ZR19"),
]
WORKED_SALES = [
    sale(1, "Ford Focus", 10, 90.0),
    sale(2, "Ford Focus", 20, 70.0),
    sale(3, "Ford Focus", 30, 50.0),
    sale(1, "Ford Focus", 0, 500.0),
    sale(1, "VW Golf", 4, 100.0),
    sale(3, "VW Golf", 6, 45.56),
    sale(5, "BMW 3 Series", 4, 150.0),
    sale(6, "BMW 3 Series", 2, 100.0),
]
SHARES = ("PremiumShare", "MidRangeShare", "BudgetShare", "RunflatShare")


def zone_and_shares(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("GoldilocksZone", *SHARES))


@pytest.mark.parametrize(
    ("numbers", "vehicle", "expected"),
    [
        ((1, 2, 3), "FORDFOCUS", (63.33, 16.67, 33.33, 50.0, 0.0)),
        ((1, 3), "VWGOLF", (67.34, 40.0, 0.0, 60.0, 0.0)),
        ((4,), None, (63.91, 20.0, 28.57, 51.43, 0.0)),
        ((5,), "BMW3 SERIES", (150.0, 100.0, 0.0, 0.0, 0.0)),
        ((6,), "BMW3 SERIES", (100.0, 0.0, 0.0, 100.0, 0.0)),
    ],
)
def test_the_worked_zones_and_shares(
    warehouse: Warehouse, numbers: tuple[int, ...], vehicle: str | None, expected: tuple[float, ...]
) -> None:
    found = score(warehouse, World(WORKED_FEED, WORKED_SALES))
    assert len(found) == 8
    for number in numbers:
        assert zone_and_shares(row_of(found, number, vehicle)) == expected


@pytest.mark.parametrize(
    ("sales", "expected"),
    [
        pytest.param([(1, 63.33), (1, 63.34)], 63.34, id="a tie goes up"),
        pytest.param([(1, 1.005)], 1.01, id="a tie goes up, whatever its binary digits"),
        pytest.param([(2, 50.0), (0, 500.0)], 50.0, id="without units a price is nobody's"),
        pytest.param([(2, 50.0), (-1, 500.0)], 50.0, id="a return is no purchase"),
        pytest.param([(2, 50.0), (3, None)], 50.0, id="no price"),
        pytest.param([(2, 50.0), (3, 0.0)], 50.0, id="a price of nothing"),
        pytest.param([(2, 50.0), (3, -90.0)], 50.0, id="a negative price"),
        pytest.param([(0, 50.0)], 40.0, id="nothing sold: what all buyers of the size pay"),
        pytest.param([(3, None)], 40.0, id="no price known: what all buyers of the size pay"),
        pytest.param([(1, 0.004)], 39.6, id="rounded to nothing: what all buyers of the size pay"),
        pytest.param([(1, 0.005)], 0.01, id="rounded to a penny"),
    ],
)
def test_the_zone_is_what_buyers_of_the_vehicle_pay(
    warehouse: Warehouse, sales: list[tuple[int, float | None]], expected: float
) -> None:
    world = World(
        feed=[tyre(1), tyre(2)],
        sales=[
            *(sale(1, "FORD FOCUS", units, price) for units, price in sales),
            sale(2, "VW GOLF", 99, 40.0),
        ],
    )
    assert row_of(score(warehouse, world), 1, "FORDFOCUS")["GoldilocksZone"] == expected


def test_without_any_price_there_is_no_zone(warehouse: Warehouse) -> None:
    found = score(warehouse, World([tyre(1), tyre(2)], [sale(1, "FORD FOCUS", 3, None)]))
    assert [row["GoldilocksZone"] for row in found] == [None, None]


@pytest.mark.parametrize("size", ["205/55 16", "unknown", "", None])
def test_without_a_readable_size_there_is_no_zone_and_every_share_is_zero(
    warehouse: Warehouse, size: str | None
) -> None:
    world = World([tyre(1, Size=size), tyre(2, Size=size)], [sale(1, "FORD FOCUS", 3)])
    assert [zone_and_shares(row) for row in score(warehouse, world)] == [(None, 0.0, 0.0, 0.0, 0.0)] * 2


@pytest.mark.parametrize("units", [0, None, -2])
def test_without_units_of_the_vehicle_its_shares_are_zero_though_the_size_has_some(
    warehouse: Warehouse, units: int | None
) -> None:
    world = World([tyre(1), tyre(2)], [sale(1, "FORD FOCUS", units), sale(2, "VW GOLF", 5, 40.0)])
    focus = row_of(score(warehouse, world), 1, "FORDFOCUS")
    assert zone_and_shares(focus) == (40.0, 0.0, 0.0, 0.0, 0.0)


def test_grades_are_read_in_any_case_and_others_are_units_too(warehouse: Warehouse) -> None:
    grades = (" PREMIUM", "midrange ", "BUDGET", "Economy", None, "")
    world = World(
        feed=[tyre(number, Grade=grade) for number, grade in enumerate(grades)],
        # Units count with and without a price.
        sales=[sale(number, "FORD FOCUS", 1, None if number % 2 else 9.0) for number in range(len(grades))],
        catalogue=[{"SKU": product_id(number), "run_flat": "runflat"} for number in (0, 3)],
    )
    found = score(warehouse, world)
    assert {zone_and_shares(row) for row in found} == {(9.0, 16.67, 16.67, 16.67, 33.33)}


def test_shares_that_tie_go_up(warehouse: Warehouse) -> None:
    # 100 * 1 / 800 is 0.125.
    world = World([tyre(1), tyre(2, Grade="Budget")], [sale(1, "A B", 1), sale(2, "A B", 799)])
    assert zone_and_shares(row_of(score(warehouse, world), 1, "AB"))[1:] == (0.13, 0.0, 99.88, 0.0)


@pytest.mark.parametrize(
    ("one", "other", "is_pooled"),
    [
        ("225/40 ZR18", "225/40R18 91V XL", True),
        ("225/40 ZR18", "225/40 ZR19", False),
        ("31x10.50 R15", "31/1050R15", True),
        ("7.50 R16", " 7.50r16 ", True),
        ("195/70 R15C", "195/70 R15", False),
    ],
)
def test_sizes_are_pooled_by_their_key(warehouse: Warehouse, one: str, other: str, is_pooled: bool) -> None:
    world = World(
        feed=[tyre(1, Size=one), tyre(2, Size=other), tyre(3, Size=one)],
        sales=[sale(1, "FORD FOCUS", 1, 60.0), sale(2, "FORD FOCUS", 1, 80.0)],
    )
    zones = [row["GoldilocksZone"] for row in score(warehouse, world)]
    assert zones == ([70.0, 70.0, 70.0] if is_pooled else [60.0, 80.0, 60.0])


# ---- views and clicks ----

FIRST_DAY, LAST_DAY = date(2025, 3, 11), date(2025, 6, 9)


def test_views_are_counted_from_90_days_before_the_run_date_to_it(warehouse: Warehouse) -> None:
    days = (date(2025, 3, 10), FIRST_DAY, LAST_DAY, date(2025, 6, 10))
    items = [item for power, day in enumerate(days) for item in views(1, 10**power, "FORD FOCUS", day)]
    world = World([tyre(1)], [sale(1, "FORD FOCUS", 1)], items=items)
    assert only(score(warehouse, world))["PRODUCTLISTVIEWS"] == 110


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({}, True),
        ({"event_name": "purchase"}, False),
        ({"event_name": None}, False),
        ({"item_id": "10000002"}, False),
        ({"item_id": " 10000001"}, False),
        ({"item_id": "010000001"}, False),
        ({"item_id": "10000001.0"}, False),
        ({"item_id": None}, False),
        ({"item_category5": "ford-focus"}, True),
        ({"item_category5": "FORD FÖCUS"}, True),
        ({"item_category5": "FORD FOCUS ST"}, False),
        ({"item_category5": "FORD"}, False),
        ({"item_category5": "NO VRM SEARCH"}, False),
        ({"item_category5": None}, False),
    ],
)
def test_a_view_counts_for_its_product_and_vehicle(warehouse: Warehouse, change: Row, counts: bool) -> None:
    items = [{**item, **change} for item in views(1, 3, "FORD FOCUS")]
    world = World([tyre(1)], [sale(1, "FORD FOCUS", 1)], items=items)
    assert only(score(warehouse, world))["PRODUCTLISTVIEWS"] == (3 if counts else 0)


@pytest.mark.parametrize("seen", ["Citroën C3", "CITROE\u0308N C3", "citroen c3"])
@pytest.mark.parametrize("sold", ["CITROËN C3", "Citroen C3"])
def test_an_accented_vehicle_finds_its_views_and_its_influence(
    warehouse: Warehouse, sold: str, seen: str
) -> None:
    world = World(
        feed=[tyre(1)],
        sales=[sale(1, sold, 1)],
        influence=[{"Vehicle": seen, "Segment": "Small"}],
        items=views(1, 2, seen),
    )
    found = only(score(warehouse, world))
    assert (found["PRODUCTLISTVIEWS"], found["Segment"]) == (2, "Small")


def test_a_product_without_sales_shows_the_views_of_all_vehicles(warehouse: Warehouse) -> None:
    items = [*views(1, 1, "FORD FOCUS"), *views(1, 2, "VW GOLF"), *views(1, 4), *views(2, 8, "VW GOLF")]
    world = World([tyre(1), tyre(2)], [sale(2, "FORD FOCUS", 1)], items=items)
    assert [row["PRODUCTLISTVIEWS"] for row in score(warehouse, world)] == [7, 0]


@pytest.mark.parametrize(
    ("orders", "count", "expected"),
    [
        (1, 1000, 0.1),
        (1, 3000, 0.033),
        (9, 1000, 0.9),
        (10, 1000, 1.0),
        (5, 100, 1.0),
        (3, 0, 0.0),
        (0, 5, 0.0),
        (1, 8000, 0.013),
        (None, 5, 0.0),
    ],
)
def test_the_click_rate_rises_with_orders_up_to_one(
    warehouse: Warehouse, orders: int | None, count: int, expected: float
) -> None:
    world = World([tyre(1)], [sale(1, "A B", 1, Orders=orders)], items=views(1, count, "A B"))
    assert only(score(warehouse, world))["CLICKSTREAMRATE"] == expected


def test_two_sales_of_a_product_do_not_double_its_views(warehouse: Warehouse) -> None:
    sales = [sale(1, "FORD FOCUS", 1), sale(1, "Ford Focus", 1)]
    world = World([tyre(1), tyre(1, row_number=2)], sales, items=views(1, 3, "Ford Focus"))
    assert only(score(warehouse, world))["PRODUCTLISTVIEWS"] == 3


def test_a_product_of_seven_digits_finds_its_sales_its_views_and_its_catalogue(warehouse: Warehouse) -> None:
    number = 1_234_567 - product_id(0)
    world = World(
        feed=[tyre(number)],
        sales=[sale(number, "Ford Focus", 2)],
        catalogue=[{"SKU": 1_234_567, "run_flat": "Runflat"}],
        items=views(number, 3, "Ford Focus"),
    )
    row = only(score(warehouse, world))
    found = tuple(row[name] for name in ("ProductId", "Units", "PRODUCTLISTVIEWS", "RunflatStatus"))
    assert found == (1_234_567, 2, 3, "Runflat")


# ---- influence ----

PERCENTAGES = ("PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct")
NONE_YET = "NO SALES YET"


def influence_of(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("Segment", *PERCENTAGES))


def test_influence_is_found_for_a_vehicle_with_spaces_and_shown_as_text(warehouse: Warehouse) -> None:
    texts = dict(zip(PERCENTAGES, ("10", "20.50", "30%", "040", "5e1"), strict=True))
    world = World(
        feed=[tyre(1), tyre(2)],
        sales=[sale(1, "BMW 3 Series", 1), sale(1, "Ford Focus", 1)],
        influence=[{"Vehicle": "bmw 3-series", "Segment": "Saloon", **texts}],
    )
    found = score(warehouse, world)
    assert influence_of(row_of(found, 1, "BMW3 SERIES")) == ("Saloon", *texts.values())
    assert influence_of(row_of(found, 1, "FORDFOCUS")) == (NONE_YET,) * 6
    assert influence_of(row_of(found, 2)) == (NONE_YET,) * 6


@pytest.mark.parametrize("blank", [None, "", "  "])
def test_a_blank_influence_is_no_sales_yet(warehouse: Warehouse, blank: str | None) -> None:
    row: Row = {
        "Vehicle": "FORD FOCUS",
        "Segment": blank,
        **dict.fromkeys(PERCENTAGES, blank),
        "FUEL_pct": "7",
    }
    world = World([tyre(1)], [sale(1, "FORD FOCUS", 1)], influence=[row])
    assert influence_of(only(score(warehouse, world))) == (*[NONE_YET] * 3, "7", *[NONE_YET] * 2)


def test_of_two_influences_of_a_vehicle_the_same_one_wins_in_any_order(warehouse: Warehouse) -> None:
    stored = [
        {"Vehicle": "FORD FOCUS", "Segment": segment, "PRICE_pct": percent}
        for segment, percent in (("b", "1"), ("a", "3"), ("a", "2"))
    ]
    for influence in (stored, stored[::-1]):
        world = World([tyre(1)], [sale(1, "FORD FOCUS", 1)], influence=influence)
        assert influence_of(only(score(warehouse, world)))[:2] == ("a", "2")


def test_an_influence_of_no_vehicle_influences_nothing(warehouse: Warehouse) -> None:
    influence = [{"Vehicle": vehicle, "Segment": "x"} for vehicle in (None, "", "-")]
    world = World([tyre(1), tyre(2)], [sale(1, " ", 1)], influence=influence)
    assert [row["Segment"] for row in score(warehouse, world)] == [NONE_YET, NONE_YET]


# ---- the table ----


def test_a_run_replaces_all_rows_and_a_second_one_leaves_the_same(warehouse: Warehouse) -> None:
    score(warehouse, World([tyre(8), tyre(9)]))
    world = World(WORKED_FEED, WORKED_SALES, items=views(1, 9, "FORD FOCUS"))
    first = score(warehouse, world)
    assert {row["ProductId"] for row in first} == {product_id(number) for number in range(1, 7)}
    assert score(warehouse, world) == first


def test_the_table_has_its_33_columns(warehouse: Warehouse) -> None:
    found = only(score(warehouse, World([tyre(1)])))
    assert list(found) == list(SCHEMAS[SCORES])
    assert len(found) == 33


def test_an_empty_feed_leaves_no_scores(warehouse: Warehouse) -> None:
    assert score(warehouse, World([], [sale(1, "FORD FOCUS", 1)])) == []
