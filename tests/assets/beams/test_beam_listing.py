"""What lies under a scan root: every folder rule, by folders that hold no more than the names that decide."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.failures import BeamFailure
from assets.beams.folder_shapes import MARKER, PassedOver, Refused
from assets.beams.listing import CaseFolder, Found, NoSuchCase, ScanRoot, find_case, fingerprint_of, top_of
from tests.assets.beams.scan_folders import made


def listed(root: Path) -> list[Found]:
    scan = ScanRoot(root)
    return [*scan.aside, *(found for top in scan.tops for found in scan.found_in(top))]


def told(root: Path) -> dict[str, str]:
    """By path: the key of a case, or the code of what is none."""
    answers = {}
    for found in listed(root):
        match found:
            case CaseFolder():
                answers[found.path] = found.key
            case PassedOver():
                answers[found.path] = found.code
            case Refused():
                answers[found.path] = found.failure.code
    return answers


DELIVERY = "2026032010000000/PlanInfo.txt"

RULES: dict[str, tuple[list[str], dict[str, str]]] = {
    "an empty root": ([], {}),
    "a flat case": (["C1/_CASE_READY", "C1/plan.dcm"], {"C1": "C1"}),
    "a flat case in a room": (["G2/C1/_CASE_READY", "G2/C1/plan.dcm"], {"G2/C1": "C1"}),
    "a plan in capital letters": (["C1/_CASE_READY", "C1/PLAN.DCM"], {"C1": "C1"}),
    "deliveries without a plan": (["C1/_CASE_READY", f"C1/{DELIVERY}"], {"C1": "C1"}),
    "logs without a PlanInfo": (["C1/_CASE_READY", "C1/2026032010000000/a.PTN"], {"C1": "C1"}),
    "nothing but a marker": (["C1/_CASE_READY"], {"C1": "C1"}),
    "a marker beside a folder of notes": (["C1/_CASE_READY", "C1/notes/a.txt"], {"C1": "C1"}),
    "no marker": (["C1/plan.dcm", f"C1/{DELIVERY}"], {"C1": "no_marker"}),
    "no marker and no plan": ([f"C1/{DELIVERY}"], {"C1": "no_marker"}),
    "a marker of another name": (["C1/_case_ready", "C1/plan.dcm"], {"C1": "no_marker"}),
    "a marker in the root": (
        ["_CASE_READY", "C1/plan.dcm"],
        {"_CASE_READY": "misplaced_marker", "C1": "no_marker"},
    ),
    "a marker in a room": (
        ["G1/_CASE_READY", "G1/C1/plan.dcm"],
        {"G1/_CASE_READY": "misplaced_marker", "G1/C1": "no_marker"},
    ),
    "two studies under the marker of their patient": (
        ["P1/_CASE_READY", "P1/1.2.3/plan.dcm", f"P1/1.2.4/{DELIVERY}"],
        {"P1/1.2.3": "P1.1.2.3", "P1/1.2.4": "P1.1.2.4"},
    ),
    "one of two studies with a marker": (
        ["G1/P1/1.2.3/_CASE_READY", "G1/P1/1.2.3/plan.dcm", "G1/P1/1.2.4/plan.dcm"],
        {"G1/P1/1.2.3": "P1.1.2.3", "G1/P1/1.2.4": "no_marker"},
    ),
    "a study with nothing but its own marker": (["P1/S1/_CASE_READY"], {"P1/S1": "P1.S1"}),
    "a folder of notes beside a study": (
        ["P1/_CASE_READY", "P1/S1/plan.dcm", "P1/notes/a.txt"],
        {"P1/S1": "P1.S1", "P1/notes": "no_marker"},
    ),
    "studies without any marker": (["P1/S1/plan.dcm"], {"P1": "no_marker"}),
    "a delivery folder with a plan and a marker inside": (
        ["D1/_CASE_READY", "D1/PlanInfo.txt", "D1/plan.dcm"],
        {"D1": "misplaced_marker"},
    ),
    "a delivery folder in the root": (["D1/PlanInfo.txt"], {"D1": "no_marker"}),
    "a case whose delivery has a marker": (
        ["C1/plan.dcm", f"C1/{DELIVERY}", "C1/2026032010000000/_CASE_READY"],
        {"C1": "no_marker"},
    ),
    "a case without marker and plan whose delivery has a marker": (
        [f"C1/{DELIVERY}", "C1/2026032010000000/_CASE_READY"],
        {"C1": "no_marker"},
    ),
    "ignored names": (
        [
            *(".C1/_CASE_READY", "C2.extracting/_CASE_READY", "C3.ZIP.tmp/_CASE_READY"),
            *("C4.backup.1/_CASE_READY", "extract_9.tmp/_CASE_READY"),
        ],
        {},
    ),
    "a plan of an ignored name": (["C1/.plan.dcm"], {"C1": "no_marker"}),
    "a name that can be no key": (["C 1/_CASE_READY", "C 1/plan.dcm"], {"C 1": "bad_case_id"}),
    "a name with a line break": (["C\n1/_CASE_READY", "C\n1/plan.dcm"], {"C\\n1": "bad_case_id"}),
    "a study that can be no key": (
        ["P1/_CASE_READY", "P1/$(x)/plan.dcm", "P1/S1/plan.dcm"],
        {"P1/$(x)": "bad_case_id", "P1/S1": "P1.S1"},
    ),
    "a patient that can be no key": (["-rf/_CASE_READY", "-rf/S1/plan.dcm"], {"-rf/S1": "bad_case_id"}),
    "a bad name without a marker": (["C 1/plan.dcm"], {"C 1": "no_marker"}),
    "one key in two rooms": (
        ["G1/C1/_CASE_READY", "G2/C1/_CASE_READY", "G2/C2/_CASE_READY"],
        {"G1/C1": "duplicate_case_key", "G2/C1": "duplicate_case_key", "G2/C2": "C2"},
    ),
    "one key flat and nested": (
        ["P1.S1/_CASE_READY", "P1/_CASE_READY", "P1/S1/plan.dcm", "P1/S2/plan.dcm"],
        {"P1.S1": "duplicate_case_key", "P1/S1": "duplicate_case_key", "P1/S2": "P1.S2"},
    ),
    "one key split in two ways": (
        ["A.B/C/_CASE_READY", "A/B.C/_CASE_READY"],
        {"A.B/C": "duplicate_case_key", "A/B.C": "duplicate_case_key"},
    ),
    "the same name without a marker": (
        ["G1/C1/_CASE_READY", "G2/C1/plan.dcm"],
        {"G1/C1": "C1", "G2/C1": "no_marker"},
    ),
    "a room of the second level is a name like any other": (
        ["G1/G2/_CASE_READY", "G1/G2/plan.dcm"],
        {"G1/G2": "G2"},
    ),
    "files between the folders": (["readme.txt", "G2/readme.txt", "plan.dcm"], {}),
}


@pytest.mark.parametrize(("files", "expected"), RULES.values(), ids=RULES.keys())
def test_what_a_folder_is(root: Path, files: list[str], expected: dict[str, str]) -> None:
    assert told(made(root, *files)) == expected


def test_an_absent_root_has_nothing(root: Path) -> None:
    assert told(root / "absent") == {}


def test_a_room_that_is_a_file_is_no_room(root: Path) -> None:
    assert told(made(root, "G1", "C1/_CASE_READY")) == {"C1": "C1"}


@pytest.mark.parametrize("make", ["mkdir", "symlink", "rename"])
def test_whatever_makes_the_name_exist_is_a_marker(root: Path, make: str) -> None:
    made(root, "C1/plan.dcm")
    marker = root / "C1" / MARKER
    if make == "mkdir":
        marker.mkdir()
    elif make == "symlink":
        marker.symlink_to("nowhere")
    else:
        (root / "elsewhere").touch()
        (root / "elsewhere").rename(marker)
    assert told(root) == {"C1": "C1"}


@pytest.mark.parametrize("target", ["real", "nowhere"])
def test_a_linked_case_delivery_study_and_room_are_refused(root: Path, target: str) -> None:
    made(root, ".hidden/real/plan.dcm", "C1/_CASE_READY", "C1/plan.dcm", "C2/_CASE_READY", "C2/plan.dcm")
    made(root, "P1/_CASE_READY", "P1/S1/plan.dcm")
    made(root, "P2/_CASE_READY")
    for link in ("G1", "linked", "C2/2026032010000000", "P1/S2", "P2/S1"):
        (root / link).symlink_to(root / ".hidden" / target)
    assert told(root) == {
        "G1": "symlinked_case",
        "linked": "symlinked_case",
        "C1": "C1",
        "C2": "symlinked_case",
        "P1/S1": "P1.S1",
        "P1/S2": "symlinked_case",
        "P2/S1": "symlinked_case",
    }


def test_a_linked_room_is_not_looked_into(root: Path) -> None:
    made(root, ".elsewhere/C1/_CASE_READY", ".elsewhere/C1/plan.dcm", ".elsewhere/_CASE_READY")
    (root / "G2").symlink_to(root / ".elsewhere")
    assert told(root) == {"G2": "symlinked_case"}


def test_a_linked_file_is_no_reason_to_refuse_a_case(root: Path) -> None:
    made(root, "C1/_CASE_READY", "C1/plan.dcm", "notes.txt")
    (root / "C1" / "notes.txt").symlink_to(root / "notes.txt")
    (root / "linked.txt").symlink_to(root / "notes.txt")
    assert told(root) == {"C1": "C1"}


def test_a_linked_plan_makes_no_case_of_an_unmarked_folder_and_counts_for_none(root: Path) -> None:
    made(root, "plan.dcm", "P1/S1/a.txt")
    (root / "P1" / "S1" / "plan.dcm").symlink_to(root / "plan.dcm")
    (root / "P1" / MARKER).touch()
    assert told(root) == {"P1": "P1"}


class Closed:
    """Folders that cannot be listed, for the superuser neither."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
        def listing(path: str | Path) -> object:
            if Path(path) in folders:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        scandir = os.scandir
        monkeypatch.setattr(os, "scandir", listing)


@pytest.mark.parametrize(
    ("closed", "expected"),
    [
        (".", {".": "unreadable_dir", "G1/C1": "C1"}),
        ("G1", {"G1": "unreadable_dir", "C2": "C2", "P1/S1": "P1.S1"}),
        ("G1/C1", {"G1/C1": "unreadable_dir", "C2": "C2", "P1/S1": "P1.S1"}),
        ("G1/C1/2026032010000000", {"G1/C1": "unreadable_dir", "C2": "C2", "P1/S1": "P1.S1"}),
        ("G1/C1/CT", {"G1/C1": "unreadable_dir", "C2": "C2", "P1/S1": "P1.S1"}),
        ("P1/S1", {"G1/C1": "C1", "C2": "C2", "P1": "unreadable_dir"}),
        ("P1", {"G1/C1": "C1", "C2": "C2", "P1": "unreadable_dir"}),
    ],
)
def test_a_folder_that_cannot_be_read_waits_and_the_others_do_not(
    root: Path, monkeypatch: pytest.MonkeyPatch, closed: str, expected: dict[str, str]
) -> None:
    made(root, "G1/C1/_CASE_READY", "G1/C1/plan.dcm", f"G1/C1/{DELIVERY}", "G1/C1/CT/1.dcm")
    made(root, "C2/_CASE_READY", "C2/plan.dcm", "P1/_CASE_READY", "P1/S1/plan.dcm")
    Closed(monkeypatch, root / closed)
    assert told(root) == expected
    waiting = [found for found in listed(root) if isinstance(found, Refused)]
    assert [found.failure.category for found in waiting] == ["pending"]


def test_a_study_that_cannot_be_read_waits_beside_the_others(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(root, "P1/S1/_CASE_READY", "P1/S1/plan.dcm", "P1/S2/_CASE_READY")
    Closed(monkeypatch, root / "P1" / "S2")
    assert told(root) == {"P1/S1": "P1.S1", "P1/S2": "unreadable_dir"}
    refused = next(found for found in listed(root) if isinstance(found, Refused))
    assert refused.key == "P1.S2"


def test_both_paths_of_a_doubled_key_are_named(root: Path) -> None:
    made(root, "G1/C1/_CASE_READY", "G2/C1/_CASE_READY")
    for found in listed(root):
        assert isinstance(found, Refused)
        assert "'G1/C1' and 'G2/C1'" in found.failure.message


@pytest.mark.parametrize("length", [5, 40, 47, 60])
def test_a_long_key_is_a_digest_and_two_folders_can_share_it(root: Path, length: int) -> None:
    patient, study = "P" * length, "S" * 60
    made(root, f"G1/{patient}/{study}/_CASE_READY")
    (found,) = listed(root)
    assert isinstance(found, CaseFolder)
    assert len(found.key) == 64
    assert find_case(root, found.key) == found
    made(root, f"G2/{patient}/{study}/_CASE_READY")
    assert set(told(root).values()) == {"duplicate_case_key"}


# A case by its key


@pytest.mark.parametrize("top", ["", "G1/", "G2/"])
@pytest.mark.parametrize(("folder", "key"), [("C1", "C1"), ("P1/S1", "P1.S1"), ("1.2/3.4", "1.2.3.4")])
@pytest.mark.parametrize("is_marked", [True, False])
def test_a_case_is_found_by_its_key_marked_or_not(
    root: Path, top: str, folder: str, key: str, is_marked: bool
) -> None:
    made(root, f"{top}{folder}/plan.dcm", "G1/C11/plan.dcm", "P1/S11/plan.dcm", "1.2.3/4x/plan.dcm")
    if is_marked:
        made(root, f"{top}{folder}/{MARKER}")
    found = find_case(root, key)
    assert (found.key, found.path, found.room) == (key, f"{top}{folder}", top.strip("/") or None)
    assert found.folder == root / f"{top}{folder}"
    assert (found.marker is not None) == is_marked
    assert found.fingerprint == fingerprint_of(found.folder)


def test_the_marked_one_of_two_folders_of_a_key_is_the_case(root: Path) -> None:
    made(root, "G1/C1/plan.dcm", "G2/C1/plan.dcm", "G2/C1/_CASE_READY")
    assert find_case(root, "C1").path == "G2/C1"


def test_a_key_that_no_folder_has_is_told(root: Path) -> None:
    made(root, "G1/C1/plan.dcm", ".C2/plan.dcm", "D1/PlanInfo.txt", "C3")
    for key in ("C2", "C3", "C", "C1.plan.dcm", "C1|1", "../C1"):
        with pytest.raises(NoSuchCase, match="`scan` lists the cases"):
            find_case(root, key)


def test_a_key_of_two_folders_is_refused_marked_or_not(root: Path) -> None:
    made(root, "G1/C1/plan.dcm", "G2/C1/plan.dcm")
    for _ in range(2):
        with pytest.raises(BeamFailure, match="'G1/C1' and 'G2/C1'") as refused:
            find_case(root, "C1")
        assert refused.value.code == "duplicate_case_key"
        made(root, "G1/C1/_CASE_READY", "G2/C1/_CASE_READY")


def test_a_linked_or_unreadable_case_is_refused_by_its_key(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(root, "C2/plan.dcm", "C3/plan.dcm")
    (root / "C1").symlink_to(root / "C2")
    (root / "C2" / "linked").symlink_to(root / "C3")
    Closed(monkeypatch, root / "C3")
    for key, code in (("C1", "symlinked_case"), ("C2", "symlinked_case"), ("C3", "unreadable_dir")):
        with pytest.raises(BeamFailure) as refused:
            find_case(root, key)
        assert refused.value.code == code


@pytest.mark.parametrize(
    ("path", "top"), [("C1", "C1"), ("G1/C1", "G1/C1"), ("P1/S1", "P1"), ("G2/P1/S1", "G2/P1")]
)
def test_the_folder_of_the_first_level_of_a_case(path: str, top: str) -> None:
    assert top_of(path) == top


NAMES = st.sampled_from(["A", "B", "A.B", "B.A", "G1", "G2", "A.B.A", "x y", ".A"])


@given(
    folders=st.sets(
        st.tuples(st.sampled_from(["", "G1/", "G2/"]), st.lists(NAMES, min_size=1, max_size=2)).map(
            lambda parts: parts[0] + "/".join(parts[1])
        ),
        max_size=8,
    )
)
@settings(max_examples=80)
def test_no_two_cases_have_one_key_and_each_is_found_by_its_own(tmp_path_factory, folders: set[str]) -> None:
    root = tmp_path_factory.mktemp("root")
    for folder in folders:
        made(root, f"{folder}/plan.dcm", f"{folder}/{MARKER}")
    found = listed(root)
    cases = [one for one in found if isinstance(one, CaseFolder)]
    assert len({case.key for case in cases}) == len(cases)
    assert all(find_case(root, case.key) == case for case in cases)
    doubled = [
        one.key for one in found if isinstance(one, Refused) and one.failure.code == "duplicate_case_key"
    ]
    assert all(doubled.count(key) > 1 for key in doubled)
    assert not {case.key for case in cases} & set(doubled)
