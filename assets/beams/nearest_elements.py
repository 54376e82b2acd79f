"""The nearest planned element of each logged position: exact, without measuring every pair.

Positions are gathered in square cells of 1 mm, these in cells of 4, 16 and 64 mm. From the largest cells
down, an element stays a candidate of a cell only where it can be the nearest one of a position inside: where
its distance from the centre exceeds the least such distance by no more than the diagonal of the cell.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.planned_elements import PlannedElements

Reals = NDArray[np.float64]
Indices = NDArray[np.int64]

_CELLS_MM: Final = (1, 4, 16, 64)
"""Each a multiple of the one before, so that a cell lies in one cell of the next size."""
_TIE_MM: Final = 1e-9
"""Distances so close are one distance: they differ by rounding, which depends on where the layer lies."""
_MARGIN_MM: Final = 1e-6
"""Far more than both, so that no candidate is lost to rounding."""


def nearest_elements(elements: PlannedElements, positions_mm: Reals) -> tuple[Indices, Reals]:
    """For each position the index of its nearest element, and the distance to that in mm.

    Euclidean distance to the point or segment; of several at one distance the lowest index counts.

    Args:
        elements: of one layer.
        positions_mm: (positions, 2), finite.
    """
    if not len(positions_mm):
        return np.empty(0, np.int64), np.empty(0)
    lines = _Lines.of(elements)
    levels = _levels(positions_mm)
    candidates = _Candidates.all_for(len(levels[-1].centres_mm), len(elements))
    for level in reversed(levels):
        candidates = _narrowed(candidates, level, lines).handed_down(level.cell_of_member)
    return _nearest(candidates, positions_mm, lines)


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Elements as columns of float64 (elements,); a point is a line without a way."""

    start_x: Reals
    start_y: Reals
    way_x: Reals
    way_y: Reals
    per_square_length: Reals
    """1 / squared length; 0 for a point."""

    @classmethod
    def of(cls, elements: PlannedElements) -> "_Lines":
        way = elements.end_mm - elements.start_mm
        square = (way**2).sum(axis=1)
        per_square = np.divide(1.0, square, out=np.zeros_like(square), where=square > 0)
        return cls(*elements.start_mm.T, *way.T, per_square_length=per_square)

    def distances(self, index: Indices, x: Reals, y: Reals) -> Reals:
        """Of the places (x, y) to the elements of these indices, one by one, in mm."""
        start_x, start_y = self.start_x[index], self.start_y[index]
        way_x, way_y = self.way_x[index], self.way_y[index]
        share = ((x - start_x) * way_x + (y - start_y) * way_y) * self.per_square_length[index]
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        x_apart = x - (start_x + share * way_x)
        y_apart = y - (start_y + share * way_y)
        return np.sqrt(x_apart**2 + y_apart**2)


@dataclass(frozen=True, slots=True, eq=False)
class _Level:
    """The cells of one size that hold anything, and what lies in them: smaller cells, or positions."""

    side_mm: float
    centres_mm: Reals
    """(cells, 2)"""
    cell_of_member: Indices
    """(members,): the cell that holds each member, which is a cell of the level below, or a position."""


def _levels(positions_mm: Reals) -> list[_Level]:
    """The levels from the smallest cells to the largest."""
    levels: list[_Level] = []
    members = np.floor(positions_mm / _CELLS_MM[0]).astype(np.int64)
    for side, finer in zip(_CELLS_MM, (_CELLS_MM[0], *_CELLS_MM[:-1]), strict=True):
        members //= side // finer
        members, cell_of_member = _distinct_cells(members)
        levels.append(_Level(side, (members + 0.5).astype(np.float64) * side, cell_of_member))
    return levels


def _distinct_cells(cells: Indices) -> tuple[Indices, Indices]:
    """The distinct ones of (n, 2) cells, and for each of the n its index among them."""
    low = cells.min(axis=0)
    width = int(cells[:, 1].max() - low[1]) + 1
    keys, index = np.unique((cells[:, 0] - low[0]) * width + (cells[:, 1] - low[1]), return_inverse=True)
    return np.stack([keys // width, keys % width], axis=1) + low, index


@dataclass(frozen=True, slots=True, eq=False)
class _Candidates:
    """For each group the indices of its candidates, ascending and at least one, group after group."""

    elements: Indices
    first: Indices
    """(groups,): where those of each group begin."""
    count: Indices
    """(groups,)"""

    @classmethod
    def all_for(cls, groups: int, elements: int) -> "_Candidates":
        """Every element for every group."""
        return cls(np.arange(elements), np.zeros(groups, np.int64), np.full(groups, elements))

    def handed_down(self, group_of: Indices) -> "_Candidates":
        """To each member the candidates of its group."""
        return _Candidates(self.elements, self.first[group_of], self.count[group_of])

    def pairs(self) -> tuple[Indices, Indices, Indices]:
        """Every pair as group and element, and where the pairs of each group begin."""
        first = np.cumsum(self.count) - self.count
        place = np.arange(self.count.sum()) + np.repeat(self.first - first, self.count)
        return np.repeat(np.arange(len(self.count)), self.count), self.elements[place], first


def _narrowed(candidates: _Candidates, level: _Level, lines: _Lines) -> _Candidates:
    """The candidates of the cells of a level that can be nearest to something in their cell."""
    cell, element, first = candidates.pairs()
    distances = lines.distances(element, *level.centres_mm[cell].T)
    diagonal = level.side_mm * np.sqrt(2.0)
    limit = np.minimum.reduceat(distances, first) + diagonal + _MARGIN_MM
    near = distances <= limit[cell]
    count = np.bincount(cell[near], minlength=len(first))
    return _Candidates(element[near], np.cumsum(count) - count, count)


def _nearest(candidates: _Candidates, positions_mm: Reals, lines: _Lines) -> tuple[Indices, Reals]:
    position, element, first = candidates.pairs()
    distances = lines.distances(element, *positions_mm[position].T)
    least = np.minimum.reduceat(distances, first)
    # Candidates ascend, so the first of a position's nearest ones has the lowest index.
    nearest = np.flatnonzero(distances <= least[position] + _TIE_MM)
    _, first_of_position = np.unique(position[nearest], return_index=True)
    chosen = nearest[first_of_position]
    return element[chosen], distances[chosen]
