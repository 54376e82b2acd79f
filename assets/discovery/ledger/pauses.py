"""Pause, resume, wake. A pause ends by a person, or at the time that a person gave; never by itself.

`set_pause` joins the caller's transaction, the others are transactions of their own.
"""

import sqlite3
from typing import Literal

from assets.discovery.ledger import breakers, events
from assets.discovery.ledger.events import Subject
from assets.transactions import transaction

PauseKind = Literal["manual", "auth", "code"]


def pause(
    connection: sqlite3.Connection,
    job_id: str,
    reason: str,
    now: int,
    *,
    by: str | None = None,
    until: int | None = None,
    at_once: bool = False,
) -> bool:
    """Pause a job by hand, until a time or for good; returns false if it is paused: that pause stays.

    Running work finishes, unless it is to stop `at_once`: that may also be said of a pause that holds.
    """
    with transaction(connection):
        is_new = set_pause(connection, job_id, "manual", reason, now, by=by, until=until)
        if at_once:
            connection.execute(
                "UPDATE events SET payload_json = json_set(payload_json, '$.at_once', json('true')) "
                "WHERE seq = (SELECT max(seq) FROM events WHERE job_id = ? AND type = 'paused')",
                (job_id,),
            )
        return is_new


def stops_at_once(connection: sqlite3.Connection, job_id: str) -> bool:
    """Whether the job is paused, and running work is to stop as well."""
    row = connection.execute(
        "SELECT (SELECT json_extract(e.payload_json, '$.at_once') FROM events AS e "
        "WHERE e.job_id = j.job_id AND e.type = 'paused' ORDER BY e.seq DESC LIMIT 1) "
        "FROM job_state AS j WHERE j.job_id = ? AND j.paused = 1",
        (job_id,),
    ).fetchone()
    return row is not None and bool(row[0])


def set_pause(
    connection: sqlite3.Connection,
    job_id: str,
    kind: PauseKind,
    reason: str,
    now: int,
    *,
    by: str | None = None,
    until: int | None = None,
) -> bool:
    """Pause a job unless it is paused; returns whether it was not."""
    changed = connection.execute(
        "UPDATE job_state SET paused = 1, pause_kind = ?, paused_reason = ?, paused_by = ?, paused_at = ?, "
        "resume_at = ? WHERE job_id = ? AND paused = 0",
        (kind, reason, by, now, until, job_id),
    ).rowcount
    if changed:
        payload = {"kind": kind, "reason": reason, "until": until}
        events.write(
            connection, "paused", Subject(job_id), now, payload, "info" if kind == "manual" else "error"
        )
    return bool(changed)


def unpause(connection: sqlite3.Connection, job_id: str, now: int) -> bool:
    """End a pause and forget the job's breakers and failure counters; failed stages stay failed.

    Returns whether the job was paused.
    """
    with transaction(connection):
        breakers.clear(connection, job_id)
        return _resume(connection, job_id, now, "a person")


def resume_due(connection: sqlite3.Connection, now: int) -> list[str]:
    """End the manual pauses whose time has passed; return their jobs."""
    query = (
        "SELECT job_id FROM job_state WHERE paused = 1 AND pause_kind = 'manual' AND resume_at <= ? "
        "ORDER BY job_id"
    )
    if connection.execute(query, (now,)).fetchone() is None:
        return []
    with transaction(connection):
        due = [job_id for (job_id,) in connection.execute(query, (now,)).fetchall()]
        for job_id in due:
            _resume(connection, job_id, now, "its time")
        return due


def _resume(connection: sqlite3.Connection, job_id: str, now: int, by: str) -> bool:
    changed = connection.execute(
        "UPDATE job_state SET paused = 0, pause_kind = NULL, paused_reason = NULL, paused_by = NULL, "
        "paused_at = NULL, resume_at = NULL WHERE job_id = ? AND paused = 1",
        (job_id,),
    ).rowcount
    if changed:
        events.write(connection, "resumed", Subject(job_id), now, {"by": by})
    return bool(changed)


def wake(connection: sqlite3.Connection, job_id: str, now: int) -> bool:
    """Make discovery due and stop waiting on timers; on a paused job nothing changes and it returns false."""
    with transaction(connection):
        woken = connection.execute(
            "UPDATE job_state SET wake_at = ? WHERE job_id = ? AND paused = 0", (now, job_id)
        ).rowcount
        if woken:
            connection.execute(
                "UPDATE item_stages SET not_before = 0 "
                "WHERE job_id = ? AND status = 'pending' AND not_before > ?",
                (job_id, now),
            )
            events.write(connection, "woken", Subject(job_id), now)
        return bool(woken)
