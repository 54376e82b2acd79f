"""What the head of an answer means: good or which error, how long to wait, what to store for next time."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from resources.http.errors import (
    AccessRefused,
    AnswerRefused,
    Gone,
    NotFound,
    RateLimited,
    ServerFailed,
    TooSlow,
    WebError,
)

LONGEST_WAIT_S = 7 * 86_400.0  # A host that asks for more is taken to ask for a week.

# Under which name a validator is stored, in which header it comes, and in which it is sent back.
_VALIDATORS = (
    ("etag", "ETag", "If-None-Match"),
    ("last_modified", "Last-Modified", "If-Modified-Since"),
)


def refusal(where: str, status: int, headers: Mapping[str, str], now: datetime) -> WebError | None:
    """The error that an answer's status stands for; None for 2xx and 304. Messages begin with `where`."""
    if 200 <= status <= 299 or status == 304:
        return None
    wait = retry_after_s(headers.get("Retry-After", ""), now)
    if status == 429 or (status == 503 and wait is not None):
        asked = "and named no time" if wait is None else f"for {wait:g} s"
        return RateLimited(f"{where} asks us to wait ({status}) {asked}.", status=status, retry_after_s=wait)
    kind, sentence = _meaning(status)
    return kind(f"{where} {sentence}.", status=status)


def _meaning(status: int) -> tuple[type[WebError], str]:
    match status:
        case 401 | 402 | 403:
            return AccessRefused, f"refuses access ({status}); check its credentials and headers"
        case 404:
            return NotFound, "does not exist (404); correct the URL"
        case 408:
            return TooSlow, "gave up waiting for our request (408)"
        case 410:
            return Gone, "is gone for good (410); remove it"
        case _ if 500 <= status <= 599:
            return ServerFailed, f"failed ({status})"
        case _:
            return AnswerRefused, f"answered {status}, which is no document; check the URL"


def retry_after_s(asked: str, now: datetime) -> float | None:
    """The pause that a host asks for, in seconds or as an HTTP-date; 0 for a date in the past.

    None for anything else. `now` has a time zone. A date of HTTP is in UTC, said or not.
    """
    text = asked.strip()
    if re.fullmatch(r"[0-9]+", text):
        # Python refuses to read more than 4,300 digits.
        return min(float(text[:400]), LONGEST_WAIT_S)
    try:
        date = parsedate_to_datetime(text)
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT_S)


def validators_of(headers: Mapping[str, str]) -> dict[str, str]:
    """What to store of an answer: `etag` and `last_modified`, as far as they are there and can be sent."""
    found = ((name, headers.get(header, "").strip()) for name, header, _ in _VALIDATORS)
    return {name: value for name, value in found if _can_be_sent(value)}


def conditions(validators: Mapping[str, str]) -> dict[str, str]:
    """The request headers that ask only for what has changed since; what is no validator is ignored."""
    found = ((header, validators.get(name, "")) for name, _, header in _VALIDATORS)
    return {header: value for header, value in found if _can_be_sent(value)}


def _can_be_sent(value: str) -> bool:
    return bool(value) and value.isascii() and value.isprintable()
