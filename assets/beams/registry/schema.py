"""The tables of the registry, by version. Migrations go forward only, one transaction each.

A migration is a file `sql/version_<n>.sql` and a line in MIGRATIONS; a released file never changes. The
version is the file's own `user_version`. Not here: what the rows mean.
"""

import sqlite3
from pathlib import Path
from typing import Final

from assets.failures import PermanentFailure
from assets.migrations import Migration, migrated

_FOLDER: Final = Path(__file__).with_name("sql")


MIGRATIONS: Final = (Migration(1, folder=_FOLDER),)
NEWEST: Final = MIGRATIONS[-1].version


class RegistryTooNew(PermanentFailure):
    """A newer Quintet has written this registry."""


class RegistryTooOld(PermanentFailure):
    """The registry waits for a migration, which only a writer can do."""


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> list[int]:
    """Bring the registry to the newest version; return the versions applied, none if it was there already.

    Raises `RegistryTooNew` for a registry of a newer version. Processes that migrate at once wait for each
    other.
    """

    def record(migration: Migration) -> None:
        connection.execute(f"PRAGMA user_version = {migration.version:d}")

    applied = migrated(connection, migrations, version_of, record)
    require_known(connection, migrations[-1].version)
    return applied


def version_of(connection: sqlite3.Connection) -> int:
    """The version of the registry; 0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return version


def require_known(connection: sqlite3.Connection, newest: int = NEWEST) -> None:
    """Refuse a registry that this code does not know: one of another version."""
    version = version_of(connection)
    if version > newest:
        raise RegistryTooNew(
            f"The beams registry has schema version {version}, this code knows up to {newest}; "
            "update Quintet before it opens this registry."
        )
    if version < newest:
        raise RegistryTooOld(
            f"The beams registry has schema version {version}, this code needs {newest}; "
            "run `python -m scripts.beams scan`, which brings it up to date."
        )
