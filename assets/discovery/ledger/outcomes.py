"""How an attempt may end, as the worker tells it; what becomes of the stage is decided in `finishing`."""

from dataclasses import dataclass
from typing import Literal

FailureClass = Literal["transient", "permanent", "code", "budget"]


@dataclass(frozen=True, slots=True)
class Done:
    """The handler returned a payload: here as JSON text, or, when it is big, as the path of its blob."""

    handler_version: str
    output_hash: str
    payload_json: str | None = None
    blob_path: str | None = None
    size: int = 0
    logic_hash: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """The handler says that there is nothing to do."""

    reason: str
    handler_version: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised. `transient` and `code` are tried again, `permanent` and `budget` are not."""

    error_class: FailureClass
    error_text: str
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The source asks to wait until then (milliseconds UTC). The attempt is given back."""

    until: int
    error_text: str = ""
    limiter: str | None = None
    """The named limiter that waits along."""


@dataclass(frozen=True, slots=True)
class AuthRefused:
    """The source refused our credentials. The attempt is given back, the job is paused for a person."""

    error_text: str
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """The handler asks to be called later. The attempt is given back."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Released:
    """The worker gives the row back unworked: it is stopping, or a pause came in between."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The worker stopped the handler because a person cancelled the item."""

    reason: str = ""


Outcome = Done | Skipped | Failed | RateLimited | AuthRefused | Snoozed | Released | Cancelled
