"""The `ledger` resource: SQLite files on this machine, by ledger name (`discovery`, `beams`, scratch names).

    connections     Ledger: `open_db` to read and write, `open_raw_db` to read; the only `sqlite3.connect`
    file_systems    which file system a folder lies on, and whether SQLite can lock files there
    errors          what ends an attempt to open a ledger

What belongs here: how a ledger is opened. What does not: its tables, its transactions and what they mean
(the pipeline whose ledger it is).
"""

from resources.ledger.connections import Ledger
from resources.ledger.errors import LedgerAbsent, LedgerUnusable

__all__ = ["Ledger", "LedgerAbsent", "LedgerUnusable"]
