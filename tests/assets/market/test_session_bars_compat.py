"""Session bars under the rules `compat`, which reproduce the predecessor."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from assets.failures import PermanentFailure
from assets.market.contracts import ContractChoice
from assets.market.dbn import VendorFile
from assets.market.recipe import Recipe
from assets.market.session_bars import MonthBars
from assets.market.training_table import to_parquet
from tests.assets.market.vendor_files import (
    BASE_TICKS,
    NAME,
    Bar,
    bars_at,
    file_of,
    file_of_records,
    filled,
    ids_of,
    mappings_of,
    records_of,
    selected,
)

DAY = "2025-10-15"
COMPAT = Recipe("compat")
SPREAD_STEP = 50_000_000
"""0.05 points, the grid of a spread, in the vendor's unit."""


def compat_bars(file: VendorFile, month: str = "2025-10") -> MonthBars:
    return filled(file, month, COMPAT)


def contracts(bars: MonthBars) -> dict[str, str]:
    return {session.session_date: session.contract for session in bars.summary.sessions}


def priced(bars: list[Bar], points: dict[int, float]) -> VendorFile:
    """A file of the bars, some of which trade at other prices."""
    records = records_of(bars)
    for row, price in points.items():
        for name in ("open", "high", "low", "close"):
            records[name][row] = round(price * 1_000_000_000)
    return file_of_records(records, mappings_of(ids_of(bars)))


# ---- days ----


@pytest.mark.parametrize(
    ("month", "symbol", "days"),
    [
        ("2025-07", "ESU5", {"2025-07-03": "12:15", "2025-07-04": "12:00"}),
        ("2025-04", "ESM5", {"2025-04-18": "08:15"}),
        ("2025-01", "ESH5", {"2025-01-01": "closed"}),
        ("2025-10", "ESZ5", {"2025-10-04": "a Saturday", "2025-10-15": "15:00"}),
    ],
)
def test_every_date_with_a_bar_in_core_hours_has_27000_rows_holidays_included(month: str, symbol: str, days):
    bars = compat_bars(file_of([bar for day in days for bar in bars_at(symbol, day, "07:30:00")]), month)
    assert [session.session_date for session in bars.summary.sessions] == list(days)
    for session, rows in bars.sessions:
        assert (session.rows, session.close_ct, session.bars_after_close) == (27_000, "15:00", 0)
        start = Bar("", f"{session.session_date} 07:30:00").second
        assert np.array_equal(bars.seconds[rows], np.arange(start, start + 27_000))


def test_a_date_counts_only_when_the_chosen_symbol_trades_in_core_hours():
    bars = [
        Bar("ESZ5", "2025-10-14 07:29:59"),
        Bar("ESZ5", "2025-10-14 15:00:00"),
        Bar("ESZ5", "2025-10-15 06:00:00", volume=9),
        Bar("ESH6", "2025-10-15 09:00:00", volume=1),
        Bar("ESZ5", "2025-10-16 14:59:59"),
    ]
    assert contracts(compat_bars(file_of(bars))) == {"2025-10-16": "ES-2025-12"}


def test_bars_on_closed_days_are_sessions_and_are_counted_all_the_same():
    bars = compat_bars(file_of(bars_at("ESH5", "2025-01-01", "09:00:00", "09:00:01")), "2025-01")
    assert bars.summary.bars_on_closed_days == {"2025-01-01": 2}


# ---- contracts ----


def test_the_busiest_symbol_of_the_date_wins_spreads_included():
    bars = [Bar("ESZ5", f"{DAY} 09:00:00", volume=8), Bar("ESZ5-ESH6", f"{DAY} 09:00:00", volume=9)]
    month = compat_bars(priced(bars, {1: -46.35}))
    assert contracts(month) == {DAY: "ESZ5-ESH6"}
    assert (month.summary.sessions[0].runner_up, month.summary.sessions[0].runner_up_volume) == (
        "ES-2025-12",
        8,
    )


def test_a_tie_goes_to_the_alphabetically_first_symbol_not_to_the_nearest_expiry():
    bars = [Bar("ESZ5", f"{DAY} 09:00:00", volume=5), Bar("ESH6", f"{DAY} 09:00:00", volume=5)]
    assert contracts(compat_bars(file_of(bars))) == {DAY: "ES-2026-03"}
    assert contracts(filled(file_of(bars))) == {DAY: "ES-2025-12"}


def test_there_is_no_incumbent_and_a_roll_may_be_taken_back():
    volumes = {"2025-10-14": (5, 1), "2025-10-15": (1, 5), "2025-10-16": (5, 1)}
    bars = [
        Bar(symbol, f"{day} 09:00:00", volume=volume)
        for day, pair in volumes.items()
        for symbol, volume in zip(("ESZ5", "ESH6"), pair, strict=True)
    ]
    month = compat_bars(file_of(bars))
    assert list(contracts(month).values()) == ["ES-2025-12", "ES-2026-03", "ES-2025-12"]
    assert [session.contract_by_previous_session_volume for session in month.summary.sessions] == [
        "ES-2025-12",
        "ES-2025-12",
        "ES-2026-03",
    ]


def test_two_symbols_of_one_contract_compete_and_are_one_outright():
    bars = [Bar("ESZ5", f"{DAY} 09:00:00", volume=2), Bar("ESZ25", f"{DAY} 09:00:00", volume=3)]
    selection = selected(file_of(bars), recipe=COMPAT)
    assert [chosen.choice for chosen in selection.sessions] == [
        ContractChoice("ES-2025-12", 3, "ES-2025-12", 2, "ES-2025-12")
    ]
    assert selection.counts.days_with_multiple_contracts == 0


def test_days_with_multiple_contracts_counts_outrights_as_strict_does():
    bars = [
        *[Bar(symbol, "2025-10-14 09:00:00") for symbol in ("ESZ5", "ESZ5-ESH6")],
        *[Bar(symbol, "2025-10-15 09:00:00") for symbol in ("ESZ5", "ESH6")],
    ]
    counted = [selected(file_of(bars), recipe=Recipe(rules)).counts for rules in ("strict", "compat")]
    assert [counts.days_with_multiple_contracts for counts in counted] == [1, 1]


def test_the_contract_column_names_an_outright_by_its_expiry_and_a_spread_by_its_symbol():
    bars = [Bar("ESZ0", "2021-01-04 14:59:59"), Bar("ESH1-ESM1", "2021-01-05 14:59:59")]
    frame = compat_bars(priced(bars, {1: -9.5}), "2021-01").to_frame()
    assert frame["contract"].unique(maintain_order=True).to_list() == ["ES-2020-12", "ESH1-ESM1"]
    assert frame.group_by("contract", maintain_order=True).len()["len"].to_list() == [27_000, 27_000]


# ---- filling ----


def test_head_seconds_take_the_close_of_the_first_bar_and_not_of_an_earlier_trade():
    bars = [Bar("ESZ5", f"{DAY} 07:29:59", 50), Bar("ESZ5", f"{DAY} 07:30:02", (1, 9, 0, 7), 4)]
    month = compat_bars(file_of(bars))
    for column in (month.open, month.high, month.low, month.close):
        assert column[:2].tolist() == [BASE_TICKS + 7] * 2
    assert (month.open - BASE_TICKS)[2:4].tolist() == [1, 7]
    assert month.volume[:4].tolist() == [0, 0, 4, 0]
    assert month.is_filled[:4].tolist() == [True, True, False, True]


@pytest.mark.parametrize("duplicates", ["error", "last"])
def test_duplicate_records_multiply_rows_whatever_duplicates_says(duplicates):
    bars = [
        Bar("ESZ5", f"{DAY} 09:00:00", 1, 3),
        Bar("ESZ5", f"{DAY} 09:00:00", 2, 4),
        Bar("ESZ5", "2025-10-16 09:00:00", 3, 5),
    ]
    month = filled(file_of(bars), recipe=Recipe("compat", duplicates))
    assert [session.rows for session in month.summary.sessions] == [27_001, 27_000]
    assert [session.duplicates_dropped for session in month.summary.sessions] == [0, 0]
    second = np.flatnonzero(month.seconds == bars[0].second)
    assert (month.close - BASE_TICKS)[second].tolist() == [1, 2]
    assert month.volume[second].tolist() == [3, 4]
    assert int(month.close[second[-1] + 1]) - BASE_TICKS == 2
    assert int(month.close[0]) - BASE_TICKS == 1
    assert month.summary.sessions[0].volume == 7


def test_windows_run_over_the_whole_month():
    month = compat_bars(file_of(bars_at("ESZ5", DAY, "09:00:00") + bars_at("ESZ5", "2025-10-16", "09:00:00")))
    assert month.windows == [slice(0, 54_000)]


# ---- prices ----


def test_a_spreads_prices_are_kept_exactly_off_the_grid_negative_or_zero():
    bars = bars_at("ESZ5-ESH6", DAY, "07:30:00", "07:30:01", "07:30:02", "07:30:03")
    month = compat_bars(priced(bars, {0: -46.35, 1: 0, 2: 0.05, 3: 46.5}))
    assert month.unit == SPREAD_STEP
    assert month.close[:4].tolist() == [-927, 0, 1, 930]
    assert month.to_frame()["close"][:4].to_list() == [-46.35, 0, 0.05, 46.5]


def test_outrights_and_spreads_of_one_month_share_the_finest_unit():
    bars = [Bar("ESZ5", f"{DAY} 09:00:00"), Bar("ESZ5-ESH6", "2025-10-16 09:00:00")]
    month = compat_bars(priced(bars, {1: 46.1}))
    assert month.unit == SPREAD_STEP
    assert (int(month.close[0]), int(month.close[-1])) == (134_000, 922)
    assert month.point_value == 0.05


def test_outrights_alone_keep_ticks_and_so_the_numbers_of_strict():
    file = file_of(bars_at("ESZ5", DAY, "07:30:00", "07:30:05"))
    strict, compat = filled(file), compat_bars(file)
    assert compat.unit == strict.unit
    assert np.array_equal(compat.close, strict.close)


def test_a_month_of_zero_prices_has_a_unit():
    month = compat_bars(priced(bars_at("ESZ5-ESH6", DAY, "09:00:00"), {0: 0}))
    assert (month.unit, set(month.close.tolist())) == (250_000_000, {0})


def test_spread_prices_survive_the_published_table():
    bars = bars_at("ESZ5-ESH6", DAY, "07:30:00", "09:00:01", "10:00:02")
    month = compat_bars(priced(bars, {0: -46.35, 1: 0.05, 2: 46.5}))
    again = MonthBars.from_frame(pl.read_parquet(to_parquet(month.to_frame(), {})), "compat", month.summary)
    assert again.unit == month.unit
    for name in ("seconds", "open", "high", "low", "close", "volume", "is_filled"):
        assert np.array_equal(getattr(again, name), getattr(month, name)), name


def test_a_grid_finer_than_a_thousandth_is_refused():
    bars = bars_at("ESZ5-ESH6", DAY, "09:00:00")
    assert compat_bars(priced(bars, {0: 0.001})).point_value == 0.001
    with pytest.raises(PermanentFailure) as failure:
        compat_bars(priced(bars, {0: 0.0005}))
    assert str(failure.value) == (
        f"{NAME}: the month's prices share no grid coarser than 0.0005 points, 0.001 is the finest that "
        "compat takes; use the rules strict, or download the file again"
    )


@pytest.mark.parametrize(
    ("points", "rule"), [(26.123, "a price off the 0.25 grid"), (-6700, "a zero or negative price")]
)
def test_an_outright_is_judged_as_under_strict(points: float, rule: str):
    with pytest.raises(PermanentFailure, match=rule):
        compat_bars(priced(bars_at("ESZ5", DAY, "09:00:00"), {0: points}))


def test_a_chosen_spread_may_not_be_undefined_or_out_of_order():
    bars = bars_at("ESZ5-ESH6", DAY, "09:00:00")
    for field, value, rule in (("high", 2**63 - 1, "an undefined price"), ("high", 0, "out of order")):
        records = records_of(bars)
        records[field] = value
        with pytest.raises(
            PermanentFailure, match=rf"record 1 \(ESZ5-ESH6 at 2025-10-15T14:00:00Z\) has .*{rule}"
        ):
            compat_bars(file_of_records(records, mappings_of(ids_of(bars))))


def test_rows_run_from_0730_to_1500_chicago_time_across_a_clock_change():
    month = compat_bars(
        file_of(bars_at("ESH5", "2025-03-07", "12:00:00") + bars_at("ESH5", "2025-03-10", "12:00:00")),
        "2025-03",
    )
    ends = [month.seconds[row] for _, rows in month.sessions for row in (rows.start, rows.stop - 1)]
    assert [datetime.fromtimestamp(int(second), UTC).strftime("%H:%M:%S") for second in ends] == [
        "13:30:00",
        "20:59:59",
        "12:30:00",
        "19:59:59",
    ]
