"""The `http` resource."""

from pathlib import Path
from threading import Lock

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.http.base import Web
from resources.http.online import CONTACT_VARIABLE, Online
from resources.http.replay import Canonical, Replay
from resources.http.values import Request, Response


class Http(dg.ConfigurableResource, Web):
    """Reads from the web; `replaying` gives a handle of the same shape that reads a recording instead."""

    contact: str | None = Field(
        default=None,
        description=f"A mail address or page that hosts see in our User-Agent; from {CONTACT_VARIABLE}.",
    )

    _lock: Lock = PrivateAttr(default_factory=Lock)
    _online: Online | None = PrivateAttr(default=None)

    def answer(self, request: Request) -> Response:
        """Read the whole of one document, or raise one of `errors`."""
        with self._lock:
            online = self._online = self._online or Online(self.contact)
        return online.answer(request)

    def replaying(self, folder: str | Path, canonical: Canonical) -> Web:
        """A handle that answers from `folder` alone, from its first answers on; see `replay.Replay`."""
        return Replay(folder, canonical)

    def close(self) -> None:
        """Close all connections; the next request makes new ones."""
        with self._lock:
            if self._online is not None:
                self._online.close()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the connections at the end of a run."""
        self.close()
