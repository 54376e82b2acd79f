"""A command is ended with all that comes from it, in order if it ends in time."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.process_groups import end_group

IN_ORDER = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path(sys.argv[1]).write_text("in order"), sys.exit(7)))
print("ready", flush=True)
time.sleep(300)
"""
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "300"])
print(child.pid, flush=True)
time.sleep(300)
"""


def started(program: str, *arguments: object) -> tuple["subprocess.Popen[str]", str]:
    """A running program, and the first line that it wrote."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    with process.stdout as output:
        return process, output.readline().strip()


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for whoever adopted it does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_command_that_is_asked_ends_in_order(tmp_path: Path):
    process, _ = started(IN_ORDER, tmp_path / "end")
    end_group(process, grace_s=60)
    assert process.returncode == 7
    assert (tmp_path / "end").read_text() == "in order"


@pytest.mark.parametrize("grace_s", [0, 0.5])
def test_one_that_does_not_listen_is_killed_with_its_children(grace_s: float):
    process, child = started(DEAF)
    end_group(process, grace_s=grace_s)
    assert process.returncode == -9
    deadline = time.monotonic() + 30
    while is_alive(int(child)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(int(child))


def test_one_that_has_ended_is_left_in_peace():
    process, _ = started("print('done')")
    process.wait()
    end_group(process)
    assert process.returncode == 0
