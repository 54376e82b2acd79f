"""`explain` on cases as a machine delivers them: found by key, beside the registry, no file written."""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.beams.listing import fingerprint_of
from assets.beams.registry import cases
from resources.home import quintet_home
from scripts.sample_data.beams import SampleCase, write_case
from scripts.sample_data.beams_case import MARKER
from tests.assets.beams.registry.registry_worlds import CASE, at
from tests.scripts.beams_desks import Ended, beams, files_below, registry

LONG = "x" * 64


@pytest.fixture
def root() -> Path:
    """The scan root, with two sound cases in the room G2."""
    root = quintet_home() / "storage" / "beam-logs"
    for number in (1, 2):
        write_case(root, SampleCase(number))
    return root


def explained(*keys: str) -> list[dict]:
    ended = beams("explain", *keys, "--json")
    assert (ended.code, ended.err) == (0, "")
    return ended.document


def aged(path: Path, hours: float) -> None:
    """Give a file a time in the past."""
    then = datetime.now(UTC).timestamp() - 3600 * hours
    os.utime(path, (then, then))


def test_several_cases_are_explained_in_the_order_asked_for(root):
    second, first = explained("QA0002", CASE)
    assert (second["case"], first["case"]) == ("QA0002", CASE)
    assert (first["state"], first["room"], first["gantry"]) == ("ready", "G2", 2)
    assert [fraction["status"] for fraction in first["fractions"]] == ["complete", "complete"]
    assert [(beam["treatment_index"], beam["dicom_number"]) for beam in first["beams"]] == [
        (1, 5),
        (2, 3),
        (3, 9),
    ]
    assert set(first["reference"]) == {"1", "2", "3"}
    assert first["next"]


def test_explaining_writes_nothing_anywhere(root, tmp_path):
    before = files_below(tmp_path)
    explained(CASE)
    beams("explain", CASE)
    assert files_below(tmp_path) == before


def test_a_refused_case_is_explained_with_every_problem_and_exit_code_0(root):
    write_case(root, SampleCase(1, corruption="ptn_missing"))
    (told,) = explained(CASE)
    assert (told["state"], told["code"], told["category"]) == ("failed", "ptn_missing", "permanent")
    assert told["problems"][0]["code"] == "ptn_missing"
    assert ".ptn" in told["message"]


def test_for_people_it_is_tables_with_the_problems_and_what_to_do(root):
    write_case(root, SampleCase(2, corruption="patient_id_mismatch"))
    ended = beams("explain", CASE, "QA0002")
    assert ended.code == 0
    for word in ("002_F2_A_P", "complete", "patient_id_mismatch", "renew the marker"):
        assert word in ended.out


def test_the_registry_says_how_far_the_same_input_has_come(root):
    fingerprint = fingerprint_of(root / "G2" / CASE)
    with registry() as connection:
        cases.see(connection, CASE, "G2", f"G2/{CASE}", at(0))
        cases.make_ready(connection, CASE, fingerprint, at(0))
        work = cases.begin_manifest(connection, CASE, "m1", at(1))
        cases.publish_manifest(connection, work, [], [], [], at(2))
    assert explained(CASE)[0]["state"] == "interpreting"
    (root / "G2" / CASE / "note.txt").write_text("one more file")
    assert explained(CASE)[0]["state"] == "ready"


def test_a_case_without_its_marker_waits_for_it_and_shows_what_it_would_come_to(root):
    write_case(root, SampleCase(2, corruption="ptn_missing"))
    (root / "G2" / "QA0002" / MARKER).unlink()
    (told,) = explained("QA0002")
    assert (told["state"], told["code"]) == ("waiting", "no_marker")
    assert [problem["code"] for problem in told["problems"]][:2] == ["no_marker", "ptn_missing"]
    assert "create _CASE_READY" in told["next"]


def test_a_missing_plan_is_waited_for_while_the_marker_is_young(root):
    case = root / "G2" / CASE
    (case / "plan.dcm").unlink()
    (told,) = explained(CASE)
    assert (told["state"], told["code"], told["category"]) == ("waiting", "missing_rtplan", "pending")
    aged(case / MARKER, hours=1)
    (told,) = explained(CASE)
    assert (told["state"], told["code"], told["category"]) == ("failed", "missing_rtplan", "permanent")


def test_a_study_is_found_by_the_key_of_patient_and_study(root):
    write_case(root, SampleCase(3, study="1.2.3"))
    assert explained("QA0003.1.2.3")[0]["state"] == "ready"


def test_two_folders_of_one_key_are_both_refused(root):
    shutil.copytree(root / "G2" / CASE, root / CASE)
    (told,) = explained(CASE)
    assert (told["state"], told["code"], told["beams"]) == ("failed", "duplicate_case_key", [])
    assert f"G2/{CASE}" in told["message"]


def test_a_link_is_never_followed(root):
    (root / "G2" / "QA0009").symlink_to(root / "G2" / CASE)
    (told,) = explained("QA0009")
    assert (told["state"], told["code"]) == ("failed", "symlinked_case")


@pytest.mark.parametrize("key", ["QA0009", "G2", LONG])
def test_a_key_that_no_folder_has_is_unknown_and_no_other_case_is_told(root, key):
    ended: Ended = beams("explain", CASE, key, "--json")
    assert (ended.code, ended.out) == (2, "")
    assert key[:30] in ended.err


def test_an_open_window_says_when_it_closes(root):
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    case = write_case(root, SampleCase(4, fractions=1, start=start))
    newest = max(folder.name for folder in case.iterdir() if folder.name.startswith("20"))
    for file in (case / newest).iterdir():
        file.unlink()
    (case / newest).rmdir()
    (told,) = explained("QA0004")
    assert (told["state"], told["code"]) == ("waiting", "fraction_window_open")
    assert told["fractions"][0]["missing"]
    assert "It is judged again after" in told["next"]
