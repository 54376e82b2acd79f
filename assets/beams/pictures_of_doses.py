"""The pictures of a simulated dose: along the beam, and in a plane through its maximum."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.depth_dose import DepthDose, DosePlane
from assets.beams.pictures import BAD, GOOD, SMALL, Picture, bare, name_axes

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

_ISODOSES: Final = (10, 50, 90)
"""In percent of the maximum; more lines than these are a scribble where few protons make noise."""
_SEEN_PERCENT: Final = 1.0
"""Of the maximum: less than this is no dose to be looked at."""
_MARGIN_MM: Final = 20.0

Reals = NDArray[np.float64]


def depth_dose_picture(curve: DepthDose) -> Picture:
    """The dose along the beam through the maximum, in percent of it."""
    return Picture(
        f"Dose along the beam in water, at {curve.at}; its maximum is {curve.peak_depth_mm:.1f} mm deep",
        (5.6, 3.4),
        partial(_draw_depth_dose, curve),
    )


def plane_picture(plane: DosePlane) -> Picture:
    """The dose in a plane, with isodose lines."""
    return Picture(
        f"Dose in the plane {plane.at}; lines at {', '.join(map(str, _ISODOSES))} % of its maximum",
        (5.6, 3.4),
        partial(_draw_plane, plane),
    )


def _draw_depth_dose(curve: DepthDose, figure: "FigureBase") -> None:
    axes = bare(figure.subplots())
    percent = _percent(curve.dose)
    axes.plot(curve.depth_mm, percent, color=GOOD, linewidth=1.4)
    axes.axvline(curve.peak_depth_mm, color=BAD, linewidth=1, linestyle="--")
    axes.annotate(
        f"{curve.peak_depth_mm:.1f} mm",
        (curve.peak_depth_mm, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(4, -9),
        textcoords="offset points",
        fontsize=SMALL,
    )
    axes.set(xlim=_seen(curve.depth_mm, percent), ylim=(0, 112))
    name_axes(axes, "depth in water, mm", "dose, % of its maximum")
    axes.set_title(curve.at, fontsize=SMALL)


def _draw_plane(plane: DosePlane, figure: "FigureBase") -> None:
    axes = bare(figure.subplots())
    side = _lying(plane)
    percent = _percent(side.dose)
    image = axes.imshow(
        percent,
        extent=(*_ends(side.horizontal_mm), *_ends(side.vertical_mm)),
        origin="lower",
        cmap="cividis",
        vmin=0.0,
        vmax=100.0,
    )
    if min(percent.shape) > 1 and percent.any():
        lines = axes.contour(
            side.horizontal_mm, side.vertical_mm, percent, levels=_ISODOSES, colors="white", linewidths=0.7
        )
        axes.clabel(lines, fmt="%d", fontsize=SMALL - 2)
    axes.set_xlim(_seen(side.horizontal_mm, percent.max(axis=0)))
    axes.set_ylim(_seen(side.vertical_mm, percent.max(axis=1)))
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label("dose, % of the maximum", fontsize=SMALL + 0.5)
    bar.ax.tick_params(labelsize=SMALL)
    name_axes(axes, f"{side.horizontal}, mm", f"{side.vertical}, mm")
    axes.set_title(plane.at, fontsize=SMALL)


def _lying(plane: DosePlane) -> DosePlane:
    """A plane along the beam with the beam from left to right, as the curve of its depth dose has it."""
    if plane.vertical != "depth":
        return plane
    return replace(
        plane,
        dose=plane.dose.T,
        horizontal=plane.vertical,
        horizontal_mm=plane.vertical_mm,
        vertical=plane.horizontal,
        vertical_mm=plane.horizontal_mm,
    )


def _seen(centres: Reals, percent: Reals) -> tuple[float, float]:
    """What to show of an axis: the voxels with dose and a margin; the water around is most of the phantom."""
    low, high = _ends(centres)
    seen = percent >= _SEEN_PERCENT
    if not seen.any():
        return low, high
    first, last = float(centres[seen].min()), float(centres[seen].max())
    return max(low, first - _MARGIN_MM), min(high, last + _MARGIN_MM)


def _ends(centres: Reals) -> tuple[float, float]:
    """From the edge of the first voxel to that of the last."""
    half = float(centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
    return float(centres[0]) - half, float(centres[-1]) + half


def _percent(dose: Reals) -> Reals:
    """The dose in percent of its maximum; of none at all, zeros."""
    largest = dose.max()
    return 100.0 * dose / largest if largest > 0 else np.zeros_like(dose)
