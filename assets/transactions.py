"""One write transaction at a time, begun so that it waits for its turn instead of failing with "locked"."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run the block in BEGIN IMMEDIATE … COMMIT; whatever leaves it undoes all of it.

    The connection is in autocommit mode. Transactions do not nest: within another one this raises
    `sqlite3.OperationalError` and leaves the outer one as it is.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back on a full disk.
            connection.execute("ROLLBACK")
        raise
