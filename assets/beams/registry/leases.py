"""Leases: the right of one run to one GPU, with a fencing token that only rises. Transactions of their own.

A held row is owner and lock in one, and one held row per GPU is all that the table allows. Whoever writes
for a beam that has GPUs shows its leases first (`require_held`); once another has got them, that is
`lease_lost`.
A lease is its owner's until somebody frees it by `expire`: to be late is not to have lost it.

Not here: what the host says of its GPUs (`gpus`), waiting for one, ending the engine of a lost lease.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.nvidia_smi import Inventory
from assets.beams.registry import engine_faults
from assets.beams.registry.instants import stamp
from assets.transactions import transaction

HEARTBEAT: Final = timedelta(seconds=10)
LIFETIME: Final = 3 * HEARTBEAT
FRESH: Final = timedelta(seconds=30)
"""How old an inventory may be to give out GPUs by it: twice the time that `nvidia-smi` gets to answer."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A GPU of a host, as it was given to a run for a beam."""

    uuid: str
    token: int
    owner_run: str
    beam_id: str
    host: str


class HeldLease(NamedTuple):
    """A lease that is held, with its times."""

    uuid: str
    token: int
    owner_run: str
    beam_id: str
    acquired_at: str
    heartbeat_at: str
    expires_at: str


def acquire(
    connection: sqlite3.Connection,
    beam_id: str,
    run_id: str,
    host: str,
    count: int | None,
    now: datetime,
) -> tuple[Lease, ...]:
    """Give a run exactly `count` idle GPUs of the host, lowest index first, or none if there are fewer.

    `None` asks for every idle one, at least one. Idle is what an inventory of the last 30 s showed so.

    Raises:
        BeamFailure: `lease_lost`, where another lease of this beam is held: one beam never runs twice.
        ValueError: `count` is below 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"A beam cannot be given {count} GPUs.")
    with transaction(connection):
        _refuse_second_simulation(connection, beam_id)
        idle = connection.execute(
            "SELECT uuid, (SELECT coalesce(max(token), 0) + 1 FROM leases AS past WHERE past.uuid = gpu.uuid)"
            " FROM gpu_resources AS gpu WHERE host = ? AND status = 'idle' AND seen_at >= ? AND NOT EXISTS"
            " (SELECT 1 FROM leases AS held WHERE held.uuid = gpu.uuid AND held.state = 'held')"
            " ORDER BY gpu_index, uuid LIMIT ?",
            (host, stamp(now - FRESH), -1 if count is None else count),
        ).fetchall()
        if len(idle) < (count or 1):
            return ()
        leases = tuple(Lease(uuid, token, run_id, beam_id, host) for uuid, token in idle)
        for lease in leases:
            _insert(connection, lease, now)
    return leases


def heartbeat(connection: sqlite3.Connection, leases: Sequence[Lease], now: datetime) -> None:
    """Keep leases for another 30 s; to be called every 10 s.

    Raises:
        BeamFailure: `lease_lost`, where one of them is no longer this run's; then none is kept longer.
    """
    with transaction(connection):
        require_held(connection, leases)
        for lease in leases:
            connection.execute(
                "UPDATE leases SET heartbeat_at = max(heartbeat_at, ?), expires_at = max(expires_at, ?)"
                " WHERE uuid = ? AND token = ? AND owner_run = ? AND state = 'held'",
                (stamp(now), stamp(now + LIFETIME), *_identity(lease)),
            )


def require_held(connection: sqlite3.Connection, leases: Iterable[Lease]) -> None:
    """Within the caller's transaction: raise `lease_lost` unless every lease is still held by its run."""
    for lease in leases:
        held = "SELECT 1 FROM leases WHERE uuid = ? AND token = ? AND owner_run = ? AND state = 'held'"
        if connection.execute(held, _identity(lease)).fetchone() is None:
            raise lease_lost(lease)


def lease_lost(lease: Lease) -> BeamFailure:
    """The failure of a worker whose GPU is no longer its own."""
    return beam_failure(
        "lease_lost",
        f"Beam {lease.beam_id}: token {lease.token} of GPU {lease.uuid} is no longer held by run"
        f" {lease.owner_run}; its engine has to stop, and the beam is run again.",
    )


def release(connection: sqlite3.Connection, leases: Iterable[Lease], now: datetime) -> None:
    """End leases by their own run; those that it no longer holds stay as they are.

    A GPU on which engines failed three times in a row, this time included, is `quarantined` with its lease
    until a person frees it (`gpus.end_quarantine`). So the failure is written before the release.
    """
    with transaction(connection):
        for lease in leases:
            barred = _is_quarantined(connection, lease.uuid) or engine_faults.too_many(
                connection, lease.uuid, lease.token
            )
            _end(connection, lease, "quarantined" if barred else "released", now)


def expire(
    connection: sqlite3.Connection,
    inventory: Inventory,
    active_runs: Collection[str],
    grace: timedelta,
    now: datetime,
) -> tuple[Lease, ...]:
    """Free the leases that nobody will end; return them.

    Such a lease is older than `grace`, past its expiry, of a run that is not active (unknown runs are not),
    and the inventory shows its GPU without any process. An unknown inventory frees none.
    """
    empty = [gpu.uuid for gpu in inventory.gpus if not gpu.compute_processes]
    with transaction(connection):
        rows = connection.execute(
            "SELECT uuid, token, owner_run, beam_id, host FROM leases WHERE state = 'held'"
            " AND acquired_at < ? AND expires_at <= ?"
            " AND uuid IN (SELECT value FROM json_each(?))"
            " AND owner_run NOT IN (SELECT value FROM json_each(?)) ORDER BY uuid",
            (stamp(now - grace), stamp(now), json.dumps(empty), json.dumps(sorted(active_runs))),
        )
        leases = tuple(Lease(*row) for row in rows.fetchall())
        for lease in leases:
            _end(connection, lease, "expired", now)
    return leases


def adopt(
    connection: sqlite3.Connection, beam_id: str, run_id: str, active_runs: Collection[str], now: datetime
) -> tuple[Lease, ...]:
    """Hand the leases that a dead run left on a beam to the run that re-attaches to its engine.

    Tokens stay, for the engine's folder on the host is named by them; the dead run is fenced off by its id.
    Returns all that the beam holds, nothing if it holds none.

    Raises:
        BeamFailure: `lease_lost`, where their run is still active.
    """
    with transaction(connection):
        before = held_by_beam(connection, beam_id)
        for lease in before:
            if lease.owner_run != run_id and lease.owner_run in active_runs:
                raise _beam_in_hand(lease)
        connection.execute(
            "UPDATE leases SET owner_run = ?, heartbeat_at = ?, expires_at = ?"
            " WHERE beam_id = ? AND state = 'held'",
            (run_id, stamp(now), stamp(now + LIFETIME), beam_id),
        )
        return held_by_beam(connection, beam_id)


def quarantine(connection: sqlite3.Connection, uuid: str, now: datetime) -> None:
    """Bar a GPU, and end its lease, if it has one, as `quarantined`: its worker loses it."""
    with transaction(connection):
        connection.execute(
            "UPDATE leases SET state = 'quarantined', ended_at = ? WHERE uuid = ? AND state = 'held'",
            (stamp(now), uuid),
        )
        connection.execute("UPDATE gpu_resources SET status = 'quarantined' WHERE uuid = ?", (uuid,))


def held_by_beam(connection: sqlite3.Connection, beam_id: str) -> tuple[Lease, ...]:
    """The leases that are held for a beam, by GPU."""
    rows = connection.execute(
        "SELECT uuid, token, owner_run, beam_id, host FROM leases"
        " WHERE beam_id = ? AND state = 'held' ORDER BY uuid",
        (beam_id,),
    )
    return tuple(Lease(*row) for row in rows)


def held_on(connection: sqlite3.Connection, host: str) -> list[HeldLease]:
    """The leases that are held on a host, by GPU."""
    columns = ", ".join(HeldLease._fields)
    query = f"SELECT {columns} FROM leases WHERE host = ? AND state = 'held' ORDER BY uuid"  # noqa: S608 - of constants
    return [HeldLease._make(row) for row in connection.execute(query, (host,))]


def _refuse_second_simulation(connection: sqlite3.Connection, beam_id: str) -> None:
    for lease in held_by_beam(connection, beam_id):
        raise _beam_in_hand(lease)


def _beam_in_hand(lease: Lease) -> BeamFailure:
    return beam_failure(
        "lease_lost",
        f"Beam {lease.beam_id} holds GPU {lease.uuid} for run {lease.owner_run}: one beam is never simulated"
        " twice at a time; wait until that lease ends.",
    )


def _insert(connection: sqlite3.Connection, lease: Lease, now: datetime) -> None:
    connection.execute(
        "INSERT INTO leases (uuid, token, owner_run, beam_id, host, state, acquired_at, heartbeat_at,"
        " expires_at) VALUES (?, ?, ?, ?, ?, 'held', ?, ?, ?)",
        (
            lease.uuid,
            lease.token,
            lease.owner_run,
            lease.beam_id,
            lease.host,
            stamp(now),
            stamp(now),
            stamp(now + LIFETIME),
        ),
    )
    connection.execute("UPDATE gpu_resources SET status = 'held' WHERE uuid = ?", (lease.uuid,))


def _end(connection: sqlite3.Connection, lease: Lease, state: str, now: datetime) -> None:
    """End a lease that is still held as it says; the GPU is idle again only when an inventory says so."""
    ended = connection.execute(
        "UPDATE leases SET state = ?, ended_at = ?"
        " WHERE uuid = ? AND token = ? AND owner_run = ? AND state = 'held'",
        (state, stamp(now), *_identity(lease)),
    )
    if ended.rowcount == 0:
        return
    status = "quarantined" if state == "quarantined" else "unknown"
    connection.execute(
        "UPDATE gpu_resources SET status = ? WHERE uuid = ? AND status <> 'quarantined'", (status, lease.uuid)
    )


def _is_quarantined(connection: sqlite3.Connection, uuid: str) -> bool:
    query = "SELECT 1 FROM gpu_resources WHERE uuid = ? AND status = 'quarantined'"
    return connection.execute(query, (uuid,)).fetchone() is not None


def _identity(lease: Lease) -> tuple[str, int, str]:
    return lease.uuid, lease.token, lease.owner_run
