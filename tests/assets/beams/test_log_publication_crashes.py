"""Whatever moment a publication is cut off at, no mixture of deliveries passes for a beam."""

import signal
import subprocess
import sys

import pytest

from assets.beams.log_publication import folder_problem
from tests.assets.beams.published_beams import (
    NEW,
    NEW_WITH_A_LAYER_LESS,
    OLD,
    beam_folder,
    content,
    csv_names,
    expected,
    publish,
)
from tests.assets.beams.stopping_disk import DiskStopped, disk_stopping_after


def _require_no_mixture(root, new):
    """The folder holds all of one delivery, or every reader is told that it was interrupted."""
    found = content(root)
    if found not in (expected(root, OLD), expected(root, new)):
        for delivery in (OLD, new):
            assert folder_problem(beam_folder(root), csv_names(delivery)) == "its publication was interrupted"


def _is_cut_off(root, new, changes):
    try:
        with disk_stopping_after(changes, root / "out"):
            publish(root, new)
    except DiskStopped:
        return True
    return False


@pytest.mark.parametrize("new", [NEW, NEW_WITH_A_LAYER_LESS])
def test_no_moment_of_a_crash_leaves_a_mixture_and_the_next_publication_repairs_it(tmp_path, new):
    interrupted = 0
    for changes in range(100):
        root = tmp_path / str(changes)
        publish(root, OLD)
        inode = beam_folder(root).stat().st_ino
        cut_off = _is_cut_off(root, new, changes)
        assert beam_folder(root).stat().st_ino == inode
        _require_no_mixture(root, new)
        interrupted += folder_problem(beam_folder(root), csv_names(new)) == "its publication was interrupted"

        publish(root, new)
        assert content(root) == expected(root, new)
        assert [path.name for path in (root / "out" / "Log_csv").iterdir()] == ["log"]
        if not cut_off:
            break

    # With the marker: before and after each removal of three old files and each arrival of a new one.
    assert interrupted == 1 + 3 + new[1]


def test_a_crash_between_two_files_is_refused_although_their_number_is_right(tmp_path):
    publish(tmp_path, OLD)
    beam_folder(tmp_path).joinpath("03_130.00MeV.csv").unlink()
    (beam_folder(tmp_path) / ".publishing").touch()

    assert folder_problem(beam_folder(tmp_path), csv_names(NEW_WITH_A_LAYER_LESS)) is not None


@pytest.mark.parametrize("changes", [3, 5, 9, 11])
def test_a_killed_process_leaves_no_mixture(tmp_path, changes):
    publish(tmp_path, OLD)

    arguments = [sys.executable, "-m", "tests.assets.beams.stopping_disk", str(tmp_path), str(changes)]
    killed = subprocess.run(arguments, check=False, timeout=120)

    assert killed.returncode == -signal.SIGKILL
    _require_no_mixture(tmp_path, NEW)
    publish(tmp_path, NEW)
    assert content(tmp_path) == expected(tmp_path, NEW)
