"""What every compute host promises of jobs, on this machine and over SSH."""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from resources.compute_host import ComputeHost, HostSession, JobStatus
from tests.services.compute_hosts import (
    descendants,
    ended,
    folder,
    here,
    host,
    lives,
    name_of,
    nobody_watching,
    processes_with,
    session,
    sshd,
    unique,
    vanish,
    wait_for,
)

__all__ = ["folder", "host", "session", "sshd"]  # Fixtures.

SPAWN = get_context("spawn")


class TestJobs:
    def test_a_job_runs_in_its_folder_and_leaves_its_log_and_exit_code(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        assert session.observe(folder).state == "absent"
        before = int(time.time())
        script = "pwd; echo err >&2; cat; echo $BEAM; touch output; exit 3"
        started = session.launch(folder, ["sh", "-c", script], environ={"BEAM": "a b;$(x)"})
        assert started.pid
        assert started.started_at is not None
        assert before <= started.started_at <= time.time()
        status = ended(session, folder)
        assert status == JobStatus("ended", 3, None, started.pid, started.started_at)
        assert session.read(folder / "engine.log").decode() == f"{folder}\nerr\na b;$(x)\n"
        (output,) = [file for file in session.list_files(folder) if file.name == "output"]
        assert output.modified >= started.started_at

    @pytest.mark.parametrize("code", [0, 1, 127, 130, 137, 143, 255])
    def test_an_exit_code_is_told(self, session: HostSession, folder: PurePosixPath, code: int) -> None:
        session.launch(folder, ["sh", "-c", f"exit {code}"])
        status = ended(session, folder)
        assert (status.state, status.exit_code, status.signal) == ("ended", code, None)

    @pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 13, 15])
    def test_a_signal_is_told(self, session: HostSession, folder: PurePosixPath, number: int) -> None:
        session.launch(folder, ["sh", "-c", f"kill -{number} $$"])
        status = ended(session, folder)
        assert (status.state, status.exit_code, status.signal) == ("ended", None, number)

    def test_an_engine_that_is_killed_from_outside_ended_by_a_signal(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        pid = session.launch(folder, ["sleep", "600"]).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert ended(session, folder).signal == signal.SIGKILL

    def test_an_engine_that_does_not_exist_ends_with_127_and_says_so_in_its_log(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["no-such-engine"])
        assert ended(session, folder).exit_code == 127
        assert b"no-such-engine" in session.read(folder / "engine.log")

    def test_fifty_megabytes_of_output_are_all_in_the_log(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["sh", "-c", "head -c 50000000 /dev/zero; echo end >&2"])
        assert ended(session, folder).exit_code == 0
        assert session.read(folder / "engine.log", 49_999_990, 100) == bytes(10) + b"end\n"

    def test_a_second_launch_finds_the_running_job(self, session: HostSession, folder: PurePosixPath) -> None:
        first = session.launch(folder, ["sleep", unique(7432)])
        assert session.launch(folder, ["sleep", unique(7432)]) == session.observe(folder) == first
        assert first.state == "running"
        wait_for(lambda: processes_with(7432) == [first.pid])

    def test_a_second_launch_finds_the_job_that_ended(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        argv = ["sh", "-c", "echo run; exit 5"]
        session.launch(folder, argv)
        status = ended(session, folder)
        assert session.launch(folder, argv) == status
        assert session.read(folder / "engine.log") == b"run\n"

    def test_a_job_of_another_command_is_not_taken_for_ours(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        first = session.launch(folder, ["sleep", unique(7433)])
        for argv, environ in ((["sleep", unique(7434)], None), (["sleep", unique(7433)], {"A": "b"})):
            with pytest.raises(ValueError, match="of another command"):
                session.launch(folder, argv, environ=environ)
        assert session.observe(folder) == first
        assert processes_with(7434) == []

    def test_a_job_outlives_the_session_that_started_it(
        self, host: ComputeHost, session: HostSession, folder: PurePosixPath
    ) -> None:
        with host.connect() as first:
            started = first.launch(folder, ["sleep", "600"])
        assert session.observe(folder) == started
        assert lives(started.pid or 0)

    def test_a_worker_that_was_killed_finds_its_job_when_it_starts_again(
        self, host: ComputeHost, session: HostSession, folder: PurePosixPath
    ) -> None:
        argv = ["sh", "-c", f"echo started; exec sleep {unique(7443)}"]
        ours, theirs = SPAWN.Pipe()
        worker = SPAWN.Process(
            target=launch_and_hang, args=(type(host), host.model_dump(), folder, argv, theirs), daemon=True
        )
        worker.start()
        assert ours.poll(60)
        started = ours.recv()
        worker.kill()
        worker.join(20)
        assert worker.exitcode == -signal.SIGKILL
        assert session.launch(folder, argv) == started
        wait_for(lambda: processes_with(7443) == [started.pid])
        assert session.read(folder / "engine.log") == b"started\n"

    @pytest.mark.parametrize("earlier", [None, "vanished"])
    def test_sessions_that_launch_at_once_start_one_job(
        self, host: ComputeHost, session: HostSession, folder: PurePosixPath, earlier: str | None
    ) -> None:
        argv = ["sh", "-c", f"echo started; exec sleep {unique(7435)}"]
        if earlier:
            vanish(session, folder, argv)
        together = threading.Barrier(4)

        def launch(_: int) -> JobStatus:
            with host.connect() as own:
                together.wait(20)
                return own.launch(folder, argv)

        with ThreadPoolExecutor(4) as pool:
            found = set(pool.map(launch, range(4)))
        assert found == {session.observe(folder)}
        wait_for(lambda: bool(processes_with(7435)))
        assert len(processes_with(7435)) == 1
        assert session.read(folder / "engine.log") == b"started\n"

    def test_a_job_whose_processes_are_gone_without_an_exit_code_has_vanished(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = vanish(session, folder, ["sleep", "600"])
        assert session.observe(folder) == JobStatus("vanished", None, None, started.pid, started.started_at)
        assert session.stop(folder).state == "vanished"

    def test_after_a_job_that_vanished_a_new_one_starts_with_a_log_of_its_own(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        argv = ["sh", "-c", "echo attempt; exec sleep 600"]
        first = vanish(session, folder, argv)
        second = session.launch(folder, argv)
        assert second.state == "running"
        assert second.pid != first.pid
        third = vanish(session, folder, argv)
        assert third == second
        session.launch(folder, argv)
        for log in ("engine.log", "engine.log.1", "engine.log.2"):
            wait_for(lambda log=log: session.read(folder / log) == b"attempt\n")

    def test_what_a_vanished_job_left_running_is_killed_before_a_new_one_starts(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        argv = ["sh", "-c", f"sleep {unique(7436)} & exec sleep 600"]
        session.launch(folder, argv)
        wait_for(lambda: len(processes_with(7436)) == 1)
        (left,) = processes_with(7436)
        vanish(session, folder, argv)
        assert lives(left)
        session.launch(folder, argv)
        assert not lives(left)

    def test_another_process_with_the_number_of_the_job_is_not_the_job(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        vanished = vanish(session, folder, ["sleep", "600"])
        stranger = session.launch(folder.parent / "8", ["sleep", unique(7437)])
        own, other = (here(path / "job.json") for path in (folder, folder.parent / "8"))
        # As after a wrap of the process numbers: the number is the stranger's, the start is not.
        own.write_text(own.read_text().replace(f'"pid": {vanished.pid},', f'"pid": {stranger.pid},'))
        assert session.observe(folder) == replace(vanished, state="vanished", pid=stranger.pid)
        assert session.stop(folder).state == "vanished"
        assert lives(stranger.pid or 0)
        # As after a restart: number and start are the stranger's, the boot is not.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        own.write_text(other.read_text().replace(boot, "0" * 8 + boot[8:]))
        assert session.observe(folder).state == "vanished"
        assert session.stop(folder).state == "vanished"
        session.launch(folder, ["sleep", "600"])
        assert lives(stranger.pid or 0)
        session.stop(folder.parent / "8", grace_s=0)

    def test_a_job_runs_until_it_is_written_how_it_ended(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])
        assert started.pid
        with nobody_watching(folder, started):
            os.kill(started.pid, signal.SIGKILL)
            wait_for(lambda: not lives(started.pid or 0))
            assert session.observe(folder) == session.launch(folder, ["sleep", "600"]) == started
        assert ended(session, folder).signal == signal.SIGKILL

    def test_an_engine_that_outlives_who_waited_for_it_has_not_ended(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])
        watcher = json.loads(here(folder / "job.json").read_text())["watcher_pid"]
        (waiting,) = [pid for pid in descendants(watcher) if name_of(pid) == "setsid"]
        os.kill(waiting, signal.SIGKILL)
        wait_for(lambda: not lives(watcher))
        assert session.observe(folder) == started
        assert session.stop(folder).state == "vanished"
        assert not lives(started.pid or 0)

    def test_a_lock_that_a_dead_launch_left_holds_nobody_up(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        here(folder).mkdir(parents=True)
        here(folder / ".launch.lock").touch()
        here(folder / "job.json.12345").write_text("{")
        assert session.observe(folder).state == "absent"
        assert session.launch(folder, ["sleep", "600"]).state == "running"


def launch_and_hang(
    kind: type[ComputeHost],
    fields: dict[str, Any],
    folder: PurePosixPath,
    argv: list[str],
    answers: Connection,
) -> None:
    """What a worker does until it is killed."""
    with kind(**fields).connect() as session:
        answers.send(session.launch(folder, argv))
        threading.Event().wait(120)


class TestStopping:
    def test_a_job_is_asked_to_end_and_its_signal_is_told(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])
        status = session.stop(folder)
        assert status == JobStatus("ended", None, signal.SIGTERM, started.pid, started.started_at)
        assert session.stop(folder) == session.observe(folder) == status

    def test_stopping_waits_until_it_is_written_how_the_job_ended(
        self, host: ComputeHost, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])

        def stop() -> JobStatus:
            with host.connect() as own:
                return own.stop(folder)

        with ThreadPoolExecutor(1) as pool:
            with nobody_watching(folder, started):
                stopped = pool.submit(stop)
                wait_for(lambda: not lives(started.pid or 0))
                time.sleep(0.5)
            assert stopped.result(30).signal == signal.SIGTERM

    def test_an_engine_that_ends_in_order_has_its_own_exit_code(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["sh", "-c", "trap 'echo bye; exit 4' TERM; echo up; sleep 600 & wait"])
        wait_for(lambda: session.read(folder / "engine.log") == b"up\n")
        status = session.stop(folder)
        assert (status.exit_code, status.signal) == (4, None)
        assert session.read(folder / "engine.log") == b"up\nbye\n"

    def test_an_engine_that_ignores_it_is_killed_after_the_grace(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(
            folder, ["sh", "-c", f"trap '' TERM; echo up; while :; do sleep {unique(7438)}; done"]
        )
        wait_for(lambda: session.read(folder / "engine.log") == b"up\n")
        status = session.stop(folder, grace_s=0.3)
        assert (status.state, status.signal) == ("ended", signal.SIGKILL)
        assert not lives(started.pid or 0)
        assert processes_with(7438) == []

    def test_a_child_that_ignores_it_is_killed_too(self, session: HostSession, folder: PurePosixPath) -> None:
        script = f"(trap '' TERM; exec sleep {unique(7439)}) & echo up; exec sleep 600"
        session.launch(folder, ["sh", "-c", script])
        wait_for(lambda: len(processes_with(7439)) == 1)
        status = session.stop(folder, grace_s=0.3)
        assert (status.state, status.signal) == ("ended", signal.SIGTERM)
        assert processes_with(7439) == []

    def test_what_a_job_that_ended_has_left_is_ended_as_well(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["sh", "-c", f"sleep {unique(7440)} & exit 0"])
        assert ended(session, folder).exit_code == 0
        wait_for(lambda: len(processes_with(7440)) == 1)
        assert session.stop(folder).exit_code == 0
        assert processes_with(7440) == []

    def test_what_a_vanished_job_has_left_is_ended_as_well(
        self, session: HostSession, folder: PurePosixPath
    ) -> None:
        vanish(session, folder, ["sh", "-c", f"sleep {unique(7441)} & exec sleep 600"])
        wait_for(lambda: len(processes_with(7441)) == 1)
        assert session.stop(folder).state == "vanished"
        assert processes_with(7441) == []

    def test_a_suspended_engine_is_ended(self, session: HostSession, folder: PurePosixPath) -> None:
        pid = session.launch(folder, ["sleep", "600"]).pid
        assert pid
        os.kill(pid, signal.SIGSTOP)
        assert session.observe(folder).state == "running"
        assert session.stop(folder, grace_s=0.2).signal == signal.SIGKILL
        assert not lives(pid)

    def test_other_jobs_are_left_alone(self, session: HostSession, folder: PurePosixPath) -> None:
        sibling = folder.parent / "8"
        started = session.launch(sibling, ["sleep", "600"])
        session.launch(folder, ["sleep", "600"])
        session.stop(folder)
        assert session.observe(sibling) == started
        session.stop(sibling)

    def test_no_job_is_nothing_to_stop(self, session: HostSession, folder: PurePosixPath) -> None:
        assert session.stop(folder) == JobStatus("absent")
        session.make_folders(folder)
        assert session.stop(folder) == JobStatus("absent")

    def test_a_job_can_be_stopped_while_it_is_launched_again(
        self, host: ComputeHost, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["sleep", unique(7442)])

        def launch() -> JobStatus:
            with host.connect() as own:
                return own.launch(folder, ["sleep", unique(7442)])

        with ThreadPoolExecutor(2) as pool:
            again = pool.submit(launch)
            stopped = session.stop(folder)
            again.result(30)
        assert stopped.state == "ended"
        assert processes_with(7442) == []
