"""The runlist of the aim samples, as messy as people leave it, and the CAMs that are curated by hand."""

from typing import Final

import numpy as np
import polars as pl

from assets.aim.cams import cam_key
from scripts.sample_data.aim_draws import Stream, flags, stream, texts
from scripts.sample_data.aim_shop import Shop
from scripts.sample_data.aim_vehicles import names

RUNLIST_HEADER: Final = "Vehicle, Size ,PriorityRank,Note"

_BLANK_ROWS: Final = (
    ("", "", "", "end of first block"),
    ("nan", "205/55 R16", "17", ""),
    ("FORD FOCUS", "", "18", "size?"),
    (" ", "None", "", ""),
)
_FOREIGN_CAMS: Final = ("HORSE CART 100 90 12", "Tractor-Old 7.50 16", "VW BEETLE 165/80/15")


def runlist(shop: Shop, seed: int) -> pl.DataFrame:
    """Rows of the runlist as text: Vehicle, Size, PriorityRank, Note.

    Read, they are the CAMs of the shop, mostly in their order: some in other spellings, some twice, a few
    without a rank or with the rank of another. A few rows more have no vehicle or no size.
    """
    rng = stream(seed, Stream.RUNLIST)
    clean = shop.cams.select(
        Vehicle=names(shop.vehicles).gather(shop.cams["vehicle"]),
        Size="Size",
        PriorityRank=pl.int_range(1, pl.len() + 1).cast(pl.String),
        Note=pl.lit(""),
    )
    again = clean.filter(pl.Series(flags(rng, clean.height, 0.03))).with_columns(
        # A spelling without accents and capitals; the same CAM for all that.
        Vehicle=pl.col("Vehicle").str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase(),
        Note=pl.lit("again"),
    )
    without_rank = pl.Series(flags(rng, clean.height, 0.01))
    tied = pl.Series(flags(rng, clean.height, 0.02))
    ranked = _misspelt(rng, clean).with_columns(
        PriorityRank=pl.when(without_rank)
        .then(texts(rng, clean.height, {"": 70, "n/a": 30}))
        .when(tied)
        .then(pl.col("PriorityRank").shift(1, fill_value="1"))
        .otherwise("PriorityRank")
    )
    blank = pl.DataFrame(_BLANK_ROWS, ranked.schema, orient="row")
    rows = pl.concat([ranked, again, blank])
    # In order of rank but for some rows, which are anywhere: order in the file is not the rank.
    place = np.concatenate(
        [np.arange(ranked.height), rng.integers(0, ranked.height, again.height + blank.height)]
    )
    moved = flags(rng, rows.height, 0.05)
    place = np.where(moved, rng.integers(0, ranked.height, rows.height), place)
    return rows[np.argsort(place, kind="stable")]


def manual_cams(shop: Shop, seed: int) -> pl.DataFrame:
    """`reference/manual_cams.csv`: one CAM in twenty, as keys or as words, and some that nobody lists."""
    rng = stream(seed, Stream.MANUAL_CAMS)
    listed = shop.cams.drop_nulls("size")
    listed = listed.filter(pl.Series(flags(rng, listed.height, 0.05)))
    vehicles, sizes = shop.vehicles[listed["vehicle"]], shop.sizes[listed["size"]]
    words = list(
        zip(
            *(vehicles[name] for name in ("make", "model")),
            *(sizes[name] for name in ("Width", "Profile", "Rim")),
            strict=True,
        )
    )
    as_key = flags(rng, len(words), 0.6)
    written = [
        cam_key(*cam) if key else " ".join(cam).title() for cam, key in zip(words, as_key, strict=True)
    ]
    return pl.DataFrame({"CAM": [*written, *_FOREIGN_CAMS]})


def _misspelt(rng: np.random.Generator, clean: pl.DataFrame) -> pl.DataFrame:
    """The rows, one in six in a spelling that the repair knows. What it cannot repair stays as it is."""
    style = texts(
        rng,
        clean.height,
        {"clean": 84, "underscores": 4, "tight": 4, "compact": 3, "in the vehicle": 2, "torn": 2, "xl": 1},
    )
    vehicle, size = pl.col("Vehicle"), pl.col("Size")
    tight = size.str.replace(" ", "", literal=True)
    has_size = pl.col("Size").str.contains(r" [A-Z]{0,2}R\d\dC?$")
    first, rest = vehicle.str.extract(r"^(\S+)"), vehicle.str.extract(r"^\S+ (.*)$")
    # Glued to a digit, a size would be no size any more: `FIAT` + `500205/55R16`.
    torn = has_size & vehicle.str.contains(r"\D$") & (style == "torn")
    inside = has_size & (style == "in the vehicle")
    return clean.with_columns(
        Vehicle=pl.when(style == "underscores")
        .then(vehicle.str.replace_all(" ", "_"))
        .when(torn)
        .then(first)
        .when(inside)
        .then(pl.concat_str(vehicle, tight, separator=" "))
        .otherwise(vehicle),
        Size=pl.when(torn)
        .then(pl.concat_str(rest, tight))
        .when(inside)
        .then(pl.lit("unknown"))
        .when(style == "tight")
        .then(tight.str.to_lowercase())
        .when((style == "compact") & size.str.contains(r"^\d{3}/\d{2} R\d\dC?$"))
        .then(tight.str.replace("/", "", literal=True))
        .when((style == "xl") & has_size)
        .then(size + " XL")
        .otherwise(size),
    )
