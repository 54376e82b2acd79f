"""How a run gets what it works on: the attempt that was asked for, or another one if a person launched it.

A run that the sensor asked for names its attempt; it does that one or nothing. A run that a person launched
is a rerun: it takes what nobody has begun, else it opens another attempt. Either way the case or the beam
then stands where the first step of the run begins. Transactions of their own.

Not here: when the sensor asks, and the steps themselves.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from assets.beams.registry import cases, moves, reopening, settling, steps
from assets.beams.registry.beams import BeamWork, step_of, take
from assets.beams.registry.cases import REPORT, CaseWork, StaleWorker
from assets.beams.registry.instants import stamp
from assets.beams.registry.reopening import NoAttempt, Reopening
from assets.beams.registry.rows import Beam, Case, beam_of, beams_of, case_of
from assets.beams.registry.steps import Request, StepOf
from assets.beams.states import BeamState, CaseState, IllegalTransition
from assets.transactions import transaction

_WAY_OF_A_BEAM: Final = (
    BeamState.PENDING,
    BeamState.PREPARED,
    BeamState.QUEUED,
    BeamState.RUNNING,
    BeamState.COLLECTING,
    BeamState.VALIDATING,
)
_WAY_TO_A_REPORT: Final = (CaseState.READY, CaseState.INTERPRETING, CaseState.SIMULATING, CaseState.REPORTING)
_BY_HAND: Final = "by_hand"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is about to work."""

    id: str
    attempt: int | None
    """The attempt that the sensor asked for; None where a person launched the run."""
    active: frozenset[str]
    """The ids of all other runs that are queued or at work."""
    actor: str = "dagster"
    """Who launched it, as the trail names it."""

    @property
    def by_hand(self) -> Reopening:
        """Another attempt, because a person launched this run; it uses up no retry."""
        return Reopening(_BY_HAND, Request(self.actor, f"run {self.id}"), self.active, 0)


def claim_manifest(
    connection: sqlite3.Connection, case_key: str, fingerprint: str, run: Run, now: datetime
) -> CaseWork:
    """Begin the manifest of a case that a scan or `cases.see` has registered, for this fingerprint.

    Raises:
        StaleWorker: the run was asked for an attempt that is over.
        NoAttempt: another run of the case is active.
    """
    case = case_of(connection, case_key)
    if other := steps.running(connection, case_key, None, run.active):
        raise NoAttempt(f"Run {other} is at work on case {case_key}: wait for it or cancel it.")
    if run.attempt is not None and run.attempt != case.attempt:
        raise StaleWorker(_over("case", case_key, run.attempt, case.attempt))
    if case.state in (CaseState.NEW, CaseState.WAITING):
        cases.make_ready(connection, case_key, fingerprint, now)
    elif case.state is not CaseState.READY or case.fingerprint != fingerprint:
        reopening.reopen_case(
            connection, case_key, _new_manifest(case, fingerprint, run), now, fingerprint=fingerprint
        )
    return cases.begin_manifest(connection, case_key, run.id, now)


def claim_beam(
    connection: sqlite3.Connection, beam_id: str, run: Run, start: BeamState, now: datetime
) -> BeamWork:
    """Take a beam for a step that begins with the beam at `start`, and bring the beam there.

    The steps of one run go on where the one before left the beam.

    Raises:
        StaleWorker: the run was asked for an attempt that is over, or that another run has.
        NoAttempt: another run of the beam or of its case is active, or the case has no manifest.
    """
    beam = beam_of(connection, beam_id)
    if beam.run_id != run.id:
        _refuse_stale(beam, run)
        if run.attempt is None and not _is_free(beam):
            reopening.reopen_beam(connection, beam_id, run.by_hand, now)
    elif not beam.is_active:  # This run has checked its deliveries, which left its status alone.
        reopening.reopen_beam(connection, beam_id, run.by_hand, now, within_attempt=True)
    work = take(connection, beam_id, run.id, now)
    with transaction(connection):
        _bring(connection, beam_of(connection, beam_id), start, now)
    return work


def claim_check(connection: sqlite3.Connection, beam_id: str, run: Run, now: datetime) -> BeamWork:
    """Take a beam for the check of its deliveries, which leaves its status alone.

    Launched by hand it is another attempt, unless the run has the beam already.

    Raises:
        StaleWorker: as `claim_beam`.
        NoAttempt: another run of the beam is active.
    """
    beam = beam_of(connection, beam_id)
    if beam.run_id != run.id:
        _refuse_stale(beam, run)
        if run.attempt is None and not _is_free(beam):
            if beam.run_id in run.active:
                raise NoAttempt(f"Run {beam.run_id} is at work on {beam_id}: wait for it or cancel it.")
            _another_attempt_of_its_checks(connection, beam, run, now)
    return take(connection, beam_id, run.id, now)


def claim_report(connection: sqlite3.Connection, case_key: str, run: Run, now: datetime) -> CaseWork:
    """Begin the report of a case; a completed one is reported again, in another attempt.

    Raises:
        StaleWorker: the run was asked for an attempt that is over.
        IllegalTransition: a beam of the case is active, or its manifest is yet to be made.
    """
    case = case_of(connection, case_key)
    if run.attempt is not None and run.attempt != case.attempt:
        raise StaleWorker(_over("case", case_key, run.attempt, case.attempt))
    if case.state in (CaseState.COMPLETED, CaseState.COMPLETED_WITH_WARNINGS):
        with transaction(connection):
            _report_again(connection, case, run, now)
    return cases.begin_report(connection, case_key, run.id, now)


def _new_manifest(case: Case, fingerprint: str, run: Run) -> Reopening:
    asked = run.by_hand
    return asked if case.fingerprint == fingerprint else Reopening("new_fingerprint", asked.by, run.active, 0)


def _refuse_stale(beam: Beam, run: Run) -> None:
    """Refuse a run of the sensor whose attempt is over, or was cancelled while the run was queued."""
    if run.attempt is None:
        return
    if run.attempt != beam.attempt:
        raise StaleWorker(_over("beam", beam.beam_id, run.attempt, beam.attempt))
    if not beam.is_active:
        raise StaleWorker(
            f"Beam {beam.beam_id} is {beam.status} since this run was asked for; nothing was done."
        )


def _is_free(beam: Beam) -> bool:
    """Whether no run has begun the beam's attempt."""
    return beam.run_id is None and beam.state is BeamState.PENDING


def _bring(connection: sqlite3.Connection, beam: Beam, start: BeamState, now: datetime) -> None:
    """Walk a beam to where a step begins, over the legal edges; one that is farther begins anew."""
    way = _WAY_OF_A_BEAM
    if beam.state not in way or way.index(beam.state) > way.index(start):
        beam = moves.move_beam(connection, beam, BeamState.PENDING, now)
    for state in way[way.index(beam.state) + 1 : way.index(start) + 1]:
        beam = moves.move_beam(connection, beam, state, now)
    case = case_of(connection, beam.case_key)
    if case.state is CaseState.INTERPRETING and start not in (BeamState.PENDING, BeamState.PREPARED):
        moves.move_case(connection, case, CaseState.SIMULATING, now)
    settling.settle(connection, beam.case_key, now)


def _another_attempt_of_its_checks(
    connection: sqlite3.Connection, beam: Beam, run: Run, now: datetime
) -> None:
    with transaction(connection):
        connection.execute(
            "UPDATE beams SET attempt = attempt + 1, run_id = NULL, updated_at = ? WHERE beam_id = ?",
            (stamp(now), beam.beam_id),
        )
        of = step_of(beam)._replace(attempt=beam.attempt + 1)
        steps.note(connection, of, "reopened", run.by_hand.by, now, {"occasion": _BY_HAND})


def _report_again(connection: sqlite3.Connection, case: Case, run: Run, now: datetime) -> None:
    if active := [beam.beam_id for beam in beams_of(connection, case.case_key) if beam.is_active]:
        raise IllegalTransition(
            f"The report of case {case.case_key} cannot begin while {', '.join(active)} is active; wait for"
            " it."
        )
    connection.execute(
        "UPDATE cases SET attempt = attempt + 1, completed_at = NULL WHERE case_key = ?", (case.case_key,)
    )
    for state in _WAY_TO_A_REPORT:
        case = moves.move_case(connection, case, state, now)
    of = StepOf(case.case_key, None, case.attempt + 1)
    steps.note(connection, of, "reopened", run.by_hand.by, now, {"occasion": _BY_HAND, "step": REPORT})


def _over(thing: str, name: str, asked: int, now_at: int) -> str:
    return (
        f"This run was asked for attempt {asked} of {thing} {name}, which is at attempt {now_at} by now;"
        " nothing was done."
    )
