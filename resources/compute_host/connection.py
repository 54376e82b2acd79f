"""What a variant of the compute host gives: commands, and files one at a time. All else is built on these."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

from resources.compute_host.errors import refusal
from resources.compute_host.values import CommandResult, HostFile


class Connection(ABC):
    """One connection to a host. Every verb raises `HostError`; after a `HostUnreachable` it is of no use.

    Paths and commands are checked already. A symbolic link is never followed: it is looked at as nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def run(self, line: Sequence[str], timeout_s: float) -> CommandResult:
        """Run a command to its end; one that takes longer is ended."""

    @abstractmethod
    def look(self, path: PurePosixPath) -> HostFile | None:
        """The file or folder at a path."""

    @abstractmethod
    def list_files(self, folder: PurePosixPath) -> list[HostFile]:
        """What is in a folder, in no order; nothing in one that is absent."""

    @abstractmethod
    def read(self, path: PurePosixPath, offset: int, size: int) -> Iterator[bytes]:
        """So many bytes of a file from an offset, in pieces; fewer if it ends before."""

    @abstractmethod
    def write_new(self, path: PurePosixPath, content: BinaryIO) -> None:
        """Make a file in a folder that exists, in place of what had that name."""

    @abstractmethod
    def replace(self, path: PurePosixPath, target: PurePosixPath) -> None:
        """Rename a file over another, in one step."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; jobs go on."""

    def ask(self, attempt: str, line: Sequence[str], timeout_s: float) -> bytes:
        """Run a command that has to succeed, with messages in English; return its stdout."""
        result = self.run(("env", "LC_ALL=C", *line), timeout_s)
        if result.exit_code != 0:
            raise refusal(self.name, attempt, result.stderr.decode(errors="replace"))
        return result.stdout

    def make_folders(self, folder: PurePosixPath, timeout_s: float) -> None:
        """Make a folder and those above it, for this user only."""
        line = ("sh", "-c", 'umask 077; exec mkdir -p -- "$1"', "sh", str(folder))
        self.ask(f"make the folder {str(folder)!r}", line, timeout_s)
