"""A beam at work: from its first step to a completed dose. Transactions of their own.

Every write shows whose it is: run, attempt and leases. What a run writes after its attempt was given away, or
one of its GPUs, is refused and changes nothing. Beam, case and step change together.

Not here: failing (`failing`), beginning anew (`reopening`), cancelling, the checks of deliveries.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assets.beams.failures import PendingBeamFailure
from assets.beams.progress import Milestone, reached, rises
from assets.beams.registry import leases as gpu_leases
from assets.beams.registry import moves, recorded_failures, settling, steps
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.instants import stamp
from assets.beams.registry.leases import Lease
from assets.beams.registry.rows import Beam, beam_of, case_of
from assets.beams.registry.steps import StepOf
from assets.beams.states import BeamState, CaseState
from assets.transactions import transaction

_MILESTONES: Final[Mapping[BeamState, Milestone]] = {
    BeamState.PREPARED: Milestone.PREPARED,
    BeamState.QUEUED: Milestone.QUEUED,
    BeamState.RUNNING: Milestone.UPLOADED,
    BeamState.VALIDATING: Milestone.COLLECTED,
    BeamState.COMPLETED: Milestone.COMPLETED,
}
"""What a beam has done that is in such a status."""


@dataclass(frozen=True, slots=True)
class BeamWork:
    """A beam, as one run works on it in one attempt, with the GPUs that the run holds for it."""

    beam_id: str
    attempt: int
    run_id: str
    leases: tuple[Lease, ...] = ()


def take(connection: sqlite3.Connection, beam_id: str, run_id: str, now: datetime) -> BeamWork:
    """A run takes a beam, in the beam's current attempt; what it shows from then on when it writes.

    Raises:
        StaleWorker: another run has taken this attempt.
    """
    with transaction(connection):
        beam = beam_of(connection, beam_id)
        if beam.run_id not in (None, run_id):
            raise StaleWorker(
                f"Attempt {beam.attempt} of beam {beam_id} belongs to run {beam.run_id}; ask for another one"
                " (`rerun`)."
            )
        connection.execute(
            "UPDATE beams SET run_id = ?, updated_at = ? WHERE beam_id = ?", (run_id, stamp(now), beam_id)
        )
        if beam.failure_category == "pending":  # What it waited for is looked for again.
            recorded_failures.clear(connection, "beams", beam_id)
        return BeamWork(beam_id, beam.attempt, run_id)


def begin_step(connection: sqlite3.Connection, work: BeamWork, step: str, now: datetime) -> None:
    """The run begins a step of the beam. Raises `StaleWorker` or `lease_lost`."""
    with transaction(connection):
        beam = require_current(connection, work)
        steps.begin(connection, step_of(beam), step, work.run_id, now)


def end_step(
    connection: sqlite3.Connection,
    work: BeamWork,
    step: str,
    now: datetime,
    *,
    to: BeamState | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Beam:
    """End a step, and bring the beam to the status that this means. Raises as `move` does."""
    with transaction(connection):
        beam = require_current(connection, work)
        steps.close(connection, step_of(beam), step, "completed", now, metadata)
        return beam if to is None else _move(connection, beam, to, now)


def move(
    connection: sqlite3.Connection, work: BeamWork, to: BeamState, now: datetime, *, engine: str | None = None
) -> Beam:
    """Bring a beam to its next status, its progress to what that means; returns it as it is then.

    The first beam that is queued makes its case `simulating`.

    Raises:
        IllegalTransition: it cannot go there.
        StaleWorker: the attempt is no longer this run's.
        BeamFailure: `lease_lost`; the run has to stop its engine.
    """
    with transaction(connection):
        beam = require_current(connection, work)
        if engine is not None:
            connection.execute("UPDATE beams SET engine = ? WHERE beam_id = ?", (engine, beam.beam_id))
        return _move(connection, beam, to, now)


def advance(connection: sqlite3.Connection, work: BeamWork, progress: float, now: datetime) -> bool:
    """Store the progress of a beam, if it rises by at least 1.0; whether it did. Raises as `move` does."""
    with transaction(connection):
        beam = require_current(connection, work)
        if not rises(beam.progress, progress):
            return False
        _store_progress(connection, beam, progress, now)
        return True


def wait_for_gpu(
    connection: sqlite3.Connection, work: BeamWork, reason: PendingBeamFailure, now: datetime
) -> None:
    """Give up waiting for a GPU: the beam stays `queued` and free for another run, and nothing has failed.

    It is another attempt then, so that the sensor may ask again; no retry is used up.
    """
    with transaction(connection):
        beam = require_current(connection, work)
        metadata = {"code": reason.code, "message": reason.message}
        steps.close(connection, step_of(beam), None, "failed", now, metadata)
        connection.execute(
            "UPDATE beams SET run_id = NULL, attempt = attempt + 1, updated_at = ? WHERE beam_id = ?",
            (stamp(now), beam.beam_id),
        )
        recorded_failures.write(connection, "beams", beam.beam_id, reason, now)


def require_current(connection: sqlite3.Connection, work: BeamWork) -> Beam:
    """Within the caller's transaction: the beam, if attempt and GPUs are still those of this run."""
    beam = beam_of(connection, work.beam_id)
    if (beam.attempt, beam.run_id) != (work.attempt, work.run_id):
        raise StaleWorker(
            f"Attempt {work.attempt} of beam {work.beam_id} is no longer that of run {work.run_id};"
            " what it found is not kept."
        )
    gpu_leases.require_held(connection, work.leases)
    return beam


def step_of(beam: Beam) -> StepOf:
    """What a step of the beam's current attempt belongs to."""
    return StepOf(beam.case_key, beam.beam_id, beam.attempt)


def _move(connection: sqlite3.Connection, beam: Beam, to: BeamState, now: datetime) -> Beam:
    moves.move_beam(connection, beam, to, now)
    if to in _MILESTONES:
        _store_progress(connection, beam, reached(beam.progress, _MILESTONES[to]), now)
    case = case_of(connection, beam.case_key)
    if to is BeamState.QUEUED and case.state is CaseState.INTERPRETING:
        moves.move_case(connection, case, CaseState.SIMULATING, now)
    settling.settle(connection, beam.case_key, now)
    return beam_of(connection, beam.beam_id)


def _store_progress(connection: sqlite3.Connection, beam: Beam, progress: float, now: datetime) -> None:
    connection.execute(
        "UPDATE beams SET progress = ?, updated_at = ? WHERE beam_id = ?",
        (progress, stamp(now), beam.beam_id),
    )
    settling.settle(connection, beam.case_key, now)
