"""Instants as text: what is one, what is not, and that it is written as it is read."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.days import format_instant, parse_instant

PACIFIC = "America/Los_Angeles"
MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1 < moment.year < 9999)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-01-15T08:07:33Z", "2025-01-15T08:07:33+00:00"),
        ("2025-01-15 08:07:33", "2025-01-15T08:07:33+00:00"),
        ("2025-01-15T08:07:33.5Z", "2025-01-15T08:07:33.500000+00:00"),
        ("2025-01-15T08:07:33.123456999", "2025-01-15T08:07:33.123456+00:00"),
        ("2025-01-15T08:07:33.000000001Z", "2025-01-15T08:07:33+00:00"),
        ("2025-01-15T00:07:33-08:00", "2025-01-15T08:07:33+00:00"),
        ("2025-01-15T00:07:33-0800", "2025-01-15T08:07:33+00:00"),
        ("2025-01-15T13:52:33.25+05:45", "2025-01-15T08:07:33.250000+00:00"),
        ("2025-01-15T08:07:33-00:00", "2025-01-15T08:07:33+00:00"),
        ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59+00:00"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
    ],
)
def test_an_instant_is_read_in_utc(text, instant):
    assert parse_instant(text) == datetime.fromisoformat(instant)
    assert str(parse_instant(text)) == str(datetime.fromisoformat(instant))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "2025-01-15",
        "2025-01-15T08:07Z",
        "2025-01-15T08:07:60Z",
        "2025-01-15T24:00:00Z",
        "2025-02-29T08:07:33Z",
        "2025-13-01T08:07:33Z",
        "0000-01-01T00:00:00Z",
        "2025-1-15T08:07:33Z",
        "2025-01-15T8:07:33Z",
        "2025-01-15  08:07:33Z",
        "2025-01-15t08:07:33Z",
        "2025-01-15T08:07:33z",
        "2025-01-15T08:07:33 Z",
        " 2025-01-15T08:07:33Z",
        "2025-01-15T08:07:33Z\n",
        "2025-01-15T08:07:33.Z",
        "2025-01-15T08:07:33.1234567890Z",
        "2025-01-15T08:07:33,5Z",
        "2025-01-15T08:07:33+08",
        "2025-01-15T08:07:33+24:00",
        "2025-01-15T08:07:33+08:60",
        "2025-01-15T08:07:33+08:00:00",
        "20250115T080733Z",
        "2025-01-15T08:07:33\u0661Z",
        "\u0662\u0660\u0662\u0665-01-15T08:07:33Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "1736928453",
        "NaT",
    ],
)
def test_other_text_is_no_instant(text):
    assert parse_instant(text) is None


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31)),  # noqa: DTZ001
    st.integers(0, 9),
    st.integers(0, 999),
    st.sampled_from("T "),
    st.none() | st.just("Z") | st.integers(-23 * 60 - 59, 23 * 60 + 59),
    st.sampled_from(["", ":"]),
)
def test_an_instant_is_what_its_parts_say(local, digits, below, separator, offset, colon):
    fraction = f"{local.microsecond:06}{below:03}"[:digits]
    text = f"{local:%m-%d}{separator}{local:%H:%M:%S}{'.' * bool(digits)}{fraction}"
    text = f"{local.year:04}-{text}"
    zone = UTC
    if isinstance(offset, int):
        zone = timezone(timedelta(minutes=offset))
        text += f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}{colon}{abs(offset) % 60:02}"
    elif offset is not None:
        text += offset
    expected = local.replace(microsecond=int(fraction.ljust(9, "0")) // 1000, tzinfo=zone)
    assert parse_instant(text) == expected


@given(st.text(alphabet="0123456789-T :.Z+", max_size=30) | st.text(max_size=30))
def test_no_text_makes_the_parser_fail(text):
    instant = parse_instant(text)
    assert instant is None or instant.tzinfo is UTC


@given(MOMENTS)
def test_a_written_instant_is_read_as_the_same(moment):
    assert parse_instant(format_instant(moment)) == moment
    assert parse_instant(format_instant(moment.astimezone(ZoneInfo(PACIFIC)))) == moment


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        ("2025-01-15T08:00:00Z", "2025-01-15T08:00:00Z"),
        ("2025-01-15T00:00:00.9-08:00", "2025-01-15T08:00:00.900000Z"),
        ("0999-01-15T08:00:00Z", "0999-01-15T08:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_six_digits_or_none(instant, text):
    assert format_instant(datetime.fromisoformat(instant)) == text
