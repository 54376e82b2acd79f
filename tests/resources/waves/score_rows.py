"""Score rows for the tests of Waves: the nine of the worked examples, and random ones of any number."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from resources.waves import SCORE_COLUMNS, Cam

FOCUS = Cam("FORD FOCUS", "205/55 R16", "FORDFOCUS", "205/55/16")
GOLF = Cam("VW GOLF", "205/55 R16", "VWGOLF", "205/55/16")
OCTAVIA = Cam("SKODA OCTAVIA", "205/55 R16", "SKODAOCTAVIA", "205/55/16")

TIERS = {
    "BEST": "1.BEST TYRE SCORE",
    "BETTER": "2.BETTER TYRE SCORE",
    "GOOD": "3.GOOD TYRE SCORE",
    "FAIR": "4.FAIR TYRE SCORE",
}

_EXAMPLES = """\
1 Premium  Alpha Road  Summer    BEST   80.50 1.00 10 FORDFOCUS no
2 MidRange Beta  Tour  Summer    BEST   90.00 1.00 40 FORDFOCUS no
3 Budget   Gamma Eco   Summer    BEST   60.00 1.00 90 FORDFOCUS no
4 Premium  Alpha Ice   Winter    BETTER 75.00 1.05  5 FORDFOCUS no
5 MidRange Beta  All   AllSeason BETTER 70.00 1.20 30 FORDFOCUS no
6 MidRange Delta City  Summer    GOOD   65.00 0.95 20 FORDFOCUS no
7 Premium  Omega Track Summer    BEST   70.00 1.00  3 FORDFOCUS yes
8 MidRange Zeta  Van   Summer    BEST   70.00 1.00 50 VWGOLF    no
9 Budget   Gamma Snow  Winter    FAIR   62.00 1.00  7 VWGOLF    no"""


def row(number: int, **others: Any) -> dict[str, Any]:
    """One row: a premium tyre for the Focus, in its zone, which sold once."""
    return {
        "ProductId": product_id(number),
        "TyreScore": TIERS["BEST"],
        "GRADE": "Premium",
        "BRAND": "Alpha",
        "Model": "Road",
        "SEASONAL_PERFORMANCE": "Summer",
        "RunflatStatus": "Non-Runflat",
        "Vehicle": "FORDFOCUS",
        "SIZE": "205/55 R16",
        "PRICE": 70.0,
        "PRICEFLUCTUATION": 1.0,
        "Units": 1,
        "GoldilocksZone": 70.0,
        "BudgetShare": 20.0,
        "RunflatShare": 0.0,
        "vehicle_key": others.get("Vehicle", "FORDFOCUS"),
        "size_key": "205/55/16",
        **others,
    }


def product_id(number: int) -> int:
    return 10_000_000 + number


def example_rows() -> list[dict[str, Any]]:
    rows = []
    for line in _EXAMPLES.splitlines():
        number, grade, brand, model, season, tier, price, fluctuation, units, vehicle, runflat = line.split()
        rows.append(
            row(
                int(number),
                GRADE=grade,
                BRAND=brand,
                Model=model,
                SEASONAL_PERFORMANCE=season,
                TyreScore=TIERS[tier],
                PRICE=float(price),
                PRICEFLUCTUATION=float(fluctuation),
                Units=int(units),
                Vehicle=vehicle,
                GoldilocksZone=70.0 if vehicle == "FORDFOCUS" else 67.0,
                RunflatStatus="Runflat" if runflat == "yes" else "Non-Runflat",
            )
        )
    return rows


def frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(SCORE_COLUMNS), orient="row")


def changed(
    rows: Sequence[Mapping[str, Any]], number: int | None = None, **values: Any
) -> list[dict[str, Any]]:
    """The rows with other values in that of one product, or in all of them."""
    wanted = None if number is None else product_id(number)
    return [{**row, **(values if wanted in (None, row["ProductId"]) else {})} for row in rows]


def shown(answer: Mapping[str, Any]) -> str:
    """The slots up to the last one that is filled, ids as their numbers: `1 4 3 6 | 2 5`."""
    hotboxes = [answer[name] for name in ("HB1", "HB2", "HB3", "HB4")]
    listed = list(answer["SKUs"])
    assert len(listed) == 20
    while listed and listed[-1] == "-":
        listed.pop()
    short = [
        [slot if slot == "-" else str(int(slot) - 10_000_000) for slot in slots]
        for slots in (hotboxes, listed)
    ]
    return " | ".join(" ".join(slots) for slots in short).rstrip(" |")


def numbered(count: int) -> tuple[pl.DataFrame, list[Cam]]:
    """As many CAMs, and scores in which each has four products of its own, the first of them `first_id`."""
    rows = [row(4 * number + place, Vehicle=f"CAR{number}") for number in range(count) for place in range(4)]
    cams = [Cam(f"Car {number}", "205/55 R16", f"CAR{number}", "205/55/16") for number in range(count)]
    return frame(rows), cams


def first_id(number: int) -> str:
    """What is in HB1 of a numbered CAM."""
    return str(product_id(4 * number))
