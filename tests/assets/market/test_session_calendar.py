"""The frozen session calendar against the published counts, dates and UTC ranges, and another calendar."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import exchange_calendars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.market.session_calendar import (
    CHICAGO,
    FIRST_DAY,
    NORMAL_CLOSE,
    SESSION_OPEN,
    Session,
    midnights,
    session_on,
    sessions_between,
    sessions_of_month,
)

FIRST_MONTH, LAST_MONTH = (2010, 7), (2025, 10)
PUBLISHED = sessions_between(date(2010, 7, 1), date(2025, 10, 31))

DAYS_CLOSED_ON_GOOD_FRIDAY = [
    "2011-04-22", "2013-03-29", "2014-04-18", "2016-03-25", "2017-04-14",
    "2018-03-30", "2019-04-19", "2020-04-10", "2022-04-15",
]  # fmt: skip
DAYS_CLOSING_AT_0815 = ["2012-04-06", "2015-04-03", "2021-04-02", "2023-04-07", "2024-03-29", "2025-04-18"]
DAYS_CLOSING_AT_1215 = [
    "2010-11-26", "2011-11-25", "2012-07-03", "2012-11-23", "2012-12-24", "2013-07-03", "2013-11-29",
    "2013-12-24", "2014-07-03", "2014-11-28", "2014-12-24", "2015-11-27", "2015-12-24", "2016-11-25",
    "2017-07-03", "2017-11-24", "2018-07-03", "2018-11-23", "2018-12-24", "2019-07-03", "2019-11-29",
    "2019-12-24", "2020-11-27", "2020-12-24", "2021-11-26", "2022-11-25", "2023-07-03", "2023-11-24",
    "2024-07-03", "2024-11-29", "2024-12-24", "2025-07-03", "2025-11-28", "2025-12-24",
]  # fmt: skip
UNSCHEDULED_HALTS = ["2012-10-29", "2012-10-30", "2018-12-05", "2025-01-09"]


def days(texts: list[str]) -> list[date]:
    return [date.fromisoformat(text) for text in texts]


def dates_closing_at(close: time) -> list[date]:
    """The dates of 2010-07 .. 2025-12 with this close."""
    return [
        session.date
        for session in sessions_between(date(2010, 7, 1), date(2025, 12, 31))
        if session.close == close
    ]


def required_session(day: date) -> Session:
    session = session_on(day)
    assert session is not None, f"{day} has no session"
    return session


def utc_clock(epoch_seconds: int) -> str:
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def test_the_184_published_months_hold_3965_sessions_and_105431400_rows():
    weekdays = sum((date(2010, 7, 1) + timedelta(days=n)).weekday() < 5 for n in range(5602))
    assert date(2010, 7, 1) + timedelta(days=5601) == date(2025, 10, 31)
    assert (weekdays, len(PUBLISHED), weekdays - len(PUBLISHED)) == (4002, 3965, 37)
    assert len(PUBLISHED) * 27_000 == 107_055_000
    assert sum(session.seconds for session in PUBLISHED) == 105_431_400


def test_months_have_19_to_23_sessions_in_the_published_distribution():
    first, last = (year * 12 + month - 1 for year, month in (FIRST_MONTH, LAST_MONTH))
    months = [(index // 12, index % 12 + 1) for index in range(first, last + 1)]
    assert len(months) == 184
    counts = Counter(len(sessions_of_month(year, month)) for year, month in months)
    assert counts == {19: 1, 20: 28, 21: 57, 22: 65, 23: 33}


def test_134_sessions_close_early_at_the_published_times():
    closes = Counter(session.close for session in PUBLISHED if session.close != NORMAL_CLOSE)
    assert closes == {time(8, 15): 6, time(10, 30): 23, time(12, 0): 73, time(12, 15): 32}
    assert closes.total() == 134


@pytest.mark.parametrize(
    ("close", "expected"),
    [(time(8, 15), DAYS_CLOSING_AT_0815), (time(12, 15), DAYS_CLOSING_AT_1215)],
    ids=["08:15", "12:15"],
)
def test_the_listed_days_and_no_others_close_at(close: time, expected: list[str]):
    assert dates_closing_at(close) == days(expected)


def test_the_holiday_halt_moves_from_1030_to_noon_between_february_and_may_2014():
    assert dates_closing_at(time(10, 30))[-1] == date(2014, 2, 17)
    assert dates_closing_at(time(12, 0))[0] == date(2014, 5, 26)


@pytest.mark.parametrize("day", days(DAYS_CLOSED_ON_GOOD_FRIDAY))
def test_this_good_friday_is_closed(day: date):
    assert session_on(day) is None


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2012, 1, 2), "New Year's Day on a Sunday moves to Monday"),
        (date(2011, 12, 26), "Christmas on a Sunday moves to Monday"),
        (date(2010, 12, 24), "Christmas on a Saturday moves to Friday"),
        (date(2021, 12, 24), "Christmas on a Saturday moves to Friday"),
        (date(2025, 1, 1), "New Year's Day"),
        (date(2025, 12, 25), "Christmas Day"),
        (date(2025, 10, 4), "a Saturday"),
        (date(2025, 10, 5), "a Sunday"),
    ],
)
def test_a_closed_day_has_no_session(day: date, why: str):
    assert session_on(day) is None, why


@pytest.mark.parametrize(
    ("day", "close", "why"),
    [
        (date(2010, 12, 31), NORMAL_CLOSE, "a Saturday New Year closes nothing"),
        (date(2021, 12, 31), NORMAL_CLOSE, "a Saturday New Year closes nothing"),
        (
            date(2015, 7, 3),
            time(12, 0),
            "Independence Day on a Saturday: its Friday is the holiday, not its eve",
        ),
        (date(2021, 7, 5), time(12, 0), "Independence Day on a Sunday moves to Monday"),
        (date(2021, 6, 18), NORMAL_CLOSE, "Juneteenth did not halt the market before 2022"),
        (date(2022, 6, 20), time(12, 0), "the first Juneteenth halt, moved from Sunday"),
        (date(2023, 12, 22), NORMAL_CLOSE, "Christmas Eve on a Sunday has no early close"),
        (date(2026, 4, 3), time(8, 15), "Good Friday beyond the published years"),
        (date(2026, 7, 3), time(12, 0), "Independence Day 2026 falls on a Saturday"),
        (date(2026, 11, 27), time(12, 15), "the day after Thanksgiving beyond the published years"),
        (date(2027, 12, 23), NORMAL_CLOSE, "Christmas 2027 is observed on Friday the 24th"),
    ],
)
def test_a_holiday_rule_gives_this_close(day: date, close: time, why: str):
    assert required_session(day).close == close, why


@pytest.mark.parametrize("day", days(UNSCHEDULED_HALTS))
def test_an_unscheduled_halt_stays_a_normal_session(day: date):
    assert required_session(day).close == NORMAL_CLOSE


@pytest.mark.parametrize(
    ("day", "close", "seconds"),
    [
        (date(2025, 4, 18), time(8, 15), 2_700),
        (date(2014, 2, 17), time(10, 30), 10_800),
        (date(2014, 5, 26), time(12, 0), 16_200),
        (date(2025, 7, 3), time(12, 15), 17_100),
        (date(2025, 10, 15), time(15, 0), 27_000),
    ],
)
def test_session_seconds_follow_from_the_close(day: date, close: time, seconds: int):
    session = required_session(day)
    assert (session.close, session.seconds) == (close, seconds)


@pytest.mark.parametrize(
    ("month", "compat_rows", "strict_rows"),
    [
        ((2010, 7), 594_000, 577_800),
        ((2010, 11), 594_000, 567_900),
        ((2011, 2), 540_000, 523_800),
        ((2012, 2), 567_000, 550_800),
        ((2013, 12), 567_000, 557_100),
        ((2020, 3), 594_000, 594_000),
        ((2024, 3), 567_000, 542_700),
        ((2025, 1), 594_000, 583_200),
        ((2025, 4), 594_000, 569_700),
        ((2025, 7), 621_000, 600_300),
        ((2025, 9), 594_000, 583_200),
        ((2025, 10), 621_000, 621_000),
        ((2025, 11), 540_000, 519_300),
        ((2025, 12), 594_000, 584_100),
    ],
)
def test_rows_per_month_are_the_published_ones(month: tuple[int, int], compat_rows: int, strict_rows: int):
    sessions = sessions_of_month(*month)
    assert len(sessions) * 27_000 == compat_rows
    assert sum(session.seconds for session in sessions) == strict_rows


@pytest.mark.parametrize(
    ("day", "first_row", "last_row"),
    [
        (date(2025, 3, 7), "13:30:00", "20:59:59"),
        (date(2025, 3, 10), "12:30:00", "19:59:59"),
        (date(2025, 10, 31), "12:30:00", "19:59:59"),
        (date(2025, 11, 3), "13:30:00", "20:59:59"),
    ],
)
def test_a_session_covers_this_utc_range_around_the_clock_changes(day: date, first_row: str, last_row: str):
    session = required_session(day)
    assert utc_clock(session.opens_at) == f"{day} {first_row}"
    assert utc_clock(session.closes_at - 1) == f"{day} {last_row}"


def test_a_session_date_runs_from_chicago_midnight_to_chicago_midnight():
    winter = required_session(date(2025, 11, 3))
    assert utc_clock(midnights(winter.date)[0]) == "2025-11-03 06:00:00"
    assert utc_clock(midnights(winter.date)[1]) == "2025-11-04 06:00:00"


@given(st.dates(min_value=FIRST_DAY, max_value=date(2099, 12, 31)))
def test_every_session_lies_inside_its_chicago_date_on_a_weekday(day: date):
    session = session_on(day)
    if session is None:
        return
    assert day.weekday() < 5
    start, end = midnights(session.date)
    assert start < session.opens_at < session.closes_at < end
    assert end - start == 86_400
    opening = datetime.fromtimestamp(session.opens_at, CHICAGO)
    closing = datetime.fromtimestamp(session.closes_at, CHICAGO)
    assert (opening.date(), opening.time()) == (day, SESSION_OPEN)
    assert (closing.date(), closing.time()) == (day, session.close)


def test_sessions_between_includes_both_ends_and_is_empty_when_reversed():
    first, last = date(2025, 10, 1), date(2025, 10, 31)
    assert [session.date for session in sessions_between(first, first)] == [first]
    assert sessions_between(first, last) == sessions_of_month(2025, 10)
    assert len(sessions_of_month(2025, 10)) == 23
    assert sessions_between(last, first) == ()


def test_a_day_before_the_data_set_is_refused_by_name():
    assert session_on(date(2010, 6, 30)) == Session(date(2010, 6, 30), NORMAL_CLOSE)
    with pytest.raises(ValueError, match="2010-06-05 lies before 2010-06-06"):
        session_on(date(2010, 6, 5))


# What the package's CME equity calendar has otherwise, each a known gap of the package: it closes every Good
# Friday, takes days of national mourning for closures, and knows neither the Juneteenth halts nor the early
# closes on the eve of Independence Day.
CLOSED_ONLY_IN_THE_PACKAGE = {*days(DAYS_CLOSING_AT_0815), date(2018, 12, 5), date(2025, 1, 9)}
EARLY_ONLY_IN_OURS = {
    *days(DAYS_CLOSING_AT_0815),
    *days(["2022-06-20", "2023-06-19", "2024-06-19", "2025-06-19"]),
    *(day for day in days(DAYS_CLOSING_AT_1215) if (day.month, day.day) == (7, 3)),
}


def test_the_package_calendar_agrees_but_for_its_known_gaps():
    theirs = exchange_calendars.get_calendar("CMES", start="2010-07-01", end="2025-12-31")
    ours = sessions_between(date(2010, 7, 1), date(2025, 12, 31))
    our_days = {session.date for session in ours}
    our_early_closes = {session.date for session in ours if session.close != NORMAL_CLOSE}

    assert our_days ^ {stamp.date() for stamp in theirs.sessions} == CLOSED_ONLY_IN_THE_PACKAGE
    assert our_early_closes ^ {stamp.date() for stamp in theirs.early_closes} == EARLY_ONLY_IN_OURS
