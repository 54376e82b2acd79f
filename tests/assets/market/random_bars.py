"""Random sessions for property tests: sparse trades, jumps, quiet stretches, rows at each window's edge."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from assets.market.recipe import Rules
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars
from tests.assets.market.bars import BASE_TICKS, Stretch, month_bars, stretch

WINDOW_EDGES = (1, 2, 4, 5, 29, 30, 31, 33, 34, 59, 60, 61, 299, 300, 301, 328, 329, 330, 899, 900, 901, 902)
LONG_EDGES = (1799, 1800, 1801)
STARTS = ("2025-10-14T07:30:00", "2025-10-15T14:20:00", "2025-10-16T08:29:50", "2025-11-03T10:59:00")


@st.composite
def walks(draw: st.DrawFn, max_rows: int = 1000) -> np.ndarray:
    """Bars (open, high, low, close, volume) of consecutive seconds around 0, the first one traded."""
    rows = draw(
        st.sampled_from([n for n in WINDOW_EDGES + LONG_EDGES if n <= max_rows]) | st.integers(1, max_rows)
    )
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    traded = random.random(rows) < draw(st.sampled_from([0.0, 0.02, 0.3, 0.9, 1.0]))
    traded[0] = True
    step = draw(st.sampled_from([0, 1, 3]))
    jumps = random.integers(-60, 61, rows) * (random.random(rows) < draw(st.sampled_from([0, 0.01, 0.1])))
    gap = (random.integers(-step, step + 1, rows) // 2 + jumps) * traded
    move, above, below = (random.integers(low, step + 1, rows) * traded for low in (-step, 0, 0))
    close = np.cumsum(gap + move)
    opened = close - move
    volume = random.integers(1, draw(st.sampled_from([2, 50, 5000])), rows) * traded
    high, low = np.maximum(opened, close) + above, np.minimum(opened, close) - below
    return np.stack([opened, high, low, close, volume], axis=1)


@st.composite
def stretches(
    draw: st.DrawFn, max_sessions: int = 3, max_rows: int = 1000, base: int = BASE_TICKS
) -> list[Stretch]:
    """Sessions in order, some of which start late."""
    count = draw(st.integers(1, max_sessions))
    starts = sorted(draw(st.permutations(STARTS))[:count])
    return [stretch(draw(walks(max_rows)), start, base=base) for start in starts]


@st.composite
def months(draw: st.DrawFn, rules: Rules | None = None, **sizes: Any) -> MonthBars:
    """A month under either rules; under compat also of a spread around zero, priced in 0.05 points."""
    rules = rules or draw(st.sampled_from(["strict", "compat"]))
    if rules == "compat" and draw(st.booleans()):
        return month_bars(*draw(stretches(base=0, **sizes)), rules=rules, unit=TICK // 5)
    return month_bars(*draw(stretches(**sizes)), rules=rules)
