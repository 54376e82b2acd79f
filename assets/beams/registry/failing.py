"""The failure of a case or a beam, with its step, in one transaction. The root cause is written once.

Not here: which case fails by its beams (`settling`), and whether another attempt follows (`reopening`).
"""

import sqlite3
from datetime import datetime

from assets.beams.failures import BeamFailure
from assets.beams.registry import beams, cases, moves, recorded_failures, settling, steps
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.cases import CaseWork
from assets.beams.registry.rows import Beam, beam_of, case_of
from assets.beams.states import BeamState
from assets.transactions import transaction


def fail_case(connection: sqlite3.Connection, work: CaseWork, failure: BeamFailure, now: datetime) -> None:
    """Fail a case by the step that a run is at; a case that has failed keeps its root cause.

    Raises:
        StaleWorker: the attempt is no longer this run's.
        IllegalTransition: a beam of the case is still active.
    """
    with transaction(connection):
        cases.require_current(connection, work)
        settling.fail(connection, work.case_key, failure, now)
        steps.close(connection, work.of, work.step, "failed", now, _told(failure))


def fail_unstarted_case(
    connection: sqlite3.Connection, case_key: str, failure: BeamFailure, now: datetime
) -> None:
    """Fail a case that no run has begun, such as one whose plan never came."""
    with transaction(connection):
        settling.fail(connection, case_of(connection, case_key).case_key, failure, now)


def fail_beam(connection: sqlite3.Connection, work: BeamWork, failure: BeamFailure, now: datetime) -> Beam:
    """Fail a beam with the steps that are open, and its case where no beam is active any more.

    A worker whose GPU was given away cannot fail its beam: whoever freed the GPU says what becomes of it.

    Raises:
        StaleWorker: the attempt is no longer this run's.
        BeamFailure: `lease_lost`.
    """
    with transaction(connection):
        beam = beams.require_current(connection, work)
        if beam.state is not BeamState.FAILED:
            moves.move_beam(connection, beam, BeamState.FAILED, now)
        recorded_failures.write(connection, "beams", beam.beam_id, failure, now)
        steps.close(connection, beams.step_of(beam), None, "failed", now, _told(failure))
        settling.settle(connection, beam.case_key, now)
        return beam_of(connection, beam.beam_id)


def fail_step(
    connection: sqlite3.Connection, work: BeamWork, step: str, failure: BeamFailure, now: datetime
) -> None:
    """Fail one step, and leave the beam as it is. Raises as `fail_beam` does."""
    with transaction(connection):
        beam = beams.require_current(connection, work)
        steps.close(connection, beams.step_of(beam), step, "failed", now, _told(failure))


def _told(failure: BeamFailure) -> dict[str, str]:
    return {"code": failure.code, "category": failure.category, "message": failure.message}
