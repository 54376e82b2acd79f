"""The address that people are sent to: of a web UI that has shown that it knows the results, or none."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from scripts.dev import any_free_port
from scripts.web_address import note_address, served_at


class FakeUI(BaseHTTPRequestHandler):
    """A web UI that knows some runs, or no web UI at all."""

    knows: frozenset[str] = frozenset()
    is_ui = True

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["variables"]["run"] in self.knows
        name = "Run" if known else "RunNotFoundError"
        body = json.dumps({"data": {"runOrError": {"__typename": name}}}) if self.is_ui else "<html></html>"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base has.
        pass


@pytest.fixture
def ui() -> Iterator[tuple[type[FakeUI], str]]:
    """A server and its address."""
    handler = type("Handler", (FakeUI,), {})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dg.op
def nothing() -> None: ...


@dg.job
def job() -> None:
    nothing()


@pytest.fixture
def ran() -> Iterator[tuple[dg.DagsterInstance, str]]:
    """An instance, and the newest of its runs."""
    with dg.DagsterInstance.ephemeral() as instance:
        older, newest = (job.execute_in_process(instance=instance).run_id for _ in range(2))
        assert older != newest
        yield instance, newest


@pytest.fixture
def nowhere() -> str:
    """An address at which nobody answers."""
    return f"http://127.0.0.1:{any_free_port()}"


def test_a_web_ui_at_the_usual_place_that_knows_the_newest_run_is_the_address(ui, ran, tmp_path: Path):
    handler, address = ui
    instance, newest = ran
    handler.knows = frozenset([newest])
    assert served_at(tmp_path, instance, address) == address


def test_a_web_ui_elsewhere_is_found_by_what_it_noted_last(ui, ran, nowhere, tmp_path: Path):
    handler, address = ui
    instance, newest = ran
    handler.knows = frozenset([newest])
    note_address(tmp_path, nowhere)
    note_address(tmp_path, address)
    assert served_at(tmp_path, instance, nowhere) == address


def test_what_was_noted_long_ago_does_not_hide_the_usual_place(ui, ran, nowhere, tmp_path: Path):
    handler, address = ui
    instance, newest = ran
    handler.knows = frozenset([newest])
    note_address(tmp_path, nowhere)
    assert served_at(tmp_path, instance, address) == address


@pytest.mark.parametrize("noted", [b"", b"\xff", b"no address", b"http://[", b"http://host:port"])
def test_what_was_noted_may_be_anything(ran, nowhere, tmp_path: Path, noted: bytes):
    note_address(tmp_path, nowhere)
    (tmp_path / "work" / "web_address").write_bytes(noted)
    assert served_at(tmp_path, ran[0], nowhere) is None


def test_a_web_ui_of_another_instance_is_not_the_address(ui, ran, tmp_path: Path):
    assert served_at(tmp_path, ran[0], ui[1]) is None


def test_what_answers_but_is_no_web_ui_is_not_the_address(ui, ran, tmp_path: Path):
    ui[0].is_ui = False
    assert served_at(tmp_path, ran[0], ui[1]) is None


def test_an_instance_without_runs_has_no_address(ui, tmp_path: Path):
    with dg.DagsterInstance.ephemeral() as instance:
        assert served_at(tmp_path, instance, ui[1]) is None
