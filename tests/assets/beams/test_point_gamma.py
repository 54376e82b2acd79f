"""The point gamma of a layer: worked examples, a slow reference, and what holds for every layer."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from assets.beams.gamma import PointGamma
from assets.beams.spot_maps import SpotMap
from tests.assets.beams.planned_maps import Logged, Point, delivered, gamma_of, spot_map
from tests.assets.beams.slow_gamma import slow_gamma

FAR_APART = 20.0


def row_of_spots(*weights: float) -> SpotMap:
    """Spots far enough apart for no sample to change sides."""
    return spot_map([(place * FAR_APART, 0.0, weight) for place, weight in enumerate(weights)])


def moved(logged: list[Logged], x: float, y: float) -> list[Logged]:
    return [(at_x + x, at_y + y, count) for at_x, at_y, count in logged]


def pass_rate(result: PointGamma) -> float:
    return result.passed.sum() / result.evaluated.sum()


def test_two_millimetres_off_with_the_right_counts_is_a_gamma_of_one_and_passes() -> None:
    result = gamma_of(row_of_spots(1.0), [(0.0, 2.0, 7)])
    assert (result.gamma[0], result.passed[0]) == (pytest.approx(1.0), True)


def test_a_little_more_than_two_millimetres_off_fails() -> None:
    assert not gamma_of(row_of_spots(1.0), [(0.0, 2.00001, 7)]).passed[0]


def test_offset_and_counts_add_up_as_squares() -> None:
    planned = row_of_spots(100.0, 100.0)
    result = gamma_of(planned, [(1.2, 0.0, 104), (FAR_APART, 0.0, 96)])
    assert result.offsets_mm == pytest.approx([1.2, 0.0])
    assert result.count_errors == pytest.approx([4.0, -4.0])
    assert result.gamma == pytest.approx([1.0, 0.8])
    assert result.passed.tolist() == [True, True]


def test_the_unit_of_counts_does_not_matter() -> None:
    planned = row_of_spots(1.0, 3.0)
    assert gamma_of(planned, [(0, 0, 10), (FAR_APART, 0, 30)]).gamma.tolist() == [0.0, 0.0]
    assert gamma_of(planned, [(0, 0, 1000), (FAR_APART, 0, 3000)]).gamma.tolist() == [0.0, 0.0]


def test_the_offset_of_a_point_is_that_of_the_mean_position_so_noise_cancels() -> None:
    result = gamma_of(row_of_spots(1.0), [(-3.0, 0.0, 1), (1.0, 0.0, 3)])
    assert result.offsets_mm[0] == 0.0
    assert result.logged_mm.tolist() == [[0.0, 0.0]]


def test_the_offset_of_a_segment_is_the_mean_distance_so_noise_does_not_cancel() -> None:
    line = spot_map([(0, 0, 0.0), (10, 0, 1.0)], line=True)
    result = gamma_of(line, [(5.0, -3.0, 1), (5.0, 1.0, 3)])
    assert result.offsets_mm[1] == pytest.approx(1.5)
    assert result.logged_mm[1] == pytest.approx([5.0, 0.0])


def test_an_element_without_samples_fails_by_its_count_and_has_no_offset() -> None:
    result = gamma_of(row_of_spots(1.0, 1.0), [(0.0, 0.0, 50)])
    assert (result.offsets_mm[1], result.counts[1], result.count_errors[1]) == (0.0, 0, -1.0)
    assert result.gamma[1] == pytest.approx(20.0)
    assert np.isnan(result.logged_mm[1]).all()
    assert result.passed.tolist() == [False, False]


def test_samples_without_counts_have_no_say() -> None:
    result = gamma_of(row_of_spots(1.0), [(0.0, 0.0, 5), (9.0, 0.0, 0)])
    assert (result.gamma[0], result.counts[0]) == (0.0, 5)


def test_nothing_logged_leaves_every_point_failed_and_says_so() -> None:
    result = gamma_of(row_of_spots(1.0, 2.0), [])
    assert not result.has_counts
    assert result.gamma.tolist() == pytest.approx([10.0, 20.0])
    assert not result.passed.any()


@pytest.mark.parametrize(
    ("weights", "evaluated"),
    [
        ((10.0, 1.0, 0.99), [True, True, False]),
        ((3.0, 0.3, 0.0), [True, True, False]),
        ((np.float32(7.0), np.float32(0.7), np.float32(0.69)), [True, True, False]),
    ],
    ids=["plain", "0.1 * 3 is more than 0.3", "0.7 as float32 is less"],
)
def test_points_of_a_tenth_of_the_largest_weight_are_evaluated(
    weights: tuple[float, ...], evaluated: list[bool]
) -> None:
    planned = row_of_spots(*map(float, weights))
    assert gamma_of(planned, delivered(planned)).evaluated.tolist() == evaluated


def test_a_point_that_is_not_evaluated_does_not_pass_either() -> None:
    planned = row_of_spots(100.0, 1.0)
    assert gamma_of(planned, delivered(planned)).passed.tolist() == [True, False]


def test_a_repainted_point_is_judged_once_by_all_its_weight() -> None:
    planned = spot_map([(0, 0, 1.0), (FAR_APART, 0, 1.0), (0, 0, 1.0)])
    result = gamma_of(planned, [(0, 0, 20), (FAR_APART, 0, 10)])
    assert result.gamma.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("name", ["evaluated", "counts", "logged_mm", "offsets_mm", "count_errors", "gamma"])
def test_a_result_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        getattr(gamma_of(row_of_spots(1.0), [(0, 0, 1)]), name)[...] = 0


WHOLE_MM = st.integers(-30, 30)
POINTS = st.lists(
    st.tuples(WHOLE_MM, WHOLE_MM, st.integers(0, 9).map(float)), min_size=1, max_size=12
).filter(lambda points: any(weight for _, _, weight in points))
SAMPLES = st.lists(
    st.tuples(
        st.integers(-300, 300).map(lambda eighths: eighths / 8),
        st.integers(-300, 300).map(lambda eighths: eighths / 8),
        st.integers(0, 500),
    ),
    max_size=40,
)


@given(points=POINTS, line=st.booleans(), logged=SAMPLES)
def test_a_layer_has_the_gamma_of_the_slow_reference(
    points: list[Point], line: bool, logged: list[Logged]
) -> None:
    planned = spot_map(points, line=line)
    result = gamma_of(planned, logged)
    slow = slow_gamma(planned, [((x, y), count) for x, y, count in logged])
    assert result.counts.tolist() == [element.counts for element in slow]
    assert result.offsets_mm == pytest.approx([element.offset for element in slow], abs=1e-9)
    assert result.gamma == pytest.approx([element.gamma for element in slow], abs=1e-8)
    assert result.evaluated.tolist() == [element.evaluated for element in slow]


@given(points=POINTS, line=st.booleans(), logged=SAMPLES, x=WHOLE_MM, y=WHOLE_MM)
def test_plan_and_log_moved_together_have_the_same_gamma(
    points: list[Point], line: bool, logged: list[Logged], x: int, y: int
) -> None:
    here = gamma_of(spot_map(points, line=line), logged)
    there = gamma_of(spot_map([(a + x, b + y, w) for a, b, w in points], line=line), moved(logged, x, y))
    assert there.counts.tolist() == here.counts.tolist()
    assert there.gamma == pytest.approx(here.gamma, abs=1e-9)


@given(points=POINTS, logged=SAMPLES)
def test_equal_elements_in_several_parts_are_judged_as_one(points: list[Point], logged: list[Logged]) -> None:
    halves = [(x, y, weight / 2) for x, y, weight in points]
    whole = gamma_of(spot_map(points), logged)
    parts = gamma_of(spot_map(halves + halves), logged)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.gamma == pytest.approx(whole.gamma)


@given(
    points=st.lists(st.tuples(WHOLE_MM, WHOLE_MM, st.integers(1, 9).map(float)), min_size=1, max_size=12),
    counts_per_weight=st.integers(1, 1000),
)
def test_spots_delivered_as_planned_all_have_a_gamma_of_zero(
    points: list[Point], counts_per_weight: int
) -> None:
    planned = spot_map(points)
    result = gamma_of(planned, delivered(planned, counts_per_weight))
    assert result.gamma == pytest.approx(0.0, abs=1e-9)
    assert pass_rate(result) == 1.0


@given(steps=st.lists(st.integers(1, 9), min_size=1, max_size=12), counts_per_weight=st.integers(1, 1000))
def test_a_line_delivered_as_planned_passes_everywhere(steps: list[int], counts_per_weight: int) -> None:
    places = np.concatenate([[0], np.cumsum(steps)])
    points = [(float(x), 2.0 * x, 0.0 if n == 0 else float(n)) for n, x in enumerate(places)]
    planned = spot_map(points, line=True)
    assert pass_rate(gamma_of(planned, delivered(planned, counts_per_weight))) == 1.0


WEIGHTS = st.lists(st.integers(1, 9).map(float), min_size=1, max_size=8)
DIRECTION = st.floats(0.0, 6.28)


@given(weights=WEIGHTS, direction=DIRECTION, offsets=st.tuples(st.floats(0, 9.5), st.floats(0, 9.5)))
def test_a_delivery_farther_off_never_passes_more(
    weights: list[float], direction: float, offsets: tuple[float, float]
) -> None:
    planned = row_of_spots(*weights)
    near, far = (
        gamma_of(planned, moved(delivered(planned), offset * np.cos(direction), offset * np.sin(direction)))
        for offset in sorted(offsets)
    )
    assert pass_rate(far) <= pass_rate(near)
    assert (far.gamma >= near.gamma - 1e-9).all()


@given(weights=WEIGHTS, surplus=st.tuples(st.integers(0, 300), st.integers(0, 300)), data=st.data())
def test_a_spot_with_more_surplus_never_lets_more_points_pass(
    weights: list[float], surplus: tuple[int, int], data: st.DataObject
) -> None:
    assume(len(weights) > 1)
    planned = row_of_spots(*weights)
    spot = data.draw(st.integers(0, len(weights) - 1))
    less, more = (
        gamma_of(planned, [*delivered(planned), (spot * FAR_APART, 0.0, extra)]) for extra in sorted(surplus)
    )
    assert pass_rate(more) <= pass_rate(less)
