"""What holds for a plan as a whole: its beams and their four numbers, setup beams, gantry, room, meterset."""

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from assets.beams.beam_items import TreatmentBeam
from assets.beams.failures import BeamFailure
from assets.beams.gantry import gantries_named
from assets.beams.plan import read_plan
from tests.assets.beams.written_plans import (
    MACHINE,
    PlannedLayer,
    beam,
    case_with,
    control_points,
    plan_as_read,
)


def refusal_of(*beams: Dataset, **attributes: Any) -> BeamFailure:
    with pytest.raises(BeamFailure) as refusal:
        plan_as_read(*beams, **attributes)
    return refusal.value


def test_four_numbers_name_a_beam_and_differ() -> None:
    plan = plan_as_read(
        beam(1, "SETUP", [], BeamDescription="Site Setup"), beam(5, "F2 A/P"), beam(3, "F3"), beam(9, "F4")
    )
    numbers = [
        (beam.dicom_number, beam.plan_position, beam.treatment_index, beam.folder)
        for beam in plan.treatment_beams
    ]
    assert numbers == [(5, 2, 1, "002_F2_A_P"), (3, 3, 2, "003_F3"), (9, 4, 3, "004_F4")]
    assert [beam.folder for beam in plan.beams] == ["001_SETUP", "002_F2_A_P", "003_F3", "004_F4"]
    assert len(set(numbers[0])) == 4


def test_a_beam_is_found_by_its_dicom_number_and_by_no_other() -> None:
    plan = plan_as_read(beam(1, "SETUP", []), beam(5, "F2"), beam(3, "F3"))
    assert [getattr(plan.beam_numbered(number), "name", None) for number in (1, 2, 3, 4, 5)] == [
        "SETUP",
        None,
        "F3",
        None,
        "F2",
    ]
    assert not isinstance(plan.beam_numbered(1), TreatmentBeam)


def test_a_setup_beam_last_or_between_moves_positions_and_no_treatment_index() -> None:
    plan = plan_as_read(beam(5, "F2"), beam(1, "setup", []), beam(3, "F3"), beam(2, "Setup", []))
    assert [(b.dicom_number, b.plan_position, b.treatment_index) for b in plan.treatment_beams] == [
        (5, 1, 1),
        (3, 3, 2),
    ]


@pytest.mark.parametrize(
    ("delivery_type", "name", "description", "is_setup"),
    [
        ("SETUP", "F1", None, True),
        ("SETUP ", "F1", None, True),
        ("TREATMENT", " SetUp ", None, True),
        (None, "setup", None, True),
        ("TREATMENT", "F1", " Site SETUP ", True),
        ("TREATMENT", "setup 1", "site setup 1", False),
        ("TREATMENT", "F1", "setup", False),
        ("TREATMENT", "site setup", None, False),
        ("CONTINUATION", "F1", None, False),
        (None, None, None, False),
    ],
)
def test_a_setup_beam_is_known_by_type_name_or_description(
    delivery_type: str | None, name: str | None, description: str | None, is_setup: bool
) -> None:
    item = beam(2, TreatmentDeliveryType=delivery_type, BeamName=name, BeamDescription=description)
    plan = plan_as_read(beam(1, "F0"), item)
    assert isinstance(plan.beams[1], TreatmentBeam) is not is_setup


@pytest.mark.parametrize("beams", [(), (beam(1, "SETUP", []),)], ids=["empty", "setup only"])
def test_a_plan_without_treatment_beam_is_refused(beams: tuple[Dataset, ...]) -> None:
    failure = refusal_of(*beams)
    assert failure.code == "zero_expected_beams"
    assert failure.message.startswith("'plan.dcm': no item of it is a treatment beam; ")


@pytest.mark.parametrize(
    ("beams", "named"),
    [
        ((beam(5), beam(5)), "item 2: BeamNumber 5 belongs to another item too"),
        ((beam(5, "SETUP", []), beam(5)), "item 2: BeamNumber 5 belongs to another item too"),
        ((beam(5), beam(None)), "item 2: it has no BeamNumber"),
        ((beam(b"x "),), "item 1: BeamNumber 'x' is no number"),
        ((beam(b"1.5 "),), "item 1: BeamNumber 1.5 is no whole number"),
        ((beam(b"9" * 400),), "item 1: BeamNumber holds a number that is not finite"),
        ((beam(b"1\\2 "),), "item 1: BeamNumber '[1, 2]' is no number"),
    ],
    ids=["twice", "setup has it", "missing", "text", "fraction", "huge", "two"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # by pydicom, on writing the wrong values
def test_beam_numbers_must_be_whole_and_unlike(beams: tuple[Dataset, ...], named: str) -> None:
    failure = refusal_of(*beams, metersets={})
    assert failure.code == "rtplan_parse_failed"
    assert f"'plan.dcm', {named}" in failure.message


@pytest.mark.parametrize(
    ("name", "gantries"),
    [
        ("G1", (1,)),
        ("G2 TREATMENT LINE", (2,)),
        ("GTR1", (1,)),
        ("Gantry_1", (1,)),
        ("Gantry 2", (2,)),
        ("g2", (2,)),
        ("G-1", (1,)),
        ("G1 (GANTRY 1)", (1,)),
        ("G10", ()),
        ("G_21", ()),
        ("GTR3", ()),
        ("TR1", ()),
        ("MGTR02", ()),
        ("PROTEUS235", ()),
        ("Aging room 1", ()),
        ("MGTR2", ()),
        ("BUG1", ()),
        ("", ()),
        ("G1G2", (1, 2)),
        ("GTR2/G1", (1, 2)),
    ],
)
def test_a_machine_name_names_gantries(name: str, gantries: tuple[int, ...]) -> None:
    assert gantries_named(name) == gantries


@pytest.mark.parametrize(
    ("machine", "code", "rule"),
    [
        ("PROTEUS235", "gantry_unknown", "TreatmentMachineName 'PROTEUS235' names no gantry"),
        (None, "gantry_unknown", "TreatmentMachineName '' names no gantry"),
        ("G1G2", "gantry_ambiguous", "TreatmentMachineName 'G1G2' names two gantries"),
        ("G1\\G2", "gantry_ambiguous", "names two gantries"),
    ],
)
def test_a_machine_that_names_not_one_gantry_is_refused(machine: str | None, code: str, rule: str) -> None:
    failure = refusal_of(
        beam(1, "SETUP", [], TreatmentMachineName="x"), beam(5, TreatmentMachineName=machine)
    )
    assert failure.code == code
    assert failure.message.startswith("'plan.dcm', item 2 (BeamNumber 5): ")
    assert rule in failure.message


def test_treatment_beams_of_two_gantries_are_refused_and_both_named() -> None:
    failure = refusal_of(beam(5), beam(3, TreatmentMachineName="GTR1"))
    assert failure.code == "gantry_mixed"
    assert "item 2 (BeamNumber 3): it is planned for G1, and 'plan.dcm', item 1 (BeamNumber 5) for G2" in (
        failure.message
    )


def test_the_machine_of_a_setup_beam_does_not_matter() -> None:
    plan = plan_as_read(beam(1, "SETUP", [], TreatmentMachineName="G1"), beam(5))
    assert (plan.gantry, plan.room) == (2, "G2")


def test_a_machine_name_longer_than_its_type_allows_is_read(tmp_path: Path) -> None:
    case = case_with(tmp_path, beam(5, TreatmentMachineName=MACHINE))
    assert len(MACHINE) == 17
    assert read_plan(case).gantry == 2


def test_the_room_folder_must_be_the_gantry_of_the_plan(tmp_path: Path) -> None:
    case = case_with(tmp_path, beam(5))
    assert read_plan(case, room="G2").room == read_plan(case).room == "G2"
    with pytest.raises(BeamFailure) as refusal:
        read_plan(case, room="G1")
    assert refusal.value.code == "room_mismatch"
    assert "'plan.dcm' is planned for G2 and lies in the room folder G1" in refusal.value.message


def test_identities_are_read_and_the_patient_is_not_printed() -> None:
    plan = plan_as_read(beam(5), PatientID=" QA0001 ")
    assert plan.patient_id == "QA0001"
    assert (plan.sop_instance_uid, plan.study_instance_uid) == ("1.2.3.1", "1.2.3.2")
    assert (plan.frame_of_reference_uid, plan.label) == ("1.2.3.3", "RT Ion Plan")
    assert "QA0001" not in repr(plan)


@pytest.mark.parametrize("keyword", ["PatientID"])
def test_a_plan_that_cannot_be_attributed_is_refused(keyword: str) -> None:
    failure = refusal_of(beam(5), **{keyword: None})
    assert (failure.code, failure.message.split(";")[0]) == (
        "rtplan_parse_failed",
        f"'plan.dcm': it has no {keyword}",
    )


def test_uids_that_a_plan_may_lack_are_none() -> None:
    plan = plan_as_read(beam(5), StudyInstanceUID=None, FrameOfReferenceUID=None)
    assert (plan.study_instance_uid, plan.frame_of_reference_uid) == (None, None)


LAYERS = [PlannedLayer(150.0, ((0, 0, 1), (1, 0, 2))), PlannedLayer(140.0, ((0, 0, 1),))]


def test_mu_are_the_share_of_the_layer_in_the_meterset_of_its_beam() -> None:
    plan = plan_as_read(beam(5, "F2", control_points(LAYERS)), beam(3), metersets={3: 7.0, 5: 100.0})
    assert [layer.mu for layer in plan.treatment_beams[0].layers] == [75.0, 25.0]
    assert [layer.meterset_weight for layer in plan.treatment_beams[0].layers] == [3.0, 1.0]
    assert [beam.meterset_mu for beam in plan.treatment_beams] == [100.0, 7.0]


def test_a_beam_without_meterset_has_weights_only() -> None:
    item = beam(3, "F3", control_points(LAYERS), FinalCumulativeMetersetWeight=None)
    plan = plan_as_read(beam(5), item, metersets={5: 100.0})
    assert [(layer.mu, layer.meterset_weight) for layer in plan.treatment_beams[1].layers] == [
        (None, 3.0),
        (None, 1.0),
    ]
    assert plan.treatment_beams[1].meterset_mu is None


def test_a_setup_beam_needs_no_meterset() -> None:
    plan = plan_as_read(beam(1, "SETUP", []), beam(5), metersets={5: 7.0})
    assert plan.treatment_beams[0].meterset_mu == 7.0


@pytest.mark.parametrize(
    ("item", "metersets", "rule"),
    [
        (beam(5, FinalCumulativeMetersetWeight=None), {5: 1.0}, "it has no FinalCumulativeMetersetWeight"),
        (
            beam(5, FinalCumulativeMetersetWeight=0.0),
            {5: 1.0},
            "FinalCumulativeMetersetWeight 0 is not above",
        ),
        (beam(5), {5: 0.0}, "BeamMeterset 0 is not above 0"),
        (beam(5), {5: "nan"}, "BeamMeterset holds a number that is not finite"),
    ],
)
def test_a_meterset_that_gives_no_mu_is_refused(item: Dataset, metersets: dict[int, Any], rule: str) -> None:
    failure = refusal_of(item, metersets=metersets)
    assert failure.code == "rtplan_parse_failed"
    assert rule in failure.message


def test_two_fraction_groups_with_different_metersets_are_refused() -> None:
    groups = [plan_group(100.0), plan_group(50.0)]
    failure = refusal_of(beam(5), FractionGroupSequence=groups)
    assert failure.code == "rtplan_parse_failed"
    assert "fraction group 2, beam 1: BeamNumber 5 has another BeamMeterset elsewhere" in failure.message
    plan = plan_as_read(beam(5), FractionGroupSequence=[plan_group(9.0), plan_group(9.0)])
    assert plan.treatment_beams[0].meterset_mu == 9.0


def plan_group(meterset: float) -> Dataset:
    reference, group = Dataset(), Dataset()
    reference.ReferencedBeamNumber, reference.BeamMeterset = 5, meterset
    group.ReferencedBeamSequence = [reference]
    return group
