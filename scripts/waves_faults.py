"""What can be wrong with an answer of the rehearsed Waves service, and how a command line names it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

FORMS = """\
ok             nothing is wrong
401, 503, ...  this status
429:7          this status, asking for a pause of 7 s in Retry-After; 429:+7 asks with a date
slow:20        the answer trickles in for 20 s
cut            the connection breaks after half of the answer
short:2        the first 2 results are missing
long:2         2 results of other vehicles come first
text           a page for people in place of JSON"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one answer; without arguments, nothing.

    `surplus` results come before the right ones, or as many are missing; `content` takes the place of the
    answer; `seconds` is how long the answer takes to send.
    """

    status: int = 200
    retry_after: str | None = None
    location: str | None = None
    set_cookie: str | None = None
    content: bytes | None = None
    surplus: int = 0
    seconds: float = 0.0
    is_cut: bool = False


def parse_fault(text: str) -> Fault:
    """Read one of `FORMS`. Raises `ValueError` for anything else."""
    name, _, value = text.strip().partition(":")
    try:
        match name:
            case "ok" if not value:
                return Fault()
            case "cut" if not value:
                return Fault(is_cut=True)
            case "text" if not value:
                return Fault(content=b"<!doctype html><title>Waves</title>")
            case "slow":
                return Fault(seconds=float(value))
            case "short" | "long":
                return Fault(surplus=int(value or 1) * (1 if name == "long" else -1))
            case _:
                return replace(Fault(), status=_status(name), retry_after=_retry_after(value))
    except ValueError:
        raise ValueError(f"{text!r} is no fault; write one of:\n{FORMS}") from None


def _status(text: str) -> int:
    status = int(text)
    if not 400 <= status <= 599:
        raise ValueError(text)
    return status


def _retry_after(text: str) -> str | None:
    if text.startswith("+"):
        return format_datetime(datetime.now(UTC) + timedelta(seconds=float(text)), usegmt=True)
    return text or None
