import math
from pathlib import Path

import numpy as np
import pytest

from assets.beams.dose_grid import (
    DoseGrid,
    boundary_warnings,
    dose_figures,
    mcsquare_dose,
    moqui_dose,
    phantom_voxels,
)
from assets.beams.failures import BeamFailure
from tests.assets.beams.engine_outputs import mcsquare_output, moqui_plane


def grid_of(values: np.ndarray) -> DoseGrid:
    return DoseGrid(values, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), "Gy")


@pytest.mark.parametrize(
    ("voxel_mm", "voxels"), [(1, 400), (3, 134), (10, 40), (2.5, 160), (7, 58), (400 / 171, 171)]
)
def test_the_phantom_has_whole_voxels_and_is_never_shorter_than_400_mm(voxel_mm: float, voxels: int) -> None:
    assert phantom_voxels(voxel_mm) == voxels
    assert voxels * voxel_mm >= 400 - 1e-9


def test_the_cpu_engines_raster_is_turned_in_x_and_y_but_not_in_z(tmp_path: Path) -> None:
    voxels = 40
    raster = np.zeros((voxels, voxels, voxels), np.float32)
    raster[3, 5, 7] = 2.0
    mcsquare_output(tmp_path, raster, 10.0)
    grid = mcsquare_dose(tmp_path, 10.0)
    assert np.argwhere(grid.values).tolist() == [[3, voxels - 1 - 5, voxels - 1 - 7]]
    assert grid.values.dtype == np.float32
    assert grid.unit == "arbitrary"


def test_the_first_voxel_lies_half_a_voxel_below_the_surface_20_mm_before_the_isocentre(
    tmp_path: Path,
) -> None:
    mcsquare_output(tmp_path, np.ones((134, 134, 134), np.float32), 3.0)
    grid = mcsquare_dose(tmp_path)
    assert grid.spacing_mm == (3.0, 3.0, 3.0)
    assert grid.origin_mm == (-199.5, -18.5, -199.5)


def test_a_voxel_that_the_header_rounds_is_the_one_that_was_asked_for(tmp_path: Path) -> None:
    voxel = 400 / 44  # 9.090909 in the header, of which 45 would be needed
    mcsquare_output(tmp_path, np.ones((44, 44, 44), np.float32), voxel)
    assert mcsquare_dose(tmp_path, voxel).spacing_mm == (voxel, voxel, voxel)
    assert mcsquare_dose(tmp_path).spacing_mm[0] == pytest.approx(voxel, abs=1e-6)


HEADER = (
    "DimSize = 40 40 40\nElementSpacing = 10.0 10.0 10.0\nElementType = MET_FLOAT\n"
    "ElementByteOrderMSB = False\n"
)


@pytest.mark.parametrize(
    ("changed", "to"),
    [
        ("DimSize = 40 40 40", "DimSize = 40 40 39"),
        ("DimSize = 40 40 40", "DimSize = 40 40"),
        ("DimSize = 40 40 40", "DimSize = 41 41 41"),
        ("DimSize = 40 40 40", "DimSize = 39 39 39"),
        ("DimSize = 40 40 40", "DimSize = many"),
        ("DimSize = 40 40 40\n", ""),
        ("ElementSpacing = 10.0 10.0 10.0", "ElementSpacing = 10.0 10.0 9.0"),
        ("ElementSpacing = 10.0 10.0 10.0", "ElementSpacing = 9.9 9.9 9.9"),
        ("ElementSpacing = 10.0 10.0 10.0", "ElementSpacing = 10.00001 10.00001 10.00001"),
        ("ElementSpacing = 10.0 10.0 10.0", "ElementSpacing = nan nan nan"),
        ("ElementSpacing = 10.0 10.0 10.0\n", ""),
        ("MET_FLOAT", "MET_DOUBLE"),
        ("MSB = False", "MSB = True"),
        ("DimSize", "x" * 5000),
    ],
)
def test_a_header_that_states_another_raster_is_refused(tmp_path: Path, changed: str, to: str) -> None:
    (tmp_path / "Dose.raw").write_bytes(bytes(4 * 40**3))
    (tmp_path / "Dose.mhd").write_text(HEADER.replace(changed, to))
    with pytest.raises(BeamFailure, match=r"Dose\.mhd") as refusal:
        mcsquare_dose(tmp_path, 10.0)
    assert refusal.value.code == "dose_size"


@pytest.mark.parametrize("spacing", ["0", "-10", "inf", "1e-9", "9.9"])
def test_a_header_must_state_a_possible_voxel_even_where_any_would_do(tmp_path: Path, spacing: str) -> None:
    (tmp_path / "Dose.raw").write_bytes(bytes(4 * 40**3))
    (tmp_path / "Dose.mhd").write_text(HEADER.replace("10.0", spacing))
    with pytest.raises(BeamFailure, match=r"Dose\.mhd") as refusal:
        mcsquare_dose(tmp_path)
    assert refusal.value.code == "dose_size"


def test_the_header_that_these_tests_change_is_accepted_unchanged(tmp_path: Path) -> None:
    (tmp_path / "Dose.raw").write_bytes(bytes(4 * 40**3))
    (tmp_path / "Dose.mhd").write_text(HEADER)
    assert mcsquare_dose(tmp_path, 10.0).values.shape == (40, 40, 40)


@pytest.mark.parametrize("size", [0, 4 * 40**3 - 1, 4 * 40**3 + 4])
def test_values_of_another_size_are_refused_and_both_sizes_named(tmp_path: Path, size: int) -> None:
    (tmp_path / "Dose.raw").write_bytes(bytes(size))
    (tmp_path / "Dose.mhd").write_text(HEADER)
    with pytest.raises(BeamFailure, match=f"'Dose.raw'.* {size} bytes where 256000") as refusal:
        mcsquare_dose(tmp_path)
    assert refusal.value.code == "dose_size"


@pytest.mark.parametrize("absent", ["Dose.mhd", "Dose.raw"])
def test_a_part_that_is_not_there_is_a_missing_output(tmp_path: Path, absent: str) -> None:
    mcsquare_output(tmp_path, np.ones((40, 40, 40), np.float32), 10.0)
    (tmp_path / absent).unlink()
    with pytest.raises(BeamFailure, match=f"'{absent}'") as refusal:
        mcsquare_dose(tmp_path)
    assert refusal.value.code == "missing_output"


def test_the_gpu_engines_plane_has_its_columns_along_x_and_lies_at_the_isocentre(tmp_path: Path) -> None:
    plane = np.zeros((400, 400))
    plane[10, 20] = 1.0
    grid = moqui_dose(moqui_plane(tmp_path / "dose.raw", plane))
    assert np.argwhere(grid.values).tolist() == [[0, 10, 20]]
    assert grid.origin_mm == (-199.5, -199.5, 0.0)
    assert grid.spacing_mm == (1.0, 1.0, 1.0)
    assert grid.unit == "Gy"


def test_the_gpu_engines_stack_begins_at_the_far_end_of_the_phantom(tmp_path: Path) -> None:
    with (tmp_path / "dose.raw").open("wb") as file:
        file.truncate(8 * 400**3)
    grid = moqui_dose(tmp_path / "dose.raw")
    assert grid.values.shape == (400, 400, 400)
    assert grid.origin_mm == (-199.5, -199.5, -379.5)


@pytest.mark.parametrize("size", [0, 8 * 400**2 - 8, 8 * 400**2 + 1, 2 * 8 * 400**2])
def test_a_raw_dose_that_is_neither_plane_nor_stack_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "dose.raw").write_bytes(bytes(size))
    with pytest.raises(BeamFailure) as refusal:
        moqui_dose(tmp_path / "dose.raw")
    assert refusal.value.code == "dose_size"


def test_a_dose_cannot_be_changed_through_its_grid(tmp_path: Path) -> None:
    grid = moqui_dose(moqui_plane(tmp_path / "dose.raw", np.ones((400, 400))))
    with pytest.raises(ValueError, match="read-only"):
        grid.values[0, 0, 0] = 2.0


def test_maximum_and_mean_are_those_of_all_voxels() -> None:
    figures = dose_figures(grid_of(np.array([[[1.0, 2.0], [0.0, 5.0]]])), "QA0001_beam_1")
    assert (figures.maximum, figures.mean) == (5.0, 2.0)


def test_the_mean_of_a_large_float32_dose_is_summed_in_float64() -> None:
    values = np.full((100, 400, 400), 0.1, np.float32)
    assert dose_figures(grid_of(values), "b").mean == pytest.approx(float(np.float32(0.1)), rel=1e-12)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (math.nan, "non_finite_dose"),
        (math.inf, "non_finite_dose"),
        (-math.inf, "non_finite_dose"),
        (-1e-300, "non_finite_dose"),
    ],
)
@pytest.mark.parametrize("others", [0.0, 1.0])
def test_one_value_that_is_none_refuses_a_dose(value: float, code: str, others: float) -> None:
    values = np.full((2, 3, 4), others)
    values[1, 1, 1] = value
    with pytest.raises(BeamFailure, match="'QA0001_beam_1'") as refusal:
        dose_figures(grid_of(values), "QA0001_beam_1")
    assert refusal.value.code == code


def test_a_dose_of_nothing_is_empty_and_the_smallest_one_is_not() -> None:
    with pytest.raises(BeamFailure) as refusal:
        dose_figures(grid_of(np.zeros((2, 2, 2))), "b")
    assert refusal.value.code == "empty_dose"
    assert dose_figures(grid_of(np.full((2, 2, 2), 1e-300)), "b").maximum == 1e-300


def with_maximum_at(shape: tuple[int, int, int], place: tuple[int, int, int]) -> DoseGrid:
    values = np.ones(shape)
    values[place] = 2.0
    return grid_of(values)


@pytest.mark.parametrize(
    ("shape", "place", "axis"),
    [
        ((5, 5, 5), (0, 2, 2), "z"),
        ((5, 5, 5), (4, 2, 2), "z"),
        ((5, 5, 5), (2, 0, 2), "y"),
        ((5, 5, 5), (2, 4, 2), "y"),
        ((5, 5, 5), (2, 2, 0), "x"),
        ((5, 5, 5), (2, 2, 4), "x"),
        ((1, 5, 5), (0, 2, 4), "x"),
    ],
)
def test_a_maximum_on_the_boundary_refuses_a_dose_up_to_230_mev_and_warns_above(
    shape: tuple[int, int, int], place: tuple[int, int, int], axis: str
) -> None:
    grid = with_maximum_at(shape, place)
    with pytest.raises(BeamFailure, match=f"'b' lies on the boundary of the phantom along {axis}") as refusal:
        boundary_warnings(grid, 230.0, "b")
    assert refusal.value.code == "dose_size"
    (warning,) = boundary_warnings(grid, 230.01, "b")
    assert warning.code == "boundary_maximum"
    assert "230.01 MeV" in warning.message


@pytest.mark.parametrize(("shape", "place"), [((5, 5, 5), (1, 3, 1)), ((1, 5, 5), (0, 1, 3))])
def test_a_maximum_inside_is_fine_and_an_axis_of_one_value_has_no_boundary(
    shape: tuple[int, int, int], place: tuple[int, int, int]
) -> None:
    assert boundary_warnings(with_maximum_at(shape, place), 100.0, "b") == ()
    assert boundary_warnings(with_maximum_at(shape, place), 250.0, "b") == ()
