"""What a strategy gets and yields, and what a handler gets, returns and raises.

A strategy finds things and writes nothing; a handler works on one of them and writes nothing. All that both
know of the engine is here. Times are integer milliseconds UTC, money is integer micro-USD.

Not here: how a candidate gets its key (`keys`), what every strategy shares (`strategies.base`), and the
failures that are not special to discovery (`assets.failures`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from assets.failures import PermanentFailure, TransientFailure


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that a strategy found. It is not in the ledger yet."""

    key: str | None
    """The id that the source gives it. `None`: it gives none, so it comes from the data. Blank: rejected."""
    data: Mapping[str, Any]
    """A JSON object."""
    url: str | None = None
    title: str | None = None
    published_at: int | None = None
    content_hash: str | None = None
    """What tells that the thing has changed; `None` is the digest of the data."""
    priority: int | None = None
    """Small numbers first; `None` is the job's."""
    deleted: bool = False
    """The source says that it is gone."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to here has been yielded: this cursor and these validators are safe to store."""

    cursor: Mapping[str, Any] | None = None
    validators: Mapping[str, Any] | None = None
    """`None` keeps those that are stored, none at all clears them."""
    page: int = 0
    """Pages read so far; 0 says that the source has not changed and nothing was read."""
    complete: bool = False
    """The whole source was listed, so what was not in it is missing there."""


class Warn(Protocol):
    """Tells a person something that does not stop the discovery."""

    def __call__(self, text: str, *, event: str = "") -> None:
        """Take one sentence; `event` is the type of the event to write, if there is one of its own."""
        ...


def _unheard(text: str, *, event: str = "") -> None:
    """Take a warning where nobody listens."""


def _uncounted(position: str, reason: str) -> None:
    """Take a rejection where nobody counts."""


def _unknown(_key: str) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Ask:
    """What a strategy is asked for, and what it may use to answer."""

    params: Mapping[str, Any]
    """The parameters of the strategy: references to secrets resolved, paths absolute."""
    cursor: Mapping[str, Any] | None = None
    """Where the last discovery ended; `None` is the first."""
    validators: Mapping[str, Any] | None = None
    """What the source gave to ask whether it has changed."""
    limit: int | None = None
    """The most *new* candidates that are taken; the engine stops reading there."""
    max_pages: int = 50
    stop_when_seen: bool = False
    """A page without a new key is the last. The strategy stops there itself: it knows where to begin anew."""
    clock: Callable[[], int] = lambda: 0
    """Milliseconds UTC."""
    timezone: str = "UTC"
    """The job's: dates without a zone are meant in it."""
    http: Any = None
    files: Any = None
    object_store: Any = None
    is_known: Callable[[str], bool] = _unknown
    """Whether an item of this job has that key."""
    reject: Callable[[str, str], None] = _uncounted
    """Counts something that is no candidate: its position (`line 7`) and the reason."""
    warn: Warn = _unheard


class AddCost(Protocol):
    """Books a cost of the attempt that is running."""

    def __call__(
        self,
        micros: int | None,
        provider: str = "",
        model: str = "",
        units: Mapping[str, Any] | None = None,
    ) -> None:
        """Take micro-USD; `None` is a price that is not known, which is not the same as nothing.

        Raises:
            PermanentFailure: the item has spent all that it may.
        """
        ...


class Log(Protocol):
    """Writes a line to the log of the run."""

    def __call__(self, text: str, **fields: object) -> None:
        """Take one sentence and what belongs to it."""
        ...


@dataclass(frozen=True, slots=True)
class Work:
    """One stage of one item, as its handler gets it."""

    job_id: str
    item_id: int
    key: str
    revision: int
    data: Mapping[str, Any]
    url: str | None
    title: str | None
    published_at: int | None
    stage: str
    attempt: int
    params: Mapping[str, Any]
    """The job's, overlaid by the stage's; references to secrets resolved."""
    inputs: Mapping[str, Mapping[str, Any]]
    """The payload of each stage that this one needs, by its name. A skipped stage has none."""
    idempotency_key: str
    """The same for every attempt at this stage of this revision: what outside takes only once."""
    http: Any
    add_cost: AddCost
    log: Log


@dataclass(frozen=True, slots=True)
class Skip:
    """What a handler returns when there is nothing to do for this item: the stage is over, without result."""

    reason: str


@dataclass(frozen=True, slots=True)
class Snooze:
    """What a handler returns when it is too early: asked again after so many seconds, uncounted."""

    seconds: float


class RateLimited(TransientFailure):
    """The service said to come back later. The attempt is not counted, and others wait as well."""

    def __init__(self, retry_after_s: float, message: str = "") -> None:
        super().__init__(message or f"the service asked to wait {retry_after_s:g} s")
        self.retry_after_s = retry_after_s


class AuthFailure(PermanentFailure):
    """The service refused who we are. The job is paused, for every other item would be refused as well."""
