"""Blocking claims: they hold of every month made from a valid file, under the rules it was made with."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, Final, SupportsInt

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.market import session_bars, training_table
from assets.market.brackets import BOTH, BRACKETS, HORIZON_ROWS, OUTCOMES, TARGET, Bracket
from assets.market.claims import Breach, Claim, JudgedMonth
from assets.market.features import FEATURES, FIRST_ROWS
from assets.market.rolling import rolling_max, rolling_sum
from assets.market.session_bars import PRICE_COLUMNS, MonthBars, SessionSummary
from assets.market.session_calendar import NORMAL_CLOSE, Session, session_on
from assets.market.statistics import table_counts
from assets.market.weights import decay, quality, velocity

Mask = npt.NDArray[np.bool_]

# Published weights are 32-bit: seven digits.
_WEIGHT_ROUNDING: Final = 1e-6


def every_session_second_is_present_once(month: JudgedMonth) -> Sequence[Breach]:
    """Each session has one row for every second from 07:30:00, or its first trade, to its close."""
    bars = month.bars
    announced = sum(summary.rows for summary, _ in bars.sessions)
    if announced != len(bars):
        return [{"session": "all", "found": f"{len(bars):,} rows, the sessions have {announced:,}"}]
    shifted = month.session_bars["timestamp"].dt.epoch("us").to_numpy() != bars.seconds * 1_000_000
    breaches = _at(month, shifted, {"session": "all", "found": "a timestamp that is no whole second"})
    for summary, rows in bars.sessions:
        breaches += _second_breaches(month, summary, rows)
    return breaches


def one_contract_per_session_and_no_roll_back(month: JudgedMonth) -> Sequence[Breach]:
    """Each session holds one contract, and no session goes back to an earlier expiry."""
    breaches: list[Breach] = []
    dates, contracts = month.session_bars["session_date"], month.session_bars["contract"]
    for summary, rows in month.bars.sessions:
        foreign = (contracts[rows] != summary.contract) | (
            dates[rows] != date.fromisoformat(summary.session_date)
        )
        if foreign.fill_null(value=True).any():
            found = f"rows of another session or contract than {summary.contract}"
            breaches.append({"session": summary.session_date, "found": found})
    for (before, _), (after, _) in pairwise(month.bars.sessions):
        if after.session_date <= before.session_date:
            breaches.append(
                {"session": after.session_date, "found": f"a session after {before.session_date}"}
            )
        if month.is_strict and after.contract < before.contract:  # compat has no memory and may go back
            found = f"{after.contract} after {before.contract}"
            breaches.append({"session": after.session_date, "found": found})
    return breaches


def prices_are_whole_ticks_in_order(month: JudgedMonth) -> Sequence[Breach]:
    """Prices are positive multiples of 0.25 with high and low outermost; filled rows are flat and empty."""
    if not month.is_strict:
        return []
    bars = month.bars
    prices = {name: getattr(bars, name) for name in PRICE_COLUMNS}
    off_grid = {
        f"{name} null or off the 0.25 grid": _differs(month.session_bars[name], bars.points(price))
        for name, price in prices.items()
    }
    is_flat = (np.stack(list(prices.values())) == bars.close).all(axis=0)
    rules = off_grid | {
        "a zero or negative price": bars.low <= 0,
        "high below open, low or close": bars.high < np.maximum.reduce([bars.open, bars.low, bars.close]),
        "low above open or close": bars.low > np.minimum(bars.open, bars.close),
        "a filled second that is not flat or has volume": bars.is_filled & ~(is_flat & (bars.volume == 0)),
        "a negative volume": bars.volume < 0,
    }
    return [breach for rule, broken in rules.items() for breach in _at(month, broken, {"found": rule})]


def volume_is_the_contracts_own(month: JudgedMonth) -> Sequence[Breach]:
    """The volume of a session's rows is the volume of its contract's records inside the session."""
    return [
        {"session": summary.session_date, "found": f"{volume:,}, the records hold {summary.volume:,}"}
        for summary, rows in month.bars.sessions
        if (volume := int(month.bars.volume[rows].sum())) != summary.volume
    ]


def columns_and_types_are_as_documented(month: JudgedMonth) -> Sequence[Breach]:
    """Published columns have the documented names, order and types; rows equal those of session_bars."""
    documented, table = training_table.SCHEMA, month.training_table
    breaches: list[Breach] = [
        {"column": found, "found": f"{kind} as column {number}, documented is {name} {documented[name]}"}
        for number, (name, (found, kind)) in enumerate(zip(documented, table.schema.items(), strict=False))
        if name != found or documented[name] != kind
    ]
    if table.width != len(documented):
        found = f"{table.width} columns, documented are {len(documented)}"
        breaches.append({"column": "all", "found": found})
    breaches += [
        {"column": name, "found": "values that differ from session_bars"}
        for name in session_bars.SCHEMA
        if name in table.columns and not month.session_bars[name].equals(table[name])
    ]
    return breaches


def labels_agree_with_outcomes(month: JudgedMonth) -> Sequence[Breach]:
    """A label is 1 exactly on outcome target; excursion and exit time are as the outcome says."""
    return [breach for bracket in BRACKETS for breach in _label_breaches(month, bracket)]


def no_row_wins_both_long_and_short(month: JudgedMonth) -> Sequence[Breach]:
    """For each bracket size a row is a winner at most on one side."""
    table = month.training_table
    breaches: list[Breach] = []
    for size in dict.fromkeys(bracket.size for bracket in BRACKETS):
        wins = table[f"label_{size}_long"].fill_null(0) + table[f"label_{size}_short"].fill_null(0)
        breaches += _at(month, wins.to_numpy() > 1, {"bracket": size, "found": "a winner on both sides"})
    return breaches


def weights_lie_in_their_bounds(month: JudgedMonth) -> Sequence[Breach]:
    """Losers weigh the month's decay, winners that times a quality and velocity within their bounds."""
    table = month.training_table
    month_decay = decay(month.month, month.decay_reference_month)
    breaches: list[Breach] = []
    for bracket in BRACKETS:
        weight = table[f"weight_{bracket.mode}"].to_numpy() / month_decay
        is_winner = table[f"label_{bracket.mode}"].to_numpy() == 1
        slowest = HORIZON_ROWS - 1 if month.is_strict else np.inf  # under compat seconds run over nights
        lowest = float(quality(bracket.stop_ticks - 1, bracket.stop_ticks) * velocity(slowest))
        highest = float(quality(0, bracket.stop_ticks) * velocity(0))
        in_bounds = (weight >= lowest * (1 - _WEIGHT_ROUNDING)) & (weight <= highest * (1 + _WEIGHT_ROUNDING))
        is_right = np.where(is_winner, in_bounds, np.abs(weight - 1) <= _WEIGHT_ROUNDING)
        breaches += _at(month, ~is_right, {"mode": bracket.mode, "found": "a weight outside its bounds"})
    return breaches


def nulls_are_exactly_the_warm_up(month: JudgedMonth) -> Sequence[Breach]:
    """A feature is null in its warm-up rows and where its denominator is zero, and finite everywhere else."""
    table = month.training_table
    undefined = {name: np.zeros(len(month.bars), dtype=np.bool_) for name in FEATURES}
    for rows in month.bars.windows:
        warm_up = np.arange(rows.stop - rows.start)
        for name, first in FIRST_ROWS.items():
            undefined[name][rows] = warm_up < first
        for name, is_zero in _zero_denominators(table[rows], month.bars, rows).items():
            undefined[name][rows] |= is_zero
    breaches: list[Breach] = []
    for name, expected in undefined.items():
        values = table[name]
        is_wrong = values.is_null().to_numpy() != expected
        if values.dtype.is_float():
            is_wrong |= values.is_finite().not_().fill_null(value=False).to_numpy()
        found = "null, NaN or infinite where a value belongs, or the reverse"
        breaches += _at(month, is_wrong, {"feature": name, "found": found})
    return breaches


def statistics_match_the_table(month: JudgedMonth) -> Sequence[Breach]:
    """The published counts equal a fresh count of the published table."""
    return list(_differences(month.month_statistics, table_counts(month.training_table)))


BLOCKING_CLAIMS: Final = (
    Claim("session_bars", True, every_session_second_is_present_once),
    Claim("session_bars", True, one_contract_per_session_and_no_roll_back),
    Claim("session_bars", True, prices_are_whole_ticks_in_order),
    Claim("session_bars", True, volume_is_the_contracts_own),
    Claim("training_table", True, columns_and_types_are_as_documented),
    Claim("training_table", True, labels_agree_with_outcomes),
    Claim("training_table", True, no_row_wins_both_long_and_short),
    Claim("training_table", True, weights_lie_in_their_bounds),
    Claim("training_table", True, nulls_are_exactly_the_warm_up),
    Claim("month_statistics", True, statistics_match_the_table),
)


def _second_breaches(month: JudgedMonth, summary: SessionSummary, rows: slice) -> Iterator[Breach]:
    session, seconds = _session(month, summary.session_date), month.bars.seconds[rows]
    if session is None:
        yield {"session": summary.session_date, "found": "rows on a day without a session"}
        return
    steps = np.diff(seconds)
    is_wrong = steps != 1
    if not month.is_strict:
        is_wrong &= steps != 0  # compat keeps duplicate records as rows of one second
    for row in np.flatnonzero(is_wrong):
        found = f"{steps[row]} s after the row before"
        yield {"session": summary.session_date, "second": _utc(seconds[row + 1]), "found": found}
    if seconds[-1] != session.closes_at - 1:
        found = "the last row, not the last second before the close"
        yield {"session": summary.session_date, "second": _utc(seconds[-1]), "found": found}
    may_start_late = month.is_strict and not month.bars.is_filled[rows][0]
    if seconds[0] != session.opens_at and not (seconds[0] > session.opens_at and may_start_late):
        found = "the first row, not 07:30:00 and no trade"
        yield {"session": summary.session_date, "second": _utc(seconds[0]), "found": found}


def _label_breaches(month: JudgedMonth, bracket: Bracket) -> Iterator[Breach]:
    table, mode, stop = month.training_table, bracket.mode, bracket.stop_ticks
    codes = table[f"outcome_{mode}"].to_physical().fill_null(len(OUTCOMES)).to_numpy()
    is_winner, is_touched = codes == TARGET, codes <= BOTH
    mae, seconds = table[f"mae_ticks_{mode}"], table[f"seconds_to_exit_{mode}"]
    rules = {
        "no outcome": codes == len(OUTCOMES),
        "a label that is not the outcome's": _differs(table[f"label_{mode}"], is_winner.astype(np.int8)),
        "an excursion without a touch, or the reverse": mae.is_not_null().to_numpy() != is_touched,
        "an exit time without a touch, or the reverse": seconds.is_not_null().to_numpy() != is_touched,
    }
    if month.is_strict:
        ticks, exit_seconds = mae.fill_null(0).to_numpy(), seconds.fill_null(0).to_numpy()
        rules |= {
            "a winner's excursion outside 0 .. stop - 1": is_winner & ((ticks < 0) | (ticks >= stop)),
            "a loser's excursion below the stop": is_touched & ~is_winner & (ticks < stop),
            "an exit time outside 0 .. 899": (exit_seconds < 0) | (exit_seconds >= HORIZON_ROWS),
        }
    for rule, broken in rules.items():
        yield from _at(month, broken, {"mode": mode, "found": rule})


def _zero_denominators(table: pl.DataFrame, bars: MonthBars, rows: slice) -> dict[str, Mask]:
    """The rows of a window in which a feature divides by zero, right from the end of its warm-up on."""
    close = bars.close[rows]
    previous = np.concatenate([close[:1], close[:-1]])
    true_range = np.maximum(bars.high[rows], previous) - np.minimum(bars.low[rows], previous)
    range_30 = rolling_sum(true_range, 30)
    no_volume, no_range = rolling_sum(bars.volume[rows], 30) == 0, range_30 == 0
    # The deviation of atr_30s over 300 rows is zero exactly when the rows are all equal.
    warm = range_30[29:]
    is_steady = np.zeros(len(close), dtype=np.bool_)
    is_steady[29:] = rolling_max(warm, 300) == -rolling_max(-warm, 300)
    masks = {
        "volume_ratio_30s": no_volume,
        "volume_exhaustion": no_volume,
        "position_in_short_range": _is_zero(table["short_range_size"]),
        "range_compression_ratio": _is_zero(table["medium_range_size"]),
        "volatility_regime": rolling_sum(true_range, 300) == 0,
        "volatility_acceleration": rolling_sum(true_range, 60) == 0,
        "volatility_breakout": is_steady,
        "relative_bar_size": no_range,
    }
    return masks | _zero_prices(table, close) if (close == 0).any() else masks


def _zero_prices(table: pl.DataFrame, close: session_bars.Integers) -> dict[str, Mask]:
    """Where a feature divides by a price of zero, which only compat's spreads have."""
    is_zero = (close == 0).astype(np.int64)
    masks = {"distance_from_vwap_pct": _is_zero(table["vwap"])}
    for name, length in (("return_30s", 30), ("return_60s", 60), ("return_300s", 300)):
        masks[name] = np.concatenate([np.zeros(min(length, len(close))), is_zero[:-length]]) > 0
    masks["momentum_acceleration"] = masks["return_30s"] | masks["return_60s"]
    # Thirty returns divide by the thirty closes before the row's own.
    masks["momentum_consistency"] = rolling_sum(is_zero, 31) - is_zero > 0
    return masks


def _differences(said: Any, counted: Any, where: str = "") -> Iterator[Breach]:
    """Where published counts differ from a fresh count; what was not counted is not compared."""
    if isinstance(counted, list):
        said, counted = dict(enumerate(said or [])), dict(enumerate(counted))
        if len(said) != len(counted):
            yield {"count": where, "found": f"{len(said)} entries, the table has {len(counted)}"}
    if isinstance(counted, Mapping):
        for name, count in counted.items():
            part = said.get(name) if isinstance(said, Mapping) else None
            yield from _differences(part, count, f"{where}.{name}" if where else name)
    elif said != counted:
        yield {"count": where, "found": f"{said}, the table has {counted}"}


def _is_zero(values: pl.Series) -> Mask:
    return (values == 0).fill_null(value=False).to_numpy()


def _differs(published: pl.Series, expected: npt.NDArray[np.generic]) -> Mask:
    """Where a column is null or holds another value."""
    return (published != pl.Series(expected)).fill_null(value=True).to_numpy()


def _session(month: JudgedMonth, text: str) -> Session | None:
    day = date.fromisoformat(text)
    return session_on(day) if month.is_strict else Session(day, NORMAL_CLOSE)


def _at(month: JudgedMonth, broken: Mask, found: Breach) -> list[Breach]:
    """One breach for all broken rows: a defect can break every row of every column."""
    rows = np.flatnonzero(broken)
    if not len(rows):
        return []
    seconds = ", ".join(_utc(month.bars.seconds[row]) for row in rows[:5])
    return [{**found, "rows": len(rows), "seconds": seconds}]


def _utc(second: SupportsInt) -> str:
    return datetime.fromtimestamp(int(second), UTC).isoformat()
