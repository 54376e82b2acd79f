"""One request from its URL to the whole body: robots.txt, redirects, caps, and every failure by its type.

A recording answers through the same code (`replay`), behind another transport. Not here: connections and
addresses (`network`), what a status means (`answers`), unpacking (`bodies`), files (`files`).
"""

import logging
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import TypeAlias

import httpcore
import httpx

from resources.http.answers import conditions, refusal, validators_of
from resources.http.base import Web
from resources.http.bodies import beginning, capped, gunzipped, gunzipped_by_content, put_down, too_large
from resources.http.errors import (
    AnswerRefused,
    RequestRefused,
    RobotsRefused,
    TooLarge,
    TooManyRedirects,
    TooSlow,
    Unreachable,
    WebError,
)
from resources.http.network import NotCertified, NotPublic, within
from resources.http.robots import MOST_BYTES, Robots
from resources.http.shown import shown
from resources.http.values import Request, Response

MOST_REDIRECTS = 10

# Ours to set: they say where a message goes and ends, and what we can unpack.
_OURS = frozenset(
    ("accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "upgrade")
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Clock: TypeAlias = Callable[[], datetime]
"""The time, with its zone."""


def utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Client(Web):
    """Reads over `transport`, which the request may choose; without `robots` no robots.txt is asked for."""

    transport: Callable[[Request], httpx.BaseTransport]
    agent: str
    robots: Robots | None = None
    now: Clock = utc_now

    def answer(self, request: Request) -> Response:
        """Read the whole of one document, or raise one of `errors`."""
        headers = _headers(self.agent, request)
        with within(request.timeout_s), _unlogged():
            return _Exchange(self, request, headers).response()


@dataclass(slots=True)
class _Exchange:
    """A request on its way through robots.txt and redirects. Messages say where it is by `at`, and `note`."""

    client: Client
    request: Request
    headers: httpx.Headers
    note: str = ""
    at: str = field(init=False, default="")

    def response(self) -> Response:
        """The whole answer, or one of `errors`: a library's exception becomes ours, and is not behind it."""
        try:
            return self._response()
        except WebError:
            raise
        except Exception as error:
            problem = _problem(error, self.at, self.request)
            if problem is None:
                raise
        raise problem

    def rules(self) -> bytes:
        """The robots.txt that is asked for; what libraries raise is left to the request that needs it.

        RFC 9309, 2.3.1: 4xx is a host without rules, 5xx and no answer forbid everything.
        """
        try:
            answer = self._follow(check=None)
        except TooManyRedirects:
            return b""
        with closing(answer):
            if 400 <= answer.status_code <= 499 and answer.status_code != 429:
                return b""
            self._raise_for_status(answer)
            return beginning(self._decoded(answer, answer.iter_raw()), MOST_BYTES)

    def _response(self) -> Response:
        check = self._check_robots if self.request.robots else None
        with closing(self._follow(check)) as answer:
            self._raise_for_status(answer)
            # What is stored of an answer must not hold the password that it was asked for with.
            url = str(answer.url.copy_with(userinfo=b""))
            validators = validators_of(answer.headers)
            if answer.status_code == 304:
                deque(answer.iter_raw(), maxlen=0)  # To its end, so that the connection can serve again.
                held = {**self.request.validators, **validators}
                return Response(url, 304, answer.headers, BytesIO(), held)
            file = put_down(self._body(answer))
            if self.request.method != "HEAD" and file.tell() == 0:
                file.close()
                raise AnswerRefused(f"{self.at} has an empty body.", status=answer.status_code)
            file.seek(0)
            return Response(url, answer.status_code, answer.headers, file, validators)

    def _follow(self, check: Callable[[httpx.URL], None] | None) -> httpx.Response:
        """The answer behind all redirects, its body not yet read. Each hop is checked like the first."""
        first = self.at = shown(self.request.url) + self.note
        request = httpx.Request(
            self.request.method, self.request.url, headers=self.headers, content=self.request.body
        )
        # A client of its own, so that cookies live from redirect to redirect and no longer.
        session = httpx.Client(transport=self.client.transport(self.request), timeout=self.request.timeout_s)
        for _ in range(1 + MOST_REDIRECTS):
            _check_address(request.url, self.at)
            if check is not None:
                check(request.url)
            answer = _send(session, request)
            if answer.next_request is None:
                return answer
            answer.close()
            request = self._next(request.url, answer.next_request)
            self.at = f"{shown(str(request.url))} (redirected from {first})"
        raise TooManyRedirects(f"{first} redirects more than {MOST_REDIRECTS} times.")

    def _next(self, origin: httpx.URL, following: httpx.Request) -> httpx.Request:
        """The request for the next hop. The caller's headers and body may be secret, and stay at home."""
        if not _same_home(origin, following.url):
            if following.method == self.request.method and self.request.body:
                raise RequestRefused(
                    f"{self.at} wants our request's body for {shown(str(following.url))}, another host; "
                    "ask that one if it may have it."
                )
            for name in self.request.headers:
                if name.lower() != "user-agent":
                    following.headers.pop(name, None)
        return following

    def _raise_for_status(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status == 304 and not conditions(self.request.validators):
            raise AnswerRefused(f"{self.at} answered 304 to a request without conditions.", status=304)
        error = refusal(self.at, status, answer.headers, self.client.now())
        if error is not None:
            raise error

    def _body(self, answer: httpx.Response) -> Iterator[bytes]:
        most = self.request.max_bytes
        announced = answer.headers.get("Content-Length", "")
        if self.request.method != "HEAD" and re.fullmatch("[0-9]{1,18}", announced) and int(announced) > most:
            raise TooLarge(too_large(self.at, most))
        pieces = self._decoded(answer, capped(answer.iter_raw(), most, self.at))
        if self.request.gunzip:
            pieces = gunzipped_by_content(pieces)
        return capped(pieces, most, f"{self.at}, unpacked,")

    def _decoded(self, answer: httpx.Response, pieces: Iterator[bytes]) -> Iterator[bytes]:
        coding = answer.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return pieces
        if coding in ("gzip", "x-gzip"):
            return gunzipped(pieces)
        raise AnswerRefused(
            f"{self.at} came encoded as {coding[:40]!r}, though we asked for gzip or nothing."
        )

    def _check_robots(self, url: httpx.URL) -> None:
        robots, agent = self.client.robots, self.headers["User-Agent"]
        if robots is not None and not robots.allow(url, agent, self._robots_text):
            raise RobotsRefused(
                f"The robots.txt of {url.host} does not let us read {self.at}; "
                "ask its owner, or set robots: false if you may."
            )

    def _robots_text(self, place: httpx.URL) -> bytes:
        request = Request(
            str(place), allow_private=self.request.allow_private, timeout_s=self.request.timeout_s
        )
        headers = _headers(self.headers["User-Agent"], request)
        return _Exchange(self.client, request, headers, ", without which nothing there may be read,").rules()


def _send(session: httpx.Client, request: httpx.Request) -> httpx.Response:
    try:
        return session.send(request, stream=True)
    except httpx.InvalidURL:  # The request had a URL; it is the answer's Location that has none.
        raise httpx.RemoteProtocolError("Location") from None


def _problem(error: Exception, where: str, request: Request) -> WebError | None:
    """Our error for one of httpx, httpcore, zlib or the network; None for one that is nobody's but ours."""
    match error:
        case NotPublic():
            kind = RequestRefused
            text = f"leads to {error}, a private address; set allow_private: true if that is meant"
        case httpx.InvalidURL() | httpcore.LocalProtocolError() | UnicodeError():
            kind, text = RequestRefused, "is no URL that can be asked for; correct it"
        case httpx.RemoteProtocolError():  # The only one that httpx itself raises: about a Location.
            kind, text = AnswerRefused, "redirects to something that is no URL"
        case httpcore.TimeoutException():
            kind, text = TooSlow, f"was not read within {request.timeout_s:g} s (timeout_s)"
        case NotCertified():
            kind, text = AnswerRefused, f"has a server whose certificate is not valid: {error}"
        case httpcore.ConnectError():
            kind, text = Unreachable, f"cannot be reached: {error}"
        case httpcore.RemoteProtocolError():
            kind, text = Unreachable, f"broke off, or broke the rules of HTTP: {str(error).partition(':')[0]}"
        case httpcore.NetworkError() | EOFError():
            kind, text = Unreachable, "broke off before its whole answer was here"
        case zlib.error():
            kind, text = AnswerRefused, "has gzip data that are damaged"
        case _:
            return None
    return kind(f"{where} {text}.")


def _headers(agent: str, request: Request) -> httpx.Headers:
    """All that is sent, which the caller's own may replace but for `_OURS`."""
    for name, value in request.headers.items():
        if name.lower() in _OURS:
            raise RequestRefused(f"The header {name} is set by the client; take it out of headers.")
        if not _TOKEN.fullmatch(name) or not (value.isascii() and (value.isprintable() or not value)):
            raise RequestRefused(f"The header {name!r} cannot be sent; use printable ASCII only.")
    headers = httpx.Headers({"User-Agent": agent, "Accept": "*/*", "Accept-Encoding": "gzip"})
    headers.update(conditions(request.validators))
    headers.update(dict(request.headers))
    return headers


def _check_address(url: httpx.URL, where: str) -> None:
    if url.scheme not in ("http", "https"):
        raise RequestRefused(f"{where} is neither http nor https, and no absolute path; correct it.")
    if not url.host or (url.port is not None and not 0 < url.port < 1 << 16):
        raise RequestRefused(f"{where} names no host, or a port that does not exist; correct it.")


def _same_home(origin: httpx.URL, url: httpx.URL) -> bool:
    """Whether a URL is of the same host and port, or of that host once it asks for TLS on the usual port."""
    ports = origin.port, url.port
    turns_to_tls = (origin.scheme, url.scheme, *ports) == ("http", "https", None, None)
    same_place = (origin.scheme, origin.port) == (url.scheme, url.port)
    return origin.host == url.host and (turns_to_tls or same_place)


# httpx logs every URL at level INFO, httpcore the headers of every answer at level DEBUG.
_reading: ContextVar[bool] = ContextVar("reading", default=False)
for _name in ("httpx", "httpcore.http11"):
    logging.getLogger(_name).addFilter(lambda _: not _reading.get())


@contextmanager
def _unlogged() -> Iterator[None]:
    token = _reading.set(True)
    try:
        yield
    finally:
        _reading.reset(token)
