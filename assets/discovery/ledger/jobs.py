"""The jobs as the ledger knows them: what the jobs file says today, and what became of those it dropped.

History is never deleted: a job that leaves the file is orphaned. Not here: what a changed job means for the
rows of its items (`alignment`), pauses (`pauses`), budgets (`budgets`), cursors (`items`, `listings`).
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject
from assets.transactions import transaction

JobState = Literal["orphaned", "disabled", "paused", "over_budget", "cooling", "complete", "running", "idle"]


@dataclass(frozen=True, slots=True)
class JobEntry:
    """One job of the jobs file: its canonical configuration (secrets masked) and the SHA-256 of that."""

    job_id: str
    config_json: str
    config_hash: str
    enabled: bool = True


class Synced(NamedTuple):
    """The jobs that a sync changed."""

    added: list[str]
    changed: list[str]
    orphaned: list[str]


class Standing(NamedTuple):
    """A job's row, as far as discovery and people ask for it. Times are milliseconds UTC."""

    job_id: str
    enabled: int
    orphaned_at: int | None
    paused: int
    pause_kind: str | None
    paused_reason: str | None
    paused_at: int | None
    resume_at: int | None
    over_budget_until: int | None
    wake_at: int | None
    cursor_json: str | None
    validators_json: str | None
    last_discovery_at: int | None
    last_discovery_id: int | None
    mirror_seq: int


def sync(connection: sqlite3.Connection, entries: Sequence[JobEntry], now: int) -> Synced:
    """Make `job_state` say what the jobs file says: add, change, orphan and bring back, in one transaction.

    A changed configuration lets an over-budget job ask again: its limit may be what changed. A job that looks
    elsewhere now, or reads keys or dates otherwise, begins anew: its cursor and validators are dropped.
    """
    with transaction(connection):
        rows = connection.execute(
            "SELECT job_id, config_hash, enabled, orphaned_at FROM job_state"
        ).fetchall()
        known = {job_id: rest for job_id, *rest in rows}
        synced = Synced([], [], [])
        for entry in entries:
            if entry.job_id not in known:
                connection.execute("INSERT INTO job_state (job_id) VALUES (?)", (entry.job_id,))
                synced.added.append(entry.job_id)
            elif known[entry.job_id] != [entry.config_hash, int(entry.enabled), None]:
                payload: dict[str, object] = {"before": known[entry.job_id][0], "after": entry.config_hash}
                if not keeps_place(connection, entry):
                    connection.execute(
                        "UPDATE job_state SET cursor_json = NULL, validators_json = NULL WHERE job_id = ?",
                        (entry.job_id,),
                    )
                    payload["source_changed"] = True
                events.write(connection, "config_changed", Subject(entry.job_id), now, payload)
                synced.changed.append(entry.job_id)
            else:
                continue
            connection.execute(
                "UPDATE job_state SET config_json = ?, config_hash = ?, enabled = ?, orphaned_at = NULL, "
                "over_budget_until = NULL WHERE job_id = ?",
                (entry.config_json, entry.config_hash, int(entry.enabled), entry.job_id),
            )
        names = {entry.job_id for entry in entries}
        for job_id, (_, _, orphaned_at) in known.items():
            if job_id not in names and orphaned_at is None:
                connection.execute("UPDATE job_state SET orphaned_at = ? WHERE job_id = ?", (now, job_id))
                events.write(connection, "config_changed", Subject(job_id), now, {"orphaned": True}, "warn")
                synced.orphaned.append(job_id)
    return synced


def keeps_place(connection: sqlite3.Connection, entry: JobEntry) -> bool:
    """Whether the cursor and validators that are stored for a job are of the source that it has now."""
    row = connection.execute("SELECT config_json FROM job_state WHERE job_id = ?", (entry.job_id,)).fetchone()
    return row is not None and _source(row[0]) == _source(entry.config_json)


def _source(config_json: str) -> list[object]:
    """What of a job's configuration its cursor and validators depend on."""
    config = json.loads(config_json)
    discovery = config.get("discovery") or {}
    read = [discovery.get(name) for name in ("strategy", "params", "key_field")]
    return [*read, config.get("timezone"), config.get("replay")]


def standing(connection: sqlite3.Connection, job_id: str) -> Standing | None:
    """The job's row; `None` if the ledger does not know it."""
    row = connection.execute(
        "SELECT job_id, enabled, orphaned_at, paused, pause_kind, paused_reason, paused_at, resume_at, "
        "over_budget_until, wake_at, cursor_json, validators_json, last_discovery_at, last_discovery_id, "
        "mirror_seq FROM job_state WHERE job_id = ?",
        (job_id,),
    ).fetchone()
    return Standing._make(row) if row else None


def state_of(connection: sqlite3.Connection, job_id: str, now: int, *, is_backfill: bool = False) -> JobState:
    """The one word for a job that people see. Raises `KeyError` for a job that the ledger does not know."""
    row = standing(connection, job_id)
    if row is None:
        raise KeyError(job_id)
    return _stopped(row, now) or _going(connection, job_id, now, is_backfill)


def _stopped(row: Standing, now: int) -> JobState | None:
    if row.orphaned_at is not None:
        return "orphaned"
    if not row.enabled:
        return "disabled"
    if row.paused:
        return "paused"
    is_over = row.over_budget_until is not None and row.over_budget_until > now
    return "over_budget" if is_over else None


def _going(connection: sqlite3.Connection, job_id: str, now: int, is_backfill: bool) -> JobState:
    if _is_cooling(connection, job_id, now):
        return "cooling"
    if is_backfill and _is_complete(connection, job_id):
        return "complete"
    live = "SELECT 1 FROM item_stages WHERE job_id = ? AND status = 'in_progress' AND lease_until > ?"
    return "running" if connection.execute(live, (job_id, now)).fetchone() else "idle"


def _is_cooling(connection: sqlite3.Connection, job_id: str, now: int) -> bool:
    query = "SELECT 1 FROM limiters WHERE name >= ? AND name < ? AND state = 'open' AND cooldown_until > ?"
    return connection.execute(query, (f"breaker:{job_id}/", f"breaker:{job_id}0", now)).fetchone() is not None


def _is_complete(connection: sqlite3.Connection, job_id: str) -> bool:
    listing = connection.execute(
        "SELECT complete FROM discoveries WHERE job_id = ? AND outcome = 'ok' ORDER BY id DESC LIMIT 1",
        (job_id,),
    ).fetchone()
    waiting = connection.execute(
        "SELECT 1 FROM item_stages WHERE job_id = ? AND status IN ('pending', 'in_progress') LIMIT 1",
        (job_id,),
    ).fetchone()
    return listing is not None and bool(listing[0]) and waiting is None


def set_mirrored(connection: sqlite3.Connection, job_id: str, seq: int) -> None:
    """Remember up to which event the job's finished items are known elsewhere; it never goes back."""
    with transaction(connection):
        connection.execute(
            "UPDATE job_state SET mirror_seq = max(mirror_seq, ?) WHERE job_id = ?", (seq, job_id)
        )
