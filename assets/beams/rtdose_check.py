"""Whether an RTDOSE keeps its promises: its numbers read back as the dose, its references lead to the plan.

Everything is asked of the bytes of the file, by pydicom and by sums of its own: the code that wrote the file
has no say in it. A file that cannot be read is a problem like any other.

Not here: writing (`rtdose`). That an independent tool reads the same is for the tests to show.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTDoseStorage

from assets.beams.attributes import PARSING_ERRORS
from assets.beams.dose_grid import DoseGrid
from assets.beams.dose_pixels import DoseUnits
from assets.beams.failures import one_line
from assets.beams.keys import shown
from assets.beams.plan import Plan
from assets.beams.plan_files import ION_PLAN_STORAGE

LEAST_MAXIMUM: Final = 65_000
"""The largest pixel is at least this, or the scaling wastes what 16 bits can tell apart."""
MOST_COUNTS: Final = 1.0
"""How far a value may be from the dose, in counts: the scaling is one count."""
LONGEST_DECIMAL: Final = 16
"""Characters of a number in a DICOM decimal string."""

_ROUNDING_MM: Final = 1e-6
_UNREADABLE: Final = (*PARSING_ERRORS, AttributeError)


@dataclass(frozen=True, slots=True)
class ScaledBack:
    """What the numbers of an RTDOSE are, read back."""

    problems: tuple[str, ...]
    """What is wrong, one sentence each; empty where nothing is."""
    units: str | None = None
    """DoseUnits; None, as the others, where the file does not tell."""
    scaling: float | None = None
    largest_pixel: int | None = None
    largest_error_counts: float | None = None
    """The largest distance of any value from the dose, in counts."""


def rtdose_scales_back(content: bytes, grid: DoseGrid, gray: float | None) -> ScaledBack:
    """Compare every value of an RTDOSE, and the place it has, with the dose it was made from.

    Args:
        content: of the file.
        grid: the dose.
        gray: what a unit of the grid is in Gy, None without a calibration and for a grid in Gy.
    """
    try:
        with disable_value_validation():
            return _scaled_back(_read(content), grid, gray)
    except _UNREADABLE as error:
        return ScaledBack((_unreadable(error),))


def rtdose_references_the_plan(content: bytes, plan: Plan, dicom_number: int) -> tuple[str, ...]:
    """What is wrong with whose dose an RTDOSE says it is, one sentence each; empty where nothing is.

    Args:
        content: of the file.
        plan: of the case.
        dicom_number: of the beam.
    """
    try:
        with disable_value_validation():
            return tuple(_reference_problems(_read(content), plan, dicom_number))
    except _UNREADABLE as error:
        return (_unreadable(error),)


def stated_units(path: Path) -> DoseUnits:
    """The DoseUnits of an RTDOSE file."""
    return pydicom.dcmread(path, specific_tags=["DoseUnits"]).DoseUnits


def _read(content: bytes) -> Dataset:
    return pydicom.dcmread(BytesIO(content), force=False)


def _unreadable(error: Exception) -> str:
    # Its own text would tell a person to pass `force=True`.
    reason = "it has no DICM header" if isinstance(error, InvalidDicomError) else str(error)
    return one_line(f"It cannot be read as DICOM ({reason or type(error).__name__:.200}).")


def _scaled_back(read: Dataset, grid: DoseGrid, gray: float | None) -> ScaledBack:
    pixels = read.pixel_array.reshape(-1, read.Rows, read.Columns)
    text = str(read.DoseGridScaling)
    scaling = float(text)
    problems = [*_form_problems(read, grid, gray), *_place_problems(read, grid)]
    if len(text) > LONGEST_DECIMAL:
        problems.append(f"DoseGridScaling {shown(text)} is longer than {LONGEST_DECIMAL} characters.")
    if not (math.isfinite(scaling) and scaling > 0):
        problems.append(f"DoseGridScaling {shown(text)} is not more than 0.")
        return ScaledBack(tuple(problems), str(read.DoseUnits))
    largest = int(pixels.max())
    if largest < LEAST_MAXIMUM:
        problems.append(f"Its largest pixel is {largest}, less than {LEAST_MAXIMUM}.")
    if pixels.shape != grid.values.shape:
        problems.append(f"It has {pixels.shape} frames, rows and columns, the dose has {grid.values.shape}.")
        return ScaledBack(tuple(problems), str(read.DoseUnits), scaling, largest)
    error = _largest_error(pixels, scaling, grid, gray)
    if not error <= MOST_COUNTS:
        problems.append(f"A value is {error:.3g} counts from the dose, more than {MOST_COUNTS:g}.")
    return ScaledBack(tuple(problems), str(read.DoseUnits), scaling, largest, error)


def _largest_error(pixels: NDArray[np.uint16], scaling: float, grid: DoseGrid, gray: float | None) -> float:
    """In counts; frame by frame, because a large dose fits the memory once but not three times."""
    maximum = float(grid.values.max())
    errors: list[float] = []
    for frame, dose in zip(pixels, grid.values, strict=True):
        expected = dose.astype(np.float64)
        if grid.unit == "arbitrary":
            expected = expected / maximum if gray is None else expected * gray
        errors.append(float(np.abs(expected - frame * scaling).max()))
    return max(errors) / scaling


def _form_problems(read: Dataset, grid: DoseGrid, gray: float | None) -> Iterator[str]:
    known = grid.unit == "Gy" or gray is not None
    units = "GY" if known else "RELATIVE"
    if read.DoseUnits != units:
        calibration = "calibrated" if known else "not calibrated"
        yield f"DoseUnits is {shown(str(read.DoseUnits))}, of a dose that is {calibration} it is {units}."
    form = (read.BitsAllocated, read.BitsStored, read.HighBit, read.PixelRepresentation)
    if form != (16, 16, 15, 0):
        yield f"Its pixels have bits and sign {form}, not 16 bits without a sign."


def _place_problems(read: Dataset, grid: DoseGrid) -> Iterator[str]:
    frames = grid.values.shape[0]
    x_mm, y_mm, z_mm = grid.spacing_mm
    places: dict[str, list[float]] = {
        "PixelSpacing": [y_mm, x_mm],
        "ImagePositionPatient": list(grid.origin_mm),
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }
    if frames > 1:
        places["GridFrameOffsetVector"] = [frame * z_mm for frame in range(frames)]
        if read.get("FrameIncrementPointer") != tag_for_keyword("GridFrameOffsetVector"):
            yield "FrameIncrementPointer does not point at GridFrameOffsetVector."
    for keyword, expected in places.items():
        if not _close(read.get(keyword), expected):
            yield f"{keyword} is not that of the dose."


def _close(values: Any, expected: list[float]) -> bool:
    given = [float(value) for value in values or ()]
    return len(given) == len(expected) and np.allclose(given, expected, rtol=0, atol=_ROUNDING_MM)


def _reference_problems(read: Dataset, plan: Plan, dicom_number: int) -> Iterator[str]:
    for keyword, expected in {
        "SOPClassUID": RTDoseStorage,
        "Modality": "RTDOSE",
        "DoseType": "PHYSICAL",
        "DoseSummationType": "BEAM",
    }.items():
        if read.get(keyword) != expected:
            yield f"{keyword} is not {expected}."
    # Identities are compared and never shown.
    for keyword, expected in {
        "PatientID": plan.patient_id,
        "StudyInstanceUID": plan.study_instance_uid,
        "FrameOfReferenceUID": plan.frame_of_reference_uid or read.get("FrameOfReferenceUID"),
    }.items():
        if not expected or read.get(keyword) != expected:
            yield f"{keyword} is not that of the plan."
    yield from _plan_problems(read, plan, dicom_number)
    if private := [element.tag for element in read.iterall() if element.tag.is_private]:
        yield f"It has private data, {private[0]}."


def _plan_problems(read: Dataset, plan: Plan, dicom_number: int) -> Iterator[str]:
    plans = read.get("ReferencedRTPlanSequence") or ()
    if len(plans) != 1:
        yield f"It refers to {len(plans)} plans, not to one."
        return
    identity = (plans[0].get("ReferencedSOPClassUID"), plans[0].get("ReferencedSOPInstanceUID"))
    if identity != (ION_PLAN_STORAGE, plan.sop_instance_uid):
        yield "The plan it refers to is not that of the case."
    beams = [
        int(beam.ReferencedBeamNumber)
        for group in plans[0].get("ReferencedFractionGroupSequence") or ()
        for beam in group.get("ReferencedBeamSequence") or ()
    ]
    if beams != [dicom_number]:
        yield f"It refers to beams {beams}, and is of beam {dicom_number}."
