"""Cases whose input is gone: since when, and that they are archived. Transactions of their own.

An archived case stays where it is, rows and output files; only its partitions go, and the trail says when
and by whom. If its input comes back a scan registers it again.

Not here: looking for the input, and the partitions (the command `archive`).
"""

import sqlite3
from collections.abc import Collection
from datetime import datetime
from typing import Final

from assets.beams.registry import steps
from assets.beams.registry.cases import MANIFEST
from assets.beams.registry.instants import moment_of
from assets.beams.registry.rows import Case, beams_of, case_of
from assets.beams.registry.steps import Request, StepOf
from assets.failures import PermanentFailure
from assets.transactions import transaction

GONE: Final = "input_gone"
BACK: Final = "input_back"
ARCHIVED: Final = "archived"


class StillAtWork(PermanentFailure):
    """A case cannot be archived while a run is at work on it."""


def is_archived(connection: sqlite3.Connection, case_key: str) -> bool:
    """Whether a case is archived, and its input has not come back since."""
    return _newest(connection, case_key)[0] == ARCHIVED


def note_presence(
    connection: sqlite3.Connection, case_key: str, *, is_there: bool, by: Request, now: datetime
) -> datetime | None:
    """Note that the input of a case is gone, or is there again; since when it is missed.

    None where it is there, or the case is archived already.
    """
    with transaction(connection):
        last, since = _newest(connection, case_key)
        if last == GONE and not is_there:
            return since
        if last in (GONE, ARCHIVED) and is_there:
            _note(connection, case_of(connection, case_key), BACK, by, now)
        if last == ARCHIVED or is_there:
            return None
        _note(connection, case_of(connection, case_key), GONE, by, now)
        return now


def archive(
    connection: sqlite3.Connection, case_key: str, active_runs: Collection[str], by: Request, now: datetime
) -> list[int]:
    """Say that a case is archived; the treatment indexes of its beams.

    Raises:
        StillAtWork: one of these runs has a step of it, or a beam of it.
    """
    with transaction(connection):
        case, beams = case_of(connection, case_key), beams_of(connection, case_key)
        step = steps.running(connection, case_key, None, active_runs)
        takers = (beam.run_id for beam in beams if beam.is_active)
        run = next((run for run in (step, *takers) if run in active_runs), None)
        if run is not None:
            raise StillAtWork(f"Case {case_key} is not archived while run {run} is at work on it.")
        _note(connection, case, ARCHIVED, by, now)
        return [beam.treatment_index for beam in beams]


def _newest(connection: sqlite3.Connection, case_key: str) -> tuple[str | None, datetime | None]:
    """What was noted last of a case's input, and when; a manifest shows that it was there."""
    row = connection.execute(
        "SELECT step, started_at FROM workflow_steps WHERE case_key = ? AND beam_id IS NULL"
        " AND step IN (?, ?, ?, ?) ORDER BY id DESC LIMIT 1",
        (case_key, GONE, BACK, ARCHIVED, MANIFEST),
    ).fetchone()
    return (None, None) if row is None else (row[0], moment_of(row[1]))


def _note(connection: sqlite3.Connection, case: Case, step: str, by: Request, now: datetime) -> None:
    steps.note(connection, StepOf(case.case_key, None, case.attempt), step, by, now, {"path": case.case_path})
