"""Numbers to be drawn, of doses made up: a maximum 76.5 mm deep on the axis of the beam."""

import numpy as np

from assets.beams.depth_dose import DepthDose, DosePlane, central_plane, depth_dose
from assets.beams.dose_grid import DoseGrid

ALONG = DoseGrid(
    values=np.exp(
        -((np.arange(-9.0, 10.0) / 4.0)[:, None, None] ** 2)
        - ((np.arange(134.0) - 25.0) / 3.0)[None, :, None] ** 2
        - ((np.arange(-19.0, 20.0) / 4.0)[None, None] ** 2)
    ),
    spacing_mm=(3.0, 3.0, 3.0),
    origin_mm=(-57.0, -18.5, -27.0),
    unit="arbitrary",
)
"""The beam runs along y, from 20 mm before the isocentre."""
ACROSS = DoseGrid(
    values=np.exp(-((np.arange(-9.5, 10.0) / 4.0) ** 2))[None, None] * np.ones((1, 10, 1)),
    spacing_mm=(1.0, 1.0, 1.0),
    origin_mm=(-9.5, -4.5, 0.0),
    unit="Gy",
)
"""One plane, 20 mm deep."""


def curve() -> DepthDose:
    found = depth_dose(ALONG)
    assert found is not None
    return found


def plane(grid: DoseGrid = ALONG) -> DosePlane:
    return central_plane(grid)
