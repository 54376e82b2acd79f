"""A handler for tests of the Dagster side: what it does is in the data of each item, under `do`."""

import threading
import time

from assets.discovery.contract import Skip, Work
from assets.failures import PermanentFailure, TransientFailure

HANDLER_VERSION = "1"

STARTED = threading.Event()
"""Set when an item that blocks has begun."""
GO_ON = threading.Event()
"""What an item that blocks waits for."""


def handle(work: Work):
    match work.data.get("do"):
        case "fail":
            raise PermanentFailure(f"{work.key} cannot be worked on")
        case "fail_later" if work.stage == "more":
            raise PermanentFailure(f"{work.key} cannot be worked on any more")
        case "retry":
            raise TransientFailure(f"{work.key} is not there yet")
        case "skip":
            return Skip("nothing to do")
        case "defect":
            raise RuntimeError("a defect")
        case "pay":
            work.add_cost(250_000, provider="test", model="m")
        case "block":
            STARTED.set()
            deadline = time.monotonic() + 30
            while not GO_ON.wait(0.05) and time.monotonic() < deadline:
                work.log("waits")
    return {"key": work.key, "stage": work.stage}
