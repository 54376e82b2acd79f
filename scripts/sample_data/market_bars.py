"""One month of E-mini 1-second bars, drawn as a market would trade them.

One price walk in ticks runs through every open second of the month, and each instrument trades on its own
random seconds of it. Busy hours trade more and move more (07:30 releases, 08:30 opening, lunch lull, 15:00).
The walk depends on the seed and the month alone, so a small month is a full one thinned out.

The figures are those of the real market in round numbers: a level from 1,050 points in 2010 to 6,700 in 2025,
0.7 % a day, and 13 % of an ordinary month's session seconds without a trade.

Not here: opening hours (`market_hours`), contracts and rolls (`market_contracts`), files (`market`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np

from assets.market.months import Month
from assets.market.session_calendar import NORMAL_CLOSE, session_on
from scripts.sample_data.dbn_writer import PRICE_UNITS_PER_POINT, empty_records
from scripts.sample_data.market_contracts import contracts_of, shares_of_trades, spreads_of
from scripts.sample_data.market_hours import SECONDS_PER_DAY, OpenSeconds, open_seconds

Size = Literal["full", "small"]
_Prices = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # open, high, low, close

TICKS_PER_POINT: Final = 4
SPREAD_STEPS_PER_POINT: Final = 20

_ACTIVITY_OF_SIZE: Final[dict[Size, float]] = {"full": 1.0, "small": 0.05}
_DAILY_VOLATILITY: Final = 0.007
_VOLUME_PER_EXPECTED_TRADE: Final = 16.0
_ACTIVITY_OF_EARLY_CLOSE: Final = 0.5
_ACTIVITY_OF_SPREADS: Final = 0.25

# Random streams of a month, so that one instrument's draws do not depend on another's. Not 0: NumPy ignores
# trailing zeros of a seed.
_WALK, _OUTRIGHTS, _SPREADS = 1, 2, 3

# Expected trades per second of all contracts together, by hour of the Chicago day.
_ACTIVITY_BY_HOUR: Final = np.array([
    (0.0, 0.15), (1.9, 0.28), (2.0, 0.80), (3.5, 0.58), (6.5, 0.48), (7.45, 0.70), (7.5, 1.60), (7.55, 0.85),
    (8.0, 0.80), (8.4, 1.30), (8.49, 1.80), (8.5, 9.00), (8.65, 5.50), (9.0, 4.00), (9.5, 3.50), (10.0, 3.10),
    (11.0, 2.40), (12.0, 2.00), (13.0, 1.85), (13.75, 2.10), (14.5, 3.00), (14.85, 4.50), (14.99, 8.00),
    (15.0, 1.60), (15.25, 0.50), (16.0, 0.35), (17.0, 0.90), (17.15, 0.34), (20.0, 0.27), (24.0, 0.15),
])  # fmt: skip
# Index points at the start of a year.
_LEVEL_BY_YEAR: Final = np.array([
    (2010.5, 1050), (2011.5, 1320), (2012, 1260), (2013, 1430), (2014, 1840), (2015, 2050), (2016, 1980),
    (2017, 2250), (2018, 2700), (2019, 2580), (2020, 3240), (2021, 3760), (2022, 4700), (2023, 3880),
    (2024, 4780), (2025, 5900), (2025.83, 6700),
])  # fmt: skip
# What a contract costs above one that expires a year earlier, as a share of it: interest less dividends.
_CARRY_BY_YEAR: Final = np.array([
    (2010, -0.017), (2016, -0.012), (2019, 0.006), (2020.5, -0.012), (2022, -0.005), (2023.5, 0.036),
])  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Market:
    """The open seconds of a month, and arrays over them from which every instrument's bars are drawn."""

    seconds: OpenSeconds
    shares: np.ndarray  # of the trades; over dates and contracts, not seconds
    activity: np.ndarray  # expected trades per second, all contracts together
    price: np.ndarray  # nearest contract at the end of each second, in ticks, not yet rounded
    movement: np.ndarray  # standard deviation of the price over this second, in ticks
    carry: float  # points that each contract costs above the one before it

    def by_date(self, values: np.ndarray) -> np.ndarray:
        """Spread one value per date over the open seconds."""
        return values[self.seconds.date_index]


class _Bars(NamedTuple):
    """The bars of one instrument: positions in the open seconds, prices in units of 1e-9, volumes."""

    instrument_id: int
    at: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def month_records(month: Month, *, size: Size, seed: int) -> np.ndarray:
    """Return the records of a month in `ts_event` order, dtype `OHLCV_DTYPE`.

    Every session has a trade of its busiest contract in its first second and in its last one.
    """
    market = _draw_market(month, seed)
    thinning = _ACTIVITY_OF_SIZE[size]
    bars = [*_draw_outrights(month, market, thinning, seed), *_draw_spreads(month, market, thinning, seed)]
    return _interleaved(bars, market.seconds.epoch)


def _draw_market(month: Month, seed: int) -> _Market:
    rng = np.random.default_rng([seed, month.ordinal, _WALK])
    seconds = open_seconds(month)
    hours = np.arange(SECONDS_PER_DAY) / 3600
    by_second_of_day = np.interp(hours, _ACTIVITY_BY_HOUR[:, 0], _ACTIVITY_BY_HOUR[:, 1])
    activity = by_second_of_day[seconds.second_of_day] * _holiday_calm(seconds)[seconds.date_index]

    # Variance grows less than in proportion to trades: in quiet hours the price moves further per trade.
    variance = by_second_of_day**0.8
    movement_by_second = np.sqrt(variance / variance.sum())
    opens_at, ends_at = (_level(m) * TICKS_PER_POINT for m in (month, month.plus(1)))
    month_factor = np.exp(rng.normal(0, 0.15))
    date_factors = np.exp(rng.normal(0, 0.25, len(seconds.dates)))
    movement_by_date = opens_at * _DAILY_VOLATILITY * month_factor * date_factors
    movement = movement_by_second[seconds.second_of_day] * movement_by_date[seconds.date_index]

    walk = np.cumsum(movement * rng.standard_normal(len(movement)))
    # Pulled to the next month's level, so that neighbouring months meet.
    price = opens_at + walk + np.linspace(0, ends_at - opens_at - walk[-1], len(walk))
    shares = shares_of_trades(month, seconds.dates)
    return _Market(seconds, shares, activity, price, movement, _carry(month))


def _holiday_calm(seconds: OpenSeconds) -> np.ndarray:
    sessions = [session_on(day) for day in seconds.dates]
    early = [session is not None and session.close != NORMAL_CLOSE for session in sessions]
    return np.where(early, _ACTIVITY_OF_EARLY_CLOSE, 1.0)


def _level(month: Month) -> float:
    """Index points at the start of a month."""
    return _in(month, _LEVEL_BY_YEAR)


def _carry(month: Month) -> float:
    """Points that a contract costs above the one that expires a quarter earlier."""
    return _level(month) * _in(month, _CARRY_BY_YEAR) / 4


def _in(month: Month, by_year: np.ndarray) -> float:
    return float(np.interp(month.ordinal / 12, by_year[:, 0], by_year[:, 1]))


def _draw_outrights(month: Month, market: _Market, thinning: float, seed: int) -> Iterator[_Bars]:
    ends = _ends_of_sessions(market.seconds)
    busiest = market.by_date(market.shares.argmax(axis=1))[ends]
    for number, contract in enumerate(contracts_of(month)):
        rng = np.random.default_rng([seed, month.ordinal, _OUTRIGHTS, number])
        expected = market.activity * market.by_date(market.shares[:, number])
        traded = rng.random(len(expected)) < -np.expm1(-expected * thinning)
        traded[ends[busiest == number]] = True
        at = np.flatnonzero(traded & (market.seconds.epoch < contract.stops_at))
        premium = number * round(market.carry * TICKS_PER_POINT)
        prices = _outright_prices(market, at, premium, rng)
        yield _Bars(contract.instrument_id, at, *prices, _draw_volume(expected[at], rng))


def _draw_spreads(month: Month, market: _Market, thinning: float, seed: int) -> Iterator[_Bars]:
    for number, spread in enumerate(spreads_of(month)):
        rng = np.random.default_rng([seed, month.ordinal, _SPREADS, number])
        # Spreads are how positions roll, so they are busiest while both legs are.
        both_legs = market.shares[:, number] * market.shares[:, number + 1]
        expected = market.activity * market.by_date(_ACTIVITY_OF_SPREADS * both_legs)
        traded = rng.random(len(expected)) < -np.expm1(-expected * thinning)
        at = np.flatnonzero(traded & (market.seconds.epoch < spread.near.stops_at))
        prices = _spread_prices(market, at, rng)
        yield _Bars(spread.instrument_id, at, *prices, _draw_volume(expected[at], rng))


def _ends_of_sessions(seconds: OpenSeconds) -> np.ndarray:
    """Positions of the first and the last second of every session of the month."""
    # The first date belongs to the month before; only its evening is in the file.
    sessions = [session for day in seconds.dates[1:] if (session := session_on(day)) is not None]
    ends = [second for session in sessions for second in (session.opens_at, session.closes_at - 1)]
    return seconds.epoch.searchsorted(ends)


def _outright_prices(market: _Market, at: np.ndarray, premium: int, rng: np.random.Generator) -> _Prices:
    """Open, high, low and close on the 0.25 grid; `premium` in ticks above the nearest contract."""
    before = market.price[np.maximum(at - 1, 0)]
    # Rounding up or down at random stands for the bounce between bid and ask.
    opens = np.floor(before + rng.random(len(at))) + premium
    closes = np.floor(market.price[at] + rng.random(len(at))) + premium
    excursion = 0.5 * market.movement[at]
    highs = np.maximum(opens, closes) + np.floor(rng.standard_exponential(len(at)) * excursion)
    lows = np.minimum(opens, closes) - np.floor(rng.standard_exponential(len(at)) * excursion)
    return _in_vendor_units((opens, highs, lows, closes), TICKS_PER_POINT)


def _spread_prices(market: _Market, at: np.ndarray, rng: np.random.Generator) -> _Prices:
    """Open, high, low and close on the spreads' finer grid of 0.05, near the carry."""
    daily = np.cumsum(rng.normal(0, 1.5, len(market.seconds.dates)))
    value = market.carry * SPREAD_STEPS_PER_POINT + market.by_date(daily)[at]
    opens = np.floor(value + rng.random(len(at)))
    closes = np.floor(value + rng.random(len(at)))
    prices = (opens, np.maximum(opens, closes), np.minimum(opens, closes), closes)
    return _in_vendor_units(prices, SPREAD_STEPS_PER_POINT)


def _in_vendor_units(steps: _Prices, steps_per_point: int) -> _Prices:
    unit = PRICE_UNITS_PER_POINT // steps_per_point
    opens, highs, lows, closes = (prices.astype(np.int64) * unit for prices in steps)
    return opens, highs, lows, closes


def _draw_volume(expected: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    drawn = rng.standard_exponential(len(expected)) * expected * _VOLUME_PER_EXPECTED_TRADE
    return 1 + drawn.astype(np.int64)


def _interleaved(instruments: list[_Bars], epoch: np.ndarray) -> np.ndarray:
    at = np.concatenate([bars.at for bars in instruments])
    order = np.argsort(at, kind="stable")
    records = empty_records(len(at))
    records["ts_event"] = epoch[at[order]] * 1_000_000_000
    ids = [np.full(len(bars.at), bars.instrument_id) for bars in instruments]
    records["instrument_id"] = np.concatenate(ids)[order]
    for field in ("open", "high", "low", "close", "volume"):
        records[field] = np.concatenate([getattr(bars, field) for bars in instruments])[order]
    return records
