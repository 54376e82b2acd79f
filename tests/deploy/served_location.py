"""What a running web server says: its code locations, and runs that are launched through it."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx

T = TypeVar("T")

PATIENCE: Final = 180.0
"""Seconds. Three processes that load the location at the same time take half a minute on a busy machine."""

_LOCATIONS: Final = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename ... on PythonError { message } }
} } } }"""
_LAUNCH: Final = """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""
_STATUS: Final = "query Status($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_ENDED: Final = ("SUCCESS", "FAILURE", "CANCELED")


def asked(port: int, query: str, **variables: Any) -> dict[str, Any]:
    """What the web server answers to a GraphQL query. Raises `httpx.TransportError` while there is none."""
    url = f"http://127.0.0.1:{port}/graphql"
    answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=PATIENCE)
    return answer.raise_for_status().json()["data"]


def shown_locations(port: int) -> dict[str, str]:
    """What is shown of each code location, once the web server answers and has reached the code servers."""

    def look() -> dict[str, str] | None:
        with suppress(httpx.TransportError):
            entries = asked(port, _LOCATIONS)["workspaceOrError"]["locationEntries"]
            shown = {entry["name"]: entry["locationOrLoadError"] for entry in entries}
            if shown and not any(_is_awaited(location) for location in shown.values()):
                return {name: it.get("message", it["__typename"]) for name, it in shown.items()}
        return None

    return awaited(look)


def ended_run(port: int, location: str, job: str) -> str:
    """Launch a run of a job as the web UI does; the status that it ends with."""
    selector = {
        "repositoryLocationName": location,
        "repositoryName": "__repository__",
        "jobName": job,
    }
    launched = asked(port, _LAUNCH, params={"selector": selector, "runConfigData": {}})["launchRun"]
    run_id = launched["run"]["runId"]

    def look() -> str | None:
        status = asked(port, _STATUS, id=run_id)["runOrError"]["status"]
        return status if status in _ENDED else None

    return awaited(look)


def awaited(look: Callable[[], T | None]) -> T:
    """What a look finds, which is repeated until it finds something."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.2)
    raise TimeoutError(f"Nothing was found within {PATIENCE:.0f} s.")


def _is_awaited(location: dict[str, str] | None) -> bool:
    return location is None or "CodeUnreachable" in location.get("message", "")
