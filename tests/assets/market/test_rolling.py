"""Rolling sums, maxima and slopes against each window cut out, for every relation of length and rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.market.kernels import rolling_deviation, rolling_dot, rolling_rank
from assets.market.rolling import divide, from_row, rolling_max, rolling_slope, rolling_sum

integers = st.integers(0, 90).flatmap(lambda rows: arrays(np.int64, rows, elements=st.integers(-500, 500)))
lengths = st.integers(1, 70)


def windows(values: np.ndarray, length: int) -> list[list[int]]:
    return [values[row - length + 1 : row + 1].tolist() for row in range(length - 1, len(values))]


@given(integers, lengths)
def test_a_rolling_sum_is_the_sum_of_each_window(values, length):
    assert rolling_sum(values, length)[length - 1 :].tolist() == [sum(w) for w in windows(values, length)]


@given(integers, lengths)
def test_a_rolling_maximum_is_the_maximum_of_each_window(values, length):
    assert rolling_max(values, length)[length - 1 :].tolist() == [max(w) for w in windows(values, length)]


@given(integers, st.integers(2, 70))
def test_a_rolling_slope_is_the_least_squares_slope_of_each_window(values, length):
    found = rolling_slope(values, length)[length - 1 :]
    expected = [np.polyfit(range(length), w, 1)[0] for w in windows(values, length)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(integers, lengths)
def test_a_rolling_rank_counts_the_smaller_and_half_of_the_ties(values, length):
    expected = [sum(x < w[-1] for x in w) + (w.count(w[-1]) + 1) / 2 for w in windows(values, length)]
    ranks = rolling_rank(values, length)
    assert ranks[length - 1 :].tolist() == expected
    assert np.isnan(ranks[: length - 1]).all()


@given(integers, st.integers(2, 70))
def test_a_rolling_deviation_is_the_sample_deviation_of_each_window(values, length):
    deviations = rolling_deviation(values.astype(np.float64), length)
    expected = [np.std(w, ddof=1) for w in windows(values, length)]
    np.testing.assert_allclose(deviations[length - 1 :], expected, rtol=1e-9, atol=1e-12)
    assert np.isnan(deviations[: length - 1]).all()


@given(integers, lengths)
def test_a_rolling_dot_weighs_each_window(values, length):
    weights = np.arange(length) - 3.0
    dots = rolling_dot(values.astype(np.float64), weights)
    assert dots[length - 1 :].tolist() == [float(np.dot(w, weights)) for w in windows(values, length)]
    assert np.isnan(dots[: length - 1]).all()


@given(integers)
def test_the_arguments_are_left_as_they_were(values):
    before = values.copy()
    rolling_sum(values, 5)
    rolling_max(values, 5)
    rolling_slope(values, 5)
    np.testing.assert_array_equal(values, before)


def test_a_window_after_large_values_has_forgotten_them():
    """Running sums in floating point keep an error of the largest value they have seen."""
    values = np.concatenate([np.full(50, 10**15), np.ones(50, dtype=np.int64)])
    assert rolling_sum(values, 30)[-1] == 30
    assert rolling_slope(values, 30)[-1] == 0
    assert rolling_deviation(values.astype(np.float64), 30)[-1] == 0


@pytest.mark.parametrize("rows", [0, 1, 29, 30, 31])
def test_a_column_shorter_than_the_window_keeps_its_length(rows):
    values = np.arange(rows)
    assert (
        len(rolling_sum(values, 30)) == len(rolling_max(values, 30)) == len(rolling_slope(values, 30)) == rows
    )


def test_a_quotient_by_zero_is_missing():
    quotient = divide(np.array([1, 0, 6]), np.array([0, 0, 3]))
    np.testing.assert_array_equal(quotient, [np.nan, np.nan, 2])


def test_values_before_the_first_row_are_missing():
    np.testing.assert_array_equal(from_row(2, np.arange(4)), [np.nan, np.nan, 2, 3])
    assert np.isnan(from_row(5, np.arange(4))).all()
