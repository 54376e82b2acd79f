"""This machine and one behind SSH, as fixtures for what every compute host promises; processes of jobs.

The host behind SSH is this machine too, so its files and processes can be looked at from here.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NoReturn

import pytest

from resources.compute_host import ComputeHost, HostSession, JobStatus, LocalHost
from tests.services.ssh_server import SshServer, running


@pytest.fixture(scope="module")
def sshd(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[SshServer]:
    with running(tmp_path_factory.mktemp("sshd"), missing_service) as server:
        yield server


@pytest.fixture(params=["local", pytest.param("ssh", marks=pytest.mark.services)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> ComputeHost:
    if request.param == "local":
        return LocalHost(folder=str(tmp_path / "host"))
    server: SshServer = request.getfixturevalue("sshd")
    return server.host(tmp_path / "host")


@pytest.fixture
def session(host: ComputeHost) -> Iterator[HostSession]:
    with host.connect() as session:
        yield session


@pytest.fixture
def folder(host: ComputeHost, session: HostSession) -> Iterator[PurePosixPath]:
    """The folder of a job, which is stopped at the end of the test."""
    folder = host.workdir() / "case" / "002_F2_A_P" / "7"
    yield folder
    session.stop(folder, grace_s=0)


def here(path: PurePosixPath) -> Path:
    return Path(path)


def wait_for(seen: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.005)


def ended(session: HostSession, folder: PurePosixPath) -> JobStatus:
    wait_for(lambda: session.observe(folder).state != "running")
    return session.observe(folder)


def lives(pid: int | str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def name_of(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def unique(number: int) -> str:
    """A time to sleep by which a process is known; other processes of the tests have others."""
    return f"{number}.{os.getpid()}"


def processes_with(number: int) -> list[int]:
    """The processes that sleep for this unique time."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if arguments[:2] == [b"sleep", unique(number).encode()]:
            found.append(int(folder.name))
    return found


def vanish(session: HostSession, folder: PurePosixPath, argv: list[str]) -> JobStatus:
    """Launch a job, and kill who watches over it and then the engine: nobody sees how it ends."""
    started = session.launch(folder, argv)
    assert started.pid
    wait_for(lambda: name_of(started.pid or 0) == "sleep")
    watcher = json.loads(here(folder / "job.json").read_text())["watcher_pid"]
    os.kill(watcher, signal.SIGKILL)
    wait_for(lambda: not lives(watcher))
    assert session.observe(folder).state == "running"
    os.kill(started.pid, signal.SIGKILL)
    wait_for(lambda: session.observe(folder).state == "vanished")
    return started


@contextmanager
def nobody_watching(folder: PurePosixPath, job: JobStatus) -> Iterator[None]:
    """Let those who write how a job ends stand still."""
    watcher = json.loads(here(folder / "job.json").read_text())["watcher_pid"]
    watching = {watcher, *descendants(watcher)} - {job.pid}
    for pid in watching:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in watching:
            os.kill(pid, signal.SIGCONT)
