"""The 43 features: the documented examples under both rules, short sessions, and what divides by zero."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from assets.market import features as features_module
from assets.market.features import FEATURES, FIRST_ROWS, FLAG_FEATURES, PERIODS, compute_features
from assets.market.recipe import Rules
from assets.market.session_bars import MonthBars
from tests.assets.market.bars import flat, head, month_bars, one_session, stretch, wave

BOTH_RULES = pytest.mark.parametrize("rules", ["strict", "compat"])
STILL = (0, 0, 0, 0)
NULL = None


def row_of(bars: MonthBars, row: int) -> dict[str, float | None]:
    """The features of one row, None for what is missing."""
    values = {name: float(column[row]) for name, column in compute_features(bars).items()}
    return {name: NULL if math.isnan(value) else value for name, value in values.items()}


def close_to(expected: Mapping[str, float | None]) -> dict[str, object]:
    return {
        name: value if value is NULL else pytest.approx(value, rel=1e-9) for name, value in expected.items()
    }


def assert_row(bars: MonthBars, row: int, expected: Mapping[str, float | None]) -> None:
    found = row_of(bars, row)
    assert {name: found[name] for name in expected} == close_to(expected)


RISING_VOLUME = [(0, 0, 0, 0, volume) for volume in range(1, 61)]
SILENT_FOR = {seconds: flat(0, 300) + flat(0, seconds, volume=0) for seconds in (30, 300)}

EXAMPLES = {
    "F01": (flat(0, 40), 39, {
        "volume_ratio_30s": 1, "volume_slope_30s": 0, "volume_slope_5s": 0, "volume_exhaustion": 0}),
    "F02, row 59": (RISING_VOLUME, 59, {
        "volume_ratio_30s": 60 / 45.5, "volume_slope_30s": 1, "volume_slope_5s": 1,
        "volume_exhaustion": 60 / 45.5}),
    "F02, row 33": (RISING_VOLUME, 33, {"volume_ratio_30s": 34 / 19.5, "volume_slope_30s": 1}),
    "F02, row 32": (RISING_VOLUME, 32, {"volume_slope_30s": NULL}),
    "F04, 30 s": (SILENT_FOR[30], 329, {
        "volume_ratio_30s": NULL, "volume_exhaustion": NULL, "volume_slope_5s": 0}),
    "F04, 300 s": (SILENT_FOR[300], 599, {"vwap": 6700.0, "distance_from_vwap_pct": 0}),
    "F06": (flat(0, 950), 949, {
        "position_in_short_range": NULL, "range_compression_ratio": NULL, "volatility_regime": NULL,
        "volatility_acceleration": NULL, "volatility_breakout": NULL, "relative_bar_size": NULL,
        "short_range_retouches": 1, "medium_range_retouches": 1, "atr_percentile": 50.5 - 1 / 3,
        "momentum_consistency": 0, "uptick_pct_30s": 0, "uptick_pct_60s": 0, "directional_strength": 100}),
}  # fmt: skip


@BOTH_RULES
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_documented_example_has_the_features_it_says(example, rules):
    bars, row, expected = EXAMPLES[example]
    assert_row(one_session(bars, rules=rules), row, expected)


def two_days(rules: Rules) -> MonthBars:
    """F09: two minutes to the close, and a higher opening on the next day."""
    evening = stretch(flat(0, 120), "2025-10-15T14:58:00")
    morning = stretch(flat(80, 120), "2025-10-16T07:30:00")
    return month_bars(evening, morning, rules=rules)


def test_no_feature_window_reaches_into_the_night():
    first = row_of(two_days("strict"), 120)
    assert [name for name in FIRST_ROWS if first[name] is not NULL] == []
    later = {"return_30s": 0, "atr_30s": 0, "uptick_pct_30s": 0, "volume_ratio_30s": 1}
    assert_row(two_days("strict"), 150, later)


def test_compat_windows_run_across_the_night_and_start_empty_once():
    bars = two_days("compat")
    assert_row(bars, 120, {"return_30s": 6720 / 6700 - 1, "atr_30s": 20 / 30, "uptick_pct_30s": 100 / 30})
    assert row_of(bars, 28)["atr_30s"] is NULL


AROUND_A_WINDOW = (*range(1, 7), *range(28, 36), *range(58, 62), *range(298, 303), *range(327, 331))


@pytest.mark.parametrize("rows", [*AROUND_A_WINDOW, 899, 900, 901, 1799, 1800, 1801])
def test_a_session_shorter_than_a_window_has_its_first_rows(rows):
    whole, part = (compute_features(bars) for bars in (month_bars(wave(1900)), month_bars(wave(rows))))
    for name in FEATURES:
        np.testing.assert_array_equal(part[name], whole[name][:rows], err_msg=name)
        first_value = np.flatnonzero(~np.isnan(part[name].astype(float)))[:1].tolist()
        assert first_value == ([FIRST_ROWS.get(name, 0)] if FIRST_ROWS.get(name, 0) < rows else []), name


@pytest.mark.parametrize(
    ("clock", "period"),
    [
        ("07:30:00", "is_pre_open"), ("08:29:59", "is_pre_open"), ("08:30:00", "is_rth_open"),
        ("09:14:59", "is_rth_open"), ("09:15:00", "is_morning"), ("11:00:00", "is_lunch"),
        ("13:00:00", "is_afternoon"), ("14:29:59", "is_afternoon"), ("14:30:00", "is_rth_close"),
        ("14:59:59", "is_rth_close"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("day", ["2025-03-07", "2025-03-10", "2025-10-31", "2025-11-03"])
def test_a_period_of_the_day_starts_and_ends_on_the_chicago_clock(day, clock, period):  # T04
    found = row_of(one_session([STILL], at=f"{day}T{clock}"), 0)
    assert [name for name in (*PERIODS, "is_eth") if found[name]] == [period]


def test_a_jump_between_seconds_is_part_of_the_true_range():
    bars = [*flat(0, 29), (8, 9, 6, 8)]
    assert_row(
        one_session(bars), 29, {"atr_30s": 9 * 0.25 / 30, "bar_range": 0.75, "relative_bar_size": 30 * 3 / 9}
    )


def test_the_first_true_range_of_a_session_is_high_less_low():
    bars = [(0, 5, -5, 0), *flat(0, 29)]
    assert_row(one_session(bars), 29, {"atr_30s": 10 * 0.25 / 30, "uptick_pct_30s": 0})


@pytest.mark.parametrize(("close", "is_near"), [(20, 1), (19, 1), (18, 0), (2, 0), (1, 1), (0, 1)])
def test_the_five_percent_zone_includes_its_border_exactly(close, is_near):
    bars = [(0, 20, 0, 0), *flat(close, 299)]
    assert_row(one_session(bars), 299, {"short_range_size": 5.0, "short_range_retouches": is_near})
    assert_row(one_session(bars), 298, {"short_range_retouches": 0})


def test_a_short_session_never_touches_its_range():
    features = compute_features(one_session(flat(0, 299)))
    assert not features["short_range_retouches"].any()
    assert not features["medium_range_retouches"].any()


def test_equal_ranges_are_tied_whatever_was_summed_before():
    """A floating running sum would tell the two flat stretches of equal range apart."""
    busy = [(0, 10_000 + k % 7, -k % 3, 0) for k in range(400)]
    calm = [(0, 1, 0, 0)] * 660
    features = compute_features(one_session(busy + calm))
    assert features["atr_percentile"][-1] == pytest.approx(50.5 - 1 / 3)
    assert np.isnan(features["volatility_breakout"][-1])
    assert features["volatility_regime"][-1] == 1
    assert features["momentum_consistency"][-1] == 0


def test_vwap_is_the_close_until_300_rows_and_after_300_seconds_without_volume():
    bars = one_session([(k, k, k, k, 1 + k % 5) for k in range(350)] + flat(349, 301, volume=0))
    vwap, close = compute_features(bars)["vwap"], bars.points(bars.close)
    np.testing.assert_array_equal(vwap[:299], close[:299])
    assert (vwap[299:648] < close[299:648]).all()
    assert vwap[648:].tolist() == close[648:].tolist()


def test_a_zero_denominator_is_missing_and_never_infinite():
    silent = one_session(flat(0, 1000, volume=0))
    for name, column in compute_features(silent).items():
        assert not np.isinf(column.astype(float)).any(), name


def test_a_price_of_zero_which_only_a_spread_has_divides_nothing():
    spread = stretch([(k % 3 - 1, k % 3 - 1, k % 3 - 1, k % 3 - 1, 5) for k in range(400)], base=0)
    features = compute_features(month_bars(spread, rules="compat", unit=50_000_000))
    for name, column in features.items():
        assert not np.isinf(column.astype(float)).any(), name
    is_zero = np.arange(400) % 3 == 1
    np.testing.assert_array_equal(np.isnan(features["return_30s"][30:]), is_zero[:-30])
    assert np.isnan(features["momentum_consistency"]).all()
    assert np.isnan(features["distance_from_vwap_pct"][:299]).tolist() == is_zero[:299].tolist()


def test_flags_are_small_integers_and_the_rest_floats():
    features = compute_features(month_bars(wave(40)))
    assert tuple(features) == FEATURES
    assert {name for name in FEATURES if features[name].dtype == np.int32} == set(FLAG_FEATURES)
    assert {features[name].dtype for name in FEATURES if name not in FLAG_FEATURES} == {np.dtype(np.float64)}


def test_an_exception_in_a_feature_group_fails_the_month_and_never_becomes_nulls(monkeypatch):
    def broken(window: object) -> dict:
        raise ZeroDivisionError("in the momentum group")

    monkeypatch.setattr(features_module, "_momentum", broken)
    with pytest.raises(ZeroDivisionError, match="in the momentum group"):
        compute_features(month_bars(wave(40)))


def test_a_feature_does_not_look_ahead():
    whole = month_bars(wave(2000))
    features, shorter = compute_features(whole), compute_features(head(whole, 1000))
    for name in FEATURES:
        np.testing.assert_array_equal(shorter[name], features[name][:1000], err_msg=name)


def test_no_bit_of_a_feature_depends_on_the_linear_algebra_of_the_processor():
    """Workers of one range may differ in their processors, and BLAS sums in another order on each."""
    program = (
        "import hashlib; from assets.market.features import compute_features;"
        "from tests.assets.market.bars import month_bars, wave;"
        "columns = compute_features(month_bars(wave(2000))).values();"
        "print(hashlib.sha256(b''.join(column.tobytes() for column in columns)).hexdigest())"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=Path(__file__).parents[3],
            env=os.environ | processor,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for processor in ({}, {"OPENBLAS_CORETYPE": "Prescott"})
    ]
    assert digests[0] == digests[1]
