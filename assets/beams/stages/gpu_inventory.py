"""Asking a compute host for its GPUs, keeping the answer in the registry, and showing both together.

Not here: reading the answers of `nvidia-smi` (`assets.beams.nvidia_smi`), giving out GPUs (`gpu_lease`).
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from assets.beams.nvidia_smi import (
    GPU_QUERY,
    PROCESS_QUERY,
    TIMEOUT_SECONDS,
    Answer,
    Gpu,
    Inventory,
    read_inventory,
)
from assets.beams.registry import gpus, leases
from assets.beams.registry.gpus import GpuRow
from assets.beams.settings import BeamSettings
from resources.compute_host import ComputeHost, HostError, HostSession

_NOT_FOUND: Final = 127
_SHOWN_OF_A_GPU: Final = (
    *("name", "memory_total_mib", "memory_used_mib", "memory_free_mib"),
    *("temperature_c", "utilization_percent", "core_clock_mhz"),
)


def asked_gpus(session: HostSession, nvidia_smi: str) -> Inventory:
    """What the host's `nvidia-smi` says now; unknown where a query fails, hangs or cannot be asked."""
    asked = (_answer(session, [nvidia_smi, *query]) for query in (GPU_QUERY, PROCESS_QUERY))
    return read_inventory(*asked)


def recorded_gpus(
    connection: sqlite3.Connection,
    session: HostSession,
    host: str,
    settings: BeamSettings,
    clock: Callable[[], datetime],
) -> Inventory:
    """The GPUs of a host, kept in the registry as seen before the host was asked, so never as too new."""
    before = clock()
    inventory = asked_gpus(session, settings.nvidia_smi)
    gpus.record(connection, host, inventory, settings.gpu_min_free_mib, before)
    return inventory


def gpus_document(
    connection: sqlite3.Connection,
    host: ComputeHost,
    settings: BeamSettings,
    clock: Callable[[], datetime],
) -> dict[str, Any]:
    """The document of `gpus --json`; a host that cannot be reached is an inventory that is unknown."""
    before = clock()
    try:
        with host.connect() as session:
            inventory = asked_gpus(session, settings.nvidia_smi)
    except HostError as error:
        inventory = Inventory("unknown", f"the host {host.name} does not answer: {error}")
    gpus.record(connection, host.name, inventory, settings.gpu_min_free_mib, before)
    return {
        "state": inventory.state,
        "reason": inventory.reason,
        "gpus": _shown_gpus(connection, host.name, inventory, settings.gpu_min_free_mib),
        "rejected_rows": [asdict(row) for row in inventory.rejected_rows],
    }


def _shown_gpus(
    connection: sqlite3.Connection, host: str, inventory: Inventory, min_free_mib: int
) -> list[dict[str, Any]]:
    """Every GPU of a known inventory, and those that the registry knows and the host does not show."""
    if inventory.state == "unknown":
        return []
    seen = {gpu.uuid: gpu for gpu in inventory.gpus}
    held = {lease.uuid: lease for lease in leases.held_on(connection, host)}
    shown: list[dict[str, Any]] = []
    for row in gpus.listed(connection, host):
        gpu, lease = seen.get(row.uuid), held.get(row.uuid)
        shown.append(
            {
                "index": row.gpu_index,
                "uuid": row.uuid,
                **{name: getattr(row, name) for name in _SHOWN_OF_A_GPU},
                "compute_processes": None if gpu is None else gpu.compute_processes,
                "status": _status(row, gpu, min_free_mib),
                "lease": None if lease is None else lease._asdict(),
            }
        )
    return shown


def _status(row: GpuRow, gpu: Gpu | None, min_free_mib: int) -> str:
    """The status of a row; a lease that ended since the host was asked leaves none, then what was seen."""
    if row.status != "unknown":
        return row.status
    return "vanished" if gpu is None else gpu.observed(min_free_mib)


def _answer(session: HostSession, argv: Sequence[str]) -> Answer:
    """What came back from one query. A lost connection is no answer of the tool, and passes through."""
    try:
        result = session.run(argv, timeout_s=TIMEOUT_SECONDS)
    except HostError as error:
        if error.code != "ssh_timeout":
            raise
        return Answer(problem=f"no answer within {TIMEOUT_SECONDS} s")
    if result.exit_code == 0:
        return Answer(stdout=result.stdout.decode("utf-8", "replace"))
    if result.exit_code == _NOT_FOUND:
        return Answer(problem=f"{argv[0]} is not found on the host")
    if result.exit_code is None:
        return Answer(problem=f"it was killed by signal {result.signal}")
    return Answer(problem=f"exit code {result.exit_code}")
