"""Retry-After and validators, as hosts write them."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.http.answers import LONGEST_WAIT_S, conditions, retry_after_s, validators_of

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("007", 7.0),
        ("Sun, 01 Mar 2026 09:02:00 GMT", 120.0),
        ("Sunday, 01-Mar-26 09:02:00 GMT", 120.0),
        ("Sun Mar  1 09:02:00 2026", 120.0),
        ("Sun, 01 Mar 2026 08:59:59 GMT", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("9" * 5_000, LONGEST_WAIT_S),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT_S),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("٣", None),
        ("Sun, 99 Mar 2026 09:02:00 GMT", None),
    ],
)
def test_a_pause_is_seconds_or_a_date(asked: str, wait: float | None):
    assert retry_after_s(asked, NOW) == wait


@given(st.integers(min_value=-(10**6), max_value=10**5), st.integers(min_value=-12, max_value=12))
def test_a_date_is_the_same_pause_in_every_zone(seconds: int, hours: int):
    date = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=hours)))
    assert retry_after_s(format_datetime(date), NOW) == max(0, seconds)


@given(st.text())
def test_any_text_is_a_pause_within_the_limit_or_none(asked: str):
    wait = retry_after_s(asked, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT_S


@pytest.mark.parametrize(
    ("headers", "validators"),
    [
        ({"etag": '"a"', "LAST-MODIFIED": "yesterday"}, {"etag": '"a"', "last_modified": "yesterday"}),
        ({"ETag": "  "}, {}),
        ({"ETag": '"é"'}, {}),
        ({}, {}),
    ],
)
def test_validators_are_kept_if_they_can_be_sent(headers: dict[str, str], validators: dict[str, str]):
    assert validators_of(httpx.Headers(headers, encoding="latin-1")) == validators


def test_validators_go_back_as_they_came():
    assert conditions({"etag": 'W/"a"', "last_modified": "then", "other": "x"}) == {
        "If-None-Match": 'W/"a"',
        "If-Modified-Since": "then",
    }
    assert conditions({"etag": "", "last_modified": "né"}) == {}
