"""Coverage of a day: gaps with their reasons, the range, what a run added, against sets of minutes."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from assets.dwh.coverage import Reading, day_coverage, missing_prefixes
from assets.dwh.days import prefix_starts
from assets.dwh.intervals import Interval, clipped, difference, union
from tests.assets.dwh.transform_runs import hour, hours

DAY = hours(0, 24)
LATER = hour(100)
FIVE_MINUTES = 5 / 60
GAP_REASONS = ("missing_prefix", "not_transformed", "pending_approval")

# Minutes of an hour around the window [10, 50) that stands for the day.
BOUNDS = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(sorted)


def minutes(start: int, end: int) -> Interval:
    return hours(start / 60, end / 60)


SPANS = st.lists(BOUNDS.map(lambda bounds: minutes(*bounds)), max_size=4)
READINGS = st.lists(
    st.builds(
        Reading,
        st.sampled_from(["a", "b", "c", "d"]),
        BOUNDS.map(lambda bounds: minutes(*bounds)),
        SPANS.map(tuple),
    ),
    max_size=4,
)


def minute_set(spans) -> set[int]:
    minute = timedelta(minutes=1)
    bounds = [((span.start - hour(0)) // minute, (span.end - hour(0)) // minute) for span in spans]
    return {number for start, end in bounds for number in range(start, end)}


def read_set(readings) -> set[int]:
    read = set()
    for reading in readings:
        read |= minute_set([reading.window]) - minute_set(reading.missing)
    return read


def reasons(coverage) -> list[tuple[float, float, str]]:
    return [
        ((gap.start - hour(0)) / timedelta(hours=1), (gap.end - hour(0)) / timedelta(hours=1), gap.reason)
        for gap in coverage.gaps
    ]


def is_maximal(spans) -> bool:
    return all(span.start < span.end for span in spans) and all(
        before.end < after.start for before, after in pairwise(spans)
    )


@given(SPANS, SPANS)
@example([minutes(20, 20)], [])
@example([minutes(20, 30)], [minutes(25, 25)])
def test_intervals_are_sets_of_minutes(spans, others):
    frame = minutes(10, 50)
    assert minute_set(union(spans)) == minute_set(spans)
    assert minute_set(clipped(spans, frame)) == minute_set(spans) & minute_set([frame])
    assert minute_set(difference(spans, others)) == minute_set(spans) - minute_set(others)
    assert is_maximal(union(spans))
    assert is_maximal(clipped(spans, frame))
    assert is_maximal(difference(spans, others))


@given(READINGS, READINGS, st.integers(0, 60))
def test_what_was_read_and_the_gaps_are_the_day_until_now(contributing, pending, now):
    coverage = day_coverage(minutes(10, 50), hour(now / 60), contributing, pending, ())
    elapsed = set(range(10, min(50, now)))
    gaps = {
        reason: minute_set(gap for gap in coverage.gaps if gap.reason == reason) for reason in GAP_REASONS
    }
    unread = elapsed - read_set(contributing)
    waiting = unread & read_set(pending)
    asked = minute_set(reading.window for reading in contributing + pending)
    assert gaps["pending_approval"] == waiting
    assert gaps["missing_prefix"] == (unread - waiting) & asked
    assert gaps["not_transformed"] == unread - waiting - asked
    assert sum(map(len, gaps.values())) == len(unread)
    assert list(coverage.gaps) == sorted(coverage.gaps, key=lambda gap: gap.start)


@given(READINGS, st.sets(st.sampled_from(["a", "b", "c", "d"])))
def test_the_range_and_what_was_added_are_the_windows_inside_the_day(contributing, previous):
    coverage = day_coverage(minutes(10, 50), LATER, contributing, (), previous)
    inside = minute_set(reading.window for reading in contributing) & set(range(10, 50))
    span = coverage.cumulative_range
    assert (span is None) == (not inside)
    if span is not None:
        assert minute_set([span]) == set(range(min(inside), max(inside) + 1))
    new = minute_set(reading.window for reading in contributing if reading.run_id not in previous)
    assert minute_set(coverage.this_run_added) == new & set(range(10, 50))
    assert is_maximal(coverage.this_run_added)


@given(st.data(), READINGS, READINGS)
def test_the_coverage_does_not_depend_on_the_order_of_the_runs(data, contributing, pending):
    shuffled = data.draw(st.permutations(contributing)), data.draw(st.permutations(pending))
    assert day_coverage(DAY, LATER, *shuffled, ("a",)) == day_coverage(
        DAY, LATER, contributing, pending, ("a",)
    )


def test_a_day_that_was_read_as_a_whole_has_no_gap():
    coverage = day_coverage(DAY, LATER, [Reading("a", hours(0, 24))], [], [])
    assert coverage.gaps == ()
    assert coverage.cumulative_range == DAY
    assert coverage.this_run_added == (DAY,)


def test_a_day_without_a_run_is_one_gap_and_has_no_range():
    coverage = day_coverage(DAY, LATER, [], [], [])
    assert reasons(coverage) == [(0, 24, "not_transformed")]
    assert coverage.cumulative_range is None


@pytest.mark.parametrize(
    ("contributing", "pending", "gaps"),
    [
        ([Reading("a", hours(0, 24), (hours(3, 4),))], [], [(3, 4, "missing_prefix")]),
        ([Reading("a", hours(0, 24), (hours(3, 4),)), Reading("b", hours(3, 5))], [], []),
        ([Reading("a", hours(0, 24), (hours(3, 4), hours(4, 5)))], [], [(3, 5, "missing_prefix")]),
        ([Reading("a", hours(-5, 9)), Reading("b", hours(9, 30))], [], []),
        (
            [Reading("a", hours(2, 9)), Reading("b", hours(12, 20))],
            [],
            [(0, 2, "not_transformed"), (9, 12, "not_transformed"), (20, 24, "not_transformed")],
        ),
        (
            [Reading("a", hours(0, 9))],
            [Reading("p", hours(6, 12))],
            [(9, 12, "pending_approval"), (12, 24, "not_transformed")],
        ),
        (
            [Reading("a", hours(0, 24), (hours(3, 5),))],
            [Reading("p", hours(3, 4))],
            [(3, 4, "pending_approval"), (4, 5, "missing_prefix")],
        ),
        (
            [],
            [Reading("p", hours(0, 24), (hours(3, 5),))],
            [(0, 3, "pending_approval"), (3, 5, "missing_prefix"), (5, 24, "pending_approval")],
        ),
    ],
)
def test_every_gap_has_the_reason_that_helps(contributing, pending, gaps):
    assert reasons(day_coverage(DAY, LATER, contributing, pending, [])) == gaps


def test_what_has_not_happened_yet_is_no_gap():
    coverage = day_coverage(DAY, hour(10), [Reading("a", hours(0, 6))], [], [])
    assert reasons(coverage) == [(6, 10, "not_transformed")]
    assert day_coverage(DAY, hour(-1), [], [], []).gaps == ()


def test_the_range_spans_what_lies_between_two_windows():
    coverage = day_coverage(DAY, LATER, [Reading("b", hours(6, 9)), Reading("a", hours(1, 2))], [], ["b"])
    assert coverage.cumulative_range == hours(1, 9)
    assert coverage.this_run_added == (hours(1, 2),)


def test_missing_prefixes_side_by_side_are_one_gap():
    starts = [hour(2 + FIVE_MINUTES), hour(2), hour(3)]
    gaps = missing_prefixes(starts, 5, DAY)
    assert [(gap.start, gap.end) for gap in gaps] == [
        (hour(2), hour(2 + 2 * FIVE_MINUTES)),
        (hour(3), hour(3 + FIVE_MINUTES)),
    ]
    assert {gap.reason for gap in gaps} == {"missing_prefix"}


def test_a_gap_does_not_reach_out_of_the_window():
    window = minutes(3, 14)
    gaps = missing_prefixes(prefix_starts(window.start, window.end), 5, window)
    assert [(gap.start, gap.end) for gap in gaps] == [(window.start, window.end)]


def test_three_prefixes_of_which_the_middle_is_absent_have_one_gap():
    window = minutes(0, 15)
    missing = missing_prefixes([hour(FIVE_MINUTES)], 5, window)
    reading = Reading("a", window, tuple(Interval(start=gap.start, end=gap.end) for gap in missing))
    coverage = day_coverage(window, LATER, [reading], [], [])
    assert [(gap.start, gap.end, gap.reason) for gap in coverage.gaps] == [
        (hour(FIVE_MINUTES), hour(2 * FIVE_MINUTES), "missing_prefix")
    ]
