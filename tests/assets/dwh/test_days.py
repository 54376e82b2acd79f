"""Days, instants and prefixes: the worked examples D1 to D8, the days of a clock change, properties."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.days import (
    command_line_day,
    command_line_window,
    day_window,
    format_instant,
    interval_start,
    local_day,
    parse_instant,
    prefix_of,
    prefixes,
    run_day,
    start_instant,
    zone_label,
    zone_of,
)

PACIFIC = "America/Los_Angeles"
# Half and quarter hours, a change by half an hour, changes at midnight, both hemispheres, and the date line.
ZONES = st.sampled_from(
    [
        PACIFIC,
        "UTC",
        "Europe/London",
        "Africa/Cairo",
        "America/Havana",
        "America/Santiago",
        "Asia/Beirut",
        "Asia/Kathmandu",
        "Atlantic/Azores",
        "Australia/Lord_Howe",
        "Pacific/Kiritimati",
        "America/St_Johns",
    ]
)
DAYS = st.dates(date(2012, 1, 1), date(2037, 12, 30))
MOMENTS = st.datetimes(
    min_value=datetime(2012, 1, 2),  # noqa: DTZ001 (hypothesis adds the zone)
    max_value=datetime(2037, 12, 30),  # noqa: DTZ001
    timezones=st.just(UTC),
)
INTERVALS = st.sampled_from([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])
NOW = datetime(2025, 1, 15, 7, 59, 59, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("instant", "day"),
    [("2025-01-15T07:59:59Z", date(2025, 1, 14)), ("2025-01-15T08:00:00Z", date(2025, 1, 15))],
)
def test_an_instant_belongs_to_its_local_day(instant, day):
    assert local_day(utc(instant), PACIFIC) == day


@pytest.mark.parametrize(
    ("day", "start", "end", "hours", "count"),
    [
        (date(2025, 1, 15), "2025-01-15T08:00:00Z", "2025-01-16T08:00:00Z", 24, 288),
        (date(2025, 3, 9), "2025-03-09T08:00:00Z", "2025-03-10T07:00:00Z", 23, 276),
        (date(2025, 11, 2), "2025-11-02T07:00:00Z", "2025-11-03T08:00:00Z", 25, 300),
    ],
)
def test_a_day_has_the_hours_and_prefixes_of_its_clocks(day, start, end, hours, count):
    window = day_window(day, PACIFIC)
    assert window == (utc(start), utc(end))
    assert {bound.tzinfo for bound in window} == {UTC}
    assert window[1] - window[0] == timedelta(hours=hours)
    folders = prefixes(*window)
    assert len(folders) == len(set(folders)) == count
    assert folders == sorted(folders)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Africa/Cairo", date(2025, 4, 25), "2025-04-24T22:00:00Z", 23),  # no 00:00, the day begins at 01:00
        ("America/Havana", date(2025, 11, 2), "2025-11-02T04:00:00Z", 25),  # 00:00 twice
        ("Australia/Lord_Howe", date(2025, 4, 6), "2025-04-05T13:00:00Z", 24.5),
    ],
)
def test_a_day_begins_when_its_date_does_where_midnight_is_skipped_or_comes_twice(zone, day, start, hours):
    begin, end = day_window(day, zone)
    assert begin == utc(start)
    assert end - begin == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("start", "end", "minutes"),
    [
        ("2025-01-15T10:03:27Z", "2025-01-15T10:15:00Z", ["00", "05", "10"]),
        ("2025-01-15T10:03:27Z", "2025-01-15T10:15:01Z", ["00", "05", "10", "15"]),
        ("2025-01-15T10:05:00Z", "2025-01-15T10:05:00Z", []),
        ("2025-01-15T10:05:00Z", "2025-01-15T10:05:00.000001Z", ["05"]),
        ("2025-01-15T10:20:00Z", "2025-01-15T10:00:00Z", []),
    ],
)
def test_the_start_is_floored_and_the_end_is_exclusive(start, end, minutes):
    expected = [f"year=2025/month=01/day=15/hour=10/min={minute}" for minute in minutes]
    assert prefixes(utc(start), utc(end)) == expected


def test_prefixes_are_in_utc_whatever_the_zone_of_the_bounds():
    start = datetime(2025, 1, 15, 0, 0, tzinfo=ZoneInfo(PACIFIC))
    assert prefixes(start, start + timedelta(minutes=1)) == ["year=2025/month=01/day=15/hour=08/min=00"]


@pytest.mark.parametrize("minutes", [-5, 0, 7, 45, 61, 120])
def test_an_interval_that_does_not_divide_an_hour_is_refused(minutes):
    with pytest.raises(ValueError, match=rf"An interval of {minutes} minutes does not divide an hour"):
        prefixes(NOW, NOW, minutes)


def test_a_bound_without_a_zone_is_refused():
    with pytest.raises(ValueError, match=r"2025-01-15T07:59:59 has no time zone"):
        prefixes(NOW, NOW.replace(tzinfo=None))


@pytest.mark.parametrize("updated", ["2025-01-15T08:07:33Z", "2025-01-15T08:07:33.000Z"])
def test_a_record_falls_into_the_prefix_of_its_update(updated):
    instant = parse_instant(updated)
    assert instant is not None
    assert prefix_of(instant) == "year=2025/month=01/day=15/hour=08/min=05"
    assert interval_start(instant).minute == 5


@given(DAYS, ZONES)
def test_windows_of_consecutive_days_touch_and_none_is_empty(day, zone):
    start, end = day_window(day, zone)
    assert start < end
    assert day_window(day + timedelta(days=1), zone)[0] == end


@given(MOMENTS, ZONES)
def test_every_instant_lies_in_the_window_of_its_day_and_of_no_other(moment, zone):
    day = local_day(moment, zone)
    holding = [
        other
        for other in (day + timedelta(days=shift) for shift in (-2, -1, 0, 1, 2))
        if day_window(other, zone)[0] <= moment < day_window(other, zone)[1]
    ]
    assert holding == [day]


@given(DAYS, ZONES)
def test_a_day_begins_where_the_local_date_changes(day, zone):
    start, end = day_window(day, zone)
    last = end - timedelta(microseconds=1)
    assert {start.astimezone(ZoneInfo(zone)).date(), last.astimezone(ZoneInfo(zone)).date()} == {day}


@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(hours=3)), INTERVALS)
def test_prefixes_cover_the_window_and_nothing_that_does_not_touch_it(start, length, minutes):
    end = start + length
    begins = [
        datetime.strptime(folder, "year=%Y/month=%m/day=%d/hour=%H/min=%M").replace(tzinfo=UTC)
        for folder in prefixes(start, end, minutes)
    ]
    interval = timedelta(minutes=minutes)
    assert all(after - before == interval for before, after in pairwise(begins))
    assert all(begin.minute % minutes == 0 and begin.second == begin.microsecond == 0 for begin in begins)
    if start < end:
        assert begins[0] <= start < begins[0] + interval
        assert begins[-1] < end <= begins[-1] + interval


@pytest.mark.parametrize(
    ("end_date", "day"),
    [
        ("2025-01-16T08:00:00Z", date(2025, 1, 15)),
        ("2025-01-15", date(2025, 1, 15)),
        ("2025-01-16T08:00:00.000001Z", date(2025, 1, 16)),
        ("2025-01-16T08:00:00", date(2025, 1, 15)),
        ("2025-01-16 00:00:00-08:00", date(2025, 1, 15)),
        ("2025-03-10T07:00:00Z", date(2025, 3, 9)),
        ("2025-11-03T08:00:00Z", date(2025, 11, 2)),
    ],
)
def test_the_run_day_is_that_of_the_last_microsecond(end_date, day):
    assert run_day(end_date, PACIFIC) == day


@pytest.mark.parametrize(
    "end_date", ["0001-01-01T00:00:00Z", "9999-12-31", "1969-12-31", "9999-01-01 00:00:00"]
)
def test_an_end_that_no_image_can_have_is_refused(end_date):
    with pytest.raises(
        ValueError, match=f"end_date '{end_date}' is out of range; give a year from 1970 to 9998"
    ):
        run_day(end_date, PACIFIC)


@pytest.mark.parametrize("end_date", ["15/01/2025", "2025-1-15", "2025-02-30", "", "now", "2025-01-16T08:00"])
def test_an_end_that_is_no_date_is_refused_and_named(end_date):
    with pytest.raises(ValueError, match=f"end_date '{end_date}' is n"):
        run_day(end_date, PACIFIC)


@given(DAYS, ZONES)
def test_the_end_of_a_days_window_and_its_date_give_that_day(day, zone):
    assert run_day(day.isoformat(), zone) == day
    assert run_day(format_instant(day_window(day, zone)[1]), zone) == day


def test_dates_on_the_command_line_are_whole_local_days():
    window = command_line_window("2025-03-08", "2025-03-09", PACIFIC)
    assert window == (utc("2025-03-08T08:00:00Z"), utc("2025-03-10T07:00:00Z"))


def test_instants_on_the_command_line_are_taken_as_they_are():
    window = command_line_window("2025-03-09 10:03:27", "2025-03-09T03:15:00-07:00", PACIFIC)
    assert window == (utc("2025-03-09T10:03:27Z"), utc("2025-03-09T10:15:00Z"))


def test_a_window_that_ends_before_it_starts_is_refused():
    with pytest.raises(ValueError, match=r"end_date '2025-01-14' is before start_date '2025-01-16'"):
        command_line_window("2025-01-16", "2025-01-14", PACIFIC)


def test_a_start_that_is_no_date_is_refused_and_named():
    with pytest.raises(ValueError, match="start_date 'yesterday' is neither a date nor an instant"):
        start_instant("yesterday", PACIFIC)


@pytest.mark.parametrize(
    ("arguments", "day"),
    [
        ({"year": "2025", "month": "01", "day": "09"}, date(2025, 1, 9)),
        ({"year": "2025", "month": "1", "day": "9"}, date(2025, 1, 9)),
        ({"year": 2025, "month": 1, "day": 9}, date(2025, 1, 9)),
        ({"year": "2025", "month": "1", "day": "9", "end_date": "2025-02-02"}, date(2025, 1, 9)),
        ({"end_date": "2025-01-16T08:00:00Z"}, date(2025, 1, 15)),
        ({"end_date": "2025-01-16T08:00:00Z", "year": None}, date(2025, 1, 15)),
        ({"start_date": "2025-01-10", "end_date": "2025-01-12"}, date(2025, 1, 12)),
        ({"input": "p", "verbose": True}, date(2025, 1, 14)),
    ],
)
def test_the_day_of_a_command_line(arguments, day):
    assert command_line_day(arguments, PACIFIC, NOW) == day


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"year": "2025"}, "month and day is missing"),
        ({"year": "2025", "day": "9", "end_date": "2025-01-15"}, "month is missing"),
        ({"year": "2025", "month": "2", "day": "29"}, "'2025-02-29' is no date of the calendar"),
        ({"year": "25", "month": "1", "day": "9"}, "'25-1-9' are no date"),
        ({"year": "2025", "month": "one", "day": "9"}, "'2025-one-9' are no date"),
        ({"year": "2025", "month": "", "day": "9"}, "'2025--9' are no date"),
        ({"year": "2025", "month": True, "day": "9"}, "month needs a value, got True"),
        ({"end_date": True}, "end_date needs a value, got True"),
        ({"end_date": ""}, "end_date '' is neither a date nor an instant"),
        ({"start_date": "2025-01-15"}, "start_date alone names no day"),
    ],
)
def test_a_command_line_without_a_clear_day_is_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        command_line_day(arguments, PACIFIC, NOW)


@pytest.mark.parametrize(
    "name",
    [
        "PST",
        "pacific",
        "",
        "america/los_angeles",
        "America",
        "America/Los_Angeles/",
        "../UTC",
        "localtime",
        "Factory",
        "posix/UTC",
        "+08:00",
        "UTC\0",
    ],
)
def test_a_zone_that_is_no_iana_name_is_refused_and_named(name):
    with pytest.raises(ValueError, match="is no IANA name; give one such as") as refused:
        zone_of(name)
    assert repr(name) in str(refused.value)
    with pytest.raises(ValueError, match="is no IANA name"):
        day_window(date(2025, 1, 15), name)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        (PACIFIC, "pacific"),
        ("Europe/London", "europe-london"),
        ("America/New_York", "america-new-york"),
        ("America/Argentina/Buenos_Aires", "america-argentina-buenos-aires"),
        ("UTC", "utc"),
    ],
)
def test_the_folder_of_a_zone(name, label):
    assert zone_label(name) == label


def test_a_folder_is_made_for_no_zone_that_does_not_exist():
    with pytest.raises(ValueError, match="'pacific' is no IANA name"):
        zone_label("pacific")
