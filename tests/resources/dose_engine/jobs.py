"""Engines on this machine: a job from its launch to its end, and what can then be said of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from assets.beams.engine_log import EngineLog
from assets.beams.evidence import EngineRun, OutputFile, RunEnd, require_run
from resources.compute_host import HostSession, JobStatus
from resources.dose_engine import LOG, DoseEngine, PreparedRun

LONGEST_S = 120


@dataclass
class Ended:
    """A job that has ended."""

    status: JobStatus
    run: EngineRun
    found: list[OutputFile]
    names: Callable[[], tuple[str, ...]]
    """Of its output; raises the failure of the run."""


def until_ended(session: HostSession, job: PurePosixPath) -> JobStatus:
    deadline = time.monotonic() + LONGEST_S
    while (status := session.observe(job)).state == "running":
        assert time.monotonic() < deadline, "the engine did not end"
        time.sleep(0.05)
    return status


def run_to_the_end(
    engine: DoseEngine, session: HostSession, prepared: PreparedRun, job: PurePosixPath
) -> Ended:
    engine.launch(session, prepared, job)
    return ended(engine, session, job, until_ended(session, job))


def ended(
    engine: DoseEngine,
    session: HostSession,
    job: PurePosixPath,
    status: JobStatus,
    *,
    timed_out: bool = False,
) -> Ended:
    log = EngineLog(engine.name)
    while piece := session.read(job / LOG, log.size):
        log.feed(piece)
    log.close()
    assert status.started_at is not None
    end = RunEnd(
        exit_code=status.exit_code, signal=status.signal, started_at=status.started_at, timed_out=timed_out
    )
    run = EngineRun("QA0001_beam_1", end, log)
    found = [OutputFile(file.name, file.modified) for file in engine.outputs(session, job)]
    return Ended(status, run, found, lambda: require_run(run, found, engine.output_names))


def folder_of(path: Path) -> PurePosixPath:
    return PurePosixPath(path.as_posix())
