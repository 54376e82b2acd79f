"""Labels: how each of the six brackets ends for a trade that enters at the next row's open.

A row's trade enters at the open of the following row of its window. The first row that touches a side
decides; both sides in one row count as the stop. `brackets` has sizes and horizon, `kernels` the walk.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.market.brackets import BRACKETS, HORIZON_ROWS, TARGET
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars


@dataclass(frozen=True, slots=True)
class Labels:
    """One row per bracket (in the order of `BRACKETS`), one column per row of the month.

    `outcome` holds indices into `OUTCOMES`; `mae_ticks` and `exit_seconds` are -1 where nothing was touched.
    """

    outcome: npt.NDArray[np.int8]
    mae_ticks: npt.NDArray[np.int32]
    exit_seconds: npt.NDArray[np.int32]

    @property
    def is_winner(self) -> npt.NDArray[np.bool_]:
        """Where the target was touched first, same shape."""
        return self.outcome == TARGET


def label_rows(bars: MonthBars) -> Labels:
    """Label every row of a month under every bracket."""
    from assets.market.kernels import resolve_brackets

    units_per_tick = TICK // bars.unit
    outcome, excursion, exit_seconds = resolve_brackets(
        bars.open,
        bars.high,
        bars.low,
        bars.seconds,
        np.array([rows.start for rows in bars.windows]),
        np.array([rows.stop for rows in bars.windows]),
        np.array([bracket.direction for bracket in BRACKETS]),
        np.array([bracket.stop_ticks for bracket in BRACKETS]) * units_per_tick,
        np.array([bracket.target_ticks for bracket in BRACKETS]) * units_per_tick,
        HORIZON_ROWS,
    )
    # Floor division keeps -1, and keeps a spread's excursion between two ticks below a stop it did not reach.
    return Labels(outcome, excursion // units_per_tick, exit_seconds)
