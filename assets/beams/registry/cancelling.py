"""Cancelling a case: asked for once, done when no beam is active any more. Transactions of their own.

Not here: stopping the runs and engines (the worker), ending their leases (`leases`).
"""

import sqlite3
from datetime import datetime

from assets.beams.registry import beams, moves, settling, steps
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Beam, Case, beam_of, beams_of, case_of
from assets.beams.registry.steps import Request, StepOf
from assets.beams.states import BeamState, CaseState
from assets.transactions import transaction


def cancel_case(connection: sqlite3.Connection, case_key: str, by: Request, now: datetime) -> Case:
    """Ask for the end of a case. Beams that no run has taken are cancelled at once, the others by their runs.

    Raises:
        IllegalTransition: the case has not begun, or has ended.
    """
    with transaction(connection):
        case = case_of(connection, case_key)
        moves.move_case(connection, case, CaseState.CANCELLING, now)
        steps.note(connection, StepOf(case_key, None, case.attempt), "cancel", by, now, {})
        for beam in beams_of(connection, case_key):
            if beam.is_active and beam.run_id is None:
                moves.move_beam(connection, beam, BeamState.CANCELLED, now)
        settling.settle(connection, case_key, now)
        return case_of(connection, case_key)


def cancel_beam(connection: sqlite3.Connection, beam_id: str, now: datetime) -> Beam:
    """Say that a beam's engine was stopped for good; whoever stopped it says so, its own run or another.

    The run that had it can write no more for it.
    """
    with transaction(connection):
        beam = moves.move_beam(connection, beam_of(connection, beam_id), BeamState.CANCELLED, now)
        steps.close(connection, beams.step_of(beam), None, "failed", now, {"reason": "cancelled"})
        connection.execute(
            "UPDATE beams SET run_id = NULL, updated_at = ? WHERE beam_id = ?", (stamp(now), beam_id)
        )
        settling.settle(connection, beam.case_key, now)
        return beam_of(connection, beam_id)
