"""The numbers for the pictures of a dose: along the beam, and in the plane of the beam, by engine."""

from typing import Any

import numpy as np
import pytest

from assets.beams.depth_dose import central_plane, depth_dose
from assets.beams.dose_grid import DoseGrid, DoseUnit

VOXEL_MM = 2.0
SHAPE = (5, 8, 3)


def grid_with(peak: tuple[int, int, int], unit: DoseUnit = "arbitrary", **of: Any) -> DoseGrid:
    """A dose, (frames, rows, columns), with its largest value at `peak` and no two values equal."""
    values = np.linspace(0.0, 1.0, int(np.prod(of.get("shape", SHAPE)))).reshape(of.get("shape", SHAPE))
    values[peak] = 3.0
    origin = of.get("origin", (-2.0, -19.0, -4.0))
    return DoseGrid(values.astype(of.get("dtype", np.float64)), (VOXEL_MM, VOXEL_MM, VOXEL_MM), origin, unit)


def test_the_cpu_engines_beam_goes_along_y_and_enters_20_mm_before_the_isocentre() -> None:
    grid = grid_with((3, 4, 2))
    curve = depth_dose(grid)
    assert curve is not None
    assert curve.depth_mm.tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert curve.dose.tolist() == grid.values[3, :, 2].tolist()
    assert curve.peak_depth_mm == 9.0
    assert curve.at == "x = 2.0 mm, z = 2.0 mm"


def test_the_gpu_engines_beam_goes_against_z() -> None:
    # Five frames of 2 mm, the last one at the surface.
    grid = grid_with((3, 4, 2), "Gy", origin=(-2.0, -8.0, 11.0))
    curve = depth_dose(grid)
    assert curve is not None
    assert curve.depth_mm.tolist() == [1, 3, 5, 7, 9]
    assert curve.dose.tolist() == grid.values[::-1, 4, 2].tolist()
    assert curve.peak_depth_mm == 3.0
    assert curve.at == "x = 2.0 mm, y = 0.0 mm"


def test_of_two_equal_maxima_the_shallower_one_counts() -> None:
    grid = grid_with((2, 5, 1))
    values = grid.values.copy()
    values[2, 3, 1] = 3.0
    curve = depth_dose(DoseGrid(values, grid.spacing_mm, grid.origin_mm, grid.unit))
    assert curve is not None
    assert curve.peak_depth_mm == 7.0


def test_a_plane_has_no_depth_dose() -> None:
    assert depth_dose(grid_with((0, 4, 2), "Gy", shape=(1, 8, 3), origin=(-2.0, -8.0, 0.0))) is None
    assert depth_dose(grid_with((3, 0, 2), shape=(5, 1, 3))) is None


def test_the_central_plane_runs_along_the_beam_through_the_maximum() -> None:
    grid = grid_with((3, 4, 2))
    plane = central_plane(grid)
    np.testing.assert_array_equal(plane.dose, grid.values[3])
    assert (plane.horizontal, plane.vertical, plane.at) == ("x", "depth", "z = 2.0 mm")
    assert plane.horizontal_mm.tolist() == [-2, 0, 2]
    assert plane.vertical_mm.tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert plane.dose[plane.vertical_mm == 9, plane.horizontal_mm == 2] == 3.0


def test_the_gpu_engines_central_plane_has_the_surface_first() -> None:
    plane = central_plane(grid_with((3, 4, 2), "Gy", origin=(-2.0, -8.0, 11.0)))
    assert (plane.horizontal, plane.vertical, plane.at) == ("x", "depth", "y = 0.0 mm")
    assert plane.vertical_mm.tolist() == [1, 3, 5, 7, 9]
    assert plane.dose.shape == (5, 3)
    assert plane.dose[plane.vertical_mm == 3, plane.horizontal_mm == 2] == 3.0


def test_a_single_plane_is_its_own_central_plane() -> None:
    grid = grid_with((0, 4, 2), "Gy", shape=(1, 8, 3), origin=(-2.0, -8.0, 0.0))
    plane = central_plane(grid)
    np.testing.assert_array_equal(plane.dose, grid.values[0])
    assert (plane.horizontal, plane.vertical, plane.at) == ("x", "y", "20 mm deep")
    assert plane.vertical_mm.tolist() == [-8, -6, -4, -2, 0, 2, 4, 6]


def test_numbers_are_copies_in_float64_that_cannot_be_changed() -> None:
    grid = grid_with((3, 4, 2), dtype=np.float32)
    curve, plane = depth_dose(grid), central_plane(grid)
    assert curve is not None
    for array in (
        curve.depth_mm,
        curve.dose,
        plane.dose,
        plane.horizontal_mm,
        plane.vertical_mm,
    ):
        assert array.dtype == np.float64
        assert not np.shares_memory(array, grid.values)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def test_a_voxel_at_the_isocentre_is_at_0_and_not_at_minus_0() -> None:
    grid = grid_with((2, 4, 1), origin=(-2.0 - 1e-14, -19.0, -4.0 - 1e-14))
    curve = depth_dose(grid)
    assert curve is not None
    assert curve.at == "x = 0.0 mm, z = 0.0 mm"
