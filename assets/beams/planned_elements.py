"""The elements that a delivery is measured against: the points and segments of a planned layer.

Standard spots are points. A line map gives its first point and one segment per further point. Elements with
equal geometry are one element, whatever way the beam takes along it: their samples cannot be told apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.beams.spot_maps import MapForm, SpotMap

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PlannedElements:
    """The elements of a layer in the order of the plan, at least one; all arrays are read-only."""

    start_mm: Reals
    """(elements, 2): the end of each with the smaller x, then the smaller y; of a point its place."""
    end_mm: Reals
    """(elements, 2): the other end; of a point its place again."""
    weights: Reals
    """(elements,): the planned weight W of each; not all 0."""

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def is_point(self) -> NDArray[np.bool_]:
        """(elements,): whether each is a point; a segment without a length is one."""
        return (self.start_mm == self.end_mm).all(axis=1)


def planned_elements(planned: SpotMap) -> PlannedElements:
    """The elements of a map, equal ones merged into the first of them, their weights added."""
    ends = planned.positions_mm
    starts = ends if planned.form is MapForm.SPOTS else np.concatenate([ends[:1], ends[:-1]])
    geometry, index = _distinct(_undirected(starts, ends))
    # It is float64 already, which the stub of bincount does not say.
    weights = np.bincount(index, weights=planned.weights).astype(np.float64)
    start, end = np.ascontiguousarray(geometry[:, :2]), np.ascontiguousarray(geometry[:, 2:])
    for array in (start, end, weights):
        array.setflags(write=False)
    return PlannedElements(start, end, weights)


def _undirected(starts: Reals, ends: Reals) -> Reals:
    """(elements, 4): both ends of each element, the smaller one first."""
    backwards = (starts[:, 0] > ends[:, 0]) | ((starts[:, 0] == ends[:, 0]) & (starts[:, 1] > ends[:, 1]))
    return np.where(backwards[:, None], np.hstack([ends, starts]), np.hstack([starts, ends]))


def _distinct(geometry: Reals) -> tuple[Reals, NDArray[np.intp]]:
    """The distinct rows by where each comes first, and for each row its index among them."""
    _, first, inverse = np.unique(geometry, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return geometry[first[order]], rank[inverse]
