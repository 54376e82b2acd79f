"""The dense example `wave(n)`: every documented number of two rows, column sums, null counts and labels."""

import numpy as np
import pytest

from assets.market.brackets import MODES, OUTCOMES
from assets.market.features import FEATURES, compute_features
from assets.market.labels import label_rows
from assets.market.weights import weigh
from tests.assets.market.bars import month_bars, wave

THIRD = 1 / 3

ROW_899 = {
    "volume_ratio_30s": 0, "volume_slope_30s": -0.165072302558, "volume_slope_5s": -10.4,
    "vwap": 6709.26487327, "distance_from_vwap_pct": -0.0374835890539, "vwap_slope": -0.0181057089077,
    "short_range_high": 6713, "short_range_low": 6705.5, "short_range_size": 7.5,
    "position_in_short_range": 0.166666666667,
    "medium_range_high": 6713, "medium_range_low": 6699.25, "medium_range_size": 13.75,
    "range_compression_ratio": 0.545454545455, "short_range_retouches": 0, "medium_range_retouches": 0,
    "return_30s": 3.72772683217e-05, "return_60s": -7.45462000075e-05, "return_300s": -0.000782181168057,
    "momentum_consistency": 7.48640131741e-05, "atr_30s": 0.475, "atr_300s": 0.5,
    "volatility_regime": 0.95, "volatility_acceleration": -0.025641025641,
    "volatility_breakout": -1.73013900452, "atr_percentile": 5.5,
    "uptick_pct_30s": 100 * THIRD, "uptick_pct_60s": 100 * THIRD, "directional_strength": 100 * THIRD,
}  # fmt: skip

ROW_1999 = {
    "volume_ratio_30s": 0.789473684211, "volume_slope_30s": -0.0861401557286, "volume_slope_5s": -13,
    "volume_exhaustion": -10.2631578947, "vwap": 6710.68527007, "vwap_slope": -0.00455058578963,
    "distance_from_rth_high": -5, "distance_from_rth_low": 8.75,
    "position_in_short_range": 0.0909090909091, "range_compression_ratio": 0.4,
    "return_60s": -0.000186309945225, "momentum_consistency": 7.88604227711e-05,
    "volatility_regime": 0.981697171381, "volatility_acceleration": -0.0406504065041,
    "volatility_breakout": -0.502109092163, "atr_percentile": 29.1666666667,
    "relative_bar_size": 1.52542372881, "uptick_pct_30s": 30, "uptick_pct_60s": 100 * THIRD,
    "bar_flow_consistency": 10 * THIRD, "directional_strength": 40,
}  # fmt: skip

SUMS = {
    "volume_ratio_30s": 1961.73840052, "volume_slope_30s": -1.00404894327, "volume_slope_5s": -5.6,
    "volume_exhaustion": 10135.3839706, "vwap": 13412179.9094, "distance_from_vwap_pct": 13.7042998262,
    "vwap_slope": 10.5808248769, "distance_from_rth_high": -538.5, "distance_from_rth_low": 2225.25,
    "short_range_size": 11611.25, "position_in_short_range": 971.631748229, "medium_range_size": 14231,
    "range_compression_ratio": 590.706117277, "short_range_retouches": 447, "medium_range_retouches": 178,
    "return_30s": 0.0372991700783, "return_60s": 0.0747570999945, "return_300s": 0.343032556795,
    "momentum_consistency": 0.155358361763, "atr_30s": 991.516666667, "atr_300s": 856.2375,
    "volatility_regime": 1700.08775647, "volatility_breakout": -30.7930310732,
    "atr_percentile": 83138.1666667, "bar_range": 1006.5, "relative_bar_size": 1962.90178637,
    "uptick_pct_30s": 68510, "uptick_pct_60s": 67501.6666667, "bar_flow_consistency": 2955,
    "directional_strength": 60080,
}  # fmt: skip

NULLS = {
    "volume_ratio_30s": 29, "volume_exhaustion": 29, "vwap_slope": 29, "atr_30s": 29,
    "relative_bar_size": 29, "uptick_pct_30s": 29, "directional_strength": 29,
    "volume_slope_30s": 33, "volume_slope_5s": 4,
    "distance_from_rth_high": 1799, "distance_from_rth_low": 1799,
    "short_range_high": 299, "short_range_low": 299, "short_range_size": 299,
    "position_in_short_range": 299, "atr_300s": 299, "volatility_regime": 299,
    "medium_range_high": 899, "medium_range_low": 899, "medium_range_size": 899,
    "range_compression_ratio": 899,
    "return_30s": 30, "momentum_consistency": 30, "return_60s": 60, "momentum_acceleration": 60,
    "return_300s": 300, "volatility_acceleration": 59, "uptick_pct_60s": 59, "bar_flow_consistency": 59,
    "volatility_breakout": 328, "atr_percentile": 328,
}  # fmt: skip

# Winners, sum of all weights, sums of the winners' MAE and seconds, and the losers by session_end.
LABELS = {
    "low_vol_long": (1020, 3719, 2682, 106531, 31),
    "normal_vol_long": (946, 3866.375, 2591, 146592, 65),
    "high_vol_long": (873, 3860.194875, 2522, 180485, 162),
    "low_vol_short": (660, 3080, 1800, 70683, 102),
    "normal_vol_short": (604, 3141.875, 1787, 97079, 162),
    "high_vol_short": (502, 3027.001, 1588, 107319, 264),
}


@pytest.fixture(scope="module")
def features():
    return compute_features(month_bars(wave(2000)))


@pytest.mark.parametrize("name", ROW_899)
def test_row_899_of_wave_is_as_documented(name):
    assert compute_features(month_bars(wave(900)))[name][899] == pytest.approx(ROW_899[name], rel=1e-9)


@pytest.mark.parametrize("name", ROW_899)
def test_row_899_is_the_same_with_rows_after_it(name, features):
    assert features[name][899] == pytest.approx(ROW_899[name], rel=1e-9)


@pytest.mark.parametrize("name", ROW_1999)
def test_row_1999_of_wave_is_as_documented(name, features):
    assert features[name][1999] == pytest.approx(ROW_1999[name], rel=1e-9)


@pytest.mark.parametrize("name", SUMS)
def test_a_column_of_wave_sums_to_the_documented_number(name, features):
    assert np.nansum(features[name]) == pytest.approx(SUMS[name], rel=1e-9)


@pytest.mark.parametrize("name", FEATURES)
def test_a_column_of_wave_has_the_documented_nulls(name, features):
    is_missing = np.isnan(features[name].astype(float))
    assert is_missing.sum() == NULLS.get(name, 0)
    assert not is_missing[NULLS.get(name, 0) :].any()


def test_the_prices_of_the_documented_rows_are_those_of_the_document():
    bars = month_bars(wave(2000))
    points = [bars.points(getattr(bars, name)) for name in ("open", "high", "low", "close")]
    assert [float(price[899]) for price in points] == [6706.75] * 4
    assert [float(price[1999]) for price in points] == [6708.75, 6708.75, 6708, 6708]
    assert bars.volume[[899, 1999]].tolist() == [0, 32]


@pytest.mark.parametrize("mode", MODES)
def test_the_labels_of_wave_are_as_documented(mode):
    labels, number = label_rows(month_bars(wave(2000))), MODES.index(mode)
    winners, weight, mae, seconds, session_end = LABELS[mode]
    won = labels.is_winner[number]
    outcomes = dict(zip(OUTCOMES, np.bincount(labels.outcome[number], minlength=6).tolist(), strict=True))
    assert outcomes == {
        "target": winners, "stop": 2000 - winners - session_end - 1, "both": 0, "timeout": 0,
        "session_end": session_end, "no_entry": 1,
    }  # fmt: skip
    assert (labels.mae_ticks[number, won].sum(), labels.exit_seconds[number, won].sum()) == (mae, seconds)
    # Each weight is rounded to 32 bits, which the documented sum is not.
    assert weigh(labels, 1.0)[number].sum(dtype=np.float64) == pytest.approx(weight, rel=3e-8)
