"""The embedded Waves: 24 slots for one CAM, by rules alone.

The same input gives the same output, whatever the order of the score rows. Not here: normalisation of
vehicles and sizes (a CAM brings its keys), and several CAMs at once (`driver`).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from resources.waves.score_index import Flags, Floats, Place, Rows, ScoreIndex
from resources.waves.values import (
    EMPTY_SLOT,
    HOTBOXES,
    LIST_SLOTS,
    Cam,
    Parameters,
    answer_of,
    failed_answer,
)

_TOLERANCE = 1e-9  # Prices and ratios are given to 0.01; edges belong to the band.
_HB3, _HB4 = 2, 3


class Ranker:
    """Answers CAMs from one index under one set of parameters. It never changes, so threads may share it."""

    def __init__(self, index: ScoreIndex, parameters: Parameters) -> None:
        self._index = index
        inside = parameters.within_range()
        self._half_width = inside.goldilocks_zone_pct / 100
        self._is_steady = _is_steady(index.fluctuation, inside)
        self._of_brand = index.rows_with("BRAND", inside.brand_enhancer)
        self._of_model = index.rows_with("Model", inside.model_enhancer)
        self._of_season = index.rows_of_season(inside.season)

    def answer(self, cam: Cam) -> dict[str, Any]:
        """The service's answer to one CAM; `success` is false unless all four hotboxes are filled."""
        if _is_blank(cam.vehicle) or _is_blank(cam.size):
            return failed_answer(cam.vehicle, cam.size, "INVALID_INPUT")
        place = self._index.find(cam)
        if place is None:
            return failed_answer(cam.vehicle, cam.size, "NO_RESULTS")
        by_tier, first_group = self._index.candidates(place)
        by_price = self._by_price(by_tier, first_group, place).tolist()
        boxes = self._hotboxes(by_tier, by_price, place)
        listed = self._list(by_tier, by_price, set(boxes.values()))
        ids = self._index.product_ids
        return answer_of(
            cam.vehicle,
            cam.size,
            [ids[boxes[box]] if box in boxes else EMPTY_SLOT for box in range(len(HOTBOXES))],
            [ids[row] for row in listed],
            None if len(boxes) == len(HOTBOXES) else "NO_RESULTS",
        )

    def _by_price(self, by_tier: Rows, first_group: int, place: Place) -> Rows:
        """The candidates by group, then those in the price band before the others, then by tier."""
        # Without own rows there is no zone of the CAM, and each row is judged by its own.
        zone = place.zone if place.own else self._index.zone[by_tier]
        price = self._index.price[by_tier]
        is_near = np.isnan(zone) | (np.abs(price - zone) <= self._half_width * zone + _TOLERANCE)
        rank = np.where(is_near & ~np.isnan(price) & self._is_steady[by_tier], 0, 1)
        rank[first_group:] += 2
        return by_tier[np.argsort(rank, kind="stable")]

    def _hotboxes(self, by_tier: Rows, by_price: Sequence[int], place: Place) -> Mapping[int, int]:
        """The row in each hotbox that is filled, by position from 0."""
        takes_budget = place.budget_share > 0
        reserved: dict[int, int] = {}
        self._reserve(reserved, _HB3, by_tier[self._of_model[by_tier]], takes_budget)
        if _HB3 not in reserved or not self._of_season[reserved[_HB3]]:
            self._reserve(reserved, _HB4, by_tier[self._of_season[by_tier]], takes_budget)
        boxes = self._filled(reserved, by_price, takes_budget)
        if reserved and len(boxes) < len(HOTBOXES):
            return self._filled({}, by_price, takes_budget)
        return boxes

    def _reserve(self, reserved: dict[int, int], box: int, wanted: Rows, takes_budget: bool) -> None:
        row = self._first_for(box, wanted.tolist(), reserved.values(), takes_budget)
        if row is not None:
            reserved[box] = row

    def _filled(
        self, reserved: Mapping[int, int], by_price: Sequence[int], takes_budget: bool
    ) -> Mapping[int, int]:
        boxes = dict(reserved)
        for box in range(len(HOTBOXES)):
            row = None if box in boxes else self._first_for(box, by_price, boxes.values(), takes_budget)
            if row is not None:
                boxes[box] = row
        return boxes

    def _first_for(
        self, box: int, rows: Iterable[int], used: Iterable[int], takes_budget: bool
    ) -> int | None:
        """The first row that is unused and allowed in this hotbox: budget never in the first two."""
        if takes_budget and box >= _HB3:
            return next((row for row in rows if row not in used), None)
        is_budget = self._index.is_budget
        return next((row for row in rows if not is_budget[row] and row not in used), None)

    def _list(self, by_tier: Rows, by_price: Sequence[int], used: set[int]) -> list[int]:
        """The rows of the list slots. The brand leads them, unless a hotbox shows it."""
        listed: list[int] = []
        if not any(self._of_brand[row] for row in used):
            of_brand = by_tier[self._of_brand[by_tier]].tolist()
            listed.extend(islice((row for row in of_brand if row not in used), 1))
        used.update(listed)
        listed.extend(islice((row for row in by_price if row not in used), LIST_SLOTS - len(listed)))
        return listed


def _is_steady(fluctuation: Floats, parameters: Parameters) -> Flags:
    """Whether the price has kept within the limits, for each row; what is not known has."""
    lowest, highest = parameters.price_fluctuation_lower, parameters.price_fluctuation_upper
    is_within = (fluctuation >= lowest - _TOLERANCE) & (fluctuation <= highest + _TOLERANCE)
    return is_within | np.isnan(fluctuation)


def _is_blank(text: str) -> bool:
    return text.strip().lower() in ("", "nan")
