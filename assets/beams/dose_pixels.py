"""A dose as the 16-bit whole numbers of an RTDOSE, with the unit and the scaling that turn them back.

The maximum takes the largest pixel there is, so that a count is 1/65535 of it. The scaling is a text, and a
text is never exact: rounded down, the maximum would need a pixel more than there are.

Not here: the data set around them (`rtdose`), and whether what was written reads back (`rtdose_check`).
"""

import math
import sys
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from assets.beams.dose_grid import DoseGrid
from assets.beams.failures import beam_failure

Reals = NDArray[np.float64]
DoseUnits = Literal["GY", "RELATIVE"]

LARGEST_PIXEL: Final = 65_535
LONGEST_DECIMAL: Final = 16
"""Characters of a number in a DICOM decimal string."""

_GRAY_PER_EV_PER_GRAM: Final = 1.602176634e-16
_RUN_IT_AGAIN: Final = "look at the engine's log, then rerun the beam"


@dataclass(frozen=True, slots=True, eq=False)
class DosePixels:
    """The numbers of an RTDOSE: a pixel times the scaling is a dose in these units."""

    units: DoseUnits
    scaling: str
    """DoseGridScaling, a decimal string of at most 16 characters."""
    pixels: NDArray[np.uint16]
    """(frames, rows, columns), the largest 65535; read-only."""


def gray_per_unit(protons_per_count: float | None, counts: int) -> float | None:
    """What one unit of the CPU engine, an eV per gram and proton, is in Gy; None without a calibration.

    Args:
        protons_per_count: the machine constant.
        counts: monitor counts of the base range that the simulated spots add up to.
    """
    return None if protons_per_count is None else counts * protons_per_count * _GRAY_PER_EV_PER_GRAM


def dose_pixels(grid: DoseGrid, gray: float | None) -> DosePixels:
    """The pixels of a dose: in Gy if that is known, else relative to its own maximum.

    Args:
        grid: in Gy, or in a unit of the engine.
        gray: what that unit of the engine is in Gy, None where nobody knows; None for a grid in Gy too.

    Raises:
        BeamFailure: `non_finite_dose`, also for a negative dose or one beyond what can be stated in Gy;
            `empty_dose`, also for one too small for a scaling that is more than 0.
        ValueError: a grid in Gy and a factor to Gy.
    """
    if grid.unit == "Gy" and gray is not None:
        raise ValueError("a dose in Gy has no unit of the engine")
    factor = 1.0 if grid.unit == "Gy" else gray
    maximum = _maximum(grid, 1.0 if factor is None else factor)
    scaling = grid_scaling(1.0 if factor is None else maximum)
    pixels = np.empty(grid.values.shape, np.uint16)
    # Frame by frame: a cube of 400 voxels a side takes 512 MB in float64, each time it is written down.
    for frame, target in zip(grid.values, pixels, strict=True):
        values = frame.astype(np.float64)
        values = values / maximum if factor is None else values * factor
        target[...] = np.rint(values / float(scaling))
    pixels.setflags(write=False)
    return DosePixels("RELATIVE" if factor is None else "GY", scaling, pixels)


def grid_scaling(maximum: float) -> str:
    """The decimal string of 1/65535 of a maximum, rounded up in its last digit.

    Raises:
        BeamFailure: `empty_dose`, where a reader could not tell it from 0.
    """
    for digits in range(LONGEST_DECIMAL, 0, -1):
        rounding = Context(prec=digits, rounding=ROUND_CEILING)
        rounded = rounding.divide(Decimal(maximum), Decimal(LARGEST_PIXEL)).normalize()
        # Whichever notation leaves room for more digits.
        for text in (f"{rounded:f}", f"{rounded:E}"):
            if len(text) <= LONGEST_DECIMAL and float(text) >= sys.float_info.min:
                return text
    raise beam_failure(
        "empty_dose", f"A dose of at most {maximum:g} has no scaling that is more than 0; {_RUN_IT_AGAIN}."
    )


def _maximum(grid: DoseGrid, factor: float) -> float:
    """The largest dose of a grid, times the factor."""
    least, largest = float(grid.values.min()), float(grid.values.max()) * factor
    if not (least >= 0 and math.isfinite(largest)):
        raise beam_failure(
            "non_finite_dose",
            f"A dose from {least:g} to {largest:g} is refused: it goes from 0 to a finite number;"
            f" {_RUN_IT_AGAIN}.",
        )
    if largest == 0:
        raise beam_failure("empty_dose", f"A dose of 0 everywhere is refused; {_RUN_IT_AGAIN}.")
    return largest
