"""The values that tell where in a table reading goes on: stored in a cursor, and stepped back from.

Not here: the comparison of such values, which only the database does.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from assets.failures import PermanentFailure

_TYPES: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "Decimal": Decimal,
    "UUID": UUID,
    "bytes": bytes.fromhex,
}


def stored_value(value: Any) -> Any:
    """A value of a database as JSON that `value_of` turns back into it."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, bytes | memoryview):
        return {"bytes": bytes(value).hex()}
    if isinstance(value, date | time):
        return {type(value).__name__: value.isoformat()}
    if isinstance(value, Decimal | UUID):
        return {type(value).__name__: str(value)}
    raise PermanentFailure(
        f"A watermark or key column has a value of type {type(value).__name__}, by which rows cannot be "
        "followed; cast it to a number, a text or an instant in the query."
    )


def value_of(stored: Any) -> Any:
    """The value of the database that was stored."""
    if not isinstance(stored, dict):
        return stored
    ((name, text),) = stored.items()
    return _TYPES[name](text)


def stepped_back(watermark: Any, units: float) -> Any:
    """A watermark that many units earlier: seconds for an instant, days for a date, as they are for a number.

    Texts are taken as ISO 8601 and keep their form.

    Raises:
        PermanentFailure: it is none of these.
    """
    if isinstance(watermark, datetime):
        return watermark - timedelta(seconds=units)
    if isinstance(watermark, date):
        return watermark - timedelta(days=units)
    if isinstance(watermark, Decimal):
        return watermark - Decimal(str(units))
    if isinstance(watermark, int | float):
        return watermark - (int(units) if units == int(units) else units)
    try:
        return _earlier_text(watermark, units)
    except (TypeError, ValueError):
        raise PermanentFailure(
            f"overlap cannot be taken from the watermark {watermark!r:.60}, which is no number, date or "
            "instant; remove overlap, or cast the column in the query."
        ) from None


def _earlier_text(text: str, units: float) -> str:
    if len(text) == len("2026-03-07"):
        return (date.fromisoformat(text) - timedelta(days=units)).isoformat()
    instant = datetime.fromisoformat(text)
    separator = text[len("2026-03-07")]
    _, dot, fraction = text.partition(".")
    digits = len(fraction) - len(fraction.lstrip("0123456789")) if dot else 0
    form = {0: "seconds", 3: "milliseconds"}.get(digits, "microseconds")
    earlier = (instant - timedelta(seconds=units)).isoformat(separator, form)
    return earlier.removesuffix("+00:00") + "Z" if text.endswith("Z") else earlier
