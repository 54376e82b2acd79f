"""How long is waited before a beam is tried again, and whether it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import CODES
from assets.beams.retry_waits import BEAM_RETRIES, RetryPolicy, may_retry


def test_three_attempts_wait_one_and_two_seconds() -> None:
    assert BEAM_RETRIES.waits(3) == (1.0, 2.0)


def test_six_attempts_from_five_seconds_wait_up_to_a_minute() -> None:
    assert RetryPolicy(first_wait=5.0).waits(6) == (5.0, 10.0, 20.0, 40.0, 60.0)


@pytest.mark.parametrize("attempts", [0, 1])
def test_a_single_attempt_waits_for_nothing(attempts: int) -> None:
    assert BEAM_RETRIES.waits(attempts) == ()


def test_the_wait_after_thousands_of_retries_is_the_longest() -> None:
    assert BEAM_RETRIES.wait(5000) == 60.0


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 2.0), (0.5, 3.0), (0.999, 3.998)])
def test_chance_places_the_upper_half_of_a_wait(chance: float, wait: float) -> None:
    assert BEAM_RETRIES.jittered_wait(2, chance) == pytest.approx(wait)


@given(
    retries=st.integers(0, 100),
    chance=st.floats(0, 1, exclude_max=True),
    policy=st.builds(
        RetryPolicy, first_wait=st.floats(0.1, 30), factor=st.floats(1, 4), longest_wait=st.floats(30, 120)
    ),
)
def test_waits_never_shrink_nor_exceed_the_longest(retries: int, chance: float, policy: RetryPolicy) -> None:
    assert policy.wait(retries) <= policy.wait(retries + 1) <= policy.longest_wait
    assert policy.wait(retries) / 2 <= policy.jittered_wait(retries, chance) <= policy.wait(retries)


@pytest.mark.parametrize(
    ("code", "retries_before", "again"),
    [
        ("ssh_timeout", 0, True),
        ("ssh_timeout", 2, True),
        ("ssh_timeout", 3, False),
        ("timeout", 0, True),
        ("timeout", 1, False),
        ("empty_dose", 0, False),
        ("no_gpu", 0, False),
    ],
)
def test_only_retryable_failures_are_tried_again_and_only_so_often(
    code: str, retries_before: int, again: bool
) -> None:
    assert may_retry(code, CODES[code].categories[0], retries_before, most_retries=3) is again


@pytest.mark.parametrize("code", ["ssh_timeout", "timeout"])
def test_no_retries_are_allowed_where_none_are_configured(code: str) -> None:
    assert not may_retry(code, "retryable", 0, most_retries=0)


def test_a_young_marker_without_a_plan_is_no_retry() -> None:
    assert not may_retry("missing_rtplan", "pending", 0, most_retries=3)


def test_an_unknown_code_is_an_error() -> None:
    with pytest.raises(KeyError):
        may_retry("no_such_code", "retryable", 0, most_retries=3)
