"""How a case stands for the planner of the sensor: its row, its beams, and what became of its steps. Reading.

Not here: what is due (`assets.beams.planning`).
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from assets.beams.registry.cases import MANIFEST, REPORT
from assets.beams.registry.rows import Beam, Case, beams_of
from assets.beams.registry.steps import is_manifest_of
from assets.beams.states import CaseState

_WITHOUT_BEAMS: Final = (
    CaseState.NEW,
    CaseState.WAITING,
    CaseState.COMPLETED,
    CaseState.COMPLETED_WITH_WARNINGS,
    CaseState.CANCELLED,
)
"""A scan asks nothing of their beams and steps."""


class Resumes(NamedTuple):
    """How often in a row the run of a case or a beam died, with nothing completed in between."""

    times: int = 0
    last_at: str | None = None


NO_RESUMES: Final = Resumes()


@dataclass(frozen=True, slots=True)
class Standing:
    """A case with what the planner has to know of it."""

    case: Case
    beams: tuple[Beam, ...] = ()
    """By treatment index; none where the status of the case says all that matters."""
    has_manifest: bool = False
    """Whether the manifest of its present fingerprint is done."""
    report: str | None = None
    """The status of the report step in the case's attempt; None where none was begun."""
    resumes: Mapping[str | None, Resumes] = field(default_factory=dict)
    """By beam id; None is the case."""


def standing_of(connection: sqlite3.Connection, case: Case) -> Standing:
    """How a case stands, given its row."""
    if case.state in _WITHOUT_BEAMS:
        return Standing(case)
    return Standing(
        case,
        tuple(beams_of(connection, case.case_key)),
        is_manifest_of(connection, case.case_key, MANIFEST, case.fingerprint),
        _report(connection, case),
        _resumes(connection, case.case_key),
    )


def _report(connection: sqlite3.Connection, case: Case) -> str | None:
    return connection.execute(
        "SELECT max(status) FROM workflow_steps WHERE case_key = ? AND beam_id IS NULL AND step = ?"
        " AND attempt = ?",
        (case.case_key, REPORT, case.attempt),
    ).fetchone()[0]


def _resumes(connection: sqlite3.Connection, case_key: str) -> dict[str | None, Resumes]:
    rows = connection.execute(
        "SELECT beam_id, count(*), max(started_at) FROM workflow_steps AS resumed WHERE case_key = ?1"
        " AND step = 'reopened' AND json_extract(metadata, '$.occasion') = 'resume' AND id > coalesce("
        "  (SELECT max(id) FROM workflow_steps AS done WHERE done.case_key = ?1"
        "   AND done.beam_id IS resumed.beam_id AND done.status = 'completed'"
        "   AND NOT (done.step = 'reopened' AND json_extract(done.metadata, '$.occasion') = 'resume')), 0)"
        " GROUP BY beam_id",
        (case_key,),
    )
    return {beam_id: Resumes(times, last_at) for beam_id, times, last_at in rows}
