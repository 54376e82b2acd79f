"""The pieces of JSON from which the aim samples' GA4 events are put together, and how often each occurs.

An event is a handful of look-ups joined: JSON is made once per product and CAM, not once per event. Not here:
which piece an event gets (`aim_events`).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scripts.sample_data.aim_shop import Shop
from scripts.sample_data.aim_vehicles import names

LONDON: Final = ZoneInfo("Europe/London")
SLOTS: Final = 24

_SITE: Final = "https://shop.example/"
_FILTERED: Final = (
    "fitfast", "truck", "manufacturer", "Seasonal", "runflat", "reinforced", "LoadRatings", "carmanufacturer",
    "speedratings", "staging", "inforgen",
)  # fmt: skip

JOURNEYS: Final[Mapping[str | None, float]] = {
    "CMM-AIM-1": 22, "PCMM-AIM-2": 5, "SCMM-AIM-3": 3, "PSCMM-AIM-3": 3, "cmm-aim-7": 1,
    "SUCMM-AIM-1": 5, "XSUCMM-AIM-2": 3, "PSUCMM-AIM-1": 3, "PXSUCMM-AIM-4": 2, "psucmm-aim-01": 1,
    "SUCMM-2": 3, "XSUCMM-1": 2, "PSUCMM-5": 2, "PXSUCMM-1": 2, "UCMM-NONCAM-1": 3, "XUCMM-NONCAM-2": 2,
    "PUCMM-3": 2, "PXUCMM-3": 2, "SCMM-1": 4, "PSCMM-2": 2, "CMM-4": 8, " cmm-9 ": 1, "PCMM-6": 3,
    "NONCAM": 12, "": 1, None: 3,
}  # fmt: skip
"""What `item_category8` says of shoppers who gave their registration; None lacks the key."""

SIZE_JOURNEYS: Final[Mapping[str | None, float]] = {"NONCAM": 55, "SIZE-SEARCH": 20, None: 25}
"""The same of those who searched by size."""

COUNTRIES: Final[Mapping[str | None, float]] = {
    ',"geo":{"country":"United Kingdom"}': 88,
    ',"geo":{"country":"United Kingdom","region":"England"},"device":{"category":"mobile"}': 5,
    ',"geo":{"country":"Ireland"}': 3,
    ',"geo":{"country":"France"}': 1,
    ',"geo":{"country":"Côte d’Ivoire"}': 0.2,
    ',"geo":null': 1,
    "": 1,
}

POSITIONS: Final[Mapping[str | None, float]] = {
    ',"item_list_index":"200"': 4,
    ',"item_list_index":"99"': 3,
    ',"item_list_index":"(not set)"': 2,
    ',"item_list_index":""': 1,
    ',"item_list_index":null': 1,
    ',"item_list_index":4': 1,
    "": 1,
}
"""Besides the plain ones: hotbox 4, the brand selector, and what is no position."""


def pages() -> dict[str | None, float]:
    """Event parameters, mostly pages that count as views; one in ten does not, and some name no page."""
    counted = {
        _page(path): 14.0 for path in ("tyres/car", "tyres/size", "tyres/4x4", "", "search?q=tyres", "vrm")
    }
    filtered = {_page(f"{word}/offers"): 0.8 for word in _FILTERED}
    return {
        **counted,
        **filtered,
        ',"event_params":[{"key":"engagement_time_msec","value":{"int_value":120}}]': 2,
        ',"event_params":[{"key":"page_location","value":{"string_value":null}}]': 1,
        ',"event_params":null': 1,
        "": 1,
    }


def _page(path: str) -> str:
    return (
        ',"event_params":[{"key":"ga_session_number","value":{"int_value":2}},'
        f'{{"key":"page_location","value":{{"string_value":"{_SITE}{path}"}}}}]'
    )


@dataclass(frozen=True, slots=True)
class ItemTexts:
    """Pieces of an item, in the order in which they are joined.

    `heads` and `prices` by row of `Shop.products`, then `strange` heads of no product of the shop; `cams` by
    row of `Shop.cams`, then as many again of size searches; `positions` by place from 0.
    """

    heads: pl.Series
    prices: pl.Series
    cams: pl.Series
    positions: pl.Series
    strange: int


def item_texts(shop: Shop) -> ItemTexts:
    """The pieces of all items of a shop."""
    products = shop.products
    strange = ['{"item_id":"(not set)"', '{"item_id":"99999999","item_name":"Gift card"', '{"item_id":null']
    heads = [
        f'{{"item_id":"{number}","item_name":{model},"item_brand":{brand},"item_variant":{variant}'
        for number, model, brand, variant in zip(
            products["ProductId"],
            _quoted(products["Model"]),
            _quoted(products["Manufacturer"]),
            _quoted(products["Size"] + " " + products["Season"]),
            strict=True,
        )
    ]
    sizes = _quoted(shop.cams["Size"])
    vehicles = _quoted(names(shop.vehicles).gather(shop.cams["vehicle"]))
    by_vehicle = [
        f',"item_category5":{vehicle},"item_category6":{size}'
        for vehicle, size in zip(vehicles, sizes, strict=True)
    ]
    by_size = [f',"item_category5":"No VRM search","item_category6":{size}' for size in sizes]
    return ItemTexts(
        heads=pl.Series([*heads, *strange]),
        prices=pl.Series([*(f',"price":{price}' for price in products["base_price"]), *[""] * len(strange)]),
        cams=pl.Series([*by_vehicle, *by_size]),
        positions=pl.Series([f',"item_list_index":"{place}"' for place in range(1, SLOTS + 1)]),
        strange=len(strange),
    )


def journey_texts(shares: Mapping[str | None, float]) -> dict[str | None, float]:
    """The pieces of the journeys, as often as these."""
    listed = ',"item_list_id":"tyre_results"'
    return {
        listed + (f',"item_category8":"{journey}"' if journey is not None else ""): share
        for journey, share in shares.items()
    }


def _quoted(values: Iterable[str]) -> list[str]:
    return [json.dumps(value, ensure_ascii=False) for value in values]


@dataclass(frozen=True, slots=True)
class Days:
    """The days before a date in London: the pieces that name them, and when they begin.

    `begins` has one more, the end of the last day; microseconds UTC. `weights` says how busy they are.
    """

    texts: pl.Series
    begins: NDArray[np.int64]
    weights: NDArray[np.float64]


def days_before(day: date, count: int) -> Days:
    """The `count` days before `day`, the earliest first. Week-ends are quiet."""
    days = [day - timedelta(days=back) for back in range(count, 0, -1)]
    begins = [datetime.combine(one, time(), LONDON).timestamp() for one in [*days, day]]
    return Days(
        texts=pl.Series([f'{{"event_date":"{one:%Y%m%d}","event_timestamp":' for one in days]),
        begins=np.array(begins).astype(np.int64) * 1_000_000,
        weights=np.array([0.7 if one.isoweekday() > 5 else 1.0 for one in days]),
    )
