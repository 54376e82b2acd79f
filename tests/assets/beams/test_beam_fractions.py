"""Fractions: an inclusive window from the first delivery, and a status by set."""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.fractions import Fraction, fractions_of
from assets.beams.plan import Plan
from tests.assets.beams.delivered_cases import LATER, delivery_of, moment, plan_of

HOUR = timedelta(hours=1)
PLANS = {count: plan_of(dict.fromkeys(range(2, count + 2), (100.0,))) for count in (1, 2, 3)}
"""Plans with the treatment beams 2, 3, ..., by how many there are."""


def fractions(plan: Plan, *deliveries: tuple[str, int], now: datetime = LATER) -> tuple[Fraction, ...]:
    """The fractions of deliveries, each a start and a beam number."""
    made = [delivery_of(plan, number, start) for start, number in deliveries]
    numbers = [beam.dicom_number for beam in plan.treatment_beams]
    return fractions_of(made, numbers, HOUR, now)


def summary(found: tuple[Fraction, ...]) -> list[tuple[str, int]]:
    """Status and number of deliveries of each fraction."""
    return [(fraction.status, len(fraction.deliveries)) for fraction in found]


@pytest.mark.parametrize(
    ("now", "second"),
    [
        ("12:30:00", "pending"),
        ("13:00:00", "pending"),
        ("13:00:00.000001", "partial"),
        ("13:00:01", "partial"),
    ],
)
def test_an_incomplete_fraction_is_pending_to_the_last_moment_of_its_window(now: str, second: str) -> None:
    found = fractions(PLANS[2], ("10:00", 2), ("10:05", 3), ("12:00", 2), now=moment(now))
    assert summary(found) == [("complete", 2), (second, 1)]
    assert [fraction.index for fraction in found] == [1, 2]
    assert found[1].closes == moment("13:00:00")
    assert found[1].missing == (3,)


@pytest.mark.parametrize(
    ("second", "expected"),
    [("11:00:00.00", [("complete", 2)]), ("11:00:00.01", [("partial", 1), ("partial", 1)])],
)
def test_the_window_is_inclusive_and_exact(second: str, expected: list[tuple[str, int]]) -> None:
    assert summary(fractions(PLANS[2], ("10:00:00.00", 2), (second, 3))) == expected


def test_the_window_begins_at_the_first_delivery_and_does_not_slide() -> None:
    found = fractions(PLANS[2], ("10:00", 2), ("10:40", 3), ("11:20", 2))
    assert summary(found) == [("complete", 2), ("partial", 1)]


def test_midnight_is_no_border() -> None:
    found = fractions(PLANS[2], ("20260320235000", 2), ("20260321001000", 3))
    assert summary(found) == [("complete", 2)]


def test_what_is_missing_and_doubled_is_listed_by_dicom_number() -> None:
    (found,) = fractions(PLANS[3], ("10:00", 3), ("10:10", 3), ("10:20", 2))
    assert (found.status, found.missing, found.duplicate) == ("incomplete_set", (4,), (3,))


def test_two_deliveries_of_one_beam_do_not_replace_another() -> None:
    (found,) = fractions(PLANS[2], ("10:00", 3), ("10:10", 3))
    assert (found.status, found.missing, found.duplicate) == ("incomplete_set", (2,), (3,))


def test_a_single_beam_delivered_twice_is_an_anomaly() -> None:
    (found,) = fractions(PLANS[1], ("10:00", 2), ("10:30", 2))
    assert (found.status, found.missing, found.duplicate) == ("anomaly", (), (2,))


def test_a_complete_fraction_is_complete_while_its_window_is_open() -> None:
    assert summary(fractions(PLANS[1], ("10:00", 2), now=moment("10:01:00"))) == [("complete", 1)]


def test_the_zone_of_the_clock_does_not_matter() -> None:
    now = moment("13:00:00").astimezone(ZoneInfo("Asia/Tokyo"))
    assert summary(fractions(PLANS[2], ("12:00", 2), now=now)) == [("pending", 1)]


DELIVERIES = st.lists(
    st.tuples(st.integers(0, 4 * 3600 * 100), st.sampled_from((2, 3, 4))),
    min_size=1,
    max_size=9,
    unique_by=lambda made: made[0],
)


@given(DELIVERIES, st.randoms(use_true_random=False), st.integers(0, 6 * 3600))
def test_order_does_not_matter_and_every_delivery_has_one_fraction(
    made: list[tuple[int, int]], random: Random, seconds: int
) -> None:
    begin = moment("10:00:00")
    plan, now = PLANS[3], begin + timedelta(seconds=seconds)
    named = [
        (f"{begin + timedelta(milliseconds=10 * start):%Y%m%d%H%M%S%f}", number) for start, number in made
    ]
    found = fractions(plan, *named, now=now)
    random.shuffle(named)
    again = fractions(plan, *named, now=now)
    described = [[(d.folder, d.beam.dicom_number) for d in fraction.deliveries] for fraction in found]
    assert described == [[(d.folder, d.beam.dicom_number) for d in fraction.deliveries] for fraction in again]
    assert sorted(pair for group in described for pair in group) == sorted(named)
    for fraction in found:
        first = fraction.deliveries[0].moment
        assert all(first <= delivery.moment <= first + HOUR for delivery in fraction.deliveries)
        numbers = {delivery.beam.dicom_number for delivery in fraction.deliveries}
        assert set(fraction.missing) == {2, 3, 4} - numbers
        assert (fraction.status == "pending") == (fraction.missing != () and now <= first + HOUR)
    for before, after in pairwise(found):
        assert after.deliveries[0].moment > before.deliveries[0].moment + HOUR
