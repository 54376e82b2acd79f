"""Labels as the rules tell them: from each entry forward, row by row, until something is touched.

The reference that the fast walk is compared with. It is compiled only because quiet rows run for 900 steps.
"""

import numba
import numpy as np

from assets.market.brackets import BOTH, BRACKETS, HORIZON_ROWS, NO_ENTRY, SESSION_END, STOP, TARGET, TIMEOUT
from assets.market.labels import Labels
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars


def plain_labels(bars: MonthBars) -> Labels:
    """Label every row of a month under every bracket."""
    shape = (len(BRACKETS), len(bars))
    labels = Labels(np.empty(shape, np.int8), np.full(shape, -1, np.int32), np.full(shape, -1, np.int32))
    units = TICK // bars.unit
    for number, bracket in enumerate(BRACKETS):
        for rows in bars.windows:
            for row in range(rows.start, rows.stop):
                labels.outcome[number, row], excursion, seconds = _walk(
                    bars.open,
                    bars.high,
                    bars.low,
                    bars.seconds,
                    row + 1,
                    rows.stop,
                    bracket.direction,
                    bracket.stop_ticks * units,
                    bracket.target_ticks * units,
                    bars.rules == "compat",
                )
                labels.mae_ticks[number, row] = excursion // units
                labels.exit_seconds[number, row] = seconds
    return labels


@numba.njit
def _walk(  # noqa: PLR0917 (compiled code takes arrays, not objects)
    opens, highs, lows, seconds, entry, end, direction, stop, target, counts_rows
):
    """Outcome, excursion and seconds of one trade; strict counts seconds, compat counts rows."""
    if entry >= end:
        return NO_ENTRY, -1, -1
    excursion = 0
    for row in range(entry, end):
        elapsed = row - entry if counts_rows else seconds[row] - seconds[entry]
        if elapsed >= HORIZON_ROWS:
            return TIMEOUT, -1, -1
        best, worst = (highs[row], lows[row]) if direction > 0 else (lows[row], highs[row])
        excursion = max(excursion, direction * (opens[entry] - worst))
        hits_stop = excursion >= stop
        hits_target = direction * (best - opens[entry]) >= target
        if hits_stop or hits_target:
            ending = BOTH if hits_stop and hits_target else TARGET if hits_target else STOP
            return ending, excursion, seconds[row] - seconds[entry]
    return SESSION_END, -1, -1
