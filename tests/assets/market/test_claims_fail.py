"""Each rule of each blocking claim, broken by one value of a month that held."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.market.blocking_claims import BLOCKING_CLAIMS
from assets.market.claims import JudgedMonth, judge
from assets.market.session_bars import MonthBars
from tests.assets.market.bars import month_bars, stretch, wave
from tests.assets.market.months_of_bars import EARLY_CLOSE, judged, until_close

MODE = "low_vol_long"
FILLED = 3  # a row of the wave without a trade
WARM = 1900


@cache
def month() -> JudgedMonth:
    """A session of 2,000 seconds and a whole one of 2,700."""
    parts = until_close(wave(2000).bars, "2025-04-17"), until_close(wave(2700).bars, EARLY_CLOSE)
    return judged(month_bars(*parts))


def first_row(outcome: str) -> int:
    return int((month().training_table[f"outcome_{MODE}"] == outcome).arg_true()[0])


def with_value(frame: pl.DataFrame, column: str, row: int, value: Any) -> pl.DataFrame:
    """The frame with one value changed."""
    kind = frame.schema[column]
    changed = pl.when(pl.int_range(pl.len()) == row).then(pl.lit(value, dtype=kind)).otherwise(pl.col(column))
    return frame.with_columns(changed.alias(column))


def bars_value(column: str, row: int, value: Any) -> Callable[[], JudgedMonth]:
    """One value of session_bars changed, as it would be read back."""

    def change() -> JudgedMonth:
        frame = with_value(month().session_bars, column, row, value)
        bars = MonthBars.from_frame(frame, "strict", month().bars.summary)
        return replace(month(), session_bars=frame, bars=bars)

    return change


def rows_kept(keep: slice | list[int], *rows_per_session: int) -> Callable[[], JudgedMonth]:
    """Only some rows of session_bars, and sessions that say so."""

    def change() -> JudgedMonth:
        frame = month().session_bars[keep]
        sessions = [
            replace(session, rows=rows)
            for session, rows in zip(month().bars.summary.sessions, rows_per_session, strict=True)
        ]
        bars = MonthBars.from_frame(frame, "strict", replace(month().bars.summary, sessions=tuple(sessions)))
        return replace(month(), session_bars=frame, bars=bars)

    return change


def moved_by(seconds: int) -> Callable[[], JudgedMonth]:
    """Every row so many seconds later."""

    def change() -> JudgedMonth:
        frame = month().session_bars.with_columns(pl.col("timestamp") + pl.duration(seconds=seconds))
        return replace(
            month(), session_bars=frame, bars=replace(month().bars, seconds=month().bars.seconds + seconds)
        )

    return change


def session_value(number: int, **values: Any) -> Callable[[], JudgedMonth]:
    """A session that says something else of itself; the rows go with it."""

    def change() -> JudgedMonth:
        sessions = list(month().bars.summary.sessions)
        sessions[number] = replace(sessions[number], **values)
        bars = replace(month().bars, summary=replace(month().bars.summary, sessions=tuple(sessions)))
        return replace(month(), session_bars=bars.to_frame(), bars=bars)

    return change


def late_compat_day() -> JudgedMonth:
    return judged(month_bars(stretch(wave(26_999).bars, "2025-04-16T07:30:01", base=0), rules="compat"))


def table_value(column: str, row: int | str, value: Any) -> Callable[[], JudgedMonth]:
    """One value of the training table changed, in a row or in the first one of an outcome."""

    def change() -> JudgedMonth:
        place = first_row(row) if isinstance(row, str) else row
        return replace(month(), table=with_value(month().training_table, column, place, value))

    return change


def table_as(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[], JudgedMonth]:
    return lambda: replace(month(), table=change(month().training_table))


def double_winner() -> JudgedMonth:
    row = first_row("target")
    return replace(month(), table=with_value(month().training_table, "label_low_vol_short", row, 1))


def statistics_value(value: Any, *path: str | int) -> Callable[[], JudgedMonth]:
    """One number of the statistics changed."""

    def change() -> JudgedMonth:
        statistics: Any = deepcopy(dict(month().month_statistics))
        place = statistics
        for name in path[:-1]:
            place = place[name]
        assert place[path[-1]] != value
        place[path[-1]] = value
        return replace(month(), statistics=statistics)

    return change


LABELING = ("pipeline_statistics", "labeling")
GAPS = ("pipeline_statistics", "gap_filling")
ROWS = list(range(4700))
WON, STOPPED, UNTOUCHED = "target", "stop", "session_end"

CASES: dict[str, dict[str, Callable[[], JudgedMonth]]] = {
    "every_session_second_is_present_once": {
        "a row too few": rows_kept(slice(1, None), 2000, 2700),
        "a row too many": rows_kept([0, *ROWS], 2000, 2700),
        "a second missing": rows_kept([*ROWS[:50], *ROWS[51:]], 1999, 2700),
        "a second twice": rows_kept([*ROWS[:50], *ROWS[49:]], 2001, 2700),
        "the last second missing": rows_kept(slice(None, -1), 2000, 2699),
        "a head without a trade": rows_kept(slice(FILLED, None), 1997, 2700),
        "half a second": bars_value("timestamp", 5, datetime(2025, 4, 17, 19, 26, 45, 500_000, UTC)),
        "one second too early": moved_by(-1),
        "one second too late": moved_by(1),
        "a day without a session": session_value(0, session_date="2025-04-19"),
        "a compat day that starts late": late_compat_day,
    },
    "one_contract_per_session_and_no_roll_back": {
        "a row of another contract": bars_value("contract", 7, "ES-2026-03"),
        "a row without a contract": bars_value("contract", 7, None),
        "a row of another session": bars_value("session_date", 7, date(2025, 4, 18)),
        "an earlier expiry": session_value(1, contract="ES-2025-09"),
        "two sessions of one date": session_value(1, session_date="2025-04-17"),
        "sessions out of order": session_value(1, session_date="2025-04-16"),
    },
    "prices_are_whole_ticks_in_order": {
        "an open off the grid": bars_value("open", 5, 6700.1),
        "a close off the grid": bars_value("close", 5, 6700.0000001),
        "a missing price": lambda: replace(
            month(), session_bars=with_value(month().session_bars, "high", 5, None)),
        "a price of zero": bars_value("low", 5, 0.0),
        "a negative price": bars_value("low", 5, -6700.0),
        "a high below the close": bars_value("high", 5, 6690.0),
        "a low above the open": bars_value("low", 5, 6800.0),
        "a filled second that moves": bars_value("high", FILLED, 6800.0),
        "a filled second with volume": bars_value("volume", FILLED, 1),
        "a negative volume": bars_value("volume", 5, -1),
    },
    "volume_is_the_contracts_own": {
        "a contract more": bars_value("volume", 5, 1000),
        "a session that says another volume": session_value(1, volume=5),
    },
    "columns_and_types_are_as_documented": {
        "a column missing": table_as(lambda table: table.drop("is_eth")),
        "a column too many": table_as(lambda table: table.with_columns(symbol=pl.lit("ESZ5"))),
        "another name": table_as(lambda table: table.rename({"vwap": "VWAP"})),
        "another order": table_as(lambda table: table.select("open", "timestamp", *table.columns[2:])),
        "another type": table_as(lambda table: table.cast({"label_low_vol_long": pl.Int16})),
        "another Enum": table_as(lambda table: table.cast({f"outcome_{MODE}": pl.String})),
        "a close that is not session_bars'": table_value("close", 5, 6800.0),
        "a row too few": table_as(lambda table: table[:-1]),
        "another contract": table_value("contract", 5, "ES-2026-03"),
    },
    "labels_agree_with_outcomes": {
        "a winner without the label": table_value(f"label_{MODE}", WON, 0),
        "a loser with the label": table_value(f"label_{MODE}", STOPPED, 1),
        "a label of 2": table_value(f"label_{MODE}", WON, 2),
        "a loser's label of -1": table_value(f"label_{MODE}", STOPPED, -1),
        "no label": table_value(f"label_{MODE}", STOPPED, None),
        "no outcome": table_value(f"outcome_{MODE}", STOPPED, None),
        "another outcome": table_value(f"outcome_{MODE}", STOPPED, "timeout"),
        "a winner without an excursion": table_value(f"mae_ticks_{MODE}", WON, None),
        "an excursion without a touch": table_value(f"mae_ticks_{MODE}", UNTOUCHED, 3),
        "a winner's excursion at the stop": table_value(f"mae_ticks_{MODE}", WON, 6),
        "a negative excursion": table_value(f"mae_ticks_{MODE}", WON, -1),
        "a loser's excursion below the stop": table_value(f"mae_ticks_{MODE}", STOPPED, 5),
        "a loser without an exit": table_value(f"seconds_to_exit_{MODE}", STOPPED, None),
        "an exit without a touch": table_value(f"seconds_to_exit_{MODE}", UNTOUCHED, 3),
        "an exit after 900 seconds": table_value(f"seconds_to_exit_{MODE}", STOPPED, 900),
        "an exit before the entry": table_value(f"seconds_to_exit_{MODE}", WON, -1),
    },
    "no_row_wins_both_long_and_short": {"a row that wins both": double_winner},
    "weights_lie_in_their_bounds": {
        "a loser that weighs as if there were no decay": table_value(f"weight_{MODE}", STOPPED, 1.0),
        "a winner below the lowest": table_value(f"weight_{MODE}", WON, 0.27),
        "a winner above the highest": table_value(f"weight_{MODE}", WON, 2.97),
        "a loser of nothing": table_value(f"weight_{MODE}", STOPPED, 0.0),
        "a winner of nothing": table_value(f"weight_{MODE}", WON, 0.0),
        "no weight": table_value(f"weight_{MODE}", STOPPED, None),
        "a NaN": table_value(f"weight_{MODE}", WON, float("nan")),
        "another reference": lambda: replace(month(), decay_reference_month="2025-09"),
    },
    "nulls_are_exactly_the_warm_up": {
        "a null after the warm-up": table_value("atr_30s", WARM, None),
        "a value in the warm-up": table_value("atr_30s", 28, 1.0),
        "a value in the warm-up of the second session": table_value("distance_from_rth_low", 2100, 1.0),
        "a NaN": table_value("return_30s", WARM, float("nan")),
        "a NaN in the warm-up": table_value("return_30s", 3, float("nan")),
        "an infinity": table_value("volume_ratio_30s", WARM, float("inf")),
        "a null where there is no warm-up": table_value("vwap", 0, None),
        "a null flag": table_value("is_morning", 0, None),
        "a column of nulls": table_as(
            lambda table: table.with_columns(vwap_slope=pl.lit(None, dtype=pl.Float64))),
    },
    "statistics_match_the_table": {
        "winners": statistics_value(7, *LABELING, "modes", MODE, "winners"),
        "an outcome": statistics_value(7, *LABELING, "modes", MODE, "outcomes", "both"),
        "a win rate in percent": statistics_value(21.7, *LABELING, "modes", MODE, "win_rate"),
        "a mode missing": statistics_value({}, *LABELING, "modes"),
        "rows": statistics_value(4699, *LABELING, "total_rows"),
        "columns": statistics_value(61, *LABELING, "total_columns"),
        "rows as text": statistics_value("4700", *GAPS, "filled_rows"),
        "added rows": statistics_value(0, *GAPS, "added_rows"),
        "trading days": statistics_value(3, *GAPS, "trading_days"),
        "a session's rows": statistics_value(1999, "sessions", 0, "rows"),
        "a session's contract": statistics_value("ES-2026-03", "sessions", 1, "contract"),
        "a session missing": statistics_value([], "sessions"),
        "nulls of a feature": statistics_value(0, "features", "vwap_slope", "nulls"),
        "no features": statistics_value(None, "features"),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change"), [pytest.param(c, x, id=f"{c}: {x}") for c, changes in CASES.items() for x in changes]
)
def test_a_claim_fails_when_its_rule_is_broken_by(claim, change):
    chosen = [one for one in BLOCKING_CLAIMS if one.name == claim]
    (before,), (after,) = judge(chosen, month()), judge(chosen, CASES[claim][change]())
    assert before.holds
    assert not after.holds
    assert "cannot be judged" not in str(after.breaches)


def test_every_blocking_claim_is_broken_here():
    assert set(CASES) == {claim.name for claim in BLOCKING_CLAIMS}


def test_a_zero_denominator_with_a_value_is_a_breach():
    flat_day = judged(month_bars(until_close(np.array([[1, 1, 1, 1, 1]] * 1000), EARLY_CLOSE)))
    wrong = replace(flat_day, table=with_value(flat_day.training_table, "volatility_breakout", 500, 0.0))
    (verdict,) = judge([one for one in BLOCKING_CLAIMS if one.name == "nulls_are_exactly_the_warm_up"], wrong)
    assert [breach["feature"] for breach in verdict.breaches] == ["volatility_breakout"]
    assert verdict.breaches[0]["rows"] == 1
