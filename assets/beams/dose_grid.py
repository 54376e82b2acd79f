"""The dose that an engine wrote: where its voxels lie, if it can be a dose, if the phantom holds it.

Both engines simulate a cube of water whose surface lies 20 mm before the isocentre. The CPU engine's raster
is brought to DICOM axes here (its x and y run the other way), so that the beam enters through the face of
lowest y. The GPU engine's plane or stack keeps the axes of its phantom: x and y across the beam, z along it.

Not here: whether the engine's run may be believed at all (`evidence`), the pixels of an RTDOSE.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from assets.beams.case_warnings import CaseWarning
from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown

DoseUnit = Literal["arbitrary", "Gy"]
Millimetres = tuple[float, float, float]
"""Along x, y and z."""

PHANTOM_MM: Final = 400.0
"""The least side of the CPU engine's cube; with whole voxels it may be longer."""
ISOCENTRE_DEPTH_MM: Final = 20.0
HEADER: Final = "Dose.mhd"
VALUES: Final = "Dose.raw"
"""What the CPU engine writes, and only under these names."""
RANGE_BEYOND_PHANTOM_MEV: Final = 230.0
"""Above this energy a maximum on the boundary is a warning: the range nears the length of the phantom."""

_MOQUI_VOXELS: Final = 400
_MOQUI_FIRST_MM: Final = (-199.5, -199.5, -379.5)
_LARGEST_HEADER: Final = 4096
_ROUNDING_MM: Final = 1e-6
"""Headers have six decimals."""
_HEADER_LINE: Final = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")
_RUN_IT_AGAIN: Final = "look at the engine's log, then rerun the beam"


@dataclass(frozen=True, slots=True, eq=False)
class DoseGrid:
    """A dose on a grid. Positions are those of voxel centres, relative to the isocentre."""

    values: NDArray[Any]
    """(frames along z, rows along y, columns along x), float32 or float64, read-only."""
    spacing_mm: Millimetres
    origin_mm: Millimetres
    """The centre of the first voxel."""
    unit: DoseUnit
    """`arbitrary` is the CPU engine's eV per gram and proton."""


@dataclass(frozen=True, slots=True)
class DoseFigures:
    """What is told of a dose, in the unit of its grid."""

    maximum: float
    mean: float


def phantom_voxels(voxel_mm: float) -> int:
    """The voxels along each side of the CPU engine's cube."""
    return math.ceil(PHANTOM_MM / voxel_mm)


def mcsquare_dose(folder: Path, voxel_mm: float | None = None) -> DoseGrid:
    """The dose of the CPU engine in a folder, in DICOM axes; the beam goes along +y.

    Args:
        folder: holds `Dose.mhd` and `Dose.raw`.
        voxel_mm: the voxel that was asked for; None takes the one that the header states.

    Raises:
        BeamFailure: `missing_output`, or `dose_size` where the files are not the dose of such a phantom.
    """
    voxels, voxel_mm = _stated_raster(_header(folder / HEADER), voxel_mm)
    raster = _values(folder / VALUES, "<f4", (voxels, voxels, voxels))
    half = voxel_mm / 2
    side = voxels * voxel_mm
    origin = (half - side / 2, half - ISOCENTRE_DEPTH_MM, half - side / 2)
    return DoseGrid(raster[:, ::-1, ::-1], (voxel_mm, voxel_mm, voxel_mm), origin, "arbitrary")


def moqui_dose(raw: Path) -> DoseGrid:
    """The dose of the GPU engine: the plane 20 mm deep, or the whole phantom, in the phantom's own axes.

    Raises:
        BeamFailure: `missing_output`, or `dose_size` where it is neither.
    """
    plane, stack = ((frames, _MOQUI_VOXELS, _MOQUI_VOXELS) for frames in (1, _MOQUI_VOXELS))
    size = _size(raw)
    shape = stack if size == math.prod(stack) * np.dtype("<f8").itemsize else plane
    x, y, z = _MOQUI_FIRST_MM
    return DoseGrid(_values(raw, "<f8", shape), (1.0, 1.0, 1.0), (x, y, z if shape is stack else 0.0), "Gy")


def dose_figures(grid: DoseGrid, name: str) -> DoseFigures:
    """Maximum and mean of a dose; `name` is what messages call it.

    Raises:
        BeamFailure: `non_finite_dose`, also for a negative value; `empty_dose`, where all of it is 0.
    """
    least, most = float(grid.values.min()), float(grid.values.max())
    if not math.isfinite(most) or least < 0:  # Of numbers with a NaN, the maximum is NaN.
        raise beam_failure(
            "non_finite_dose",
            f"The dose of {shown(name)} has a value that is none: all are finite and not negative;"
            f" {_RUN_IT_AGAIN}.",
        )
    if most <= 0:
        raise beam_failure(
            "empty_dose", f"The dose of {shown(name)} is 0 everywhere: no proton arrived; {_RUN_IT_AGAIN}."
        )
    return DoseFigures(most, float(grid.values.mean(dtype=np.float64)))


def boundary_warnings(grid: DoseGrid, highest_mev: float, name: str) -> tuple[CaseWarning, ...]:
    """What a maximum on the boundary of the phantom means; axes with one value have no boundary.

    Args:
        grid: a dose that `dose_figures` accepts.
        highest_mev: the highest energy of the beam's layers.
        name: what messages call the dose.

    Raises:
        BeamFailure: `dose_size`, for a beam of at most 230 MeV: the phantom does not hold its dose. Above
            that, the warning `boundary_maximum`.
    """
    place = np.unravel_index(int(grid.values.argmax()), grid.values.shape)
    on = [
        axis
        for axis, index, length in zip("zyx", place, grid.values.shape, strict=True)
        if length > 1 and index in (0, length - 1)
    ]
    if not on:
        return ()
    claim = f"The maximum of the dose of {shown(name)} lies on the boundary of the phantom along {on[0]}"
    if highest_mev > RANGE_BEYOND_PHANTOM_MEV:
        return (CaseWarning("boundary_maximum", f"{claim}; the beam has {highest_mev:.2f} MeV."),)
    raise beam_failure(
        "dose_size",
        f"{claim}, so the phantom does not hold the dose of {highest_mev:.2f} MeV: correct the logged"
        " positions or the machine's constants, then rerun the beam.",
    )


def _stated_raster(header: dict[str, str], asked_mm: float | None) -> tuple[int, float]:
    """Voxels along each side, and the voxel in mm, of a header that states a cube of the phantom's size."""
    try:
        sides = [int(text) for text in header["DimSize"].split()]
        spacing = [float(text) for text in header["ElementSpacing"].split()]
    except (KeyError, ValueError):
        raise _wrong_size(HEADER, "its header states no DimSize and ElementSpacing") from None
    if len(set(sides)) != 1 or len(sides) != 3 or len(set(spacing)) != 1 or len(spacing) != 3:
        raise _wrong_size(HEADER, f"its header states {sides} voxels of {spacing} mm, which is no cube")
    if header.get("ElementType") != "MET_FLOAT" or header.get("ElementByteOrderMSB") != "False":
        raise _wrong_size(HEADER, "its header states no little-endian float32 values")
    voxels, voxel_mm = sides[0], asked_mm or spacing[0]
    # Of a rounded voxel, another number may fit than of the one that was asked for.
    rounded = 0.0 if asked_mm else _ROUNDING_MM
    near = (voxel_mm - rounded, voxel_mm, voxel_mm + rounded)
    is_near = near[0] > 0 and abs(spacing[0] - voxel_mm) <= _ROUNDING_MM
    if not is_near or voxels not in map(phantom_voxels, near):
        raise _wrong_size(
            HEADER,
            f"its header states {voxels} voxels of {spacing[0]:g} mm, where the phantom has"
            f" {PHANTOM_MM:g} mm in voxels of {voxel_mm:g} mm",
        )
    return voxels, voxel_mm


def _header(path: Path) -> dict[str, str]:
    if _size(path) > _LARGEST_HEADER:
        raise _wrong_size(path.name, f"a header has at most {_LARGEST_HEADER} bytes")
    lines = path.read_text("utf-8", "replace").splitlines()
    return {named[1]: named[2] for line in lines if (named := _HEADER_LINE.fullmatch(line))}


def _values(path: Path, kind: str, shape: tuple[int, int, int]) -> NDArray[Any]:
    """The numbers of a raw file, mapped: a stack of the GPU engine has 512 MB."""
    expected = math.prod(shape) * np.dtype(kind).itemsize
    if (size := _size(path)) != expected:
        raise _wrong_size(path.name, f"it has {size} bytes where {expected} are expected")
    return np.memmap(path, kind, "r", shape=shape)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise beam_failure(
            "missing_output", f"There is no output {shown(path.name)}; {_RUN_IT_AGAIN}."
        ) from None


def _wrong_size(name: str, problem: str) -> BeamFailure:
    return beam_failure("dose_size", f"The output {shown(name)} is refused: {problem}; {_RUN_IT_AGAIN}.")
