"""Connections to addresses that were checked, within one limit of time.

A name is resolved once, and what is connected to is the address that was looked at: a name that points
elsewhere a moment later gains nothing. Proxies and .netrc of the environment are not used, since the address
behind a proxy is the proxy's choice. Not here: URLs, redirects, answers (`client`).
"""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

import httpcore
import httpx

Resolver: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a host, best first; raises `OSError` where there are none."""

Address: TypeAlias = IPv4Address | IPv6Address

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")

_deadline: ContextVar[float] = ContextVar("deadline")


class NotPublic(Exception):
    """Every address of a host is private, of this link or of this machine; the text names one."""


class NotCertified(Exception):
    """The certificate of a server is not valid; the text is the reason."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Give everything that is done on a connection in this block so many seconds in all."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining() -> float:
    """The seconds that are left, above 0; raises `httpcore.ReadTimeout` when there are none."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet. An IPv4 address inside an IPv6 one counts as itself."""
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast
    inner = address.ipv4_mapped or address.sixtofour
    if address in _NAT64:
        inner = IPv4Address(address.packed[-4:])
    if inner is not None:
        return is_public(inner)
    return address in _GLOBAL_UNICAST and address.is_global


def system_resolver(host: str, port: int) -> list[str]:
    """What the system says; it has its own limits of time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class CheckedTransport(httpx.BaseTransport):
    """Sends requests over its own pool of connections; `allow_private` drops the check of addresses.

    Raises exceptions of httpcore, `NotPublic`, `NotCertified`, and `UnicodeError` for a host that is no name.
    """

    def __init__(
        self, *, allow_private: bool, resolve: Resolver, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context or httpx.create_ssl_context(),
            max_connections=None,
            network_backend=_CheckedBackend(allow_private=allow_private, resolve=resolve),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the body of the answer is read from its stream."""
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.read(),
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer))

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class _CheckedBackend(httpcore.NetworkBackend):
    def __init__(self, *, allow_private: bool, resolve: Resolver) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"its name is not known ({error.strerror or error})") from None
        addresses = [text for text in found if self._allow_private or is_public(ip_address(text))]
        if found and not addresses:
            raise NotPublic(f"{host} at {found[0]}")
        connect = partial(
            self._sockets.connect_tcp, local_address=local_address, socket_options=socket_options
        )
        refusal: Exception = httpcore.ConnectError("it has no address")
        for place, address in enumerate(addresses):
            # What does not answer leaves an equal share of the time to those behind it.
            share = remaining() / (len(addresses) - place)
            try:
                return _TimedStream(connect(address, port, timeout=share))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refusal = error
        raise refusal


class _TimedStream(httpcore.NetworkStream):
    """A connection on which each step may take what is left, so that many short steps end in time too."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        for first in range(0, len(view), 1 << 16):
            self._stream.write(bytes(view[first : first + (1 << 16)]), remaining())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        try:
            return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, remaining()))
        except httpcore.ConnectError as error:
            if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                raise NotCertified(error.__cause__.verify_message.rstrip(".")) from None
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
