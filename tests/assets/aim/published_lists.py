"""Published lists and what the reports of stages 5 to 8 are made from, as rows for the SQL files' tests."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, TypeAlias

from assets.aim.slots import EMPTY, SLOTS
from assets.aim.tables import LIST_HISTORY, SCORES
from resources.warehouse import Warehouse
from tests.assets.aim.sql_runs import given, given_size_keys, rows, sql

Row: TypeAlias = dict[str, Any]

MAPPING: Final = "AIM.aim-vehiclemapping"
CATALOGUE: Final = "Reference_Tables.Product_catalogue"
MANUAL_CAMS: Final = "AIM.aim-manual-cams"

DAY: Final = date(2025, 6, 10)
OTHER_DAY: Final = date(2025, 6, 13)
FOUR: Final = ("10000001", "10000002", "10000003", "10000004")


def published(
    position: int,
    vehicle: str | None,
    size: str | None,
    cells: Sequence[str | None] = FOUR,
    run_date: date = DAY,
) -> Row:
    """A row of the history; the slots after the given ones are empty."""
    filled = dict(zip(SLOTS, [*cells, *[EMPTY] * (len(SLOTS) - len(cells))], strict=True))
    return {"run_date": run_date, "position": position, "Vehicle": vehicle, "Size": size, **filled}


def mapped(vehicle: str, make: str | None, model: str | None, **others: str | None) -> Row:
    """A row of the vehicle mapping."""
    return {"vehicle": vehicle, "CarMake": make, "CarModel": model, **others}


def product(sku: int, **texts: str | None) -> Row:
    """A row of the catalogue."""
    return {"SKU": sku, **texts}


def scored(product_id: int, grade: str | None, vehicle: str | None = None) -> Row:
    """A row of the scores."""
    return {"ProductId": product_id, "GRADE": grade, "Vehicle": vehicle}


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that the reports of a run date are made from."""

    lists: Sequence[Row]
    mapping: Sequence[Row] = ()
    catalogue: Sequence[Row] = ()
    manual_cams: Sequence[Row] = field(default=())
    scores: Sequence[Row] = field(default=())


FOCUS: Final = mapped("FORD FOCUS", "Ford", "Focus", Segment="B", Category="Hatch", Pod="P1")


def given_inputs(warehouse: Warehouse, inputs: Inputs) -> None:
    given(warehouse, LIST_HISTORY, inputs.lists)
    given(warehouse, MAPPING, inputs.mapping)
    given(warehouse, CATALOGUE, inputs.catalogue)
    given(warehouse, MANUAL_CAMS, inputs.manual_cams)
    given(warehouse, SCORES, inputs.scores)
    given_size_keys(warehouse, (row["Size"].strip() for row in inputs.lists if row["Size"]))


def run(warehouse: Warehouse, *names: str, run_date: date = DAY) -> None:
    """Execute some SQL files in one transaction."""
    warehouse.execute([sql(name) for name in names], {"run_date": run_date})


def unordered(table: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of a table in an order that their values alone decide."""
    return sorted(table, key=lambda row: str(list(row.values())))


def all_rows(warehouse: Warehouse, table: str) -> list[Mapping[str, Any]]:
    return unordered(rows(warehouse, table))


VEHICLES: Final = (
    "FORD FOCUS", "Ford  Focus", "FORD FOCUS ESTATE", "CITROËN C3", "Citroen c3", "ŠKODA OCTAVIA",
    "MERCEDES C", "BMW 3 SERIES", "VW GOLF", "宝马", "-",
)  # fmt: skip
SIZES: Final = ("205/55 R16", "205/55 ZR16", " 205/55 R16 ", "7.50 R16", "31x10.50 R15", "195/70 R15C", "big")
MAKES: Final = ("Ford", " Ford", "CITROËN", "Mercedes-Benz", "", None)
MODELS: Final = ("Focus", "C3", "C Class", "C\tClass", " ", None)
TEXTS: Final = ("Alpha", " Alpha ", "Beta-Two", "", "  ", None)
NO_IDS: Final = (EMPTY, EMPTY, EMPTY, "", None, "Error", "123", "123456789", " 10000001")


def random_inputs(seed: int) -> Inputs:
    """Lists, mapping, catalogue and scores with everything that may be wrong with them, in no order."""
    chance = random.Random(seed)
    ids = [str(10000001 + number) for number in range(chance.choice((6, 90)))] + ["9000001"]

    def cells() -> list[str | None]:
        shown = chance.sample(ids, min(len(ids), len(SLOTS)))
        shown += [EMPTY] * (len(SLOTS) - len(shown))
        if chance.random() < 0.5:
            return list(shown)
        return [chance.choice((*NO_IDS, *ids)) if chance.random() < 0.2 else cell for cell in shown]

    lists = [
        published(position, chance.choice((*VEHICLES, None)), chance.choice((*SIZES, None)), cells(), day)
        for day in (DAY, OTHER_DAY)
        for position in range(1, chance.choice((1, 12, 60)))
    ]
    mapping = [
        mapped(
            chance.choice((*VEHICLES, "FORDFOCUS")), chance.choice(MAKES), chance.choice(MODELS),
            Segment=chance.choice(TEXTS), Category=chance.choice(TEXTS), Pod=None,
        )
        for _ in range(12)
    ]  # fmt: skip
    catalogue = [
        product(int(chance.choice(ids)), **{name: chance.choice(TEXTS) for name in CATALOGUE_TEXTS})
        for _ in range(len(ids))
    ]
    scores = [
        scored(int(chance.choice(ids)), chance.choice((" budget ", "Premium", None)))
        for _ in range(chance.choice((0, len(ids))))
    ]
    for table in (lists, mapping, catalogue, scores):
        chance.shuffle(table)
    manual_cams = [{"CAM": "ford-focus 205/55 16"}, {"CAM": "FORDFOCUS2055516"}, {"CAM": None}]
    return Inputs(lists, mapping, catalogue, manual_cams[: chance.randrange(4)], scores)


CATALOGUE_TEXTS: Final = ("Manufacturer", "Model_Name", "OE", "run_flat", "Brand")
