"""The handle: something that reads one thing by its URL."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Unpack

from resources.http.values import Options, Request, Response


class Web(ABC):
    """Reads from the web, or from what was recorded of it. Threads may share it; it blocks."""

    def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        validators: Mapping[str, str] | None = None,
        gunzip: bool = False,
        **options: Unpack[Options],
    ) -> Response:
        """Read the whole of one document; `values.Request` says what the arguments mean.

        Raises one of `errors`, each after a single attempt.
        """
        return self.answer(Request(url, method.upper(), body, validators or {}, gunzip, **options))

    @abstractmethod
    def answer(self, request: Request) -> Response:
        """As `fetch`."""
