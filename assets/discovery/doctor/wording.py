"""Amounts, times and examples as the evidence of findings names them."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"))


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 stage`, `2,000 stages`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def span(milliseconds: float) -> str:
    """A length of time in its greatest unit: `90 s` is `1.5 min`."""
    for size, unit in _UNITS:
        if milliseconds >= size:
            return f"{milliseconds / size:.3g} {unit}"
    return f"{milliseconds:.0f} ms"


def instant(milliseconds: int) -> str:
    """An instant in UTC to the second: `2026-03-01T00:00:00Z`."""
    return datetime.fromtimestamp(milliseconds // 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dollars(micros: int) -> str:
    """An amount in USD with as many decimals as it needs, two at least."""
    whole, rest = divmod(abs(micros), 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micros < 0 else ''}{whole}.{decimals} USD"
