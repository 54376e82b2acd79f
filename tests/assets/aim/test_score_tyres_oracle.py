"""The SQL of the scores against an oracle, over small random worlds full of blanks and variants."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from resources.warehouse import Warehouse
from tests.assets.aim.plain_scores import plain_scores, tyre_rank
from tests.assets.aim.score_worlds import RUN_DATE, Row, World, score
from tests.assets.aim.sql_runs import warehouse_in

WORLDS_PER_SEED = 25

# Prices that sum to ties of the third decimal, one that rounds to nothing, and no price.
PRICES = (63.33, 63.34, 45.56, 100.5, 100.0, 99.99, 150.0, 80.005, 0.004, 0.0, None)
VARIANTS = {
    "Grade": ("Premium", " premium ", "MIDRANGE", "MidRange", "Budget", "budget ", "Economy", "", None),
    "Size": (
        *("205/55 R16", " 205/55r16", "205\\55 R16 91V", "225/40 ZR18", "225/40 R18", "225/40 ZR19"),
        *("31x10.50 R15", "31/1050R15", "7.50 R16", "195/70 R15C", "195/70 R15", "unknown", " ", "", None),
    ),
    "Manufacturer": ("Alpha", " Beta ", "", None),
    "Model": ("Road", "Ice ", None),
    "WetGrip": ("A", "a ", "B", "C", "D", "E", "F", "A", "B", "", "  ", None),
    "Fuel": ("A", " a", "B", "C", "D", "e", "G", "", None),
    "Noise": ("68-A", "68-a ", "70 - B", "71-C", "71 B", "70-dB-B", "A", "-", "72-D", "68-A-X", "", None),
    "Season": ("Summer", " Winter", "", None),
    "Offer": ("2 for 1", " ", None),
    "OE": ("Yes", " yes", "YES ", "No", "", None),
    "AwardScore": ("Award", "award ", "AWARD", "none", "", None),
}
MAKES = ("Ford", " FORD", "ford ", "Citroën", "CITROEN", "BMW", "VW", "", None)
MODELS = ("Focus", " focus", "3 Series", "C3", "Golf", "", None)
VEHICLES = (
    *("FORD FOCUS", "ford-focus", "Citroën C3", "CITROE\u0308N C3", "citroen c3", "BMW 3 Series", "VW Golf"),
    *("NO VRM SEARCH", "宝马", "", None),
)
INFLUENCES = ("20", " 35 % ", "", "  ", None)
DAYS_BEFORE = (-1, 0, 1, 45, 90, 90, 91)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    warehouse = warehouse_in(tmp_path_factory.mktemp("scores"))
    with warehouse.session():
        yield warehouse


@pytest.mark.parametrize("seed", range(8))
def test_random_worlds_score_as_worked_out_by_hand(warehouse: Warehouse, seed: int) -> None:
    random = Random(seed)
    for number in range(WORLDS_PER_SEED):
        world = random_world(random)
        expected = plain_scores(world)
        assert score(warehouse, world) == expected, f"world {number} of seed {seed}: {world}"


def random_world(random: Random) -> World:
    ids = random.sample([1_234_567, *range(10_000_001, 10_000_012)], random.randint(1, 10))
    feed = [feed_row(random, product_id) for product_id in ids for _ in range(random.choice((1, 1, 2, 3)))]
    random.shuffle(feed)
    numbers = random.sample(range(1, 1_000), len(feed))
    return World(
        feed=[{**row, "row_number": number} for row, number in zip(feed, numbers, strict=True)],
        sales=[sales_row(random, ids) for _ in range(random.randint(0, 30))],
        catalogue=[catalogue_row(random, ids) for _ in range(random.randint(0, 8))],
        influence=[influence_row(random) for _ in range(random.randint(0, 8))],
        items=[item(random, ids) for _ in range(random.randint(0, 60))],
    )


def feed_row(random: Random, product_id: int) -> Row:
    prices = {name: random.choice(PRICES) for name in ("Price", "PrevPrice7", "PrevPrice28")}
    return {
        "ProductId": product_id,
        **{name: random.choice(texts) for name, texts in VARIANTS.items()},
        **prices,
    }


def sales_row(random: Random, ids: Sequence[int]) -> Row:
    return {
        "ProductId": str(random.choice([*ids, 99_999_999])),
        "CarMake": random.choice(MAKES),
        "CarModel": random.choice(MODELS),
        "Orders": random.choice((0, 1, 2, 3, None)),
        "Units": random.choice((0, 1, 2, 4, 6, 10, -3, None)),
        "AvgPrice": random.choice(PRICES),
    }


def catalogue_row(random: Random, ids: Sequence[int]) -> Row:
    return {
        "SKU": random.choice([*ids, 99_999_999]),
        "run_flat": random.choice(("Runflat", " RUNFLAT ", "no", "", None)),
    }


def influence_row(random: Random) -> Row:
    columns = ("Segment", "PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct")
    return {"Vehicle": random.choice(VEHICLES), **{name: random.choice(INFLUENCES) for name in columns}}


def item(random: Random, ids: Sequence[int]) -> Row:
    number = random.choice(ids)
    item_ids = (
        *[str(number)] * 5,
        f" {number}",
        f"0{number}",
        f"{number}.0",
        "99999999",
        "(not set)",
        "",
        None,
    )
    return {
        "event_name": random.choice((*["view_item_list"] * 5, "purchase", "view_item", None)),
        "event_date": RUN_DATE - timedelta(days=random.choice(DAYS_BEFORE)),
        "item_id": random.choice(item_ids),
        "item_category5": random.choice(VEHICLES),
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("Award", "A", "68-A", "Yes", "A"), 36.0),
        (("Award", "A", "70-B", "No", "A"), 25.5),
        ((None, "E", "74-C", "No", "E"), 1.6),
        ((None, "D", "71 B", "No", "D"), 3.75),
        (("award", "a", "68-a", "yes", "a"), 36.0),
    ],
)
def test_the_oracle_knows_the_worked_tyre_ranks(labels: tuple[Any, ...], expected: float) -> None:
    columns = ("AwardScore", "Fuel", "Noise", "OE", "WetGrip")
    assert float(tyre_rank(dict(zip(columns, labels, strict=True)))) == expected
