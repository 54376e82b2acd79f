"""Periods of a calendar, and what clocks that are put forward and back do to them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.date_range import DateRange
from assets.failures import PermanentFailure
from tests.assets.discovery.strategies.source_worlds import Source, assert_a_second_read_changes_nothing

NEW_YORK = "America/New_York"


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def calendar(timezone: str = "UTC", now: str = "2026-03-18T12:00:00+00:00", **params: object) -> Source:
    return Source(DateRange(), params, timezone=timezone, now=at(now))


def test_three_days_of_new_york_of_which_one_has_23_hours():
    source = calendar(NEW_YORK, start="2026-03-07", end="2026-03-09")
    read = source.read()
    assert read.keys == ["2026-03-07", "2026-03-08", "2026-03-09"]
    assert read.data == [
        {"start": "2026-03-07T05:00:00Z", "end": "2026-03-08T05:00:00Z", "hours": 24},
        {"start": "2026-03-08T05:00:00Z", "end": "2026-03-09T04:00:00Z", "hours": 23},
        {"start": "2026-03-09T04:00:00Z", "end": "2026-03-10T04:00:00Z", "hours": 24},
    ]
    assert read.is_complete
    assert_a_second_read_changes_nothing(source)


@pytest.mark.parametrize(
    ("step", "start", "end", "keys"),
    [
        ("week", "2025-12-31", "2026-01-05", ["2026-W01", "2026-W02"]),
        ("week", "2026-12-31", "2027-01-03", ["2026-W53"]),
        ("month", "2026-01-31", "2026-03-01", ["2026-01", "2026-02", "2026-03"]),
        ("quarter", "2026-02-10", "2026-12-31", ["2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"]),
        ("year", "2024-06-01", "2026-01-01", ["2024", "2025", "2026"]),
        ("day", "2024-02-28", "2024-03-01", ["2024-02-28", "2024-02-29", "2024-03-01"]),
    ],
)
def test_every_step_has_its_names_and_both_bounds_are_included(step, start, end, keys):
    assert calendar(step=step, start=start, end=end).read().keys == keys


def test_an_hour_is_left_out_in_spring_and_there_twice_in_autumn():
    spring = calendar(NEW_YORK, step="hour", start="2026-03-08", end="2026-03-08").read()
    assert spring.keys[:3] == ["2026-03-08T00", "2026-03-08T01", "2026-03-08T03"]
    assert len(spring.keys) == 23
    autumn = calendar(NEW_YORK, step="hour", start="2026-11-01", end="2026-11-01").read()
    assert autumn.keys[:4] == ["2026-11-01T00", "2026-11-01T01", "2026-11-01T01b", "2026-11-01T02"]
    assert len(autumn.keys) == 25
    assert autumn.data[2] == {"start": "2026-11-01T06:00:00Z", "end": "2026-11-01T07:00:00Z", "hours": 1}
    day = calendar(NEW_YORK, start="2026-11-01", end="2026-11-01").read()
    assert day.data[0]["hours"] == 25


@pytest.mark.parametrize(
    ("timezone", "now", "last"),
    [
        (NEW_YORK, "2026-03-18T03:59:59+00:00", "2026-03-16"),
        (NEW_YORK, "2026-03-18T04:00:00+00:00", "2026-03-17"),
        ("Pacific/Auckland", "2026-03-18T12:00:00+00:00", "2026-03-18"),
    ],
)
def test_an_open_end_is_yesterday_in_the_zone_of_the_job(timezone, now, last):
    assert calendar(timezone, now, start="2026-03-01").read().keys[-1] == last


def test_an_open_end_waits_for_longer_periods_to_be_over():
    for step, keys in [
        ("week", ["2026-W10", "2026-W11"]),
        ("month", []),
        ("hour", None),
    ]:
        read = calendar(step=step, start="2026-03-02").read()
        assert keys is None or read.keys == keys
    assert read.keys[-1] == "2026-03-17T23"
    assert calendar(step="month", start="2026-03-02", now="2026-04-01T00:00:00+00:00").read().keys == [
        "2026-03"
    ]


def test_rolling_days_end_yesterday_and_never_begin_before_the_start():
    assert calendar(start="2026-01-01", rolling_days=3).read().keys == [
        "2026-03-15",
        "2026-03-16",
        "2026-03-17",
    ]
    assert calendar(start="2026-03-17", rolling_days=3).read().keys == ["2026-03-17"]
    assert calendar(start="2026-04-01", rolling_days=3).read().keys == []


def test_weekdays_leave_out_saturday_and_sunday():
    assert calendar(start="2026-03-06", end="2026-03-09", weekdays=True).read().keys == [
        "2026-03-06",
        "2026-03-09",
    ]
    hours = calendar(start="2026-03-07", end="2026-03-09", weekdays=True, step="hour").read()
    assert {key[:10] for key in hours.keys} == {"2026-03-09"}
    with pytest.raises(PermanentFailure, match="month"):
        calendar(start="2026-03-07", weekdays=True, step="month").read()


def test_a_day_that_the_zone_never_had_is_no_period():
    read = calendar("Pacific/Apia", start="2011-12-29", end="2011-12-31").read()
    assert read.keys == ["2011-12-29", "2011-12-31"]


@given(
    zone=st.sampled_from(
        [
            "UTC",
            NEW_YORK,
            "Europe/London",
            "Australia/Lord_Howe",
            "America/Sao_Paulo",
            "Asia/Kolkata",
            "Africa/Cairo",
        ]
    ),
    step=st.sampled_from(["hour", "day", "week", "month", "quarter", "year"]),
    first=st.dates(date(2010, 1, 1), date(2030, 1, 1)),
    days=st.integers(0, 40),
)
def test_periods_follow_each_other_without_gap_or_overlap_and_have_their_own_names(zone, step, first, days):
    end = first + timedelta(days=days)
    read = calendar(zone, step=step, start=first.isoformat(), end=end.isoformat()).read()
    assert len(set(read.keys)) == len(read.keys)
    for earlier, later in zip(read.data, read.data[1:], strict=False):
        assert earlier["end"] == later["start"]
    instants = [datetime.fromisoformat(read.data[0]["start"]), datetime.fromisoformat(read.data[-1]["end"])]
    noon = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
    assert instants[0] <= noon <= instants[1] + timedelta(hours=14)
    assert all(data["hours"] > 0 for data in read.data)
