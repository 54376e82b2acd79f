"""Amounts and times of the ledger as people read them."""

from datetime import UTC, datetime

from assets.discovery.doctor.wording import dollars


def money(micros: int | None) -> str:
    """An amount of micro-USD; `None` is an unknown price."""
    return "unknown" if micros is None else dollars(micros)


def when(milliseconds: int | None) -> str | None:
    """An instant in milliseconds UTC, as a time of UTC to the second."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")
