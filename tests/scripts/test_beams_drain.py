"""The end of the loop, with stand-ins for daemon and host: who is waited for, killed, or left alone."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import dagster as dg
import pytest

from assets.beams import draining
from assets.beams.registry.rows import beam_of
from assets.beams.states import BeamState
from resources.compute_host import HostError, HostFile
from scripts.beams.desk import Desk
from scripts.beams.drain import drain, work_folder
from tests.assets.beams.registry.registry_worlds import beam, brought, interpreted
from tests.scripts.beams_desks import registry

LAUNCHED = {".dagster/grpc_info": json.dumps({"host": "127.0.0.1", "port": 1})}
STARTED, CANCELED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED


@dg.op
def _nothing() -> None: ...


@dg.job
def anything() -> None:
    _nothing()


@dataclass
class StandInDaemon:
    """A daemon that is gone at the second look, as are the runs that obey."""

    instance: dg.DagsterInstance
    obeying: list[dg.DagsterRun] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    looks: int = 0

    @property
    def exit_code(self) -> int | None:
        self.looks += 1
        if self.looks == 1:
            return None
        while self.obeying:
            self.instance.report_run_canceled(self.obeying.pop())
        return 0

    def ask_to_stop(self) -> None:
        assert draining.drain_deadline(work_folder(Desk().home), Desk().clock()), "runs were not told before"
        self.done.append("asked")

    def end(self) -> None:
        self.done.append("ended")

    def kill(self) -> None:
        self.done.append("killed")


@dataclass
class StandInHost:
    """A host with one job in every folder, which notes what is stopped."""

    is_remote: bool = False
    stopped: list[str] = field(default_factory=list)
    failure: HostError | None = None

    def workdir(self) -> PurePosixPath:
        return PurePosixPath("/srv/beams")

    @contextmanager
    def connect(self):
        yield self

    def list_files(self, folder: PurePosixPath) -> list[HostFile]:
        return [HostFile("job-1", 0, 0.0, True)]

    def stop(self, folder: PurePosixPath, *, grace_s: float) -> None:
        if self.failure:
            raise self.failure
        self.stopped.append(str(folder))


@dataclass
class Loop:
    """An instance with runs, and beams that they work on."""

    instance: dg.DagsterInstance
    daemon: StandInDaemon
    host: StandInHost
    said: list[str] = field(default_factory=list)

    def run(self, index: int | None = None, **tags: Any) -> dg.DagsterRun:
        """A run that is at work in a code server, on a beam if one is named."""
        run = self.instance.create_run_for_job(anything, status=STARTED, tags={**LAUNCHED, **tags})
        if index is not None:
            with registry() as connection:
                brought(connection, index, BeamState.RUNNING, run=run.run_id)
        return run

    def drain(self) -> None:
        drain(Desk(), self.instance, self.host, self.daemon, self.said.append)  # pyright: ignore[reportArgumentType]

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        found = self.instance.get_run_by_id(run.run_id)
        assert found is not None
        return found.status


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BEAMS_DRAIN_SECONDS", "0")
    monkeypatch.setattr("scripts.beams.drain._TO_LET_GO_S", 0.3)
    with registry() as connection:
        interpreted(connection, 1, 2)
    with Desk().instance() as instance:
        yield Loop(instance, StandInDaemon(instance), StandInHost())


def states() -> list[BeamState]:
    with registry() as connection:
        return [beam_of(connection, beam(index)).state for index in (1, 2)]


def test_runs_that_end_by_themselves_are_not_killed_and_what_they_left_active_begins_anew(loop):
    run = loop.run(1)
    loop.daemon.obeying.append(run)
    loop.drain()
    assert loop.daemon.done == ["asked", "ended"]
    assert states() == [BeamState.PENDING, BeamState.PENDING]
    assert loop.host.stopped == ["/srv/beams/QA0001/002_F1/job-1"]


def test_a_run_that_does_not_end_is_killed_and_reported_and_its_beam_begins_anew(loop):
    run = loop.run(1)
    loop.drain()
    assert loop.daemon.done == ["asked", "killed"]
    assert loop.status(run) is CANCELED
    assert states() == [BeamState.PENDING, BeamState.PENDING]
    assert loop.host.stopped == ["/srv/beams/QA0001/002_F1/job-1"]
    assert loop.said[-1] == "Beam QA0001_beam_1 waits for the next start."


def test_a_job_on_another_host_goes_on_and_its_beam_stays_as_it_is(loop):
    loop.host.is_remote = True
    run = loop.run(1)
    loop.drain()
    assert (loop.status(run), loop.host.stopped) == (CANCELED, [])
    assert states() == [BeamState.RUNNING, BeamState.PENDING]


def test_a_run_of_a_command_line_is_neither_waited_for_nor_killed(loop):
    run = loop.instance.create_run_for_job(anything, status=STARTED)
    with registry() as connection:
        brought(connection, 2, BeamState.RUNNING, run=run.run_id)
    loop.drain()
    assert loop.daemon.done == ["asked", "ended"]
    assert loop.status(run) is STARTED
    assert (states(), loop.host.stopped) == ([BeamState.PENDING, BeamState.RUNNING], [])


def test_a_beam_that_an_earlier_watcher_left_active_is_not_touched(loop):
    with registry() as connection:
        brought(connection, 2, BeamState.RUNNING, run="long gone")
    loop.run(1)
    loop.drain()
    assert states() == [BeamState.PENDING, BeamState.RUNNING]


def test_a_beam_whose_engine_cannot_be_stopped_is_not_given_to_another_run(loop):
    loop.host.failure = HostError("ssh_connect", "processes of the group 7 outlive SIGKILL")
    loop.run(1)
    loop.drain()
    assert states() == [BeamState.RUNNING, BeamState.PENDING]
    assert "outlive SIGKILL" in loop.said[-1]


def test_the_word_is_taken_back_when_the_daemon_has_ended(loop):
    loop.drain()
    assert loop.daemon.looks == 2
    assert draining.drain_deadline(work_folder(Desk().home), Desk().clock()) is None
    assert list(Path(work_folder(Desk().home)).iterdir()) == []
