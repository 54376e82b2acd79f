"""The pictures of a delivery against its plan: positions, gamma and shares, by point and by layer."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.delivery_check import PASSED_PERCENT, DeliveryCheck, LayerCheck
from assets.beams.gamma import DISTANCE_MM, PointGamma
from assets.beams.monitors import MOST_SHARE_DIFFERENCE
from assets.beams.pictures import (
    BAD,
    FAINT,
    GOOD,
    PLANNED,
    SECOND,
    SMALL,
    Picture,
    bare,
    layer_ticks,
    name_axes,
    say,
)
from assets.beams.planned_elements import PlannedElements
from assets.beams.report_page import floored
from assets.beams.spot_errors import LayerErrors, LayerMu, layer_mu, spot_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

Reals = NDArray[np.float64]

MOST_MAPS: Final = 12
"""Layers with a map of their own: those with the lowest pass rate. Tables and charts have every layer."""

_MAP_COLUMNS: Final = 4
_MARGIN_MM: Final = 5.0
_MOST_GAMMA_SHOWN: Final = 3.0
_BIN: Final = 0.1
_MOST_NUMBERED: Final = 15
"""Bars beyond this many have no room for numbers and hatches."""
NO_DATA: Final = "no data"


def position_picture(check: DeliveryCheck, most: int = MOST_MAPS) -> Picture:
    """Planned elements and where their samples were, for the layers with the lowest pass rate."""
    shown = _worst(check, most)
    of = (
        "" if len(shown) == len(check.layers) else f" of {len(check.layers)}, those with the lowest pass rate"
    )
    rows = -(-len(shown) // _MAP_COLUMNS)
    return Picture(
        caption=f"Planned and logged positions at the isocentre, by layer ({len(shown)}{of})",
        size=(min(max(len(shown), 2), _MAP_COLUMNS) * 2.8, 0.9 + 2.7 * rows),
        draw=partial(_draw_positions, shown, check.has_counts),
    )


def histogram_picture(check: DeliveryCheck) -> Picture:
    """How many points have which gamma."""
    return Picture("Gamma of all evaluated points", (5.2, 3.0), partial(_draw_histogram, check))


def layer_gamma_picture(check: DeliveryCheck) -> Picture:
    """Pass rate, mean and largest gamma of each layer."""
    return Picture("Pass rate and gamma of each layer", (5.6, 3.4), partial(_draw_layer_gamma, check))


def layer_dose_picture(check: DeliveryCheck) -> Picture:
    """What was planned for each layer and what was logged, in MU, or in percent where the plan has no MU."""
    return Picture(
        "What was planned for each layer and what was logged; counts have no absolute calibration, so those"
        " logged are scaled to the sum planned",
        (5.6, 3.4),
        partial(_draw_layer_dose, layer_mu(check)),
    )


def spot_error_picture(check: DeliveryCheck) -> Picture:
    """How far the logged positions are off, by place and by direction, over all layers."""
    return Picture(
        f"Errors of position over all layers; the criterion is {DISTANCE_MM:g} mm",
        (8.4, 3.6),
        partial(_draw_spot_errors, spot_errors(check)),
    )


def _worst(check: DeliveryCheck, most: int) -> list[LayerCheck]:
    """The layers with the lowest pass rate, then the largest gamma; in the order of the layers."""

    def merit(layer: LayerCheck) -> tuple[float, float]:
        return float(layer.gamma.passed.sum() / layer.gamma.evaluated.sum()), -layer.gamma.gamma.max()

    return sorted(sorted(check.layers, key=merit)[:most], key=lambda layer: layer.layer.number)


def _draw_positions(layers: Sequence[LayerCheck], is_judged: bool, figure: "FigureBase") -> None:
    columns = min(max(len(layers), 2), _MAP_COLUMNS)
    rows = -(-len(layers) // columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(layers):
            axes.set_visible(False)
            continue
        _draw_map(bare(axes), layers[place], is_judged=is_judged)
        # Maps without one below or to the left have the names of the axes.
        name_axes(axes, "x, mm" if place + columns >= len(layers) else "", "" if place % columns else "y, mm")
        axes.tick_params(labelbottom=place + columns >= len(layers))
    (left, right), (low, high) = _square(layers)
    # Shared by all maps.
    grid.flat[0].set(xlim=(left, right), ylim=(low, high))
    handles = {
        label: handle
        for axes in grid.flat
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        loc="outside upper center",
        ncols=5,
        columnspacing=1.2,
        handletextpad=0.2,
        frameon=False,
        fontsize=SMALL,
    )


def _square(layers: Sequence[LayerCheck]) -> tuple[tuple[float, float], tuple[float, float]]:
    """What the maps show of x and of y: a square around everything planned and logged, and a margin."""
    places = np.concatenate(
        [
            places
            for gamma in (layer.gamma for layer in layers)
            for places in (gamma.elements.start_mm, gamma.elements.end_mm, gamma.logged_mm[gamma.counts > 0])
        ]
    )
    least, most = places.min(axis=0), places.max(axis=0)
    (x, y), reach = (least + most) / 2, float((most - least).max()) / 2 + _MARGIN_MM
    return (x - reach, x + reach), (y - reach, y + reach)


def _draw_map(axes: "Axes", layer: LayerCheck, *, is_judged: bool) -> None:
    gamma = layer.gamma
    _draw_planned(axes, gamma.elements)
    if is_judged:
        _draw_logged(axes, gamma)
    axes.set_box_aspect(1)
    passed, evaluated = int(gamma.passed.sum()), int(gamma.evaluated.sum())
    came_to = f"{passed:,} of {evaluated:,} pass" if is_judged else NO_DATA
    axes.set_title(f"{layer.layer.number}: {layer.layer.energy_mev:.2f} MeV, {came_to}", fontsize=SMALL)


def _draw_planned(axes: "Axes", elements: PlannedElements) -> None:
    from matplotlib.collections import LineCollection

    segments = ~elements.is_point
    ways = np.stack([elements.start_mm, elements.end_mm], axis=1)[segments]
    axes.add_collection(LineCollection(list(ways), colors=FAINT, linewidths=3.0, zorder=1, label="planned"))
    style = {"s": 26, "facecolors": "none", "edgecolors": PLANNED, "linewidths": 0.7, "zorder": 1}
    axes.scatter(*elements.start_mm[~segments].T, label="planned", **style)


def _draw_logged(axes: "Axes", gamma: PointGamma) -> None:
    unlogged = gamma.evaluated & (gamma.counts == 0)
    fails = gamma.evaluated & ~gamma.passed & ~unlogged
    for label, chosen, style in (
        ("passes", gamma.passed, {"marker": ".", "s": 16, "color": GOOD}),
        ("fails", fails, {"marker": "x", "s": 18, "color": BAD}),
        ("too light to judge", ~gamma.evaluated, {"marker": ".", "s": 8, "color": PLANNED}),
    ):
        if chosen.any():
            axes.scatter(*gamma.logged_mm[chosen].T, linewidths=1.0, zorder=2, label=label, **style)
    if unlogged.any():
        middles = (gamma.elements.start_mm[unlogged] + gamma.elements.end_mm[unlogged]) / 2
        axes.scatter(*middles.T, marker="s", s=22, facecolors="none", edgecolors=BAD, label="not logged")


def _draw_histogram(check: DeliveryCheck, figure: "FigureBase") -> None:
    from matplotlib.ticker import MaxNLocator

    axes = bare(figure.subplots())
    name_axes(axes, "gamma", "points")
    if not check.has_counts:
        say(axes, NO_DATA)
        return
    gamma = np.concatenate([layer.gamma.evaluated_gamma for layer in check.layers])
    passed = np.concatenate([layer.gamma.passed[layer.gamma.evaluated] for layer in check.layers])
    edges = np.arange(0.0, _MOST_GAMMA_SHOWN + 1.5 * _BIN, _BIN)
    for word, chosen, colour, least, most in (
        # What passes by a rounding is drawn on its side of the limit.
        ("passes", passed, GOOD, 0.0, 1.0 - 0.5 * _BIN),
        ("fails", ~passed, BAD, 1.0 + 0.5 * _BIN, _MOST_GAMMA_SHOWN + 0.5 * _BIN),
    ):
        points, _ = np.histogram(np.clip(gamma[chosen], least, most), edges)
        label = f"{word}: {chosen.sum():,}"
        axes.bar(edges[:-1], points, 0.92 * _BIN, align="edge", color=colour, label=label)
    axes.axvline(1.0, color=BAD, linewidth=1, linestyle="--")
    axes.set_xlim(0.0, edges[-1])
    axes.set_xticks(
        [0, 0.5, 1, 1.5, 2, 2.5, 3.05], ["0", "0.5", "1", "1.5", "2", "2.5", f"> {_MOST_GAMMA_SHOWN:g}"]
    )
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    axes.legend(frameon=False, fontsize=SMALL)


def _draw_layer_gamma(check: DeliveryCheck, figure: "FigureBase") -> None:
    rates, gammas = (bare(axes) for axes in figure.subplots(2, 1, sharex=True))
    name_axes(rates, "", "pass rate, %")
    name_axes(gammas, "", "gamma")
    if not check.has_counts:
        say(rates, NO_DATA)
        say(gammas, NO_DATA)
        return
    rate, mean, largest = np.array(
        [(summary.pass_rate, summary.gamma_mean, summary.gamma_max) for summary in check.layer_summaries],
        dtype=np.float64,
    ).T
    _draw_rates(rates, rate)
    places = np.arange(len(rate))
    gammas.plot(places, largest, "v", color=SECOND, markersize=5, label="largest")
    gammas.plot(places, mean, "o", color=GOOD, markersize=4, label="mean")
    gammas.axhline(1.0, color=BAD, linewidth=1, linestyle="--")
    gammas.set_ylim(0, 1.12 * max(1.0, largest.max()))
    gammas.legend(frameon=False, fontsize=SMALL, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.97))
    layers = [layer.layer for layer in check.layers]
    layer_ticks(gammas, [layer.number for layer in layers], [layer.energy_mev for layer in layers])
    figure.align_ylabels([rates, gammas])


def _draw_rates(axes: "Axes", rate: Reals) -> None:
    has_room = len(rate) <= _MOST_NUMBERED
    bars = axes.bar(np.arange(len(rate)), rate, width=0.7, color=GOOD, linewidth=0)
    for bar, value in zip(bars, rate, strict=True):
        if value < PASSED_PERCENT:
            bar.set(facecolor=BAD, edgecolor="white", hatch="///" if has_room else "")
        if has_room:
            axes.annotate(
                f"{floored(value, 1):.1f}",
                (bar.get_x() + bar.get_width() / 2, value),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=SMALL,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
    axes.axhline(PASSED_PERCENT, color=BAD, linewidth=1, linestyle="--")
    axes.set(ylim=(0, 118), yticks=[0, 50, PASSED_PERCENT])


def _draw_layer_dose(layers: Sequence[LayerMu], figure: "FigureBase") -> None:
    amounts, errors = (bare(axes) for axes in figure.subplots(2, 1, sharex=True))
    unit, scale = _scale(layers)
    name_axes(amounts, "", unit)
    name_axes(errors, "", "logged from\nplanned, %")
    planned = np.array([layer.planned_share for layer in layers])
    places = np.arange(len(layers))
    amounts.bar(places, scale * planned, width=0.7, color=FAINT, label="planned")
    limit = 100 * MOST_SHARE_DIFFERENCE
    errors.axhspan(-limit, limit, color=FAINT, alpha=0.4, linewidth=0)
    errors.axhline(0.0, color=PLANNED, linewidth=0.8)
    if any(layer.logged_share is None for layer in layers):
        say(errors, NO_DATA)
    else:
        logged = np.array([layer.logged_share for layer in layers], dtype=np.float64)
        amounts.plot(places, scale * logged, "D", color=GOOD, markersize=4, label="logged")
        error = 100 * (logged / planned - 1.0)
        outside = np.abs(error) > limit
        errors.plot(places[~outside], error[~outside], "D", color=GOOD, markersize=4)
        errors.plot(places[outside], error[outside], "X", color=BAD, markersize=6)
        reach = 1.2 * max(limit, float(np.abs(error).max()))
        errors.set_ylim(-reach, reach)
    amounts.legend(frameon=False, fontsize=SMALL, ncols=2, loc="lower right", bbox_to_anchor=(1, 0.97))
    layer_ticks(errors, [layer.layer_number for layer in layers], [layer.energy_mev for layer in layers])
    figure.align_ylabels([amounts, errors])


def _scale(layers: Sequence[LayerMu]) -> tuple[str, float]:
    """The unit of the amounts, and what a share of 1 is in it."""
    planned = [layer.planned_mu for layer in layers if layer.planned_mu is not None]
    return ("MU", sum(planned)) if len(planned) == len(layers) else ("share, %", 100.0)


def _draw_spot_errors(layers: Sequence[LayerErrors], figure: "FigureBase") -> None:
    places, target = (bare(axes) for axes in figure.subplots(1, 2, width_ratios=(1.35, 1)))
    if not any(len(layer.planned_mm) for layer in layers):
        say(places, NO_DATA)
        say(target, NO_DATA)
        return
    planned = np.concatenate([layer.planned_mm for layer in layers])
    distances = np.concatenate([layer.distance_mm for layer in layers])
    _draw_distances(places, planned, distances, figure)
    _draw_target(target, np.concatenate([layer.error_mm for layer in layers]))


def _draw_distances(axes: "Axes", planned: Reals, distances: Reals, figure: "FigureBase") -> None:
    from matplotlib import colormaps

    colours = colormaps["viridis"].with_extremes(over=BAD)
    # Layers lie on each other: the worst of a place is drawn last.
    order = np.argsort(distances, kind="stable")
    dots = axes.scatter(*planned[order].T, c=distances[order], cmap=colours, vmin=0, vmax=DISTANCE_MM, s=16)
    bar = figure.colorbar(dots, ax=axes, extend="max", pad=0.02)
    bar.set_label("distance, mm", fontsize=SMALL + 0.5)
    bar.ax.tick_params(labelsize=SMALL)
    axes.set_aspect("equal", adjustable="datalim")
    name_axes(axes, "x planned, mm", "y planned, mm")


def _draw_target(axes: "Axes", errors: Reals) -> None:
    from matplotlib.patches import Circle

    reach = max(1.25 * DISTANCE_MM, 1.1 * float(np.abs(errors).max()))
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    axes.axvline(0.0, color=FAINT, linewidth=0.8)
    axes.scatter(*errors.T, s=5, color=GOOD, alpha=0.5, linewidths=0)
    axes.add_patch(Circle((0.0, 0.0), DISTANCE_MM, fill=False, color=BAD, linestyle="--"))
    # Adding 0 makes -0.00 plain.
    mean_x, mean_y = errors.mean(axis=0).round(2) + 0.0
    axes.plot(mean_x, mean_y, "+", color="black", markersize=12, markeredgewidth=1.5)
    axes.set_title(f"mean (+): {mean_x:+.2f}, {mean_y:+.2f} mm", fontsize=SMALL + 0.5)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    name_axes(axes, "logged from planned in x, mm", "in y, mm")
