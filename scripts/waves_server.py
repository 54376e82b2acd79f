"""`python -m scripts.waves_server --scores FILE`: the Waves service on this machine, to rehearse with.

It speaks as the real service does and answers with the embedded ranker over a score table, so a run that asks
it (AIM_WAVES_URL) publishes what the embedded ranker would. It can be told to misbehave. If
AIM_SERVICE_PASSWORD is set, it wants a login with it.
"""

import argparse
import html
import json
import os
import secrets
import signal
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from resources.waves import Usage
from resources.waves.remote import BATCH_PATH, PAGE_PATH
from scripts.waves_faults import FORMS, Fault, parse_fault
from scripts.waves_rehearsal import BadRequest, WavesRehearsal

LOOPBACK = "127.0.0.1"
PIECES = 20  # Of an answer that trickles.


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; 0 when a person stopped it, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    prompt, candidates = options.prompt_tokens, options.candidate_tokens
    password = os.environ.get("AIM_SERVICE_PASSWORD", "")
    try:
        faults = [parse_fault(text) for text in options.faults.split(",") if text.strip()]
        server = WavesServer(
            WavesRehearsal(_read_scores(options.scores)),
            port=options.port,
            password=password if password.strip() else None,
            cost=Usage(prompt, candidates, prompt + candidates),
        )
    except (OSError, OverflowError, ValueError, pl.exceptions.PolarsError) as error:
        print(f"waves_server: {error}", file=sys.stderr)
        return 2
    server.meet_with(*faults)
    print(f"Waves listens: AIM_WAVES_URL={server.url}; Ctrl-C stops it", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("Stopping", flush=True)
    finally:
        server.server_close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.waves_server",
        description=__doc__,
        epilog=f"faults:\n{FORMS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scores", required=True, type=Path, help="the output of Stage 3, a .parquet or .csv file"
    )
    parser.add_argument("--port", type=int, default=0, help="loopback port (default: any free one)")
    parser.add_argument(
        "--faults", default="", help="comma list; each spoils the answer to one request for recommendations"
    )
    for kind in ("prompt", "candidate"):
        parser.add_argument(f"--{kind}-tokens", type=int, default=0, help="what an answer costs (default: 0)")
    return parser


def _read_scores(path: Path) -> pl.DataFrame:
    return pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came; names of headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class WavesServer(ThreadingHTTPServer):
    """The service on a loopback port, and what it received.

    Args:
        rehearsal: what it answers.
        port: 0 takes any free one.
        password: what a login needs; None asks for none.
        token: the identity token that every request must bear; None asks for none.
        cost: the usage of every answer with recommendations.
    """

    request_queue_size = 128

    def __init__(
        self,
        rehearsal: WavesRehearsal,
        *,
        port: int = 0,
        password: str | None = None,
        token: str | None = None,
        cost: Usage | None = None,
    ) -> None:
        self.rehearsal = rehearsal
        self.password, self.token, self.cost = password, token, cost or Usage()
        self.sessions: set[str] = set()
        self.received: list[Received] = []
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._lock = Lock()
        super().__init__((LOOPBACK, port), WavesHandler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{LOOPBACK}:{self.server_port}"

    def meet_with(self, *faults: Fault | str, path: str = PAGE_PATH) -> None:
        """Spoil the next answers, in order: of a path, or of all requests for recommendations."""
        self._faults[path].extend(parse_fault(fault) if isinstance(fault, str) else fault for fault in faults)

    def next_fault(self, path: str) -> Fault:
        """What is wrong with the answer to this request."""
        with self._lock:
            waiting = self._faults[PAGE_PATH if path.startswith(PAGE_PATH) else path]
            return waiting.popleft() if waiting else Fault()


class WavesHandler(BaseHTTPRequestHandler):
    """One connection to the service."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Or an answer waits 40 ms for the acknowledgement of its headers.

    @property
    def waves(self) -> WavesServer:
        """The server of this connection."""
        assert isinstance(self.server, WavesServer)  # noqa: S101 (the base class says BaseServer)
        return self.server

    def do_GET(self) -> None:
        """Answer."""
        self._answer(
            {
                "/health": lambda _, fault: self._send(fault, b"OK", "text/plain"),
                "/api/status/engine": self._status,
                "/app": self._app,
                PAGE_PATH: self._page,
            }
        )

    def do_POST(self) -> None:
        """Answer."""
        self._answer({"/login": self._login, BATCH_PATH: self._batch})

    def _answer(self, routes: Mapping[str, Callable[[Received, Fault], None]]) -> None:
        url = urlsplit(self.path)
        request = Received(
            self.command,
            url.path,
            dict(parse_qsl(url.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        self.waves.received.append(request)
        fault = self.waves.next_fault(url.path)
        if fault.status != 200:
            self._send(fault, b"as it was told")
        elif url.path not in routes:
            self._send(Fault(404))
        elif url.path in ("/app", PAGE_PATH, BATCH_PATH) and not self._is_let_in(request):
            self._send(Fault(401))
        else:
            routes[url.path](request, fault)

    def _is_let_in(self, request: Received) -> bool:
        waves = self.waves
        cookie = SimpleCookie(request.headers.get("cookie", "")).get("session")
        has_session = waves.password is None or (cookie is not None and cookie.value in waves.sessions)
        has_token = waves.token is None or request.headers.get("authorization") == f"Bearer {waves.token}"
        return has_session and has_token

    def _login(self, request: Received, fault: Fault) -> None:
        given = dict(parse_qsl(request.body.decode())).get("password")
        if self.waves.password is not None and given != self.waves.password:
            self._send(Fault(401))
            return
        session = secrets.token_hex(16)
        self.waves.sessions.add(session)
        self._send(fault, b"welcome", "text/plain", {"Set-Cookie": f"session={session}; HttpOnly; Path=/"})

    def _status(self, _: Received, fault: Fault) -> None:
        self._send_json(fault, {"state": "ready", "scored_products": self.waves.rehearsal.scored_products})

    def _app(self, _: Received, fault: Fault) -> None:
        names = ["-- all segments --", *self.waves.rehearsal.segments()]
        options = "".join(f"<option>{html.escape(name)}</option>" for name in names)
        page = f'<!doctype html><title>Waves</title><select name="segment">{options}</select>'
        self._send(fault, page.encode(), "text/html; charset=utf-8")

    def _batch(self, request: Received, fault: Fault) -> None:
        try:
            run_id, results = self.waves.rehearsal.batch(request.body)
        except BadRequest as error:
            self._send(Fault(400), str(error).encode(), "text/plain")
            return
        cost = asdict(self.waves.cost)
        self._send_json(fault, {"run_id": run_id, "results": _spoilt(results, fault), "usage": cost})

    def _page(self, request: Received, fault: Fault) -> None:
        try:
            results = self.waves.rehearsal.page(request.query)
        except BadRequest as error:
            self._send(Fault(400), str(error).encode(), "text/plain")
            return
        if results:  # A list has no place of its own for what the page cost.
            results[0] = {**results[0], "usage": asdict(self.waves.cost)}
        self._send_json(fault, _spoilt(results, fault))

    def _send_json(self, fault: Fault, content: Any) -> None:
        self._send(fault, json.dumps(content).encode(), "application/json")

    def _send(
        self,
        fault: Fault,
        content: bytes = b"",
        kind: str = "text/plain",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        content = content if fault.content is None else fault.content
        given = {
            "Retry-After": fault.retry_after,
            "Location": fault.location,
            "Set-Cookie": fault.set_cookie,
            **(headers or {}),
        }
        self.send_response(fault.status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in given.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.close_connection |= fault.is_cut
        self._write(content[: len(content) // 2] if fault.is_cut else content, fault.seconds)

    def _write(self, content: bytes, seconds: float) -> None:
        try:
            if not seconds:
                self.wfile.write(content)
                return
            step = -(-len(content) // PIECES)
            for first in range(0, len(content), step):
                time.sleep(seconds / PIECES)
                self.wfile.write(content[first : first + step])
        except ConnectionError:  # The client has given up.
            self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: who wants to know looks at `WavesServer.received`."""


def _spoilt(results: list[Any], fault: Fault) -> list[Any]:
    if fault.surplus < 0:
        return results[-fault.surplus :]
    strangers = [{**(results or [{}])[0], "Vehicle": f"STRANGER {number}"} for number in range(fault.surplus)]
    return [*strangers, *results]


if __name__ == "__main__":
    sys.exit(main())
