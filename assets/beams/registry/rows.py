"""The rows of cases, beams and steps as values, and reading them."""

import sqlite3
from typing import Final, NamedTuple

from assets.beams.failures import Category
from assets.beams.states import ACTIVE_BEAM_STATES, BeamState, CaseState
from assets.failures import PermanentFailure


class Case(NamedTuple):
    """A row of `cases`."""

    case_key: str
    room: str | None
    case_path: str
    status: str
    progress: float
    fingerprint: str | None
    attempt: int
    retry_count: int
    failure_phase: str | None
    failure_category: Category | None
    failure_code: str | None
    failure_message: str | None
    failure_details: str | None
    warnings: str | None
    created_at: str
    updated_at: str
    completed_at: str | None

    @property
    def state(self) -> CaseState:
        """Its status."""
        return CaseState(self.status)


class Beam(NamedTuple):
    """A row of `beams`."""

    beam_id: str
    case_key: str
    treatment_index: int
    dicom_number: int
    plan_position: int
    name: str | None
    folder: str
    status: str
    progress: float
    attempt: int
    retry_count: int
    run_id: str | None
    engine: str | None
    failure_phase: str | None
    failure_category: Category | None
    failure_code: str | None
    failure_message: str | None
    failure_details: str | None
    created_at: str
    updated_at: str

    @property
    def state(self) -> BeamState:
        """Its status."""
        return BeamState(self.status)

    @property
    def is_active(self) -> bool:
        """Whether something of its attempt is left to do."""
        return self.state in ACTIVE_BEAM_STATES


_CASE: Final = f"SELECT {', '.join(Case._fields)} FROM cases"  # noqa: S608 - of constants
_BEAM: Final = f"SELECT {', '.join(Beam._fields)} FROM beams"  # noqa: S608 - of constants


class Unregistered(PermanentFailure):
    """The registry has no such case or beam."""


def find_case(connection: sqlite3.Connection, case_key: str) -> Case | None:
    """A case, None where the registry does not have it."""
    row = connection.execute(f"{_CASE} WHERE case_key = ?", (case_key,)).fetchone()
    return None if row is None else Case._make(row)


def case_of(connection: sqlite3.Connection, case_key: str) -> Case:
    """A case. Raises `Unregistered`."""
    case = find_case(connection, case_key)
    if case is None:
        raise Unregistered(f"Case {case_key} is not in the registry; run `scan` to register it.")
    return case


def all_cases(connection: sqlite3.Connection) -> list[Case]:
    """Every case, by key."""
    return [Case._make(row) for row in connection.execute(f"{_CASE} ORDER BY case_key")]


def beam_of(connection: sqlite3.Connection, beam_id: str) -> Beam:
    """A beam. Raises `Unregistered`."""
    row = connection.execute(f"{_BEAM} WHERE beam_id = ?", (beam_id,)).fetchone()
    if row is None:
        raise Unregistered(f"Beam {beam_id} is not in the registry; materialise the manifest of its case.")
    return Beam._make(row)


def beams_of(connection: sqlite3.Connection, case_key: str) -> list[Beam]:
    """The beams of a case, by treatment index."""
    rows = connection.execute(f"{_BEAM} WHERE case_key = ? ORDER BY treatment_index", (case_key,))
    return [Beam._make(row) for row in rows]
