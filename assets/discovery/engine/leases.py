"""The heartbeat of a drain: a thread beside it that extends its leases, however busy the handlers are.

Not here: what a lost lease means for the attempt (`draining`).
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from assets.discovery.ledger import claims
from assets.discovery.ledger.claims import Claim

_log = logging.getLogger("quintet.discovery")


class Leases:
    """The leases that a drain holds, beaten every third of their length while the block lasts.

    Args:
        open_db: opens the ledger to write, in the thread that beats.
        lease_ms: how long a lease lasts after a beat.
        clock: milliseconds UTC.
    """

    def __init__(
        self, open_db: Callable[[], sqlite3.Connection], lease_ms: int, clock: Callable[[], int]
    ) -> None:
        self._open_db, self._lease_ms, self._clock = open_db, lease_ms, clock
        self._lock = Lock()
        self._held: dict[int, Claim] = {}
        self._lost: set[int] = set()
        self._over = Event()
        self._thread = Thread(target=self._beat, name="discovery-leases", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def hold(self, held: Iterable[Claim]) -> None:
        """Beat for these from now on."""
        with self._lock:
            self._held.update((claim.claim_id, claim) for claim in held)

    def drop(self, ended: Iterable[Claim]) -> None:
        """These have ended."""
        with self._lock:
            for claim in ended:
                self._held.pop(claim.claim_id, None)
                self._lost.discard(claim.claim_id)

    def lost(self) -> set[int]:
        """The claims that somebody else took back, by their ids."""
        with self._lock:
            return set(self._lost)

    def _beat(self) -> None:
        connection: sqlite3.Connection | None = None
        try:
            while not self._over.wait(self._lease_ms / 3000):
                try:
                    connection = connection or self._open_db()
                    self._extend(connection)
                except Exception as error:  # noqa: BLE001 - the next beat may succeed; none would lose all leases.
                    _log.warning("the leases could not be extended: %s", error)
        finally:
            if connection is not None:
                connection.close()

    def _extend(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            held = list(self._held.values())
        if held:
            lost = claims.heartbeat(connection, held, self._lease_ms, self._clock())
            with self._lock:
                self._lost |= lost & self._held.keys()
