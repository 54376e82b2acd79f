"""The start of a delivery as the machine writes it, `YYYYMMDDhhmmss` and up to 6 digits of a fraction.

Fields have fixed widths and are cut by place: `strptime` would read a wrong length as a wrong time. The
machine writes by its own clock, whose zone is a setting: what is compared with another clock is in UTC.
"""

import re
from datetime import UTC, date, datetime, time, tzinfo
from typing import Final

_STAMP: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{0,6})")
_YEARS: Final = range(2, 9999)
"""Python's calendar has a year more at either end: zones and windows are added to a stamp."""


def stamp_clock(stamp: str) -> datetime | None:
    """What the machine's clock showed, without a zone; None where the text is no stamp of 14 to 20 digits."""
    fields = _STAMP.fullmatch(stamp)
    if fields is None:
        return None
    year, month, day, hour, minute, second = map(int, fields.groups()[:6])
    if year not in _YEARS:
        return None
    try:
        return datetime.combine(
            date(year, month, day), time(hour, minute, second, int(fields[7].ljust(6, "0")))
        )
    except ValueError:
        return None


def in_utc(clock: datetime, zone: tzinfo) -> datetime | None:
    """The moment, in UTC, at which a clock in the zone shows this; None where the zone skips that hour.

    In the hour that a zone has twice, when summer time ends, it is the first of the two.
    """
    moment = clock.replace(tzinfo=zone).astimezone(UTC)
    return moment if moment.astimezone(zone).replace(tzinfo=None) == clock else None


def iso_utc(moment: datetime) -> str:
    """A moment as messages and files show it: `2026-03-20T13:00:00Z`, with a fraction if it has one."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
