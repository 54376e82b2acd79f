"""The scores of the tyres as a person would work them out: row by row, with exact fractions.

The oracle of the SQL. It shares nothing with it but the grammar of sizes, and looks everything up anew for
every row, so it is for a few dozen rows.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

from assets.aim.sizes import size_key
from tests.assets.aim.score_worlds import Row, World

NO_SALES = "NO SALES YET"
LABELS = (
    "Grade",
    "Size",
    "Manufacturer",
    "Model",
    "WetGrip",
    "Fuel",
    "Noise",
    "Season",
    "Offer",
    "OE",
    "AwardScore",
)
INFLUENCES = ("Segment", "PRICE_pct", "GRADE_pct", "FUEL_pct", "WET_GRIP_pct", "AWARD_SCORE_pct")
TIERS = ((25, "1.BEST"), (50, "2.BETTER"), (75, "3.GOOD"), (90, "4.FAIR"))
GRIP_AND_FUEL = {"A": Fraction(10), "B": Fraction(9), "C": Fraction(5), "D": Fraction(5, 2), "E": Fraction(1)}
NOISE = {"A": Fraction(10), "B": Fraction(5), "C": Fraction(1)}


def plain_scores(world: World) -> list[Row]:
    """All rows of the score table, by product and vehicle, the one without a vehicle first."""
    products = ranked(
        [
            product
            for number in sorted({row["ProductId"] for row in world.feed})
            if (product := product_of(world, number))
        ]
    )
    sales = [
        {**sale, "product": product, "Vehicle": glued(sale)}
        for sale in world.sales
        for product in products
        if sale["ProductId"] == str(product["ProductId"])
    ]
    scores = []
    for place, product in enumerate(products):
        vehicles = {sale["Vehicle"] for sale in sales if sale["product"] is product} or {None}
        scores += [score(world, product, tier(place, len(products)), vehicle, sales) for vehicle in vehicles]
    return sorted(scores, key=lambda row: (row["ProductId"], row["Vehicle"] or ""))


def product_of(world: World, number: int) -> Row | None:
    """A product by its number; None for one without wet grip."""
    rows = [row for row in world.feed if row["ProductId"] == number]
    last = max(rows, key=lambda row: row["row_number"])
    labels = {name: clean(last.get(name)) for name in LABELS}
    price = mean(row.get("Price") for row in rows)
    before = mean(mean(row.get(column) or None for row in rows) for column in ("PrevPrice7", "PrevPrice28"))
    runflat = any(upper(row["run_flat"]) == "RUNFLAT" for row in world.catalogue if row["SKU"] == number)
    size = size_key(labels["Size"] or "")
    if labels["WetGrip"] is None:
        return None
    return {
        **labels,
        "ProductId": number,
        "price": price,
        "fluctuation": price / before if price is not None and before else Fraction(1),
        "runflat": runflat,
        "size_key": size.text if size else None,
        "tyre_rank": tyre_rank(labels),
    }


def tyre_rank(labels: Row) -> Fraction:
    award, fuel, noise, oe, wet = (
        upper(labels.get(name)) for name in ("AwardScore", "Fuel", "Noise", "OE", "WetGrip")
    )
    _, hyphen, letter = noise.rpartition("-")
    return (
        (Fraction(10) if award == "AWARD" else Fraction(0))
        + GRIP_AND_FUEL.get(fuel, Fraction(0))
        + Fraction(1, 10) * (NOISE.get(letter.strip(), Fraction(0)) if hyphen else 0)
        + (10 if oe == "YES" else 0)
        + Fraction(1, 2) * GRIP_AND_FUEL.get(wet, Fraction(0))
    )


def ranked(products: Sequence[Row]) -> list[Row]:
    return sorted(products, key=lambda product: (-product["tyre_rank"], product["ProductId"]))


def tier(place: int, products: int) -> str:
    for percent, name in TIERS:
        if 100 * place < percent * products:
            return f"{name} TYRE SCORE"
    return "Unclassified"


def score(world: World, product: Row, tier_name: str, vehicle: str | None, sales: Sequence[Row]) -> Row:
    here = [sale for sale in sales if sale["product"]["size_key"] == product["size_key"] is not None]
    near = [sale for sale in here if vehicle is None or sale["Vehicle"] == vehicle]
    own = [sale for sale in sales if sale["product"] is product and sale["Vehicle"] == vehicle]
    orders = sum(sale.get("Orders") or 0 for sale in own)
    views = views_of(world, product, vehicle)
    influence = influence_on(world, vehicle)
    return {
        "TyreScore": tier_name,
        "ProductId": product["ProductId"],
        "GRADE": product["Grade"],
        "BRAND": product["Manufacturer"],
        "Model": product["Model"],
        "WET_GRIP": product["WetGrip"],
        "FUEL": product["Fuel"],
        "NOISE_REDUCTION": product["Noise"],
        "SEASONAL_PERFORMANCE": product["Season"],
        "OE": product["OE"],
        "AWARD_SCORE": product["AwardScore"],
        "RunflatStatus": "Runflat" if product["runflat"] else "Non-Runflat",
        **{name: clean(influence.get(name)) or NO_SALES for name in INFLUENCES},
        "Vehicle": vehicle,
        "SIZE": product["Size"],
        "PRICE": None if product["price"] is None else rounded(product["price"], 2),
        "OFFER": product["Offer"],
        "PRICEFLUCTUATION": rounded(product["fluctuation"], 2),
        "Orders": orders,
        "Units": sum(sale.get("Units") or 0 for sale in own),
        "GoldilocksZone": zone(near) or zone(here),
        "PremiumShare": share(near, lambda sold: upper(sold["Grade"]) == "PREMIUM"),
        "MidRangeShare": share(near, lambda sold: upper(sold["Grade"]) == "MIDRANGE"),
        "BudgetShare": share(near, lambda sold: upper(sold["Grade"]) == "BUDGET"),
        "RunflatShare": share(near, lambda sold: sold["runflat"]),
        "SalesStatus": "Potential" if vehicle is None else "Active",
        "PRODUCTLISTVIEWS": views,
        "CLICKSTREAMRATE": rounded(min(Fraction(100 * orders, views), Fraction(1)), 3) if views else 0.0,
    }


def zone(sales: Iterable[Row]) -> float | None:
    """What buyers pay: the mean of the prices, each as often as it was paid."""
    paid = [
        (sale["Units"], exact(sale["AvgPrice"]))
        for sale in sales
        if (sale.get("Units") or 0) > 0 and (sale.get("AvgPrice") or 0) > 0
    ]
    units = sum(number for number, _ in paid)
    return rounded(sum(number * price for number, price in paid) / Fraction(units), 2) if units else None


def share(sales: Iterable[Row], counts: Any) -> float:
    """The percentage of units whose product counts."""
    every = [(sale.get("Units") or 0, bool(counts(sale["product"]))) for sale in sales]
    units = sum(number for number, _ in every)
    return (
        rounded(Fraction(100 * sum(number for number, is_one in every if is_one), units), 2)
        if units > 0
        else 0.0
    )


def views_of(world: World, product: Row, vehicle: str | None) -> int:
    first = world.run_date - timedelta(days=90)
    return sum(
        1
        for item in world.items
        if item["event_name"] == "view_item_list"
        and first <= item["event_date"] <= world.run_date
        and item["item_id"] == str(product["ProductId"])
        and (vehicle is None or vehicle_key(item["item_category5"]) == vehicle_key(vehicle))
    )


def influence_on(world: World, vehicle: str | None) -> Row:
    rows = [
        row
        for row in world.influence
        if vehicle_key(row["Vehicle"]) and vehicle_key(row["Vehicle"]) == vehicle_key(vehicle)
    ]
    columns = ("Vehicle", *INFLUENCES)
    return min(
        rows,
        key=lambda row: [(row.get(name) is not None, row.get(name) or "") for name in columns],
        default={},
    )


def glued(sale: Row) -> str:
    return upper(sale["CarMake"]) + upper(sale["CarModel"])


def vehicle_key(vehicle: str | None) -> str | None:
    if vehicle is None:
        return None
    letters = unicodedata.normalize("NFKD", vehicle).upper()
    return "".join(letter for letter in letters if letter.isascii() and letter.isalnum())


def upper(text: str | None) -> str:
    return (text or "").strip().upper()


def clean(text: str | None) -> str | None:
    return (text or "").strip() or None


def exact(number: float | Fraction) -> Fraction:
    """The decimal number that a person wrote, not the binary one nearest to it."""
    return number if isinstance(number, Fraction) else Fraction(repr(number))


def mean(numbers: Iterable[float | Fraction | None]) -> Fraction | None:
    known = [exact(number) for number in numbers if number is not None]
    return sum(known) / Fraction(len(known)) if known else None


def rounded(number: Fraction, places: int) -> float:
    """Half away from zero."""
    whole = int(abs(number) * 10**places + Fraction(1, 2))
    return (whole if number > 0 else -whole) / 10**places
