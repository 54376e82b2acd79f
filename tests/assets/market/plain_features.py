"""The 43 features as their table writes them: each window is cut out and its mean, slope or rank taken.

The reference that the fast forms are compared with. Prices are whole numbers of ticks (or finer units), so
"equal" and "zero" mean what they say; means and deviations are floating.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.lib.stride_tricks import sliding_window_view

from assets.market.features import PERIODS
from assets.market.session_bars import MonthBars

Floats = np.ndarray


def plain_features(bars: MonthBars) -> dict[str, Floats]:
    """All 43 features of a month, NaN for missing."""
    parts = [_of_window(bars, rows) for rows in bars.windows]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    local = pl.from_epoch(pl.Series(bars.seconds)).dt.convert_time_zone("America/Chicago").dt.time()
    clock = (
        local.dt.hour().cast(int) * 3600 + local.dt.minute().cast(int) * 60 + local.dt.second()
    ).to_numpy()
    for name, (start, end) in PERIODS.items():
        columns[name] = ((clock >= start) & (clock < end)).astype(float)
    return columns | {"is_eth": np.zeros(len(bars))}


def _of_window(bars: MonthBars, rows: slice) -> dict[str, Floats]:
    h, l, c = bars.high[rows], bars.low[rows], bars.close[rows]  # noqa: E741 (the table's letter)
    v, point = bars.volume[rows], bars.point_value
    before = shifted(c, 1)
    before[0] = c[0]
    tr = np.maximum(h - l, np.maximum(abs(h - before), abs(l - before)))
    upticks = (c > before).astype(float)
    returns = {n: quotient(c, shifted(c, n)) - 1 for n in (1, 30, 60, 300)}
    f: dict[str, Floats] = {}

    f["volume_ratio_30s"] = quotient(v, mean(v, 30))
    f["volume_slope_30s"] = slope(mean(v, 5), 30)
    f["volume_slope_5s"] = slope(v, 5)
    f["volume_exhaustion"] = f["volume_ratio_30s"] * f["volume_slope_5s"]

    vwap = quotient(last(c * v, 300, np.sum), last(v, 300, np.sum))
    vwap = np.where(np.isnan(vwap), c, vwap)
    f["vwap"] = vwap * point
    f["distance_from_vwap_pct"] = quotient(c - vwap, vwap) * 100
    f["vwap_slope"] = slope(vwap, 30) * point

    f["distance_from_rth_high"] = (c - last(h, 1800, np.max)) * point
    f["distance_from_rth_low"] = (c - last(l, 1800, np.min)) * point
    for name, n in (("short", 300), ("medium", 900)):
        high, low = last(h, n, np.max), last(l, n, np.min)
        size = high - low
        near = (20 * (high - c) <= size) | (20 * (c - low) <= size)
        f[f"{name}_range_high"], f[f"{name}_range_low"] = high * point, low * point
        f[f"{name}_range_size"] = size * point
        f[f"{name}_range_retouches"] = near.astype(float)
        if name == "short":
            f["position_in_short_range"] = quotient(c - low, size)
    f["range_compression_ratio"] = quotient(f["short_range_size"], f["medium_range_size"])

    f["return_30s"], f["return_60s"], f["return_300s"] = returns[30], returns[60], returns[300]
    f["momentum_acceleration"] = returns[30] - returns[60]
    f["momentum_consistency"] = last(returns[1], 30, _deviation)

    atr_30, atr_60, atr_300 = (mean(tr, n) for n in (30, 60, 300))
    total_30 = last(tr, 30, np.sum)  # thirty atr_30s, a whole number: fit for ranks and for "all equal"
    f["atr_30s"], f["atr_300s"] = atr_30 * point, atr_300 * point
    f["volatility_regime"] = quotient(atr_30, atr_300)
    f["volatility_acceleration"] = quotient(atr_30 - atr_60, atr_60)
    deviation = last(atr_30, 300, _deviation)
    deviation[last(total_30, 300, np.max) == last(total_30, 300, np.min)] = 0
    f["volatility_breakout"] = quotient(atr_30 - mean(atr_30, 300), deviation)
    f["atr_percentile"] = last(total_30, 300, _rank) / 300 * 100
    f["bar_range"] = (h - l) * point
    f["relative_bar_size"] = quotient(h - l, atr_30)

    f["uptick_pct_30s"], f["uptick_pct_60s"] = 100 * mean(upticks, 30), 100 * mean(upticks, 60)
    f["bar_flow_consistency"] = abs(f["uptick_pct_30s"] - f["uptick_pct_60s"])
    f["directional_strength"] = abs(f["uptick_pct_30s"] - 50) * 2
    return f


def last(values: Floats, n: int, of: Callable[..., Floats]) -> Floats:
    """A function of the last n values, NaN while there are fewer or one of them is missing."""
    result = np.full(len(values), np.nan)
    if len(values) >= n:
        cut = sliding_window_view(np.asarray(values, dtype=float), n)
        result[n - 1 :] = np.where(np.isnan(cut).any(axis=1), np.nan, of(cut, axis=1))
    return result


def mean(values: Floats, n: int) -> Floats:
    return last(values, n, np.mean)


def slope(values: Floats, n: int) -> Floats:
    x = np.arange(n) - (n - 1) / 2
    return last(values, n, lambda w, axis: ((w - w.mean(axis, keepdims=True)) * x).sum(axis) / (x * x).sum())


def quotient(numerator: Floats, denominator: Floats) -> Floats:
    """NaN where the denominator is zero or missing."""
    denominator = np.where(denominator == 0, np.nan, denominator)
    return numerator / denominator


def shifted(values: Floats, n: int) -> Floats:
    """The value n rows before, NaN where there is none."""
    return np.concatenate([np.full(n, np.nan), values])[: len(values)]


def _deviation(windows: Floats, axis: int) -> Floats:
    return np.asarray(np.std(windows, axis=axis, ddof=1))


def _rank(windows: Floats, axis: int) -> Floats:
    own = windows[:, -1:]
    return (windows < own).sum(axis) + ((windows == own).sum(axis) + 1) / 2
