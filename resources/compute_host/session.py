"""One session with a compute host: commands, files and jobs, the same for every host.

What may be done again (all but `run`) is done again when the connection breaks, on a new one, after waits
that grow; a job on the host does not notice. Not here: how a host is reached (`local`, `ssh_connection`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Self, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential_jitter,
)

from resources.compute_host import jobs
from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostError, HostUnreachable
from resources.compute_host.paths import command_line, inside
from resources.compute_host.transfer import fetch, send
from resources.compute_host.values import CommandResult, HostFile, JobStatus

T = TypeVar("T")

_MOST_SENDINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a host is waited for, in seconds."""

    command_s: float
    """The answer to one command."""
    reconnect_s: float
    """How long what a broken connection interrupted is tried again."""
    first_wait_s: float
    longest_wait_s: float


class HostSession:
    """A session, for one thread; `ComputeHost.connect` opens it.

    Every method raises `HostError`; and, before anything is asked of the host, `ValueError` for a path that
    is not below the work folder or has a part that is `..`, begins with `-` or holds a control character, and
    for a command without a name or with a NUL.
    """

    def __init__(
        self, open_connection: Callable[[], Connection], workdir: PurePosixPath, patience: Patience
    ) -> None:
        self._open = open_connection
        self._workdir = workdir
        self._patience = patience
        self._connection: Connection | None = open_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; jobs go on."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = None, environ: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Run a command to its end and return all that it wrote; `environ` is added to the host's own.

        A connection that breaks meanwhile is an error: the command may have done its work. `ssh_timeout`,
        also on this machine: it took longer than `timeout_s` (by default the host's 60 s), and was ended.
        """
        line = command_line(argv, environ)
        limit = self._patience.command_s if timeout_s is None else timeout_s
        return self._once(lambda connection: connection.run(line, limit))

    def make_folders(self, folder: PurePosixPath) -> None:
        """Make a folder and those above it; one that is there is fine."""
        self._inside(folder)
        self._again(lambda connection: connection.make_folders(folder, self._patience.command_s))

    def remove_tree(self, folder: PurePosixPath) -> None:
        """Remove a folder with all in it, but not what links in it point to; an absent one is fine."""
        line = ("rm", "-rf", "--", str(self._inside(folder)))
        self._ask(f"remove {str(folder)!r}", line)

    def put(self, source: Path, target: PurePosixPath) -> None:
        """Copy a file of this machine to the host, proved by SHA-256; its folders are made.

        Raises:
            FileNotFoundError: the source is no regular file (a link is none).
        """
        self._inside(target)
        self._again(lambda connection: send(connection, source, target, self._patience.command_s))

    def get(self, source: PurePosixPath, target: Path) -> None:
        """Copy a file of the host to this machine, proved by SHA-256; its folders are made.

        Raises:
            FileNotFoundError: the source is no regular file (a link is none).
        """
        self._inside(source)
        self._again(lambda connection: fetch(connection, source, target, self._patience.command_s))

    def read(self, path: PurePosixPath, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read up to `limit` bytes of a file; none at its end, and none if there is no such file."""
        self._inside(path)

        def part(connection: Connection) -> bytes:
            found = connection.look(path)
            if found is None or found.is_folder or found.size <= offset:
                return b""
            return b"".join(connection.read(path, offset, min(limit, found.size - offset)))

        return self._again(part)

    def list_files(self, folder: PurePosixPath) -> list[HostFile]:
        """List the files and folders in a folder by name, without links; nothing if it is absent."""
        self._inside(folder)
        found = self._again(lambda connection: connection.list_files(folder))
        return sorted(found, key=lambda file: file.name)

    def launch(
        self, folder: PurePosixPath, argv: Sequence[str], *, environ: Mapping[str, str] | None = None
    ) -> JobStatus:
        """Start a job in a folder, which is made, or find the one that it has; never a second one.

        The job runs in the C locale and outlives the session, the connection and this process. A folder
        whose job runs or has ended keeps it. After a job that vanished a new one is started: what is left of
        the old one is killed, and its files get a number behind their names.

        Raises:
            ValueError: the folder's job was started with another command or environment.
        """
        line = command_line(argv, {"LC_ALL": "C", **(environ or {})})
        self._inside(folder)
        status, digest = self._job(f"start a job in {str(folder)!r}", jobs.launch_command(folder, line))
        if digest != jobs.command_digest(line):
            raise ValueError(
                f"The folder {str(folder)!r} has the job {status.pid} of another command; start this one in "
                "a folder of its own."
            )
        return status

    def observe(self, folder: PurePosixPath) -> JobStatus:
        """How the job of a folder is."""
        self._inside(folder)
        return self._job(f"look at the job in {str(folder)!r}", jobs.observe_command(folder))[0]

    def stop(self, folder: PurePosixPath, *, grace_s: float = 10.0) -> JobStatus:
        """End the job of a folder and all of its process group: TERM, after the grace KILL.

        Returns when the whole group is gone, also what a job that ended has left behind; if it is not gone
        10 s after KILL, the code is `ssh_connect`.
        """
        self._inside(folder)
        command = jobs.stop_command(folder, grace_s)
        return self._job(f"stop the job in {str(folder)!r}", command, grace_s + jobs.KILL_SECONDS)[0]

    def _inside(self, path: PurePosixPath) -> PurePosixPath:
        return inside(self._workdir, path)

    def _job(self, attempt: str, command: Sequence[str], extra_s: float = 0) -> tuple[JobStatus, str | None]:
        return jobs.read_status(self._ask(attempt, command, extra_s))

    def _ask(self, attempt: str, line: Sequence[str], extra_s: float = 0) -> bytes:
        limit = self._patience.command_s + extra_s
        return self._again(lambda connection: connection.ask(attempt, line, limit))

    def _again(self, operation: Callable[[Connection], T]) -> T:
        """Do what may be done twice, and do it again while the connection breaks.

        What broke it first is what is raised when it stays broken.
        """
        patience, first = self._patience, self._patience.first_wait_s
        overdue = stop_after_delay(patience.reconnect_s)
        retrying = Retrying(
            retry=retry_if_exception(_may_be_repeated),
            stop=lambda state: overdue(state) or _sent_often_enough(state),
            wait=wait_exponential_jitter(multiplier=first, max=patience.longest_wait_s, jitter=first),
            reraise=True,
        )
        broken: list[HostUnreachable] = []

        def attempt() -> T:
            try:
                return self._once(operation)
            except HostUnreachable as error:
                broken.append(error)
                raise

        try:
            return retrying(attempt)
        except HostUnreachable as last:
            first_error = broken[0]
            if last is first_error:
                raise
            message = f"{first_error.message} It was tried {len(broken)} times; then: {last.message}"
            raise HostUnreachable(first_error.code, message) from None

    def _once(self, operation: Callable[[Connection], T]) -> T:
        self._connection = self._connection or self._open()
        try:
            return operation(self._connection)
        except (HostError, FileNotFoundError) as error:
            if isinstance(error, HostUnreachable):
                self.close()
            raise
        except BaseException:  # An interrupt may have left half a message on the connection.
            self.close()
            raise


def _may_be_repeated(error: BaseException) -> bool:
    return isinstance(error, HostUnreachable) or _is_mismatch(error)


def _is_mismatch(error: BaseException | None) -> bool:
    return isinstance(error, HostError) and error.code == "checksum_mismatch"


def _sent_often_enough(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return _is_mismatch(error) and state.attempt_number >= _MOST_SENDINGS
