"""The seconds of a month on which the E-mini futures market is open, overnight hours included.

A trade date runs from 17:00 Chicago time of the evening before to 16:00, Sunday evening to Friday; the hour
in between is the daily maintenance break. A closed day has no trade date, so the evening before it is closed
too; an early close stops trading until 17:00.

Not here: the calendar of sessions (`assets.market.session_calendar`) and how busy a second is.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from assets.market.months import Month
from assets.market.session_calendar import CHICAGO, NORMAL_CLOSE, session_on

SECONDS_PER_DAY = 86_400
MAINTENANCE_STARTS = time(16, 0)
EVENING_OPENS = time(17, 0)


@dataclass(frozen=True, slots=True)
class OpenSeconds:
    """Every open second of a month, ascending, as three arrays of equal length, and the dates they lie on.

    `dates` are Chicago dates. A file is cut at UTC midnight, so it begins on the evening before the month.
    """

    epoch: np.ndarray  # int64, UTC epoch seconds
    second_of_day: np.ndarray  # int32, seconds since Chicago midnight
    date_index: np.ndarray  # int32, index into `dates`
    dates: tuple[date, ...]


def utc_bounds(month: Month) -> tuple[int, int]:
    """Return the epoch seconds of UTC midnight at the start of a month and at its end."""
    first, following = (datetime(m.year, m.month, 1, tzinfo=UTC) for m in (month, month.plus(1)))
    return int(first.timestamp()), int(following.timestamp())


def open_seconds(month: Month) -> OpenSeconds:
    """Return the open seconds between the two UTC midnights of a month."""
    starts_at, ends_at = utc_bounds(month)
    eve = date(month.year, month.month, 1) - timedelta(days=1)
    dates = tuple(eve + timedelta(days=offset) for offset in range(month.last_day + 1))
    epoch, second_of_day, date_index = [], [], []
    for index, day in enumerate(dates):
        for opens, stops in _open_intervals(day):
            # No clock change falls inside an interval: it happens at 02:00 on a Sunday.
            opens_at = int(datetime.combine(day, opens, tzinfo=CHICAGO).timestamp())
            offset = opens_at - _second_of_day(opens)
            first = max(opens_at, starts_at)
            last = min(offset + stops, ends_at)
            seconds = np.arange(first, last)
            epoch.append(seconds)
            second_of_day.append((seconds - offset).astype(np.int32))
            date_index.append(np.full(len(seconds), index, np.int32))
    return OpenSeconds(
        np.concatenate(epoch), np.concatenate(second_of_day), np.concatenate(date_index), dates
    )


def _open_intervals(day: date) -> list[tuple[time, int]]:
    """Open intervals of a Chicago date: the opening, and the second of the day that ends it."""
    intervals = []
    session = session_on(day)
    if session is not None:
        stops = session.close if session.close != NORMAL_CLOSE else MAINTENANCE_STARTS
        intervals.append((time.min, _second_of_day(stops)))
    if session_on(day + timedelta(days=1)) is not None:
        intervals.append((EVENING_OPENS, SECONDS_PER_DAY))
    return intervals


def _second_of_day(clock: time) -> int:
    return clock.hour * 3600 + clock.minute * 60 + clock.second
