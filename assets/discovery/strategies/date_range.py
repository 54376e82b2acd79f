"""`date_range`: the periods of a calendar, such as days to be worked through.

Not here: what a period is called and when it begins and ends (`periods`).
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.params import DateRangeParams
from assets.discovery.strategies.periods import Period, periods
from assets.failures import PermanentFailure


class DateRange(BaseDiscovery):
    """The hours, days, weeks, months, quarters or years from `start` to `end`, both included.

    Without `end` up to yesterday in the job's time zone: of periods longer than a day those that are over by
    then, for no other has all of its data. `rolling_days` N begins N days back, but not before `start`.
    `weekdays` leaves out Saturdays and Sundays, and their hours. Always a complete listing.
    """

    name: ClassVar[str] = "date_range"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the periods, oldest first.

        Raises:
            PermanentFailure: `weekdays` is asked of periods that are longer than a day.
        """
        params = DateRangeParams.model_validate(ask.params)
        if params.weekdays and params.step not in {"hour", "day"}:
            raise PermanentFailure(
                f"weekdays means nothing for the step {params.step}; remove it, or use step: day."
            )
        zone = ZoneInfo(ask.timezone)
        today = datetime.fromtimestamp(ask.clock() / 1000, UTC).astimezone(zone).date()
        first, last = _bounds(params, today)
        for period in periods(params.step, first, last, zone):
            is_over = params.end is not None or period.after <= today
            if is_over and not (params.weekdays and period.first.weekday() >= 5):
                yield _candidate(period)
        yield Mark(page=1, complete=True)


def _bounds(params: DateRangeParams, today: date) -> tuple[date, date]:
    """The first and the last day; nothing is between them if the last is before the first."""
    start = date.fromisoformat(params.start)
    if params.end is not None:
        return start, date.fromisoformat(params.end)
    if params.rolling_days is not None:
        start = max(start, today - timedelta(days=params.rolling_days))
    return start, today - timedelta(days=1)


def _candidate(period: Period) -> Candidate:
    hours = (period.end - period.start).total_seconds() / 3600
    data = {
        "start": _utc_text(period.start),
        "end": _utc_text(period.end),
        "hours": int(hours) if hours == int(hours) else hours,
    }
    return Candidate(period.name, data, title=period.name)


def _utc_text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
