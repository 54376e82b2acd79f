"""Session bars: the grid of seconds, what fills it, and the published table. Strict rules."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from assets.market.recipe import Recipe
from assets.market.session_bars import SCHEMA, MonthBars, SelectionSummary
from assets.market.training_table import to_parquet
from tests.assets.market.vendor_files import BASE_TICKS, Bar, bars_at, file_of, filled

DAY = "2025-10-15"
Row = tuple[str, tuple[int, int, int, int], int, bool]


def rows(bars: MonthBars, *clocks: str, day: str = DAY) -> list[Row]:
    """UTC clock, ticks from 6700.00, volume and whether filled, of the rows at these Chicago times."""
    found: list[Row] = []
    for clock in clocks:
        row = int(bars.seconds.searchsorted(Bar("", f"{day} {clock}").second))
        prices = (int(price[row]) - BASE_TICKS for price in (bars.open, bars.high, bars.low, bars.close))
        open_, high, low, close = prices
        found.append(
            (utc(bars, row), (open_, high, low, close), int(bars.volume[row]), bool(bars.is_filled[row]))
        )
    return found


def utc(bars: MonthBars, row: int) -> str:
    return datetime.fromtimestamp(int(bars.seconds[row]), UTC).strftime("%H:%M:%S")


# ---- filling ----


def test_missing_seconds_carry_the_last_close_and_nothing_else():
    bars = filled(
        file_of(
            [
                Bar("ESZ5", f"{DAY} 07:30:00", (0, 5, -3, 2), 7),
                Bar("ESZ5", f"{DAY} 07:30:03", (9, 9, 8, 8), 4),
                Bar("ESH6", f"{DAY} 07:30:01", 50, 3),
            ]
        )
    )
    assert rows(bars, "07:30:00", "07:30:01", "07:30:02", "07:30:03", "07:30:04", "14:59:59") == [
        ("12:30:00", (0, 5, -3, 2), 7, False),
        ("12:30:01", (2, 2, 2, 2), 0, True),
        ("12:30:02", (2, 2, 2, 2), 0, True),
        ("12:30:03", (9, 9, 8, 8), 4, False),
        ("12:30:04", (8, 8, 8, 8), 0, True),
        ("19:59:59", (8, 8, 8, 8), 0, True),
    ]
    assert len(bars) == 27_000


def test_head_seconds_take_the_last_trade_before_0730_of_the_same_date():
    bars = filled(
        file_of(
            [
                Bar("ESZ5", f"{DAY} 00:00:00", 1),
                Bar("ESZ5", f"{DAY} 02:00:00", (4, 6, 2, 3), 9),
                Bar("ESH6", f"{DAY} 07:29:59", 50),
                Bar("ESZ5", f"{DAY} 07:30:02", 5),
            ]
        )
    )
    assert rows(bars, "07:30:00", "07:30:01", "07:30:02") == [
        ("12:30:00", (3, 3, 3, 3), 0, True),
        ("12:30:01", (3, 3, 3, 3), 0, True),
        ("12:30:02", (5, 5, 5, 5), 1, False),
    ]
    assert len(bars) == 27_000


def test_head_seconds_are_absent_without_an_earlier_trade_and_never_filled_backwards():
    """Neither a trade of the evening before, nor one of another contract, nor a later one may stand in."""
    bars = filled(
        file_of(
            [
                Bar("ESZ5", "2025-10-14 23:59:59", 1),
                Bar("ESH6", f"{DAY} 07:29:59", 50),
                Bar("ESZ5", f"{DAY} 08:00:00", 5, 9),
            ]
        )
    )
    assert len(bars) == 27_000 - 1800
    assert rows(bars, "08:00:00") == [("13:00:00", (5, 5, 5, 5), 9, False)]
    assert utc(bars, 0) == "13:00:00"
    [session] = bars.summary.sessions
    assert (session.rows, session.added_rows) == (25_200, 25_199)


def test_nothing_is_carried_into_the_next_session():
    bars = filled(file_of([Bar("ESZ5", f"{DAY} 14:59:59", 1), Bar("ESZ5", "2025-10-16 14:59:58", 7)]))
    assert [utc(bars, row) for row in range(len(bars))] == ["19:59:59", "19:59:58", "19:59:59"]
    assert bars.close.tolist() == [BASE_TICKS + 1, BASE_TICKS + 7, BASE_TICKS + 7]
    assert bars.is_filled.tolist() == [False, False, True]


def test_nothing_is_carried_over_a_roll():
    days = {"2025-09-11": (9, 5), "2025-09-12": (5, 9)}
    bars = [
        Bar(symbol, f"{day} 14:59:58", ticks, volume)
        for day, volumes in days.items()
        for symbol, volume, ticks in zip(("ESU5", "ESZ5"), volumes, (0, 200), strict=True)
    ]
    month = filled(file_of(bars), "2025-09")
    assert (month.close - BASE_TICKS).tolist() == [0, 0, 200, 200]
    assert [session.contract for session in month.summary.sessions] == ["ES-2025-09", "ES-2025-12"]


def test_a_session_of_one_row():
    bars = filled(file_of(bars_at("ESZ5", DAY, "14:59:59")))
    assert (len(bars), utc(bars, 0), bars.is_filled.tolist()) == (1, "19:59:59", [False])


def test_a_session_that_trades_every_second_has_nothing_to_fill():
    start = Bar("ESZ5", "2025-04-18 07:30:00").second
    clocks = (datetime.fromtimestamp(start + number, UTC) for number in range(2700))
    day = bars_at(
        "ESM5", "2025-04-18", *(f"{clock.hour - 5:02d}:{clock:%M:%S}" for clock in clocks), volume=2
    )
    bars = filled(file_of(day), "2025-04")
    assert not bars.is_filled.any()
    assert (len(bars), int(bars.volume.sum())) == (2700, 5400)
    assert bars.close.tolist() == list(range(BASE_TICKS, BASE_TICKS + 2700))


def test_a_traded_second_of_zero_volume_is_not_filled():
    bars = filled(file_of([Bar("ESZ5", f"{DAY} 07:30:00", (0, 1, -1, 1), 0)]))
    assert rows(bars, "07:30:00") == [("12:30:00", (0, 1, -1, 1), 0, False)]


# ---- what must not come back ----


def test_timestamps_are_those_of_the_records_and_never_spread_evenly():
    bars = bars_at("ESZ5", DAY, "07:30:00", "07:30:01", "08:00:00", "12:34:56", "14:59:59")
    month = filled(file_of(bars))
    assert month.seconds[~month.is_filled].tolist() == [bar.second for bar in bars]
    assert month.close[~month.is_filled].tolist() == [BASE_TICKS + number for number in range(5)]


def test_contracts_and_spreads_are_never_interleaved_in_a_session():
    prices = {"ESZ5": (0, 9), "ESH6": (220, 8), "ESZ5-ESH6": (-26_500, 99)}
    bars = [
        Bar(symbol, f"{DAY} 07:30:{second:02d}", ticks, volume)
        for second in range(30)
        for symbol, (ticks, volume) in prices.items()
    ]
    month = filled(file_of(bars))
    assert len(month) == 27_000
    assert set(month.close.tolist()) == set(month.open.tolist()) == {BASE_TICKS}
    assert month.to_frame()["contract"].unique().to_list() == ["ES-2025-12"]
    assert int(month.volume.sum()) == 30 * 9


# ---- the close ----


@pytest.mark.parametrize(
    ("day", "first", "last"),
    [
        ("2025-03-07", "13:30:00", "20:59:59"),
        ("2025-03-10", "12:30:00", "19:59:59"),
        ("2025-10-31", "12:30:00", "19:59:59"),
        ("2025-11-03", "13:30:00", "20:59:59"),
    ],
)
def test_worked_example_t01_first_and_last_row(day: str, first: str, last: str):
    symbol = "ESH5" if day < "2025-06" else "ESZ5"
    bars = filled(file_of(bars_at(symbol, day, "07:00:00", "12:00:00")), day[:7])
    assert (utc(bars, 0), utc(bars, -1), len(bars)) == (first, last, 27_000)


@pytest.mark.parametrize(
    ("day", "symbol", "close", "seconds"),
    [
        ("2025-04-18", "ESM5", "08:15", 2_700),
        ("2014-02-17", "ESH4", "10:30", 10_800),
        ("2014-05-26", "ESM4", "12:00", 16_200),
        ("2025-07-03", "ESU5", "12:15", 17_100),
        ("2025-10-15", "ESZ5", "15:00", 27_000),
    ],
)
def test_no_row_lies_at_or_after_the_close_and_bars_there_are_counted(
    day: str, symbol: str, close: str, seconds: int
):
    """The predecessor made 1,623,600 rows after early closes."""
    bars = bars_at(symbol, day, "07:30:00", f"{close}:00", "14:59:59", "15:00:00", "16:00:00")
    if close == "15:00":
        del bars[1:3]
    month = filled(file_of(bars), day[:7])
    [session] = month.summary.sessions
    assert (session.close_ct, session.rows) == (close, seconds)
    assert session.bars_after_close == len([bar for bar in bars[1:] if bar.at < f"{day} 15:00:00"])
    assert month.seconds[-1] == Bar("", f"{day} {close}:00").second - 1
    assert set(month.close.tolist()) == {BASE_TICKS}
    assert month.summary.expected_rows == seconds


# ---- what is told of the month ----


def test_the_summary_counts_rows_and_volumes():
    bars = [
        Bar("ESZ5", f"{DAY} 02:00:00", volume=11),
        Bar("ESZ5", f"{DAY} 07:30:00", volume=20),
        Bar("ESZ5", f"{DAY} 07:30:01", volume=30),
        Bar("ESH6", f"{DAY} 07:30:01", volume=5),
        Bar("ESZ5-ESH6", f"{DAY} 07:30:01", volume=500),
        Bar("ESZ5", f"{DAY} 15:00:00", volume=13),
        Bar("ESZ5", f"{DAY} 15:00:00", volume=17),
        Bar("ESZ5", "2025-10-16 14:59:59", volume=2),
        Bar("ESZ5", "2025-10-18 09:00:00", volume=2),
    ]
    month = filled(file_of(bars), recipe=Recipe(duplicates="last"))
    first, second = month.summary.sessions
    assert first.rows == 27_000
    assert first.added_rows == 26_998
    assert (first.volume, first.contract_volume) == (50, 78)
    assert (first.runner_up, first.runner_up_volume) == ("ES-2026-03", 5)
    assert first.duplicates_dropped == 1
    assert (second.rows, second.volume, second.runner_up, second.runner_up_volume) == (1, 2, None, None)
    assert replace(month.summary, sessions=()) == SelectionSummary(
        sessions=(),
        original_rows=9,
        original_dates=3,
        filtered_rows=5,
        days_with_multiple_contracts=1,
        unmapped_rows=0,
        rth_rows=3,
        expected_rows=54_000,
        bars_on_closed_days={"2025-10-18": 1},
    )


def test_the_summary_survives_its_text():
    summary = filled(file_of(bars_at("ESZ5", DAY, "09:00:00"))).summary
    assert SelectionSummary.from_json(summary.to_json()) == summary
    assert json.loads(summary.to_json())["sessions"][0]["session_date"] == DAY


def test_sessions_and_windows_are_the_row_ranges_of_the_sessions():
    month = filled(file_of(bars_at("ESZ5", DAY, "14:59:58") + bars_at("ESZ5", "2025-10-16", "14:59:57")))
    assert [(session.session_date, rows) for session, rows in month.sessions] == [
        (DAY, slice(0, 2)),
        ("2025-10-16", slice(2, 5)),
    ]
    assert month.windows == [slice(0, 2), slice(2, 5)]


# ---- the published table ----


def test_the_published_table_has_the_documented_columns_and_values():
    frame = filled(file_of([Bar("ESZ5", f"{DAY} 14:59:58", (0, 1, -2, -1), 7)])).to_frame()
    assert dict(frame.schema) == SCHEMA
    assert frame.columns == [
        "timestamp", "session_date", "contract", "open", "high", "low", "close", "volume", "is_filled",
    ]  # fmt: skip
    day = datetime.fromisoformat(DAY).date()
    stamp = datetime(2025, 10, 15, 19, 59, 58, tzinfo=UTC)
    assert frame.rows() == [
        (stamp, day, "ES-2025-12", 6700.0, 6700.25, 6699.5, 6699.75, 7, False),
        (stamp.replace(second=59), day, "ES-2025-12", 6699.75, 6699.75, 6699.75, 6699.75, 0, True),
    ]


def test_the_published_table_reads_back_to_the_same_bars():
    bars = [Bar("ESZ5", f"{DAY} 07:30:00", (3, 9, -7, 1), 5), *bars_at("ESZ5", "2025-10-16", "11:00:00")]
    month = filled(file_of(bars))
    data = to_parquet(month.to_frame(), {})
    assert_same(MonthBars.from_frame(pl.read_parquet(data), "strict", month.summary), month)


def test_any_price_of_the_grid_reads_back_exactly():
    ticks = np.random.default_rng(1).integers(1, 8_000_000, 2_700)
    month = filled(file_of(bars_at("ESM5", "2025-04-18", "07:30:00")), "2025-04")
    month = replace(month, open=ticks, high=ticks, low=ticks, close=ticks)
    assert_same(MonthBars.from_frame(month.to_frame(), "strict", month.summary), month)
    assert_frame_equal(month.to_frame().select(pl.col("close") * 4), pl.DataFrame({"close": ticks * 1.0}))


def assert_same(found: MonthBars, expected: MonthBars) -> None:
    assert (found.rules, found.unit, found.summary) == (expected.rules, expected.unit, expected.summary)
    for name in ("seconds", "open", "high", "low", "close", "volume", "is_filled"):
        column, wanted = getattr(found, name), getattr(expected, name)
        assert column.dtype == wanted.dtype, name
        assert np.array_equal(column, wanted), name
