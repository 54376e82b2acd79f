"""Texts as instants: what `days.parse_instant` does with one text, for a whole column and natively.

The pattern decides the form, so everything after it may cut the text at fixed places.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Final

from assets.dwh.days import EPOCH, MICROSECOND

if TYPE_CHECKING:
    from pyspark.sql import Column

# Engines differ in `$` and `\d`: only `\A`, `\z` and classes mean the same to Java and Rust.
_FORM: Final = (
    r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    r"(?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?\z"
)
_SECOND: Final = 1_000_000
_LENGTH_TO_SECONDS: Final = len("2025-01-15T08:00:00")


def micros_of(instant: datetime) -> int:
    """Microseconds from the epoch to an instant."""
    return (instant - EPOCH) // MICROSECOND


# What a Python datetime can be, and so the domain can.
_FIRST: Final = micros_of(datetime.min.replace(tzinfo=EPOCH.tzinfo))
_LAST: Final = micros_of(datetime.max.replace(tzinfo=EPOCH.tzinfo))
_EDGES: Final = ("0001-01-01", "9999-12-31")


def instant_micros(text: "Column") -> "Column":
    """Microseconds from the epoch to the instant that each text names, a bigint; null where it names none."""
    from pyspark.sql import functions as sf

    rest = sf.substring(text, _LENGTH_TO_SECONDS + 1, 17)
    of_day = _number(text, 12, 2) * 3600 + _number(text, 15, 2) * 60 + _number(text, 18, 2)
    seconds = _day_number(text) * 86_400 + of_day - _offset_seconds(rest)
    micros = seconds * _SECOND + _fraction_micros(rest)
    # Engines compute a condition and its value apart; the second time only where an offset can overflow.
    is_inside = ~sf.substring(text, 1, 10).isin(*_EDGES) | micros.between(_FIRST, _LAST)
    has_year = sf.substring(text, 1, 4) != sf.lit("0000")  # which engines know and the domain does not
    return sf.when(text.rlike(_FORM) & has_year & is_inside, micros)


def _number(text: "Column", start: int, length: int) -> "Column":
    """The digits at a place, or null: engines may compute it before they know that the form holds."""
    from pyspark.sql import functions as sf

    return sf.substring(text, start, length).try_cast("bigint")


def _day_number(text: "Column") -> "Column":
    """Days from the epoch to the date, or null where the calendar has no such date."""
    from pyspark.sql import functions as sf

    return sf.unix_date(sf.substring(text, 1, 10).try_cast("date")).cast("bigint")


def _fraction_micros(rest: "Column") -> "Column":
    """The fraction of a second, cut off after the microsecond, from what follows the seconds."""
    from pyspark.sql import functions as sf

    digits = sf.rpad(sf.regexp_extract(rest, r"\A\.([0-9]{1,6})", 1), 6, "0")
    return sf.when(rest.startswith("."), digits.try_cast("bigint")).otherwise(sf.lit(0).cast("bigint"))


def _offset_seconds(rest: "Column") -> "Column":
    """How much later than UTC the clock was, from what follows the seconds."""
    from pyspark.sql import functions as sf

    plain = sf.replace(rest, sf.lit(":"), sf.lit(""))
    sign = sf.substring(plain, -5, 1)
    seconds = _number(plain, -4, 2) * 3600 + _number(plain, -2, 2) * 60
    nothing = sf.lit(0).cast("bigint")
    # Nearly every text ends with Z, and of those engines compute none of the rest.
    return (
        sf.when(rest.endswith("Z") | (sf.length(plain) < 5), nothing)
        .when(sign == sf.lit("+"), seconds)
        .when(sign == sf.lit("-"), -seconds)
        .otherwise(nothing)
    )
