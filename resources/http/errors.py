"""What can go wrong when something is read from the web.

Each error is also the built-in exception of its kind, and says by `failure` how a ledger of work treats it:
`transient` (another try later may succeed), `rate_limited` (not before `retry_after_s`), `permanent` (another
try fails too), `auth` (somebody has to change a credential or a setting first). Nothing here was tried twice:
the client does not repeat, its callers do. No message shows a credential, and none has an exception of a
library behind it, which would.
"""

from typing import ClassVar, Literal, TypeAlias

Failure: TypeAlias = Literal["transient", "rate_limited", "permanent", "auth"]


class WebError(Exception):
    """The base of all. `status` is that of the answer, None where there was none."""

    failure: ClassVar[Failure] = "permanent"

    def __init__(
        self, message: str = "", *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_s = retry_after_s


class RequestRefused(WebError, ValueError):
    """The request was never sent: its address, a header, or where a redirect led."""


class RobotsRefused(WebError, PermissionError):
    """The robots.txt of the host does not allow us this path."""


class NotIdentified(WebError, PermissionError):
    """There is no contact to give to the hosts that are asked."""

    failure = "auth"


class AccessRefused(WebError, PermissionError):
    """401, 402, 403."""

    failure = "auth"


class NotFound(WebError, FileNotFoundError):
    """404, or no such file."""


class Gone(NotFound):
    """410: it was there, and will not come back."""


class AnswerRefused(WebError, ValueError):
    """An answer of no use: another 4xx, an empty or undecodable body, a certificate that is not valid."""


class TooLarge(AnswerRefused):
    """The body is above `max_bytes`, as it was sent or unpacked."""


class TooManyRedirects(AnswerRefused):
    """More than 10 in a row."""


class RateLimited(WebError, ConnectionError):
    """429, or 503 with a Retry-After. `retry_after_s` is None where the host named no time."""

    failure = "rate_limited"


class ServerFailed(WebError, ConnectionError):
    """5xx."""

    failure = "transient"


class Unreachable(WebError, ConnectionError):
    """No name, no connection, or one that broke off before the whole answer was here."""

    failure = "transient"


class TooSlow(WebError, TimeoutError):
    """The whole answer was not here within `timeout_s`, or the server says that we were slow (408)."""

    failure = "transient"


class NotRecorded(WebError, LookupError):
    """A replay was asked for what its folder has no line for."""


class RecordingBroken(WebError, ValueError):
    """The index of a replay, or a file that it names, cannot be used."""
