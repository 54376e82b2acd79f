"""What this pipeline needs of the `http` resource: something that reads a document, and why it could not.

The resource tells every error as a built-in one that carries `failure`, how work is to be treated then; here
it becomes the failure of that kind. Also here: the encoding of a text that does not name it. Not here: how
documents are read, which is the resource's.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from assets.discovery.contract import AuthFailure, RateLimited
from assets.failures import PermanentFailure, QuintetFailure, TransientFailure

UNNAMED_WAIT_S: Final = 60.0
"""The pause for a host that asks to wait and does not say how long."""


class Answer(Protocol):
    """A good answer, all of it here."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers; the case of names does not matter."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body."""
        ...

    def close(self) -> None:
        """Let go of the body."""
        ...


class Web(Protocol):
    """Reads from the web, or from what was recorded of it."""

    def fetch(self, url: str, **options: Any) -> Answer:
        """Read one document; the options are those of the resource."""
        ...


def likely_encoding(content: bytes) -> str:
    """The encoding of a text of which neither its host nor the text itself names one."""
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


@contextmanager
def failures_of_the_web() -> Iterator[None]:
    """Turn the errors of the resource into failures; every other exception passes unchanged.

    Raises:
        TransientFailure: another try may succeed.
        RateLimited: the host asked to wait.
        AuthFailure: the host refused who we are, or we did not say it.
        PermanentFailure: another try fails too (404, 410, an address that is not allowed, nothing recorded).
    """
    try:
        yield
    except (OSError, ValueError, LookupError) as error:
        failure = _failure(error)
        if failure is None:
            raise
        raise failure from None


def _failure(error: Exception) -> QuintetFailure | None:
    match getattr(error, "failure", None):
        case "transient":
            return TransientFailure(str(error))
        case "rate_limited":
            wait = getattr(error, "retry_after_s", None)
            return RateLimited(UNNAMED_WAIT_S if wait is None else wait, str(error))
        case "auth":
            return AuthFailure(str(error))
        case "permanent":
            return PermanentFailure(str(error))
        case _:
            return None
