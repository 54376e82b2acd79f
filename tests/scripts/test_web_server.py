"""What a web server of this machine answers, whatever the environment has for the rest of the world."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from scripts.dev import any_free_port
from scripts.web_server import LOADED, ask, shown_locations

Answer = Callable[[Any], None]

LOCATION = {"__typename": LOADED}
STARTING = {"__typename": "PythonError", "message": "DagsterUserCodeUnreachableError: …", "causes": []}
BROKEN = {
    "__typename": "PythonError",
    "message": "The location failed.\n",
    "causes": [{"message": "ImportError\n"}, {"message": "KeyError: 'x'\n"}],
}


@pytest.fixture
def address() -> Iterator[tuple[str, Answer]]:
    """A server, and what sets the data of its answers."""
    data: list[Any] = [None]

    class Server(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200 if data[-1] is not None else 500)
            self.end_headers()
            self.wfile.write(json.dumps({"data": data[-1]}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base has this name.
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", data.append
        server.shutdown()
        thread.join()


def locations(**found: Any) -> dict[str, Any]:
    entries = [{"name": name, "locationOrLoadError": location} for name, location in found.items()]
    return {"workspaceOrError": {"locationEntries": entries}}


def test_a_proxy_of_the_environment_is_not_asked(address, monkeypatch):
    where, answer = address
    answer({"version": "1"})
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{any_free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert ask(where, "{ version }") == {"version": "1"}


def test_an_answer_that_is_an_error_is_none(address):
    with pytest.raises(httpx.HTTPStatusError):
        ask(address[0], "{ version }")


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ({}, None),
        ({"ours": None}, None),
        ({"ours": LOCATION, "other": STARTING}, None),
        ({"ours": LOCATION, "other": BROKEN}, {"ours": LOADED, "other": "KeyError: 'x'"}),
        ({"ours": {**BROKEN, "causes": []}}, {"ours": "The location failed."}),
    ],
)
def test_locations_are_shown_once_none_is_waited_for(address, found, shown):
    where, answer = address
    answer(locations(**found))
    assert shown_locations(where) == shown


def test_a_server_that_is_not_there_shows_nothing():
    assert shown_locations(f"http://127.0.0.1:{any_free_port()}") is None
