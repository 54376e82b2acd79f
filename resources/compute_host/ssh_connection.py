"""One SSH connection: commands over channels, files over SFTP.

Not here: how it is made (`ssh_client`), and what is done when it breaks (`session`).
"""

import shlex
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import BinaryIO, Final

import paramiko

from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostError, HostUnreachable, refusal
from resources.compute_host.ssh_client import Door, SignalKeepingTransport, connect
from resources.compute_host.values import CommandResult, HostFile

_PIECE: Final = 1 << 20

_LONGEST_READ: Final = 240 << 10
"""What OpenSSH gives for one request is at most 255 KiB. Each waits for the network; paramiko can ask ahead,
but on a thread that dies loudly when the connection breaks meanwhile."""

_GUARD_SECONDS: Final = 5
"""How much later than we give up the host itself ends a command; we may be gone by then."""


class SshConnection(Connection):
    """A connection to the host behind a door."""

    def __init__(self, name: str, door: Door, connect_timeout_s: float, command_timeout_s: float) -> None:
        super().__init__(name)
        self._command_timeout_s = command_timeout_s
        self._client = connect(door, connect_timeout_s)
        self._sftp: paramiko.SFTPClient | None = None

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def run(self, line: Sequence[str], timeout_s: float) -> CommandResult:
        """Run a command; its own host ends it when we have given up."""
        guarded = ("exec", "timeout", "-k", f"{_GUARD_SECONDS}", f"{timeout_s + _GUARD_SECONDS:g}", *line)
        deadline = time.monotonic() + timeout_s
        try:
            transport = self._transport()
            with transport.open_session(timeout=timeout_s) as channel:
                channel.exec_command(shlex.join(guarded).encode(errors="surrogateescape"))
                channel.shutdown_write()
                stdout, stderr = _drained(channel, deadline)
                channel.status_event.wait(max(0.0, deadline - time.monotonic()))
                code, ending = channel.exit_status, transport.signals.pop(channel.get_id(), None)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if _is_overdue(error):
                what = f"A command on {self.name} did not end within {timeout_s:g} s; it is ended there too."
                raise HostUnreachable("ssh_timeout", what) from None
            raise self._broken("ssh_connect", "while a command ran") from None
        if ending is not None:
            return CommandResult(None, ending, stdout, stderr)
        if code == -1:
            raise self._broken("ssh_connect", "while a command ran")
        return CommandResult(code, None, stdout, stderr)

    def look(self, path: PurePosixPath) -> HostFile | None:
        """The file or folder at a path; a link is nothing."""
        with self._files(f"look at {str(path)!r}") as sftp:
            try:
                return _host_file(path.name, sftp.lstat(str(path)))
            except FileNotFoundError:
                return None

    def list_files(self, folder: PurePosixPath) -> list[HostFile]:
        """What is in a folder, without links."""
        if (found := self.look(folder)) is None or not found.is_folder:
            return []
        with self._files(f"list {str(folder)!r}") as sftp:
            files = [_host_file(entry.filename, entry) for entry in sftp.listdir_attr(str(folder))]
        return [file for file in files if file]

    def read(self, path: PurePosixPath, offset: int, size: int) -> Iterator[bytes]:
        """Bytes of a file, in pieces of at most 1 MiB."""
        with self._files(f"read {str(path)!r}") as sftp, sftp.open(str(path), "rb") as file:
            file.seek(offset)
            file.MAX_REQUEST_SIZE = _LONGEST_READ
            while size > 0 and (piece := file.read(min(size, _PIECE))):
                yield piece
                size -= len(piece)

    def write_new(self, path: PurePosixPath, content: BinaryIO) -> None:
        """Write a file, in place of what had that name."""
        try:
            with self._files(f"write {str(path)!r}") as sftp:
                with suppress(FileNotFoundError):
                    sftp.remove(str(path))
                with sftp.open(str(path), "wx") as file:
                    _write(file, content)
        except HostError as error:
            if not isinstance(error, HostUnreachable):
                self._ask_why(path)
            raise

    def replace(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Rename a file over another; the plain rename of SFTP fails on one that is there."""
        with self._files(f"write {str(target)!r}") as sftp:
            sftp.posix_rename(str(path), str(target))

    def _ask_why(self, path: PurePosixPath) -> None:
        """Raise why a file cannot be written: for a full disk SFTP only says `Failure`."""
        script = 'exec head -c 65536 /dev/zero >>"$1"'
        self.ask(f"write {str(path)!r}", ("sh", "-c", script, "sh", str(path)), self._command_timeout_s)

    @contextmanager
    def _files(self, attempt: str) -> Iterator[paramiko.SFTPClient]:
        """Give SFTP, and raise our errors for its."""
        try:
            yield self._opened_sftp()
        except (paramiko.SSHException, OSError, EOFError) as error:
            if _is_overdue(error):
                what = f"{self.name} did not {attempt} within {self._command_timeout_s:g} s."
                raise HostUnreachable("ssh_timeout", what) from None
            if not isinstance(error, OSError) or self._is_closed():
                raise self._broken("sftp_eof", f"on the way to {attempt}") from None
            raise refusal(self.name, attempt, error.strerror or str(error)) from None

    def _opened_sftp(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            self._sftp = self._client.open_sftp()
            if channel := self._sftp.get_channel():
                channel.settimeout(self._command_timeout_s)
        return self._sftp

    def _is_closed(self) -> bool:
        """Tells a broken connection from a refusal of the server, which is the same kind of error."""
        channel = self._sftp and self._sftp.get_channel()
        return channel is None or channel.closed or not self._transport().is_active()

    def _transport(self) -> SignalKeepingTransport:
        transport = self._client.get_transport()
        if not isinstance(transport, SignalKeepingTransport):
            raise EOFError
        return transport

    def _broken(self, code: str, when: str) -> HostUnreachable:
        return HostUnreachable(code, f"The connection to {self.name} broke {when}.")


def _is_overdue(error: Exception) -> bool:
    """Whether time ran out; for a channel that is not opened in time paramiko (5.1) has no kind of error."""
    return isinstance(error, TimeoutError) or str(error).startswith("Timeout")


def _drained(channel: paramiko.Channel, deadline: float) -> tuple[bytes, bytes]:
    """Read both streams to their ends at once: a stream that nobody reads blocks the command after 2 MiB."""
    with ThreadPoolExecutor(1) as other:
        stderr = other.submit(_read_to_end, channel, channel.recv_stderr, deadline)
        try:
            stdout = _read_to_end(channel, channel.recv, deadline)
        except BaseException:
            channel.close()  # Or the other would wait on.
            raise
        return stdout, stderr.result()


def _read_to_end(channel: paramiko.Channel, receive: Callable[[int], bytes], deadline: float) -> bytes:
    pieces = []
    while True:
        channel.settimeout(max(deadline - time.monotonic(), 0.001))
        if not (piece := receive(_PIECE)):
            return b"".join(pieces)
        pieces.append(piece)
        if time.monotonic() > deadline:
            raise TimeoutError


def _write(file: paramiko.SFTPFile, content: BinaryIO) -> None:
    """Write without waiting for each answer, but for all before the end: closing would hide errors."""
    piece = content.read(_PIECE)
    while piece:
        following = content.read(_PIECE)
        file.set_pipelined(bool(following))
        file.write(piece)
        piece = following


def _host_file(name: str, found: paramiko.SFTPAttributes) -> HostFile | None:
    mode = found.st_mode or 0
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return None
    return HostFile(name, found.st_size or 0, float(found.st_mtime or 0), stat.S_ISDIR(mode))
