"""The trading calendar of the E-mini session, 07:30 America/Chicago to the close of the day.

Which weekdays are closed, and when the others stop, is frozen here: the exchange calendar packages disagree
with each other on this market (3,957, 3,963 and 3,965 sessions for 2010-07 .. 2025-10) and only cross-check
the tests. What the exchange does by rule is a rule below; what it decided case by case (Good Friday) is data.

Beyond 2025, the last published year, the rules go on:

- the holidays with a 12:00 halt;
- the 12:15 closes: the day before Independence Day, the day after Thanksgiving and Christmas Eve, each when
  it is a weekday and neither closed nor a holiday itself (all 34 such closes up to 2025-12 follow it);
- Good Friday closes at 08:15, as in every year since 2023. A Good Friday that turns out to be closed holds no
  bar and so takes no part; one wrongly listed as closed would lose a real session.

Halts outside any schedule (2012-10-29 and 30, 2018-12-05, 2025-01-09) stay normal sessions: the market's
silence is a fact of the data, not of the calendar.

Not here: which contract trades in a session, and the grid of seconds that is built from one.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dateutil.easter import easter

CHICAGO: Final = ZoneInfo("America/Chicago")
SESSION_OPEN: Final = time(7, 30)
FIRST_DAY: Final = date(2010, 6, 6)
"""The first day of the vendor's data set; earlier days are not known to this calendar."""

NORMAL_CLOSE: Final = time(15, 0)
GOOD_FRIDAY_CLOSE: Final = time(8, 15)
EVE_CLOSE: Final = time(12, 15)
HOLIDAY_CLOSE: Final = time(12, 0)
HOLIDAY_CLOSE_BEFORE_2014_05: Final = time(10, 30)

_CLOSED_GOOD_FRIDAY_YEARS: Final = frozenset({2011, 2013, 2014, 2016, 2017, 2018, 2019, 2020, 2022})
_FIRST_NOON_HALT: Final = date(2014, 5, 26)
_FIRST_JUNETEENTH_HALT: Final = 2022

_ONE_DAY: Final = timedelta(days=1)
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6


@dataclass(frozen=True, slots=True)
class Session:
    """One trading session: the seconds 07:30:00 <= Chicago time < `close` on `date`.

    All instants are whole UTC epoch seconds; every interval includes its start and excludes its end.
    """

    date: date
    close: time

    @property
    def seconds(self) -> int:
        """Calendar seconds from 07:30 to the close; no clock change falls inside a session."""
        return self.closes_at - self.opens_at

    @property
    def opens_at(self) -> int:
        """07:30:00 in Chicago, the session's first second."""
        return _epoch_seconds(self.date, SESSION_OPEN)

    @property
    def closes_at(self) -> int:
        """The close, the first second that is no longer in the session."""
        return _epoch_seconds(self.date, self.close)


def session_on(day: date) -> Session | None:
    """Return the session of a Chicago calendar date, or None on weekends and closed days.

    Raises ValueError for a day before `FIRST_DAY`.
    """
    if day < FIRST_DAY:
        raise ValueError(
            f"{day} lies before {FIRST_DAY}, the first day of the session calendar; ask for a later day"
        )
    if day.weekday() >= _SATURDAY or _is_closed(day):
        return None
    return Session(day, _close_of(day))


def sessions_between(first: date, last: date) -> tuple[Session, ...]:
    """Return the sessions of `first` .. `last`, both included, in order; none if reversed."""
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return tuple(session for day in days if (session := session_on(day)) is not None)


def sessions_of_month(year: int, month: int) -> tuple[Session, ...]:
    """Return the sessions of one calendar month in order."""
    first = date(year, month, 1)
    next_month = (first + timedelta(days=31)).replace(day=1)
    return sessions_between(first, next_month - _ONE_DAY)


def midnights(day: date) -> tuple[int, int]:
    """Return the UTC epoch seconds of the Chicago midnights at which a date begins and ends."""
    return _epoch_seconds(day, time.min), _epoch_seconds(day + _ONE_DAY, time.min)


def _epoch_seconds(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock, tzinfo=CHICAGO).timestamp())


def _is_closed(day: date) -> bool:
    """Whether a weekday has no session at all."""
    if day == _good_friday(day.year):
        return day.year in _CLOSED_GOOD_FRIDAY_YEARS
    # A New Year's Day on a Saturday is not made up for: the Friday before it closes the books of the year.
    new_year = date(day.year, 1, 1)
    if new_year.weekday() != _SATURDAY and day == _observed(new_year):
        return True
    return day == _observed(date(day.year, 12, 25))


def _close_of(day: date) -> time:
    if day == _good_friday(day.year):
        return GOOD_FRIDAY_CLOSE
    if day in _halt_holidays(day.year):
        return HOLIDAY_CLOSE if day >= _FIRST_NOON_HALT else HOLIDAY_CLOSE_BEFORE_2014_05
    if day in _eves(day.year):
        return EVE_CLOSE
    return NORMAL_CLOSE


def _good_friday(year: int) -> date:
    return easter(year) - timedelta(days=2)


def _halt_holidays(year: int) -> frozenset[date]:
    """The observed days of the holidays on which the market halts around noon."""
    holidays = {
        _nth_weekday(year, 1, _MONDAY, 3),  # Martin Luther King
        _nth_weekday(year, 2, _MONDAY, 3),  # Presidents' Day
        _last_monday_of_may(year),  # Memorial Day
        _observed(date(year, 7, 4)),  # Independence Day
        _nth_weekday(year, 9, _MONDAY, 1),  # Labor Day
        _thanksgiving(year),
    }
    if year >= _FIRST_JUNETEENTH_HALT:
        holidays.add(_observed(date(year, 6, 19)))
    return frozenset(holidays)


def _eves(year: int) -> frozenset[date]:
    """The days beside a holiday that close at 12:15 unless closed, a holiday themselves, or a weekend."""
    return frozenset({date(year, 7, 3), _thanksgiving(year) + _ONE_DAY, date(year, 12, 24)})


def _thanksgiving(year: int) -> date:
    return _nth_weekday(year, 11, _THURSDAY, 4)


def _observed(holiday: date) -> date:
    """Move a Saturday holiday to its Friday and a Sunday holiday to its Monday."""
    if holiday.weekday() == _SATURDAY:
        return holiday - _ONE_DAY
    if holiday.weekday() == _SUNDAY:
        return holiday + _ONE_DAY
    return holiday


def _nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())
