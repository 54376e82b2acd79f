"""Rolling windows over integer columns, exact whatever the window's length or place.

A window ends at its row. Rows before the first full window hold values of shorter windows; callers mask them.
"""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def rolling_sum(values: Integers, length: int) -> Integers:
    """Sum of the last `length` values."""
    total = np.cumsum(values)
    total[length:] -= total[:-length].copy()
    return total


def rolling_max(values: Integers, length: int) -> Integers:
    """Maximum of the last `length` values, by doubling: log2(length) passes instead of `length`."""
    maximum, covered = values.copy(), 1
    while covered < length:
        step = min(covered, length - covered)
        maximum[step:] = np.maximum(maximum[step:], maximum[:-step])
        covered += step
    return maximum


def rolling_slope(values: Integers, length: int) -> Floats:
    """Least-squares slope of the last `length` values against 0..length-1.

    In closed form from sums of y and x*y, exact up to the division: (n*Sxy - Sx*Sy) / (n*Sxx - Sx*Sx).
    """
    rows = np.arange(len(values))
    total = rolling_sum(values, length)
    moment = rolling_sum(rows * values, length) - (rows - length + 1) * total
    x_total = length * (length - 1) // 2
    x_squares = (length - 1) * length * (2 * length - 1) // 6
    return (length * moment - x_total * total) / (length * x_squares - x_total * x_total)


def divide(numerator: npt.NDArray[np.generic], denominator: npt.NDArray[np.generic]) -> Floats:
    """Quotient, NaN where the denominator is zero."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator != 0)
    return quotient


def from_row(first: int, values: npt.NDArray[np.generic]) -> Floats:
    """The values from row `first` on, NaN before it."""
    result = values.astype(np.float64)
    result[:first] = np.nan
    return result
