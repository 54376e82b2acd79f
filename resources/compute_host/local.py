"""This machine as a compute host: the `local` deployment, and what tests of beams run on."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final

from pydantic import Field

from resources.compute_host.base import ComputeHost
from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostUnreachable, refusal
from resources.compute_host.values import CommandResult, HostFile

_PIECE: Final = 1 << 20


class LocalHost(ComputeHost):
    """Commands are processes of this machine, with our environment; a job does not end with us."""

    folder: str = Field(description="The work folder, absolute; made when it is needed.")

    @property
    def name(self) -> str:
        """Always `local`."""
        return "local"

    @property
    def is_remote(self) -> bool:
        """Never."""
        return False

    def _workdir(self) -> str:
        return self.folder

    def _open(self) -> Connection:
        return LocalConnection("This machine")


class LocalConnection(Connection):
    """Processes and files of this machine."""

    def run(self, line: Sequence[str], timeout_s: float) -> CommandResult:
        """Run a command in a process group of its own, which is killed when the time is over."""
        with subprocess.Popen(
            list(line),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as child:
            try:
                stdout, stderr = child.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                raise HostUnreachable(
                    "ssh_timeout",
                    f"A command on this machine did not end within {timeout_s:g} s; it was killed.",
                ) from None
            finally:
                if child.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
            code = child.wait()
        if code < 0:
            return CommandResult(None, -code, stdout, stderr)
        return CommandResult(code, None, stdout, stderr)

    def look(self, path: PurePosixPath) -> HostFile | None:
        """The file or folder at a path; a link is nothing."""
        with _judged(self.name, f"look at {str(path)!r}"):
            try:
                found = Path(path).lstat()
            except (FileNotFoundError, NotADirectoryError):
                return None
            return _host_file(path.name, found)

    def list_files(self, folder: PurePosixPath) -> list[HostFile]:
        """What is in a folder, without links."""
        if (found := self.look(folder)) is None or not found.is_folder:
            return []
        with _judged(self.name, f"list {str(folder)!r}"), os.scandir(folder) as entries:
            files = [_host_file(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return [file for file in files if file]

    def read(self, path: PurePosixPath, offset: int, size: int) -> Iterator[bytes]:
        """Bytes of a file, in pieces of at most 1 MiB."""
        with _judged(self.name, f"read {str(path)!r}"), Path(path).open("rb") as file:
            file.seek(offset)
            while size > 0 and (piece := file.read(min(size, _PIECE))):
                size -= len(piece)
                yield piece

    def write_new(self, path: PurePosixPath, content: BinaryIO) -> None:
        """Write a file to the disk, in place of what had that name."""
        with _judged(self.name, f"write {str(path)!r}"):
            Path(path).unlink(missing_ok=True)
            with Path(path).open("xb") as file:
                shutil.copyfileobj(content, file, _PIECE)
                file.flush()
                os.fsync(file.fileno())

    def replace(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Rename a file over another."""
        with _judged(self.name, f"write {str(target)!r}"):
            Path(path).replace(target)

    def close(self) -> None:
        """There is nothing to end."""


def _host_file(name: str, found: os.stat_result) -> HostFile | None:
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
        return None
    return HostFile(name, found.st_size, found.st_mtime, stat.S_ISDIR(found.st_mode))


@contextmanager
def _judged(host: str, attempt: str) -> Iterator[None]:
    """Raise our error for one of the system."""
    try:
        yield
    except OSError as error:
        words = os.strerror(error.errno) if error.errno else str(error)
        raise refusal(host, attempt, words) from None
