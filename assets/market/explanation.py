"""How one label came about, told from the published training table alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from assets.market.brackets import Bracket, bracket_of
from assets.market.session_calendar import CHICAGO
from assets.market.weights import decay, quality, velocity

_TICK_POINTS = 0.25


def month_of(at: datetime) -> str:
    """The partition that holds an instant. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"'{at.isoformat()}' has no UTC offset; write for example {at.isoformat()}-05:00")
    return at.astimezone(CHICAGO).strftime("%Y-%m")


def explain_label(table: pl.LazyFrame, decay_reference_month: str, at: datetime, mode: str) -> list[str]:
    """The lines that tell how the label of the second `at` came about under one bracket.

    Args:
        table: the published training table of the month of `at`; two of its rows are read.
        decay_reference_month: the month that the table's weights are relative to.
        at: start of the signal's second, with its UTC offset.
        mode: bracket size and side, such as `low_vol_long`.

    Raises:
        ValueError: the mode is unknown, the time has no zone, or the table has no row for it.
    """
    bracket, month = bracket_of(mode), month_of(at)
    rows = table.filter(pl.col("timestamp") >= at).head(2).collect().to_dicts()
    if not rows or rows[0]["timestamp"] != at:
        raise ValueError(
            f"{at.isoformat()} has no row in the training table of {month}; it is outside the sessions"
        )
    signal, outcome = rows[0], rows[0][f"outcome_{mode}"]
    month_decay = decay(month, decay_reference_month)
    trade = _no_trade() if outcome == "no_entry" else _trade(signal, rows[1], bracket)
    return [
        _line("signal", f"{_local(signal['timestamp']):%Y-%m-%d %H:%M:%S %Z}, {signal['contract']}"),
        *trade,
        _line("weight", _weight(signal, bracket, month_decay)),
        _line("label", f"{signal[f'label_{mode}']} ({outcome})"),
    ]


def _trade(signal: Mapping[str, Any], entry: Mapping[str, Any], bracket: Bracket) -> list[str]:
    price, entered = entry["open"], entry["timestamp"]
    target, stop = bracket.direction * bracket.target_ticks, -bracket.direction * bracket.stop_ticks
    outcome, seconds = signal[f"outcome_{bracket.mode}"], signal[f"seconds_to_exit_{bracket.mode}"]
    if seconds is None:
        touch, mae = f"none ({outcome})", "-"
    else:
        sides = "target and stop" if outcome == "both" else outcome
        touched = _local(entered + timedelta(seconds=seconds))
        touch = f"{sides} at {touched:%H:%M:%S}, {seconds} s after entry"
        mae = f"{signal[f'mae_ticks_{bracket.mode}']} ticks"
    how = "filled, no trade" if entry["is_filled"] else "traded"
    return [
        _line("entry", f"{price:.2f} at {_local(entered):%H:%M:%S} ({how})"),
        _line("target", f"{price + target * _TICK_POINTS:.2f} ({target:+d} ticks)"),
        _line("stop", f"{price + stop * _TICK_POINTS:.2f} ({stop:+d} ticks)"),
        _line("touch", touch),
        _line("mae", mae),
    ]


def _no_trade() -> list[str]:
    return [_line(name, "-") for name in ("entry", "target", "stop", "touch", "mae")]


def _weight(signal: Mapping[str, Any], bracket: Bracket, month_decay: float) -> str:
    factors = {"decay": month_decay}
    if signal[f"label_{bracket.mode}"] == 1:
        factors = {
            "quality": float(quality(signal[f"mae_ticks_{bracket.mode}"], bracket.stop_ticks)),
            "velocity": float(velocity(signal[f"seconds_to_exit_{bracket.mode}"])),
            **factors,
        }
    product = " * ".join(f"{name} {factor:.6f}" for name, factor in factors.items())
    return f"{signal[f'weight_{bracket.mode}']:.6f} = {product}"


def _line(name: str, text: str) -> str:
    return f"{name:<9}{text}"


def _local(instant: datetime) -> datetime:
    return instant.astimezone(CHICAGO)
