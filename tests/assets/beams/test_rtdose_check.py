"""What reading an RTDOSE back reveals: every promise of it that is broken, one by one."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.beams.dose_grid import DoseGrid
from assets.beams.rtdose_check import (
    ScaledBack,
    rtdose_references_the_plan,
    rtdose_scales_back,
    stated_units,
)
from tests.assets.beams.beam_doses import (
    changed,
    grid_of,
    plan_item,
    plan_of,
    ramp,
    read,
    written,
)
from tests.assets.beams.written_plans import ION_PLAN, data_set

GRID = grid_of(ramp())
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))


def reference(**of: Any) -> pydicom.Dataset:
    beam = data_set(ReferencedBeamNumber=of.get("beam", 5))
    group = data_set(ReferencedFractionGroupNumber=1, ReferencedBeamSequence=[beam] * of.get("times", 1))
    return data_set(
        ReferencedSOPClassUID=of.get("storage", ION_PLAN),
        ReferencedSOPInstanceUID=of.get("plan", "1.2.3.1"),
        ReferencedFractionGroupSequence=[group],
    )


def with_pixels(content: bytes, edit: Callable[[np.ndarray], np.ndarray]) -> bytes:
    return changed(content, PixelData=edit(read(content).pixel_array).astype("<u2").tobytes())


def with_private_data(content: bytes, *, nested: bool) -> bytes:
    dataset = read(content)
    target = dataset.ReferencedRTPlanSequence[0] if nested else dataset
    target.private_block(0x300B, "IMPAC", create=True).add_new(0x90, "LO", "secret")
    file = BytesIO()
    dataset.save_as(file)
    return file.getvalue()


@given(
    arrays(np.float64, SHAPES, elements=st.floats(0.0, 1.0)),
    st.floats(1e-300, 1e300),
    st.sampled_from([None, "gray", "Gy"]),
)
def test_any_dose_reads_back_within_one_count(parts: np.ndarray, largest: float, kind: str | None) -> None:
    parts.flat[parts.size // 2] = 1.0
    grid = grid_of(parts * largest, "Gy" if kind == "Gy" else "arbitrary")
    gray = 2.5 if kind == "gray" else None
    found = rtdose_scales_back(written(grid, gray=gray), grid, gray)
    assert found.problems == ()
    assert found.largest_error_counts is not None
    assert found.largest_error_counts <= 0.5 + 1e-6
    assert found.largest_pixel == 65_535
    assert found.units == ("RELATIVE" if kind is None else "GY")


def test_what_was_read_back_is_told() -> None:
    found = rtdose_scales_back(
        written(grid_of(ramp(largest=2.0), "Gy")), grid_of(ramp(largest=2.0), "Gy"), None
    )
    assert found.problems == ()
    assert (found.units, found.largest_pixel) == ("GY", 65_535)
    assert found.scaling == pytest.approx(2.0 / 65_535, rel=1e-9)


def test_a_single_plane_reads_back() -> None:
    plane = grid_of(ramp((1, 3, 4)), "Gy")
    assert rtdose_scales_back(written(plane), plane, None).problems == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            changed(written(GRID), DoseUnits="GY"),
            "DoseUnits is 'GY', of a dose that is not calibrated it is RELATIVE",
        ),
        (written(GRID, gray=1.0), "DoseUnits is 'GY', of a dose that is not calibrated"),
        (changed(written(GRID), DoseGridScaling="0"), "DoseGridScaling '0' is not more than 0"),
        (changed(written(GRID), DoseGridScaling="-1"), "DoseGridScaling '-1' is not more than 0"),
        (changed(written(GRID), DoseGridScaling="nan"), "DoseGridScaling 'nan' is not more than 0"),
        (changed(written(GRID), DoseGridScaling="1.52590218966964E-5"), "longer than 16 characters"),
        (changed(written(GRID), DoseGridScaling="1.53E-5"), "counts from the dose, more than 1"),
        (with_pixels(written(GRID), lambda pixels: pixels[::-1]), "counts from the dose, more than 1"),
        (with_pixels(written(GRID), lambda pixels: pixels[:, ::-1]), "counts from the dose, more than 1"),
        (with_pixels(written(GRID), lambda pixels: pixels[:, :, ::-1]), "counts from the dose, more than 1"),
        (with_pixels(written(GRID), lambda pixels: pixels // 2), "largest pixel is 32767, less than 65000"),
        (changed(written(GRID), PixelSpacing=[3, 2]), "PixelSpacing is not that of the dose"),
        (changed(written(GRID), PixelSpacing=None), "PixelSpacing is not that of the dose"),
        (changed(written(GRID), ImagePositionPatient=[-4.5, -18.5, 3]), "ImagePositionPatient is not that"),
        (
            changed(written(GRID), ImageOrientationPatient=[1, 0, 0, 0, 0, 1]),
            "ImageOrientationPatient is not",
        ),
        (changed(written(GRID), GridFrameOffsetVector=[0, 3, 6, 9]), "GridFrameOffsetVector is not that"),
        (changed(written(GRID), GridFrameOffsetVector=[0, 1.5, 3]), "GridFrameOffsetVector is not that"),
        (changed(written(GRID), FrameIncrementPointer=None), "FrameIncrementPointer does not point"),
        (changed(written(GRID), PixelRepresentation=1), "bits and sign (16, 16, 15, 1), not 16 bits without"),
        (changed(written(GRID), Rows=2, Columns=3), "It has (4, 2, 3) frames, rows and columns"),
        (changed(written(GRID), PixelData=bytes(46)), "It cannot be read as DICOM"),
        (changed(written(GRID), DoseGridScaling=None), "It cannot be read as DICOM"),
        (changed(written(GRID), DoseUnits=None), "It cannot be read as DICOM"),
        (written(GRID)[:-10], "It cannot be read as DICOM"),
        (written(GRID)[:900], "It cannot be read as DICOM"),
        (b"", "It cannot be read as DICOM"),
        (b"no DICOM at all" * 20, "It cannot be read as DICOM (it has no DICM header)."),
    ],
)
def test_numbers_that_are_not_the_dose_are_told(content: bytes, problem: str) -> None:
    found = rtdose_scales_back(content, GRID, None)
    assert len(found.problems) >= 1
    assert any(problem in said for said in found.problems), found.problems


def test_a_dose_in_gray_that_says_relative_is_told() -> None:
    assert rtdose_scales_back(written(GRID), GRID, 1.0).problems[0] == (
        "DoseUnits is 'RELATIVE', of a dose that is calibrated it is GY."
    )


def test_another_dose_is_told() -> None:
    values = ramp()
    values[2, 1, 1] += 3 / 65_535
    found = rtdose_scales_back(written(GRID), grid_of(values), None)
    assert found.largest_error_counts == pytest.approx(3, abs=0.6)
    assert len(found.problems) == 1


@pytest.mark.parametrize(("counts", "problems"), [(0.99, 0), (-0.99, 0), (1.01, 1), (-1.01, 1)])
def test_one_count_is_the_most_that_a_value_may_be_off(counts: float, problems: int) -> None:
    grid = grid_of(ramp(largest=2.0), "Gy")
    content = written(grid)
    dataset = read(content)
    scaling = float(dataset.DoseGridScaling)
    exact = dataset.pixel_array * scaling
    exact[2, 1, 1] += counts * scaling
    found = rtdose_scales_back(content, grid_of(exact, "Gy"), None)
    assert found.largest_error_counts == pytest.approx(abs(counts))
    assert len(found.problems) == problems


def test_a_file_that_tells_nothing_has_no_numbers() -> None:
    found = rtdose_scales_back(b"", GRID, None)
    assert found == ScaledBack(found.problems)
    assert found.scaling is None


def test_the_references_of_a_dose_hold_for_its_own_beam_and_no_other() -> None:
    plan = plan_of(plan_item())
    for index, dicom_number in enumerate((5, 3, 9), start=1):
        content = written(GRID, index=index)
        assert rtdose_references_the_plan(content, plan, dicom_number) == ()
        (problem,) = rtdose_references_the_plan(content, plan, index)
        assert problem == f"It refers to beams [{dicom_number}], and is of beam {index}."


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (changed(written(GRID), SOPClassUID=ION_PLAN), "SOPClassUID is not 1.2.840.10008.5.1.4.1.1.481.2."),
        (changed(written(GRID), Modality="RTPLAN"), "Modality is not RTDOSE."),
        (changed(written(GRID), DoseType="EFFECTIVE"), "DoseType is not PHYSICAL."),
        (changed(written(GRID), DoseSummationType="PLAN"), "DoseSummationType is not BEAM."),
        (changed(written(GRID), PatientID="QA0002"), "PatientID is not that of the plan."),
        (changed(written(GRID), PatientID=None), "PatientID is not that of the plan."),
        (changed(written(GRID), StudyInstanceUID="1.2.3.9"), "StudyInstanceUID is not that of the plan."),
        (
            changed(written(GRID), FrameOfReferenceUID="1.2.3.9"),
            "FrameOfReferenceUID is not that of the plan.",
        ),
        (changed(written(GRID), ReferencedRTPlanSequence=None), "It refers to 0 plans, not to one."),
        (
            changed(written(GRID), ReferencedRTPlanSequence=[reference(), reference()]),
            "It refers to 2 plans, not to one.",
        ),
        (
            changed(written(GRID), ReferencedRTPlanSequence=[reference(plan="1.2.3.9")]),
            "The plan it refers to is not that of the case.",
        ),
        (
            changed(written(GRID), ReferencedRTPlanSequence=[reference(storage="1.2")]),
            "The plan it refers to is not that of the case.",
        ),
        (
            changed(written(GRID), ReferencedRTPlanSequence=[reference(times=2)]),
            "It refers to beams [5, 5], and is of beam 5.",
        ),
        (
            changed(written(GRID), ReferencedRTPlanSequence=[reference(times=0)]),
            "It refers to beams [], and is of beam 5.",
        ),
        (with_private_data(written(GRID), nested=False), "It has private data, (300B,0010)."),
        (with_private_data(written(GRID), nested=True), "It has private data, (300B,0010)."),
        (b"no DICOM", "It cannot be read as DICOM (it has no DICM header)."),
    ],
)
def test_a_reference_that_does_not_hold_is_told_and_shows_no_identity(content: bytes, problem: str) -> None:
    assert rtdose_references_the_plan(content, plan_of(plan_item()), 5) == (problem,)


def test_a_frame_of_reference_must_be_there_although_the_plan_has_none() -> None:
    plan = plan_item(FrameOfReferenceUID=None)
    content = written(GRID, plan=plan)
    assert rtdose_references_the_plan(content, plan_of(plan), 5) == ()
    without = changed(content, FrameOfReferenceUID=None)
    assert rtdose_references_the_plan(without, plan_of(plan), 5) == (
        "FrameOfReferenceUID is not that of the plan.",
    )


def test_the_dose_of_a_plan_without_a_study_belongs_to_none() -> None:
    plan = replace(plan_of(plan_item()), study_instance_uid=None)
    assert rtdose_references_the_plan(written(GRID), plan, 5) == (
        "StudyInstanceUID is not that of the plan.",
    )


def test_a_flipped_and_mapped_dose_reads_back() -> None:
    values = ramp().astype(np.float32)[:, ::-1, ::-1]
    grid = DoseGrid(values, GRID.spacing_mm, GRID.origin_mm, "arbitrary")
    assert rtdose_scales_back(written(grid), grid, None).problems == ()


@pytest.mark.parametrize(("grid", "units"), [(GRID, "RELATIVE"), (grid_of(ramp(), "Gy"), "GY")])
def test_a_file_tells_its_units(tmp_path: Path, grid: DoseGrid, units: str) -> None:
    file = tmp_path / "dose.dcm"
    file.write_bytes(written(grid))
    assert stated_units(file) == units
