"""Sample months of the market: reproducible to the byte, valid for the vendor's reader, and realistic."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path

import databento
import numpy as np
import pytest

from assets.market.months import Month, raw_key
from assets.market.session_calendar import (
    CHICAGO,
    NORMAL_CLOSE,
    Session,
    midnights,
    session_on,
    sessions_of_month,
)
from scripts.sample_data.__main__ import main
from scripts.sample_data.market import vendor_file
from scripts.sample_data.market_bars import Size
from scripts.sample_data.market_contracts import Quarterly, contracts_of

TICK = 250_000_000
ROLL_MONTHS = ["2011-03", "2020-06", "2025-09", "2025-12"]


@dataclass(frozen=True)
class Tape:
    """A sample month as the vendor's client reads it."""

    records: np.ndarray
    seconds: np.ndarray  # int64, UTC epoch seconds of `records`
    symbols: dict[int, str]

    def of(self, symbol: str) -> "Tape":
        (instrument_id,) = (number for number, name in self.symbols.items() if name == symbol)
        chosen = self.records["instrument_id"] == instrument_id
        return Tape(self.records[chosen], self.seconds[chosen], self.symbols)

    def between(self, starts_at: int, ends_at: int) -> "Tape":
        rows = slice(*np.searchsorted(self.seconds, [starts_at, ends_at]))
        return Tape(self.records[rows], self.seconds[rows], self.symbols)

    def busiest(self) -> str:
        outrights = [symbol for symbol in self.symbols.values() if "-" not in symbol]
        return max(outrights, key=lambda symbol: self.of(symbol).records["volume"].sum())


@cache
def tape(month: str, size: Size = "small") -> Tape:
    store = databento.DBNStore.from_bytes(vendor_file(month, size=size))
    records = store.to_ndarray()
    symbols = {int(i["symbol"]): symbol for symbol, intervals in store.mappings.items() for i in intervals}
    return Tape(records, (records["ts_event"] // 1_000_000_000).astype(np.int64), symbols)


def sessions_in(month: str) -> tuple[Session, ...]:
    return sessions_of_month(*map(int, month.split("-")))


@cache
def fronts(month: str) -> list[str]:
    """The symbol with the highest volume of each session's date."""
    days = [tape(month).between(*midnights(s.date)) for s in sessions_in(month)]
    return [day.busiest() for day in days]


def chicago_seconds(day: date, clock: time) -> int:
    return int(datetime.combine(day, clock, tzinfo=CHICAGO).timestamp())


def test_equal_month_size_and_seed_give_equal_bytes():
    assert vendor_file("2012-02") == vendor_file("2012-02", size="small", seed=0)


def test_another_seed_month_or_size_gives_another_file():
    files = {
        vendor_file("2012-02"),
        vendor_file("2012-02", seed=1),
        vendor_file("2013-02"),
        vendor_file("2012-02", size="full"),
    }
    assert len(files) == 4


@pytest.mark.parametrize("month", ["2010-07", "2025-03", "2025-11", "2026-04"])
def test_the_file_is_cut_at_utc_midnight_and_interleaved_in_time(month: str):
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    seconds = tape(month).seconds
    assert (np.diff(seconds) >= 0).all()
    assert str(seconds[0].astype("M8[s]")) >= f"{first}T00:00:00"
    assert str(seconds[-1].astype("M8[s]")) < f"{following}T00:00:00"
    pairs = np.unique(np.stack([seconds, tape(month).records["instrument_id"]]), axis=1)
    assert pairs.shape[1] == len(seconds), "an instrument has two records in one second"


def test_a_month_begins_with_the_evening_before_it_in_chicago():
    evening = chicago_seconds(date(2025, 9, 30), time(19))
    assert 0 <= tape("2025-10", "full").seconds[0] - evening < 60


@pytest.mark.parametrize("month", ["2010-07", "2020-03", "2025-10"])
def test_bars_are_in_order_and_outrights_lie_on_the_tick_grid(month: str):
    records = tape(month).records
    assert (records["high"] >= np.maximum(records["open"], records["close"])).all()
    assert (records["low"] <= np.minimum(records["open"], records["close"])).all()
    assert (records["volume"] > 0).all()
    for contract in contracts_of(Month.parse(month)):
        bars = tape(month).of(contract.symbol).records
        prices = np.stack([bars[name] for name in ("open", "high", "low", "close")])
        assert len(bars) > 0
        assert (prices > 0).all()
        assert (prices % TICK == 0).all()


@pytest.mark.parametrize(("month", "sign"), [("2010-09", -1), ("2025-09", 1)])
def test_calendar_spreads_trade_off_the_tick_grid_at_the_cost_of_carry(month: str, sign: int):
    near, far, _ = contracts_of(Month.parse(month))
    closes = tape(month).of(f"{near.symbol}-{far.symbol}").records["close"]
    assert len(closes) > 100
    assert (closes % TICK != 0).mean() > 0.5
    assert (np.sign(closes) == sign).all()
    assert (np.abs(closes) < 100e9).all()


def test_a_full_month_has_the_real_number_of_records():
    assert 1_000_000 <= len(tape("2025-10", "full").records) <= 1_100_000


def test_a_small_month_is_below_1_5_mb_and_a_tenth_of_the_full_one():
    assert len(vendor_file("2025-10")) < 1_500_000
    assert 0.05 < len(tape("2025-10").records) / len(tape("2025-10", "full").records) < 0.15


def filled_share(month: str, starts: time, ends: time) -> float:
    """The share of session seconds without a trade of the front contract, between two clock times."""
    traded = total = 0
    for session, symbol in zip(sessions_in(month), fronts(month), strict=True):
        first, last = (chicago_seconds(session.date, clock) for clock in (starts, ends))
        traded += len(tape(month, "full").of(symbol).between(first, last).seconds)
        total += last - first
    return 1 - traded / total


def test_a_full_month_has_quiet_seconds_most_before_eight_and_at_lunch():
    shares = {
        name: filled_share("2025-10", starts, ends)
        for name, starts, ends in [
            ("session", time(7, 30), time(15, 0)),
            ("before eight", time(7, 30), time(8, 0)),
            ("morning", time(9, 0), time(10, 0)),
            ("lunch", time(12, 0), time(14, 0)),
        ]
    }
    # The real October 2025 has 0.133, 0.421, 0.028 and 0.139.
    assert 0.05 < shares["session"] < 0.25
    assert 0.3 < shares["before eight"] < 0.6
    assert shares["morning"] < 0.06
    assert 0.08 < shares["lunch"] < 0.25


def test_volume_has_its_peaks_at_the_opening_and_the_close():
    bars = tape("2025-10", "full").of("ESZ5")
    by_quarter_hour = np.zeros(96)
    for session in sessions_in("2025-10"):
        day = bars.between(*midnights(session.date))
        quarters = (day.seconds - midnights(session.date)[0]) // 900
        by_quarter_hour += np.bincount(quarters, day.records["volume"], minlength=96)
    opening, lunch, close, night = by_quarter_hour[[8 * 4 + 2, 12 * 4 + 2, 14 * 4 + 3, 22 * 4]]
    assert by_quarter_hour.argmax() == 8 * 4 + 2
    assert opening > 2 * lunch
    assert close > 2 * lunch
    assert lunch > 2 * night > 0


def test_bars_range_over_a_few_ticks_and_days_over_a_percent():
    day_ranges = []
    bar_ranges = []
    for session in sessions_in("2025-10"):
        bars = tape("2025-10", "full").of("ESZ5").between(session.opens_at, session.closes_at).records
        day_ranges.append((bars["high"].max() - bars["low"].min()) / bars["open"][0])
        bar_ranges.append((bars["high"] - bars["low"]) // TICK)
    ranges = np.concatenate(bar_ranges)
    assert (ranges <= 4).mean() > 0.85
    assert ranges.max() < 80, "a second moves by more than 20 points"
    assert 0.005 < np.mean(day_ranges) < 0.02


def test_about_a_third_of_the_low_volatility_brackets_win():
    """Stop 6 ticks, target 12: entries all over the month, each followed until one of the two is touched."""
    bars = tape("2025-10", "full").of("ESZ5")
    wins = []
    for session in sessions_in("2025-10"):
        day = bars.between(session.opens_at, session.closes_at).records
        opens, highs, lows = (day[name].tolist() for name in ("open", "high", "low"))
        for entry in range(0, len(opens) - 1000, 997):
            stop, target = opens[entry] - 6 * TICK, opens[entry] + 12 * TICK
            touched = (n for n in range(entry, len(opens)) if highs[n] >= target or lows[n] <= stop)
            first = next(touched, None)
            wins.append(first is not None and highs[first] >= target and lows[first] > stop)
    assert len(wins) > 400
    assert 0.24 < np.mean(wins) < 0.42


@pytest.mark.parametrize(("month", "low", "high"), [("2010-07", 900, 1200), ("2025-10", 6000, 7400)])
def test_prices_lie_near_the_index_level_of_their_time(month: str, low: int, high: int):
    closes = tape(month).of(contracts_of(Month.parse(month))[0].symbol).records["close"] / 1e9
    assert low < closes.min() < closes.max() < high


def test_neighbouring_months_meet():
    def ends(month: str) -> tuple[float, float]:
        closes = tape(month).of("ESZ5").records["close"] / 1e9
        return closes[0], closes[-1]

    assert abs(ends("2025-10")[1] - ends("2025-11")[0]) < 25


@pytest.mark.parametrize("month", ROLL_MONTHS)
def test_the_roll_happens_once_in_the_second_week(month: str):
    sessions = sessions_in(month)
    chosen = fronts(month)
    rolls = [n for n in range(1, len(chosen)) if chosen[n] != chosen[n - 1]]
    near, far, _ = (contract.symbol for contract in contracts_of(Month.parse(month)))
    assert (chosen[0], chosen[-1]) == (near, far)
    assert [7 <= sessions[n].date.day <= 14 for n in rolls] == [True]


@pytest.mark.parametrize("month", ROLL_MONTHS)
def test_volume_moves_over_a_few_days_and_never_back(month: str):
    near, far, _ = (contract.symbol for contract in contracts_of(Month.parse(month)))
    shares = []
    for session in sessions_in(month):
        day = tape(month).between(*midnights(session.date))
        volumes = [int(day.of(symbol).records["volume"].sum()) for symbol in (near, far)]
        shares.append(volumes[1] / sum(volumes))
    between = [share for share in shares if 0.02 < share < 0.98]
    assert len(between) >= 4
    assert between == sorted(between)


@pytest.mark.parametrize("month", ["2025-10", "2025-11"])
def test_a_month_without_an_expiry_has_one_front_contract(month: str):
    assert set(fronts(month)) == {"ESZ5"}


def test_a_contract_stops_trading_at_0830_on_its_third_friday():
    september = Quarterly(2025, 9)
    assert (september.symbol, september.expiry) == ("ESU5", date(2025, 9, 19))
    last = int(tape("2025-09", "full").of("ESU5").seconds[-1])
    assert 0 < september.stops_at - last < 4 * 3600


@pytest.mark.parametrize(("month", "size"), [("2013-12", "small"), ("2025-03", "small"), ("2025-11", "full")])
def test_every_session_trades_from_its_first_second_to_its_last(month: str, size: Size):
    for session, symbol in zip(sessions_in(month), fronts(month), strict=True):
        seconds = tape(month, size).of(symbol).between(session.opens_at, session.closes_at).seconds
        assert (seconds[0], seconds[-1]) == (session.opens_at, session.closes_at - 1), session.date


@pytest.mark.parametrize("month", ["2013-12", "2014-01", "2021-12", "2022-04", "2024-03", "2025-07"])
def test_no_bar_lies_on_a_closed_day_or_after_an_early_close_until_the_evening(month: str):
    days = [
        date.fromisoformat(f"{month}-{number:02d}") for number in range(1, Month.parse(month).last_day + 1)
    ]
    normal = {session.date for session in sessions_in(month) if session.close == NORMAL_CLOSE}
    resting = [day for day in days if day not in normal]
    assert any(day.weekday() < 5 for day in resting)
    for day in resting:
        session = session_on(day)
        stops = chicago_seconds(day, session.close if session is not None else time.min)
        assert len(tape(month).between(stops, chicago_seconds(day, time(17))).seconds) == 0, day


@pytest.mark.parametrize("month", ["2025-03", "2025-11"])
def test_the_overnight_market_keeps_chicago_time_across_a_clock_change(month: str):
    for day in (date.fromisoformat(f"{month}-{number:02d}") for number in range(1, 28)):
        next_day = day + timedelta(days=1)
        maintenance, evening, midnight = (
            chicago_seconds(day, time(16)),
            chicago_seconds(day, time(17)),
            chicago_seconds(next_day, time.min),
        )
        assert len(tape(month).between(maintenance, evening).seconds) == 0
        trades_in_the_evening = len(tape(month).between(evening, midnight).seconds) > 50
        assert trades_in_the_evening == (session_on(next_day) is not None), day


@pytest.mark.parametrize("month", ["2010-06", "2025-13", "2025-1", "october"])
def test_a_month_without_sample_data_is_refused(month: str):
    with pytest.raises(ValueError, match=r"lies before 2010-07|is not a month"):
        vendor_file(month)


def test_the_command_writes_one_file_per_month_and_reports_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    arguments = ["market", "--start", "2011-12", "--end", "2012-01", "--out", str(tmp_path)]
    assert main(arguments) == 0
    written = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert written == [tmp_path / raw_key("2011-12"), tmp_path / raw_key("2012-01")]
    assert written[1].read_bytes() == vendor_file("2012-01")
    lines = capsys.readouterr().out.splitlines()
    count, size = len(tape("2012-01").records), len(vendor_file("2012-01"))
    assert len(lines) == 2
    assert lines[1].startswith(f"{written[1]}: {count:,} records, {size:,} bytes, ")


def test_months_come_out_the_same_alone_and_in_a_range(tmp_path: Path):
    assert (
        main(["market", "--start", "2012-01", "--end", "2012-03", "--seed", "3", "--out", str(tmp_path)]) == 0
    )
    assert (tmp_path / raw_key("2012-02")).read_bytes() == vendor_file("2012-02", seed=3)


def test_without_a_folder_files_go_where_the_local_object_store_looks(isolated_environment: Path):
    assert main(["market", "--month", "2012-02"]) == 0
    path = isolated_environment / "storage" / "es-1-second-data" / raw_key("2012-02")
    assert path.read_bytes() == vendor_file("2012-02")


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / raw_key("2012-02")).mkdir(parents=True)
    assert main(["market", "--month", "2012-02", "--month", "2012-03", "--out", str(tmp_path)]) == 1
    assert f"{tmp_path / raw_key('2012-02')}: not written" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / raw_key("2012-03")]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["market", "--month", "2025-13"], "'2025-13' is not a month"),
        (["market", "--month", "2010-06"], "2010-06 lies before 2010-07"),
        (["market", "--start", "2025-02", "--end", "2025-01"], "--start 2025-02 lies after --end 2025-01"),
        (["market", "--month", "2025-01", "--end", "2025-02"], "leave out --start and --end"),
        (["market", "--seed", "-1"], "'-1' is not a number"),
        (["market", "--size", "huge"], "invalid choice: 'huge'"),
        (["lottery"], "invalid choice: 'lottery'"),
        ([], "required"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_command_runs_as_a_module(tmp_path: Path):
    command = [
        sys.executable,
        "-m",
        "scripts.sample_data",
        "market",
        "--month",
        "2012-02",
        "--out",
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / raw_key("2012-02")).is_file()
