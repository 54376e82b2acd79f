"""The command line of aim, stopped in the middle: by its scheduler, by a person, by the system."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import duckdb
import pytest

from assets.aim.stages import order
from assets.aim.stages.outcomes import Outcome
from assets.aim.stages.run import Run
from assets.aim.tables import SCORES
from scripts.waves_rehearsal import WavesRehearsal
from scripts.waves_server import WavesServer
from tests.assets.aim.aim_roots import DATE, WAREHOUSE, Root, run_in
from tests.resources.waves.loopback import running

MAIN = Path(__file__).parents[2] / "aim-job" / "main.py"
PATIENCE = 60.0


@pytest.fixture
def done(tmp_path: Path) -> Root:
    """A root after a full run."""
    return run_in(tmp_path)


class HangingRehearsal(WavesRehearsal):
    """Answers no batch before it is released."""

    def __init__(self, root: Root) -> None:
        with duckdb.connect(str(root.file(WAREHOUSE)), read_only=True) as connection:
            super().__init__(connection.execute("SELECT * FROM {}.{}".format(*SCORES.split("."))).pl())
        self.asked, self.released = Event(), Event()

    def batch(self, body):
        self.asked.set()
        self.released.wait(PATIENCE)
        return super().batch(body)


@contextmanager
def in_the_middle(root: Root) -> Iterator["subprocess.Popen[str]"]:
    """A run of Stages 4 and 5 that waits for the service to answer its only batch."""
    rehearsal = HangingRehearsal(root)
    with running(WavesServer(rehearsal)) as server:
        environment = {
            "AIM_MODE": "local", "AIM_LOCAL_ROOT": str(root.path), "AIM_RUN_MODE": "GLOBAL",
            "AIM_WAVES_URL": server.url,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, MAIN, "--run-date", DATE, "--stage", "4", "--stage", "5"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert rehearsal.asked.wait(PATIENCE)
            yield process
        finally:
            rehearsal.released.set()
            process.kill()
            process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_ends_in_order_and_publishes_nothing(done, stop):
    before = done.tables()
    with in_the_middle(done) as process:
        assert done.status["state"] == "running"
        process.send_signal(stop)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert errors.strip().splitlines()[-1] == ("aim-job/main.py: The run was interrupted; run the date again")
    assert "Traceback" not in errors
    status = done.status
    assert (status["state"], status["last_log_line"]) == ("failed", "Failed at Stage 4: Batch Recommender")
    assert status["error_summary"] == "The run was interrupted; run the date again"
    assert status["ended_at"] is not None
    assert status["report"]["units"] == {"cams_attempted": 0, "cams_succeeded": 0}
    assert done.stages == [(4, "failed", 0)]
    assert done.tables() == before


def test_a_query_that_is_stopped_is_no_defect_of_ours(done, monkeypatch):
    def query(_: Run) -> Outcome:
        # What DuckDB 1.5 makes of a signal that comes while it works.
        raise RuntimeError("Query interrupted") from KeyboardInterrupt()

    monkeypatch.setitem(order.STAGES, 2, order.Stage("Stage 2: Placeholder", query))
    ended = done.stage(2)
    assert (ended.code, ended.err) == (1, "aim-job/main.py: The run was interrupted; run the date again\n")
    assert done.status["error_summary"] == "The run was interrupted; run the date again"


def test_after_a_kill_the_next_run_takes_over_and_leaves_no_trace_of_it(done):
    before = done.tables()
    with in_the_middle(done) as process:
        killed = done.status["run_id"]
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL
    assert (done.status["state"], done.status["run_id"]) == ("running", killed)
    assert done.run().code == 0
    assert done.status["state"] == "success"
    assert done.status["run_id"] != killed
    assert done.manifest["run_id"] == done.status["run_id"]
    assert [number for number, _, _ in done.stages] == list(range(1, 10))
    assert done.tables() == before
    assert not list(done.path.rglob(".quintet-*"))


def test_a_second_run_ends_at_once_and_names_the_first(done):
    with in_the_middle(done) as process:
        first = done.status["run_id"]
        before = done.tree("output/job_status.json", WAREHOUSE)  # The first run's own heartbeat.
        for dry in ("false", "true"):
            ended = done.run(DRY_RUN=dry)
            assert ended.code == 1
            assert f"Run {first} is at work: {done.path} is in use by process {process.pid}" in ended.sentence
        assert done.tree("output/job_status.json", WAREHOUSE) == before
        assert done.status["run_id"] == first
