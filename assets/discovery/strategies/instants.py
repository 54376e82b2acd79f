"""Dates as the web writes them: W3C and ISO 8601 (sitemaps, Atom, registries), RFC 822 and its heirs (RSS).

Not here: periods (`periods`), dates of mails (`mail_message`).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import Final
from zoneinfo import ZoneInfo

_W3C: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,12}))?)? ?(Z|[+-]\d\d(?::?\d\d)?)?)?)?)?",
    re.ASCII | re.IGNORECASE,
)
_COMMENT: Final = re.compile(r"\([^()]*\)")
_CLOCK: Final = re.compile(r"\d:\d\d(?::\d\d)?\s*(.*)", re.ASCII)
_NO_ZONE: Final = re.compile(r"(?:\d{4})?", re.ASCII)
"""What follows the time where no zone does: nothing, or the year, as C writes dates."""
_ZONE: Final = re.compile(r"[+-]\d{4}|UTC?|GMT|Z|[ECMP][SD]T", re.ASCII | re.IGNORECASE)
"""The zones of RFC 822. Others have names that mean several zones, such as BST and IST."""


def instant_ms(text: str, zone: ZoneInfo) -> int | None:
    """Milliseconds UTC of a date; none if it cannot be read, or has a zone that nobody can be sure of.

    A date without a zone is meant in `zone`; a day, month or year alone is its first instant there.
    """
    written = " ".join(_COMMENT.sub("", text).split())
    try:
        w3c = _W3C.fullmatch(written)
        return _of_w3c(w3c, zone) if w3c else _of_rfc_822(written, zone)
    except (ValueError, OverflowError, IndexError, TypeError):  # What the library makes of nonsense.
        return None


def instant_text(milliseconds: int) -> str:
    """An instant in UTC as `2026-03-01T09:00:00Z`, with thousandths only where it has some."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    places = "milliseconds" if milliseconds % 1000 else "seconds"
    return moment.isoformat(timespec=places).replace("+00:00", "Z")


def _of_w3c(matched: re.Match[str], zone: ZoneInfo) -> int:
    year, month, day, hour, minute, second, fraction, offset = matched.groups()
    moment = datetime(
        int(year),
        int(month or 1),
        int(day or 1),
        int(hour or 0),
        int(minute or 0),
        min(int(second or 0), 59),  # 60 is a leap second, which no clock here has.
        tzinfo=_offset(offset) if offset else zone,
    )
    return round(moment.timestamp()) * 1000 + int((fraction or "").ljust(3, "0")[:3])


def _of_rfc_822(written: str, zone: ZoneInfo) -> int | None:
    clock = _CLOCK.search(written)
    after = clock[1] if clock else ""
    has_zone = _ZONE.fullmatch(after) is not None
    parts = parsedate_tz(written if clock else f"{written} 00:00")
    if parts is None or not (has_zone or _NO_ZONE.fullmatch(after)):
        return None
    tz = timezone(timedelta(seconds=parts[9] or 0)) if has_zone else zone
    return round(datetime(*parts[:6], tzinfo=tz).timestamp()) * 1000


def _offset(text: str) -> timezone:
    if text in "Zz":
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-ahead if text.startswith("-") else ahead)
