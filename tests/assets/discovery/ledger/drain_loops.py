"""What the processes of the tests with several processes run: claim, work, finish, until nothing is left.

They are forked from a server that has this module loaded, because loading it takes longer than the work.
"""

import multiprocessing
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from threading import Barrier

from assets.discovery.ledger import claims, finishing
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.finishing import Ended
from assets.discovery.ledger.owners import Owner
from assets.discovery.ledger.plans import JobPlan
from tests.assets.discovery.ledger.ledger_worlds import done, opened, plan

PRICE = 7
THREE_STAGES = plan("fetch", "extract", "score")
ONE_STAGE = plan("fetch")


def processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def now() -> int:
    return time.time_ns() // 1_000_000


def claim_all(folder: str, run_id: str, start: Barrier, to: Connection) -> None:
    """Claim until nothing is left, and tell the ids or what went wrong."""
    taken: list[int] = []
    try:
        start.wait(60)
        connection = opened(Path(folder))
        worker = Worker(str(Owner.of_this_process(run_id)), run_id)
        while found := claims.claim(connection, ONE_STAGE, worker, 25, now()).claims:
            taken += [claim.stage_id for claim in found]
        to.send(taken)
    except Exception as error:  # noqa: BLE001 - the test shows whatever it was
        to.send(repr(error))


def drain(folder: str, run_id: str, job: JobPlan, ready: Connection | None = None) -> None:
    """Claim and finish until nothing is left; every stage costs the same."""
    connection = opened(Path(folder))
    worker = Worker(str(Owner.of_this_process(run_id)), run_id)
    if ready is not None:
        ready.send("ready")
    while found := claims.claim(connection, job, worker, 10, now()).claims:
        for claim in found:
            payload = {"item": claim.item_id, "stage": claim.stage}
            finishing.finish(connection, job, [Ended(claim, done(payload), [Cost(PRICE)])], now())
    connection.close()
