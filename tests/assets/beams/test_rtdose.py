"""The RTDOSE as an object: its attributes, its references to the plan, its UIDs, its bytes and its file."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydicom.config import disable_value_validation
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RTDoseStorage

from assets.beams.attributes import Item
from assets.beams.failures import BeamFailure
from assets.beams.rtdose import frame_of_reference_uid, rtdose
from tests.assets.beams.beam_doses import (
    ORIGIN_MM,
    SPACING_MM,
    beam_dose,
    grid_of,
    plan_item,
    ramp,
    read,
    written,
)
from tests.assets.beams.written_plans import ION_PLAN, data_set

UIDS = ("SOPInstanceUID", "SeriesInstanceUID")

# Types 1 and 2 of the RT Dose IOD, with what its conditions ask of a grid of doses.
TYPE_1 = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "DoseUnits",
    "DoseType",
    "DoseSummationType",
    "ReferencedRTPlanSequence",
    "DoseGridScaling",
)
TYPE_1_OF_SEVERAL_FRAMES = (
    "NumberOfFrames",
    "FrameIncrementPointer",
    "GridFrameOffsetVector",
)
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
    "SeriesNumber",
    "OperatorsName",
    "PositionReferenceIndicator",
    "Manufacturer",
    "InstanceNumber",
    "SliceThickness",
)


def rtdose_of(**of: Any) -> Dataset:
    return read(written(grid_of(ramp()), **of))


def bare_plan() -> Item:
    """A plan that says of patient and study only what it must."""
    return plan_item(PatientName=None, PatientBirthDate=None, PatientSex=None)


def test_it_is_the_physical_dose_of_a_beam_for_research_use_only() -> None:
    dose = rtdose_of()
    assert dose.SOPClassUID == RTDoseStorage
    assert (dose.Modality, dose.DoseType, dose.DoseSummationType) == ("RTDOSE", "PHYSICAL", "BEAM")
    assert "research use only" in dose.SeriesDescription.lower()
    assert "research use only" in dose.DoseComment.lower()
    # LO of the standard.
    assert max(len(dose.SeriesDescription), len(dose.DoseComment)) <= 64
    # A larger number is more dose: in the other interpretation it would be less.
    assert dose.PhotometricInterpretation == "MONOCHROME2"
    assert dose.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert dose.file_meta.MediaStorageSOPInstanceUID == dose.SOPInstanceUID


@pytest.mark.parametrize("plan", [plan_item, bare_plan])
def test_every_attribute_of_type_1_has_a_value_and_every_one_of_type_2_is_there(plan: Any) -> None:
    dose = rtdose_of(plan=plan())
    assert [keyword for keyword in (*TYPE_1, *TYPE_1_OF_SEVERAL_FRAMES) if not dose[keyword].VM] == []
    assert [keyword for keyword in TYPE_2 if keyword not in dose] == []


def test_what_the_plan_does_not_say_is_empty_and_nothing_else_names_a_person() -> None:
    dose = rtdose_of(plan=bare_plan())
    assert [str(element.value) for element in dose.iterall() if element.VR == "PN"] == ["", "", ""]
    assert (dose.PatientBirthDate, dose.PatientSex, dose.StudyID) == ("", "", "")


def test_patient_and_study_are_those_of_the_plan() -> None:
    said = {
        "PatientName": "Sample^QA",
        "PatientBirthDate": "19500102",
        "PatientSex": "O",
        "StudyDate": "20260320",
        "StudyTime": "100000",
        "ReferringPhysicianName": "Nobody^N",
        "StudyID": "S1",
        "AccessionNumber": "A1",
        "PositionReferenceIndicator": "LASER",
    }
    dose = rtdose_of(plan=plan_item(**said))
    assert {keyword: str(dose[keyword].value) for keyword in said} == said
    assert (dose.PatientID, dose.StudyInstanceUID, dose.FrameOfReferenceUID) == (
        "QA0001",
        "1.2.3.2",
        "1.2.3.3",
    )


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Änne"),
        ("ISO_IR 192", "홍^길동"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_a_name_in_any_character_set_is_kept(character_set: Any, name: str) -> None:
    dose = rtdose_of(plan=plan_item(SpecificCharacterSet=character_set, PatientName=name))
    assert dose.SpecificCharacterSet == "ISO_IR 192"
    assert str(dose.PatientName) == name


def test_texts_longer_than_their_type_allows_pass_as_they_are() -> None:
    dose = rtdose_of(plan=plan_item(StudyID="S" * 30))
    with disable_value_validation():
        assert dose.StudyID == "S" * 30


def test_it_refers_to_the_plan_and_to_its_beam_by_dicom_number() -> None:
    for index, dicom_number in enumerate((5, 3, 9), start=1):
        dose = rtdose_of(index=index)
        (reference,) = dose.ReferencedRTPlanSequence
        (group,) = reference.ReferencedFractionGroupSequence
        (beam,) = group.ReferencedBeamSequence
        assert reference.ReferencedSOPClassUID == ION_PLAN
        assert reference.ReferencedSOPInstanceUID == "1.2.3.1"
        assert beam.ReferencedBeamNumber == dicom_number
        assert dose.SeriesNumber == index


def test_the_fraction_group_is_the_one_that_delivers_the_beam() -> None:
    groups = [
        data_set(FractionGroupNumber=number, ReferencedBeamSequence=[data_set(ReferencedBeamNumber=beam)])
        for number, beam in ((4, 3), (7, 5), (8, 5))
    ]
    for plan, number in (
        (plan_item(FractionGroupSequence=groups), 7),
        (plan_item(FractionGroupSequence=None), 1),
        (plan_item(FractionGroupSequence=[data_set(FractionGroupNumber=2)]), 1),
    ):
        (reference,) = rtdose_of(plan=plan).ReferencedRTPlanSequence
        assert reference.ReferencedFractionGroupSequence[0].ReferencedFractionGroupNumber == number


def test_a_plan_without_a_frame_of_reference_gives_its_doses_one_of_their_own() -> None:
    plan = plan_item(FrameOfReferenceUID=None)
    made = {rtdose_of(plan=plan, index=index).FrameOfReferenceUID for index in (1, 2, 3)}
    assert made == {frame_of_reference_uid(plan)}
    assert made != {frame_of_reference_uid(plan_item(FrameOfReferenceUID=None, SOPInstanceUID="1.2.3.9"))}
    assert frame_of_reference_uid(plan).startswith("2.25.")


def test_a_plan_without_a_study_is_refused() -> None:
    with pytest.raises(BeamFailure, match=r"'plan\.dcm': it has no StudyInstanceUID") as refusal:
        rtdose_of(plan=plan_item(StudyInstanceUID=None))
    assert refusal.value.code == "rtplan_parse_failed"


def test_a_name_that_is_none_is_refused() -> None:
    plan = plan_item()
    plan.dataset["PatientName"] = DataElement("PatientName", "DS", "1.5")
    with pytest.raises(BeamFailure, match=r"'plan\.dcm': PatientName is no name"):
        rtdose_of(plan=plan)


def test_a_beam_of_another_plan_is_refused() -> None:
    other = plan_item(IonBeamSequence=plan_item().dataset.IonBeamSequence[:2])
    with pytest.raises(BeamFailure, match="none of its items has BeamNumber 3"):
        rtdose(other, beam_dose(grid_of(ramp()), index=2))


def test_several_frames_lie_where_the_grid_has_them() -> None:
    dose = rtdose_of()
    x_mm, y_mm, z_mm = SPACING_MM
    assert (int(dose.NumberOfFrames), dose.Rows, dose.Columns) == (4, 3, 2)
    assert tuple(dose.ImagePositionPatient) == ORIGIN_MM
    assert list(dose.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    assert list(dose.PixelSpacing) == [y_mm, x_mm]
    assert dose.SliceThickness == z_mm
    assert dose.FrameIncrementPointer == tag_for_keyword("GridFrameOffsetVector")
    assert list(dose.GridFrameOffsetVector) == [0, 1.5, 3, 4.5]
    np.testing.assert_allclose(
        dose.pixel_array * dose.DoseGridScaling, ramp(), atol=float(dose.DoseGridScaling)
    )


def test_a_single_plane_has_no_frames() -> None:
    dose = read(written(grid_of(ramp((1, 3, 4)), "Gy")))
    assert [keyword for keyword in TYPE_1_OF_SEVERAL_FRAMES if keyword in dose] == []
    assert dose.pixel_array.shape == (3, 4)


def test_places_are_decimal_strings_although_voxels_are_not_round() -> None:
    grid = grid_of(ramp((12, 2, 2)))
    voxel = 2.718281828
    odd = type(grid)(grid.values, (voxel, voxel, voxel), (voxel / 2 - 201.15, -18.65, -1 / 3), "arbitrary")
    dose = read(written(odd))
    texts = [
        part
        for keyword in ("GridFrameOffsetVector", "ImagePositionPatient", "PixelSpacing")
        for part in str(dose[keyword].value).strip("[]").split(", ")
    ]
    assert max(map(len, texts)) <= 16
    assert [float(part) for part in dose.GridFrameOffsetVector] == pytest.approx(
        [voxel * frame for frame in range(12)], abs=1e-8
    )


@pytest.mark.parametrize(
    ("of", "units"),
    [
        ({"grid": grid_of(ramp())}, "RELATIVE"),
        ({"grid": grid_of(ramp()), "gray": 1e-9}, "GY"),
        ({"grid": grid_of(ramp(), "Gy")}, "GY"),
    ],
)
def test_gray_is_what_is_calibrated_and_nothing_else(of: dict[str, Any], units: str) -> None:
    assert read(written(**of)).DoseUnits == units


def test_it_has_no_private_data_and_no_clock() -> None:
    dose = rtdose_of()
    assert not any(element.tag.is_private for element in dose.iterall())
    clocks = [element.keyword for element in dose.iterall() if element.VR in ("DA", "TM", "DT")]
    assert clocks == ["StudyDate", "StudyTime", "PatientBirthDate"]


def test_the_same_inputs_give_the_same_bytes() -> None:
    assert written(grid_of(ramp())) == written(grid_of(ramp()))
    ordered = {"plan": "00", "dose": "11"}
    backwards = dict(reversed(ordered.items()))
    assert written(grid_of(ramp()), digests=ordered) == written(grid_of(ramp()), digests=backwards)


def test_whatever_differs_is_another_object() -> None:
    plain = grid_of(ramp())
    variants = [
        written(plain),
        written(plain, index=2),
        written(plain, gray=1e-9),
        written(plain, digests={"plan": "00", "dose": "12"}),
        written(plain, digests={"plan": "00", "other": "11"}),
        written(plain, plan=plan_item(SOPInstanceUID="1.2.3.9")),
        written(plain, plan=plan_item(PatientID="QA0002")),
        written(grid_of(ramp()[::-1])),
        written(grid_of(ramp(), "Gy")),
        written(type(plain)(plain.values, (3.0, 2.0, 1.6), ORIGIN_MM, "arbitrary")),
        written(type(plain)(plain.values, SPACING_MM, (0.0, 0.0, 0.0), "arbitrary")),
    ]
    for keyword in UIDS:
        assert len({read(content)[keyword].value for content in variants}) == len(variants)


def test_cases_with_the_same_plan_give_different_objects() -> None:
    dose = beam_dose(grid_of(ramp()))
    one, other = (read(rtdose(plan_item(), replace(dose, case=case))) for case in ("QA0001", "QA0002"))
    assert one.SOPInstanceUID != other.SOPInstanceUID


def test_uids_are_valid_and_need_no_registered_root() -> None:
    dose = rtdose_of()
    for keyword in UIDS:
        assert dose[keyword].value.is_valid
        assert dose[keyword].value.startswith("2.25.")
    assert dose.SOPInstanceUID != dose.SeriesInstanceUID


def test_its_file_is_named_after_the_beam() -> None:
    assert beam_dose(grid_of(ramp()), index=2).file_name == "RTDOSE_QA0001_beam_2.dcm"
