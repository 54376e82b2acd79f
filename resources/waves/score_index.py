"""The score rows, laid out once so that the candidates of a CAM are two slices.

Not here: which candidate gets which slot (`ranker`).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.waves.errors import WavesMisconfigured
from resources.waves.values import Cam

Rows: TypeAlias = NDArray[np.int64]

SCORE_COLUMNS: Mapping[str, type[pl.DataType]] = {
    "ProductId": pl.Int64,
    "TyreScore": pl.String,
    "GRADE": pl.String,
    "BRAND": pl.String,
    "Model": pl.String,
    "SEASONAL_PERFORMANCE": pl.String,
    "RunflatStatus": pl.String,
    "Vehicle": pl.String,
    "SIZE": pl.String,
    "PRICE": pl.Float64,
    "PRICEFLUCTUATION": pl.Float64,
    "Units": pl.Int64,
    "GoldilocksZone": pl.Float64,
    "BudgetShare": pl.Float64,
    "RunflatShare": pl.Float64,
    "vehicle_key": pl.String,
    "size_key": pl.String,
}
"""What the ranker reads: columns of the score table, and the keys of `Vehicle` and `SIZE`.

One row per product and vehicle sold to; `Vehicle` and `vehicle_key` are null for a product without sales,
`size_key` is null where the size has no readable core. Other columns are ignored.
"""

_BEST_FIRST = {"TyreScore": False, "Units": True, "ProductId": False}
_FACTS = ("GoldilocksZone", "BudgetShare", "RunflatShare")


def folded(text: str) -> str:
    """Only letters A-Z, without their accents and in upper case, and digits."""
    return re.sub("[^A-Z0-9]", "", unicodedata.normalize("NFKD", text).upper())


@dataclass(frozen=True, slots=True)
class Place:
    """Where the candidates of a CAM lie, and what is known of the CAM.

    `own` are the rows of its vehicle, empty if there are none, and `size` those of its size; each product is
    once in each. `zone` is None where each row is judged by its own.
    """

    own: slice
    size: slice
    zone: float | None
    budget_share: float
    runflat_share: float


class ScoreIndex:
    """Two tables in one set of arrays, both sorted by tier, units and product.

    The first part has one row per size, vehicle and product, the second one per size and product: of several
    rows the one with the most units, then the first vehicle. Row numbers count through both parts.
    """

    def __init__(self, scores: pl.DataFrame) -> None:
        ordered = _best_rows_first(_checked(scores))
        of_vehicles = ordered.filter(pl.col("vehicle_key").str.len_bytes() > 0)
        own = _sorted(of_vehicles.unique(["size", "vehicle_key", "ProductId"], keep="first"), "vehicle_key")
        pool = _sorted(ordered.unique(["size", "ProductId"], keep="first"))
        rows = pl.concat([own, pool])
        self._texts = rows.select("BRAND", "Model", "SEASONAL_PERFORMANCE")
        self.product_ids: list[str] = rows["ProductId"].cast(pl.String).to_list()
        self.is_budget: list[bool] = rows.select(_trim_upper("GRADE") == "BUDGET").to_series().to_list()
        self._is_runflat = rows.select(_trim_upper("RunflatStatus") == "RUNFLAT").to_series().to_numpy()
        self.price = rows["PRICE"].to_numpy()
        self.fluctuation = rows["PRICEFLUCTUATION"].to_numpy()
        self.zone = rows["GoldilocksZone"].to_numpy()
        self._sizes = _size_places(ordered, pool, own.height)
        self._vehicles = _vehicle_places(of_vehicles, own, self._sizes)
        self._twin = _rows_of_same_product(own, pool)

    def find(self, cam: Cam) -> Place | None:
        """Where the candidates of a CAM lie; None if no product has its size."""
        size = cam.size_key or folded(cam.size)
        return self._vehicles.get((size, cam.vehicle_key)) or self._sizes.get(size)

    def candidates(self, place: Place) -> tuple[Rows, int]:
        """The rows to choose from, best first, and how many of them are the vehicle's own.

        After those come the other products of the size. A vehicle without own rows counts all as its own.
        """
        others = np.arange(place.size.start, place.size.stop)
        own = np.arange(place.own.start, place.own.stop)
        if own.size:
            is_other = np.ones(others.size, bool)
            is_other[self._twin[place.own] - place.size.start] = False
            others = others[is_other]
        else:
            own, others = others, own
        if not place.runflat_share > 0:
            own, others = own[~self._is_runflat[own]], others[~self._is_runflat[others]]
        return np.concatenate([own, others]), own.size

    def rows_with(self, column: str, wanted: str | None) -> NDArray[np.bool_]:
        """For every row whether its text is the wanted one, apart from case and blanks around it."""
        if wanted is None or not wanted.strip():
            return np.zeros(self._texts.height, bool)
        return self._texts.select((_trim_upper(column) == _trim_upper(pl.lit(wanted))).fill_null(value=False))
