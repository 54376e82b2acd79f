"""Connections to the ledgers: one set of pragmas for everybody who writes, one for who only reads.

A connection belongs to the thread that opened it and never crosses a fork; asynchronous code opens and uses
it in a worker thread. Not here: tables and transactions.
"""

import re
import sqlite3
import time
from pathlib import Path

import dagster as dg
from pydantic import Field

from resources.ledger.errors import LedgerAbsent, LedgerUnusable
from resources.ledger.file_systems import NETWORK_FILE_SYSTEMS, file_system_of

OLDEST_SQLITE = (3, 37, 0)  # The first with STRICT tables.
BUSY_TIMEOUT_S = 30.0
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,99}")


class Ledger(dg.ConfigurableResource):
    """SQLite files in one folder, `<name>.sqlite` each; file and folder are made when first opened."""

    folder: str = Field(description="The folder of the ledger files, on a disk of this machine.")

    def path(self, name: str) -> Path:
        """The file of the ledger `name`. Raises `LedgerUnusable` for a name that is not plain lower case."""
        if not _NAME.fullmatch(name):
            raise LedgerUnusable(
                f"{name!r} is no ledger's name; use lower-case letters, digits, `_` and `-`, a letter first."
            )
        return Path(self.folder) / f"{name}.sqlite"

    def open_db(self, name: str) -> sqlite3.Connection:
        """Open a ledger to read and write, in autocommit mode; the caller closes it.

        Whoever may write begins with `BEGIN IMMEDIATE`: it waits up to 30 s for its turn, while a deferred
        read that turns into a write fails at once.
        """
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = _connect(path, str(path))
        try:
            _use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
        return connection

    def open_raw_db(self, name: str) -> sqlite3.Connection:
        """Open a ledger to read only; the caller closes it. Raises `LedgerAbsent` where there is none."""
        path = self.path(name)
        if not path.exists():
            raise LedgerAbsent(f"There is no ledger at {path} yet; the first run makes it.")
        connection = _connect(path, f"{path.absolute().as_uri()}?mode=ro")
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        return connection

    def open_memory_db(self) -> sqlite3.Connection:
        """Open an empty database in memory, which stands in for an absent ledger; the caller closes it."""
        return sqlite3.connect(":memory:", isolation_level=None)


def _connect(path: Path, database: str) -> sqlite3.Connection:
    """The only place that connects: what cannot keep a ledger is refused before a file is made."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerUnusable(
            f"SQLite {sqlite3.sqlite_version} is too old for {path}: a ledger needs 3.37 or newer; "
            "use a Python that is built with it."
        )
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise LedgerUnusable(
            f"{path} lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "set QUINTET_HOME to a folder on a local disk."
        )
    return sqlite3.connect(database, timeout=BUSY_TIMEOUT_S, isolation_level=None, uri=database != str(path))


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL once. SQLite does not wait for another process that is switching it too."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise LedgerUnusable(f"SQLite keeps no write-ahead log here (journal mode {mode!r}).")
        return
