"""What holds of features for any bars: they equal the plain formulas, and know only their session's past."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.market.features import FEATURES, FIRST_ROWS, PERIODS, compute_features
from assets.market.session_bars import MonthBars
from tests.assets.market.bars import month_bars, stretch, wave
from tests.assets.market.plain_features import plain_features
from tests.assets.market.random_bars import months, stretches, walks

VOLUME_SLOPES = ("volume_slope_30s", "volume_slope_5s", "volume_exhaustion")


def assert_same(found: dict, expected: dict, rows: slice = slice(None)) -> None:
    for name in FEATURES:
        np.testing.assert_array_equal(found[name][rows], expected[name], err_msg=name)


def assert_plain(bars: MonthBars) -> None:
    found, expected = compute_features(bars), plain_features(bars)
    assert set(found) == set(expected) == set(FEATURES)
    for name in FEATURES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, atol=1e-9, err_msg=name)


@given(months())
@settings(max_examples=150, deadline=None)
def test_features_equal_the_plain_formulas(bars):
    assert_plain(bars)


@given(months(max_sessions=2, max_rows=1900))
@settings(max_examples=25, deadline=None)
def test_features_of_long_sessions_equal_the_plain_formulas(bars):
    assert_plain(bars)


@given(stretches())
@settings(max_examples=40, deadline=None)
def test_other_sessions_change_no_feature_of_a_session(parts):
    bars = month_bars(*parts)
    together = compute_features(bars)
    for part, rows in zip(parts, bars.windows, strict=True):
        assert_same(together, compute_features(month_bars(part)), rows)


@given(walks(max_rows=1900), st.data())
@settings(max_examples=40, deadline=None)
def test_a_feature_depends_only_on_rows_up_to_its_own(walk, data):
    cut = data.draw(st.integers(1, len(walk)))
    changed = walk.copy()
    changed[cut:, :4] += data.draw(st.integers(-500, 500))
    changed[cut:, 4] *= data.draw(st.integers(0, 3))
    before, after = (compute_features(month_bars(stretch(bars))) for bars in (walk, changed))
    assert_same(
        {name: column[:cut] for name, column in after.items()}, {n: c[:cut] for n, c in before.items()}
    )


@given(months(rules="strict", max_sessions=1), st.integers(2, 1000))
@settings(max_examples=40, deadline=None)
def test_scaling_volumes_scales_the_volume_slopes_and_nothing_else(bars, factor):
    scaled = compute_features(replace(bars, volume=bars.volume * factor))
    expected = compute_features(bars)
    for name in FEATURES:
        times = factor if name in VOLUME_SLOPES else 1
        np.testing.assert_allclose(scaled[name], expected[name] * times, rtol=1e-12, err_msg=name)


@given(months(rules="strict", max_sessions=2, max_rows=1900))
@settings(max_examples=40, deadline=None)
def test_ranges_contain_each_other_and_the_bar(bars):
    f = compute_features(bars)
    close, high, low = (bars.points(getattr(bars, name)) for name in ("close", "high", "low"))
    longest_high, longest_low = close - f["distance_from_rth_high"], close - f["distance_from_rth_low"]
    falling = [longest_high, f["medium_range_high"], f["short_range_high"], high, close, low,
               f["short_range_low"], f["medium_range_low"], longest_low]  # fmt: skip
    for above, below in pairwise(falling):
        assert ((above >= below) | np.isnan(above) | np.isnan(below)).all()
    for name in ("position_in_short_range", "range_compression_ratio"):
        share = f[name][~np.isnan(f[name])]
        assert ((share >= 0) & (share <= 1)).all()


@given(months())
@settings(max_examples=40, deadline=None)
def test_exactly_one_period_of_the_day_is_set(bars):
    features = compute_features(bars)
    assert (np.sum([features[name] for name in PERIODS], axis=0) == 1).all()
    assert not features["is_eth"].any()


@given(months())
@settings(max_examples=40, deadline=None)
def test_no_feature_is_infinite(bars):
    for name, column in compute_features(bars).items():
        assert not np.isinf(column.astype(float)).any(), name


@pytest.mark.parametrize("name", [name for name, first in FIRST_ROWS.items() if first == 1799])
def test_an_1800_row_window_has_1799_nulls_per_session_and_no_chunk_adds_any(name):
    days = [stretch(wave(6000).bars, f"2025-10-{day}T07:30:00", base=0) for day in (14, 15, 16)]
    bars = month_bars(*days)
    missing = [int(np.isnan(compute_features(bars)[name][rows]).sum()) for rows in bars.windows]
    assert missing == [1799, 1799, 1799]
    compat = compute_features(month_bars(*days, rules="compat"))[name]
    assert np.isnan(compat).sum() == 1799
