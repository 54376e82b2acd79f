"""The GPUs of a beam at work: waiting for them, keeping them by a heartbeat, freeing those of dead runs.

What a lease is and when one is lost stands in `registry.leases`. Not here: asking the host (`gpu_inventory`),
stopping the engine of a lost lease (`engine_watch`).
"""

import sqlite3
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.nvidia_smi import Inventory
from assets.beams.registry import gpus, leases
from assets.beams.registry.leases import Lease
from assets.beams.settings import BeamSettings
from assets.beams.stages.gpu_inventory import asked_gpus
from assets.beams.stages.worker import Worker
from resources.compute_host import HostSession

ASK_EVERY: Final = timedelta(seconds=5)
"""How often a beam that waits asks for GPUs; on a full host `nvidia-smi` itself takes a second or two."""


def leased_gpus(worker: Worker, session: HostSession, host: str, settings: BeamSettings) -> tuple[Lease, ...]:
    """Wait for the GPUs of a beam, up to `BEAMS_GPU_WAIT_SECONDS`, and lease them.

    One answer of the host that is no good may be a hiccup of its driver; two in a row are not waited for.

    Raises:
        BeamFailure: `no_gpu`, which is pending: too few became free in time. `gpu_unknown`: the host does not
            say. `lease_lost`: the beam is being simulated by another run.
        Stopped: the worker was asked to end.
        HostError: the host cannot be reached.
    """
    until = worker.clock() + settings.gpu_wait
    answered = True
    while True:
        worker.require_no_stop()
        before = worker.clock()
        inventory = asked_gpus(session, settings.nvidia_smi)
        with closing(worker.connect()) as connection:
            free_dead_leases(connection, inventory, host, worker.active_runs, settings.gpu_grace, before)
            gpus.record(connection, host, inventory, settings.gpu_min_free_mib, before)
            if held := leases.acquire(connection, *_asked_for(worker, host, settings), worker.clock()):
                return held
        left = until - worker.clock()
        if left <= timedelta(0) or not (answered or inventory.state == "known"):
            inventory.require_known()
            raise _no_gpu(worker, inventory, host, settings)
        answered = inventory.state == "known"
        worker.wait(min(ASK_EVERY, left), worker.require_no_stop)


def free_dead_leases(
    connection: sqlite3.Connection,
    inventory: Inventory,
    host: str,
    active_runs: Callable[[Collection[str]], Collection[str]],
    grace: timedelta,
    now: datetime,
) -> tuple[Lease, ...]:
    """Free the leases on a host that nobody will end, by `leases.expire`, and return them."""
    owners = {lease.owner_run for lease in leases.held_on(connection, host)}
    return leases.expire(connection, inventory, active_runs(owners), grace, now) if owners else ()


class Heartbeat:
    """Keeps the leases of a beam while its block runs, from a thread with connections of its own.

    A beat that cannot be written is late, which loses nothing: the next one tries again. Only when the
    registry says that a lease is another's is it lost.
    """

    def __init__(self, worker: Worker, held: Sequence[Lease], every: timedelta = leases.HEARTBEAT) -> None:
        self._worker = worker
        self._held = held
        self._every = every.total_seconds()
        self._end = threading.Event()
        self._lost: BeamFailure | None = None
        self._thread = threading.Thread(target=self._beat, name="beam-leases", daemon=True)

    def __enter__(self) -> Self:
        if self._held:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._held:
            self._thread.join()

    def require_held(self) -> None:
        """Raise `lease_lost`, if a beat found that a lease is another's."""
        if self._lost is not None:
            raise self._lost

    def _beat(self) -> None:
        while self._lost is None and not self._end.wait(self._every):
            try:
                with closing(self._worker.connect()) as connection:
                    leases.heartbeat(connection, self._held, self._worker.clock())
            except BeamFailure as lost:
                self._lost = lost
            except Exception as error:  # noqa: BLE001 - whatever it was, the lease is this run's still
                self._worker.log(f"The leases of beam {self._worker.work.beam_id} were not kept: {error}")


def _asked_for(worker: Worker, host: str, settings: BeamSettings) -> tuple[str, str, str, int | None]:
    count = None if settings.gpus_per_beam == "all" else settings.gpus_per_beam
    return worker.work.beam_id, worker.work.run_id, host, count


def _no_gpu(worker: Worker, inventory: Inventory, host: str, settings: BeamSettings) -> BeamFailure:
    return beam_failure(
        "no_gpu",
        f"Beam {worker.work.beam_id} waited {settings.gpu_wait.total_seconds():g} s for"
        f" {settings.gpus_per_beam} of the {len(inventory.gpus)} GPUs of {host}: too few became idle;"
        " it stays queued and is asked for again.",
    )
