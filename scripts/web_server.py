"""What a Dagster web server on this machine answers: to a question, and which code locations it has.

Not here: where one is (`web_address`), and its pages (`ui_session`).
"""

from contextlib import suppress
from typing import Any, Final

import httpx

PATIENCE_S: Final = 120.0
"""For one answer, which takes as long as the code location does on a busy machine."""

LOADED: Final = "RepositoryLocation"

_LOCATIONS: Final = """{ workspaceOrError { ... on Workspace { locationEntries { name
    locationOrLoadError { __typename ... on PythonError { message causes { message } } } } } } }"""
# Until its process listens, a location is shown as one that cannot be reached.
_NOT_YET: Final = "CodeUnreachable"


def ask(address: str, query: str, timeout_s: float = PATIENCE_S, **variables: Any) -> dict[str, Any]:
    """What the server answers to a GraphQL query.

    Raises:
        httpx.HTTPError: nobody answers there, or not as a web server of Dagster does.
    """
    question = {"query": query, "variables": variables}
    # A proxy of the environment has nothing to do with this machine.
    answer = httpx.post(f"{address}/graphql", json=question, timeout=timeout_s, trust_env=False)
    return answer.raise_for_status().json()["data"]


def shown_locations(address: str, timeout_s: float = PATIENCE_S) -> dict[str, str] | None:
    """What is shown of each code location: `LOADED`, or the innermost reason why it does not load.

    `None` while the server does not answer, or waits for a location.
    """
    with suppress(httpx.TransportError):
        entries = ask(address, _LOCATIONS, timeout_s)["workspaceOrError"]["locationEntries"]
        found = {entry["name"]: entry["locationOrLoadError"] for entry in entries}
        if found and not any(_is_awaited(location) for location in found.values()):
            return {name: _shown(location) for name, location in found.items()}
    return None


def _is_awaited(location: dict[str, Any] | None) -> bool:
    return location is None or _NOT_YET in location.get("message", "")


def _shown(location: dict[str, Any]) -> str:
    if location["__typename"] == LOADED:
        return LOADED
    # The outermost error says only that there was one.
    return [error["message"].strip() for error in (location, *location["causes"])][-1]
