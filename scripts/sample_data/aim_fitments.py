"""Tyre sizes of the aim samples, and the CAMs: which vehicle wears which size, the most popular first.

Not here: how a runlist spells them (`aim_runlist`).
"""

from itertools import chain, zip_longest
from typing import Final

import numpy as np
import polars as pl

from assets.aim.sizes import size_keys
from scripts.sample_data.aim_draws import Stream, flags, popularity, stream

# Canonical sizes by kind of vehicle, popular ones first; every kind has one among the first seven.
_SIZES: Final = {
    "f": """205/55 R16, 195/65 R15, 225/45 R17, 215/55 R16, 205/60 R16, 225/50 R17, 215/50 R17, 205/50 R17,
        225/55 R16, 215/60 R16, 205/65 R15, 195/60 R15, 205/45 R17, 215/45 R17, 225/45 R18, 235/45 R17,
        215/55 R17, 205/55 R17, 205/60 R15, 195/55 R16, 215/45 R18, 205/40 R18, 205/55 R19, 215/40 R18""",
    "c": """175/65 R14, 185/55 R15, 165/70 R14, 185/60 R15, 175/65 R15, 155/65 R14, 165/65 R14, 195/45 R16,
        185/65 R15, 195/50 R15, 165/65 R15, 155/70 R13, 185/60 R14, 195/55 R15, 175/60 R15, 165/60 R15,
        145/80 R13, 185/50 R16, 175/70 R14, 195/40 R17, 155/60 R15, 185/65 R14""",
    "s": """235/55 R18, 215/65 R16, 225/65 R17, 235/60 R18, 255/55 R18, 235/55 R19, 225/60 R18, 215/60 R17,
        255/50 R19, 235/50 R19, 275/45 R20, 235/65 R17, 255/45 R20, 225/60 R17, 215/55 R18, 265/50 R19,
        295/40 R21, 275/45 R21, 235/50 R20, 255/55 R19, 275/40 R22, 285/45 R22""",
    "e": """225/40 ZR18, 245/40 ZR18, 245/45 R18, 225/55 R17, 245/40 ZR19, 255/35 ZR19, 245/45 R19,
        235/40 ZR18, 275/35 ZR19, 245/35 ZR20, 225/45 R19, 255/40 ZR19, 235/45 R18, 275/40 R19, 235/35 ZR19,
        275/30 ZR20, 255/45 R19, 235/40 ZR19""",
    "v": """195/70 R15C, 215/65 R16C, 235/65 R16C, 225/70 R15C, 205/65 R16C, 195/75 R16C, 215/75 R16C,
        205/75 R16C, 215/70 R15C, 195/65 R16C, 225/65 R16C, 215/60 R17C, 185/75 R16C, 225/75 R16C,
        195/60 R16C, 235/60 R17C, 175/65 R14C""",
    "o": """235/85 R16, 31x10.50 R15, 7.50 R16, 265/65 R17, 205/80 R16, 265/70 R16, 245/70 R16, 265/60 R18,
        33x12.50 R15, 235/70 R16, 255/70 R16, 285/75 R16, 6.50 R16, 30x9.50 R15, 205/70 R15, 225/75 R16,
        35x12.50 R17, 275/70 R18""",
    "p": """255/35 ZR18, 205/50 ZR16, 265/35 ZR18, 245/35 ZR19, 285/30 ZR19, 295/30 ZR20, 265/30 ZR19,
        305/30 ZR20, 245/35 ZR18, 255/30 ZR20, 235/35 ZR18, 285/35 ZR19, 325/30 ZR21, 195/50 ZR16""",
}
UNSOLD_SIZES: Final = ("165/80 R15", "205/70 R14", "6.00 R16", "195/82 R15", "240/45 R415", "5.20 R10")
"""Sizes of classic cars: vehicles wear them, nobody sells them; one is no size at all."""

_LEAST_PRODUCTS_OF_A_SIZE: Final = 10
_FAR: Final = 10.0


def tyre_sizes(products: int) -> pl.DataFrame:
    """The sizes that an assortment of so many products has, the most popular first.

    Columns: kind, Size (canonical), Width, Profile, Rim, size_key, and inches, the rim as a number. There are
    at least ten products for each size, so that four are left for the hotboxes; a large assortment has all.
    """
    lists = [[(kind, " ".join(size.split())) for size in sizes.split(",")] for kind, sizes in _SIZES.items()]
    rows = [row for row in chain.from_iterable(zip_longest(*lists)) if row is not None]
    sold = rows[: max(1, products // _LEAST_PRODUCTS_OF_A_SIZE)]
    frame = pl.DataFrame(sold, {"kind": pl.String, "Size": pl.String}, orient="row")
    return frame.hstack(size_keys(frame["Size"])).with_columns(
        inches=pl.col("Rim").str.strip_chars("C").cast(pl.Int64)
    )


def cams(vehicles: pl.DataFrame, sizes: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """As many CAMs, the most popular first, no vehicle with a size twice.

    Columns: vehicle and size, rows of the two frames (size is null for one of `UNSOLD_SIZES`), the text Size,
    and weight, how often the CAM is asked for. Vehicles wear the sizes of their kind; others only when these
    are used up.

    Raises:
        ValueError: there are not so many pairs.
    """
    if count > vehicles.height * sizes.height:
        raise ValueError(
            f"{vehicles.height:,} vehicles and {sizes.height:,} sizes make no {count:,} CAMs; ask for fewer "
            "CAMs, or for more vehicles or products"
        )
    rng = stream(seed, Stream.CAMS)
    depth = -(-count // vehicles.height)
    of_other_kind = vehicles["kind"].to_numpy()[:, None] != sizes["kind"].to_numpy()[None, :]
    # Popular sizes come early in most vehicles' lists, but not in the same order in all.
    order = rng.random(of_other_kind.shape) + np.linspace(0, 1, sizes.height) + _FAR * of_other_kind
    worn = np.argsort(order, axis=1, kind="stable")[:, :depth]
    by_fame = rng.permutation(vehicles.height)
    vehicle = np.tile(by_fame, depth)[:count]
    rank_of_size = np.repeat(np.arange(depth), vehicles.height)[:count]
    size = worn[vehicle, rank_of_size]
    unsold = flags(rng, count, 0.03) & (rank_of_size < len(UNSOLD_SIZES))
    texts = sizes["Size"].gather(size).to_numpy().astype(object)
    texts[unsold] = np.array(UNSOLD_SIZES, dtype=object)[rank_of_size[unsold]]
    popular = np.tile(popularity(vehicles.height, 8.0), depth)[:count] / (1 + rank_of_size)
    frame = pl.DataFrame(
        {
            "vehicle": vehicle,
            "size": pl.Series(size).set(pl.Series(unsold), None),
            "Size": pl.Series(texts.tolist(), dtype=pl.String),
            "weight": popular * rng.uniform(0.5, 1.5, count),
        }
    )
    return frame.sort("weight", descending=True, maintain_order=True)
