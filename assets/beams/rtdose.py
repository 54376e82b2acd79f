"""The RTDOSE of a beam: its dose in water as a DICOM object that refers to the plan. Research use only.

The numbers lie where their grid has them (`dose_grid`): ImagePositionPatient is the first voxel relative to
the isocentre. The frame of reference is that of the plan, as are the identities of patient and study; but
the water knows nothing of where the patient lay.

All follows from the inputs, the UIDs too, and no clock is asked: the same inputs give the same bytes.

Not here: what the numbers are (`dose_pixels`), and whether a file keeps its promises (`rtdose_check`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Any, Final
from uuid import UUID, uuid5

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RTDoseStorage

from assets.beams.attributes import Item
from assets.beams.beam_items import TreatmentBeam, numbered_items
from assets.beams.dose_grid import DoseGrid
from assets.beams.dose_pixels import DosePixels, dose_pixels
from assets.beams.keys import beam_id

MODALITY: Final = "RTDOSE"
SERIES_DESCRIPTION: Final = "Dose of a delivered beam in water, research use only"
DOSE_COMMENT: Final = "Research use only, not a medical device"

_UID_NAMESPACE: Final = UUID("5f0b9c3e-6a0e-4d5b-9c55-4d8a5e0f7a21")
"""Of all UIDs made here; a new one if the same inputs come to give another object."""
_UTF_8: Final = "ISO_IR 192"
_AXES: Final = ("1", "0", "0", "0", "1", "0")
"""Columns go along +x, rows along +y."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BeamDose:
    """The dose of a treatment beam, and where it comes from."""

    case: str
    beam: TreatmentBeam
    grid: DoseGrid
    gray: float | None
    """What a unit of the grid is in Gy (`dose_pixels.gray_per_unit`); None without a calibration, and for a
    grid that is in Gy."""
    input_digests: Mapping[str, str]
    """What the dose was made of, by name: the plan's file, the engine's output."""

    @property
    def file_name(self) -> str:
        """`RTDOSE_<beam_id>.dcm`."""
        return f"RTDOSE_{beam_id(self.case, self.beam.treatment_index)}.dcm"


def rtdose(plan: Item, dose: BeamDose) -> bytes:
    """The RTDOSE of a beam as a DICOM file, in explicit little endian.

    Raises:
        BeamFailure: `non_finite_dose` or `empty_dose`, by the rules of `dose_pixels`; `rtplan_parse_failed`,
            where the plan does not say what the dose has to repeat, or has no such beam.
    """
    pixels = dose_pixels(dose.grid, dose.gray)
    made = _data_set(
        {
            **_patient_and_study(plan),
            **_series_and_equipment(dose.beam.treatment_index),
            **_geometry(dose.grid),
            **_image(pixels),
            **_dose(pixels),
            "ReferencedRTPlanSequence": [_plan_reference(plan, dose.beam.dicom_number)],
        }
    )
    content = pixels.pixels.astype("<u2", copy=False).tobytes()
    _set_all(made, _uids(_digest(made, content, dose)))
    made.add_new("PixelData", "OW", content)
    return _encoded(made)


def frame_of_reference_uid(plan: Item) -> str:
    """That of the plan, which may lack one: then its doses share one that follows from the plan's own UID."""
    stated = plan.text("FrameOfReferenceUID")
    return stated or _uid("frame of reference", plan.required_text("SOPInstanceUID"))


def _patient_and_study(plan: Item) -> dict[str, Any]:
    """What all objects of a study share; what the plan does not say stays empty."""
    return {
        # One that has every character, whichever set the plan was written in.
        "SpecificCharacterSet": _UTF_8,
        "PatientName": plan.name("PatientName"),
        "PatientID": plan.required_text("PatientID"),
        "PatientBirthDate": plan.text("PatientBirthDate"),
        "PatientSex": plan.text("PatientSex"),
        "StudyInstanceUID": plan.required_text("StudyInstanceUID"),
        "StudyDate": plan.text("StudyDate"),
        "StudyTime": plan.text("StudyTime"),
        "ReferringPhysicianName": plan.name("ReferringPhysicianName"),
        "StudyID": plan.text("StudyID"),
        "AccessionNumber": plan.text("AccessionNumber"),
        "FrameOfReferenceUID": frame_of_reference_uid(plan),
        "PositionReferenceIndicator": plan.text("PositionReferenceIndicator"),
    }


def _series_and_equipment(treatment_index: int) -> dict[str, Any]:
    """Each object is a series of its own: those of another run have nothing in common with it."""
    return {
        "Modality": MODALITY,
        "SeriesNumber": str(treatment_index),
        "SeriesDescription": SERIES_DESCRIPTION,
        "OperatorsName": "",
        "Manufacturer": "",
        "InstanceNumber": "1",
    }


def _geometry(grid: DoseGrid) -> dict[str, Any]:
    frames, rows, columns = grid.values.shape
    x_mm, y_mm, z_mm = grid.spacing_mm
    geometry = {
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": [_decimal(y_mm), _decimal(x_mm)],
        "SliceThickness": _decimal(z_mm),
        "ImageOrientationPatient": list(_AXES),
        "ImagePositionPatient": [_decimal(place) for place in grid.origin_mm],
    }
    if frames == 1:
        return geometry
    return {
        **geometry,
        "NumberOfFrames": str(frames),
        "FrameIncrementPointer": tag_for_keyword("GridFrameOffsetVector"),
        "GridFrameOffsetVector": [_decimal(frame * z_mm) for frame in range(frames)],
    }


def _image(pixels: DosePixels) -> dict[str, Any]:
    bits = pixels.pixels.itemsize * 8
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": 0,
    }


def _dose(pixels: DosePixels) -> dict[str, Any]:
    return {
        "DoseUnits": pixels.units,
        "DoseType": "PHYSICAL",
        "DoseComment": DOSE_COMMENT,
        "DoseSummationType": "BEAM",
        "DoseGridScaling": pixels.scaling,
        "TissueHeterogeneityCorrection": "WATER",
    }


def _plan_reference(plan: Item, dicom_number: int) -> Dataset:
    """The plan by its identity, with one of its beams in the fraction group that delivers it."""
    if all(number != dicom_number for number, _ in numbered_items(plan)):
        raise plan.refused(f"none of its items has BeamNumber {dicom_number}, which this dose is of")
    beam = _data_set({"ReferencedBeamNumber": str(dicom_number)})
    group = _data_set(
        {
            "ReferencedFractionGroupNumber": str(_fraction_group(plan, dicom_number)),
            "ReferencedBeamSequence": [beam],
        }
    )
    return _data_set(
        {
            "ReferencedSOPClassUID": plan.required_text("SOPClassUID"),
            "ReferencedSOPInstanceUID": plan.required_text("SOPInstanceUID"),
            "ReferencedFractionGroupSequence": [group],
        }
    )


def _fraction_group(plan: Item, dicom_number: int) -> int:
    """The number of the first fraction group that delivers a beam.

    A dose has to name one: it is 1, the first there could be, where the plan has no scheme of fractions.
    """
    for group in plan.items("FractionGroupSequence", "fraction group"):
        beams = group.items("ReferencedBeamSequence", "beam")
        if any(beam.whole_number("ReferencedBeamNumber") == dicom_number for beam in beams):
            return group.whole_number("FractionGroupNumber") or 1
    return 1


def _digest(made: Dataset, content: bytes, dose: BeamDose) -> str:
    """Of everything that the object says, and of what it was made of."""
    header = BytesIO()
    made.save_as(header, implicit_vr=False, little_endian=True)
    inputs = "".join(f"{name}\t{digest}\n" for name, digest in sorted(dose.input_digests.items()))
    return sha256(
        b"".join(
            sha256(part).digest()
            for part in (header.getvalue(), content, dose.file_name.encode(), inputs.encode())
        )
    ).hexdigest()


def _uids(digest: str) -> dict[str, str]:
    return {
        "SOPClassUID": RTDoseStorage,
        "SOPInstanceUID": _uid("instance", digest),
        "SeriesInstanceUID": _uid("series", digest),
    }


def _uid(kind: str, source: str) -> UID:
    """A UID that follows from these words: below 2.25 a UUID needs no registered root."""
    return UID(f"2.25.{uuid5(_UID_NAMESPACE, f'{kind} {source}').int}")


def _encoded(made: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta = meta
    file = BytesIO()
    made.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _data_set(attributes: Mapping[str, Any]) -> Dataset:
    made = Dataset()
    _set_all(made, attributes)
    return made


def _set_all(target: Dataset, attributes: Mapping[str, Any]) -> None:
    """Set attributes as they are: a plan may have texts that are longer than their type allows."""
    for keyword, value in attributes.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            raise ValueError(f"DICOM has no attribute {keyword}")
        target.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def _decimal(millimetres: float) -> str:
    """A decimal string, without the binary dust that makes it longer than 16 characters."""
    return f"{millimetres:.10g}"
