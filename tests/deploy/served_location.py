"""What is waited for of a running web server, such as the end of a run that is launched through it."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from scripts.web_server import ask

T = TypeVar("T")

PATIENCE: Final = 180.0
"""Seconds. Three processes that load the location at the same time take half a minute on a busy machine."""

_LAUNCH: Final = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""
_STATUS: Final = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_ENDED: Final = ("SUCCESS", "FAILURE", "CANCELED")


def ended_run(address: str, location: str, job: str) -> str:
    """Launch a run of a job as the web UI does; the status that it ends with."""
    selector = {
        "repositoryLocationName": location,
        "repositoryName": "__repository__",
        "jobName": job,
    }
    launched = ask(address, _LAUNCH, params={"selector": selector, "runConfigData": {}})["launchRun"]
    run_id = launched["run"]["runId"]

    def look() -> str | None:
        status = ask(address, _STATUS, id=run_id)["runOrError"]["status"]
        return status if status in _ENDED else None

    return awaited(look)


def awaited(look: Callable[[], T | None], patience: float = PATIENCE) -> T:
    """What a look finds, which is repeated until it finds something."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"Nothing was found within {patience:.0f} s.")
