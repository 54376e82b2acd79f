"""Instants as people read them. The ledger's own are milliseconds UTC."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def in_zone(at: int, zone: str) -> str:
    """An instant in a time zone with its offset, to the second: `2026-03-01T09:00:00-05:00`."""
    local = datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(ZoneInfo(zone))
    return local.isoformat(timespec="seconds")


def in_zone_or_none(at: int | None, zone: str) -> str | None:
    """The same, for a time that may be absent."""
    return None if at is None else in_zone(at, zone)
