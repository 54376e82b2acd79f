"""A handler that does what its item's data, or else its stage's params, say in `does`."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assets.discovery.contract import AuthFailure, Skip, Work
from assets.failures import PermanentFailure, TransientFailure

HANDLER_VERSION = "1"

FAILURES: Mapping[str, Callable[[], Exception]] = {
    "fail": lambda: PermanentFailure("https://example.com/page?token=hush-hush is not there (404)"),
    "try again": lambda: TransientFailure("the service is busy"),
    "refuse": lambda: AuthFailure("the service refused the key (401)"),
    "break": lambda: KeyError("a defect"),
}


def handle(work: Work) -> Mapping[str, Any] | Skip:
    """Do it."""
    does = str(work.data.get("does") or work.params.get("does"))
    if does in FAILURES:
        raise FAILURES[does]()
    match does:
        case "skip":
            return Skip("too short")
        case "pay":
            work.add_cost(300_000, "acme", "large")
        case "speak":
            sys.stdout.write("a handler that speaks\n")
            work.log("a handler that logs", words=4)
        case "wait":
            _wait(work)
        case "tell":
            return {"url": "https://example.com/?token=hush-hush"}
    return {"word": work.data.get("value")}


def _wait(work: Work) -> None:
    """Say that it has begun, and go on for up to 30 s; writing to the log ends it when the run ends."""
    Path(str(work.params["begun"])).touch()
    for _ in range(600):
        time.sleep(0.05)
        work.log("still at it")
