"""Sales of the aim samples: the CarMakeModelSales feed, which product which vehicle bought."""

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from assets.aim.feeds import CAR_SALES_SCHEMA, ROW_NUMBER
from scripts.sample_data.aim_draws import Stream, blanked, flags, indices, spelt, stream
from scripts.sample_data.aim_products import prices
from scripts.sample_data.aim_shop import Shop, first_and_count

SALES_COLUMNS: Final = tuple(column for column in CAR_SALES_SCHEMA if column != ROW_NUMBER)

_SELLING_SHARE: Final = 0.92
"""Of the products of a size; the others never sell."""


def sales(shop: Shop, count: int, day: date, seed: int) -> pl.DataFrame:
    """As many rows of a day's feed: `CAR_SALES_SCHEMA` without the row number.

    Popular CAMs and products sell most; about 8 % of the products never do. A product and a vehicle may have
    several rows. Some rows have no units, no orders, or no price; make and model come in several spellings.
    """
    rng = stream(seed, Stream.SALES, day.toordinal())
    sold = shop.cams.drop_nulls("size")
    cams = sold[indices(rng, count, sold["weight"].to_numpy())]
    first, of_size = first_and_count(shop)
    size = cams["size"].to_numpy()
    selling = np.ceil(of_size[size] * _SELLING_SHARE)
    product = first[size] + (selling * rng.random(count) ** 1.6).astype(np.int64)
    orders = 1 + rng.geometric(0.25, count) // 2
    units = orders * np.array([1, 2, 2, 4])[rng.integers(0, 4, count)]
    returned = flags(rng, count, 0.03)
    paid = np.round(prices(shop.products, day, seed)[product] * rng.uniform(0.9, 1.06, count), 2)
    paid = np.where(flags(rng, count, 0.005), 0.0, paid)
    vehicles = shop.vehicles[cams["vehicle"]]
    return pl.DataFrame(
        {
            "ProductId": shop.products["ProductId"].gather(product).cast(pl.String),
            "CarMake": spelt(rng, vehicles["make"]),
            "CarModel": spelt(rng, vehicles["model"]),
            **{name: shop.sizes[name].gather(size) for name in ("Width", "Profile", "Rim")},
            "Orders": blanked(rng, pl.Series(np.where(returned, 0, orders)), 0.005),
            "Units": blanked(rng, pl.Series(np.where(returned, 0, units)), 0.005),
            "AvgPrice": blanked(rng, pl.Series(paid), 0.01),
        }
    ).select(SALES_COLUMNS)
