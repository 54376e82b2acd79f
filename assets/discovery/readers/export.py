"""`export`: everything of a job as JSON lines, one row of the ledger each, in bounded memory.

Payloads that lie in files are named by their path, not copied. Not here: removing what was exported
(`ledger.pruning`), which needs `last_event_seq` once the lines are safe on a disk.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from assets.discovery.readers.shown_rows import shown_rows

# In the order of the table itself: by an index, SQLite would sort all rows in memory first.
_TABLES: Final[Mapping[str, str]] = {
    "item": "SELECT * FROM work_items NOT INDEXED WHERE job_id = ? ORDER BY id",
    "stage": "SELECT * FROM item_stages NOT INDEXED WHERE job_id = ? ORDER BY id",
    "attempt": "SELECT * FROM attempts NOT INDEXED WHERE job_id = ? ORDER BY id",
    "result": "SELECT * FROM results NOT INDEXED WHERE job_id = ? ORDER BY id",
    "cost": "SELECT * FROM costs NOT INDEXED WHERE job_id = ? ORDER BY id",
    "event": "SELECT * FROM events WHERE job_id = ? ORDER BY seq",
}


class JobExport:
    """The lines of one job as of one instant: items, stages, attempts, results, costs and events, in order.

    Each line is a JSON object, with `record` naming what it is; times are milliseconds UTC. Iterate over it
    once; `counts` and `last_event_seq` are complete when it is through.
    """

    def __init__(self, connection: sqlite3.Connection, job_id: str) -> None:
        self._connection, self._job_id = connection, job_id
        self.counts: Counter[str] = Counter()
        self.last_event_seq = 0

    def __iter__(self) -> Iterator[str]:
        # One read transaction, so that the tables agree while workers go on.
        self._connection.execute("BEGIN")
        try:
            for record, query in _TABLES.items():
                for row in shown_rows(self._connection, query, (self._job_id,)):
                    self.counts[record] += 1
                    if record == "event":
                        self.last_event_seq = row["seq"]
                    yield json.dumps({"record": record, **row}, ensure_ascii=False, separators=(",", ":"))
        finally:
            self._connection.execute("ROLLBACK")
