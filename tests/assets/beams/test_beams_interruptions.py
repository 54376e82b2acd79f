"""A run of a beam that is interrupted or killed: one engine at most, and nothing is lost or held."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scripts.sample_data.beams_engine import set_behaviour
from tests.assets.beams import launching_process
from tests.assets.beams.launched_cases import Launches, finished, finished_home, launches

__all__ = ["finished", "finished_home", "launches"]  # Fixtures.

FIELD = "QA0001|1"
LONGEST_S = 60.0


def until(what: Callable[[], bool]) -> None:
    """Wait for something that has to come."""
    end = time.monotonic() + LONGEST_S
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def engines_of(launches: Launches) -> list[int]:
    """The processes of the scripted engine of this test: their command names its folder."""
    mark = str(launches.home.parent / "engine").encode()
    found = []
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in cmdline.read_bytes():
                found.append(int(cmdline.parent.name))
        except OSError:  # It has ended meanwhile.
            continue
    return found


def status_of(launches: Launches) -> tuple[str, int]:
    ((status, attempt),) = launches.rows("SELECT status, attempt FROM beams WHERE treatment_index = 1")
    return status, attempt


@pytest.fixture
def prepared(launches: Launches) -> Launches:
    launches.write()
    assert launches.launch("case_manifest", "QA0001").success
    assert launches.launch(["log_csv", "tps_input"], FIELD).success
    return launches


@pytest.fixture
def process(prepared: Launches) -> Iterator[subprocess.Popen[bytes]]:
    """A process that simulates the first beam, once its engine runs."""
    set_behaviour(prepared.home.parent / "engine" / "tps_env", ["hang", "success"])
    command = [sys.executable, launching_process.__file__, str(prepared.home), FIELD, "dose"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(lambda: status_of(prepared)[0] == "running" and bool(engines_of(prepared)))
        yield process
        process.kill()
    for pid in engines_of(prepared):
        subprocess.run(["kill", "-9", str(pid)], check=False)


def held(launches: Launches) -> int:
    ((count,),) = launches.rows("SELECT count(*) FROM leases WHERE state = 'held'")
    return count


def test_an_interrupted_run_stops_its_engine_frees_its_gpu_and_cancels_its_beam(
    prepared: Launches, process: subprocess.Popen[bytes]
) -> None:
    assert held(prepared) == 1
    process.send_signal(signal.SIGINT)
    assert process.wait(LONGEST_S) != 0
    assert engines_of(prepared) == []
    assert (status_of(prepared), held(prepared)) == (("cancelled", 2), 0)
    assert not list((prepared.output / "Dose").glob("*/run.json"))


def test_an_interrupted_check_of_a_completed_beam_leaves_the_beam_as_it_is(
    finished: Launches, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("assets.beams.stages.delivery_checks.checked_delivery", interrupted)
    assert not finished.launch("delivery_check", FIELD).success
    assert status_of(finished) == ("completed", 2)


def test_after_a_killed_run_the_engine_goes_on_and_the_next_run_has_no_second_one(
    prepared: Launches, process: subprocess.Popen[bytes]
) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(LONGEST_S)
    before = set(engines_of(prepared))
    assert before
    assert (status_of(prepared), held(prepared)) == (("running", 2), 1)
    # The instance of the dead process died with it, so nobody holds its run to be active.
    command = [sys.executable, launching_process.__file__, str(prepared.home), FIELD, "dose"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as second:
        until(lambda: status_of(prepared) == ("running", 3))
        time.sleep(1.0)
        assert set(engines_of(prepared)) == before
        assert held(prepared) == 1
        second.send_signal(signal.SIGINT)
        second.wait(LONGEST_S)
    assert engines_of(prepared) == []
    assert held(prepared) == 0
