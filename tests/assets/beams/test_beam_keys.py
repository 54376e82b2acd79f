"""Keys of cases and beams, names of folders and files, and what of an id is shown."""

import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import BeamFailure
from assets.beams.keys import (
    FieldKey,
    beam_folder,
    beam_id,
    case_key,
    field_key,
    is_ignored_name,
    is_key_part,
    layer_file_name,
    masked,
    parsed_field_key,
)

KEY_CHARACTERS = string.ascii_letters + string.digits + "._-"
UNSAFE = [
    "",
    ".",
    "..",
    ".hidden",
    "a b",
    "a;b",
    "$(x)",
    "-rf",
    "a" * 65,
    "a\nb",
    "QA0001\n",
    "a\x00",
    "\x1b[2J",
    "Prüfung",
    "٣",
    "../x",
    "a/b",
    "a..b",
    "a|1",
    "a#b",
]
parts = st.text(KEY_CHARACTERS, min_size=1, max_size=64).filter(is_key_part)


@pytest.mark.parametrize("name", ["QA000001", "1.2.840.10008.1.2.3", "A-b_C.9", "a" * 64, "0"])
def test_a_plain_name_is_a_key(name: str) -> None:
    assert case_key(name) == name


@pytest.mark.parametrize("name", UNSAFE)
def test_an_unsafe_name_is_refused_alone_and_as_study(name: str) -> None:
    assert not is_key_part(name)
    for folders in ((name,), ("P1", name), (name, "S1")):
        with pytest.raises(BeamFailure) as refusal:
            case_key(*folders)
        assert refusal.value.code == "bad_case_id"
        assert refusal.value.message.isprintable()


def test_a_refusal_shows_the_name_escaped_and_cut() -> None:
    with pytest.raises(BeamFailure) as refusal:
        case_key("a\nb" + "c" * 200)
    assert r"'a\nbccc" in refusal.value.message
    assert len(refusal.value.message) < 300


@given(st.text(max_size=70) | st.text(KEY_CHARACTERS + "\n/ ", max_size=70))
def test_a_name_is_a_key_part_only_if_every_character_of_it_is_allowed(name: str) -> None:
    allowed = (
        1 <= len(name) <= 64
        and all(character in KEY_CHARACTERS for character in name)
        and name[0] in string.ascii_letters + string.digits
        and ".." not in name
    )
    assert is_key_part(name) == allowed


@pytest.mark.parametrize(
    ("folders", "key"), [(("P1", "1.2.3"), "P1.1.2.3"), (("P1", "1.2.4"), "P1.1.2.4"), (("P1",), "P1")]
)
def test_the_studies_of_a_patient_have_keys_of_their_own(folders: tuple[str, ...], key: str) -> None:
    assert case_key(*folders) == key


def test_a_key_above_64_characters_keeps_47_and_gets_16_digits_of_its_digest() -> None:
    patient, study = "P" * 30, "1.2." + "3" * 40
    whole = f"{patient}.{study}"
    assert len(whole) == 75
    assert case_key(patient, study) == f"{whole[:47]}-{sha256(whole.encode()).hexdigest()[:16]}"
    assert len(case_key(patient, study)) == 64
    assert case_key("P" * 31, "3" * 32) == f"{'P' * 31}.{'3' * 32}"


@given(parts, parts)
def test_the_key_of_two_safe_folders_is_safe_and_two_points_in_it_are_refused(
    patient: str, study: str
) -> None:
    if ".." in f"{patient}.{study}":
        with pytest.raises(BeamFailure, match="refused as a key"):
            case_key(patient, study)
    else:
        assert is_key_part(case_key(patient, study))


@given(parts, st.integers(1, 999))
def test_a_beam_key_reads_back(case: str, index: int) -> None:
    assert parsed_field_key(field_key(case, index)) == FieldKey(case, index)


@pytest.mark.parametrize(
    "key",
    [
        "QA1",
        "QA1|",
        "QA1|0",
        "QA1|01",
        "QA1|1000",
        "QA1|x",
        "QA1|1|2",
        "|1",
        "../x|1",
        "QA1|\u0661",
        "QA1|1\n",
    ],
)
def test_a_beam_key_has_one_spelling_and_nothing_unsafe(key: str) -> None:
    with pytest.raises(BeamFailure) as refusal:
        parsed_field_key(key)
    assert refusal.value.code == "bad_case_id"


def test_a_beam_id_joins_case_and_treatment_index() -> None:
    assert beam_id("QA0001", 3) == "QA0001_beam_3"


@pytest.mark.parametrize(
    ("position", "name", "folder"),
    [
        (1, "B 2/a", "001_B_2_a"),
        (2, "F2 A/P", "002_F2_A_P"),
        (10, "../../x", "010_______x"),
        (3, "$(rm)\n#", "003___rm___"),
        (4, "", "004_"),
        (5, "Müller", "005_M_ller"),
        (999, "n" * 60, "999_" + "n" * 48),
    ],
)
def test_a_beam_folder_is_its_position_and_its_safe_name(position: int, name: str, folder: str) -> None:
    assert beam_folder(position, name) == folder


@given(st.lists(st.text(max_size=60), min_size=1, max_size=120))
def test_sorted_folders_are_in_plan_order_for_the_engine_finds_logs_by_place(names: list[str]) -> None:
    folders = [beam_folder(position, name) for position, name in enumerate(names, start=1)]
    assert sorted(folders) == folders


@pytest.mark.parametrize("position", [0, -1, 1000])
def test_a_position_that_would_break_the_order_of_folders_is_refused(position: int) -> None:
    with pytest.raises(ValueError, match="is not 1 to 999"):
        beam_folder(position, "F1")


@pytest.mark.parametrize(
    ("number", "energy", "count", "name"),
    [
        (1, 150.0, 2, "01_150.00MeV.csv"),
        (2, 70.126, 99, "02_70.13MeV.csv"),
        (7, 230.0, 100, "007_230.00MeV.csv"),
        (100, 230.0, 100, "100_230.00MeV.csv"),
    ],
)
def test_a_layer_file_names_layer_and_energy(number: int, energy: float, count: int, name: str) -> None:
    assert layer_file_name(number, energy, count) == name


@pytest.mark.parametrize(
    ("patient_id", "shown"),
    [("QA0001", "***001"), ("QA00", "***A00"), ("123", "***"), ("", "***"), ("1234\n", r"***34\n")],
)
def test_of_a_patient_id_three_characters_are_shown_at_most(patient_id: str, shown: str) -> None:
    assert masked(patient_id) == shown


@pytest.mark.parametrize(
    ("name", "ignored"),
    [
        (".git", True),
        ("QA1.EXTRACTING", True),
        ("qa1.zip.tmp", True),
        ("plan.backup.dcm", True),
        ("Extract_17.tmp", True),
        ("plan.dcm", False),
        ("backup", False),
        ("extract_17", False),
        ("extracting", False),
    ],
)
def test_half_extracted_hidden_and_backup_names_are_passed_over(name: str, ignored: bool) -> None:
    assert is_ignored_name(name) is ignored
