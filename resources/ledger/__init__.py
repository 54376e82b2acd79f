"""The `ledger` resource: SQLite files on this machine, by ledger name (`discovery`, `beams`, scratch names).

    connections     Ledger: `open_db` to read and write, `open_raw_db` to read
    copies          copy_database: an SQLite file that is in use, copied whole
    file_systems    which file system a folder lies on, and whether SQLite can lock files there
    errors          what ends an attempt to open a ledger

Nothing else in Quintet calls `sqlite3.connect`. What belongs here: how a file of SQLite is opened. What does
not: its tables, its transactions and what they mean (the pipeline whose ledger it is).
"""

from resources.ledger.connections import Ledger
from resources.ledger.copies import copy_database
from resources.ledger.errors import LedgerAbsent, LedgerUnusable

__all__ = ["Ledger", "LedgerAbsent", "LedgerUnusable", "copy_database"]
