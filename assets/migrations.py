"""SQLite schemas that go forward only: the statements of each version, applied in one transaction.

Not here: which versions a ledger has, and where it keeps its own.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.transactions import transaction


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema, from the version before it to `version`; a released one never changes."""

    version: int
    note: str = ""
    folder: Path = Path()
    """Where its statements are, in `version_<n>.sql`."""

    def statements(self) -> Iterator[str]:
        """The statements of its file, one by one: `executescript` would commit before it starts."""
        pending = ""
        path = self.folder / f"version_{self.version}.sql"
        for line in path.read_text(encoding="utf-8").splitlines(True):
            pending += line
            if sqlite3.complete_statement(pending):
                yield pending
                pending = ""


def migrated(
    connection: sqlite3.Connection,
    migrations: Sequence[Migration],
    version_of: Callable[[sqlite3.Connection], int],
    record: Callable[[Migration], None],
) -> list[int]:
    """Apply what the file does not have yet; return the versions applied.

    Processes that migrate at once wait for each other.

    Args:
        connection: the file, in autocommit mode.
        migrations: all versions, the first first.
        version_of: reads the version that the file has.
        record: writes the version of a migration, in its transaction.
    """
    applied: list[int] = []
    for migration in migrations:
        if version_of(connection) >= migration.version:
            continue
        with transaction(connection):
            if version_of(connection) >= migration.version:
                continue  # Another process was faster.
            for statement in migration.statements():
                connection.execute(statement)
            record(migration)
        applied.append(migration.version)
    return applied
