"""Days, instants and prefixes: which local day an instant belongs to, and which raw folders a day has.

A day is a local calendar day of a configurable IANA zone, half open in UTC: 23 hours long where summer time
begins, 25 where it ends. Instants are aware and in UTC. A prefix is the UTC folder of one interval of raw
objects, five minutes unless configured otherwise.

Not here: the folders of the bucket (`paths`), and which stretches of a day were read (`coverage`).
"""

import re
import zoneinfo
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
INTERVAL_MINUTES: Final = 5

_LABELS: Final[Mapping[str, str]] = {"America/Los_Angeles": "pacific"}

# What a machine's own zone is called, and the one that stands for "not set up".
_NO_ZONES: Final = frozenset({"localtime", "Factory"})

_INSTANT: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})[T ](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?:Z|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):?(?P<minutes>[0-5][0-9]))?"
)
# The years that a command line may name: 9999-12-31 ends at a midnight that no date has.
_YEARS: Final = range(1970, 9999)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR_MONTH_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}")


def zone_of(timezone: str) -> zoneinfo.ZoneInfo:
    """The zone of an IANA name, which is spelt exactly as IANA does, upper and lower case included.

    Raises:
        ValueError: there is no such zone; abbreviations such as `PST` are none.
    """
    if timezone not in _zone_names():
        raise ValueError(f"Time zone {timezone!r} is no IANA name; give one such as 'America/Los_Angeles'")
    return zoneinfo.ZoneInfo(timezone)


def zone_label(timezone: str) -> str:
    """The folder name of a zone: `pacific` for Los Angeles, else the IANA name in lower case with dashes."""
    zone_of(timezone)
    return _LABELS.get(timezone, timezone.lower().replace("/", "-").replace("_", "-"))


def parse_instant(text: str | None) -> datetime | None:
    """The instant in UTC that a text names, or None where it names none.

    A text is `YYYY-MM-DD`, `T` or one space, `HH:MM:SS`, at most nine digits of a second (those beyond the
    microsecond are cut off), and `Z`, `±HH:MM`, `±HHMM` or nothing, which means UTC.
    """
    match = _INSTANT.fullmatch(text) if text is not None else None
    if match is None:
        return None
    try:
        local = datetime.fromisoformat(f"{match['date']}T{match['time']}")
        return (local - _offset(match)).replace(tzinfo=UTC, microsecond=_microseconds(match["fraction"]))
    except (ValueError, OverflowError):
        return None


def format_instant(instant: datetime) -> str:
    """An instant as manifests write it: `YYYY-MM-DDTHH:MM:SS[.ffffff]Z`."""
    return f"{in_utc(instant).replace(tzinfo=None).isoformat()}Z"


def in_utc(instant: datetime) -> datetime:
    """The same instant in UTC.

    Raises:
        ValueError: it has no time zone, so it is no instant.
    """
    if instant.tzinfo is None:
        raise ValueError(f"The time {instant.isoformat()} has no time zone; give an aware one")
    return instant.astimezone(UTC)


def local_day(instant: datetime, timezone: str) -> date:
    """The day that an instant belongs to."""
    return in_utc(instant).astimezone(zone_of(timezone)).date()


def day_window(day: date, timezone: str) -> tuple[datetime, datetime]:
    """The half-open UTC interval of a local day: 24 hours, or 23 or 25 where the clocks change."""
    return _midnight(day, timezone), _midnight(day + timedelta(days=1), timezone)


def prefixes(start: datetime, end: datetime, interval_minutes: int = INTERVAL_MINUTES) -> list[str]:
    """The prefixes of the half-open window, `year=…/month=…/day=…/hour=…/min=…` in UTC, in order of time.

    Raises:
        ValueError: a bound has no time zone, or the interval does not divide an hour.
    """
    return [prefix_of(begin, interval_minutes) for begin in prefix_starts(start, end, interval_minutes)]


def prefix_starts(
    start: datetime, end: datetime, interval_minutes: int = INTERVAL_MINUTES
) -> Iterator[datetime]:
    """When each prefix of the half-open window begins; the first one may begin before the window."""
    begin, end = interval_start(start, interval_minutes), in_utc(end)
    while begin < end:
        yield begin
        begin += timedelta(minutes=interval_minutes)


def prefix_of(instant: datetime, interval_minutes: int = INTERVAL_MINUTES) -> str:
    """The prefix that holds what happened at an instant."""
    return interval_start(instant, interval_minutes).strftime("year=%Y/month=%m/day=%d/hour=%H/min=%M")


def interval_start(instant: datetime, interval_minutes: int = INTERVAL_MINUTES) -> datetime:
    """The instant, floored to the interval within its UTC hour."""
    if interval_minutes < 1 or 60 % interval_minutes:
        raise ValueError(
            f"An interval of {interval_minutes} minutes does not divide an hour; give a divisor of 60"
        )
    instant = in_utc(instant)
    return instant.replace(minute=instant.minute - instant.minute % interval_minutes, second=0, microsecond=0)


def run_day(end_date: str, timezone: str) -> date:
    """The day of a run that ends there: the local date of the microsecond before the end.

    Raises:
        ValueError: `end_date` is neither a date nor an instant.
    """
    return local_day(end_instant(end_date, timezone) - MICROSECOND, timezone)


def start_instant(start_date: str, timezone: str) -> datetime:
    """Where a window of the command line begins: at an instant, or at the local midnight of a date."""
    day = _date_only("start_date", start_date)
    return day_window(day, timezone)[0] if day else _instant("start_date", start_date)


def end_instant(end_date: str, timezone: str) -> datetime:
    """Where a window of the command line ends: at an instant, or at the local midnight after a date."""
    day = _date_only("end_date", end_date)
    return day_window(day, timezone)[1] if day else _instant("end_date", end_date)


def command_line_window(start_date: str, end_date: str, timezone: str) -> tuple[datetime, datetime]:
    """The half-open UTC window of the arguments `start_date` and `end_date`.

    Raises:
        ValueError: one of them is neither a date nor an instant, or the window ends before it starts.
    """
    start, end = start_instant(start_date, timezone), end_instant(end_date, timezone)
    if end < start:
        raise ValueError(f"end_date {end_date!r} is before start_date {start_date!r}; exchange them")
    return start, end


def command_line_day(arguments: Mapping[str, object], timezone: str, now: datetime) -> date:
    """The run day of a command line: `year`, `month` and `day`, else `end_date`, else the local day of now.

    Other arguments are not looked at, and one that is None counts as not given.

    Raises:
        ValueError: some but not all of the three are given, an argument is no date, or there is only a
            `start_date`, which says nothing of the end.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    if given.keys() & {"year", "month", "day"}:
        return _year_month_day(given)
    if "end_date" in given:
        return run_day(_text("end_date", given["end_date"]), timezone)
    if "start_date" in given:
        raise ValueError("start_date alone names no day; give end_date too")
    return local_day(now, timezone)


@cache
def _zone_names() -> frozenset[str]:
    # Reads 600 files, 20 ms. `ZoneInfo(name)` alone would take any spelling on a disk that ignores case.
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES


def _offset(match: re.Match[str]) -> timedelta:
    if match["sign"] is None:
        return timedelta(0)
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]))
    return -offset if match["sign"] == "-" else offset


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "")[:6].ljust(6, "0"))


def _midnight(day: date, timezone: str) -> datetime:
    # Where midnight is skipped, the earlier offset holds (fold 0) and gives the instant of the change; where
    # it comes twice, this is the first one. So begins every day of every zone from 2012 to 2037 (tried).
    return datetime.combine(day, time(), zone_of(timezone)).astimezone(UTC)


def _date_only(name: str, text: str) -> date | None:
    if _DATE.fullmatch(text) is None:
        return None
    return _calendar_date(name, text)


def _instant(name: str, text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError(
            f"{name} {text!r} is neither a date nor an instant; write 2025-01-15 or 2025-01-15T08:00:00Z"
        )
    _check_year(name, text, instant.year)
    return instant


def _year_month_day(given: Mapping[str, object]) -> date:
    missing = [name for name in ("year", "month", "day") if name not in given]
    if missing:
        raise ValueError(f"year, month and day are given together; {' and '.join(missing)} is missing")
    text = "-".join(_text(name, given[name]) for name in ("year", "month", "day"))
    if _YEAR_MONTH_DAY.fullmatch(text) is None:
        raise ValueError(f"year, month and day {text!r} are no date; write for example 2025, 1 and 15")
    year, month, day = text.split("-")
    return _calendar_date("year, month and day", f"{year}-{month:0>2}-{day:0>2}")


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"{name} needs a value, got {value!r}; write for example --{name} VALUE")
    return str(value)


def _calendar_date(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is no date of the calendar") from None
    _check_year(name, text, day.year)
    return day


def _check_year(name: str, text: str, year: int) -> None:
    if year not in _YEARS:
        raise ValueError(f"{name} {text!r} is out of range; give a year from {_YEARS[0]} to {_YEARS[-1]}")
