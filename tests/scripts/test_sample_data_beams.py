"""Cases of the beams samples on disk: reproducible to the byte, laid out as the contract says."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from scripts.sample_data.__main__ import main
from scripts.sample_data.beams import SAMPLES, SampleCase, corrupted, write_case
from scripts.sample_data.beams_case import case_tree
from scripts.sample_data.beams_corruptions import CORRUPTIONS, draft_of
from scripts.sample_data.beams_fields import Variant

REPOSITORY = Path(__file__).resolve().parents[2]
COLUMNS = [
    "RESULT_ID",
    "LAYER_NO",
    "LAYER_ENERGY",
    "PATIENT_ID",
    "FLD_NO",
    "DOSE1_RANGE",
    "DOSE2_RANGE",
    "PLAN_DOSE1_RANGE",
    "PLAN_DOSE2_RANGE",
    "SCAN_OUT_FL_NM",
    "PLAN_SCAN_OUT_FL_NM",
]
PLACE_CODES = ["no_marker", "bad_case_id", "symlinked_case", "duplicate_case_key", "room_mismatch"]
BEFORE = [(code, None) for code in CORRUPTIONS] + [(code, "1.2.3") for code in PLACE_CODES]


def tree_of(root: Path) -> dict[str, str]:
    """Every file and link below a folder, with a digest of what it holds."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def text_of(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--cases", "2", "--nested", "--variant", "line-maps", "--variant", "g1-block"],
        ["--corrupt", "map_conflict", "--no-room", "--fractions", "3", "--samples", "777"],
    ],
)
def test_equal_arguments_give_equal_bytes_in_any_process_and_time_zone(tmp_path: Path, arguments: list[str]):
    trees: list[Mapping[str, str]] = []
    for place, (zone, seed) in enumerate([("Asia/Tokyo", "1"), ("America/New_York", "2")]):
        root = tmp_path / str(place)
        command = [sys.executable, "-m", "scripts.sample_data", "beams", "--out", str(root), *arguments]
        environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": seed}
        subprocess.run(command, check=True, cwd=REPOSITORY, env=environment, capture_output=True, timeout=120)
        trees.append(tree_of(root))
    assert trees[0] == trees[1]
    assert len(trees[0]) > 20


def test_a_case_has_its_plan_its_marker_and_a_folder_for_every_delivery(tmp_path: Path):
    folder = write_case(tmp_path, SampleCase())
    assert folder == tmp_path / "G2/QA0001"
    assert sorted(path.name for path in folder.iterdir()) == [
        "2026032010000000",
        "2026032010050000",
        "2026032010100000",
        "2026032110000000",
        "2026032110050000",
        "2026032110100000",
        "_CASE_READY",
        "plan.dcm",
    ]
    assert sorted(path.name for path in (folder / "2026032010100000").iterdir()) == [
        "01-QA0001_F2_005_001.ptn",
        "01-QA0001_F2_005_002.ptn",
        "PlanInfo.txt",
        "PlanRange.txt",
    ]
    assert (folder / "_CASE_READY").read_bytes() == b""


def test_beams_are_delivered_in_another_order_than_planned_and_than_the_day_before(tmp_path: Path):
    folder = write_case(tmp_path, SampleCase())
    stated = [text_of(info)[1] for info in sorted(folder.glob("20260320*/PlanInfo.txt"))]
    assert stated == ["DICOM_BEAM_NUMBER,3", "DICOM_BEAM_NUMBER,9", "DICOM_BEAM_NUMBER,5"]
    later = [text_of(info)[2].replace(" ", "") for info in sorted(folder.glob("20260321*/PlanInfo.txt"))]
    assert later == ["DICOM_BEAM_NUMBER,9", "DICOM_BEAM_NUMBER,5", "DICOM_BEAM_NUMBER,3"]


def test_texts_say_what_was_delivered(tmp_path: Path):
    delivery = write_case(tmp_path, SampleCase()) / "2026032010100000"
    assert text_of(delivery / "PlanInfo.txt") == [
        "DICOM_PATIENT_ID,QA0001",
        "DICOM_BEAM_NUMBER,5",
        "TCSC_FIELD_NUMBER,12",
        "STOP_LAYER_NUMBER,2",
        "TCSC_IRRAD_DATETIME,2026032010100000",
    ]
    assert text_of(delivery / "PlanRange.txt") == [
        ",".join(COLUMNS),
        "1121,1,150.00,QA0001,12,2,2,2,2,01-QA0001_F2_005_001.ptn,00-QA0001_F2_005_001.ptn",
        "1122,2,140.00,QA0001,12,3,3,3,3,01-QA0001_F2_005_002.ptn,00-QA0001_F2_005_002.ptn",
    ]


def test_every_second_fraction_spells_its_texts_as_freely_as_is_allowed(tmp_path: Path):
    delivery = write_case(tmp_path, SampleCase()) / "2026032110000000"
    assert sorted(path.name for path in delivery.iterdir()) == [
        "02-QA0001_F4_009_001.PTN",
        "PlanInfo.txt",
        "PlanRange.csv",
    ]
    info = (delivery / "PlanInfo.txt").read_bytes()
    assert info.startswith(b"\xef\xbb\xbfDICOM_PATIENT_ID , QA0001 \r\n\r\nDICOM_BEAM_NUMBER , 9 \r\n\r\n")
    assert b" , 02-QA0001_F4_009_001.ptn , " in (delivery / "PlanRange.csv").read_bytes()


@pytest.mark.parametrize(
    ("case", "folder", "marker"),
    [
        (SampleCase(number=12, in_room=False), "QA0012", "QA0012"),
        (SampleCase(variants=frozenset({Variant.G1_BLOCK})), "G1/QA0001", "G1/QA0001"),
        (SampleCase(study="1.2.3"), "G2/QA0001/1.2.3", "G2/QA0001"),
        (SampleCase(study="1.2.3", in_room=False), "QA0001/1.2.3", "QA0001"),
    ],
)
def test_a_case_lies_flat_or_nested_with_or_without_a_room(
    tmp_path: Path, case: SampleCase, folder: str, marker: str
):
    assert write_case(tmp_path, case) == tmp_path / folder
    assert (tmp_path / folder / "plan.dcm").is_file()
    assert [path.parent for path in tmp_path.rglob("_CASE_READY")] == [tmp_path / marker]


def test_two_studies_of_a_patient_lie_side_by_side_under_one_marker_with_their_own_uids(tmp_path: Path):
    folders = [write_case(tmp_path, SampleCase(study=study)) for study in ("1.2.3", "1.2.4")]
    patient = tmp_path / "G2/QA0001"
    assert sorted(path.name for path in patient.iterdir()) == ["1.2.3", "1.2.4", "_CASE_READY"]
    assert (folders[0] / "plan.dcm").read_bytes() != (folders[1] / "plan.dcm").read_bytes()


def test_fractions_and_start_are_as_asked_for(tmp_path: Path):
    start = datetime(2026, 12, 31, 23, 58)  # noqa: DTZ001 (the machine's clock has no zone)
    folder = write_case(tmp_path, SampleCase(fractions=5, start=start))
    deliveries = sorted(path.name for path in folder.iterdir() if path.is_dir())
    expected = [start + timedelta(days=day, minutes=5 * turn) for day in range(5) for turn in range(3)]
    assert deliveries == [f"{moment:%Y%m%d%H%M%S}00" for moment in expected]


def test_a_case_that_is_written_again_is_left_alone_to_the_nanosecond(tmp_path: Path):
    folder = write_case(tmp_path, SampleCase())
    for path in folder.rglob("*"):
        os.utime(path, ns=(1, 1))
    write_case(tmp_path, SampleCase())
    assert {path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == {1}


def test_changing_content_keeps_the_marker_and_every_other_file(tmp_path: Path):
    folder = write_case(tmp_path, SampleCase())
    for path in folder.rglob("*"):
        os.utime(path, ns=(1, 1))
    write_case(tmp_path, corrupted(SampleCase(), "content_changing"))
    changed = [path.name for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime_ns != 1]
    assert changed == ["02-QA0001_F3_003_001.PTN"]


@pytest.mark.parametrize(("code", "study"), BEFORE)
def test_nothing_is_left_of_what_a_case_was_before(tmp_path: Path, code: str, study: str | None):
    case = SampleCase(study=study)
    write_case(tmp_path / "sound", case)
    write_case(tmp_path / "bad", corrupted(case, code))
    write_case(tmp_path / "both", case)
    write_case(tmp_path / "both", corrupted(case, code))
    assert tree_of(tmp_path / "both") == tree_of(tmp_path / "bad")
    write_case(tmp_path / "both", case)
    above = {"G2/_CASE_READY"} if code == "misplaced_marker" else set[str]()
    assert tree_of(tmp_path / "both").keys() - above == tree_of(tmp_path / "sound").keys()


def test_other_cases_and_files_beside_a_case_are_left_alone(tmp_path: Path):
    write_case(tmp_path, SampleCase(number=2))
    (tmp_path / "G2/notes.txt").write_text("kept")
    before = tree_of(tmp_path)
    write_case(tmp_path, corrupted(SampleCase(number=1), "bad_case_id"))
    write_case(tmp_path, SampleCase(number=1))
    after = tree_of(tmp_path)
    assert {name: after.get(name) for name in before} == before


def test_the_marker_is_written_last():
    for code in (None, "bad_case_id", "duplicate_case_key", "ptn_missing"):
        case = corrupted(SampleCase(), code) if code else SampleCase()
        files = [path.name for path in case_tree(draft_of(case)).files]
        assert files[-1] == "_CASE_READY"


def test_the_command_writes_below_the_home_as_many_cases_as_were_asked_for(
    isolated_environment: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["beams", "--cases", "3", "--first", "7"]) == 0
    room = isolated_environment / "storage/beam-logs/G2"
    assert sorted(path.name for path in room.iterdir()) == ["QA0007", "QA0008", "QA0009"]
    printed = capsys.readouterr().out.splitlines()
    folders = [room / f"QA000{number}" for number in (7, 8, 9)]
    assert [line.split(", ")[0] for line in printed] == [f"{folder}: sound" for folder in folders]


def test_the_command_writes_what_a_function_call_would(tmp_path: Path):
    arguments = ["--variant", "repaint", "--nested", "--no-room", "--fractions", "1", "--samples", "500"]
    assert main(["beams", "--out", str(tmp_path / "one"), "--corrupt", "layer_word", *arguments]) == 0
    case = SampleCase(
        samples=500, fractions=1, variants=frozenset({Variant.REPAINT}), in_room=False, study="1.2.3"
    )
    write_case(tmp_path / "other", corrupted(case, "layer_word"))
    assert tree_of(tmp_path / "one") == tree_of(tmp_path / "other")


def test_sizes_are_small_or_what_a_machine_logs(tmp_path: Path):
    assert SAMPLES == {"small": 400, "full": 70_000}
    assert main(["beams", "--out", str(tmp_path), "--size", "full", "--fractions", "1"]) == 0
    assert {path.stat().st_size for path in tmp_path.rglob("*.ptn")} == {70_000 * 16}


def test_the_command_sets_up_both_stand_ins(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["beams", "--out", str(tmp_path / "root"), "--stand-ins", str(tmp_path / "bin")]) == 0
    commands = capsys.readouterr().out.splitlines()[-2:]
    assert commands == [str(tmp_path / "bin/tps_env"), str(tmp_path / "bin/nvidia-smi")]
    assert all(os.access(command, os.X_OK) for command in commands)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cases", "0"], "'0' is refused; give a whole number from 1 to 9999"),
        (["--samples", "199"], "'199' is refused; give a whole number from 200 to 10000000"),
        (["--fractions", "many"], "'many' is refused; give a whole number from 1 to 60"),
        (["--start", "yesterday"], "'yesterday' is no time; give it as YYYY-MM-DDThh:mm:ss"),
        (["--start", "2026-03-20T10:00:00Z"], "has a zone; give the time that the machine's clock shows"),
        (["--corrupt", "no_such"], "invalid choice: 'no_such'"),
        (["--variant", "no_such"], "no_such"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(["beams", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_too_many_cases_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["beams", "--out", str(tmp_path / "root"), "--first", "9999", "--cases", "2"]) == 2
    assert "number above 9999" in capsys.readouterr().err
    assert not (tmp_path / "root").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert main(["beams", "--out", str(taken)]) == 1
    assert f"'{taken}/G2" in capsys.readouterr().err
    assert main(["beams", "--out", str(tmp_path / "root"), "--stand-ins", str(taken)]) == 1
    assert f"'{taken}'" in capsys.readouterr().err


def test_the_help_explains_every_code(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["beams", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert [code for code, known in CORRUPTIONS.items() if f"{code}: {known.summary}" not in printed] == []
    assert all(known.summary.endswith(".") for known in CORRUPTIONS.values())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: SampleCase(number=0), "0 is no number of a case"),
        (lambda: SampleCase(number=10_000), "10000 is no number of a case"),
        (lambda: SampleCase(samples=199), "199 samples are too few"),
        (lambda: SampleCase(fractions=0), "0 fractions cannot be made"),
        (lambda: SampleCase(fractions=61), "61 fractions cannot be made"),
    ],
)
def test_a_case_that_cannot_be_made_is_refused(make: Callable[[], SampleCase], complaint: str):
    with pytest.raises(ValueError, match=f"^{complaint}"):
        make()
