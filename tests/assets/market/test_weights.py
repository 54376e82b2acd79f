"""Sample weights: the documented numbers, their bounds, and a decay that knows no batch."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.market.brackets import BRACKETS, OUTCOMES, TARGET
from assets.market.labels import Labels, label_rows
from assets.market.months import FIRST_MONTH, Month
from assets.market.recipe import Recipe
from assets.market.weights import decay, quality, velocity, weigh
from tests.assets.market.random_bars import months

MONTHS = st.builds(Month, st.integers(2010, 2040), st.integers(1, 12)).map(str)
BOUNDS = {6: (0.376875, 4.0), 8: (0.34546875, 4.0), 10: (0.326625, 4.0)}


@pytest.mark.parametrize(
    ("mae", "stop", "expected"),
    [
        (0, 6, 2), (1, 6, 1.75), (2, 6, 1.5), (3, 6, 1.25), (5, 6, 0.75),
        (2, 8, 1.625), (7, 8, 0.6875), (9, 10, 0.65),
    ],
)  # fmt: skip
def test_quality_falls_with_the_excursion(mae, stop, expected):  # W01
    assert quality(mae, stop) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 2), (60, 2), (300, 2), (301, 1.9975), (450, 1.625), (600, 1.25), (899, 0.5025), (59_400, 0.5)],
)
def test_velocity_falls_after_300_seconds(seconds, expected):  # W02
    assert velocity(seconds) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("month", "expected"),
    [("2025-09", 0.951229), ("2025-04", 0.740818), ("2024-10", 0.548812), ("2015-10", 0.002479)],
)
def test_decay_is_five_percent_a_month_before_the_reference(month, expected):  # W05
    assert decay(month, "2025-10") == pytest.approx(expected, abs=5e-7)


def test_decay_is_one_in_the_reference_month_and_above_it_later():
    assert decay("2025-10", "2025-10") == 1.0
    assert decay("2025-11", "2025-10") == pytest.approx(math.exp(0.05), rel=1e-15)


@given(MONTHS, MONTHS, MONTHS, MONTHS)
def test_the_ratio_of_two_months_is_the_same_for_every_reference(one, other, reference, another):
    ratios = [decay(one, anchor) / decay(other, anchor) for anchor in (reference, another)]
    assert ratios[0] == pytest.approx(ratios[1], rel=1e-12)


def labels_of(outcomes: list[str], mae: list[int], seconds: list[int]) -> Labels:
    """The same rows under every bracket."""
    codes = [OUTCOMES.index(outcome) for outcome in outcomes]
    return Labels(
        np.array([codes] * 6, np.int8), np.array([mae] * 6, np.int32), np.array([seconds] * 6, np.int32)
    )


def test_every_loser_weighs_the_decay_whatever_its_outcome():
    labels = labels_of(
        ["stop", "both", "timeout", "session_end", "no_entry"], [7, 6, -1, -1, -1], [1, 2, -1, -1, -1]
    )
    np.testing.assert_array_equal(weigh(labels, 0.75), np.full((6, 5), np.float32(0.75)))


def test_a_winner_weighs_quality_times_velocity_times_decay_in_single_precision():
    weights = weigh(labels_of(["target"], [2], [301]), decay("2025-09", "2025-10"))
    expected = [(2 - 3 / stop) * 1.9975 * math.exp(-0.05) for stop in (6, 8, 10, 6, 8, 10)]
    assert weights.dtype == np.float32
    assert weights[:, 0].tolist() == [float(np.float32(weight)) for weight in expected]


def test_the_documented_bounds_are_reached():
    for number, bracket in enumerate(BRACKETS):
        worst = weigh(labels_of(["target"], [bracket.stop_ticks - 1], [899]), 1.0)[number, 0]
        best = weigh(labels_of(["target"], [0], [0]), 1.0)[number, 0]
        assert (worst, best) == pytest.approx(BOUNDS[bracket.stop_ticks], rel=1e-6)


@given(months(rules="strict"))
@settings(max_examples=25, deadline=None)
def test_weights_of_winners_lie_in_the_documented_bounds(bars):
    labels = label_rows(bars)
    weights = weigh(labels, 1.0)
    for number, bracket in enumerate(BRACKETS):
        lowest, highest = BOUNDS[bracket.stop_ticks]
        won = weights[number][labels.outcome[number] == TARGET]
        assert ((won >= lowest * (1 - 1e-6)) & (won <= highest)).all()


def test_a_weight_is_relative_to_the_configured_month_and_never_to_the_batch():
    recipe = Recipe(decay_reference_month="2020-01")
    assert [recipe.decay_reference(month) for month in (FIRST_MONTH, "2020-01", "2025-10")] == ["2020-01"] * 3


def test_compat_decays_nothing():
    recipe = Recipe("compat", decay_reference_month="2020-01")
    assert [decay(month, recipe.decay_reference(month)) for month in (FIRST_MONTH, "2025-10")] == [1.0, 1.0]
