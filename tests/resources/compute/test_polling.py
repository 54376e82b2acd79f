"""How a remote job is watched, on a clock that only sleeping moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.compute import JobOverdue, PlatformUnavailable, Polling

HOUR = 3600.0


class Clock:
    """Seconds that pass only while someone sleeps, and the sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    def polling(self, **changes: float) -> Polling:
        return Polling(clock=lambda: self.now, sleep=self.sleep, **changes)


def ended_at(clock: Clock, seconds: float):
    return lambda: "ended" if clock.now >= seconds else None


def test_a_job_that_has_ended_costs_no_sleep() -> None:
    clock = Clock()
    assert clock.polling().until_ended(lambda: "ended") == "ended"
    assert clock.sleeps == []


def test_the_pauses_grow_from_two_seconds_to_half_a_minute() -> None:
    clock = Clock()
    clock.polling().until_ended(ended_at(clock, 300))
    assert clock.sleeps[:4] == [2, 3, 4.5, 6.75]
    assert clock.sleeps[-3:] == [30, 30, 30]


@pytest.mark.parametrize("start", [31 * 60, 12 * HOUR])
def test_a_cluster_may_take_longer_than_half_an_hour_to_start(start: float) -> None:
    clock = Clock()
    assert clock.polling().until_ended(ended_at(clock, start)) == "ended"
    assert clock.now < start + 60


def test_a_job_that_never_ends_is_overdue() -> None:
    clock = Clock()
    with pytest.raises(JobOverdue, match="not ended within 48 hours"):
        clock.polling().until_ended(lambda: None)
    assert 48 * HOUR < clock.now < 48 * HOUR + 60


@given(silences=st.lists(st.floats(0, 500), min_size=1, max_size=20))
def test_a_platform_that_answers_now_and_then_is_watched_on(silences: list[float]) -> None:
    clock = Clock()
    answers = iter([0.0, *(sum(silences[:count]) for count in range(1, len(silences) + 1))])
    due = next(answers)

    def look() -> str | None:
        nonlocal due
        if clock.now < due:
            raise PlatformUnavailable("no answer")
        due = max(next(answers, -1.0), clock.now) if due >= 0 else due
        return "ended" if clock.now >= sum(silences) else None

    assert clock.polling(cap=30).until_ended(look) == "ended"


def test_a_platform_that_stays_silent_for_ten_minutes_ends_the_watch() -> None:
    clock = Clock()

    def look() -> str | None:
        if clock.now > HOUR:
            raise PlatformUnavailable("no answer since an hour")
        return None

    with pytest.raises(PlatformUnavailable, match="no answer since an hour"):
        clock.polling().until_ended(look)
    assert HOUR + 600 < clock.now < HOUR + 700


def test_any_other_error_ends_the_watch_at_once() -> None:
    clock = Clock()

    def look() -> str | None:
        raise PermissionError("the account may not look")

    with pytest.raises(PermissionError):
        clock.polling().until_ended(look)
    assert clock.sleeps == []
