"""What the value of a setting may be: in a text (environment, command line) and in the JSON configuration.

A grammar turns either into a value or raises ValueError with a clause that names the value and what is
allowed. Not here: which setting has which grammar (`settings`), and which source wins (`configuration`).
"""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import SecretStr

from assets.aim.paths import relative_path
from assets.failures import PermanentFailure

_TRUE: Final = frozenset(("true", "1", "t", "yes", "y", "on"))
_FALSE: Final = frozenset(("false", "0", "f", "no", "n", "off"))
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_URI: Final = re.compile(r"gs://([a-z0-9][a-z0-9._-]*)/(.+)")
_LARGEST: Final = 10**18  # 18 digits fit 64 bits
_LONGEST_SHOWN: Final = 100


class OutOfRange(ValueError):
    """A number of the right form that is too small or too large."""


class DateRange(NamedTuple):
    """Days from `first` to `last`, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a value is read. Texts come trimmed and not blank; `is_raw` ones as they are.

    JSON gives anything; by default only a text is allowed, with the grammar of texts.
    """

    from_text: Callable[[str], Any]
    from_json: Callable[[object], Any]
    is_raw: bool = False


def refusal(value: object, allowed: str) -> ValueError:
    """The error for a value that is not allowed."""
    return ValueError(f"{shown(value)} is not allowed, only {allowed}")


def shown(value: object) -> str:
    """A value for messages: not too long, and without the credentials that a URL may carry."""
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    safe = re.sub(r"//.*@", "//…@", text)
    return safe if len(safe) <= _LONGEST_SHOWN else f"{safe[:_LONGEST_SHOWN]}…"


def _of_texts(from_text: Callable[[str], Any], allowed: str, *, is_raw: bool = False) -> Grammar:
    def from_json(value: object) -> Any:
        if not isinstance(value, str) or not value.strip():
            raise refusal(value, allowed)
        return from_text(value.strip())

    return Grammar(from_text, from_json, is_raw)


def matching(pattern: str, allowed: str) -> Grammar:
    """A text that a pattern matches as a whole."""
    compiled = re.compile(pattern)

    def from_text(text: str) -> str:
        if not compiled.fullmatch(text):
            raise refusal(text, allowed)
        return text

    return _of_texts(from_text, allowed)


def word(*words: str, any_case: bool = True) -> Grammar:
    """One of a few words, given back as spelt here."""
    allowed = f"{', '.join(words[:-1])} or {words[-1]}"
    by_text = {(known.casefold() if any_case else known): known for known in words}

    def from_text(text: str) -> str:
        known = by_text.get(text.casefold() if any_case else text)
        if known is None:
            raise refusal(text, allowed)
        return known

    return _of_texts(from_text, allowed)


def whole(low: int, high: int | None = None) -> Grammar:
    """A whole number of at least `low` and at most `high`; JSON fractions are cut to their whole part."""
    allowed = f"a whole number from {low}" + (f" to {high}" if high is not None else "")

    def checked(value: object, result: int) -> int:
        if result < low or (high is not None and result > high):
            raise OutOfRange(str(refusal(value, allowed)))
        return result

    def from_text(text: str) -> int:
        if not _WHOLE.fullmatch(text):
            raise refusal(text, allowed)
        return checked(text, int(text))

    def from_json(value: object) -> int:
        if isinstance(value, str):
            return from_text(value.strip())
        if (result := _finite(value)) is None:
            raise refusal(value, allowed)
        return checked(value, int(result))

    return Grammar(from_text, from_json)


def number(low: float, high: float | None = None, *, is_low_allowed: bool = True) -> Grammar:
    """A finite number of at least `low`, or above it, and at most `high`."""
    allowed = f"a number {'from' if is_low_allowed else 'above'} {low:g}"
    allowed += f" to {high:g}" if high is not None else ""

    def checked(value: object, result: float) -> float:
        is_too_low = result < low or (result == low and not is_low_allowed)
        if is_too_low or (high is not None and result > high):
            raise OutOfRange(str(refusal(value, allowed)))
        return result

    def from_text(text: str) -> float:
        if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
            raise refusal(text, allowed)
        return checked(text, float(text))

    def from_json(value: object) -> float:
        if isinstance(value, str):
            return from_text(value.strip())
        if (result := _finite(value)) is None:
            raise refusal(value, allowed)
        return checked(value, float(result))

    return Grammar(from_text, from_json)


def _finite(value: object) -> int | float | None:
    """A JSON number of a size that makes sense; None for everything else, booleans and NaN included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < _LARGEST else None


def _boolean_from_text(text: str) -> bool:
    if text.casefold() in _TRUE:
        return True
    if text.casefold() in _FALSE:
        return False
    raise refusal(text, "true, 1, t, yes, y, on, false, 0, f, no, n or off")


def _boolean_from_json(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _boolean_from_text(value.strip())
    raise refusal(value, "true or false")


def _path(text: str) -> str:
    try:
        return relative_path(text)
    except PermanentFailure as refused:
        raise ValueError(str(refused)) from None


def _uri(text: str) -> str:
    match = _URI.fullmatch(text)
    if match is None:
        raise refusal(text, "an address such as gs://bucket/folder/file.csv")
    try:
        return f"gs://{match[1]}/{_path(match[2])}"
    except ValueError as error:
        raise ValueError(f"{shown(text)} is not allowed: {error}") from None


def _url(text: str) -> str:
    allowed = "an http:// or https:// address without credentials, query and fragment"
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        raise refusal(text, allowed) from None
    if not is_address or "@" in parts.netloc or parts.query or parts.fragment:
        raise refusal(text, allowed)
    return text.rstrip("/")


def _segments(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in names if name.strip()))


def _segments_from_json(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return _segments(value.split(","))
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return _segments(value)
    raise refusal(value, "a list of segment names, or one text with commas between them")


def _date_ranges_from_text(text: str) -> tuple[DateRange, ...]:
    return tuple(_date_range(part.split(":"), text) for part in text.split(",") if part.strip())


def _date_ranges_from_json(value: object) -> tuple[DateRange, ...]:
    if not isinstance(value, list):
        raise refusal(value, 'a list such as [["2025-10-27", "2025-11-09"]]')
    return tuple(_date_range(pair, value) for pair in value)


def _date_range(pair: object, whole_value: object) -> DateRange:
    allowed = "pairs of dates YYYY-MM-DD, from and to, the first not after the second"
    if not isinstance(pair, list) or len(pair) != 2:
        raise refusal(whole_value, allowed)
    texts = [day.strip() for day in pair if isinstance(day, str) and _DATE.fullmatch(day.strip())]
    try:
        days = [date.fromisoformat(text) for text in texts]
    except ValueError:
        raise refusal(whole_value, allowed) from None
    if len(days) != 2 or days[0] > days[1]:
        raise refusal(whole_value, allowed)
    return DateRange(days[0], days[1])


TEXT: Final = _of_texts(str, "a text")
SECRET: Final = _of_texts(SecretStr, "a text", is_raw=True)
BOOLEAN: Final = Grammar(_boolean_from_text, _boolean_from_json)
PATH: Final = _of_texts(_path, "a path below its root")
GCS_URI: Final = _of_texts(_uri, "an address such as gs://bucket/folder/file.csv")
URL: Final = _of_texts(_url, "an http:// or https:// address")
SEGMENTS: Final = Grammar(lambda text: _segments(text.split(",")), _segments_from_json)
DATE_RANGES: Final = Grammar(_date_ranges_from_text, _date_ranges_from_json)
