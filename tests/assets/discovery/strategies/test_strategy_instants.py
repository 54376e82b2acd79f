"""Dates of feeds, sitemaps and registries: each form that is met, and nothing guessed."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.strategies.instants import instant_ms, instant_text

NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Sun, 01 Mar 2026 09:00:00 GMT", "2026-03-01T09:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 UT", "2026-03-01T09:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 Z", "2026-03-01T09:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 -0000", "2026-03-01T09:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 +0130", "2026-03-01T07:30:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 EST", "2026-03-01T14:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00 pdt", "2026-03-01T16:00:00Z"),
        ("1 Mar 26 09:00 +0100 (CET)", "2026-03-01T08:00:00Z"),
        ("Sun, 01 Mar 2026 09:00:00", "2026-03-01T14:00:00Z"),
        ("Sun Mar  1 09:00:00 2026", "2026-03-01T14:00:00Z"),
        ("Sun, 01 Mar 2026", "2026-03-01T05:00:00Z"),
        ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("2026-03-01t09:00:00z", "2026-03-01T09:00:00Z"),
        ("2026-03-01T09:00+01:00", "2026-03-01T08:00:00Z"),
        ("2026-03-01T09:00:00-0500", "2026-03-01T14:00:00Z"),
        ("2026-03-01 09:00:00 +01", "2026-03-01T08:00:00Z"),
        ("2026-03-01T09:00:00.1234567Z", "2026-03-01T09:00:00.123Z"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59Z"),
        ("2026-03-01T09:00:00", "2026-03-01T14:00:00Z"),
        (" 2026-07-01 ", "2026-07-01T04:00:00Z"),
        ("2026-07", "2026-07-01T04:00:00Z"),
        ("2026", "2026-01-01T05:00:00Z"),
    ],
)
def test_a_date_is_read_and_one_without_a_zone_is_meant_in_that_of_the_job(text, instant):
    found = instant_ms(text, NEW_YORK)
    assert found is not None
    assert instant_text(found) == instant


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1772352000",
        "0000-00-00",
        "2026-02-30",
        "2026-13",
        "2026-03-01T25:00:00Z",
        "2026-03-01T09:00:00+25:00",
        "Sun, 31 Feb 2026 09:00:00 GMT",
        "Sun, 01 Mar 2026 09:00:00 CEST",
        "Sun, 01 Mar 2026 09:00:00 BST",
        "Sun, 01 Mar 2026 09:00:00 GMT+0100",
        "Mar 1, 2026 9:00 PM",
        "Sun, 01 Mar 99999 09:00:00 GMT",
        "\x00",
    ],
)
def test_what_is_no_date_or_of_a_zone_that_may_be_several_is_none(text):
    assert instant_ms(text, NEW_YORK) is None


MOMENTS = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(MOMENTS, ZONES)
def test_what_standards_write_is_read_back(moment, zone):
    zoned, expected = moment.astimezone(zone), int(moment.timestamp()) * 1000
    assert instant_ms(format_datetime(zoned), NEW_YORK) == expected
    assert instant_ms(zoned.isoformat(), NEW_YORK) == expected
    assert instant_ms(instant_text(expected), NEW_YORK) == expected


@given(st.text(max_size=40))
def test_no_text_raises(text):
    found = instant_ms(text, NEW_YORK)
    assert found is None or datetime.fromtimestamp(found / 1000, UTC)
