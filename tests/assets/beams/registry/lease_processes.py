"""What the processes of the lease test run: take GPUs, look that nobody else is there, give them back.

They are forked from a server that has this module loaded, because loading it takes longer than the work.
"""

import multiprocessing
import os
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Barrier

from assets.beams.registry import gpus, leases
from tests.assets.beams.registry.registry_worlds import HOST, MIN_FREE_MIB, gpu_line, inventory, opened

GPUS = 4
TURNS = 25


def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def contend(folder: str, number: int, start: Barrier, to: Connection) -> None:
    """Take and give back one or two GPUs again and again; tell the tokens got, or what went wrong."""
    got: list[tuple[str, int]] = []
    try:
        connection = opened(Path(folder))
        start.wait(60)
        for turn in range(TURNS):
            now = datetime.now(UTC)
            answer = inventory(*map(gpu_line, range(GPUS)))
            gpus.record(connection, HOST, answer, MIN_FREE_MIB, now)
            owner = f"run-{number}-{turn}"
            held = leases.acquire(connection, f"beam-{number}", owner, HOST, 1 + number % 2, now)
            marks = [Path(folder) / f"{lease.uuid}.in-use" for lease in held]
            for mark in marks:  # The engine's own view: two on one GPU would meet here.
                os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
            leases.heartbeat(connection, held, datetime.now(UTC))
            for mark in marks:
                mark.unlink()
            leases.release(connection, held, datetime.now(UTC))
            got += [(lease.uuid, lease.token) for lease in held]
        to.send(got)
    except Exception as error:  # noqa: BLE001 - the test shows whatever it was
        to.send(repr(error))
