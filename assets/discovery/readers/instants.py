"""Times and spans as people read them. The ledger's own are milliseconds UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def in_zone(at: int, zone: str) -> str:
    """An instant in a time zone with its offset, to the second: `2026-03-01T09:00:00-05:00`."""
    local = datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return local.isoformat(timespec="seconds")


def in_zone_or_none(at: int | None, zone: str) -> str | None:
    """The same, for a time that may be absent."""
    return None if at is None else in_zone(at, zone)


def span(seconds: float) -> str:
    """A length of time in its two largest units: `2 d 3 h`, `14 min`, `0 s`."""
    left, parts = max(round(seconds), 0), list[str]()
    for size, name in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 s"
