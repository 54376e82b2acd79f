"""A vendor file of November 2025 that is small, made of integers only, and has one of everything.

- 25 November starts late, with its first trade at 14:00, in ESZ5.
- 26 November has trades before 07:30, and a silence; it is still ESZ5's.
- 28 November closes at 12:15, is ESH6's, and has bars after its close.
- The spread ESZ5-ESH6 trades below zero and off the 0.25 grid, more than any outright on none of the days.
"""

from datetime import date, datetime

import numpy as np

from assets.market.selection import NANOSECONDS, TICK
from assets.market.session_calendar import CHICAGO
from scripts.sample_data.dbn_writer import SymbolInterval, compress, empty_records, encode

MONTH = "2025-11"
ROWS = 3_600 + 27_000 + 17_100

_IDS = {"ESZ5": 1, "ESH6": 2, "ESZ5-ESH6": 3}
_FIRST, _END = date(2025, 11, 1), date(2025, 12, 1)


def small_month(*, shift: int = 0) -> bytes:
    """The compressed file; `shift` moves every price by so many ticks."""
    return compress(
        encode(_records(shift), _mappings(), start=_epoch("2025-11-01"), end=_epoch("2025-12-01"))
    )


def _records(shift: int) -> np.ndarray:
    parts = [
        _trades("ESZ5", "2025-11-25T14:00:00", 3_600, every=1, shift=shift),
        _trades("ESH6", "2025-11-25T14:00:00", 3_600, every=90, shift=shift),
        _trades("ESZ5", "2025-11-26T03:00:00", 600, every=7, shift=shift),
        _trades("ESZ5", "2025-11-26T07:30:07", 12_000, every=2, shift=shift),
        _trades("ESZ5", "2025-11-26T11:00:00", 14_400, every=3, shift=shift),
        _trades("ESZ5", "2025-11-28T07:30:00", 17_100, every=40, shift=shift),
        _trades("ESH6", "2025-11-28T06:00:00", 5_400, every=11, shift=shift),
        _trades("ESH6", "2025-11-28T07:30:00", 17_100, every=1, shift=shift),
        _trades("ESH6", "2025-11-28T12:20:00", 3, every=1, shift=shift),
        _spread("2025-11-26T09:00:00", 500),
    ]
    records = np.concatenate(parts)
    return records[records["ts_event"].argsort(kind="stable")]


def _trades(symbol: str, start: str, seconds: int, *, every: int, shift: int) -> np.ndarray:
    """A zigzag of 60 ticks with a little noise; most multiples of `every` seconds have a bar."""
    k = np.arange(0, seconds, every)
    k = k[k * k % 11 != 4]
    records = empty_records(len(k))
    phase = k % 1200
    zigzag = np.minimum(phase, 1200 - phase) // 10
    close = 26_800 + shift + zigzag + k * k % 5 - 2 + (220 if symbol == "ESH6" else 0)
    opened = np.concatenate([close[:1], close[:-1]])
    records["open"], records["close"] = opened * TICK, close * TICK
    records["high"] = (np.maximum(opened, close) + (k % 3 == 0)) * TICK
    records["low"] = (np.minimum(opened, close) - (k % 5 == 0)) * TICK
    records["volume"] = 37 * k % 101 + 1
    return _placed(records, symbol, start, k)


def _spread(start: str, seconds: int) -> np.ndarray:
    k = np.arange(seconds)
    records = empty_records(seconds)
    for name in ("open", "high", "low", "close"):
        records[name] = -4_650_000_000 + 50_000_000 * (k % 4)
    records["volume"] = 1
    return _placed(records, "ESZ5-ESH6", start, k)


def _placed(records: np.ndarray, symbol: str, start: str, seconds: np.ndarray) -> np.ndarray:
    records["instrument_id"] = _IDS[symbol]
    records["ts_event"] = _epoch(start) + seconds * NANOSECONDS
    return records


def _mappings() -> dict[str, list[SymbolInterval]]:
    return {symbol: [SymbolInterval(_FIRST, _END, number)] for symbol, number in _IDS.items()}


def _epoch(chicago: str) -> int:
    return int(datetime.fromisoformat(chicago).replace(tzinfo=CHICAGO).timestamp()) * NANOSECONDS
