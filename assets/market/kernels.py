"""Compiled loops (numba) behind labels and features; import it inside functions, numba costs half a second.

Each kernel is compiled once per machine and cached beside this file, or in numba's user-wide cache folder
where the checkout is read-only. Floating sums run in the order of the rows, so every machine gets equal bits.
"""

import numba
import numpy as np
import numpy.typing as npt

from assets.market.brackets import BOTH, NO_ENTRY, SESSION_END, STOP, TARGET, TIMEOUT

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NEVER = 2**31 - 1


@numba.njit(cache=True, nogil=True)
def resolve_brackets(  # noqa: PLR0913, PLR0917 (compiled code takes arrays, not objects)
    opens: Integers,
    highs: Integers,
    lows: Integers,
    seconds: Integers,
    starts: Integers,
    ends: Integers,
    directions: Integers,
    stops: Integers,
    targets: Integers,
    horizon: int,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Outcome, adverse excursion and seconds to exit of every row under every bracket.

    The rows are walked backwards. Per price level two tables hold the next row whose high reaches it and the
    next whose low does, so a bracket costs two look-ups whatever the horizon.

    Args:
        opens: opening prices in integer units, one per row.
        highs: highest prices, likewise.
        lows: lowest prices, likewise.
        seconds: start of each row in epoch seconds.
        starts: first rows of the windows, which no bracket leaves.
        ends: rows behind the windows.
        directions: +1 (long) or -1 (short), one per bracket.
        stops: distance of each bracket's stop in price units.
        targets: distance of each bracket's target in price units.
        horizon: rows that a bracket is watched for, the entry row included.

    Returns:
        Three arrays of shape (brackets, rows): outcome codes, excursions in price units and seconds; the last
        two are -1 where nothing was touched.
    """
    n_brackets, n_rows = len(directions), len(opens)
    outcome = np.full((n_brackets, n_rows), NO_ENTRY, dtype=np.int8)
    excursion = np.full((n_brackets, n_rows), -1, dtype=np.int32)
    exit_seconds = np.full((n_brackets, n_rows), -1, dtype=np.int32)
    margin = max(stops.max(), targets.max()) + 1
    base = lows.min() - margin
    next_high = np.full(highs.max() + margin - base + 1, NEVER, dtype=np.int32)
    next_low = np.full_like(next_high, NEVER)
    for window in range(len(starts) - 1, -1, -1):
        end = ends[window]
        for entry in range(end - 1, starts[window], -1):
            _mark_reached(next_high, next_low, base, highs, lows, entry)
            level = opens[entry] - base
            for b in range(n_brackets):
                ahead, behind = (next_high, next_low) if directions[b] > 0 else (next_low, next_high)
                target_row = ahead[level + directions[b] * targets[b]]
                stop_row = behind[level - directions[b] * stops[b]]
                touch, signal = int(min(target_row, stop_row)), entry - 1
                if touch >= end or touch - entry >= horizon:
                    outcome[b, signal] = TIMEOUT if entry + horizon < end else SESSION_END
                    continue
                exit_seconds[b, signal] = seconds[touch] - seconds[entry]
                if target_row < stop_row:
                    outcome[b, signal] = TARGET
                    excursion[b, signal] = _deepest_reached(behind, level, directions[b], touch)
                else:
                    outcome[b, signal] = BOTH if target_row == stop_row else STOP
                    adverse = lows[touch] if directions[b] > 0 else highs[touch]
                    excursion[b, signal] = directions[b] * (opens[entry] - adverse)
    return outcome, excursion, exit_seconds


@numba.njit(cache=True, nogil=True)
def _mark_reached(
    next_high: npt.NDArray[np.int32],
    next_low: npt.NDArray[np.int32],
    base: int,
    highs: Integers,
    lows: Integers,
    row: int,
) -> None:
    """Enter a row as the next one to reach the levels around it.

    Only the levels between the row before and the row's own extreme: one that the price jumped over is
    entered with the jump, and one that the row before has passed is entered with that.
    """
    for level in range(min(lows[row], highs[row - 1]), highs[row] + 1):
        next_high[level - base] = row
    for level in range(lows[row], max(highs[row], lows[row - 1]) + 1):
        next_low[level - base] = row


@numba.njit(cache=True, nogil=True)
def _deepest_reached(behind: npt.NDArray[np.int32], level: int, direction: int, touch: int) -> int:
    """Units against the trade that were reached up to the touch; the stop, which was not, ends the count."""
    depth = 0
    while behind[level - direction * (depth + 1)] <= touch:
        depth += 1
    return depth


@numba.njit(cache=True, nogil=True)
def rolling_rank(values: Integers, window: int) -> Floats:
    """Rank (1 = smallest, ties averaged) of each value among the last `window`; NaN while there are fewer."""
    rank = np.full(len(values), np.nan)
    for row in range(window - 1, len(values)):
        value = values[row]
        smaller, equal = 0, 0
        for other in range(row - window + 1, row + 1):
            smaller += values[other] < value
            equal += values[other] == value
        rank[row] = smaller + (equal + 1) / 2
    return rank


@numba.njit(cache=True, nogil=True)
def rolling_dot(values: Floats, weights: Floats) -> Floats:
    """Weighted sum of the last `len(weights)` values, NaN while there are fewer.

    Each window is summed anew, so that no error accumulates; and not by BLAS, whose last digits depend on the
    processor.
    """
    result = np.full(len(values), np.nan)
    for row in range(len(weights) - 1, len(values)):
        total = 0.0
        for place in range(len(weights)):
            total += values[row - len(weights) + 1 + place] * weights[place]
        result[row] = total
    return result


@numba.njit(cache=True, nogil=True)
def rolling_deviation(values: Floats, window: int) -> Floats:
    """Sample standard deviation of the last `window` values, NaN while there are fewer.

    Two passes over each window: running sums of squares drift, and their error would pass for volatility.
    """
    deviation = np.full(len(values), np.nan)
    for row in range(window - 1, len(values)):
        total = 0.0
        for other in range(row - window + 1, row + 1):
            total += values[other]
        mean = total / window
        squares = 0.0
        for other in range(row - window + 1, row + 1):
            squares += (values[other] - mean) ** 2
        deviation[row] = np.sqrt(squares / (window - 1))
    return deviation
