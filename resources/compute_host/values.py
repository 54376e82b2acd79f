"""What a compute host answers."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended, by an exit code or by a signal, and all that it wrote.

    A command that does not exist has exit code 127, as in a shell. A signal that the host does not name is 0.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How the job of a folder is.

    `absent`: none was started there. `ended`: by an exit code or by a signal. `vanished`: its process is gone
    and nobody saw how it ended (a reboot, or somebody killed what watched over it).
    """

    state: Literal["absent", "running", "ended", "vanished"]
    exit_code: int | None = None
    signal: int | None = None
    pid: int | None = None
    """Of the engine itself; also the number of its process group."""
    started_at: float | None = None
    """Whole Unix seconds by the host's clock, rounded down: no file of the job can be older."""


@dataclass(frozen=True, slots=True)
class HostFile:
    """A file or folder on a compute host; a symbolic link is neither and is never shown."""

    name: str
    size: int
    modified: float
    """Unix seconds by the host's clock, over SSH whole ones."""
    is_folder: bool
