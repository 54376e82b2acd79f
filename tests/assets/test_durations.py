"""Lengths of time and rates in words."""

import pytest

from assets.durations import rate, span


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.6, "1 min"),
        (61, "1 min 1 s"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
        (-5, "0 s"),
        (90_061, "1 d 1 h"),
    ],
)
def test_spans_are_told_in_two_units(seconds, text):
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("count", "seconds", "text"),
    [
        (3, 1, "3.0 a second"),
        (60, 60, "1.0 a second"),
        (59, 60, "59.0 a minute"),
        (1, 60, "1.0 a minute"),
        (1, 1800, "2.0 an hour"),
        (1, 0, "1000.0 a second"),
    ],
)
def test_a_rate_is_told_in_the_largest_unit_that_gives_one(count, seconds, text):
    assert rate(count, seconds) == text
