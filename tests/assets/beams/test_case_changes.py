"""What tells that a case has changed: its marker renewed, or any of its files."""

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from assets.beams.folder_shapes import MARKER
from assets.beams.listing import CaseFolder, ScanRoot, fingerprint_of
from tests.assets.beams.scan_folders import made

# The marker


def marker_of(root: Path) -> tuple[str, datetime]:
    scan = ScanRoot(root)
    (found,) = scan.found_in(scan.tops[0])
    assert isinstance(found, CaseFolder)
    assert found.marker is not None
    return found.marker.digest, found.marker.modified


def test_a_marker_is_another_one_when_its_time_its_size_or_its_inode_is(root: Path) -> None:
    marker = made(root, "C1/_CASE_READY") / "C1" / MARKER
    os.utime(marker, (1000, 1000))
    seen = [marker_of(root)[0]]
    os.utime(marker, (2000, 2000))
    seen.append(marker_of(root)[0])
    marker.write_text("longer than it was before")
    os.utime(marker, (2000, 2000))
    seen.append(marker_of(root)[0])
    text = marker.read_text()
    marker.rename(root / "kept")
    marker.write_text(text)
    os.utime(marker, (2000, 2000))
    seen.append(marker_of(root)[0])
    assert len(set(seen)) == 4


def test_the_marker_of_the_patient_counts_beside_that_of_the_study(root: Path) -> None:
    made(root, "P1/_CASE_READY", "P1/S1/_CASE_READY", "P1/S1/plan.dcm")
    os.utime(root / "P1" / "S1" / MARKER, (1000, 1000))
    os.utime(root / "P1" / MARKER, (2000, 2000))
    digest, modified = marker_of(root)
    assert modified == datetime.fromtimestamp(2000, UTC)
    os.utime(root / "P1" / MARKER, (3000, 3000))
    assert marker_of(root)[0] != digest


def test_a_marker_of_an_impossible_time_is_a_marker(root: Path) -> None:
    marker = made(root, "C1/_CASE_READY") / "C1" / MARKER
    try:
        os.utime(marker, ns=(10**18 * 400, 10**18 * 400))
    except OverflowError:
        pytest.skip("This file system has no such time.")
    assert marker_of(root)[1].tzinfo is not None


# The fingerprint


def test_a_fingerprint_is_that_of_the_sorted_lines_of_all_files(root: Path) -> None:
    made(root, "b.dcm", "a/1.ptn", "a/B.ptn", ".hidden", "a/x.zip.tmp", "a.txt", MARKER)
    for file in ("b.dcm", "a/1.ptn", "a/B.ptn", "a.txt"):
        os.utime(root / file, ns=(5, 7_000_000_001))
    lines = [
        "a.txt\t5\t7000000001",
        "a/1.ptn\t7\t7000000001",
        "a/B.ptn\t7\t7000000001",
        "b.dcm\t5\t7000000001",
    ]
    assert fingerprint_of(root) == sha256("\n".join(lines).encode()).hexdigest()[:16]


EDITS = {
    "another file": (lambda case: (case / "new.txt").touch(), True),
    "another file in a delivery": (lambda case: (case / "d" / "new.ptn").touch(), True),
    "another size": (lambda case: (case / "d" / "a.ptn").write_text("longer"), True),
    "another time": (lambda case: os.utime(case / "d" / "a.ptn", (1, 1)), True),
    "another name": (lambda case: (case / "d" / "a.ptn").rename(case / "d" / "b.ptn"), True),
    "one file less": (lambda case: (case / "d" / "a.ptn").unlink(), True),
    "a link": (lambda case: (case / "d" / "b.ptn").symlink_to("a.ptn"), True),
    "a marker in a delivery": (lambda case: (case / "d" / MARKER).touch(), True),
    "the marker renewed": (lambda case: (case / MARKER).write_text("again"), False),
    "an empty folder": (lambda case: (case / "e").mkdir(), False),
    "an ignored file": (lambda case: (case / "d" / ".a.ptn.part").touch(), False),
    "an ignored folder": (lambda case: (case / "x.extracting").mkdir(), False),
}


@pytest.mark.parametrize(("edit", "changes"), EDITS.values(), ids=EDITS.keys())
def test_what_changes_a_fingerprint(root: Path, edit, changes: bool) -> None:
    made(root, "plan.dcm", "d/a.ptn", MARKER)
    before = fingerprint_of(root)
    edit(root)
    assert (fingerprint_of(root) != before) == changes


def test_a_name_of_no_encoding_has_a_fingerprint(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.ptn")).touch()
    assert len(fingerprint_of(root)) == 16
