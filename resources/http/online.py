"""The real web, and files of this machine."""

import ssl
import time
from collections.abc import Callable
from threading import Lock

import httpx

from resources.http.base import Web
from resources.http.client import Client, Clock, utc_now
from resources.http.errors import NotIdentified
from resources.http.files import local_path, read_file
from resources.http.network import CheckedTransport, Resolver, system_resolver
from resources.http.robots import Robots
from resources.http.values import Request, Response

PRODUCT = "Quintet"
CONTACT_VARIABLE = "QUINTET_CONTACT"


class Online(Web):
    """Reads from the web as `Quintet (+CONTACT)`, and files; nothing is connected to before it is asked for.

    Connections and robots.txt rules are kept from request to request. Without a contact only requests that
    bring a User-Agent of their own go out.
    """

    def __init__(
        self,
        contact: str | None,
        *,
        resolve: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
        now: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._contact = (contact or "").strip()
        self._resolve = resolve
        self._ssl_context = ssl_context
        self._transports: dict[bool, CheckedTransport] = {}
        self._lock = Lock()
        agent = f"{PRODUCT} (+{self._contact})"
        self._client = Client(self._transport, agent, Robots(monotonic), now)

    def answer(self, request: Request) -> Response:
        """Read the whole of one document, or raise one of `errors`."""
        path = local_path(request.url)
        if path is not None:
            return read_file(request, path)
        if not any(name.lower() == "user-agent" for name in request.headers):
            self._check_contact()
        return self._client.answer(request)

    def close(self) -> None:
        """Close all connections; the next request makes new ones."""
        with self._lock:
            transports = list(self._transports.values())
            self._transports.clear()
        for transport in transports:
            transport.close()

    def _check_contact(self) -> None:
        if not self._contact:
            raise NotIdentified(
                f"Nobody is named whom a host could write to about our requests: set {CONTACT_VARIABLE} "
                "to a mail address or a page."
            )
        if not (self._contact.isascii() and self._contact.isprintable()):
            raise NotIdentified(f"{CONTACT_VARIABLE} cannot be sent in a header; use printable ASCII only.")

    def _transport(self, request: Request) -> httpx.BaseTransport:
        """Connections to private addresses have a pool of their own: no other request may come by one."""
        with self._lock:
            transport = self._transports.get(request.allow_private)
            if transport is None:
                self._ssl_context = self._ssl_context or httpx.create_ssl_context()
                transport = CheckedTransport(
                    allow_private=request.allow_private,
                    resolve=self._resolve,
                    ssl_context=self._ssl_context,
                )
                self._transports[request.allow_private] = transport
            return transport
