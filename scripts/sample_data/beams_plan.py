"""The RT Ion Plan of a beams sample, as DICOM, and the files that may lie beside a plan.

Values are what a planning system states, a machine name of 17 characters included: one more than its type
allows. No attribute speaks of a person. UIDs come from the case, so equal arguments give equal bytes.

Not here: what is planned (`beams_fields`), and plans that are wrong (`beams_plan_corruptions`).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final

import numpy as np
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from scripts.sample_data.beams_fields import (
    SETUP_NUMBER,
    PlannedBeam,
    PlannedLayer,
    Variant,
    gantry_of,
)

ION_PLAN_STORAGE: Final = "1.2.840.10008.5.1.4.1.1.481.8"
LINE_SCAN_GROUP: Final = 0x300B
LINE_SCAN_CREATOR: Final = "IMPAC"

_FLOAT: Final = "<f4"
_SPOT_SIZE_MM: Final = (4.5, 4.5)


def ion_plan(
    patient_id: str,
    study: str,
    beams: Sequence[PlannedBeam],
    variants: Collection[Variant],
    approved: datetime,
) -> Dataset:
    """The plan of a case: a setup beam, then these treatment beams.

    Args:
        patient_id: PatientID; with `study` it makes the UIDs.
        study: what tells two studies of a patient apart.
        beams: the treatment beams in plan order.
        variants: which of the forms of `Variant` the plan has.
        approved: when the plan was made, by the machine's clock.
    """
    gantry = gantry_of(variants)
    items = [_setup_item(gantry), *(_treatment_item(beam, gantry, variants) for beam in beams)]
    references = [
        _data_set(ReferencedBeamNumber=SETUP_NUMBER),
        *(_data_set(ReferencedBeamNumber=beam.dicom_number, BeamMeterset=beam.meterset_mu) for beam in beams),
    ]
    plan = _document(patient_id, study, ION_PLAN_STORAGE, "RTPLAN", approved, entropy="plan")
    for keyword, value in {
        "FrameOfReferenceUID": uid(patient_id, study, "frame of reference"),
        "PositionReferenceIndicator": "",
        "RTPlanLabel": "RT Ion Plan",
        "RTPlanDate": f"{approved:%Y%m%d}",
        "RTPlanTime": f"{approved:%H%M%S}",
        "RTPlanGeometry": "TREATMENT_DEVICE",
        "PatientSetupSequence": [_data_set(PatientSetupNumber=1, PatientPosition="HFS")],
        "FractionGroupSequence": [
            _data_set(
                FractionGroupNumber=1,
                NumberOfFractionsPlanned=30,
                NumberOfBeams=len(items),
                NumberOfBrachyApplicationSetups=0,
                ReferencedBeamSequence=references,
            )
        ],
        "IonBeamSequence": items,
        "ApprovalStatus": "UNAPPROVED",
    }.items():
        set_attribute(plan, keyword, value)
    return plan


def companions(patient_id: str, study: str, approved: datetime) -> dict[str, bytes]:
    """What may lie beside a plan, by file name: a CT and a structure set, without pixels or contours."""
    kinds = {"CT_001.dcm": (CTImageStorage, "CT"), "RTSTRUCT.DCM": (RTStructureSetStorage, "RTSTRUCT")}
    return {
        name: encoded(_document(patient_id, study, storage, modality, approved, entropy=name))
        for name, (storage, modality) in kinds.items()
    }


def encoded(dataset: Dataset) -> bytes:
    """A data set as a DICOM file."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta = meta
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def set_attribute(target: Dataset, keyword: str, value: Any) -> None:
    """Set an attribute, also to a value that breaks the rules of its type."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"DICOM has no attribute {keyword}")
    target.add(DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE))


def uid(*entropy: str) -> str:
    """A UID that these words alone decide."""
    return generate_uid(entropy_srcs=["quintet sample", *entropy])


def machine_name(gantry: int) -> str:
    """TreatmentMachineName of a gantry: 17 characters, one more than its type allows."""
    return f"G{gantry} TREATMENT LINE"


def _document(
    patient_id: str, study: str, storage: str, modality: str, made: datetime, *, entropy: str
) -> Dataset:
    """The modules that all objects of a study share."""
    return _data_set(
        SOPClassUID=storage,
        SOPInstanceUID=uid(patient_id, study, entropy),
        StudyDate=f"{made:%Y%m%d}",
        StudyTime=f"{made:%H%M%S}",
        AccessionNumber="",
        Modality=modality,
        Manufacturer="",
        ReferringPhysicianName="",
        OperatorsName="",
        PatientName="",
        PatientID=patient_id,
        PatientBirthDate="",
        PatientSex="",
        StudyInstanceUID=uid(patient_id, study, "study"),
        SeriesInstanceUID=uid(patient_id, study, "series", modality),
        StudyID="",
        SeriesNumber=1,
    )


def _setup_item(gantry: int) -> Dataset:
    points = [
        _data_set(ControlPointIndex=0, CumulativeMetersetWeight=0.0, NominalBeamEnergy=70.0, **_geometry()),
        _data_set(ControlPointIndex=1, CumulativeMetersetWeight=0.0),
    ]
    return _item(SETUP_NUMBER, "SETUP", "Site Setup", "SETUP", gantry, 0.0, points)


def _treatment_item(beam: PlannedBeam, gantry: int, variants: Collection[Variant]) -> Dataset:
    points = list(_control_points(beam, variants))
    item = _item(beam.dicom_number, beam.name, "", "TREATMENT", gantry, beam.weight, points)
    if Variant.G1_BLOCK in variants:
        item.NumberOfBlocks = 1
        item.IonBlockSequence = [_block(beam)]
    return item


def _item(
    number: int,
    name: str,
    description: str,
    delivery_type: str,
    gantry: int,
    final_weight: float,
    points: Sequence[Dataset],
) -> Dataset:
    return _data_set(
        BeamNumber=number,
        BeamName=name,
        BeamDescription=description,
        BeamType="STATIC",
        RadiationType="PROTON",
        ScanMode="MODULATED",
        TreatmentMachineName=machine_name(gantry),
        TreatmentDeliveryType=delivery_type,
        PrimaryDosimeterUnit="MU",
        VirtualSourceAxisDistances=[2419.0, 2026.0],
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        NumberOfRangeShifters=0,
        NumberOfLateralSpreadingDevices=0,
        NumberOfRangeModulators=0,
        PatientSupportType="TABLE",
        ReferencedPatientSetupNumber=1,
        NumberOfControlPoints=len(points),
        FinalCumulativeMetersetWeight=_decimal(final_weight),
        IonControlPointSequence=list(points),
    )


def _control_points(beam: PlannedBeam, variants: Collection[Variant]) -> Iterator[Dataset]:
    """The control points of a beam: the weights of a layer stand on its first."""
    omit = Variant.OMITTED_ENERGY in variants
    cumulative, index = 0.0, 0
    before: PlannedLayer | None = None
    for layer in beam.layers:
        point = _control_point(index, cumulative, first=index == 0)
        if before is None or not (omit and before.energy_mev == layer.energy_mev):
            point.NominalBeamEnergy = layer.energy_mev
        if before is None or not (omit and _same_map(before, layer)):
            _set_maps(point, layer, layer.weights, variants)
        yield point
        cumulative, index, before = cumulative + layer.weight, index + 1, layer
        if Variant.ONE_CONTROL_POINT not in variants:
            yield _end_of_layer(index, cumulative, layer, variants)
            index += 1
    if Variant.ONE_CONTROL_POINT in variants:
        yield _control_point(index, cumulative, first=False)


def _end_of_layer(
    index: int, cumulative: float, layer: PlannedLayer, variants: Collection[Variant]
) -> Dataset:
    """The second control point of a layer: the same energy and points, and no weight."""
    point = _control_point(index, cumulative, first=False)
    if Variant.OMITTED_ENERGY not in variants:
        point.NominalBeamEnergy = layer.energy_mev
        _set_maps(point, layer, np.zeros_like(layer.weights), variants)
    return point


def _control_point(index: int, cumulative: float, *, first: bool) -> Dataset:
    geometry = _geometry() if first else {}
    return _data_set(
        ControlPointIndex=index,
        CumulativeMetersetWeight=_decimal(cumulative),
        **geometry,
    )


def _geometry() -> Mapping[str, Any]:
    """What the first control point of a beam states for all."""
    return {
        "GantryAngle": 0.0,
        "GantryRotationDirection": "NONE",
        "BeamLimitingDeviceAngle": 0.0,
        "BeamLimitingDeviceRotationDirection": "NONE",
        "PatientSupportAngle": 0.0,
        "PatientSupportRotationDirection": "NONE",
        "IsocenterPosition": [0.0, 0.0, 0.0],
    }


def _same_map(one: PlannedLayer, other: PlannedLayer) -> bool:
    return np.array_equal(one.points_mm, other.points_mm) and np.array_equal(one.weights, other.weights)


def _set_maps(
    point: Dataset, layer: PlannedLayer, weights: np.ndarray, variants: Collection[Variant]
) -> None:
    if not layer.line or Variant.BOTH_MAPS in variants:
        _set_standard_map(point, layer, weights)
    if layer.line:
        _set_line_map(point, layer, weights)


def _set_standard_map(point: Dataset, layer: PlannedLayer, weights: np.ndarray) -> None:
    point.ScanSpotTuneID = "1.0"
    point.NumberOfScanSpotPositions = len(weights)
    point.ScanSpotPositionMap = layer.points_mm.ravel().tolist()
    point.ScanSpotMetersetWeights = weights.tolist()
    point.ScanningSpotSize = list(_SPOT_SIZE_MM)
    point.NumberOfPaintings = 1


def _set_line_map(point: Dataset, layer: PlannedLayer, weights: np.ndarray) -> None:
    """The private form: texts in ASCII and little-endian float32, all in type UN."""
    block = point.private_block(LINE_SCAN_GROUP, LINE_SCAN_CREATOR, create=True)
    block.add_new(0x90, "UN", _even("1"))
    block.add_new(0x92, "UN", _even(str(len(weights))))
    block.add_new(0x94, "UN", layer.points_mm.astype(_FLOAT).tobytes())
    block.add_new(0x96, "UN", weights.astype(_FLOAT).tobytes())
    block.add_new(0x98, "UN", np.array(_SPOT_SIZE_MM, _FLOAT).tobytes())
    block.add_new(0x9A, "UN", _even("1"))


def _block(beam: PlannedBeam) -> Dataset:
    """An aperture that leaves 10 mm around the beam's points."""
    points = np.concatenate([layer.points_mm for layer in beam.layers])
    (left, low), (right, high) = points.min(axis=0) - 10, points.max(axis=0) + 10
    return _data_set(
        BlockTrayID="",
        IsocenterToBlockTrayDistance=300.0,
        BlockType="APERTURE",
        BlockDivergence="ABSENT",
        BlockMountingPosition="PATIENT_SIDE",
        BlockNumber=1,
        BlockName="",
        MaterialID="BRASS",
        BlockThickness=65.0,
        BlockNumberOfPoints=4,
        BlockData=[float(place) for place in (left, low, right, low, right, high, left, high)],
    )


def _data_set(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        set_attribute(made, keyword, value)
    return made


def _decimal(number: float) -> float:
    """A sum of 4-decimal weights without the binary dust that would not fit a decimal string."""
    return round(number, 6)


def _even(text: str) -> bytes:
    return text.encode("ascii") + b" " * (len(text) % 2)
