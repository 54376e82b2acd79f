"""session_bars: one row for every second of every session, gaps filled, in exact integer prices.

`MonthBars` is the form in which a month travels through labels and features: NumPy columns with prices in
integer units, and the sessions as row ranges. `to_frame` and `from_frame` are the published table.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.failures import PermanentFailure
from assets.market.dbn import VendorFile
from assets.market.recipe import Rules
from assets.market.selection import TICK, ChosenBars, Integers, Selection
from assets.market.session_calendar import NORMAL_CLOSE, Session

SCHEMA: Mapping[str, pl.DataType] = {
    "timestamp": pl.Datetime("us", "UTC"),
    "session_date": pl.Date(),
    "contract": pl.String(),
    "open": pl.Float64(),
    "high": pl.Float64(),
    "low": pl.Float64(),
    "close": pl.Float64(),
    "volume": pl.Int64(),
    "is_filled": pl.Boolean(),
}
PRICE_COLUMNS = ("open", "high", "low", "close")
PRICE_SCALE = 1_000_000_000
"""Vendor price units in one point."""

NO_SOURCE = -1

# Listed spreads trade in 0.05 points. Far finer units would overflow the sums of squares in `features`.
_FINEST_UNIT = PRICE_SCALE // 1000


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session as it stands in the statistics; volumes in contracts, `close_ct` as `HH:MM`."""

    session_date: str
    contract: str
    close_ct: str
    rows: int
    added_rows: int
    volume: int
    contract_volume: int
    runner_up: str | None
    runner_up_volume: int | None
    contract_by_previous_session_volume: str
    duplicates_dropped: int
    bars_after_close: int


@dataclass(frozen=True, slots=True)
class SelectionSummary:
    """What became of the vendor file's records; it travels in the Parquet metadata of session_bars."""

    sessions: tuple[SessionSummary, ...]
    original_rows: int
    original_dates: int
    filtered_rows: int
    days_with_multiple_contracts: int
    unmapped_rows: int
    rth_rows: int
    expected_rows: int
    bars_on_closed_days: Mapping[str, int]

    def to_json(self) -> str:
        """The summary as text without white space; equal summaries give equal text."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "SelectionSummary":
        """Read the text of `to_json` back."""
        content = json.loads(text)
        content["sessions"] = tuple(SessionSummary(**session) for session in content["sessions"])
        return cls(**content)


@dataclass(frozen=True, slots=True)
class MonthBars:
    """The rows of a month, ascending in time. All columns have one length.

    Prices are integers in units of `unit` * 1e-9 points: ticks, or under compat the finest unit that holds
    the month's prices exactly. `seconds` are UTC epoch seconds.
    """

    rules: Rules
    unit: int
    seconds: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers
    is_filled: npt.NDArray[np.bool_]
    summary: SelectionSummary

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def sessions(self) -> list[tuple[SessionSummary, slice]]:
        """Each session with its rows."""
        ends = np.cumsum([session.rows for session in self.summary.sessions]).tolist()
        starts = [0, *ends[:-1]]
        return [
            (session, slice(a, b)) for session, a, b in zip(self.summary.sessions, starts, ends, strict=True)
        ]

    @property
    def windows(self) -> list[slice]:
        """The stretches that label and feature windows never leave: the sessions, under compat the month."""
        return [slice(0, len(self))] if self.rules == "compat" else [rows for _, rows in self.sessions]

    @property
    def point_value(self) -> float:
        """Points in one integer price unit, 0.25 when it is a tick."""
        return self.unit / PRICE_SCALE

    def points(self, prices: Integers) -> npt.NDArray[np.float64]:
        """Prices in points; below nine million each is the nearest double."""
        return prices * self.unit / PRICE_SCALE

    def to_frame(self) -> pl.DataFrame:
        """The published table, schema `SCHEMA`."""
        repeats = [session.rows for session in self.summary.sessions]
        dates = np.array([session.session_date for session in self.summary.sessions], dtype="datetime64[D]")
        contracts = pl.Series([session.contract for session in self.summary.sessions], dtype=pl.String())
        return pl.DataFrame(
            {
                "timestamp": pl.Series(self.seconds * 1_000_000)
                .cast(pl.Datetime("us"))
                .dt.replace_time_zone("UTC"),
                "session_date": pl.Series(dates.repeat(repeats)).cast(pl.Date()),
                "contract": contracts.gather(np.arange(len(repeats)).repeat(repeats)),
                **{name: self.points(getattr(self, name)) for name in PRICE_COLUMNS},
                "volume": self.volume,
                "is_filled": self.is_filled,
            }
        )

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, rules: Rules, summary: SelectionSummary) -> "MonthBars":
        """Read the published table back; prices below two million points come back exactly."""
        prices = {
            name: np.rint(frame[name].to_numpy() * PRICE_SCALE).astype(np.int64) for name in PRICE_COLUMNS
        }
        unit = _price_unit(prices, rules)
        return cls(
            rules=rules,
            unit=unit,
            seconds=frame["timestamp"].dt.epoch("s").to_numpy(),
            **{name: price // unit for name, price in prices.items()},
            volume=frame["volume"].to_numpy(),
            is_filled=frame["is_filled"].to_numpy(),
            summary=summary,
        )


def fill_sessions(file: VendorFile, selection: Selection, rules: Rules) -> MonthBars:
    """Lay the chosen bars on the grid of session seconds, and carry prices over seconds without a trade.

    Raises PermanentFailure when the prices of a compat month lie on a finer grid than 0.001 points.
    """
    grids = [_grid(chosen, rules) for chosen in selection.sessions]
    seconds = np.concatenate([grid.seconds for grid in grids])
    source = np.concatenate([grid.source for grid in grids])
    is_filled = np.concatenate([grid.is_filled for grid in grids])
    bars = file.records[source]
    closes = bars["close"]
    prices = {name: np.where(is_filled, closes, bars[name]) for name in PRICE_COLUMNS}
    unit = _price_unit(prices, rules)
    if unit < _FINEST_UNIT:
        raise PermanentFailure(
            f"{file.name}: the month's prices share no grid coarser than {unit / PRICE_SCALE:g} points, "
            "0.001 is the finest that compat takes; use the rules strict, or download the file again"
        )
    volume = np.where(is_filled, 0, bars["volume"].astype(np.int64))
    summaries = _summaries(file, selection, grids)
    return MonthBars(
        rules=rules,
        unit=unit,
        seconds=seconds,
        **{name: price // unit for name, price in prices.items()},
        volume=volume,
        is_filled=is_filled,
        summary=SelectionSummary(
            sessions=summaries,
            original_rows=selection.counts.original_rows,
            original_dates=selection.counts.original_dates,
            filtered_rows=sum(len(chosen.records) for chosen in selection.sessions),
            days_with_multiple_contracts=selection.counts.days_with_multiple_contracts,
            unmapped_rows=selection.counts.unmapped_rows,
            rth_rows=int((~is_filled).sum()),
            expected_rows=sum(chosen.session.seconds for chosen in selection.sessions),
            bars_on_closed_days=selection.counts.bars_on_closed_days,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Rows of one session: their seconds, the record each takes its price from, and whether it is carried."""

    seconds: Integers
    source: Integers
    is_filled: npt.NDArray[np.bool_]


def _grid(chosen: ChosenBars, rules: Rules) -> _Grid:
    session = chosen.session
    first, end = (int(row) for row in chosen.seconds.searchsorted([session.opens_at, session.closes_at]))
    traded, records = chosen.seconds[first:end], chosen.records[first:end]
    is_quiet = np.ones(session.seconds, dtype=np.bool_)
    is_quiet[traded - session.opens_at] = False
    quiet = session.opens_at + np.flatnonzero(is_quiet)
    seconds = np.concatenate([traded, quiet])
    order = seconds.argsort(kind="stable")
    seconds = seconds[order]
    # Position of each row's own bar, or of the last one before it.
    own = np.concatenate([np.arange(len(traded)), np.full(len(quiet), NO_SOURCE)])[order]
    carried = np.maximum.accumulate(own)
    source = np.where(carried == NO_SOURCE, _head_source(chosen, first, rules), records[carried])
    present = source != NO_SOURCE
    return _Grid(seconds[present], source[present], own[present] == NO_SOURCE)


def _head_source(chosen: ChosenBars, first: int, rules: Rules) -> int:
    """The record whose close prices the seconds before the session's first trade.

    Strict takes the contract's last trade of the same date before 07:30, or has no such seconds; compat looks
    ahead to the first trade, as the predecessor did.
    """
    if rules == "compat":
        return int(chosen.records[first])
    return int(chosen.records[first - 1]) if first else NO_SOURCE


def _price_unit(prices: Mapping[str, Integers], rules: Rules) -> int:
    if rules == "strict":
        return TICK
    return int(np.gcd.reduce([TICK, *(np.gcd.reduce(price) for price in prices.values())]))


def _summaries(file: VendorFile, selection: Selection, grids: list[_Grid]) -> tuple[SessionSummary, ...]:
    return tuple(
        SessionSummary(
            session_date=str(chosen.session.date),
            contract=chosen.choice.contract,
            close_ct=chosen.session.close.strftime("%H:%M"),
            rows=len(grid.seconds),
            added_rows=int(grid.is_filled.sum()),
            volume=_session_volume(file, chosen),
            contract_volume=chosen.choice.volume,
            runner_up=chosen.choice.runner_up,
            runner_up_volume=chosen.choice.runner_up_volume,
            contract_by_previous_session_volume=chosen.choice.by_previous_session_volume,
            duplicates_dropped=chosen.duplicates_dropped,
            bars_after_close=_bars_after_close(chosen),
        )
        for chosen, grid in zip(selection.sessions, grids, strict=True)
    )


def _session_volume(file: VendorFile, chosen: ChosenBars) -> int:
    """Volume of the records inside the session, from the file: a claim compares the rows' with it."""
    first, end = chosen.seconds.searchsorted([chosen.session.opens_at, chosen.session.closes_at])
    return int(file.records["volume"][chosen.records[first:end]].sum())


def _bars_after_close(chosen: ChosenBars) -> int:
    """Bars between an early close and 15:00, when the market is said to have stopped.

    After 15:00 the market trades on every day, so nothing there speaks against the calendar.
    """
    core = Session(chosen.session.date, NORMAL_CLOSE)
    first, end = chosen.seconds.searchsorted([chosen.session.closes_at, core.closes_at])
    return int(end - first)
