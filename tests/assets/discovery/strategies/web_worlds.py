"""A real server on this machine that answers as a test lays out, and a job that reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.discovery.strategies.base import BaseDiscovery
from resources.http import Web
from tests.assets.discovery.strategies.source_worlds import Source
from tests.resources.http.web_server import Answer, WebServer


@dataclass
class Site:
    """A server of which each path has its answers, until others are laid out."""

    server: WebServer
    http: Web

    @property
    def url(self) -> str:
        return self.server.url

    def answer(self, path: str, body: bytes | str, kind: str = "", **headers: str) -> str:
        """Lay out one body under a path; the URL."""
        content = body if isinstance(body, bytes) else body.encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        typed = {"Content-Type": kind} if kind else {}
        return self.answers(path, Answer(200, content, tuple((typed | named).items())))

    def answers(self, path: str, *answers: Any) -> str:
        """Lay out several answers, in order, the last one for ever; the URL."""
        self.server.answers[path] = list(answers)
        return f"{self.url}{path}"

    def source(
        self, strategy: BaseDiscovery, url: str, params: Mapping[str, Any] | None = None, **job: Any
    ) -> Source:
        """A job that reads a URL of this site, which is on a private address and has no robots.txt."""
        asked = {"url": url, "allow_private": True} | dict(params or {})
        return Source(strategy, asked, http=self.http, **job)

    def asked(self, path: str) -> int:
        """How often a path was asked for."""
        return self.server.paths().count(path)
