"""A web server of the tests on a free port of 127.0.0.1, whose answers each test writes itself."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import cast


@dataclass(frozen=True)
class Answer:
    """One answer; `headers` are pairs, so that a name can come twice. It has a Content-Length unless told."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    has_length: bool = True

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        for name, value in self.headers:
            handler.send_header(name, value)
        if self.has_length and self.status not in (204, 304):
            handler.send_header("Content-Length", str(len(self.body)))
        if not self.has_length:
            handler.send_header("Connection", "close")
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(self.body)


@dataclass(frozen=True)
class Raw:
    """Bytes as they are put on the wire, after which the connection ends; or never does, after `stalls`."""

    text: bytes
    stalls: bool = False

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(self.text)
        if self.stalls:
            cast("_Server", handler.server).closing.wait(60)
        handler.close_connection = True


@dataclass(frozen=True)
class Late:
    """An answer that comes after so many seconds."""

    seconds: float
    answer: Answer

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        cast("_Server", handler.server).closing.wait(self.seconds)
        self.answer.write(handler)


@dataclass(frozen=True)
class Held:
    """An answer that waits until it is released, for at most 5 s; `arrived` and `left` tell how far it is."""

    answer: Answer
    arrived: Event = field(default_factory=Event)
    released: Event = field(default_factory=Event)
    left: Event = field(default_factory=Event)

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        self.arrived.set()
        self.released.wait(5)
        self.left.set()
        self.answer.write(handler)


@dataclass(frozen=True)
class Drip:
    """A head, and then bytes that never end, one every 20 ms."""

    head: bytes

    def write(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(self.head)
        closing = cast("_Server", handler.server).closing
        for _ in range(3_000):
            if closing.wait(0.02):
                break
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                break
        handler.close_connection = True


Reply = Answer | Raw | Late | Held | Drip


@dataclass(frozen=True)
class Asked:
    """A request that came in."""

    method: str
    path: str
    headers: Message
    body: bytes


@dataclass
class WebServer:
    """Answers each path in order, the last answer for ever; 404 for others. `asked` is what came in."""

    port: int
    scheme: str = "http"
    answers: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    lock: Condition = field(default_factory=Condition)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def wait_until_closed(self, *, but: int = 0) -> bool:
        """Whether clients end all their connections, or all but some, within 10 s."""
        with self.lock:
            return self.lock.wait_for(lambda: self.closed == self.connections - but, timeout=10)

    def next_answer(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
            coming = self.answers.get(asked.path, [Answer(404, b"no such page")])
            return coming.pop(0) if len(coming) > 1 else coming[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    site: WebServer
    closing: Event

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that break off are what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # Head and body are written one by one.

    def setup(self) -> None:
        super().setup()
        self._site = cast("_Server", self.server).site
        with self._site.lock:
            self._site.connections += 1

    def finish(self) -> None:
        with self._site.lock:
            self._site.closed += 1
            self._site.lock.notify_all()
        super().finish()

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, self.headers, body)
        self._site.next_answer(asked).write(self)

    do_GET = do_POST = do_HEAD = _answer  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the output of the tests quiet."""


@contextmanager
def web_server(ssl_context: ssl.SSLContext | None = None) -> Iterator[WebServer]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.closing = Event()
    server.site = WebServer(server.server_port, "https" if ssl_context else "http")
    if ssl_context:
        server.socket = ssl_context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


Resolve = Callable[[str, int], list[str]]


def names(table: Mapping[str, list[str]]) -> Resolve:
    """A resolver that knows these names; addresses stand for themselves."""

    def resolve(host: str, port: int) -> list[str]:
        return table.get(host, [host])

    return resolve
