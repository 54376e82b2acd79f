"""Finding the one plan of a case and reading it whole, whatever else lies in the folder."""

import re
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from assets.beams.failures import BeamFailure
from assets.beams.plan import Plan, interpreted_plan, read_plan
from assets.beams.plan_files import parsed_plan
from tests.assets.beams.written_plans import (
    PHOTON_PLAN,
    PlannedLayer,
    beam,
    case_with,
    control_points,
    data_set,
    dicom_bytes,
    ion_plan,
    write_dicom,
)

LINE = PlannedLayer(150.0, ((0.0, 0.0, 0.0), (5.25, -1.5, 2.0)), line=True)
SPOT = PlannedLayer(140.0, ((3.0, 4.0, 1.0),))


def refusal_of(case: Path) -> BeamFailure:
    with pytest.raises(BeamFailure) as refusal:
        read_plan(case)
    return refusal.value


def two_layer_plan() -> pydicom.Dataset:
    return ion_plan([beam(1, "SETUP", []), beam(5, "F2 A/P", control_points([LINE, SPOT]))])


def essence(plan: Plan) -> object:
    """What of a plan can be compared."""
    return plan.patient_id, [
        (beam.dicom_number, beam.name, layer.energy_mev, layer.mu, layer.spots.positions_mm.tolist())
        for beam in plan.treatment_beams
        for layer in beam.layers
    ]


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.name,
)
def test_a_plan_reads_the_same_in_every_transfer_syntax(tmp_path: Path, syntax: UID) -> None:
    case_with(tmp_path, *two_layer_plan().IonBeamSequence)
    (tmp_path / "other").mkdir()
    write_dicom(two_layer_plan(), tmp_path / "other" / "plan.dcm", syntax=syntax)
    assert essence(read_plan(tmp_path / "other")) == essence(read_plan(tmp_path / "QA0001"))


def test_the_ending_is_found_in_any_letter_case_and_images_beside_the_plan_do_not_matter(
    tmp_path: Path,
) -> None:
    case = case_with(tmp_path, beam(5))
    (case / "plan.dcm").rename(case / "Plan.DcM")
    for number in range(3):
        image = data_set(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", SOPInstanceUID=f"1.{number}", Modality="CT")
        write_dicom(image, case / f"ct{number}.dcm")
    assert read_plan(case).file == case / "Plan.DcM"


def test_a_case_without_a_plan_is_refused_and_told_what_counts(tmp_path: Path) -> None:
    case = case_with(tmp_path, beam(5))
    plan = (case / "plan.dcm").rename(tmp_path / "plan.dcm")
    (case / "linked.dcm").symlink_to(plan)
    (case / ".plan.dcm").write_bytes(plan.read_bytes())
    (case / "plan.backup.dcm").write_bytes(plan.read_bytes())
    (case / "deeper.dcm").mkdir()
    (case / "plan.dcm.txt").write_bytes(plan.read_bytes())
    failure = refusal_of(case)
    assert failure.code == "missing_rtplan"
    assert failure.message.startswith("'QA0001' has no RT plan among its 0 DICOM files")


def test_two_plans_are_refused_with_both_instance_uids(tmp_path: Path) -> None:
    case = case_with(tmp_path, beam(5))
    write_dicom(ion_plan([beam(5)], SOPInstanceUID="1.2.3.9"), case / "again.dcm")
    failure = refusal_of(case)
    assert failure.code == "multiple_rtplan"
    assert "'again.dcm' (1.2.3.9), 'plan.dcm' (1.2.3.1)" in failure.message


def test_a_photon_plan_is_no_ion_plan(tmp_path: Path) -> None:
    failure = refusal_of(case_with(tmp_path, beam(5), SOPClassUID=PHOTON_PLAN))
    assert failure.code == "not_an_ion_plan"
    assert PHOTON_PLAN in failure.message


@pytest.mark.parametrize("content", [b"", b"DICM", b"no dicom" * 100])
def test_a_file_that_is_no_dicom_might_be_a_second_plan_and_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    case = case_with(tmp_path, beam(5))
    (case / "a.dcm").write_bytes(content)
    failure = refusal_of(case)
    assert failure.code == "rtplan_parse_failed"
    assert failure.message == (
        "'a.dcm' cannot be read as DICOM (it has no DICM header); copy the file into the folder again."
    )


def test_a_plan_without_its_preamble_is_not_guessed_at(tmp_path: Path) -> None:
    case = case_with(tmp_path, beam(5))
    content = (case / "plan.dcm").read_bytes()[132:]
    (case / "plan.dcm").write_bytes(content)
    assert refusal_of(case).code == "rtplan_parse_failed"
    with pytest.raises(BeamFailure, match="it has no DICM header"):
        parsed_plan(content, "plan")


UNDEFINED_LENGTH = bytes.fromhex("fe4f0100") + b"OB" + bytes.fromhex("0000ffffffff") + b"any bytes!"
DELIMITER = bytes.fromhex("feffdde000000000")


def test_a_value_of_undefined_length_at_the_end_of_a_plan_is_not_taken_for_a_cut() -> None:
    whole = dicom_bytes(two_layer_plan()) + UNDEFINED_LENGTH + DELIMITER
    assert parsed_plan(whole, "plan").dataset[0x4FFE0001].value == b"any bytes!"


@pytest.mark.filterwarnings("ignore:End of file reached:UserWarning")
@pytest.mark.parametrize("missing", [1, 4, 8])
def test_a_value_of_undefined_length_without_its_end_is_refused(missing: int) -> None:
    cut = (dicom_bytes(two_layer_plan()) + UNDEFINED_LENGTH + DELIMITER)[:-missing]
    with pytest.raises(BeamFailure, match="its last value is cut, or is no DICOM"):
        parsed_plan(cut, "plan")


@pytest.mark.filterwarnings("ignore:The value length:UserWarning")
@pytest.mark.parametrize("undefined_length", [False, True])
@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian], ids=lambda syntax: syntax.name
)
def test_a_plan_cut_anywhere_is_refused_or_lacks_whole_attributes_at_its_end(
    syntax: UID, undefined_length: bool
) -> None:
    plan = two_layer_plan()
    plan.ApprovalStatus = "APPROVED"
    plan["IonBeamSequence"].is_undefined_length = undefined_length
    for item in plan.IonBeamSequence:
        item.is_undefined_length_sequence_item = undefined_length
    content = dicom_bytes(plan, syntax=syntax)
    whole = list(parsed_plan(content, "plan").dataset)
    accepted: list[int] = []
    for length in range(len(content)):
        try:
            read = list(parsed_plan(content[:length], "plan").dataset)
        except BeamFailure as failure:
            outcome = failure.code
        else:
            outcome = "read"
            accepted.append(len(read))
            assert read == whole[: len(read)]
        assert outcome in {"read", "rtplan_parse_failed", "not_an_ion_plan"}
    assert accepted == list(range(1, len(whole)))


def test_a_deflated_plan_that_is_cut_is_refused() -> None:
    content = dicom_bytes(two_layer_plan(), syntax=DeflatedExplicitVRLittleEndian)
    for surplus in range(2, 100):  # the last byte only makes the length even
        with pytest.raises(BeamFailure, match="cannot be read as DICOM"):
            parsed_plan(content[:-surplus], "plan")


WRITTEN_PLAN = dicom_bytes(two_layer_plan())


@pytest.mark.filterwarnings("ignore::UserWarning")  # by pydicom, which tells what it repairs
@settings(max_examples=400, deadline=None)
@given(
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
    )
)
def test_a_plan_with_any_bytes_changed_is_read_or_refused_and_never_breaks_the_reader(
    changes: list[tuple[float, int]],
) -> None:
    content = bytearray(WRITTEN_PLAN)
    for place, value in changes:
        content[int(place * len(content))] = value
    try:
        plan = interpreted_plan(parsed_plan(bytes(content), "plan"), Path("plan.dcm"))
        outcome = "read" if plan.treatment_beams else "empty"
    except BeamFailure as failure:
        outcome = failure.phase if failure.message.isprintable() else "unprintable"
    assert outcome in {"read", "preparation"}


TYPES = b"AS CS DS DT FD FL IS LO OB OW PN SH SL SQ TM UI UL UN US UT".split()
TYPE_PLACES = [match.start() for match in re.finditer(b"|".join(TYPES), WRITTEN_PLAN)]


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(TYPE_PLACES), st.sampled_from(TYPES)), min_size=1, max_size=3))
def test_a_plan_with_values_of_other_types_is_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    content = bytearray(WRITTEN_PLAN)
    for place, other in changes:
        content[place : place + 2] = other
    try:
        outcome = interpreted_plan(parsed_plan(bytes(content), "plan"), Path("plan.dcm")).room
    except BeamFailure as failure:
        outcome = failure.phase
    assert outcome in {"G2", "preparation"}


def nested_sequences(depth: int) -> bytes:
    item = bytes.fromhex("feff00e0ffffffff")
    return (bytes.fromhex("0a30a203") + b"SQ" + bytes.fromhex("0000ffffffff") + item) * depth


def retyped(content: bytes, tag: str, before: bytes, after: bytes) -> bytes:
    """The plan with another type of one attribute, or another beginning of its value."""
    changed = content.replace(bytes.fromhex(tag) + before, bytes.fromhex(tag) + after)
    assert changed != content
    return changed


ONE_BEAM = dicom_bytes(ion_plan([beam(5)], SpecificCharacterSet="ISO_IR 6"))
BEAM_NUMBER, BEAMS, PATIENT_ID, CHARACTER_SET = "0a30c000", "0a30a203", "10002000", "08000500"


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (ONE_BEAM + nested_sequences(2000), "maximum recursion depth exceeded"),
        (retyped(ONE_BEAM, BEAMS, b"SQ", b"OB"), "IonBeamSequence is no sequence"),
        (retyped(ONE_BEAM, PATIENT_ID, b"LO", b"PN"), "PatientID is no text"),
        (
            retyped(
                retyped(ONE_BEAM, CHARACTER_SET, b"CS\x08\0ISO_IR 6", b"CS\x08\0hex     "),
                PATIENT_ID,
                b"LO",
                b"PN",
            ),
            "PatientID cannot be read ('hex' is not a text encoding",
        ),
    ],
    ids=["too deep", "no sequence", "no text", "codec"],
)
def test_what_pydicom_cannot_turn_into_a_value_is_a_refusal(content: bytes, rule: str) -> None:
    with pytest.raises(BeamFailure) as refusal:
        interpreted_plan(parsed_plan(content, "plan"), Path("plan.dcm"))
    assert refusal.value.code == "rtplan_parse_failed"
    assert rule in refusal.value.message


def test_a_folder_that_cannot_be_listed_is_not_taken_for_one_without_plan(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        read_plan(tmp_path / "nowhere")
