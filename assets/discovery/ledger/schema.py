"""The tables of the ledger, by version. Migrations go forward only, one transaction each.

A migration is a file `sql/version_<n>.sql` and a line in MIGRATIONS; a released file never changes. Not here:
what the rows mean.
"""

import sqlite3
from pathlib import Path
from typing import Final

from assets.failures import PermanentFailure
from assets.migrations import Migration, migrated

_FOLDER: Final = Path(__file__).with_name("sql")


MIGRATIONS: Final = (Migration(1, "the first schema", _FOLDER),)
NEWEST: Final = MIGRATIONS[-1].version


class LedgerTooNew(PermanentFailure):
    """A newer Quintet has written this ledger."""


class LedgerTooOld(PermanentFailure):
    """The ledger waits for a migration, which only a writer can do."""


def migrate(
    connection: sqlite3.Connection, now: int, migrations: tuple[Migration, ...] = MIGRATIONS
) -> list[int]:
    """Bring the ledger to the newest version; return the versions applied, none if it was there already.

    Raises `LedgerTooNew` for a ledger of a newer version. Processes that migrate at once wait for each other.
    """

    def record(migration: Migration) -> None:
        connection.execute(
            "INSERT INTO schema_version (version, applied_at, note) VALUES (?, ?, ?)",
            (migration.version, now, migration.note),
        )

    applied = migrated(connection, migrations, version_of, record)
    require_known(connection, migrations[-1].version)
    return applied


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the ledger; 0 for an empty file."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'schema_version'").fetchone() is None:
        return 0
    (version,) = connection.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
    return version


def require_known(connection: sqlite3.Connection, newest: int = NEWEST) -> None:
    """Refuse a ledger that this code does not know: one of another version."""
    version = version_of(connection)
    if version > newest:
        raise LedgerTooNew(
            f"The ledger has schema version {version}, this code knows up to {newest}; "
            "update Quintet before it opens this ledger."
        )
    if version < newest:
        raise LedgerTooOld(
            f"The ledger has schema version {version}, this code needs {newest}; run `inv jobs.migrate`."
        )
