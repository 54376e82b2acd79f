"""Another attempt of a case or a beam: by retry, by a new fingerprint, by a person, or after a dead run.

A fresh attempt is refused while a run is at work, so that one beam is never simulated twice at a time. Each
is noted in `workflow_steps` with who asked and why. Transactions of their own.

Not here: when a retry is due (the sensor).
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from assets.beams.failures import CODES
from assets.beams.registry import moves, recorded_failures, settling, steps
from assets.beams.registry.beams import step_of
from assets.beams.registry.cases import MANIFEST
from assets.beams.registry.instants import stamp
from assets.beams.registry.leases import held_by_beam
from assets.beams.registry.rows import Beam, Case, beam_of, beams_of, case_of
from assets.beams.registry.steps import Request, StepOf
from assets.beams.states import BeamState, CaseState
from assets.failures import PermanentFailure
from assets.transactions import transaction

Occasion = Literal["retry", "new_fingerprint", "rerun", "forced_rerun", "by_hand", "resume"]
"""`retry`: a retryable failure, by the sensor. `rerun`: by a person, within the retry limit; `forced_rerun`
without it. `by_hand`: a materialisation that a person launched. `resume`: the run that had it is dead."""

_USES_A_RETRY: Final = ("retry", "rerun")
_UNDER_WAY: Final = (CaseState.INTERPRETING, CaseState.SIMULATING, CaseState.REPORTING)
_BEFORE_MANIFEST: Final = (CaseState.NEW, CaseState.WAITING, CaseState.READY)


class NoAttempt(PermanentFailure):
    """Another attempt is refused: a run is at work, or no retry is left."""


@dataclass(frozen=True, slots=True)
class Reopening:
    """What is asked for, by whom, and what is needed to judge it."""

    occasion: Occasion
    by: Request
    active_runs: frozenset[str]
    """The ids of all runs that are queued or at work; a run that is not among them is dead."""
    most_retries: int


def reopen_case(
    connection: sqlite3.Connection,
    case_key: str,
    asked: Reopening,
    now: datetime,
    *,
    fingerprint: str | None = None,
) -> Case:
    """Begin another attempt of a case at its manifest; returns the case, `ready`.

    A retry keeps completed beams; after anything else all begin anew. A new fingerprint starts the count of
    retries anew. A resume leaves the status as it is and only counts an attempt.

    Raises:
        NoAttempt: a run of the case is active, or no retry is left.
    """
    with transaction(connection):
        case, beams = case_of(connection, case_key), beams_of(connection, case_key)
        _refuse_active(connection, case_key, None, beams, asked.active_runs)
        _refuse_used_up(case.case_key, case, asked)
        if asked.occasion == "resume":
            _count(connection, case, asked, now)
            return case_of(connection, case_key)
        for beam in beams:
            if asked.occasion != "retry" or beam.state is not BeamState.COMPLETED:
                _reset(connection, beam, asked, now)
        _ready(connection, case, now)
        _count(connection, case, asked, now, fingerprint)
        return case_of(connection, case_key)


def reopen_beam(
    connection: sqlite3.Connection,
    beam_id: str,
    asked: Reopening,
    now: datetime,
    *,
    within_attempt: bool = False,
) -> Beam:
    """Begin another attempt of a beam, which is `pending` then; the other beams go on as they are.

    A case that had ended is `interpreting` again, for its manifest still holds. `within_attempt`: whoever
    asks has the other attempt already, by the check of the beam's deliveries.

    Raises:
        NoAttempt: a run of the beam, or of its whole case, is active, no retry is left, or the manifest of
            the case is yet to be made.
    """
    with transaction(connection):
        beam = beam_of(connection, beam_id)
        case = case_of(connection, beam.case_key)
        _refuse_active(connection, case.case_key, beam_id, [beam], asked.active_runs)
        _refuse_used_up(beam_id, beam, asked)
        _require_manifest(connection, case)
        _reset(connection, beam, asked, now, attempts=0 if within_attempt else 1)
        if case.state not in (CaseState.INTERPRETING, CaseState.SIMULATING):
            _close_open_steps(connection, StepOf(case.case_key, None, case.attempt), now)
            case = _ready(connection, case, now)
            moves.move_case(connection, case, CaseState.INTERPRETING, now)
            connection.execute("UPDATE cases SET attempt = attempt + 1 WHERE case_key = ?", (case.case_key,))
            settling.settle(connection, case.case_key, now)
        return beam_of(connection, beam_id)


def may_retry(row: Case | Beam, most_retries: int) -> bool:
    """Whether a failed case or beam may be tried again by itself: retryable, and within its limit."""
    if row.status != "failed" or row.failure_category != "retryable" or row.failure_code is None:
        return False
    of_code = CODES[row.failure_code].most_retries
    return row.retry_count < (most_retries if of_code is None else min(of_code, most_retries))


def _refuse_active(
    connection: sqlite3.Connection,
    case_key: str,
    beam_id: str | None,
    beams: Collection[Beam],
    active_runs: frozenset[str],
) -> None:
    run = steps.running(connection, case_key, beam_id, active_runs)
    owners = [lease.owner_run for beam in beams for lease in held_by_beam(connection, beam.beam_id)]
    takers = [beam.run_id for beam in beams if beam.is_active]
    at_work = next((other for other in (run, *takers, *owners) if other in active_runs), None)
    if at_work is not None:
        raise NoAttempt(
            f"Run {at_work} is at work on {beam_id or case_key}: no other attempt begins beside it;"
            " wait for it or cancel it."
        )


def _require_manifest(connection: sqlite3.Connection, case: Case) -> None:
    if case.state in _BEFORE_MANIFEST or not steps.is_manifest_of(
        connection, case.case_key, MANIFEST, case.fingerprint
    ):
        raise NoAttempt(
            f"The manifest of case {case.case_key} is yet to be made for its present input; materialise it"
            " before a beam of it."
        )


def _refuse_used_up(name: str, row: Case | Beam, asked: Reopening) -> None:
    if asked.occasion == "retry" and not may_retry(row, asked.most_retries):
        raise NoAttempt(
            f"{name} is not tried again by itself after {row.retry_count} retries: it is {row.status}"
            f" ({row.failure_code}); look at its failure, then `rerun` it."
        )
    if asked.occasion == "rerun" and row.retry_count >= asked.most_retries:
        raise NoAttempt(f"{name} has used its {asked.most_retries} retries; `rerun --force` lifts the limit.")


def _reset(
    connection: sqlite3.Connection, beam: Beam, asked: Reopening, now: datetime, attempts: int = 1
) -> None:
    """Bring a beam to `pending`, so many attempts later."""
    _close_open_steps(connection, step_of(beam), now)
    moves.move_beam(connection, beam, BeamState.PENDING, now)
    recorded_failures.clear(connection, "beams", beam.beam_id)
    connection.execute(
        "UPDATE beams SET attempt = attempt + ?1, run_id = NULL, progress = 0,"
        " retry_count = CASE WHEN ?2 THEN 0 ELSE retry_count + ?3 END WHERE beam_id = ?4",
        (attempts, asked.occasion == "new_fingerprint", asked.occasion in _USES_A_RETRY, beam.beam_id),
    )
    _note(connection, step_of(beam)._replace(attempt=beam.attempt + attempts), asked, now)


def _ready(connection: sqlite3.Connection, case: Case, now: datetime) -> Case:
    """Bring a case to `ready`, with nothing of the attempt before; one under way is cancelled first."""
    way: tuple[CaseState, ...] = (CaseState.READY,)
    if case.state in _UNDER_WAY:
        way = (CaseState.CANCELLING, CaseState.CANCELLED, CaseState.READY)
    elif case.state is CaseState.CANCELLING:
        way = (CaseState.CANCELLED, CaseState.READY)
    elif case.state is CaseState.READY:
        way = ()
    for state in way:
        case = moves.move_case(connection, case, state, now)
    recorded_failures.clear(connection, "cases", case.case_key)
    connection.execute(
        "UPDATE cases SET progress = 0, completed_at = NULL WHERE case_key = ?", (case.case_key,)
    )
    return case


def _count(
    connection: sqlite3.Connection,
    case: Case,
    asked: Reopening,
    now: datetime,
    fingerprint: str | None = None,
) -> None:
    of = StepOf(case.case_key, None, case.attempt)
    _close_open_steps(connection, of, now)
    connection.execute(
        "UPDATE cases SET attempt = attempt + 1, fingerprint = coalesce(?1, fingerprint), updated_at = ?2,"
        " retry_count = CASE WHEN ?3 THEN 0 ELSE retry_count + ?4 END WHERE case_key = ?5",
        (
            fingerprint,
            stamp(now),
            asked.occasion == "new_fingerprint",
            asked.occasion in _USES_A_RETRY,
            case.case_key,
        ),
    )
    _note(connection, of._replace(attempt=case.attempt + 1), asked, now)


def _close_open_steps(connection: sqlite3.Connection, of: StepOf, now: datetime) -> None:
    """End what a dead run left open: it can write no more."""
    steps.close(connection, of, None, "failed", now, {"reason": "its run is gone"})


def _note(connection: sqlite3.Connection, of: StepOf, asked: Reopening, now: datetime) -> None:
    steps.note(connection, of, "reopened", asked.by, now, {"occasion": asked.occasion})
