"""What the beams of a case make of it: its progress, and its end where no beam is active any more.

Joins the caller's transaction. `fail` is the one way in which a case fails, whoever found out.
"""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from assets.beams.aggregation import BeamOutcome, CaseOutcome, Outcome, aggregated
from assets.beams.failures import CODES, BeamFailure, beam_failure
from assets.beams.registry import moves, recorded_failures
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Beam, beams_of, case_of
from assets.beams.states import BeamState, CaseState, IllegalTransition

_BEAMS_AT_WORK: Final = (CaseState.INTERPRETING, CaseState.SIMULATING)


def fail(connection: sqlite3.Connection, case_key: str, failure: BeamFailure, now: datetime) -> None:
    """Fail a case, or append to the root cause of one that has failed.

    Raises:
        IllegalTransition: a beam that its manifest made is still active, or it has ended otherwise.
    """
    case = case_of(connection, case_key)
    if case.state is not CaseState.FAILED:
        active = [beam.beam_id for beam in beams_of(connection, case_key) if beam.is_active]
        if case.state in _BEAMS_AT_WORK and active:
            raise IllegalTransition(
                f"Case '{case_key}' cannot fail while {', '.join(active)} is active; fail that beam instead."
            )
        moves.move_case(connection, case, CaseState.FAILED, now)
    recorded_failures.write(connection, "cases", case_key, failure, now)
    connection.execute("UPDATE cases SET updated_at = ? WHERE case_key = ?", (stamp(now), case_key))


def settle(connection: sqlite3.Connection, case_key: str, now: datetime) -> None:
    """Carry what became of the beams over to their case."""
    case, beams = case_of(connection, case_key), beams_of(connection, case_key)
    outcome = outcome_of(beams)
    if outcome is None:
        return
    connection.execute(
        "UPDATE cases SET progress = max(progress, ?), updated_at = ? WHERE case_key = ?",
        (outcome.progress, stamp(now), case_key),
    )
    if any(beam.is_active for beam in beams):
        return
    if case.state is CaseState.CANCELLING:
        moves.move_case(connection, case, CaseState.CANCELLED, now)
    elif case.state in _BEAMS_AT_WORK and outcome.outcome is Outcome.FAILED:
        fail(connection, case_key, failure_of_beams(beams, outcome), now)
    elif case.state in _BEAMS_AT_WORK and outcome.outcome is Outcome.CANCELLED:
        for state in (CaseState.CANCELLING, CaseState.CANCELLED):
            case = moves.move_case(connection, case, state, now)


def outcome_of(beams: Sequence[Beam], *, case_warned: bool = False) -> CaseOutcome | None:
    """What rows of beams come to; None without any."""
    outcomes = [
        BeamOutcome(
            beam.treatment_index, beam.state, beam.progress, beam.failure_message, beam.failure_category
        )
        for beam in beams
    ]
    return aggregated(outcomes, case_warned=case_warned)


def failure_of_beams(beams: Sequence[Beam], outcome: CaseOutcome) -> BeamFailure:
    """The failure of a case whose beams failed: their message, and the first code of its category."""
    codes = [beam.failure_code for beam in beams if beam.state is BeamState.FAILED and beam.failure_code]
    deciding = next((code for code in codes if outcome.category in CODES[code].categories), codes[0])
    return beam_failure(deciding, outcome.message or "", category=outcome.category)
