"""The resource as runs get it: one client a run, closed at its end, swapped like any other."""

import json
from pathlib import Path

import dagster as dg
import pytest

from resources.http import Http, NotIdentified, Request, Response, Web
from tests.resources.http.conftest import CONTACT
from tests.resources.http.web_server import Answer, WebServer


def read_in_a_run(http: Http, url: str) -> str:
    @dg.asset
    def page(http: Http) -> str:
        return http.fetch(url, allow_private=True, robots=False).body.decode()

    result = dg.materialize([page], resources={"http": http})
    return result.output_for_node("page")


def test_a_run_reads_by_the_resource(server: WebServer):
    server.answers["/feed"] = [Answer(200, b"feed")]
    assert read_in_a_run(Http(contact=CONTACT), f"{server.url}/feed") == "feed"
    assert CONTACT in server.asked[0].headers["User-Agent"]
    assert server.wait_until_closed(), "the end of the run closes its connections"


def test_a_resource_without_a_contact_fails_what_uses_it_and_reads_files(server: WebServer, tmp_path: Path):
    path = tmp_path / "feed"
    path.write_bytes(b"feed")
    http = Http()
    assert http.fetch(str(path), allow_files=True).body == b"feed"
    with pytest.raises(NotIdentified):
        http.fetch(f"{server.url}/feed", allow_private=True)


def test_outside_of_runs_the_resource_keeps_its_connection_until_it_is_closed(server: WebServer):
    server.answers["/feed"] = [Answer(200, b"feed")]
    http = Http(contact=CONTACT)
    for _ in range(2):
        http.fetch(f"{server.url}/feed", allow_private=True, robots=False)
    assert server.connections == 1
    http.close()
    http.fetch(f"{server.url}/feed", allow_private=True, robots=False)
    assert server.connections == 2
    http.close()


def test_a_resource_and_its_replay_are_one_kind_of_handle(tmp_path: Path):
    (tmp_path / "index.jsonl").write_text(json.dumps({"url": "http://site.test/", "status": 404}))
    http = Http()
    assert isinstance(http, Web)
    assert isinstance(http.replaying(tmp_path, str), Web)


def test_a_hand_written_web_needs_one_method():
    class Fixed(Web):
        def answer(self, request: Request) -> Response:
            raise FileNotFoundError(request.method + request.url)

    with pytest.raises(FileNotFoundError, match=r"GEThttp://site.test/"):
        Fixed().fetch("http://site.test/", method="get")
