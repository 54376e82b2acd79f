"""The score rows, laid out once so that the candidates of a CAM are two slices.

Not here: which candidate gets which slot (`ranker`).
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from resources.waves.errors import WavesMisconfigured
from resources.waves.values import Cam

Rows: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]

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
"""What the ranker reads: columns of the score table, and the keys of its `Vehicle` and `SIZE`.

One row per product and vehicle sold to; `Vehicle` and `vehicle_key` are null for a product without sales,
`size_key` is null where the size has no readable core. Other columns are ignored.
"""


def folded(text: str) -> str:
    """Its letters A-Z, without their accents and in upper case, and its digits; nothing else."""
    return re.sub("[^A-Z0-9]", "", unicodedata.normalize("NFKD", text).upper())


@dataclass(frozen=True, slots=True)
class Place:
    """Where the candidates of a CAM lie, and what is known of the CAM.

    `own` are the rows of its vehicle, empty if there are none, and `size` those of its size; each product is
    once in either. `zone` is that of the vehicle, or NaN.
    """

    own: range
    size: range
    zone: float
    budget_share: float
    runflat_share: float


class ScoreIndex:
    """Two tables in one set of arrays, each sorted by tier, most units and product.

    The first part has one row per size, vehicle and product, the second one per size and product: of several
    rows the one with most units, of those the first vehicle. Row numbers count through both parts.
    """

    def __init__(self, scores: pl.DataFrame) -> None:
        rows = _rows_of_products(scores)
        of_vehicles = rows.filter(pl.col("vehicle_key") != "")
        own = _best_first(of_vehicles, "size", "vehicle_key")
        pool = _best_first(rows, "size")
        self._rows = pl.concat([own, pool])
        self.product_ids: list[str] = self._rows["ProductId"].cast(pl.String).to_list()
        self.price = self._rows["PRICE"].to_numpy()
        self.fluctuation = self._rows["PRICEFLUCTUATION"].to_numpy()
        self.zone = self._rows["GoldilocksZone"].to_numpy()
        self.is_budget: list[bool] = self.rows_with("GRADE", "BUDGET").tolist()
        self._is_runflat = self.rows_with("RunflatStatus", "RUNFLAT")
        self._sizes = _places_of_sizes(rows, pool, own.height)
        self._vehicles = _places_of_vehicles(of_vehicles, own, self._sizes)
        self._same_product = _row_of_same_product(own, pool)

    def find(self, cam: Cam) -> Place | None:
        """Where the candidates of a CAM lie; None if no product has its size."""
        size = cam.size_key or folded(cam.size)
        return self._vehicles.get((size, cam.vehicle_key)) or self._sizes.get(size)

    def candidates(self, place: Place) -> tuple[Rows, int]:
        """The rows to choose from, best first, and how many of them are of the first group.

        These are the vehicle's own, and the other products of the size come after them; if the vehicle has
        none of its own, all are of the first group.
        """
        own, others = np.arange(place.own.start, place.own.stop), np.arange(place.size.start, place.size.stop)
        if not place.own:
            own, others = others, own
        else:
            is_other = np.ones(others.size, bool)
            is_other[self._same_product[own] - place.size.start] = False
            others = others[is_other]
        if not place.runflat_share > 0:
            own, others = own[~self._is_runflat[own]], others[~self._is_runflat[others]]
        return np.concatenate([own, others]), own.size

    def rows_with(self, column: str, wanted: str | None) -> Flags:
        """For each row whether this text is the wanted one, apart from case and blanks around it."""
        is_wanted = _trimmed_upper(pl.col(column)) == _trimmed_upper(pl.lit(wanted or "", pl.String))
        return self._flags(is_wanted & pl.lit(bool(wanted and wanted.strip())))

    def rows_of_season(self, wanted: str | None) -> Flags:
        """For each row whether its season is the wanted one, both folded."""
        key = folded(wanted or "")
        texts = self._rows["SEASONAL_PERFORMANCE"].drop_nulls().unique()
        seasons = [text for text in texts if key and folded(text) == key]
        return self._flags(pl.col("SEASONAL_PERFORMANCE").is_in(seasons))

    def _flags(self, condition: pl.Expr) -> Flags:
        return self._rows.select(condition.fill_null(value=False)).to_series().to_numpy()


def _rows_of_products(scores: pl.DataFrame) -> pl.DataFrame:
    """What can be ranked, with the size it is found by: per size and product the most units come first."""
    missing = [name for name in SCORE_COLUMNS if name not in scores.columns]
    if missing:
        raise WavesMisconfigured(f"The score rows have no column {', '.join(missing)}; the ranker needs it.")
    rows = scores.select(pl.col(name).cast(dtype) for name, dtype in SCORE_COLUMNS.items())
    if rows.select("ProductId", "Vehicle").is_duplicated().any():
        raise WavesMisconfigured(
            "The score rows hold a product twice for the same vehicle; make ProductId and Vehicle unique."
        )
    texts = rows["SIZE"].drop_nulls().unique()
    fold = pl.col("SIZE").replace_strict(texts, [folded(text) for text in texts], return_dtype=pl.String)
    return (
        rows.with_columns(
            size=pl.coalesce("size_key", fold),
            Units=pl.col("Units").fill_null(0),
            # NaN is what NumPy has for null, and compares with nothing.
            **{
                name: pl.col(name).fill_null(float("nan"))
                for name in ("PRICE", "PRICEFLUCTUATION", "GoldilocksZone")
            },
            **{name: pl.col(name).fill_nan(None).fill_null(0.0) for name in ("BudgetShare", "RunflatShare")},
        )
        .filter(pl.col("size") != "")
        .sort(
            "size", "ProductId", "Units", "Vehicle", descending=[False, False, True, False], nulls_last=True
        )
    )


def _best_first(rows: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """One row per product and keys: the first one; within the keys by tier, most units and product."""
    return rows.unique([*keys, "ProductId"], keep="first", maintain_order=True).sort(
        *keys,
        "TyreScore",
        "Units",
        "ProductId",
        descending=[*[False] * len(keys), False, True, False],
        nulls_last=True,
    )


def _places_of_sizes(rows: pl.DataFrame, pool: pl.DataFrame, first: int) -> dict[str, Place]:
    facts = rows.group_by("size", maintain_order=True).agg(pl.max("BudgetShare"), pl.max("RunflatShare"))
    return {
        size: Place(range(0), rows_of_size, float("nan"), budget_share, runflat_share)
        for (size, budget_share, runflat_share), rows_of_size in zip(
            facts.iter_rows(), _slices(pool, ["size"], first), strict=True
        )
    }


def _places_of_vehicles(
    rows: pl.DataFrame, own: pl.DataFrame, sizes: Mapping[str, Place]
) -> dict[tuple[str, str], Place]:
    """The facts of a vehicle stand in its row of the lowest product."""
    keys = ["size", "vehicle_key"]
    facts = rows.sort(*keys, maintain_order=True).group_by(keys, maintain_order=True).first()
    return {
        (size, vehicle): Place(rows_of_vehicle, sizes[size].size, zone, budget_share, runflat_share)
        for (size, vehicle, zone, budget_share, runflat_share), rows_of_vehicle in zip(
            facts.select(*keys, "GoldilocksZone", "BudgetShare", "RunflatShare").iter_rows(),
            _slices(own, keys, 0),
            strict=True,
        )
    }


def _slices(table: pl.DataFrame, keys: list[str], first: int) -> list[range]:
    """The rows of each group of a table that is sorted by these keys, numbered from `first`."""
    lengths = table.group_by(keys, maintain_order=True).len()["len"]
    ends = list(accumulate(lengths, initial=first))
    return [range(start, end) for start, end in pairwise(ends)]


def _row_of_same_product(own: pl.DataFrame, pool: pl.DataFrame) -> Rows:
    """For each own row the row number of its product among those of the size."""
    keys = ["size", "ProductId"]
    numbered = pool.select(keys).with_row_index("row", own.height)
    return (
        own.select(keys)
        .join(numbered, on=keys, how="left", maintain_order="left")["row"]
        .to_numpy()
        .astype(np.int64)
    )


def _trimmed_upper(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().str.to_uppercase()
