"""Moments as the registry keeps them: UTC text of one width, which sorts and compares as the moments do.

A clock without a zone is refused: a local time beside a UTC one made a grace time hold always or never.
"""

from datetime import UTC, datetime


def stamp(moment: datetime) -> str:
    """A moment of any zone, as `2026-03-20T13:00:00.000000Z`. Raises `ValueError` where it has no zone."""
    if moment.utcoffset() is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; the registry keeps UTC only.")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_of(text: str) -> datetime:
    """The moment that `stamp` wrote, in UTC."""
    return datetime.fromisoformat(text)
