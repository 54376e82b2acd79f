"""The point gamma of one layer: for each planned element, how far its samples and their counts are off.

Offset and counts are judged together, `g = sqrt((dr / 2 mm)^2 + (dcount / 5 % of the largest weight)^2)`, and
an element passes with g at most 1. Counts have no absolute calibration: those of the layer are scaled to its
planned weight, so what is judged is their distribution.

Not here: which samples count (`gamma_samples`), and the verdict on a delivery (`delivery_check`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.nearest_elements import nearest_elements
from assets.beams.planned_elements import PlannedElements

Reals = NDArray[np.float64]

DISTANCE_MM: Final = 2.0
"""The distance to agreement."""
COUNT_SHARE: Final = 0.05
"""The dose difference, as a share of the layer's largest planned weight."""
EVALUATED_SHARE: Final = 0.10
"""The least planned weight that is evaluated, as a share of the layer's largest one."""
MOST_GAMMA: Final = 1.0 + 1e-9

_ROUNDING: Final = 1e-7
"""Weights are float32 in line maps: 0.7 of 7 is a tenth but for 2e-8 of it."""


@dataclass(frozen=True, slots=True, eq=False)
class PointGamma:
    """What became of each element of a layer; arrays of shape (elements,) but for one, all read-only."""

    elements: PlannedElements
    evaluated: NDArray[np.bool_]
    """Whether its planned weight is large enough to be judged."""
    counts: NDArray[np.int64]
    """The counts D of the samples nearest to it."""
    logged_mm: Reals
    """(elements, 2): the mean position of its samples, weighted by counts; NaN where there are none."""
    offsets_mm: Reals
    """dr. For a point the distance of `logged_mm` from it, for a segment the mean distance of its samples,
    weighted by counts; 0 without samples."""
    count_errors: Reals
    """dcount, in the unit of the planned weights."""
    gamma: Reals

    @property
    def has_counts(self) -> bool:
        """Whether anything was logged at all; without it the counts cannot be scaled, and nothing passes."""
        return bool(self.counts.any())

    @property
    def evaluated_gamma(self) -> Reals:
        """The gamma of the evaluated elements, in their order; at least one."""
        return self.gamma[self.evaluated]

    @property
    def passed(self) -> NDArray[np.bool_]:
        """(elements,): whether each was evaluated and passes."""
        return self.evaluated & (self.gamma <= MOST_GAMMA)


def point_gamma(elements: PlannedElements, positions_mm: Reals, counts: NDArray[np.int64]) -> PointGamma:
    """The point gamma of a layer; each sample belongs to its nearest element.

    Args:
        elements: of the layer.
        positions_mm: (samples, 2).
        counts: (samples,), none negative; samples without counts have no say.
    """
    counted = counts > 0
    positions, sample_counts = positions_mm[counted], counts[counted]
    index, distances = nearest_elements(elements, positions)

    def summed(values: Reals | NDArray[np.int64]) -> Reals:
        # Without any sample bincount makes whole numbers.
        return np.bincount(index, weights=values, minlength=len(elements)).astype(np.float64)

    totals = summed(sample_counts)
    with np.errstate(invalid="ignore"):
        logged = np.stack([summed(axis * sample_counts) for axis in positions.T], axis=1) / totals[:, None]
        mean_distances = summed(distances * sample_counts) / totals
    offsets = np.where(elements.is_point, np.hypot(*(logged - elements.start_mm).T), mean_distances)
    offsets[totals == 0] = 0.0
    count_errors = _scaled(totals, elements.weights) - elements.weights
    largest = elements.weights.max()
    gamma = np.hypot(offsets / DISTANCE_MM, count_errors / (COUNT_SHARE * largest))
    return _read_only(
        PointGamma(
            elements=elements,
            evaluated=elements.weights >= EVALUATED_SHARE * largest * (1.0 - _ROUNDING),
            # Sums of counts stay far below 2^53, up to where float64 holds every whole number.
            counts=totals.astype(np.int64),
            logged_mm=logged,
            offsets_mm=offsets,
            count_errors=count_errors,
            gamma=gamma,
        )
    )


def _scaled(counts: Reals, weights: Reals) -> Reals:
    """Counts in the unit of the weights, with the same sum; zeros, where nothing was logged."""
    total = counts.sum()
    return counts * (weights.sum() / total) if total > 0 else np.zeros_like(counts)


def _read_only(result: PointGamma) -> PointGamma:
    for array in (result.evaluated, result.counts, result.logged_mm, result.offsets_mm):
        array.setflags(write=False)
    for array in (result.count_errors, result.gamma):
        array.setflags(write=False)
    return result
