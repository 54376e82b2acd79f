"""A compute host that answers `nvidia-smi` as a test says, and a worker whose clock only waiting moves."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from assets.beams.nvidia_smi import GPU_QUERY
from assets.beams.registry.beams import BeamWork
from assets.beams.settings import BeamSettings, settings_of
from assets.beams.stages.worker import Stop, Worker
from resources.compute_host import ComputeHost, HostError, HostSession
from resources.compute_host.values import CommandResult
from tests.assets.beams.registry.registry_worlds import START, opened

SMI = "/opt/nvidia-smi"
HANGS = HostError("ssh_timeout", "The command did not end in time.")
UNREACHABLE = HostError("ssh_connect", "The host does not answer.")

Reply = CommandResult | HostError


def said(*lines: str, exit_code: int | None = 0, signal: int | None = None) -> CommandResult:
    return CommandResult(exit_code, signal, "".join(f"{line}\n" for line in lines).encode(), b"")


def _given(reply: Reply) -> CommandResult:
    if isinstance(reply, HostError):
        raise reply
    return reply


class AnsweringSession:
    """Answers one inventory after the other; the last one for all that follow."""

    def __init__(self, *inventories: tuple[Reply, Reply]) -> None:
        self._inventories = list(inventories)
        self.asked: list[tuple[list[str], float | None]] = []

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> CommandResult:
        self.asked.append((list(argv), timeout_s))
        of_gpus, of_processes = self._inventories[0]
        if argv[1] == GPU_QUERY[0]:
            return _given(of_gpus)
        if len(self._inventories) > 1:
            del self._inventories[0]
        return _given(of_processes)

    def __enter__(self) -> "AnsweringSession":
        return self

    def __exit__(self, *_: object) -> None:
        return None


class AnsweringHost:
    """A host of one session, or of none."""

    name = "gpu-host"
    is_remote = True

    def __init__(self, session: AnsweringSession | HostError) -> None:
        self._session = session

    def connect(self) -> AnsweringSession:
        if isinstance(self._session, HostError):
            raise self._session
        return self._session


def session_of(*inventories: tuple[Reply, Reply]) -> HostSession:
    return cast(HostSession, AnsweringSession(*inventories))


def host_of(session: AnsweringSession | HostError) -> ComputeHost:
    return cast(ComputeHost, AnsweringHost(session))


class Clock:
    """Stands still but for sleeping; what is due at a moment is done when the clock passes it."""

    def __init__(self) -> None:
        self.now = START
        self.due: dict[float, Callable[[], object]] = {}

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        for moment in [moment for moment in self.due if self.elapsed >= moment]:
            self.due.pop(moment)()

    @property
    def elapsed(self) -> float:
        return (self.now - START).total_seconds()


def settings(folder: Path, **values: str) -> BeamSettings:
    given = {f"BEAMS_{name.upper()}": value for name, value in values.items()}
    return settings_of({"BEAMS_NVIDIA_SMI": SMI, **given}, folder)


def worker_of(
    folder: Path,
    clock: Clock,
    *,
    run: str = "r1",
    beam: str = "QA0001_beam_1",
    active: Iterable[str] = (),
    stops: Callable[[], Stop | None] = lambda: None,
    log: Callable[[str], None] = lambda _line: None,
    connect: Callable[[], sqlite3.Connection] | None = None,
) -> Worker:
    alive = {run, *active}
    return Worker(
        work=BeamWork(beam, 0, run),
        connect=connect or (lambda: opened(folder / "ledger")),
        clock=clock,
        active_runs=lambda runs: alive & set(runs),
        log=log,
        sleep=clock.sleep,
        stop_requested=stops,
    )
