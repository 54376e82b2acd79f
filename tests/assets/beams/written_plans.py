"""Small RT Ion Plans for tests, written with pydicom: values may break the rules of their type."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from assets.beams.plan import Plan, interpreted_plan
from assets.beams.plan_files import parsed_plan

ION_PLAN = "1.2.840.10008.5.1.4.1.1.481.8"
PHOTON_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
MACHINE = "G2 TREATMENT LINE"
"""17 characters: one more than its type allows, as the real name has."""

GROUP = 0x300B
CREATOR = "IMPAC"


@dataclass(frozen=True)
class PlannedLayer:
    """A layer as tests state it: x, y, weight of each point."""

    energy: float | None
    points: Sequence[tuple[float, float, float]] = ((0.0, 0.0, 1.0), (5.0, 0.0, 1.0))
    line: bool = False
    """Write the private line-scan map, not the standard one."""

    @property
    def weight(self) -> float:
        return sum(weight for _, _, weight in self.points)


def data_set(**attributes: Any) -> Dataset:
    """A data set of these attributes, which nothing checks; None leaves one out."""
    made = Dataset()
    for keyword, value in attributes.items():
        if value is not None:
            set_unchecked(made, keyword, value)
    return made


def set_unchecked(target: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute although its value breaks the rules of its type; bytes are written as they are."""
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    vr = dictionary_VR(tag)
    if isinstance(value, bytes):
        target[tag] = RawDataElement(
            Tag(tag), vr, len(value), value, 0, is_implicit_VR=False, is_little_endian=True
        )
    else:
        target.add(DataElement(tag, vr, value, validation_mode=config.IGNORE))


def set_standard_map(point: Dataset, points: Sequence[tuple[float, float, float]]) -> None:
    """Give a control point the standard map; pydicom writes one weight without a list."""
    weights = [weight for _, _, weight in points]
    point.NumberOfScanSpotPositions = len(points)
    point.ScanSpotPositionMap = [number for x, y, _ in points for number in (x, y)]
    point.ScanSpotMetersetWeights = weights if len(weights) > 1 else weights[0]


def set_line_map(
    point: Dataset, points: Sequence[tuple[float, float, float]], *, creator: str = CREATOR
) -> None:
    """Give a control point the private map with all its elements, in type UN."""
    block = point.private_block(GROUP, creator, create=True)
    block.add_new(0x90, "UN", b"1 ")
    block.add_new(0x92, "UN", padded(str(len(points))))
    block.add_new(0x94, "UN", b"".join(struct.pack("<2f", x, y) for x, y, _ in points))
    block.add_new(0x96, "UN", b"".join(struct.pack("<f", weight) for _, _, weight in points))
    block.add_new(0x98, "UN", struct.pack("<2f", 4.5, 4.5))
    block.add_new(0x9A, "UN", b"0 ")


def padded(text: str) -> bytes:
    """A text in ASCII with the blank that makes its length even."""
    return text.encode() + b" " * (len(text) % 2)


def control_points(
    layers: Sequence[PlannedLayer], *, per_layer: int = 2, omit_unchanged: bool = False
) -> list[Dataset]:
    """Control points of layers: two for each layer with weights on the first, or one and a last."""
    points: list[Dataset] = []
    cumulative, energy, shown = 0.0, None, None
    for layer in layers:
        point = data_set(ControlPointIndex=len(points), CumulativeMetersetWeight=cumulative)
        if layer.energy is not None and not (omit_unchanged and layer.energy == energy):
            point.NominalBeamEnergy = layer.energy
        if not (omit_unchanged and layer.points == shown):
            (set_line_map if layer.line else set_standard_map)(point, layer.points)
        energy, shown = layer.energy, layer.points
        points.append(point)
        cumulative += layer.weight
        if per_layer == 2:
            points.append(data_set(ControlPointIndex=len(points), CumulativeMetersetWeight=cumulative))
    if per_layer == 1:
        points.append(data_set(ControlPointIndex=len(points), CumulativeMetersetWeight=cumulative))
    return points


def beam(
    number: Any, name: str = "F1", points: Sequence[Dataset] | None = None, **attributes: Any
) -> Dataset:
    """An item of IonBeamSequence, by default with one layer of two spots at 150 MeV."""
    points = control_points([PlannedLayer(150.0)]) if points is None else points
    given = {
        "BeamNumber": number,
        "BeamName": name,
        "TreatmentDeliveryType": "TREATMENT",
        "TreatmentMachineName": MACHINE,
        "FinalCumulativeMetersetWeight": points[-1].get("CumulativeMetersetWeight") if points else None,
        "IonControlPointSequence": list(points),
    }
    return data_set(**given | attributes)


def ion_plan(
    beams: Sequence[Dataset], *, metersets: dict[int, Any] | None = None, **attributes: Any
) -> Dataset:
    """An RT Ion Plan of these items; `metersets` is BeamMeterset by BeamNumber, by default 100 for each."""
    if metersets is None:
        metersets = {item.BeamNumber: 100.0 for item in beams if "BeamNumber" in item}
    references = [
        data_set(ReferencedBeamNumber=number, BeamMeterset=meterset) for number, meterset in metersets.items()
    ]
    given = {
        "SOPClassUID": ION_PLAN,
        "SOPInstanceUID": "1.2.3.1",
        "Modality": "RTPLAN",
        "PatientID": "QA0001",
        "StudyInstanceUID": "1.2.3.2",
        "FrameOfReferenceUID": "1.2.3.3",
        "RTPlanLabel": "RT Ion Plan",
        "FractionGroupSequence": [data_set(ReferencedBeamSequence=references)],
        "IonBeamSequence": list(beams),
    }
    return data_set(**given | attributes)


def dicom_bytes(dataset: Dataset, *, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """A data set as the bytes of a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    written = BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    return written.getvalue()


def write_dicom(dataset: Dataset, file: Path, *, syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write a data set as a DICOM file."""
    file.write_bytes(dicom_bytes(dataset, syntax=syntax))
    return file


def plan_as_read(*beams: Dataset, syntax: UID = ExplicitVRLittleEndian, **attributes: Any) -> Plan:
    """The plan of these items, written and read."""
    content = dicom_bytes(ion_plan(beams, **attributes), syntax=syntax)
    return interpreted_plan(parsed_plan(content, "'plan.dcm'"), Path("plan.dcm"))


def case_with(folder: Path, *beams: Dataset, **attributes: Any) -> Path:
    """A case folder with the plan of these items in `plan.dcm`; returns the folder."""
    case = folder / "QA0001"
    case.mkdir(parents=True)
    write_dicom(ion_plan(beams, **attributes), case / "plan.dcm")
    return case
