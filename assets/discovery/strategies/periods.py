"""The periods of a calendar in a time zone: hours, days, ISO weeks, months, quarters and years.

Every period reaches from an instant to where the next begins, so that together they cover each instant once,
whatever the clocks of the zone do. Not here: which of them are wanted (`date_range`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Step = Literal["hour", "day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Period:
    """A period by its name; the instants are in UTC, the days in the zone."""

    name: str
    first: date
    """Its first day, for an hour the day it lies in."""
    after: date
    """The day after its last."""
    start: datetime
    end: datetime
    """Where it is over: the first instant that is no longer in it."""


def periods(step: Step, first: date, last: date, zone: ZoneInfo) -> Iterator[Period]:
    """The periods that hold any of the days from `first` to `last`, oldest first.

    A day that the zone never had (Samoa, 30 December 2011) is left out.
    """
    day = _first_day(step, first)
    while day <= last:
        after = _next(step, day)
        if step == "hour":
            yield from _hours(day, zone)
        else:
            start, end = _instant(day, 0, zone), _instant(after, 0, zone)
            if start < end:
                yield Period(_name(step, day), day, after, start, end)
        day = after


def _first_day(step: Step, day: date) -> date:
    match step:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return day.replace(month=day.month - (day.month - 1) % 3, day=1)
        case "year":
            return day.replace(month=1, day=1)
        case _:
            return day


def _next(step: Step, day: date) -> date:
    match step:
        case "week":
            return day + timedelta(days=7)
        case "month":
            return _first_day("month", day + timedelta(days=31))
        case "quarter":
            return _first_day("quarter", day + timedelta(days=92))
        case "year":
            return day.replace(year=day.year + 1)
        case _:
            return day + timedelta(days=1)


def _name(step: Step, day: date) -> str:
    match step:
        case "week":
            year, week, _ = day.isocalendar()
            return f"{year:04}-W{week:02}"
        case "month":
            return f"{day.year:04}-{day.month:02}"
        case "quarter":
            return f"{day.year:04}-Q{1 + (day.month - 1) // 3}"
        case "year":
            return f"{day.year:04}"
        case _:
            return day.isoformat()


def _hours(day: date, zone: ZoneInfo) -> Iterator[Period]:
    """The hours of a day: one is left out in spring, one is there twice in autumn, the second with a `b`."""
    after = day + timedelta(days=1)
    begins = {
        _instant(day, hour, zone, fold): f"{day.isoformat()}T{hour:02}{suffix}"
        for hour in range(24)
        for fold, suffix in ((1, "b"), (0, ""))
        if _exists(day, hour, zone, fold)
    }
    starts = sorted(begins)
    for start, end in zip(starts, [*starts[1:], _instant(after, 0, zone)], strict=True):
        yield Period(begins[start], day, after, start, end)


def _instant(day: date, hour: int, zone: ZoneInfo, fold: int = 0) -> datetime:
    """When the clocks of the zone show that hour, in UTC; for one that they skip, when they skip it."""
    return datetime.combine(day, time(hour, fold=fold), zone).astimezone(UTC)


def _exists(day: date, hour: int, zone: ZoneInfo, fold: int) -> bool:
    back = _instant(day, hour, zone, fold).astimezone(zone)
    return (back.date(), back.time()) == (day, time(hour))
