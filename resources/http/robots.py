"""Whether robots.txt allows a path (RFC 9309). Protego reads the rules; here are the files and their age.

Crawl-delay is not followed: how fast a host is asked is said by the job's pace. Not here: how the file is
fetched, and what an error means for it (`client`).
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

import httpcore
import httpx
from protego import Protego

from resources.http.network import remaining

MOST_BYTES = 500 * 1024  # RFC 9309, 2.5: at least that much is read; what follows is ignored.
EXPIRES_S = 86_400.0  # RFC 9309, 2.4.
MOST_HOSTS = 2_000


@dataclass(slots=True)
class _Host:
    lock: Lock = field(default_factory=Lock)
    rules: Protego | None = None
    expires_at: float = 0.0


class Robots:
    """The rules of the hosts asked lately, kept for a day. Threads may share it: one of them fetches."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._lock = Lock()

    def allow(self, url: httpx.URL, agent: str, read: Callable[[httpx.URL], bytes]) -> bool:
        """Whether a crawler whose User-Agent is `agent` may read `url`.

        `read` gives the content of a robots.txt, and nothing for one that does not exist; what it raises is
        passed on, and nothing is kept then.
        """
        place = url.copy_with(raw_path=b"/robots.txt", fragment=None, userinfo=b"")
        if url.path == place.path:
            return True
        host = self._host(str(place))
        if not host.lock.acquire(timeout=remaining()):
            raise httpcore.ReadTimeout
        try:
            if host.rules is None or self._monotonic() >= host.expires_at:
                host.rules = Protego.parse(read(place).decode("utf-8-sig", errors="replace"))
                host.expires_at = self._monotonic() + EXPIRES_S
            return host.rules.can_fetch(str(url), product(agent))
        finally:
            host.lock.release()

    def _host(self, place: str) -> _Host:
        with self._lock:
            host = self._hosts.setdefault(place, _Host())
            self._hosts.move_to_end(place)
            if len(self._hosts) > MOST_HOSTS:
                self._hosts.popitem(last=False)
            return host


def product(agent: str) -> str:
    """The token that rules name a crawler by: what a User-Agent begins with."""
    return (agent.split("/", 1)[0].split() or ["*"])[0]
