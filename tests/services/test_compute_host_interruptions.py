"""Connections over SSH that break in the middle of something, and servers that go away."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import pytest

from resources.compute_host import HostError, HostSession
from resources.compute_host.ssh import SshHost
from tests.services.compute_hosts import wait_for
from tests.services.ssh_server import SshServer, running

pytestmark = pytest.mark.services


@pytest.fixture
def sshd(tmp_path: Path, missing_service: Callable[[str], NoReturn]) -> Iterator[SshServer]:
    """A server of the test's own, which it may break."""
    (tmp_path / "sshd").mkdir()
    with running(tmp_path / "sshd", missing_service) as server:
        yield server


@pytest.fixture
def host(sshd: SshServer, tmp_path: Path) -> SshHost:
    return sshd.host(tmp_path / "host")


@pytest.fixture
def session(host: SshHost) -> Iterator[HostSession]:
    with host.connect() as session:
        yield session


@pytest.fixture
def folder(host: SshHost, session: HostSession) -> Iterator[PurePosixPath]:
    folder = host.workdir() / "case" / "002_F2_A_P" / "7"
    yield folder
    record = Path(folder / "job.json")
    if record.exists():
        with suppress(ProcessLookupError):
            os.killpg(json.loads(record.read_text())["pid"], signal.SIGKILL)


class TestBrokenConnections:
    def test_a_job_is_watched_on_over_a_new_connection(
        self, sshd: SshServer, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])
        for _ in range(3):
            sshd.drop()
            assert session.observe(folder) == started
        sshd.drop()
        assert session.launch(folder, ["sleep", "600"]) == started
        sshd.drop()
        assert session.read(folder / "engine.log") == b""
        sshd.drop()
        assert "job.json" in [file.name for file in session.list_files(folder)]
        sshd.drop()
        assert session.stop(folder).state == "ended"
        assert not [*Path(f"/proc/{started.pid}").glob("stat")]

    def test_a_server_that_is_away_for_a_while_is_waited_for(
        self, sshd: SshServer, session: HostSession, folder: PurePosixPath
    ) -> None:
        started = session.launch(folder, ["sleep", "600"])
        sshd.stop()
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(session.observe, folder)
            time.sleep(0.5)
            assert not seen.done()
            sshd.start()
            assert seen.result(30) == started

    def test_a_server_that_stays_away_is_given_up_and_the_job_goes_on(
        self, sshd: SshServer, tmp_path: Path, folder: PurePosixPath
    ) -> None:
        with sshd.host(tmp_path / "host", reconnect_s=0.5).connect() as session:
            started = session.launch(folder, ["sleep", "600"])
            sshd.stop()
            with pytest.raises(HostError, match="tried") as raised:
                session.observe(folder)
            assert raised.value.code == "ssh_connect"
            assert Path(f"/proc/{started.pid}/stat").exists()
            sshd.start()
            assert session.observe(folder) == started

    def test_a_key_that_changes_while_a_job_is_watched_ends_the_watching_at_once(
        self, sshd: SshServer, session: HostSession, folder: PurePosixPath
    ) -> None:
        session.launch(folder, ["sleep", "600"])
        sshd.stop()
        sshd.host_key = "other_key"
        sshd.start()
        with pytest.raises(HostError) as raised:
            session.observe(folder)
        assert raised.value.code == "host_key_changed"

    def test_a_command_is_not_run_twice(self, sshd: SshServer, session: HostSession, tmp_path: Path) -> None:
        script = f"echo run >>'{tmp_path}/runs'; exec sleep 600"
        with ThreadPoolExecutor(1) as pool:
            ran = pool.submit(session.run, ["sh", "-c", script], timeout_s=10)
            wait_for(lambda: (tmp_path / "runs").exists() and (tmp_path / "runs").read_text() == "run\n")
            sshd.drop()
            with pytest.raises(HostError) as raised:
                ran.result(30)
        assert raised.value.code == "ssh_connect"
        assert (tmp_path / "runs").read_text() == "run\n"
        assert session.run(["echo", "on"]).stdout == b"on\n"

    def test_a_connection_that_breaks_in_the_middle_of_much_output_is_no_end_of_it(
        self, sshd: SshServer, session: HostSession
    ) -> None:
        with ThreadPoolExecutor(1) as pool:
            ran = pool.submit(
                session.run, ["sh", "-c", "head -c 3000000 /dev/zero; exec sleep 600"], timeout_s=10
            )
            time.sleep(0.5)
            sshd.drop()
            with pytest.raises(HostError) as raised:
                ran.result(30)
        assert raised.value.code == "ssh_connect"

    def test_what_a_host_does_not_answer_in_time_is_given_up(self, sshd: SshServer, tmp_path: Path) -> None:
        host = sshd.host(tmp_path / "host", command_timeout_s=0.5, reconnect_s=0, connect_timeout_s=1)
        with host.connect() as session:
            session.make_folders(host.workdir() / "a")
            (Path(host.workdir()) / "a" / "b").write_bytes(b"x")
            assert session.read(host.workdir() / "a" / "b") == b"x"
            with sshd.suspended():
                for use in (
                    lambda: session.run(["true"]),
                    lambda: session.observe(host.workdir() / "a"),
                    lambda: session.read(host.workdir() / "a" / "b"),
                ):
                    with pytest.raises(HostError) as raised:
                        use()
                    assert raised.value.code == "ssh_timeout"
            assert session.read(host.workdir() / "a" / "b") == b"x"


SIZE = 60_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(SIZE))
    return path


def half(path: Path) -> bool:
    return path.exists() and path.stat().st_size >= SIZE // 2


def start(operation: Callable[..., None], *arguments: Any) -> Future[None]:
    pool = ThreadPoolExecutor(1)
    future = pool.submit(operation, *arguments)
    pool.shutdown(wait=False)
    return future


class TestCutTransfers:
    def test_an_upload_that_is_cut_leaves_no_file_and_is_begun_anew(
        self, sshd: SshServer, tmp_path: Path, source: Path
    ) -> None:
        host = sshd.host(tmp_path / "host", reconnect_s=0.5)
        target = host.workdir() / "QA0001" / "log" / "01_150.00MeV.csv"
        part = Path(f"{target}.part")
        with host.connect() as session:
            sent = start(session.put, source, target)
            wait_for(lambda: half(part))
            sshd.stop()
            with pytest.raises(HostError) as raised:
                sent.result(30)
        assert raised.value.code == "sftp_eof"
        assert not Path(target).exists()
        assert part.stat().st_size < SIZE
        sshd.start()
        with host.connect() as session:
            session.put(source, target)
        assert Path(target).read_bytes() == source.read_bytes()
        assert [*Path(target).parent.iterdir()] == [Path(target)]

    def test_an_upload_goes_on_after_a_dropped_connection(
        self, sshd: SshServer, host: SshHost, session: HostSession, source: Path
    ) -> None:
        target = host.workdir() / "target"
        sent = start(session.put, source, target)
        wait_for(lambda: half(Path(f"{target}.part")))
        sshd.drop()
        sent.result(60)
        assert Path(target).read_bytes() == source.read_bytes()

    def test_a_download_that_is_cut_leaves_no_file_and_is_begun_anew(
        self, sshd: SshServer, tmp_path: Path, source: Path
    ) -> None:
        host = sshd.host(tmp_path / "host", reconnect_s=0.5)
        host_file = host.workdir() / "source"
        Path(host_file).parent.mkdir()
        shutil.copy(source, host_file)
        back, part = tmp_path / "back", tmp_path / "back.part"
        back.write_bytes(b"of an earlier attempt")
        with host.connect() as session:
            fetched = start(session.get, host_file, back)
            wait_for(lambda: half(part))
            sshd.stop()
            with pytest.raises(HostError) as raised:
                fetched.result(30)
        assert raised.value.code == "sftp_eof"
        assert back.read_bytes() == b"of an earlier attempt"
        sshd.start()
        with host.connect() as session:
            session.get(host_file, back)
        assert back.read_bytes() == source.read_bytes()
        assert not part.exists()

    def test_a_file_that_cannot_be_written_says_why(
        self, host: SshHost, session: HostSession, source: Path
    ) -> None:
        in_the_way = Path(host.workdir() / "target.part" / "file")
        in_the_way.parent.mkdir(parents=True)
        in_the_way.touch()
        with pytest.raises(HostError, match="Is a directory"):
            session.put(source, host.workdir() / "target")
        assert session.run(["true"]).exit_code == 0

    def test_a_full_disk_is_told(self, host: SshHost, session: HostSession, source: Path) -> None:
        small = Path(host.workdir() / "small")
        small.mkdir(parents=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False)
        if mounted.returncode:
            pytest.skip("Mounting a small file system takes rights that this user has not.")
        try:
            note = source.with_name("note")
            note.write_bytes(bytes(100_000))
            for file in (source, note):
                with pytest.raises(HostError) as raised:
                    session.put(file, host.workdir() / "small" / "target" / file.name)
                assert raised.value.code == "remote_disk_full"
            with pytest.raises(HostError) as raised:
                session.launch(host.workdir() / "small" / "job", ["true"])
            assert raised.value.code == "remote_disk_full"
            assert [path.name for path in (small / "target").iterdir() if path.suffix != ".part"] == []
        finally:
            subprocess.run(["umount", small], check=True)
