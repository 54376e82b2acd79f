"""The two variants of the web: a real server that is asked, and a recording of the same answers."""

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from resources.http import Options, Response, Web
from resources.http.online import Online
from resources.http.replay import Replay
from tests.resources.http.web_server import Answer, WebServer, web_server

CONTACT = "tests@quintet.invalid"


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


@pytest.fixture(scope="session")
def certificates() -> ssl.SSLContext:
    """The authorities of the machine, read once."""
    return httpx.create_ssl_context()


@pytest.fixture
def online(certificates: ssl.SSLContext) -> Iterator[Online]:
    web = Online(CONTACT, ssl_context=certificates)
    yield web
    web.close()


@dataclass
class Site:
    """Answers that a test lays out once, for whichever variant reads them."""

    url: str
    answers: dict[tuple[str, str], list[Answer]] = field(default_factory=dict)
    options: Options = field(default_factory=Options)

    def add(self, path: str, *answers: Answer, method: str = "GET") -> str:
        self.answers[method, path] = list(answers)
        return f"{self.url}{path}"

    def web(self) -> Web:
        raise NotImplementedError

    def read(self, url: str, **asked: Any) -> Response:
        options: dict[str, Any] = {**self.options, **asked}
        return self.web().fetch(url, **options)


@dataclass
class OnlineSite(Site):
    server: WebServer | None = None
    online: Online | None = None

    def web(self) -> Web:
        assert self.server is not None
        assert self.online is not None
        self.server.answers.update({path: list(answers) for (_, path), answers in self.answers.items()})
        return self.online


@dataclass
class RecordedSite(Site):
    folder: Path = Path()

    def web(self) -> Web:
        lines = []
        for (method, path), answers in self.answers.items():
            for answer in answers:
                name = f"{len(lines)}.bin"
                (self.folder / name).write_bytes(answer.body)
                headers = dict(httpx.Headers(list(answer.headers)).items())
                lines.append(
                    {
                        "method": method,
                        "url": f"{self.url}{path}",
                        "status": answer.status,
                        "headers": headers,
                        "file": name,
                    }
                )
        (self.folder / "index.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return Replay(self.folder, canonical=str)


@pytest.fixture(params=["online", "replay"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    if request.param == "online":
        server, online = request.getfixturevalue("server"), request.getfixturevalue("online")
        return OnlineSite(server.url, options={"allow_private": True}, server=server, online=online)
    folder = tmp_path / "recorded"
    folder.mkdir()
    return RecordedSite("http://site.test", folder=folder)
