"""How a failure stands in the row of a case or a beam: the root cause once, later ones behind it.

"Conversion failed" must not hide why, nor change whether another try can help. A `pending` reason (what a
case waits for) is no cause: the next one takes its place. Joins the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from assets.beams.failures import BeamFailure
from assets.beams.registry.instants import stamp

MOST_LATER_FAILURES: Final = 20

Table = Literal["cases", "beams"]

_KEYS: Final[Mapping[Table, str]] = {"cases": "case_key", "beams": "beam_id"}
_READ: Final = {
    table: "SELECT failure_category, failure_code, failure_message, failure_details"  # noqa: S608 - of constants
    f" FROM {table} WHERE {key} = ?"
    for table, key in _KEYS.items()
}
_WRITE: Final = {
    table: f"UPDATE {table} SET failure_phase = ?, failure_category = ?, failure_code = ?,"  # noqa: S608 - of constants
    f" failure_message = ?, failure_details = ? WHERE {key} = ?"
    for table, key in _KEYS.items()
}
_DETAILS: Final = {
    table: f"UPDATE {table} SET failure_details = ? WHERE {key} = ?"  # noqa: S608 - of constants
    for table, key in _KEYS.items()
}


def write(
    connection: sqlite3.Connection,
    table: Table,
    key: str,
    failure: BeamFailure,
    now: datetime,
) -> None:
    """Write a failure as the root cause, or append it to the details of the one that is there."""
    category, code, message, kept = connection.execute(_READ[table], (key,)).fetchone()
    if code is None or category == "pending":
        connection.execute(
            _WRITE[table],
            (
                failure.phase,
                failure.category,
                failure.code,
                failure.message,
                json.dumps(_details(failure, now)),
                key,
            ),
        )
        return
    details: dict[str, Any] = json.loads(kept)
    details["last_seen"] = stamp(now)
    if (failure.code, failure.message) != (code, message):
        details["later"] = [*details.get("later", ()), _later(failure, now)][:MOST_LATER_FAILURES]
    connection.execute(_DETAILS[table], (json.dumps(details), key))


def clear(connection: sqlite3.Connection, table: Table, key: str) -> None:
    """Forget the failure, because another attempt begins."""
    connection.execute(_WRITE[table], (None, None, None, None, None, key))


def _details(failure: BeamFailure, now: datetime) -> dict[str, Any]:
    problems = [{"code": problem.code, "message": problem.message} for problem in failure.problems]
    return {
        **failure.details.as_dict(),
        **({"problems": problems} if problems else {}),
        "first_seen": stamp(now),
        "last_seen": stamp(now),
    }


def _later(failure: BeamFailure, now: datetime) -> dict[str, str]:
    return {
        "phase": failure.phase,
        "category": failure.category,
        "code": failure.code,
        "message": failure.message,
        "seen_at": stamp(now),
    }
