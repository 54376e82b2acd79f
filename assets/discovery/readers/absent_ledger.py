"""An empty ledger in memory: who reads before the first run sees no items or events and makes no file."""

import sqlite3

from assets.discovery.ledger import schema


def as_empty(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Give a database in memory the tables of today's ledger, and make it read-only; returns it."""
    schema.migrate(connection, 0)
    connection.execute("PRAGMA query_only = ON")
    return connection
