"""The 43 features of a month, each a function of the rows before it in its window.

Every quantity that is compared (ranks, ties, zero denominators, the 5 % zones) is an exact integer: prices
are ticks, and rolling sums come from int64 cumulative sums, so no result depends on the order of summation.
NaN marks a missing value in the arrays here; `training_table` publishes it as null.

A window is a session under `strict` and the month under `compat`; no feature looks outside its own. Only
under `compat`, where a spread can be chosen, is there a price of zero: what is divided by it is missing.
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from assets.market.rolling import (
    Floats,
    Integers,
    divide,
    from_row,
    rolling_max,
    rolling_slope,
    rolling_sum,
)
from assets.market.session_bars import MonthBars
from assets.market.session_calendar import NORMAL_CLOSE, SESSION_OPEN, Session

Columns = dict[str, npt.NDArray[np.number]]

FLAG_FEATURES: Final = (
    "short_range_retouches",
    "medium_range_retouches",
    "is_eth",
    "is_pre_open",
    "is_rth_open",
    "is_morning",
    "is_lunch",
    "is_afternoon",
    "is_rth_close",
)
"""The features published as 0 or 1; all others are floating point, null when missing."""

FEATURES: Final = (
    "volume_ratio_30s",
    "volume_slope_30s",
    "volume_slope_5s",
    "volume_exhaustion",
    "vwap",
    "distance_from_vwap_pct",
    "vwap_slope",
    "distance_from_rth_high",
    "distance_from_rth_low",
    "short_range_high",
    "short_range_low",
    "short_range_size",
    "position_in_short_range",
    "medium_range_high",
    "medium_range_low",
    "medium_range_size",
    "range_compression_ratio",
    "short_range_retouches",
    "medium_range_retouches",
    "return_30s",
    "return_60s",
    "return_300s",
    "momentum_acceleration",
    "momentum_consistency",
    "atr_30s",
    "atr_300s",
    "volatility_regime",
    "volatility_acceleration",
    "volatility_breakout",
    "atr_percentile",
    "bar_range",
    "relative_bar_size",
    "uptick_pct_30s",
    "uptick_pct_60s",
    "bar_flow_consistency",
    "directional_strength",
    "is_eth",
    "is_pre_open",
    "is_rth_open",
    "is_morning",
    "is_lunch",
    "is_afternoon",
    "is_rth_close",
)

FIRST_ROWS: Final[Mapping[str, int]] = {
    "volume_ratio_30s": 29,
    "volume_slope_30s": 33,
    "volume_slope_5s": 4,
    "volume_exhaustion": 29,
    "vwap_slope": 29,
    "distance_from_rth_high": 1799,
    "distance_from_rth_low": 1799,
    "short_range_high": 299,
    "short_range_low": 299,
    "short_range_size": 299,
    "position_in_short_range": 299,
    "medium_range_high": 899,
    "medium_range_low": 899,
    "medium_range_size": 899,
    "range_compression_ratio": 899,
    "return_30s": 30,
    "return_60s": 60,
    "return_300s": 300,
    "momentum_acceleration": 60,
    "momentum_consistency": 30,
    "atr_30s": 29,
    "atr_300s": 299,
    "volatility_regime": 299,
    "volatility_acceleration": 59,
    "volatility_breakout": 328,
    "atr_percentile": 328,
    "relative_bar_size": 29,
    "uptick_pct_30s": 29,
    "uptick_pct_60s": 59,
    "bar_flow_consistency": 59,
    "directional_strength": 29,
}
"""First row of a window (0-based) with a value, for the features that warm up."""

PERIODS: Final[Mapping[str, tuple[int, int]]] = {
    "is_pre_open": (7 * 3600 + 1800, 8 * 3600 + 1800),
    "is_rth_open": (8 * 3600 + 1800, 9 * 3600 + 900),
    "is_morning": (9 * 3600 + 900, 11 * 3600),
    "is_lunch": (11 * 3600, 13 * 3600),
    "is_afternoon": (13 * 3600, 14 * 3600 + 1800),
    "is_rth_close": (14 * 3600 + 1800, 15 * 3600),
}
"""Periods of the day as clock seconds in Chicago (07:30 = 27,000), start included, end excluded."""

_SESSION_OPEN_CLOCK: Final = SESSION_OPEN.hour * 3600 + SESSION_OPEN.minute * 60


def compute_features(bars: MonthBars) -> Columns:
    """All 43 features in table order, one array of the month's length each."""
    columns: Columns = {
        name: np.empty(len(bars), dtype=np.int32 if name in FLAG_FEATURES else np.float64)
        for name in FEATURES
    }
    for rows in bars.windows:
        window = _Window(bars, rows)
        for group in (_volume, _vwap, _ranges, _momentum, _volatility, _flow):
            for name, values in group(window).items():
                columns[name][rows] = values
    return columns | _periods(bars)


class _Window:
    """The rows of one window in integer units, with what several groups of features share."""

    def __init__(self, bars: MonthBars, rows: slice) -> None:
        self.point_value = bars.point_value
        self.high, self.low, self.close = bars.high[rows], bars.low[rows], bars.close[rows]
        self.volume = bars.volume[rows]
        previous = np.concatenate([self.close[:1], self.close[:-1]])
        self.is_uptick = self.close > previous
        # In the first row the previous close is the row's own, so that the true range is high - low.
        self.true_range = np.maximum(self.high, previous) - np.minimum(self.low, previous)


def _volume(w: _Window) -> Columns:
    total_30, total_5 = rolling_sum(w.volume, 30), rolling_sum(w.volume, 5)
    ratio = from_row(29, divide(30 * w.volume, total_30))
    slope_5 = from_row(4, rolling_slope(w.volume, 5))
    return {
        "volume_ratio_30s": ratio,
        "volume_slope_30s": from_row(33, rolling_slope(total_5, 30) / 5),
        "volume_slope_5s": slope_5,
        "volume_exhaustion": ratio * slope_5,
    }


def _vwap(w: _Window) -> Columns:
    from assets.market.kernels import rolling_dot

    turnover, volume = rolling_sum(w.close * w.volume, 300), rolling_sum(w.volume, 300)
    warm = (np.arange(len(w.close)) >= 299) & (volume > 0)
    vwap = np.where(warm, divide(turnover, volume), w.close)
    # Centred weights over 30 rows; counted from the first close, to lose no digits to the price level.
    weights: Floats = np.arange(-14.5, 15)
    slope = rolling_dot(vwap - w.close[0], weights) / (weights @ weights)
    return {
        "vwap": vwap * w.point_value,
        "distance_from_vwap_pct": divide(w.close - vwap, vwap) * 100,
        "vwap_slope": slope * w.point_value,
    }


def _ranges(w: _Window) -> Columns:
    columns: Columns = {
        "distance_from_rth_high": from_row(1799, (w.close - rolling_max(w.high, 1800)) * w.point_value),
        "distance_from_rth_low": from_row(1799, (w.close + rolling_max(-w.low, 1800)) * w.point_value),
    }
    sizes: dict[str, Integers] = {}
    for name, length in (("short", 300), ("medium", 900)):
        high, low = rolling_max(w.high, length), -rolling_max(-w.low, length)
        size = sizes[name] = high - low
        is_near = (20 * (high - w.close) <= size) | (20 * (w.close - low) <= size)
        is_near[: length - 1] = False
        columns |= {
            f"{name}_range_high": from_row(length - 1, high * w.point_value),
            f"{name}_range_low": from_row(length - 1, low * w.point_value),
            f"{name}_range_size": from_row(length - 1, size * w.point_value),
            f"{name}_range_retouches": is_near.astype(np.int32),
        }
        if name == "short":
            columns["position_in_short_range"] = from_row(length - 1, divide(w.close - low, size))
    columns["range_compression_ratio"] = from_row(899, divide(sizes["short"], sizes["medium"]))
    return columns


def _momentum(w: _Window) -> Columns:
    from assets.market.kernels import rolling_deviation

    returns = {seconds: _returns(w.close, seconds) for seconds in (1, 30, 60, 300)}
    return {
        "return_30s": returns[30],
        "return_60s": returns[60],
        "return_300s": returns[300],
        "momentum_acceleration": returns[30] - returns[60],
        "momentum_consistency": np.concatenate([[np.nan], rolling_deviation(returns[1][1:], 30)]),
    }


def _volatility(w: _Window) -> Columns:
    from assets.market.kernels import rolling_rank

    range_30, range_60, range_300 = (rolling_sum(w.true_range, length) for length in (30, 60, 300))
    # Mean and variance of atr_30s over 300 rows as integers: 300 times the one, 300 * 299 times the other.
    warm = range_30[29:]
    total, squares = rolling_sum(warm, 300), rolling_sum(warm * warm, 300)
    variance = 300 * squares - total * total
    breakout = divide((300 * warm - total) * np.sqrt(299 / 300), np.sqrt(np.maximum(variance, 0)))
    head = np.full(min(29, len(w.close)), np.nan)
    bar_range = w.high - w.low
    return {
        "atr_30s": from_row(29, range_30 / 30 * w.point_value),
        "atr_300s": from_row(299, range_300 / 300 * w.point_value),
        "volatility_regime": from_row(299, divide(10 * range_30, range_300)),
        "volatility_acceleration": from_row(59, divide(2 * range_30 - range_60, range_60)),
        "volatility_breakout": np.concatenate([head, from_row(299, breakout)]),
        "atr_percentile": np.concatenate([head, rolling_rank(warm, 300) / 300 * 100]),
        "bar_range": bar_range * w.point_value,
        "relative_bar_size": from_row(29, divide(30 * bar_range, range_30)),
    }


def _flow(w: _Window) -> Columns:
    upticks = w.is_uptick.astype(np.int64)
    percent_30, percent_60 = (from_row(n - 1, 100 * rolling_sum(upticks, n) / n) for n in (30, 60))
    return {
        "uptick_pct_30s": percent_30,
        "uptick_pct_60s": percent_60,
        "bar_flow_consistency": np.abs(percent_30 - percent_60),
        "directional_strength": np.abs(percent_30 - 50) * 2,
    }


def _periods(bars: MonthBars) -> Columns:
    clock = np.empty(len(bars), dtype=np.int64)
    for summary, rows in bars.sessions:
        opens_at = Session(date.fromisoformat(summary.session_date), NORMAL_CLOSE).opens_at
        clock[rows] = bars.seconds[rows] - opens_at + _SESSION_OPEN_CLOCK
    periods = {
        name: ((clock >= start) & (clock < end)).astype(np.int32) for name, (start, end) in PERIODS.items()
    }
    return {"is_eth": np.zeros(len(bars), dtype=np.int32), **periods}


def _returns(close: Integers, seconds: int) -> Floats:
    returns = np.full(len(close), np.nan)
    returns[seconds:] = divide(close[seconds:], close[:-seconds]) - 1
    return returns
