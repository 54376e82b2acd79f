"""Session bars: what holds for any month, and a plain second computation of sample months. Strict rules."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.market.contracts import contract_of
from assets.market.dbn import read_dbn
from assets.market.months import Month
from assets.market.recipe import Recipe
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars
from assets.market.session_calendar import sessions_of_month
from scripts.sample_data.dbn_writer import compress, empty_records
from scripts.sample_data.market import vendor_file
from scripts.sample_data.market_contracts import mappings_of as sample_mappings_of
from tests.assets.market.vendor_files import (
    Bar,
    file_of,
    file_of_records,
    filled,
    ids_of,
    mappings_of,
    records_of,
    vendor_bytes,
)

# Short sessions keep the examples fast: Good Friday has 2,700 seconds, the others 27,000.
MONTH, DAYS = "2025-04", ("2025-04-17", "2025-04-18", "2025-04-21")


@st.composite
def bars_on(draw: st.DrawFn, day: str, symbols: tuple[str, ...] = ("ESM5", "ESU5", "ESM5-ESU5")) -> list[Bar]:
    """Bars of a date, at most one a second and symbol; one of ESM5 before 08:15 makes it a session."""
    clocks = st.one_of(
        st.sampled_from([0, 27_000, 27_001, 29_699, 29_700, 53_999, 54_000, 86_399]), st.integers(0, 86_399)
    )
    places = draw(st.sets(st.tuples(st.sampled_from(symbols), clocks), max_size=12))
    places.add((symbols[0], draw(st.integers(27_000, 29_699))))
    return [draw(bar_at(day, symbol, second)) for symbol, second in sorted(places)]


@st.composite
def bar_at(draw: st.DrawFn, day: str, symbol: str, second: int) -> Bar:
    low, *inner, high = sorted(draw(st.lists(st.integers(-40, 40), min_size=4, max_size=4)))
    open_, close = draw(st.permutations(inner))
    # The nearest contract always outweighs the others, so that it is the one chosen.
    volume = draw(st.integers(100, 200) if symbol == "ESM5" else st.integers(1, 8))
    clock = f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    return Bar(symbol, f"{day} {clock}", (open_, high, low, close), volume)


MONTHS = st.tuples(*(st.one_of(st.just([]), bars_on(day)) for day in DAYS)).map(
    lambda days: [bar for day in days for bar in day]
)
ANY_MONTH = MONTHS.filter(bool)


def columns(bars: MonthBars) -> pl.DataFrame:
    return bars.to_frame()


@settings(max_examples=60)
@given(ANY_MONTH)
def test_rows_are_the_calendars_less_absent_heads_and_volumes_the_contracts_own(bars: list[Bar]):
    month = filled(file_of(bars), MONTH)
    calendar = {str(session.date): session for session in sessions_of_month(2025, 4)}
    for summary, rows in month.sessions:
        session = calendar[summary.session_date]
        own = [bar for bar in bars if bar.symbol == "ESM5" and bar.at.startswith(summary.session_date)]
        inside = [bar for bar in own if session.opens_at <= bar.second < session.closes_at]
        is_priced_before = any(bar.second < session.opens_at for bar in own)
        absent = 0 if is_priced_before else min(bar.second for bar in inside) - session.opens_at
        assert summary.rows == session.seconds - absent
        assert summary.volume == month.volume[rows].sum() == sum(bar.volume for bar in inside)
        assert summary.contract_volume == sum(bar.volume for bar in own)
        assert summary.added_rows == month.is_filled[rows].sum() == summary.rows - len(inside)
        assert np.array_equal(
            month.seconds[rows], np.arange(session.closes_at - summary.rows, session.closes_at)
        )


@settings(max_examples=60)
@given(ANY_MONTH)
def test_filled_rows_are_flat_without_volume_and_carry_the_close_before(bars: list[Bar]):
    month = filled(file_of(bars), MONTH)
    is_filled = month.is_filled
    for price in (month.open, month.high, month.low):
        assert np.array_equal(price[is_filled], month.close[is_filled])
    assert not month.volume[is_filled].any()
    for _, rows in month.sessions:
        close, carried = month.close[rows], is_filled[rows]
        assert np.array_equal(close[1:][carried[1:]], close[:-1][carried[1:]])


@settings(max_examples=60)
@given(ANY_MONTH)
def test_removing_the_filled_rows_and_filling_again_gives_the_same_table(bars: list[Bar]):
    month = filled(file_of(bars), MONTH)
    traded = np.flatnonzero(~month.is_filled)
    # The price of a filled head is that of a trade before 07:30, which is in no row.
    heads = [rows.start for _, rows in month.sessions if month.is_filled[rows.start]]
    records = empty_records(len(traded) + len(heads))
    source = np.concatenate([traded, heads]).astype(np.int64)
    records["instrument_id"] = 1
    records["ts_event"] = month.seconds[source] * 1_000_000_000
    records["ts_event"][len(traded) :] -= 1_000_000_000
    for name in ("open", "high", "low", "close"):
        records[name] = getattr(month, name)[source] * TICK
    records["volume"] = month.volume[source]

    again = filled(file_of_records(records, mappings_of({"ESM5": 1})), MONTH)
    assert_frame_equal(columns(again), columns(month))


@settings(max_examples=40)
@given(ANY_MONTH, st.randoms(use_true_random=False), st.sampled_from([1, 2, 3]), st.integers(0, 9))
def test_the_order_within_a_second_the_header_version_and_the_frames_change_nothing(
    bars, random, version, frames
):
    ids = ids_of(bars)
    by_second = sorted(random.sample(bars, len(bars)), key=lambda bar: bar.second)
    data = vendor_bytes(records_of(by_second, ids), mappings_of(ids), version=version)
    other = filled(read_dbn(compress(data, frames=frames) if frames else data, "b.dbn.zst"), MONTH)
    ordered = filled(file_of(bars), MONTH)
    assert_frame_equal(columns(other), columns(ordered))
    assert other.summary == ordered.summary


@settings(max_examples=40)
@given(bars_on(DAYS[1], ("ESM5",)), MONTHS)
def test_other_sessions_and_other_contracts_change_nothing_in_a_session(
    session: list[Bar], others: list[Bar]
):
    alone = filled(file_of(session), MONTH)
    others = [bar for bar in others if not bar.at.startswith(DAYS[1]) or bar.symbol != "ESM5"]
    among = filled(file_of([*session, *others]), MONTH)
    assert_frame_equal(columns(among).filter(session_date=date.fromisoformat(DAYS[1])), columns(alone))


@settings(max_examples=40)
@given(bars_on(DAYS[1]), st.data())
def test_no_row_depends_on_a_later_trade(bars: list[Bar], data: st.DataObject):
    month = filled(file_of(bars), MONTH)
    [session] = [session for session in sessions_of_month(2025, 4) if str(session.date) == DAYS[1]]
    cut = data.draw(st.integers(int(month.seconds[np.argmin(month.is_filled)]), session.closes_at - 1))
    # Later trades of the contract move; volumes stay, so that the choice does.
    moved = [bar._replace(ticks=99) if bar.symbol == "ESM5" and bar.second > cut else bar for bar in bars]
    rows = int(month.seconds.searchsorted(cut)) + 1
    assert_frame_equal(columns(filled(file_of(moved), MONTH)).head(rows), columns(month).head(rows))


# ---- a second computation ----


def plain_session_bars(month: Month, data: bytes) -> pl.DataFrame:
    """The strict session bars of a sample month by joins and forward fills, one date at a time."""
    records = read_dbn(data, "sample").records
    first = date(month.year, month.month, 1)
    symbols = {
        intervals[0].instrument_id: contract_of(symbol, first)
        for symbol, intervals in sample_mappings_of(month).items()
        if contract_of(symbol, first) is not None
    }
    bars = pl.DataFrame(
        {
            name: records[name].astype(np.int64)
            for name in ("instrument_id", "ts_event", "open", "high", "low", "close")
        }
        | {"volume": records["volume"].astype(np.int64)}
    ).with_columns(
        pl.from_epoch("ts_event", "ns")
        .dt.replace_time_zone("UTC")
        .alias("timestamp")
        .cast(pl.Datetime("us", "UTC")),
        contract=pl.col("instrument_id").replace_strict(symbols, default=None),
    )
    bars = bars.drop_nulls("contract").with_columns(
        session_date=pl.col("timestamp").dt.convert_time_zone("America/Chicago").dt.date()
    )
    incumbent, parts = "", []
    for session in sessions_of_month(month.year, month.month):
        day = bars.filter(session_date=session.date)
        volumes = day.filter(pl.col("contract") >= incumbent).group_by("contract").agg(pl.col("volume").sum())
        incumbent = volumes.sort(["volume", "contract"], descending=[True, False])["contract"][0]
        opens, closes = (datetime.fromtimestamp(at, UTC) for at in (session.opens_at, session.closes_at))
        grid = pl.DataFrame(
            {"timestamp": pl.datetime_range(opens, closes, "1s", closed="left", time_unit="us", eager=True)}
        )
        own = day.filter(contract=incumbent).sort("timestamp").drop("session_date", "contract")
        rows = grid.join_asof(own.with_columns(at="timestamp"), on="timestamp").drop_nulls("at")
        is_filled = pl.col("timestamp") != pl.col("at")
        prices = [
            pl.when(is_filled).then("close").otherwise(name).truediv(1_000_000_000).alias(name)
            for name in ("open", "high", "low", "close")
        ]
        volume = pl.when(is_filled).then(0).otherwise("volume").alias("volume")
        labels = [pl.lit(session.date).alias("session_date"), pl.lit(incumbent).alias("contract")]
        parts.append(rows.select("timestamp", *labels, *prices, volume, is_filled.alias("is_filled")))
    return pl.concat(parts)


@pytest.mark.parametrize("month", ["2011-03", "2025-07"])
def test_sample_months_come_out_as_a_plain_computation_has_them(month: str):
    data = vendor_file(month)
    found = filled(read_dbn(data, "sample"), month, Recipe())
    expected = plain_session_bars(Month.parse(month), data)
    assert_frame_equal(columns(found), expected)
    assert found.is_filled.any()
    assert len({session.contract for session in found.summary.sessions}) == (2 if month == "2011-03" else 1)
    assert len(found) == sum(session.seconds for session in sessions_of_month(*map(int, month.split("-"))))


@pytest.mark.parametrize(
    ("month", "compat_rows", "strict_rows"),
    [
        ("2010-11", 594_000, 567_900),
        ("2020-03", 594_000, 594_000),
        ("2024-03", 567_000, 542_700),
        ("2025-07", 621_000, 600_300),
        ("2025-11", 540_000, 519_300),
    ],
)
def test_a_whole_month_has_the_published_number_of_rows(month: str, compat_rows: int, strict_rows: int):
    file = read_dbn(vendor_file(month), "sample")
    assert len(filled(file, month, Recipe("compat"))) == compat_rows
    assert len(filled(file, month)) == strict_rows


def test_the_evening_before_the_month_counts_among_the_dates_of_the_file():
    summary = filled(read_dbn(vendor_file("2025-10"), "sample")).summary
    assert summary.original_dates == 1 + 23 + 4  # 30 September, 23 sessions, four Sundays
