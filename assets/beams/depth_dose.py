"""The numbers for the pictures of a simulated dose: along the beam, and in a plane through its maximum.

Depths are those of voxel centres, in mm of water below the surface. Which axis runs along the beam depends on
the engine, and the unit of the grid tells which engine it was: see `dose_grid`.

Not here: the pictures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.beams.dose_grid import ISOCENTRE_DEPTH_MM, DoseGrid

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DepthDose:
    """The dose of the voxels in line with the beam, through the largest of all; arrays are read-only."""

    depth_mm: Reals
    """(voxels,), ascending."""
    dose: Reals
    """(voxels,), in the unit of the grid."""
    at: str
    """Where the line runs, relative to the isocentre: `x = 0.0 mm, z = -1.5 mm`."""

    @property
    def peak_depth_mm(self) -> float:
        """Where the dose is largest, the first place of several."""
        return float(self.depth_mm[self.dose.argmax()])


@dataclass(frozen=True, slots=True, eq=False)
class DosePlane:
    """The dose in a plane through its maximum; arrays are read-only."""

    dose: Reals
    """(vertical, horizontal), in the unit of the grid."""
    horizontal_mm: Reals
    """Of voxel centres, ascending, as the next."""
    vertical_mm: Reals
    horizontal: str
    """What is across: `x`."""
    vertical: str
    """What is down: `depth`; of a plane across the beam `y`."""
    at: str
    """Where the plane lies: `z = -1.5 mm`, or `20 mm deep`."""


@dataclass(frozen=True, slots=True, eq=False)
class _InLine:
    """A dose with its axes in the order aside, along the beam, x."""

    values: NDArray[np.floating]
    aside: str
    """What the first axis is called in the grid: `z`, or `y`."""
    aside_mm: Reals
    depth_mm: Reals
    x_mm: Reals

    @property
    def peak(self) -> tuple[int, ...]:
        """The index of the largest dose, the first of several."""
        return tuple(map(int, np.unravel_index(int(self.values.argmax()), self.values.shape)))


def depth_dose(grid: DoseGrid) -> DepthDose | None:
    """The dose along the beam; None where the grid has one depth only (the two-centimetre mode)."""
    line = _in_line(grid)
    if len(line.depth_mm) == 1:
        return None
    aside, _, x = line.peak
    at = f"{_place('x', line.x_mm[x])}, {_place(line.aside, line.aside_mm[aside])}"
    return DepthDose(line.depth_mm, _reals(line.values[aside, :, x]), at)


def central_plane(grid: DoseGrid) -> DosePlane:
    """The plane of x and the beam through the largest dose; of a grid with one depth that plane itself."""
    line = _in_line(grid)
    if len(line.depth_mm) == 1:
        deep = f"{line.depth_mm[0]:g} mm deep"
        return DosePlane(_reals(line.values[:, 0]), line.x_mm, line.aside_mm, "x", line.aside, deep)
    aside, _, _ = line.peak
    at = _place(line.aside, line.aside_mm[aside])
    return DosePlane(_reals(line.values[aside]), line.x_mm, line.depth_mm, "x", "depth", at)


def _in_line(grid: DoseGrid) -> _InLine:
    x, y, z = (
        _reals(first + step * np.arange(voxels))
        for first, step, voxels in zip(grid.origin_mm, grid.spacing_mm, grid.values.shape[::-1], strict=True)
    )
    if grid.unit == "arbitrary":
        return _InLine(grid.values, "z", z, _reals(y + ISOCENTRE_DEPTH_MM), x)
    # The GPU engine's z runs against the beam: the last frame is the first that the beam meets.
    against = grid.values[::-1].swapaxes(0, 1)
    return _InLine(against, "y", y, _reals(ISOCENTRE_DEPTH_MM - z[::-1]), x)


def _place(axis: str, millimetres: float) -> str:
    # Without "-0.0": a voxel may lie some 1e-14 mm beside the isocentre.
    return f"{axis} = {round(float(millimetres), 1) + 0.0:.1f} mm"


def _reals(values: NDArray[np.floating]) -> Reals:
    """A read-only copy, so that what is drawn holds no file open."""
    copied = np.array(values, np.float64)
    copied.setflags(write=False)
    return copied
