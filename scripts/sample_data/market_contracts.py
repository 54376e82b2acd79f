"""The E-mini's contracts as a sample month trades them: expiries, symbols, and each one's part of the volume.

Not here: how a vendor symbol is read (`assets.market.contracts`) and prices (`market_bars`).
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np

from assets.market.months import Month
from assets.market.session_calendar import CHICAGO
from scripts.sample_data.dbn_writer import SymbolInterval

_MONTH_CODES: Final = "HMUZ"
_FINAL_TRADE: Final = time(8, 30)
_SPREAD_ID_OFFSET: Final = 100_000

# The next contract's share of the trades, by days from the roll, the Thursday of the week before the expiry.
_DAYS_FROM_ROLL: Final = (-6, -2, -1, 0, 1, 4, 5, 8)
_SHARE_OF_NEXT: Final = (0.04, 0.22, 0.38, 0.60, 0.72, 0.82, 0.88, 0.95)
_SHARE_OF_FARTHEST: Final = 0.01


@dataclass(frozen=True, slots=True)
class Quarterly:
    """An outright, named by the year and month of its expiry."""

    year: int
    month: int

    @property
    def symbol(self) -> str:
        """The raw symbol with its one-digit year, such as `ESZ5`."""
        return f"ES{_MONTH_CODES[self.month // 3 - 1]}{self.year % 10}"

    @property
    def instrument_id(self) -> int:
        """Unique among outrights and spreads."""
        return self.year * 4 + self.month // 3

    @property
    def expiry(self) -> date:
        """The third Friday of the month."""
        first = date(self.year, self.month, 1)
        return first + timedelta(days=(4 - first.weekday()) % 7 + 14)

    @property
    def stops_at(self) -> int:
        """08:30 Chicago time on the day of expiry, UTC epoch seconds; no trade from then on."""
        return int(datetime.combine(self.expiry, _FINAL_TRADE, tzinfo=CHICAGO).timestamp())

    def following(self) -> "Quarterly":
        """The contract that expires a quarter later."""
        return Quarterly(self.year + self.month // 12, self.month % 12 + 3)


@dataclass(frozen=True, slots=True)
class Spread:
    """A calendar spread: the price of the far contract less that of the near one."""

    near: Quarterly
    far: Quarterly

    @property
    def symbol(self) -> str:
        """The raw symbol, such as `ESZ5-ESH6`."""
        return f"{self.near.symbol}-{self.far.symbol}"

    @property
    def instrument_id(self) -> int:
        """Unique among outrights and spreads."""
        return _SPREAD_ID_OFFSET + self.near.instrument_id


def contracts_of(month: Month) -> tuple[Quarterly, Quarterly, Quarterly]:
    """Return the three contracts that trade in a month, nearest first; the first may expire in it."""
    nearest = Quarterly(month.year, -(-month.month // 3) * 3)
    return nearest, nearest.following(), nearest.following().following()


def spreads_of(month: Month) -> tuple[Spread, Spread]:
    """Return the spreads between neighbouring contracts of a month, nearest first."""
    nearest, second, third = contracts_of(month)
    return Spread(nearest, second), Spread(second, third)


def shares_of_trades(month: Month, dates: tuple[date, ...]) -> np.ndarray:
    """Return each contract's share of the market's trades, shape (dates, 3), columns as in `contracts_of`.

    The next contract's share only ever grows: from a few percent to a majority on the roll, and to all of it
    after the expiry.
    """
    nearest = contracts_of(month)[0]
    roll = nearest.expiry - timedelta(days=8)
    following = np.interp([(day - roll).days for day in dates], _DAYS_FROM_ROLL, _SHARE_OF_NEXT)
    farthest = np.full(len(dates), _SHARE_OF_FARTHEST)
    shares = np.stack([1 - following - farthest, following, farthest], axis=1)
    expired = [day > nearest.expiry for day in dates]
    shares[expired] = (0, 1 - _SHARE_OF_NEXT[0], _SHARE_OF_NEXT[0])
    return shares


def mappings_of(month: Month) -> dict[str, list[SymbolInterval]]:
    """Return the header mappings of a month: each symbol's id until the month's end or its last UTC date."""
    first, following = (date(m.year, m.month, 1) for m in (month, month.plus(1)))
    ends = [(contract, contract.expiry) for contract in contracts_of(month)]
    ends += [(spread, spread.near.expiry) for spread in spreads_of(month)]
    mappings: dict[str, list[SymbolInterval]] = {}
    for instrument, expiry in ends:
        end = min(expiry + timedelta(days=1), following)
        mappings[instrument.symbol] = [SymbolInterval(first, end, instrument.instrument_id)]
    return mappings
