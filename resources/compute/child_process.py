"""The backend `subprocess`: the job in a process of its own on this machine, a rehearsal of the platforms.

dagster's PipesSubprocessClient is not used: its child shares our standard output and our process group, so
its one line of metrics would mix with ours, and an interrupt would leave what the child itself has started.
"""

import fcntl
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import IO, Final, Self

import dagster as dg

from resources.compute.base import ComputeBackend, Submission, completed
from resources.compute.errors import JobFailed, PlatformUnavailable
from resources.compute.settings import Settings
from resources.home import quintet_home

REPOSITORY: Final = Path(__file__).resolve().parents[2]

_LAST_LINES: Final = 20
_GRACE_SECONDS: Final = 20.0
# Not reaped yet: meanwhile its number, which is also that of its group, cannot be given to another.
_END: Final = os.WEXITED | os.WNOWAIT
_SECRET_NAME: Final = re.compile("password|secret|token|credential|key_id|jdbc_url|webhook", re.IGNORECASE)


class SubprocessBackend(ComputeBackend):
    """Runs the entry with this interpreter from the root of the repository, and passes its log on to ours."""

    name = "subprocess"

    def __init__(self, *, root: Path = REPOSITORY, environ: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self._environ = environ

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Make it; the child gets the environment of the settings."""
        return cls(environ=settings.environ)

    def run(
        self, context: dg.AssetExecutionContext, submission: Submission
    ) -> dg.PipesClientCompletedInvocation:
        """Run the entry to its end; an interrupt ends it and every process that it started."""
        with dg.open_pipes_session(
            context=context,
            context_injector=dg.PipesTempFileContextInjector(),
            message_reader=dg.PipesTempFileMessageReader(),
        ) as session:
            environ = {
                **self._environ,
                **session.get_bootstrap_env_vars(),
                "QUINTET_COMPUTE": "in_process",  # Or the child would start a child.
            }
            command = [sys.executable, submission.entry, *submission.arguments]
            with (
                _only_one(submission.token, environ) as lock,
                _process_group(command, self._root, environ, lock) as child,
            ):
                context.log.info("Started %s as process %d.", submission.entry, child.pid)
                log = _Log(child, secrets_of(environ))
                os.waitid(os.P_PID, child.pid, _END)
        if child.returncode:
            raise JobFailed(f"{submission.entry} {_ending(child.returncode)}. Its log ends:\n{log.end()}")
        return completed(session, {"compute": self.name})


@contextmanager
def _only_one(token: str, environ: Mapping[str, str]) -> Iterator[int]:
    """Hold a lock that a child shares which inherits the file: one whose parent was killed holds it alone.

    Raises:
        PlatformUnavailable: such a child still runs. Its messages went to the parent, so it is not adopted.
    """
    path = quintet_home(environ) / "work" / "compute" / f"{token}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformUnavailable(
                f"A process that an earlier attempt of this step has left still runs and holds {path}; "
                "wait for its end, or end it."
            ) from None
        try:
            yield file.fileno()
        finally:
            path.unlink()


@contextmanager
def _process_group(
    command: list[str], root: Path, environ: Mapping[str, str], inherited: int
) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a process group of its own, and leave none of the group behind, whatever happens.

    If the block is left by an exception, the group is interrupted and has 20 s to end in order.
    """
    child = subprocess.Popen(
        command,
        cwd=root,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # The metrics, which also come as a message.
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
        pass_fds=[inherited],
    )
    try:
        yield child
    except BaseException:
        os.killpg(child.pid, signal.SIGINT)
        _await_end(child, _GRACE_SECONDS)
        raise
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _await_end(child: subprocess.Popen[str], seconds: float) -> None:
    """Wait for the end of a child, which is not reaped, but no longer than this."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and not os.waitid(os.P_PID, child.pid, _END | os.WNOHANG):
        time.sleep(0.1)


class _Log:
    """Passes the standard error of a child on to ours, without secrets, and keeps its end."""

    def __init__(self, child: subprocess.Popen[str], secrets: re.Pattern[str]) -> None:
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._secrets = secrets
        self._thread = Thread(target=self._pass_on, args=(child.stderr,), daemon=True)
        self._thread.start()

    def end(self) -> str:
        """The last 20 lines, once the child has ended."""
        self._thread.join(_GRACE_SECONDS)
        return "".join(self._lines).rstrip() or "(nothing)"

    def _pass_on(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                shown = self._secrets.sub("***", line)
                self._lines.append(shown)
                sys.stderr.write(shown)


def secrets_of(environ: Mapping[str, str]) -> re.Pattern[str]:
    """Match the value of every variable whose name says that it is secret, and any user before a host."""
    values = {
        re.escape(value) for name, value in environ.items() if len(value) >= 4 and _SECRET_NAME.search(name)
    }
    return re.compile("|".join((r"(?<=://)[^/@\s]+(?=@)", *sorted(values, key=len, reverse=True))))


def _ending(status: int) -> str:
    return f"exited with {status}" if status > 0 else f"was killed by {signal.Signals(-status).name}"
