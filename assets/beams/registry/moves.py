"""Writing the status of a case or a beam, after `states` has let the change pass.

Joins the caller's transaction: a change that is not legal raises `IllegalTransition` and so undoes it.
"""

import sqlite3
from datetime import datetime

from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Beam, Case, beams_of
from assets.beams.states import BEAM_STATES, BeamState, CaseState, require_legal_case


def move_case(connection: sqlite3.Connection, case: Case, after: CaseState, now: datetime) -> Case:
    """Bring a case to a status; returns the case as it is then."""
    beams = [beam.state for beam in beams_of(connection, case.case_key)]
    require_legal_case(case.state, after, case.case_key, beams)
    connection.execute(
        "UPDATE cases SET status = ?, updated_at = ? WHERE case_key = ?", (after, stamp(now), case.case_key)
    )
    return case._replace(status=after, updated_at=stamp(now))


def move_beam(connection: sqlite3.Connection, beam: Beam, after: BeamState, now: datetime) -> Beam:
    """Bring a beam to a status; returns the beam as it is then."""
    BEAM_STATES.require_legal(beam.state, after, beam.beam_id)
    connection.execute(
        "UPDATE beams SET status = ?, updated_at = ? WHERE beam_id = ?", (after, stamp(now), beam.beam_id)
    )
    return beam._replace(status=after, updated_at=stamp(now))
