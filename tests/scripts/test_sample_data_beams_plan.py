"""The plan of the beams samples: read with pydicom, with struct where it is private, and by another tool."""

import shutil
import struct
import subprocess
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NoReturn

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from assets.beams.plan import read_plan
from assets.beams.spot_maps import MapForm
from scripts.sample_data.beams import SampleCase, write_case
from scripts.sample_data.beams_case import sound_draft
from scripts.sample_data.beams_fields import Variant, planned_beams
from scripts.sample_data.beams_plan import encoded

ALONE = [frozenset[Variant](), *(frozenset({variant}) for variant in Variant)]
COMBINED = [
    frozenset({Variant.ONE_CONTROL_POINT, Variant.OMITTED_ENERGY, Variant.REPAINT}),
    frozenset({Variant.LINE_MAPS, Variant.ONE_SPOT, Variant.G1_BLOCK}),
    frozenset({Variant.BOTH_MAPS, Variant.REPAINT, Variant.OMITTED_ENERGY}),
    frozenset(Variant),
]


def named(variants: frozenset[Variant]) -> str:
    return "+".join(sorted(variants)) or "plain"


def plan_of(*variants: Variant) -> Dataset:
    """The plan as a reader gets it from its bytes; the over-long machine name is known."""
    content = encoded(sound_draft(SampleCase(variants=frozenset(variants))).plan)
    plan = pydicom.dcmread(BytesIO(content))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The value length", UserWarning)
        plan.walk(lambda _, element: element.value)
    return plan


def treatment_items(plan: Dataset) -> list[Dataset]:
    return [item for item in plan.IonBeamSequence if item.TreatmentDeliveryType == "TREATMENT"]


def test_the_items_are_those_of_the_contract():
    plan = plan_of()
    assert plan.SOPClassUID == plan.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.481.8"
    assert (plan.Modality, plan.RTPlanLabel, plan.PatientID) == ("RTPLAN", "RT Ion Plan", "QA0001")
    stated = [(item.BeamNumber, item.BeamName, item.TreatmentDeliveryType) for item in plan.IonBeamSequence]
    assert stated == [
        (1, "SETUP", "SETUP"),
        (5, "F2 A/P", "TREATMENT"),
        (3, "F3", "TREATMENT"),
        (9, "F4", "TREATMENT"),
    ]
    assert plan.IonBeamSequence[0].BeamDescription == "Site Setup"
    assert {item.TreatmentMachineName for item in plan.IonBeamSequence} == {"G2 TREATMENT LINE"}


def test_the_machine_name_is_one_character_longer_than_its_type_allows():
    name = plan_of().IonBeamSequence[1]["TreatmentMachineName"]
    assert (name.VR, len(name.value)) == ("SH", 17)


def test_a_layer_has_two_control_points_and_its_weights_on_the_first():
    energies = []
    for item in treatment_items(plan_of()):
        points = item.IonControlPointSequence
        assert len(points) == item.NumberOfControlPoints
        for begin, end in zip(points[::2], points[1::2], strict=True):
            weight = end.CumulativeMetersetWeight - begin.CumulativeMetersetWeight
            assert sum(begin.ScanSpotMetersetWeights) == pytest.approx(float(weight), rel=1e-6)
            assert set(end.ScanSpotMetersetWeights) == {0}
            assert len(begin.ScanSpotPositionMap) == 2 * begin.NumberOfScanSpotPositions
        assert points[-1].CumulativeMetersetWeight == item.FinalCumulativeMetersetWeight
        energies.append([float(point.NominalBeamEnergy) for point in points[::2]])
    assert energies == [[150.0, 140.0], [100.0], [120.0]]


def test_cumulative_weights_are_no_monitor_units():
    plan = plan_of()
    references = plan.FractionGroupSequence[0].ReferencedBeamSequence
    metersets = {beam.ReferencedBeamNumber: beam.get("BeamMeterset") for beam in references}
    assert metersets == {1: None, 5: 100, 3: 80, 9: 90}
    for item in treatment_items(plan):
        assert item.FinalCumulativeMetersetWeight == pytest.approx(metersets[item.BeamNumber] / 2, abs=0.01)


def test_one_control_point_per_layer_and_a_last_one():
    counts = [
        len(item.IonControlPointSequence) for item in treatment_items(plan_of(Variant.ONE_CONTROL_POINT))
    ]
    assert counts == [3, 2, 2]


def test_line_maps_are_little_endian_float32_in_private_elements_of_type_un():
    plan = plan_of(Variant.LINE_MAPS)
    planned = planned_beams({Variant.LINE_MAPS}, 5)
    for item, beam in zip(treatment_items(plan), planned, strict=True):
        for point, layer in zip(item.IonControlPointSequence[::2], beam.layers, strict=True):
            assert "ScanSpotPositionMap" not in point
            assert point[0x300B, 0x0010].value == "IMPAC"
            elements = [point[0x300B, number] for number in range(0x1090, 0x109B, 2)]
            assert {element.VR for element in elements} == {"UN"}
            one, count, positions, weights, size, last = (element.value for element in elements)
            number = int(count.decode("ascii"))
            assert (one.strip(), last.strip()) == (b"1", b"1")
            assert struct.unpack("<2f", size) == (4.5, 4.5)
            assert struct.unpack(f"<{2 * number}f", positions) == tuple(layer.points_mm.ravel())
            assert struct.unpack(f"<{number}f", weights) == pytest.approx(tuple(layer.weights))
            assert struct.unpack("<f", weights[:4]) == (0.0,)


def test_both_maps_say_the_same():
    for item in treatment_items(plan_of(Variant.BOTH_MAPS)):
        for point in item.IonControlPointSequence[::2]:
            line = np.frombuffer(point[0x300B, 0x1094].value, "<f4")
            assert line.tolist() == list(point.ScanSpotPositionMap)


def test_a_repaint_is_a_second_layer_of_the_same_energy_in_a_row():
    points = treatment_items(plan_of(Variant.REPAINT))[0].IonControlPointSequence[::2]
    assert [float(point.NominalBeamEnergy) for point in points] == [150.0, 150.0, 140.0]
    assert points[0].ScanSpotMetersetWeights == points[1].ScanSpotMetersetWeights


def test_a_layer_with_one_spot_has_a_weight_without_a_list():
    for item in treatment_items(plan_of(Variant.ONE_SPOT)):
        last = item.IonControlPointSequence[-2]
        assert last.NumberOfScanSpotPositions == 1
        assert isinstance(last.ScanSpotMetersetWeights, float)
        assert len(last.ScanSpotPositionMap) == 2


def test_omitted_energies_and_maps_are_those_of_the_point_before():
    points = treatment_items(plan_of(Variant.OMITTED_ENERGY, Variant.REPAINT))[0].IonControlPointSequence
    assert ["NominalBeamEnergy" in point for point in points] == [True, False, False, False, True, False]
    assert ["ScanSpotPositionMap" in point for point in points] == [True, False, False, False, True, False]


def test_a_g1_plan_has_a_block_around_each_beam():
    for item in treatment_items(plan_of(Variant.G1_BLOCK)):
        assert item.TreatmentMachineName == "G1 TREATMENT LINE"
        (block,) = item.IonBlockSequence
        assert (item.NumberOfBlocks, block.BlockType) == (1, "APERTURE")
        assert len(block.BlockData) == 2 * block.BlockNumberOfPoints
        outline = np.array(block.BlockData, dtype=float).reshape(-1, 2)
        spots = np.array(item.IonControlPointSequence[0].ScanSpotPositionMap).reshape(-1, 2)
        assert (outline.min(axis=0) < spots.min(axis=0)).all()
        assert (outline.max(axis=0) > spots.max(axis=0)).all()


def test_companions_are_dicom_files_of_other_kinds(tmp_path: Path):
    folder = write_case(tmp_path, SampleCase(variants=frozenset({Variant.COMPANIONS})))
    kinds = {
        file.name: pydicom.dcmread(file).Modality
        for file in folder.iterdir()
        if file.is_file() and file.stat().st_size
    }
    assert kinds == {"plan.dcm": "RTPLAN", "CT_001.dcm": "CT", "RTSTRUCT.DCM": "RTSTRUCT"}


def test_each_object_has_its_own_uid_and_those_of_a_case_share_their_study(tmp_path: Path):
    cases = [
        SampleCase(number=number, study=study, variants=frozenset({Variant.COMPANIONS}))
        for number, study in ((1, "1.2.3"), (1, "1.2.4"), (2, "1.2.3"))
    ]
    folders = [write_case(tmp_path, case) for case in cases]
    headers = [
        pydicom.dcmread(file)
        for folder in folders
        for file in folder.iterdir()
        if file.suffix in (".dcm", ".DCM")
    ]
    assert len(headers) == len({header.SOPInstanceUID for header in headers}) == 9
    assert len({header.SeriesInstanceUID for header in headers}) == 9
    assert len({header.StudyInstanceUID for header in headers}) == 3
    assert len({header.get("FrameOfReferenceUID") for header in headers} - {None}) == 3


@pytest.mark.parametrize("variants", [*ALONE, *COMBINED], ids=named)
def test_nothing_in_a_plan_speaks_of_a_person(variants: frozenset[Variant]):
    plan = plan_of(*variants)
    names = [element.value for element in plan.iterall() if element.VR == "PN"]
    assert all(not str(name) for name in names)
    assert not plan.PatientBirthDate
    assert not plan.PatientSex


@pytest.mark.parametrize("variants", [*ALONE, *COMBINED], ids=named)
def test_the_plan_reader_finds_what_was_planned(tmp_path: Path, variants: frozenset[Variant]):
    case = SampleCase(variants=variants)
    plan = read_plan(write_case(tmp_path, case), room=f"G{case.gantry}")
    planned = planned_beams(variants, 5)
    assert [beam.name for beam in plan.beams] == ["SETUP", "F2 A/P", "F3", "F4"]
    assert (plan.patient_id, plan.gantry) == ("QA0001", case.gantry)
    for read, beam in zip(plan.treatment_beams, planned, strict=True):
        assert (read.dicom_number, read.plan_position) == (beam.dicom_number, beam.plan_position)
        assert read.meterset_mu == beam.meterset_mu
        assert len(read.apertures) == (Variant.G1_BLOCK in variants)
        for layer, stated in zip(read.layers, beam.layers, strict=True):
            assert layer.energy_mev == stated.energy_mev
            assert layer.meterset_weight == pytest.approx(stated.weight, abs=1e-6)
            assert layer.spots.form == (MapForm.LINE if stated.line else MapForm.SPOTS)
            assert layer.spots.positions_mm == pytest.approx(stated.points_mm, abs=1e-4)
            assert layer.spots.weights == pytest.approx(stated.weights, rel=1e-6)


@pytest.mark.parametrize("variants", [*ALONE, *COMBINED], ids=named)
def test_an_independent_dicom_tool_reads_the_plan_without_complaint(
    tmp_path: Path, variants: frozenset[Variant], missing_service: Callable[[str], NoReturn]
):
    tool = shutil.which("dcmdump")
    if tool is None:
        missing_service("dcmdump is not here: install it with `apt-get install dcmtk`")
    folder = write_case(tmp_path, SampleCase(variants=variants))
    for file in sorted(path for path in folder.iterdir() if path.suffix.casefold() == ".dcm"):
        done = subprocess.run([tool, str(file)], capture_output=True, text=True, timeout=60, check=True)
        assert done.stderr == ""
        assert "QA0001" in done.stdout
