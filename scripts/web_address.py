"""Where the web UI of a home is: `make dev` notes its address, and who has results to show asks there.

What is noted may be long out of date, so nobody is sent there before it has shown that it knows the results.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster import DagsterInstance

_KNOWS_RUN = "query ($run: ID!) { runOrError(runId: $run) { __typename } }"


def note_address(home: Path, address: str) -> None:
    """Keep the address of the web UI that was started last on this Quintet home."""
    file = _file(home)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{address}\n", encoding="ascii")


def served_at(home: Path, instance: "DagsterInstance", usual: str) -> str | None:
    """The noted or the usual address, whichever has a web UI that knows the newest run of the instance."""
    newest = instance.get_run_ids(limit=1)
    addresses = (*_noted(home), usual) if newest else ()
    return next((address for address in addresses if _knows(address, newest[0])), None)


def _file(home: Path) -> Path:
    return home / "work" / "web_address"


def _noted(home: Path) -> tuple[str, ...]:
    try:
        return (_file(home).read_text("ascii").strip(),)
    except (OSError, UnicodeDecodeError):
        return ()


def _knows(address: str, run_id: str) -> bool:
    import httpx

    from scripts.web_server import ask

    try:
        return ask(address, _KNOWS_RUN, timeout_s=5, run=run_id)["runOrError"]["__typename"] == "Run"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError):
        return False
