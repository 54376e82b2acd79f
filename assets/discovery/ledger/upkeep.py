"""What an SQLite file wants now and then, so that it stays fast and its log stays short."""

import sqlite3
from typing import NamedTuple


class Checkpoint(NamedTuple):
    """How a checkpoint of the write-ahead log ended. `is_whole`: no reader kept any of it."""

    is_whole: bool
    pages: int


def optimise(connection: sqlite3.Connection) -> Checkpoint:
    """Let SQLite look at its statistics, and bring the write-ahead log into the file.

    A reader that still needs the log keeps the rest of it; the next checkpoint takes that.
    """
    connection.execute("PRAGMA optimize")
    busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return Checkpoint(not busy, max(pages, 0))
