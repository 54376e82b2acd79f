"""A proxy that stands before a real server and spoils the requests that it is told to, and no others."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

CUT_BODY = "cut body"
LOST_ANSWER = "lost answer"
Fault = int | str | None
"""A status to answer with, `CUT_BODY`, `LOST_ANSWER` (the server did it, the client never hears), or None."""


class FaultyProxy(ThreadingHTTPServer):
    """Meets each request, `METHOD /path`, with the fault that `fault_of` says; at first with none."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), SpoilingHandler)
        self.target = urlsplit(target).netloc
        self.fault_of: Callable[[str], Fault] = lambda _: None
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def meet_with(self, faults: Iterable[Fault]) -> None:
        """Meet the next requests with these faults, one after the other, and with none after the last."""
        left = iter(faults)
        self.fault_of = lambda _: next(left, None)
        self.requests.clear()


class SpoilingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def spoil(self) -> None:
        proxy = self.server
        assert isinstance(proxy, FaultyProxy)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = f"{self.command} {self.path}"
        proxy.requests.append(request)
        fault = proxy.fault_of(request)
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        upstream = HTTPConnection(proxy.target, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault == LOST_ANSWER:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "server", "date"):
                self.send_header(name, value)
        self.end_headers()
        self.close_connection = fault == CUT_BODY
        self.wfile.write(content[: len(content) // 2] if fault == CUT_BODY else content)

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self.spoil
        raise AttributeError(name)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the tests look at `FaultyProxy.requests`."""


@contextmanager
def standing_before(target: str) -> Iterator[FaultyProxy]:
    """A proxy before the server of that address."""
    server = FaultyProxy(target)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
