"""The baseline of the market benchmark: plain loops and pandas, as such a pipeline is first written.

It computes the same labels and features row by row and window by window, and is timed on a slice.
"""

import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from assets.market.brackets import BRACKETS, HORIZON_ROWS
from assets.market.session_bars import MonthBars


def baseline_seconds(bars: MonthBars, rows: int) -> dict[str, float]:
    """Time labels and features of the first rows of a month, in seconds."""
    prices = {name: getattr(bars, name)[:rows] for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame({name: bars.points(values) for name, values in prices.items()})
    frame["volume"] = bars.volume[:rows]
    return {"labels": _timed(_labels, frame), "features": _timed(_features, frame)}


def _timed(work: Callable[[pd.DataFrame], object], frame: pd.DataFrame) -> float:
    started = time.perf_counter()
    work(frame)
    return time.perf_counter() - started


def _labels(frame: pd.DataFrame) -> pd.DataFrame:
    """Walk forward from every entry under every bracket until a side is touched."""
    opens, highs, lows = (frame[name].to_list() for name in ("open", "high", "low"))
    labels: dict[str, list[tuple[int, float, int]]] = {}
    for bracket in BRACKETS:
        results = labels[bracket.mode] = []
        for entry in range(1, len(frame)):
            target = opens[entry] + bracket.direction * bracket.target_ticks * 0.25
            stop = opens[entry] - bracket.direction * bracket.stop_ticks * 0.25
            label, adverse, row = 0, 0.0, entry
            for row in range(entry, min(entry + HORIZON_ROWS, len(frame))):
                worst = opens[entry] - lows[row] if bracket.direction > 0 else highs[row] - opens[entry]
                adverse = max(adverse, worst)
                stopped = lows[row] <= stop if bracket.direction > 0 else highs[row] >= stop
                reached = highs[row] >= target if bracket.direction > 0 else lows[row] <= target
                if stopped or reached:
                    label = int(reached and not stopped)
                    break
            results.append((label, adverse, row - entry))
    return pd.DataFrame(labels)


def _features(frame: pd.DataFrame) -> pd.DataFrame:
    """Rolling windows with a Python function where pandas has none of its own."""
    close, high, low, volume = frame["close"], frame["high"], frame["low"], frame["volume"]
    ranges = [high - low, (high - close.shift()).abs(), (low - close.shift()).abs()]
    true_range = pd.Series(pd.concat(ranges, axis=1).max(axis=1))
    turnover = (close * volume).rolling(300).sum() / volume.rolling(300).sum()
    vwap = pd.Series(turnover.fillna(close))
    atr_30, atr_60, atr_300 = (pd.Series(true_range.rolling(length).mean()) for length in (30, 60, 300))
    uptick = pd.Series((close > close.shift()).astype(float) * 100)
    columns = {
        "volume_ratio_30s": volume / volume.rolling(30).mean(),
        "volume_slope_30s": pd.Series(volume.rolling(5).mean()).rolling(30).apply(_slope, raw=True),
        "volume_slope_5s": volume.rolling(5).apply(_slope, raw=True),
        "vwap": vwap,
        "distance_from_vwap_pct": (close - vwap) / vwap * 100,
        "vwap_slope": vwap.rolling(30).apply(_slope, raw=True),
        "distance_from_rth_high": close - high.rolling(1800).max(),
        "distance_from_rth_low": close - low.rolling(1800).min(),
        "momentum_consistency": close.pct_change().rolling(30).std(),
        "atr_30s": atr_30,
        "atr_300s": atr_300,
        "volatility_regime": atr_30 / atr_300,
        "volatility_acceleration": (atr_30 - atr_60) / atr_60,
        "volatility_breakout": (atr_30 - atr_30.rolling(300).mean()) / atr_30.rolling(300).std(),
        "atr_percentile": atr_30.rolling(300).apply(_percentile, raw=True),
        "bar_range": high - low,
        "relative_bar_size": (high - low) / atr_30,
        "uptick_pct_30s": uptick.rolling(30).mean(),
        "uptick_pct_60s": uptick.rolling(60).mean(),
    }
    for name, length in (("short", 300), ("medium", 900)):
        top, bottom = high.rolling(length).max(), low.rolling(length).min()
        zone = (top - bottom) * 0.05
        columns |= {
            f"{name}_range_high": top,
            f"{name}_range_low": bottom,
            f"{name}_range_size": top - bottom,
            f"{name}_range_retouches": ((close >= top - zone) | (close <= bottom + zone)).astype(int),
        }
    columns |= {f"return_{length}s": close.pct_change(length) for length in (30, 60, 300)}
    return pd.DataFrame(columns)


def _slope(values: np.ndarray) -> float:
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])


def _percentile(values: np.ndarray) -> float:
    return float((values < values[-1]).sum() + ((values == values[-1]).sum() + 1) / 2) / len(values) * 100
