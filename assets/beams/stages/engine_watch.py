"""Waiting for the end of an engine: its progress is stored, its time is limited, it is stopped when asked to.

Not here: what its end means (`assets.beams.evidence`), starting it (`engine_jobs`).
"""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from assets.beams.engine_log import EngineLog
from assets.beams.evidence import RunEnd
from assets.beams.registry import beams
from assets.beams.stages.attempt import Attempt
from assets.beams.stages.engine_jobs import Job
from assets.beams.stages.gpu_lease import Heartbeat
from assets.beams.stages.worker import Stopped
from resources.compute_host import JobStatus
from resources.dose_engine import LOG

_MOST_PIECES: Final = 64
"""Of 1 MiB each, read at one look: an engine that writes faster than we read must not keep us."""


@dataclass(frozen=True, slots=True)
class EndedJob:
    """How an engine ended, and all that it said."""

    end: RunEnd
    log: EngineLog


def watched(attempt: Attempt, job: Job, heartbeat: Heartbeat) -> EndedJob:
    """Wait until the engine has ended, by itself or because its time is over; then its whole group is gone.

    Raises:
        BeamFailure: `lease_lost`.
        StaleWorker: the attempt is no longer this run's.
        Stopped: the worker was asked to end; the engine runs on, the caller stops it or leaves it.
        HostError: the host is out of reach; nothing is known of the engine.
    """
    until = datetime.fromtimestamp(job.record.launched_at, UTC) + attempt.settings.engine_timeout
    every = timedelta(seconds=attempt.settings.poll_seconds(is_remote=attempt.host.is_remote))
    log = EngineLog(attempt.engine.name)
    while True:
        status = attempt.engine.observe(attempt.session, job.folder)
        _read(attempt, job, log, _MOST_PIECES)
        has_ended = status.state != "running"
        if has_ended or attempt.now() >= until:
            stopped = attempt.session.stop(job.folder)
            while _read(attempt, job, log, _MOST_PIECES):
                pass
            log.close()
            return EndedJob(_end(job, status if has_ended else stopped, timed_out=not has_ended), log)
        _store_progress(attempt, log)
        attempt.worker.wait(min(every, until - attempt.now()), lambda: _notice(attempt, heartbeat))


def _end(job: Job, status: JobStatus, *, timed_out: bool) -> RunEnd:
    return RunEnd(
        exit_code=status.exit_code,
        signal=status.signal,
        timed_out=timed_out,
        started_at=job.record.launched_at if status.started_at is None else status.started_at,
    )


def _read(attempt: Attempt, job: Job, log: EngineLog, pieces: int) -> bool:
    """Read on in the log; whether there may be more."""
    for _ in range(pieces):
        piece = attempt.session.read(job.folder / LOG, log.size)
        if not piece:
            return False
        log.feed(piece)
    return True


def _store_progress(attempt: Attempt, log: EngineLog) -> None:
    """Store what the engine said; even if it said nothing, whose beam it is comes to light here."""
    try:
        beams.advance(attempt.connection, attempt.work, log.progress or 0.0, attempt.now())
    except (
        sqlite3.OperationalError
    ) as error:  # A registry that is busy for half a minute costs no simulation.
        attempt.worker.log(f"The progress of beam {attempt.work.beam_id} was not stored: {error}")


def _notice(attempt: Attempt, heartbeat: Heartbeat) -> None:
    heartbeat.require_held()
    stop = attempt.worker.stop_requested()
    beam_id = attempt.work.beam_id
    if stop == "cancel":
        raise Stopped("cancelled", f"Beam {beam_id} was cancelled; its engine is stopped.")
    if stop == "detach" and attempt.host.is_remote:
        raise Stopped("detached", f"The engine of beam {beam_id} goes on at {attempt.host.name}.")
    if stop == "detach":
        raise Stopped("drained", f"The engine of beam {beam_id} is stopped, for the worker ends.")
