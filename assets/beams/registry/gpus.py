"""The GPUs of the hosts as they were last seen, and who holds them. Transactions of their own.

The status of a row is what the last inventory and the lease together say. It locks nothing: the one lock is
a held row of `leases`, so no poll can ever free a GPU. `quarantined` stays over all polls until a person ends
it. Not here: asking the host (`nvidia_smi` reads its answer), giving out GPUs (`leases`).
"""

import json
import sqlite3
from dataclasses import asdict
from datetime import datetime
from typing import Literal, NamedTuple

from assets.beams.nvidia_smi import Gpu, Inventory
from assets.beams.registry.instants import stamp
from assets.transactions import transaction

Status = Literal["idle", "held", "foreign", "small", "quarantined", "vanished", "unknown"]


class GpuRow(NamedTuple):
    """A GPU as the registry knows it."""

    uuid: str
    host: str
    gpu_index: int
    name: str | None
    memory_total_mib: int | None
    memory_used_mib: int | None
    memory_free_mib: int | None
    temperature_c: int | None
    utilization_percent: int | None
    core_clock_mhz: int | None
    status: Status
    seen_at: str


_UPSERT = """
INSERT INTO gpu_resources (uuid, host, gpu_index, name, memory_total_mib, memory_used_mib, memory_free_mib,
    temperature_c, utilization_percent, core_clock_mhz, status, seen_at)
VALUES (:uuid, :host, :index, :name, :memory_total_mib, :memory_used_mib, :memory_free_mib,
    :temperature_c, :utilization_percent, :core_clock_mhz, :status, :now)
ON CONFLICT (uuid) DO UPDATE SET host = excluded.host, gpu_index = excluded.gpu_index, name = excluded.name,
    memory_total_mib = excluded.memory_total_mib, memory_used_mib = excluded.memory_used_mib,
    memory_free_mib = excluded.memory_free_mib, temperature_c = excluded.temperature_c,
    utilization_percent = excluded.utilization_percent, core_clock_mhz = excluded.core_clock_mhz,
    status = iif(status = 'quarantined', status, excluded.status), seen_at = excluded.seen_at
WHERE seen_at <= excluded.seen_at
"""


def record(
    connection: sqlite3.Connection, host: str, inventory: Inventory, min_free_mib: int, now: datetime
) -> None:
    """Keep an inventory of a host that was asked for at `now`; an older one than is kept changes nothing.

    A GPU of the host that a good answer does not show becomes `vanished`; where the inventory is unknown,
    none stays `idle`. Quarantined ones stay so.
    """
    with transaction(connection):
        held = {uuid for (uuid,) in connection.execute("SELECT uuid FROM leases WHERE state = 'held'")}
        absent = "unknown" if inventory.state == "unknown" else "vanished"
        shown = json.dumps([gpu.uuid for gpu in inventory.gpus])
        connection.execute(
            "UPDATE gpu_resources SET status = :absent WHERE host = :host AND status <> 'quarantined'"
            " AND seen_at <= :now AND uuid NOT IN (SELECT value FROM json_each(:shown))",
            {"host": host, "now": stamp(now), "absent": absent, "shown": shown},
        )
        for gpu in inventory.gpus:
            status = _status(gpu, min_free_mib, is_held=gpu.uuid in held)
            connection.execute(_UPSERT, {**asdict(gpu), "host": host, "status": status, "now": stamp(now)})


def listed(connection: sqlite3.Connection, host: str) -> list[GpuRow]:
    """The GPUs of a host, by index."""
    columns = ", ".join(GpuRow._fields)
    query = f"SELECT {columns} FROM gpu_resources WHERE host = ? ORDER BY gpu_index, uuid"  # noqa: S608 - of constants
    return [GpuRow._make(row) for row in connection.execute(query, (host,))]


def quarantined(connection: sqlite3.Connection) -> list[str]:
    """The UUIDs of all GPUs that are barred."""
    query = "SELECT uuid FROM gpu_resources WHERE status = 'quarantined' ORDER BY uuid"
    return [uuid for (uuid,) in connection.execute(query)]


def end_quarantine(connection: sqlite3.Connection, uuid: str) -> bool:
    """Let a GPU be used again, by a person's word, from the next inventory on; False if it was not barred."""
    with transaction(connection):
        cursor = connection.execute(
            "UPDATE gpu_resources SET status = 'unknown' WHERE uuid = ? AND status = 'quarantined'", (uuid,)
        )
        return cursor.rowcount == 1


def _status(gpu: Gpu, min_free_mib: int, *, is_held: bool) -> Status:
    observed = gpu.observed(min_free_mib)
    return "held" if is_held and observed != "quarantined" else observed
