"""Builds the bars of a month from prices in ticks, and the dense example `wave`.

Prices count from `BASE_TICKS` (6700.00 points). A bar is (open, high, low, close) or the same with a volume;
a bar of volume 0 is a filled second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from assets.market.recipe import Rules
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars, SelectionSummary, SessionSummary
from assets.market.session_calendar import CHICAGO, session_on

BASE_TICKS = 26_800
DAY = "2025-10-15"

Bar = tuple[int, ...]


@dataclass(frozen=True)
class Stretch:
    """Consecutive seconds of one session, from a Chicago wall time such as `2025-10-15T09:00:00`."""

    at: str
    bars: np.ndarray
    contract: str

    @property
    def seconds(self) -> np.ndarray:
        start = datetime.fromisoformat(self.at).replace(tzinfo=CHICAGO)
        return int(start.timestamp()) + np.arange(len(self.bars))

    def summary(self) -> SessionSummary:
        start = datetime.fromisoformat(self.at)
        session = session_on(start.date())
        volume = self.bars[:, 4]
        return SessionSummary(
            session_date=str(start.date()),
            contract=self.contract,
            close_ct=session.close.strftime("%H:%M") if session else "15:00",
            rows=len(volume),
            added_rows=int((volume == 0).sum()),
            volume=int(volume.sum()),
            contract_volume=int(volume.sum()),
            runner_up=None,
            runner_up_volume=None,
            contract_by_previous_session_volume=self.contract,
            duplicates_dropped=0,
            bars_after_close=0,
        )


def stretch(
    bars: Sequence[Bar] | np.ndarray,
    at: str = f"{DAY}T09:00:00",
    *,
    contract: str = "ES-2025-12",
    base: int = BASE_TICKS,
    volume: int = 10,
) -> Stretch:
    """Seconds from `at` on; `volume` is that of bars which do not tell."""
    rows = np.array([[*bar, volume][:5] for bar in bars], dtype=np.int64)
    rows[:, :4] += base
    return Stretch(at, rows, contract)


def month_bars(*stretches: Stretch, rules: Rules = "strict", unit: int = TICK) -> MonthBars:
    """The bars of a month of one session per stretch; prices are in units of `unit` * 1e-9 points."""
    rows = np.concatenate([part.bars for part in stretches])
    sessions = tuple(part.summary() for part in stretches)
    traded = int((rows[:, 4] > 0).sum())
    return MonthBars(
        rules=rules,
        unit=unit,
        seconds=np.concatenate([part.seconds for part in stretches]),
        open=rows[:, 0].copy(),
        high=rows[:, 1].copy(),
        low=rows[:, 2].copy(),
        close=rows[:, 3].copy(),
        volume=rows[:, 4].copy(),
        is_filled=rows[:, 4] == 0,
        summary=SelectionSummary(
            sessions=sessions,
            original_rows=traded,
            original_dates=len(sessions),
            filtered_rows=traded,
            days_with_multiple_contracts=0,
            unmapped_rows=0,
            rth_rows=traded,
            expected_rows=len(rows),
            bars_on_closed_days={},
        ),
    )


def one_session(
    bars: Sequence[Bar] | np.ndarray, at: str = f"{DAY}T09:00:00", *, rules: Rules = "strict"
) -> MonthBars:
    """A month of one session."""
    return month_bars(stretch(bars, at), rules=rules)


def flat(price: int, rows: int, volume: int = 10) -> list[Bar]:
    """Rows in which the price does not move."""
    return [(price, price, price, price, volume)] * rows


def head(bars: MonthBars, rows: int) -> MonthBars:
    """The first rows of a month of one session."""
    return replace(
        bars,
        **{
            name: getattr(bars, name)[:rows]
            for name in ("seconds", "open", "high", "low", "close", "volume", "is_filled")
        },
        summary=replace(bars.summary, sessions=(replace(bars.summary.sessions[0], rows=rows),)),
    )


def wave(rows: int, at: str = f"{DAY}T07:30:00") -> Stretch:
    """The dense example: integers only, with every seventh second missing."""
    bars: list[Bar] = []
    previous = BASE_TICKS
    for k in range(rows):
        if k % 7 == 3:
            bars.append((previous, previous, previous, previous, 0))
            continue
        a = k % 1200
        close = 26_800 + (a if a < 600 else 1200 - a) // 12 + k * k % 5 - 2
        high = max(previous, close) + (k % 3 == 0)
        low = min(previous, close) - (k % 5 == 0)
        bars.append((previous, high, low, close, 37 * k % 101 + 1))
        previous = close
    return stretch(bars, at, base=0)
