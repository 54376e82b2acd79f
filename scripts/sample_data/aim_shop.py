"""What all inputs of the aim samples speak of: vehicles, tyre sizes, CAMs and products, at one scale.

Not here: what a file says about them (`aim_sales`, `aim_runlist`, `aim_events`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scripts.sample_data import aim_fitments, aim_products, aim_vehicles

_MOST: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Scale:
    """How much there is: tyres, vehicles, rows of sales, GA4 events, and CAMs of the runlist.

    Raises ValueError for a number outside 1 to 10,000,000; product numbers have eight digits.
    """

    products: int
    vehicles: int
    sales: int
    events: int
    cams: int

    def __post_init__(self) -> None:
        for name, number in asdict(self).items():
            if name != "events" and not 1 <= number <= _MOST:
                raise ValueError(f"{name} is {number:,}; ask for 1 to {_MOST:,}")


RUN_DATE: Final = date(2025, 6, 10)
"""The run date of what is generated to be measured."""

SCALES: Final[Mapping[str, Scale]] = {
    "small": Scale(products=400, vehicles=60, sales=2_000, events=5_000, cams=300),
    # A little more than AIM_TOTAL_OVERALL lets through by default.
    "full": Scale(products=50_000, vehicles=2_000, sales=200_000, events=5_000_000, cams=10_500),
}


class Shop(NamedTuple):
    """Frames of `aim_vehicles.vehicles`, `aim_fitments.tyre_sizes` and `.cams`, and `aim_products.products`.

    The same on all dates.
    """

    vehicles: pl.DataFrame
    sizes: pl.DataFrame
    cams: pl.DataFrame
    products: pl.DataFrame


def shop_of(scale: Scale, seed: int = 0) -> Shop:
    """The shop at a scale.

    Raises ValueError where the vehicles and sizes make fewer CAMs than are asked for.
    """
    vehicles = aim_vehicles.vehicles(scale.vehicles)
    sizes = aim_fitments.tyre_sizes(scale.products)
    cams = aim_fitments.cams(vehicles, sizes, scale.cams, seed)
    return Shop(vehicles, sizes, cams, aim_products.products(scale.products, sizes, seed))


def first_and_count(shop: Shop) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """By row of `Shop.sizes`, where its products begin in `Shop.products` and how many there are."""
    counts = np.bincount(shop.products["size"].to_numpy(), minlength=shop.sizes.height)
    return np.cumsum(counts) - counts, counts
