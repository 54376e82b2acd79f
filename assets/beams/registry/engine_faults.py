"""Faults of engines on one GPU, read from the steps that held it. Joins the caller's transaction.

Not here: what is done about them (`leases.release` bars a GPU).
"""

import sqlite3
from typing import Final

from assets.beams.failures import CODES

MOST_IN_A_ROW: Final = 3
CODES_OF_ENGINES: Final = frozenset(
    code
    for code, rule in CODES.items()
    if rule.phase in ("simulate", "result") and code not in ("no_gpu", "gpu_unknown", "lease_lost")
)
"""With these an engine ended that had its GPU."""


def too_many(connection: sqlite3.Connection, uuid: str, token: int) -> bool:
    """Whether a lease and the two before it on its GPU all ended in a fault of the engine.

    Leases before a quarantine do not count: whoever freed the GPU has looked at it.
    """
    recent = connection.execute(
        "SELECT state, (SELECT json_extract(step.metadata, '$.code') FROM workflow_steps AS step"
        " WHERE step.run_id = lease.owner_run AND step.beam_id = lease.beam_id AND step.status = 'failed'"
        " ORDER BY step.id DESC LIMIT 1) FROM leases AS lease WHERE uuid = ? AND token <= ?"
        " ORDER BY token DESC LIMIT ?",
        (uuid, token, MOST_IN_A_ROW),
    ).fetchall()
    faulty = [state != "quarantined" and code in CODES_OF_ENGINES for state, code in recent]
    return len(faulty) == MOST_IN_A_ROW and all(faulty)
