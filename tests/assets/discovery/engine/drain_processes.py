"""What the processes of the tests with several processes run: whole drains of one job, on one ledger.

They are forked from a server that has this module loaded, because loading it takes longer than the work.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Barrier, Event
from typing import Any

from assets.discovery.contract import Skip, Work
from assets.failures import PermanentFailure
from tests.assets.discovery.engine.drain_worlds import World

PRICE = 7
BIG = 120_000


def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def shop(folder: Path, run_id: str) -> World:
    """A job of three stages whose handlers pay, and leave something outside that must be there once.

    Its retries do not wait and its breakers never open, so that only the leases decide when a row goes on;
    those last longer than any test.
    """
    effects = folder / "effects"
    effects.mkdir(parents=True, exist_ok=True)

    def effect(work: Work) -> None:
        """Idempotent by the key that every attempt shares; the place of a second effect would be seen."""
        (effects / work.idempotency_key).write_text(f"{work.key} {work.stage}")

    def fetch(work: Work) -> Any:
        effect(work)
        work.add_cost(PRICE)
        time.sleep(0.004)
        n = int(work.key[1:])
        return Skip("a fifth") if n % 5 == 0 else {"n": n, "text": "x" * (BIG if n % 20 == 1 else 10)}

    async def extract(work: Work) -> Any:
        effect(work)
        work.add_cost(PRICE)
        if int(work.key[1:]) % 7 == 0:
            raise PermanentFailure("a seventh")
        return {"size": len(work.inputs.get("fetch", {}).get("text", ""))}

    def score(work: Work) -> Any:
        effect(work)
        work.add_cost(PRICE)
        return {"score": work.inputs["extract"]["size"] + 1}

    return World(
        folder,
        {"fetch": fetch, "extract": extract, "score": score},
        stage=dict.fromkeys(("fetch", "extract", "score"), 'cost_estimate_usd: "0.000007"'),
        job="retry: {max_attempts: 50, base_s: 0.001, jitter: 0}\nbreaker: {min_calls: 10000, window: 10000}",
        runner="lease_s: 3000, concurrency: 4, claim_batch: 10, reconcile_every_s: 1",
        run_id=run_id,
    )


def drain(folder: str, run_id: str, ready: Connection | None = None, start: Barrier | None = None) -> None:
    """Drain the shop until nothing is left; `ready` is told before, `start` is where others are met."""
    world = shop(Path(folder), run_id)
    if ready is not None:
        ready.send("ready")
    if start is not None:
        start.wait(60)
    world.drain()


def drain_with_handlers_that_never_return(folder: str) -> None:
    """Every handler outlives its drain by far; the process is to end all the same."""

    def plain(work: Work) -> Any:
        Event().wait(10_000)

    async def awaiting(work: Work) -> Any:
        Event().wait(10_000)

    world = World(
        Path(folder),
        {"plain": plain, "awaiting": awaiting},
        stage={"plain": "timeout_s: 0.1", "awaiting": "timeout_s: 0.1, needs: []"},
        job="retry: {max_attempts: 1}",
        runner="grace_s: 0.1",
    )
    world.add("a", "b")
    world.drain()
