"""Promotion extracts of the dwh samples: one frame per ingress day, nested as the source delivers them.

A column is drawn from a short list of values that has all that may occur: nulls at every level, empty lists
and texts, repeats. The same promotions come in every day, each with another `updatedate`, and one in ten
repeats the id of the row before it: most with another `updatedate`, some with the same, some with none.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import numpy as np
import polars as pl

from scripts.sample_data.dwh_records import Flags, Ints

TYPES: Final = ("PERCENTAGE_DISCOUNT", "FIXED_DISCOUNT", "BOGO", "FREE_SHIPPING", "TIERED_DISCOUNT")

_STREAM: Final = 2
_REPEATED_SHARE: Final = 0.1
_SECOND: Final = 1_000_000
_HOUR: Final = 3_600 * _SECOND
_DAY: Final = 24 * _HOUR

_INSTANT: Final = pl.Datetime("us", "UTC")
_TEXTS: Final = pl.List(pl.String)
_SKUS: Final = pl.List(pl.Struct({"skuOrCategoryId": pl.String}))
_SKUS_OF_TWO: Final = {"promotionSkus": _SKUS, "excludedSkus": _SKUS}
_BUNDLE: Final = pl.Struct({**_SKUS_OF_TWO, "minimumpurchase": pl.Int32, "maximumDiscounted": pl.Int32})
_FLAGS: Final = (
    "bxgyl", "chargeShippingFee", "codeUnique", "employeeOnly", "householdFraudCheck", "newSignUp",
    "newUserOnly", "postPurchase", "showOnSite",
)  # fmt: skip
_META: Final = (
    "MARKETING_INITIATIVE", "PARTNER", "PROGRAM", "CAMPAIGN_TYPE", "CAMPAIGN_NAME", "VERTICAL", "MEDIA_TYPE",
    "MARKETING_BRANCH",
)  # fmt: skip

SCHEMA: Final[Mapping[str, pl.DataType | type[pl.DataType]]] = {
    "_id": pl.String,
    "name": pl.String,
    "description": pl.String,
    "properties_promotionType": pl.String,
    "schedule_startDate": _INSTANT,
    "schedule_endDate": _INSTANT,
    "createDate": _INSTANT,
    "updatedate": _INSTANT,
    "schedule_dailyStartTime": pl.Int32,
    "schedule_dailyEndTime": pl.Int32,
    "couponmin": pl.Int32,
    "couponmax": pl.Int32,
    "limits_global": pl.Int32,
    "limits_order": pl.Int32,
    "limits_customer": pl.Int32,
    "skus_minimumPurchase": pl.Int32,
    "skus_maximumDiscounted": pl.Int32,
    "skus_promotionSkus": _SKUS,
    "skus_excludedSkus": _SKUS,
    "skus_purchaseType": pl.String,
    "discount_purchaseType": pl.String,
    "discount_discountTiers": pl.Struct(
        {"tieredSkus": _SKUS, "excludedTieredSkus": _SKUS, "periscopeId": _TEXTS}
    ),
    **{f"bundles_bundle{letter}": _BUNDLE for letter in "ABCD"},
    "bundles_discountY": pl.Struct(_SKUS_OF_TWO),
    "properties_redemptionMethod": pl.String,
    "properties_periscopeId": pl.String,
    "properties_fields_key": pl.String,
    "properties_flags": pl.Struct(dict.fromkeys(_FLAGS, pl.Boolean)),
    **dict.fromkeys(("tags", "deliveryMethod", "deliveryOption", "sourceGroups"), _TEXTS),
    **{f"metaData_{name}": pl.String for name in _META},
    "nestedShipping_promotionType": pl.String,
}
"""The columns of an extract; a reader must do without any but `_id` and `updatedate`."""

_COLUMN_VALUES: Final[Mapping[str, Sequence[object]]] = {
    "name": ("SPRING25", "Sommer, Sonne", "FREESHIP", 'the "big" one', "夏", None),
    "description": ("A quarter off", "Two\nlines", "", None),
    "properties_promotionType": TYPES,
    "schedule_dailyStartTime": (0, 32_400, 43_201, None),
    "schedule_dailyEndTime": (86_399, 61_200, None),
    "couponmin": (0, 1, 25, None),
    "couponmax": (100, 2_147_483_647, None),
    "skus_purchaseType": ("ITEM", "ORDER", None),
    "discount_purchaseType": ("ITEM", "ORDER", None),
    "properties_redemptionMethod": ("CODE", "AUTOMATIC", None),
    "properties_periscopeId": ("ps-1", "ps-2", "", None),
    "properties_fields_key": ("KEY-1", "KEY-2", None),
    "tags": (
        ["prepaid"], ["Personalized", "spring"], ["PREPAID", "personalized"], ["spring", "spring", None, ""],
        ["prepaid-card", "a,b"], [None], [], None,
    ),
    "deliveryMethod": (["MAIL"], ["MAIL", "PICKUP", "MAIL"], [], None),
    "deliveryOption": (["STANDARD", "EXPRESS"], ["EXPRESS", None], None),
    "sourceGroups": (["web", "app"], ["app"], [""], None),
    "nestedShipping_promotionType": (None, None, None, "FREE_SHIPPING"),
    **dict.fromkeys((f"metaData_{name}" for name in _META), ("A-1", "B-2", "", None)),
    **dict.fromkeys(("limits_global", "limits_order", "limits_customer"), (1, 5, 10_000, None)),
    **dict.fromkeys(("skus_minimumPurchase", "skus_maximumDiscounted"), (0, 2, 10, None)),
}  # fmt: skip
_SPECIAL_SKUS: Final[tuple[Sequence[object] | None, ...]] = (
    None,
    None,
    [],
    [None],
    [{"skuOrCategoryId": None}, {"skuOrCategoryId": ""}],
    [{"skuOrCategoryId": sku} for sku in ("2", "10", "2", None, "10", "1")],
)


def promotions(day: date, rows: int, seed: int = 0) -> pl.DataFrame:
    """The extract of an ingress day: as many rows of `SCHEMA`, one in ten of them a repeat.

    Raises:
        ValueError: `rows` or `seed` is negative.
    """
    if rows < 0 or seed < 0:
        raise ValueError(f"{rows} promotions with seed {seed} cannot be made; give numbers from 0 on")
    rng = np.random.default_rng([seed, _STREAM, day.toordinal()])
    repeated = rng.random(rows) < _REPEATED_SHARE
    repeated[:1] = False
    number = np.arange(rows) - repeated
    columns = {
        "_id": pl.select(pl.format("promo-{}-{}", pl.lit(seed), pl.Series(number))).to_series(),
        **_dates(rng, day, repeated),
        **{name: _drawn(rng, rows, name, values) for name, values in _COLUMN_VALUES.items()},
        **{name: _drawn(rng, rows, name, values) for name, values in _nested_values(rng).items()},
    }
    return pl.DataFrame([columns[name].cast(dtype).alias(name) for name, dtype in SCHEMA.items()])


def _dates(rng: np.random.Generator, day: date, repeated: Flags) -> Mapping[str, pl.Series]:
    """Some promotions were updated the day before and delivered after midnight; some have no end."""
    rows = len(repeated)
    midnight = int(datetime.combine(day, time(), UTC).timestamp()) * _SECOND
    updated = midnight + rng.integers(-30 * _HOUR, 24 * _HOUR, rows)
    twin, undated = (repeated & (rng.random(rows) < share) for share in (0.3, 0.15))
    updated[twin] = np.roll(updated, 1)[twin]
    starts = midnight + rng.integers(-60, 30, rows) * _DAY
    return {
        "schedule_startDate": _instants(starts),
        "schedule_endDate": _instants(starts + 14 * _DAY, rng.random(rows) < 0.1),
        "createDate": _instants(updated - rng.integers(1, 400, rows) * _DAY, rng.random(rows) < 0.02),
        "updatedate": _instants(updated, undated & ~twin),
    }


def _instants(microseconds: Ints, absent: Flags | None = None) -> pl.Series:
    instants = pl.Series(microseconds).cast(_INSTANT)
    return instants if absent is None else instants.set(pl.Series(absent), None)


def _nested_values(rng: np.random.Generator) -> Mapping[str, Sequence[object]]:
    """Values of the columns with lists of SKUs, and of the flags."""
    skus = [*_SPECIAL_SKUS, *(_skus(rng) for _ in range(12))]

    def some() -> object:
        return skus[rng.integers(len(skus))]

    def bundles() -> list[object]:
        counts = {"minimumpurchase": 2, "maximumDiscounted": None}
        filled = [{"promotionSkus": some(), "excludedSkus": some(), **counts} for _ in range(6)]
        return [None, None, None, None, dict.fromkeys(_BUNDLE.to_schema()), *filled]

    tiers = [
        {"tieredSkus": some(), "excludedTieredSkus": some(), "periscopeId": ids}
        for ids in (["ps-1", "ps-2", "ps-1"], [None, ""], [], None)
    ]
    set_flags = [dict(zip(_FLAGS, rng.integers(0, 2, len(_FLAGS)) > 0, strict=True)) for _ in range(8)]
    part_of_flags: dict[str, Any] = {"codeUnique": True, "showOnSite": None, "bxgyl": False}
    return {
        "skus_promotionSkus": skus,
        "skus_excludedSkus": skus,
        "discount_discountTiers": [None, None, None, *tiers],
        **{f"bundles_bundle{letter}": bundles() for letter in "ABCD"},
        "bundles_discountY": [
            None,
            None,
            {"promotionSkus": None, "excludedSkus": None},
            *({"promotionSkus": some(), "excludedSkus": some()} for _ in range(4)),
        ],
        "properties_flags": [None, dict.fromkeys(_FLAGS), part_of_flags, *set_flags],
    }


def _skus(rng: np.random.Generator) -> list[dict[str, str]]:
    return [{"skuOrCategoryId": f"SKU-{number}"} for number in rng.integers(0, 500, rng.integers(1, 8))]


def _drawn(rng: np.random.Generator, rows: int, name: str, values: Sequence[object]) -> pl.Series:
    return pl.Series(values, dtype=SCHEMA[name]).gather(rng.integers(0, len(values), rows))
