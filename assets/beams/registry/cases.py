"""A case from its first sight to the end of its report. Transactions of their own.

A scan writes cases only; beams and deliveries come with the manifest (`publish_manifest`), all at once or not
at all. Not here: beams at work (`beams`), failing (`failing`), beginning anew (`reopening`), cancelling.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from assets.beams.failures import PendingBeamFailure
from assets.beams.keys import beam_id
from assets.beams.registry import moves, recorded_failures, steps
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Case, beam_of, beams_of, case_of
from assets.beams.registry.steps import StepOf
from assets.beams.states import CASE_STATES, BeamState, CaseState, IllegalTransition
from assets.failures import PermanentFailure
from assets.transactions import transaction

MANIFEST = "case_manifest"
REPORT = "case_report"

_REPORTED_AS_THEY_ARE = (CaseState.FAILED, CaseState.CANCELLED)


class StaleWorker(PermanentFailure):
    """A run writes for an attempt that is no longer its own."""


@dataclass(frozen=True, slots=True)
class CaseWork:
    """A step of a whole case, as one run does it in one attempt."""

    case_key: str
    step: str
    attempt: int
    run_id: str

    @property
    def of(self) -> StepOf:
        """What the step belongs to."""
        return StepOf(self.case_key, None, self.attempt)


@dataclass(frozen=True, slots=True)
class PlannedBeam:
    """A treatment beam as the manifest names it."""

    treatment_index: int
    dicom_number: int
    plan_position: int
    name: str
    folder: str


@dataclass(frozen=True, slots=True)
class MadeDelivery:
    """A delivery as the manifest found it."""

    delivery_id: str
    path: str
    """Of its folder, relative to the case."""
    moment: datetime
    fraction_index: int
    treatment_index: int
    is_reference: bool
    interrupted: bool


def see(connection: sqlite3.Connection, case_key: str, room: str | None, path: str, now: datetime) -> Case:
    """Keep a case that a scan found, `new` if it was not known; returns it as it stands."""
    with transaction(connection):
        connection.execute(
            "INSERT INTO cases (case_key, room, case_path, status, progress, attempt, retry_count,"
            " created_at, updated_at) VALUES (?1, ?2, ?3, 'new', 0, 1, 0, ?4, ?4)"
            " ON CONFLICT (case_key) DO UPDATE SET room = excluded.room, case_path = excluded.case_path"
            " WHERE room IS NOT excluded.room OR case_path <> excluded.case_path",
            (case_key, room, path, stamp(now)),
        )
        return case_of(connection, case_key)


def wait(connection: sqlite3.Connection, case_key: str, reason: PendingBeamFailure, now: datetime) -> None:
    """Let a case wait for something that is not there yet; the reason takes the place of an earlier one."""
    with transaction(connection):
        case = case_of(connection, case_key)
        if case.state is not CaseState.WAITING:
            moves.move_case(connection, case, CaseState.WAITING, now)
        recorded_failures.write(connection, "cases", case_key, reason, now)


def make_ready(connection: sqlite3.Connection, case_key: str, fingerprint: str, now: datetime) -> Case:
    """Let the first attempt of a case begin, from `new` or `waiting`; later ones are `reopening`'s."""
    with transaction(connection):
        case = moves.move_case(connection, case_of(connection, case_key), CaseState.READY, now)
        recorded_failures.clear(connection, "cases", case_key)
        connection.execute(
            "UPDATE cases SET fingerprint = ? WHERE case_key = ?", (fingerprint, case.case_key)
        )
        return case_of(connection, case_key)


def begin_manifest(connection: sqlite3.Connection, case_key: str, run_id: str, now: datetime) -> CaseWork:
    """A run begins the manifest of a case; returns what it shows when it writes.

    Raises:
        IllegalTransition: the case is not `ready`.
    """
    with transaction(connection):
        case = case_of(connection, case_key)
        CASE_STATES.require_legal(case.state, CaseState.INTERPRETING, case_key)
        return _begin(connection, case, MANIFEST, run_id, now)


def publish_manifest(
    connection: sqlite3.Connection,
    work: CaseWork,
    beams: Sequence[PlannedBeam],
    deliveries: Sequence[MadeDelivery],
    warnings: Sequence[str],
    now: datetime,
) -> None:
    """Make beams and deliveries of a manifest those of the case, which is `interpreting` from then on.

    Beams of the same index keep their status, which `reopening` has set; others are new or removed. So do
    the checks of deliveries that are still there.

    Raises:
        StaleWorker: the attempt is no longer this run's.
    """
    with transaction(connection):
        case = require_current(connection, work)
        moves.move_case(connection, case, CaseState.INTERPRETING, now)
        _replace_beams(connection, case, beams, now)
        _replace_deliveries(connection, case.case_key, deliveries, now)
        connection.execute(
            "UPDATE cases SET warnings = ? WHERE case_key = ?", (json.dumps(list(warnings)), case.case_key)
        )
        metadata = {"beams": len(beams), "deliveries": len(deliveries), "fingerprint": case.fingerprint}
        steps.close(connection, work.of, work.step, "completed", now, metadata)


def begin_report(connection: sqlite3.Connection, case_key: str, run_id: str, now: datetime) -> CaseWork:
    """A run begins the report of a case, which is `reporting` from then on.

    A failed or cancelled case stays what it is.

    Raises:
        IllegalTransition: a beam of the case is still active, or its manifest is not done.
    """
    with transaction(connection):
        case = case_of(connection, case_key)
        if case.state not in (*_REPORTED_AS_THEY_ARE, CaseState.REPORTING):
            _require_ended_beams(connection, case)
            if case.state is CaseState.INTERPRETING:  # Its beams were completed in an earlier attempt.
                case = moves.move_case(connection, case, CaseState.SIMULATING, now)
            case = moves.move_case(connection, case, CaseState.REPORTING, now)
        return _begin(connection, case, REPORT, run_id, now)


def complete(connection: sqlite3.Connection, work: CaseWork, warnings: Sequence[str], now: datetime) -> Case:
    """End the report of a case: completed, with warnings if it has any; a failed or cancelled one stays.

    Warnings are added to those of the manifest.
    """
    with transaction(connection):
        case = require_current(connection, work)
        known: list[str] = json.loads(case.warnings or "[]")
        known += [code for code in dict.fromkeys(warnings) if code not in known]
        connection.execute(
            "UPDATE cases SET warnings = ? WHERE case_key = ?", (json.dumps(known), case.case_key)
        )
        steps.close(connection, work.of, work.step, "completed", now)
        if case.state not in _REPORTED_AS_THEY_ARE:
            end = CaseState.COMPLETED_WITH_WARNINGS if known else CaseState.COMPLETED
            moves.move_case(connection, case, end, now)
            connection.execute(
                "UPDATE cases SET progress = 100, completed_at = ? WHERE case_key = ?",
                (stamp(now), case.case_key),
            )
        return case_of(connection, case.case_key)


def require_current(connection: sqlite3.Connection, work: CaseWork) -> Case:
    """Within the caller's transaction: the case, if this run is still at this step of its current attempt."""
    case = case_of(connection, work.case_key)
    if not steps.has_open(connection, work.of, work.step, work.run_id):  # A new attempt closes the old steps.
        raise StaleWorker(
            f"Run {work.run_id} is no longer at {work.step} of case {work.case_key}, attempt {work.attempt};"
            " what it found is not kept."
        )
    return case


def _begin(connection: sqlite3.Connection, case: Case, step: str, run_id: str, now: datetime) -> CaseWork:
    work = CaseWork(case.case_key, step, case.attempt, run_id)
    steps.begin(connection, work.of, step, run_id, now)
    return work


def _require_ended_beams(connection: sqlite3.Connection, case: Case) -> None:
    active = [beam.beam_id for beam in beams_of(connection, case.case_key) if beam.is_active]
    if active:
        raise IllegalTransition(
            f"The report of case '{case.case_key}' cannot begin while {', '.join(active)} is active;"
            " wait for it."
        )


def _replace_beams(
    connection: sqlite3.Connection, case: Case, beams: Sequence[PlannedBeam], now: datetime
) -> None:
    indexes = json.dumps([beam.treatment_index for beam in beams])
    connection.execute(
        "DELETE FROM beams WHERE case_key = ? AND treatment_index NOT IN (SELECT value FROM json_each(?))",
        (case.case_key, indexes),
    )
    for beam in beams:
        connection.execute(
            "INSERT INTO beams (beam_id, case_key, treatment_index, dicom_number, plan_position, name,"
            " folder, status, progress, attempt, retry_count, created_at, updated_at)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 1, 0, ?9, ?9) ON CONFLICT (beam_id) DO UPDATE SET"
            " dicom_number = excluded.dicom_number, plan_position = excluded.plan_position,"
            " name = excluded.name, folder = excluded.folder, updated_at = excluded.updated_at",
            (
                beam_id(case.case_key, beam.treatment_index),
                case.case_key,
                beam.treatment_index,
                beam.dicom_number,
                beam.plan_position,
                beam.name,
                beam.folder,
                BeamState.PENDING,
                stamp(now),
            ),
        )


def _replace_deliveries(
    connection: sqlite3.Connection, case_key: str, deliveries: Sequence[MadeDelivery], now: datetime
) -> None:
    connection.execute(
        "DELETE FROM deliveries WHERE case_key = ? AND delivery_id NOT IN (SELECT value FROM json_each(?))",
        (case_key, json.dumps([delivery.delivery_id for delivery in deliveries])),
    )
    for delivery in deliveries:
        beam = beam_of(connection, beam_id(case_key, delivery.treatment_index))
        connection.execute(
            "INSERT INTO deliveries (delivery_id, case_key, beam_id, delivery_path, delivery_timestamp,"
            " fraction_index, dicom_number, treatment_index, is_reference, interrupted, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO UPDATE SET"
            " beam_id = excluded.beam_id, delivery_timestamp = excluded.delivery_timestamp,"
            " fraction_index = excluded.fraction_index, dicom_number = excluded.dicom_number,"
            " treatment_index = excluded.treatment_index, is_reference = excluded.is_reference,"
            " interrupted = excluded.interrupted, updated_at = excluded.updated_at",
            (
                delivery.delivery_id,
                case_key,
                beam.beam_id,
                delivery.path,
                stamp(delivery.moment),
                delivery.fraction_index,
                beam.dicom_number,
                beam.treatment_index,
                delivery.is_reference,
                delivery.interrupted,
                stamp(now),
            ),
        )
