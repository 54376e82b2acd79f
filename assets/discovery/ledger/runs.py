"""What the ledger says of runs: that one began, and how it ended. Transactions of their own.

Not here: what happened in between, which every event, attempt and discovery tells by its `run_id`.
"""

import sqlite3
from collections.abc import Mapping

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject
from assets.transactions import transaction


def started(
    connection: sqlite3.Connection, job_id: str, run_id: str, now: int, payload: Mapping[str, object]
) -> None:
    """A run of the job began."""
    with transaction(connection):
        events.write(connection, "run_started", Subject(job_id, run_id=run_id), now, payload)


def finished(
    connection: sqlite3.Connection, job_id: str, run_id: str, now: int, payload: Mapping[str, object]
) -> None:
    """A run of the job ended; the payload says how."""
    with transaction(connection):
        events.write(connection, "run_finished", Subject(job_id, run_id=run_id), now, payload)
