"""Removing old events that were exported: the only rows that a ledger ever loses."""

import sqlite3
from typing import Final

from assets.discovery.ledger import events
from assets.transactions import transaction

_DAY_MS: Final = 86_400_000


def prune_exported(
    connection: sqlite3.Connection, job_id: str, keep_days: int, exported_up_to: int, now: int
) -> int:
    """Remove the job's events that are older than `keep_days`, up to the last one exported; return how many.

    One transaction. Items, stages, attempts, results and costs stay.
    """
    with transaction(connection):
        return events.prune(connection, job_id, now - keep_days * _DAY_MS, exported_up_to)
