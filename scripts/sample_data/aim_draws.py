"""Random draws of the aim samples: one stream per subject, so that no table's draws depend on another's."""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

Shares: TypeAlias = Mapping[str, float] | Mapping[str | None, float]
"""How often each text occurs, in any unit; None is null."""

_ENOUGH_FOR_ONE: Final = 10


class Stream(IntEnum):
    """What is drawn. From 1: NumPy ignores trailing zeros of a seed."""

    VEHICLES = 1
    INFLUENCE = 2
    CAMS = 3
    PRODUCTS = 4
    PRICES = 5
    FEED = 6
    CATALOGUE = 7
    SALES = 8
    RUNLIST = 9
    MANUAL_CAMS = 10
    EVENTS = 11


def stream(seed: int, subject: Stream, *parts: int) -> np.random.Generator:
    """The generator of a subject, or of a part of it such as a block of events or the prices of a week."""
    return np.random.default_rng([seed, subject, *(part + 1 for part in parts)])


def texts(rng: np.random.Generator, count: int, shares: Shares) -> pl.Series:
    """As many texts, each as often as its share of the sum of all shares."""
    return pl.Series(list(shares), dtype=pl.String).gather(indices(rng, count, list(shares.values())))


def indices(
    rng: np.random.Generator, count: int, weights: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.int64]:
    """As many positions in `weights`, each as often as its weight."""
    ends = np.cumsum(weights)
    # Rounding can take the product to the very end, which is no position.
    drawn = np.searchsorted(ends, rng.random(count) * ends[-1], side="right")
    return np.minimum(drawn, len(ends) - 1)


def flags(rng: np.random.Generator, count: int, share: float) -> NDArray[np.bool_]:
    """As many flags, exactly this share of them set; one at least, unless there are fewer than ten."""
    wanted = max(round(share * count), 1 if count >= _ENOUGH_FOR_ONE else 0)
    return rng.permutation(count) < wanted


def blanked(rng: np.random.Generator, values: pl.Series, share: float) -> pl.Series:
    """The values, this share of them null."""
    return values.zip_with(pl.Series(~flags(rng, len(values), share)), pl.Series([None], dtype=values.dtype))


def popularity(count: int, flattening: float) -> NDArray[np.float64]:
    """Weights that fall as 1 / (place + flattening): a few of `count` are asked for often, most rarely."""
    return 1.0 / (np.arange(count, dtype=np.float64) + flattening)


def spelt(rng: np.random.Generator, values: pl.Series) -> pl.Series:
    """The texts as people and systems write them: mostly as they are, else in title or lower case."""
    style = texts(rng, len(values), {"as it is": 80, "title": 15, "lower": 5})
    titled = values.str.to_titlecase().zip_with(style == "title", values.str.to_lowercase())
    return values.zip_with(style == "as it is", titled)
