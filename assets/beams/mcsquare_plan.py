"""The spots that the CPU engine simulates for a layer, from its CSV and its log.

A log has a sample every 0.06 ms; the engine takes spots. So the samples with the beam on are gathered on a
grid of 1 mm, each of its cells a spot at the mean position of its counts: their centre does not move.

Not here: what the engine's input looks like (`resources.dose_engine`), which log is simulated (the manifest).
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.beams.ptn import PtnLog

CELL_MM: Final = 1.0

_BITS: Final = 32
"""Row and column of a cell are one number: to sort pairs takes thirty times as long."""

Spot = tuple[float, float, float]
"""x and y in mm at the isocentre plane, and the weight, in counts of the base range."""


def layer_spots(csv: pl.DataFrame, log: PtnLog) -> list[Spot]:
    """The spots of a layer by their cells' y, then x; none where the beam delivered nothing.

    Args:
        csv: the layer's CSV with the columns of `spot_csv.COLUMNS`, a row per sample.
        log: the log that it was made of; says at which samples the beam was on.

    Raises:
        ValueError: the CSV has not as many rows as the log has samples.
    """
    if len(csv) != len(log):
        raise ValueError(f"a CSV of {len(csv)} rows was not made of {log.name} with its {len(log)} samples")
    counts = csv["count"].to_numpy()
    delivered = log.beam_on & (counts > 0)
    x, y = (csv[name].to_numpy()[delivered].astype(np.float64) for name in ("x_mm", "y_mm"))
    return gathered(x, y, counts[delivered].astype(np.float64))


def gathered(x_mm: NDArray[np.float64], y_mm: NDArray[np.float64], counts: NDArray[np.float64]) -> list[Spot]:
    """Samples, each with a count, as one spot for each cell of the grid: mean position, summed counts."""
    columns, rows = (np.floor(positions / CELL_MM).astype(np.int64) for positions in (x_mm, y_mm))
    cells, of_sample = np.unique((rows << _BITS) + columns, return_inverse=True)
    sums = [np.bincount(of_sample, sample, len(cells)) for sample in (counts * x_mm, counts * y_mm, counts)]
    return [(x / weight, y / weight, weight) for x, y, weight in np.stack(sums, axis=1).tolist()]
