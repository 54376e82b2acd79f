"""The gamma check of each delivery: that it runs, and how it ended. Transactions of their own.

Not here: the gamma itself, and what the checks mean for the case (`aggregation.is_warning`).
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from assets.beams.failures import BeamFailure
from assets.beams.registry import beams
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import Unregistered
from assets.beams.states import CHECK_STATES, CheckState
from assets.transactions import transaction


@dataclass(frozen=True, slots=True)
class CheckEnd:
    """How the check of a delivery ended; values are kept as they are, not rounded."""

    state: CheckState
    gamma_pass_rate: float | None = None
    gamma_mean: float | None = None
    gamma_max: float | None = None
    evaluated_points: int | None = None
    report_path: str | None = None
    failure: BeamFailure | None = None


class DeliveryRow(NamedTuple):
    """A row of `deliveries`."""

    delivery_id: str
    case_key: str
    beam_id: str
    delivery_path: str
    delivery_timestamp: str
    fraction_index: int
    dicom_number: int
    treatment_index: int
    is_reference: int
    interrupted: int
    ptn_status: str
    gamma_pass_rate: float | None
    gamma_mean: float | None
    gamma_max: float | None
    evaluated_points: int | None
    report_path: str | None
    failure_code: str | None
    failure_message: str | None
    updated_at: str


def deliveries_of(connection: sqlite3.Connection, case_key: str) -> list[DeliveryRow]:
    """The deliveries of a case, by time."""
    rows = connection.execute(
        f"SELECT {', '.join(DeliveryRow._fields)} FROM deliveries WHERE case_key = ?"  # noqa: S608 - of constants
        " ORDER BY delivery_timestamp, delivery_path",
        (case_key,),
    )
    return [DeliveryRow._make(row) for row in rows]


def begin(connection: sqlite3.Connection, work: BeamWork, delivery_id: str, now: datetime) -> None:
    """The check of a delivery runs; what an earlier one found is gone. One that a dead run left goes on."""
    with transaction(connection):
        beams.require_current(connection, work)
        before = _state(connection, work, delivery_id)
        if before is not CheckState.RUNNING:
            CHECK_STATES.require_legal(before, CheckState.RUNNING, delivery_id)
        _write(connection, delivery_id, CheckEnd(CheckState.RUNNING), now)


def end(
    connection: sqlite3.Connection, work: BeamWork, delivery_id: str, result: CheckEnd, now: datetime
) -> None:
    """Keep how the check of a delivery ended.

    Raises:
        IllegalTransition: it does not run.
        StaleWorker: the beam's attempt is no longer this run's.
        Unregistered: the beam has no such delivery.
    """
    with transaction(connection):
        beams.require_current(connection, work)
        CHECK_STATES.require_legal(_state(connection, work, delivery_id), result.state, delivery_id)
        _write(connection, delivery_id, result, now)


def _state(connection: sqlite3.Connection, work: BeamWork, delivery_id: str) -> CheckState:
    row = connection.execute(
        "SELECT ptn_status FROM deliveries WHERE delivery_id = ? AND beam_id = ?", (delivery_id, work.beam_id)
    ).fetchone()
    if row is None:
        raise Unregistered(
            f"Beam {work.beam_id} has no delivery {delivery_id}; materialise the manifest of its case."
        )
    return CheckState(row[0])


def _write(connection: sqlite3.Connection, delivery_id: str, result: CheckEnd, now: datetime) -> None:
    failure = result.failure
    connection.execute(
        "UPDATE deliveries SET ptn_status = ?, gamma_pass_rate = ?, gamma_mean = ?, gamma_max = ?,"
        " evaluated_points = ?, report_path = ?, failure_code = ?, failure_message = ?, updated_at = ?"
        " WHERE delivery_id = ?",
        (
            result.state,
            result.gamma_pass_rate,
            result.gamma_mean,
            result.gamma_max,
            result.evaluated_points,
            result.report_path,
            failure and failure.code,
            failure and failure.message,
            stamp(now),
            delivery_id,
        ),
    )
