"""Transfers that go wrong on the way, on a connection that is told to."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import pytest

from resources.compute_host import HostError, HostSession
from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostUnreachable
from resources.compute_host.local import LocalConnection
from resources.compute_host.session import Patience

QUICK = Patience(command_s=10, reconnect_s=30, first_wait_s=0.001, longest_wait_s=0.002)


class FaultyConnection(LocalConnection):
    """This machine, where the next transfers lose their last byte, or the connection."""

    def __init__(self) -> None:
        super().__init__("The faulty host")
        self.damaged = 0
        self.broken: list[HostError] = []
        self.transfers = 0

    def write_new(self, path: PurePosixPath, content: BinaryIO) -> None:
        self._fail()
        super().write_new(path, content)
        if self._is_damaged():
            os.truncate(path, content.tell() - 1)
            with Path(path).open("ab") as file:
                file.write(b"?")

    def read(self, path: PurePosixPath, offset: int, size: int) -> Iterator[bytes]:
        self._fail()
        damaged = self._is_damaged()
        for piece in super().read(path, offset, size):
            yield piece[:-1] + b"?" if damaged else piece

    def _fail(self) -> None:
        self.transfers += 1
        if self.broken:
            raise self.broken.pop(0)

    def _is_damaged(self) -> bool:
        self.damaged -= 1
        return self.damaged >= 0


@pytest.fixture
def faulty() -> FaultyConnection:
    return FaultyConnection()


@pytest.fixture
def session(faulty: FaultyConnection, tmp_path: Path) -> HostSession:
    return session_on([faulty] * 100, tmp_path)


def session_on(connections: list[Connection], tmp_path: Path, patience: Patience = QUICK) -> HostSession:
    return HostSession(lambda: connections.pop(0), PurePosixPath(tmp_path / "host"), patience)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(b"0123456789")
    return path


@pytest.fixture
def target(tmp_path: Path) -> PurePosixPath:
    return PurePosixPath(tmp_path / "host" / "target")


@pytest.mark.parametrize("damaged", [1, 2])
def test_what_arrives_damaged_is_sent_again(
    faulty: FaultyConnection, session: HostSession, source: Path, target: PurePosixPath, damaged: int
) -> None:
    faulty.damaged = damaged
    session.put(source, target)
    assert Path(target).read_bytes() == b"0123456789"
    assert faulty.transfers == damaged + 1
    faulty.damaged, faulty.transfers = damaged, 0
    session.get(target, source.with_name("back"))
    assert source.with_name("back").read_bytes() == b"0123456789"
    assert faulty.transfers == damaged + 1


def test_what_always_arrives_damaged_is_given_up_after_three_times_and_gets_no_name(
    faulty: FaultyConnection, session: HostSession, source: Path, target: PurePosixPath
) -> None:
    faulty.damaged = 100
    with pytest.raises(HostError, match="'target' did not arrive on The faulty host") as raised:
        session.put(source, target)
    assert raised.value.code == "checksum_mismatch"
    assert faulty.transfers == 3
    assert not Path(target).exists()
    Path(target).write_bytes(b"0123456789")
    with pytest.raises(HostError, match="'target' did not arrive from The faulty host") as raised:
        session.get(target, source.with_name("back"))
    assert raised.value.code == "checksum_mismatch"
    assert faulty.transfers == 6
    assert not source.with_name("back").exists()


def test_what_was_there_before_stays_when_a_transfer_fails(
    faulty: FaultyConnection, session: HostSession, source: Path, target: PurePosixPath
) -> None:
    Path(target.parent).mkdir()
    Path(target).write_bytes(b"earlier")
    faulty.damaged = 100
    with pytest.raises(HostError):
        session.put(source, target)
    assert Path(target).read_bytes() == b"earlier"


def test_a_digest_of_the_same_length_counts_and_not_the_size_alone(
    session: HostSession, faulty: FaultyConnection, source: Path, target: PurePosixPath
) -> None:
    Path(target.parent).mkdir()
    Path(target).write_bytes(b"9876543210")
    session.put(source, target)
    assert Path(target).read_bytes() == b"0123456789"
    assert faulty.transfers == 1


def test_a_broken_connection_is_replaced_and_what_broke_it_first_is_told(
    tmp_path: Path, source: Path, target: PurePosixPath
) -> None:
    first, second = FaultyConnection(), FaultyConnection()
    first.broken = [HostUnreachable("sftp_eof", "The cable is cut.")]
    session_on([first, second], tmp_path).put(source, target)
    assert (first.transfers, second.transfers) == (1, 1)

    lost = FaultyConnection()
    lost.broken = [
        HostUnreachable("sftp_eof", "The cable is cut."),
        *(HostUnreachable("ssh_connect", "Nobody is there.") for _ in range(200)),
    ]
    impatient = Patience(command_s=10, reconnect_s=0.05, first_wait_s=0.001, longest_wait_s=0.002)
    Path(target).unlink()
    with pytest.raises(HostError, match=r"The cable is cut\. It was tried .* Nobody is there\.") as raised:
        session_on([lost] * 300, tmp_path, impatient).put(source, target)
    assert raised.value.code == "sftp_eof"


def test_what_no_repetition_can_help_is_not_repeated(
    faulty: FaultyConnection, session: HostSession, source: Path, target: PurePosixPath
) -> None:
    for code in ("remote_disk_full", "ssh_auth", "host_key_changed", "host_key_unknown"):
        faulty.broken, faulty.transfers = [HostError(code, "No.")], 0
        with pytest.raises(HostError) as raised:
            session.put(source, target)
        assert raised.value.code == code
        assert faulty.transfers == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "remote_disk_full"),
        (errno.EDQUOT, "remote_disk_full"),
        (errno.EACCES, "ssh_auth"),
        (errno.EROFS, "ssh_auth"),
        (errno.EIO, "ssh_connect"),
    ],
)
def test_why_the_system_cannot_write_decides_the_code(
    session: HostSession,
    source: Path,
    target: PurePosixPath,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: str,
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(HostError, match=os.strerror(number)) as raised:
        session.put(source, target)
    assert raised.value.code == code
    assert not Path(target).exists()
