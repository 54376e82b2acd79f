"""Outputs as the engines write them, and log texts as they say them, for tests."""

from pathlib import Path

import numpy as np

MCSQUARE_LOG = (
    "\nInitialization time: 0.16 s \n\n\nSimulation started (2026-03-20 10:00:00) \n"
    " 10.0 % \n 20.0 % \n 50.0 % (stat uncertainty: 5.71 %) \n 100.0 % (stat uncertainty: 4.33 %) \n"
    "\nNbr primaries simulated: 20000 \nMC computation time: 0.387018 s \n"
    "Output computation time: 0.002238 s \n\nTotal computation time: 0.550874 s \n\n"
)
MOQUI_LOG = (
    "[beam 1] Particle count --> 500000000 with 4 batches\n"
    "Generating particles for (1 of 4 batches) in CPU ..\n"
    "Generating particles for (2 of 4 batches) in CPU ..\n"
    "Generating particles for (3 of 4 batches) in CPU ..\n"
    "Generating particles for (4 of 4 batches) in CPU ..\n"
    "Relative MC ERROR: 1.2 %\n"
    "Total execution time: 12.34 seconds\n"
)


def mcsquare_output(folder: Path, raster: np.ndarray, voxel_mm: float) -> None:
    """`Dose.mhd` and `Dose.raw` with a raster in the engine's own axes."""
    folder.mkdir(parents=True, exist_ok=True)
    raster.astype("<f4").tofile(folder / "Dose.raw")
    frames, rows, columns = raster.shape
    (folder / "Dose.mhd").write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = {columns} {rows} {frames}\n"
        f"ElementSpacing = {voxel_mm:f} {voxel_mm:f} {voxel_mm:f}\nOffset = 0.000000 0.000000 0.000000\n"
        "ElementType = MET_FLOAT\nElementByteOrderMSB = False\nElementDataFile = Dose.raw\n"
    )


def moqui_plane(path: Path, values: np.ndarray) -> Path:
    """The file with a plane of 400 x 400 values."""
    values.astype("<f8").tofile(path)
    return path
