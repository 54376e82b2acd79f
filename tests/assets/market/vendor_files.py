"""Small vendor files from bars written by hand: Chicago wall time, and prices in ticks from 6700.00.

Not here: realistic months (`scripts.sample_data.market`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np

from assets.market.dbn import VendorFile, read_dbn
from assets.market.months import Month
from assets.market.recipe import Recipe
from assets.market.selection import NANOSECONDS, TICK, Selection, select_bars
from assets.market.session_bars import MonthBars, fill_sessions
from assets.market.session_calendar import CHICAGO
from scripts.sample_data.dbn_writer import SymbolInterval, empty_records, encode

NAME = "a.dbn.zst"
BASE_TICKS = 26_800
"""6700.00 in ticks, the price that bars count from."""

Mappings = Mapping[str, Sequence[SymbolInterval]]
ALWAYS = (date(2010, 1, 1), date(2100, 1, 1))


class Bar(NamedTuple):
    """A bar of a raw symbol; `ticks` are open, high, low and close, one number for all four."""

    symbol: str
    at: str
    ticks: tuple[int, int, int, int] | int = 0
    volume: int = 1

    @property
    def nanoseconds(self) -> int:
        """The bar's start since the Unix epoch, to the microsecond of `at`, which is Chicago wall time."""
        elapsed = datetime.fromisoformat(self.at).replace(tzinfo=CHICAGO) - datetime(1970, 1, 1, tzinfo=UTC)
        return (elapsed.days * 86_400 + elapsed.seconds) * NANOSECONDS + elapsed.microseconds * 1000

    @property
    def second(self) -> int:
        """The bar's start in UTC epoch seconds."""
        return self.nanoseconds // NANOSECONDS


def bars_at(symbol: str, day: str, *clocks: str, volume: int = 1) -> list[Bar]:
    """Bars of one symbol on one Chicago date, at 6700.00 and each a tick above the one before."""
    return [Bar(symbol, f"{day} {clock}", number, volume) for number, clock in enumerate(clocks)]


def ids_of(bars: Sequence[Bar]) -> dict[str, int]:
    """An instrument id for each symbol, in the order of their names."""
    return {symbol: number for number, symbol in enumerate(sorted({bar.symbol for bar in bars}), start=1)}


def records_of(bars: Sequence[Bar], ids: Mapping[str, int] | None = None) -> np.ndarray:
    """The bars as vendor records, in the given order."""
    ids = ids or ids_of(bars)
    records = empty_records(len(bars))
    for record, bar in zip(records, bars, strict=True):
        ticks = bar.ticks if isinstance(bar.ticks, tuple) else (bar.ticks,) * 4
        record["instrument_id"] = ids[bar.symbol]
        record["ts_event"] = bar.nanoseconds
        for name, tick in zip(("open", "high", "low", "close"), ticks, strict=True):
            record[name] = (BASE_TICKS + tick) * TICK
        record["volume"] = bar.volume
    return records


def mappings_of(ids: Mapping[str, int]) -> dict[str, list[SymbolInterval]]:
    """Mappings that give each symbol one id for good."""
    return {symbol: [SymbolInterval(*ALWAYS, number)] for symbol, number in ids.items()}


def vendor_bytes(records: np.ndarray, mappings: Mappings, *, version: int = 3) -> bytes:
    """An uncompressed vendor file."""
    return encode(records, mappings, start=0, end=0, version=version)


def file_of(bars: Sequence[Bar], *, version: int = 3) -> VendorFile:
    """The bars as our reader finds them in a vendor file, in the given order."""
    return file_of_records(records_of(bars), mappings_of(ids_of(bars)), version=version)


def file_of_records(records: np.ndarray, mappings: Mappings, *, version: int = 3) -> VendorFile:
    """Records as our reader finds them in a vendor file."""
    return read_dbn(vendor_bytes(records, mappings, version=version), NAME)


def selected(file: VendorFile, month: str = "2025-10", recipe: Recipe | None = None) -> Selection:
    """The selection of a month, strict unless a recipe says otherwise."""
    return select_bars(file, Month.parse(month), recipe or Recipe())


def filled(file: VendorFile, month: str = "2025-10", recipe: Recipe | None = None) -> MonthBars:
    """The session bars of a month, strict unless a recipe says otherwise."""
    recipe = recipe or Recipe()
    return fill_sessions(file, selected(file, month, recipe), recipe.rules)
