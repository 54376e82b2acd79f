"""Tyres of the aim samples: brands and labels, prices of any day, the TyreScore feed and the catalogue.

A product keeps its number, labels and base price on all dates; a feed of another date has other prices of the
same tyres. Not here: which vehicle buys them (`aim_sales`).
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scripts.sample_data.aim_draws import Shares, Stream, blanked, flags, indices, popularity, stream, texts

_BRANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "Premium": ("Aurelis", "Corvanta", "Halderic", "Montevar", "Nordvik", "Pellaro", "Stratigo", "Vantière"),
    "MidRange": (
        "Brackwell", "Caldermont", "Duravance", "Eskerra", "Fennica", "Galtero", "Harrowgrip", "Ivarsund",
        "Kestrella", "Lomond & Fell", "Meridane", "Ostravia",
    ),
    "Budget": (
        "Boltrax", "Ekotrek", "Farwind", "Gripzo", "Hexaroll", "Jorvane", "Kwikmile", "Lanemate", "Milezo",
        "Novaroad", "Pennytread", "Rollwell", "Tradewheel", "Zeta",
    ),
}  # fmt: skip
_GRADES: Final = tuple(_BRANDS)
_SHARES_OF_GRADES: Final = (0.32, 0.36, 0.32)
_PRICE_OF_GRADE: Final = (1.25, 1.0, 0.8)
_SEASONS: Final = {"Summer": 62, "AllSeason": 24, "Winter": 14}
_LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "Summer": ("Road", "Tour", "Eco", "Sprint", "Comfort", "Track"),
    "AllSeason": ("Fourways", "All", "Weatherline"),
    "Winter": ("Ice", "Snow", "Frostline"),
}
# What is written on the label, as often as the number says. Best labels go with the better grades.
_LETTERS: Final = (
    {"A": 30, "B": 40, "C": 24, "D": 5, "a": 1},
    {"A": 10, "B": 35, "C": 38, "D": 14, "E": 2, " B ": 1},
    {"B": 12, "C": 42, "D": 30, "E": 15, "F": 1},
)
_NOISES: Final = {"68-A": 14, "69-A": 10, "70-B": 28, "71-B": 22, "72-B": 12, "74-C": 6, "71 B": 4, None: 4}
_AWARDS: Final = ({"Award": 45, "None": 50, "award": 5}, {"Award": 12, "None": 60, None: 28}, {"None": 1})
_OFFERS: Final = {
    None: 70, "10% off 2 or more": 14, "Save £10 on 2, £25 on 4": 12, 'Fit 4, get a "free" check': 4
}  # fmt: skip
_ODD_GRADES: Final = {"Premium": "PREMIUM", "MidRange": "Midrange", "Budget": " Budget"}
_MARKS: Final = ("* (BMW)", "MO (Mercedes-Benz)", "AO (Audi)", "N1 (Porsche)")

_NON_BUDGET_FIRST: Final = 6
_SEVEN_DIGITS, _EIGHT_DIGITS = 1_000_000, 10_000_000
_PRICE_DAYS: Final = (("Price", 0), ("PrevPrice7", 7), ("PrevPrice28", 28))


def products(count: int, sizes: pl.DataFrame, seed: int) -> pl.DataFrame:
    """As many products, those of a size together, the most popular first; every size has its share.

    Columns: ProductId, size (row of `sizes`), Size as the feed writes it, Grade, Manufacturer, Model, Season,
    WetGrip, Fuel, Noise, AwardScore, OE, Offer, is_runflat, base_price in pounds, phase (where in its price
    cycle the product is on day 0). The first six of a size are drawn as tyres for a hotbox: no budget
    ones, no runflats, with a wet grip.
    """
    rng = stream(seed, Stream.PRODUCTS)
    size, rank = _places(rng, count, sizes.height)
    for_hotbox = rank < _NON_BUDGET_FIRST
    grade = indices(rng, count, _SHARES_OF_GRADES)
    grade = np.where(for_hotbox & (grade == _GRADES.index("Budget")), rank % 2, grade)
    season = texts(rng, count, _SEASONS)
    runflat = flags(rng, count, 0.07) & ~for_hotbox & (sizes["inches"].to_numpy()[size] >= 16)
    labels = {
        "Grade": pl.Series(_GRADES).gather(grade),
        "Manufacturer": _of_each(rng, grade, [dict.fromkeys(_BRANDS[name], 1.0) for name in _GRADES]),
        "Model": _models(rng, season),
        "Season": season,
        "WetGrip": _of_each(rng, grade, _LETTERS),
        "Fuel": blanked(rng, _of_each(rng, grade, _LETTERS), 0.02),
        "Noise": texts(rng, count, _NOISES),
        "AwardScore": _of_each(rng, grade, _AWARDS),
        "OE": texts(rng, count, {"No": 88, "Yes": 10, None: 2}),
        "Offer": texts(rng, count, _OFFERS),
    }
    base = (22 + 8.5 * (sizes["inches"].to_numpy()[size] - 10)) * np.array(_PRICE_OF_GRADE)[grade]
    frame = pl.DataFrame(
        {
            "ProductId": _product_ids(rng, count),
            "size": size,
            "Size": _written(rng, sizes["Size"].gather(size), runflat),
            **labels,
            "is_runflat": runflat,
            "base_price": np.round(base * rng.uniform(0.85, 1.18, count), 2),
            "phase": rng.random(count),
        }
    )
    without_wet_grip = pl.Series(flags(rng, count, 0.02) & ~for_hotbox)
    return (
        frame.with_columns(WetGrip=pl.when(~without_wet_grip).then("WetGrip"))
        .with_columns(popularity=pl.Series(rng.random(count)))
        .sort("size", "popularity")
        .drop("popularity")
    )


def prices(products: pl.DataFrame, day: date, seed: int) -> NDArray[np.float64]:
    """What each product costs on a day, in pounds: 3 % up and down in a quarter, and in some weeks a sale."""
    rng = stream(seed, Stream.PRICES, day.toordinal() // 7)
    sale = np.where(rng.random(products.height) < 0.06, rng.uniform(0.78, 0.9, products.height), 1.0)
    cycle = (day.toordinal() / 91 + products["phase"].to_numpy()) % 1
    return np.round(products["base_price"].to_numpy() * (1.03 - 0.12 * np.abs(cycle - 0.5)) * sale, 2)


def tyre_feed(products: pl.DataFrame, day: date, seed: int) -> pl.DataFrame:
    """The rows of a day's TyreScore feed, all columns as text, blank ones null; its header is `FEED_HEADER`.

    A few products have a second row with another price and offer. Of the previous prices some are blank,
    some 0.
    """
    rng = stream(seed, Stream.FEED, day.toordinal())
    order = np.concatenate([np.arange(products.height), np.flatnonzero(flags(rng, products.height, 0.03))])
    order = rng.permutation(order)
    rows = products.select("ProductId", *_LABELS)[order]
    is_second = ~rows["ProductId"].is_first_distinct()
    dearer = np.where(is_second.to_numpy(), 1.04, 1.0)
    priced = {
        name: pl.Series(np.round(prices(products, day - timedelta(days=back), seed)[order] * dearer, 2))
        for name, back in _PRICE_DAYS
    }
    for name, blank in (("Price", 0.003), ("PrevPrice7", 0.02), ("PrevPrice28", 0.05)):
        priced[name] = blanked(rng, priced[name], blank)
    never = pl.Series(flags(rng, rows.height, 0.02))
    odd = pl.Series(flags(rng, rows.height, 0.03))
    return rows.with_columns(
        Grade=pl.when(odd).then(pl.col("Grade").replace(_ODD_GRADES)).otherwise("Grade"),
        Offer=pl.when(is_second).then(pl.lit("Save £5 today")).otherwise("Offer"),
        Price=priced["Price"],
        PrevPrice7=pl.when(~never).then(priced["PrevPrice7"]).otherwise(0.0),
        PrevPrice28=pl.when(~never).then(priced["PrevPrice28"]).otherwise(0.0),
        ean=5_000_000_000_000 + pl.col("ProductId") * 7,
        load=pl.Series(rng.integers(75, 121, rows.height)),
        speed=texts(rng, rows.height, {"T": 20, "H": 25, "V": 30, "W": 15, "Y": 10}),
        load_again=pl.Series(rng.integers(75, 121, rows.height)),
    ).select(pl.col(column).cast(pl.String) for column in FEED_HEADER.values())


def catalogue(products: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`reference/product_catalogue.csv`: nearly all products, a few twice, a few of its texts blank."""
    rng = stream(seed, Stream.CATALOGUE)
    marks = texts(rng, products.height, dict.fromkeys(_MARKS, 1.0))
    written = texts(rng, products.height, {"Runflat": 70, "RUNFLAT": 25, " runflat ": 5})
    full = products.select(
        SKU="ProductId",
        Manufacturer="Manufacturer",
        Model_Name=blanked(rng, products["Model"], 0.01),
        OE=pl.when(pl.col("OE") == "Yes").then(marks),
        run_flat=pl.when("is_runflat").then(written).otherwise(pl.lit("No")),
        Brand=blanked(rng, products["Manufacturer"], 0.01),
    )
    listed = full.filter(~pl.Series(flags(rng, full.height, 0.01)))
    again = listed.filter(pl.Series(flags(rng, listed.height, 0.005))).with_columns(Brand=pl.lit("Unknown"))
    return pl.concat([listed, again])


FEED_HEADER: Final = {
    "ProductId": "ProductId",
    "EAN Code": "ean",
    "Grade": "Grade",
    "Size": "Size",
    "Manufacturer": "Manufacturer",
    "Model": "Model",
    "Load-Index": "load",
    "Speed.Rating": "speed",
    "Price": "Price",
    "PrevPrice7": "PrevPrice7",
    "PrevPrice28": "PrevPrice28",
    "WetGrip": "WetGrip",
    "Fuel": "Fuel",
    "Noise": "Noise",
    "Season ": "Season",
    "Offer": "Offer",
    "OE": "OE",
    "AwardScore": "AwardScore",
    "Load Index": "load_again",
}
"""How the feed names its columns, and which column of `tyre_feed` each is; `Load Index` repeats a name."""

_LABELS: Final = (
    "Size", "Grade", "Manufacturer", "Model", "Season", "WetGrip", "Fuel", "Noise", "AwardScore", "OE",
    "Offer",
)  # fmt: skip


def _places(rng: np.random.Generator, count: int, sizes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The size of every product, ascending, and its rank in it: all have some, popular ones more."""
    at_least = min(count // sizes, _NON_BUDGET_FIRST + 2)
    weights = popularity(sizes, 12.0)
    counts = at_least + np.bincount(indices(rng, count - at_least * sizes, weights), minlength=sizes)
    size = np.repeat(np.arange(sizes), counts)
    return size, np.arange(count) - np.repeat(np.cumsum(counts) - counts, counts)


def _product_ids(rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Numbers with gaps between them in random order, one in twenty of seven digits."""
    short = count // 20
    gaps = rng.integers(1, 9, count)
    ids = np.concatenate([_SEVEN_DIGITS + np.cumsum(gaps[:short]), _EIGHT_DIGITS + np.cumsum(gaps[short:])])
    return rng.permutation(ids)


def _of_each(rng: np.random.Generator, grade: NDArray[np.int64], shares: Sequence[Shares]) -> pl.Series:
    """One text per product, drawn from the shares of its grade."""
    drawn = [texts(rng, len(grade), shares_of_grade).to_numpy() for shares_of_grade in shares]
    return pl.Series(np.choose(grade, drawn).tolist(), dtype=pl.String)


def _models(rng: np.random.Generator, season: pl.Series) -> pl.Series:
    """`Road 5`: a line of the season and its generation."""
    lines = [texts(rng, len(season), dict.fromkeys(_LINES[name], 1.0)) for name in _SEASONS]
    line = lines[0].zip_with(season == "Summer", lines[1].zip_with(season == "AllSeason", lines[2]))
    generation = pl.Series(rng.integers(1, 8, len(season))).cast(pl.String)
    return line + " " + generation


def _written(rng: np.random.Generator, canonical: pl.Series, runflat: NDArray[np.bool_]) -> pl.Series:
    """Sizes as the supplier writes them: mostly canonical, some glued or with an XL, runflats RF."""
    style = texts(rng, len(canonical), {"canonical": 88, "glued": 6, "xl": 6})
    glued = canonical.str.replace(" ", "", literal=True)
    marked = glued.zip_with(style == "glued", canonical + " XL")
    plain = canonical.zip_with(style == "canonical", marked)
    return canonical.str.replace("R", "RF", literal=True).zip_with(pl.Series(runflat), plain)
