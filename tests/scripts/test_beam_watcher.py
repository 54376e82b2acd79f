"""The watcher as a process: its daemon, its runs, their engines, and the signals that end it all.

A run of the tests works on the beam `QA0001_beam_1` with a scripted engine that hangs, and the daemon takes
one run at a time.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from assets.beams.registry.rows import beam_of
from assets.beams.states import BeamState
from resources.home import quintet_home
from scripts.beams.desk import Desk
from scripts.sample_data.beams_engine import Start, set_up_engine, starts
from tests.assets.beams.registry.registry_worlds import interpreted
from tests.scripts.beams_desks import registry
from tests.scripts.watched_location import BEAM, work_folder

ROOT = Path(__file__).parents[2]
WATCHER = ROOT / "scripts" / "beam_watcher.py"
LONGEST_END_S = 30
TPS = """RandomSeed 1
LogFilePath {log}
BeamNumbers 1
NormalizeTotalHistories 1000
OutputDir {output}
"""

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(sys.platform != "linux", reason="process groups are read from /proc"),
]


def wait_until(happened: Callable[[], object], what: str) -> None:
    for _ in range(1200):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail(f"{what} did not happen within 2 min")


class Watched:
    """A home with a beam to work on, a location, and an engine."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.engine = set_up_engine(folder / "bin", "hang")
        self.workspace = folder / "workspace.yaml"
        location = Path(__file__).with_name("watched_location.py")
        self.workspace.write_text(
            f"load_from: [python_file: {{relative_path: {location}, location_name: quintet}}]\n"
        )
        log = folder / "log" / "001_F1"
        log.mkdir(parents=True)
        (log / "01_150.00MeV.csv").write_text("0.0,0.0,0.0,1\r\n")
        (folder / "output").mkdir()
        tps = folder / "moqui_tps_QA0001_beam_1.in"
        tps.write_text(TPS.format(log=log.parent, output=folder / "output"))
        monkeypatch.setenv("WATCHED_ENGINE", str(self.engine))
        monkeypatch.setenv("WATCHED_TPS", str(tps))
        monkeypatch.delenv("DAGSTER_HOME")
        self.set("WATCHED_RUN", "obeys")
        self.set("BEAMS_DRAIN_SECONDS", "1")
        with registry() as connection:
            interpreted(connection, 1)

    def set(self, variable: str, value: str) -> None:
        self.monkeypatch.setenv(variable, value)

    @contextmanager
    def started(self) -> Iterator["subprocess.Popen[bytes]"]:
        """A watcher that is at work; whatever happens, it and its daemon are gone in the end."""
        with (self.folder / "watcher.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, WATCHER, "-w", self.workspace], stdout=log, stderr=log, cwd=self.folder
            )
        try:
            yield process
        finally:
            for pid in reversed(below(process.pid)):
                os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()

    def engine_start(self) -> Start:
        """The engine of the run, once it is at work."""
        wait_until(lambda: starts(self.engine), "the start of the engine")
        return starts(self.engine)[0]

    @property
    def log(self) -> str:
        return (self.folder / "watcher.log").read_text()

    def log_of(self, watcher: "subprocess.Popen[bytes]") -> str:
        """What was printed since a watcher has got the lock; nothing before."""
        return self.log.partition(f"Process {watcher.pid} watches")[2]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    made = Watched(tmp_path, monkeypatch)
    yield made
    for start in starts(made.engine):
        if alive(start.pid):
            os.killpg(start.pid, signal.SIGKILL)


def fields_of(pid: int) -> list[str]:
    """State, parent, group and so on of a process; nothing if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]


def below(pid: int) -> list[int]:
    """The processes that come from a process."""
    children = [child for child in pids() if (fields := fields_of(child)) and int(fields[1]) == pid]
    return [*children, *(grandchild for child in children for grandchild in below(child))]


def child_of(watcher: "subprocess.Popen[bytes]") -> int:
    """The one process that the watcher itself has started: the daemon, once the sensors are on."""
    (child,) = [pid for pid in below(watcher.pid) if int(fields_of(pid)[1]) == watcher.pid]
    return child


def alive(pid: int) -> bool:
    fields = fields_of(pid)
    return bool(fields) and fields[0] != "Z"


def group_of(pid: int) -> list[int]:
    """The processes at work in the group of a process."""
    group = fields_of(pid)[2]
    return [one for one in pids() if (fields := fields_of(one)) and fields[2] == group and fields[0] != "Z"]


def runs() -> list[dg.DagsterRun]:
    with Desk().instance() as instance:
        return list(instance.get_runs())


def run_ids() -> set[str]:
    return {run.run_id for run in runs()}


def at_work(run: dg.DagsterRun) -> bool:
    return run.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED)


def running_sensors() -> list[str]:
    with Desk().instance() as instance:
        states = instance.all_instigator_state()
        return sorted(state.instigator_name for state in states if state.is_running)


def beam_state() -> BeamState:
    with registry() as connection:
        return beam_of(connection, BEAM).state


def test_sigterm_ends_runs_and_engines_and_their_beams_return_to_pending(watched):
    watched.set("BEAMS_DRAIN_SECONDS", "6")
    with watched.started() as watcher:
        engine, daemon = watched.engine_start(), child_of(watcher)
        processes = [*below(watcher.pid), *group_of(engine.pid)]
        assert beam_state() is BeamState.RUNNING
        assert running_sensors() == ["beam_case_sensor", "beam_orphan_sensor"]
        watcher.terminate()
        wait_until(lambda: not alive(daemon), "the end of the daemon")
        assert alive(engine.pid)
        known = run_ids()
        assert watcher.wait(LONGEST_END_S) == 0
    wait_until(lambda: not any(map(alive, processes)), "the end of every process")
    assert beam_state() is BeamState.PENDING
    assert run_ids() == known
    assert not any(map(at_work, runs()))
    assert [path.name for path in work_folder().iterdir() if path.is_file()] == ["watcher.pid"]


@pytest.mark.long
def test_a_run_that_does_not_end_is_killed_with_its_engine_and_its_beam_returns_to_pending(watched):
    watched.set("WATCHED_RUN", "deaf")
    watched.set("BEAMS_DRAIN_SECONDS", "0")
    with watched.started() as watcher:
        engine = watched.engine_start()
        processes = [*below(watcher.pid), *group_of(engine.pid)]
        for _ in range(3):  # As people do who see nothing happen.
            watcher.send_signal(signal.SIGINT)
        assert watcher.wait(LONGEST_END_S) == 0
    wait_until(lambda: not any(map(alive, processes)), "the end of every process")
    assert beam_state() is BeamState.PENDING
    assert not any(map(at_work, runs()))
    assert dg.DagsterRunStatus.CANCELED in {run.status for run in runs()}
    assert "did not end in time" in watched.log


def test_a_second_copy_names_the_first_one_and_leaves_it_alone(watched):
    with watched.started() as watcher:
        wait_until((work_folder() / "watcher.pid").exists, "the lock")
        second = subprocess.run(
            [sys.executable, WATCHER, "-w", watched.workspace], capture_output=True, text=True, check=False
        )
        assert second.returncode == 2
        assert f"process {watcher.pid}" in second.stderr
        assert watcher.poll() is None
        watcher.terminate()
        assert watcher.wait(LONGEST_END_S) == 0


@pytest.mark.long
def test_after_a_watcher_was_killed_its_daemon_goes_its_runs_go_on_and_another_one_starts(watched):
    with watched.started() as watcher:
        engine = watched.engine_start()
        daemon = child_of(watcher)
        watcher.kill()
        watcher.wait()
        wait_until(lambda: not alive(daemon), "the end of the daemon")
        assert alive(engine.pid)
        assert beam_state() is BeamState.RUNNING
        with watched.started() as other:
            wait_until(lambda: "Sensor beam_orphan_sensor" in watched.log_of(other), "a tick")
            assert (work_folder() / "watcher.pid").read_text() == f"{other.pid}\n"
            other.terminate()
            assert other.wait(LONGEST_END_S) == 0
    wait_until(lambda: not alive(engine.pid), "the end of the engine")
    assert beam_state() is BeamState.PENDING


def test_a_signal_while_it_starts_ends_it_at_once(watched):
    with watched.started() as watcher:
        wait_until(lambda: below(watcher.pid), "the start of a process")
        watcher.terminate()
        assert watcher.wait(LONGEST_END_S) == 0
    assert runs() == []


@pytest.mark.long
def test_a_daemon_that_ends_by_itself_ends_the_watcher_with_1(watched):
    with watched.started() as watcher:
        wait_until(lambda: "Checking for new runs" in watched.log, "a tick")
        daemon = child_of(watcher)
        os.kill(daemon, signal.SIGKILL)
        assert watcher.wait(LONGEST_END_S) == 1
    assert "ended by itself" in watched.log


def ended(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, WATCHER, *map(str, words)], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_location_that_does_not_load_ends_it_with_1_and_a_sentence(watched):
    watched.workspace.write_text("load_from: [python_file: {relative_path: nowhere.py}]\n")
    result = ended("-w", watched.workspace)
    assert result.returncode == 1
    assert "No sensor can be turned on" in result.stderr.splitlines()[-1]


def test_a_location_without_the_sensors_ends_it_with_1_and_names_them(watched):
    location = watched.folder / "empty.py"
    location.write_text("import dagster as dg\ndefs = dg.Definitions()\n")
    watched.workspace.write_text(
        f"load_from: [python_file: {{relative_path: {location}, location_name: quintet}}]\n"
    )
    result = ended("-w", watched.workspace)
    assert result.returncode == 1
    assert "beam_case_sensor" in result.stderr.splitlines()[-1]


def test_a_wrong_setting_exits_2_before_anything_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("BEAMS_DRAIN_SECONDS", "26")
    result = ended()
    assert result.returncode == 2
    assert "BEAMS_DRAIN_SECONDS is '26', allowed is a number from 0 to 25" in result.stderr
    assert not quintet_home().exists()


def test_an_unknown_variable_is_reported_and_wrong_usage_exits_2(monkeypatch):
    monkeypatch.setenv("BEAMS_DRAIN_SECOND", "5")
    monkeypatch.setenv("BEAMS_ENGINE", "none")
    assert "BEAMS_DRAIN_SECONDS" in ended().stderr
    result = ended("--bogus")
    assert (result.returncode, result.stderr.startswith("usage: beam_watcher.py")) == (2, True)
