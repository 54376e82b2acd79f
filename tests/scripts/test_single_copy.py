"""One holder at a time, whatever an earlier one left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.single_copy import AnotherCopy, only_copy

HOLDS = """
import sys, time
from pathlib import Path
from scripts.single_copy import only_copy
with only_copy(Path(sys.argv[1]), "holder"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "work" / "beams" / "watcher.pid"


def test_the_holder_writes_its_pid_over_what_an_earlier_one_left(file):
    file.parent.mkdir(parents=True)
    file.write_text("1234567890\n")
    with only_copy(file, "watcher"):
        assert file.read_text() == f"{os.getpid()}\n"


def test_a_second_one_is_refused_by_name_and_pid_until_the_first_is_done(file):
    with only_copy(file, "watcher"):
        with pytest.raises(AnotherCopy, match=f"watcher runs already, as process {os.getpid()};"):
            only_copy(file, "watcher").__enter__()
        assert file.read_text() == f"{os.getpid()}\n"
    with only_copy(file, "watcher"):
        pass


def test_a_holder_that_was_killed_is_no_obstacle(file):
    with subprocess.Popen([sys.executable, "-c", HOLDS, file], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AnotherCopy, match=str(holder.pid)):
            only_copy(file, "watcher").__enter__()
        holder.kill()
        holder.wait()
    with only_copy(file, "watcher"):
        assert file.read_text() == f"{os.getpid()}\n"


def test_a_child_that_outlives_the_holder_does_not_hold_on(file):
    with only_copy(file, "watcher"):
        child = subprocess.Popen(["sleep", "60"])
    try:
        with only_copy(file, "watcher"):
            pass
    finally:
        child.kill()
        child.wait()
