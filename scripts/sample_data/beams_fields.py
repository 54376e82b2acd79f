"""What the beams samples plan: one setup beam and three treatment beams, in the variants a plan can come in.

BeamNumber, place in the plan and place among the treatment beams differ for every beam, and each has its own
place in x, so that whatever mixes them up shows. Not here: how a plan says it (`beams_plan`) and the logs.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float64]

SPACING_MM: Final = 5.0


class Variant(StrEnum):
    """What can be different about a plan; they combine."""

    LINE_MAPS = "line-maps"
    """Private line-scan maps instead of standard ones."""
    BOTH_MAPS = "both-maps"
    """Line-scan maps, and standard ones of the same points beside them."""
    REPAINT = "repaint"
    """A second layer like the first, of the same energy, follows it."""
    ONE_SPOT = "one-spot"
    """The last layer of each beam has a single spot, which DICOM writes without a list."""
    OMITTED_ENERGY = "omitted-energy"
    """Control points leave out energy and map where they are those of the point before."""
    ONE_CONTROL_POINT = "one-control-point"
    """One control point per layer and a last one, instead of two per layer."""
    G1_BLOCK = "g1-block"
    """Planned for G1, with an aperture block."""
    COMPANIONS = "companions"
    """Files of a CT and a structure set lie beside the plan."""


@dataclass(frozen=True, slots=True, eq=False)
class PlannedLayer:
    """One energy layer."""

    energy_mev: float
    points_mm: Reals
    """(points, 2): x and y at the isocentre."""
    weights: Reals
    """(points,): their sum is the layer's share of the beam's meterset weight."""
    line: bool
    """The points are a polyline, weight j is delivered on the way to point j; else they are spots."""

    @property
    def weight(self) -> float:
        """The meterset weight of the layer."""
        return float(self.weights.sum())


@dataclass(frozen=True, slots=True, eq=False)
class PlannedBeam:
    """An item of the plan that delivers dose."""

    dicom_number: int
    plan_position: int
    name: str
    field_number: int
    """What the machine calls the field; none of the plan's numbers."""
    meterset_mu: float
    layers: tuple[PlannedLayer, ...]

    @property
    def weight(self) -> float:
        """The final cumulative meterset weight."""
        return sum(layer.weight for layer in self.layers)

    @property
    def file_name_part(self) -> str:
        """What PTN names call the beam."""
        return self.name.split()[0]


@dataclass(frozen=True, slots=True)
class _Outline:
    """A beam before its layers are drawn."""

    dicom_number: int
    plan_position: int
    name: str
    field_number: int
    meterset_mu: float
    x_mm: float
    layers: tuple[tuple[float, float], ...]
    """Energy in MeV and share of the weight, which add up to the beam's final meterset weight."""


SETUP_NUMBER: Final = 1
"""BeamNumber of the setup beam, the first item of the plan."""

_OUTLINES: Final = (
    _Outline(5, 2, "F2 A/P", 12, 100.0, -30.0, ((150.0, 30.0), (140.0, 20.0))),
    _Outline(3, 3, "F3", 13, 80.0, 0.0, ((100.0, 40.0),)),
    _Outline(9, 4, "F4", 14, 90.0, 30.0, ((120.0, 45.0),)),
)


def gantry_of(variants: Collection[Variant]) -> int:
    """The gantry that a plan with these variants is made for: 1 or 2."""
    return 1 if Variant.G1_BLOCK in variants else 2


def planned_beams(variants: Collection[Variant], columns: int) -> tuple[PlannedBeam, ...]:
    """The treatment beams in plan order; a layer has `columns` x `columns` points, 5 mm apart."""
    return tuple(
        PlannedBeam(
            dicom_number=outline.dicom_number,
            plan_position=outline.plan_position,
            name=outline.name,
            field_number=outline.field_number,
            meterset_mu=outline.meterset_mu,
            layers=_layers(outline, variants, columns),
        )
        for outline in _OUTLINES
    )


def _layers(outline: _Outline, variants: Collection[Variant], columns: int) -> tuple[PlannedLayer, ...]:
    stated = list(outline.layers)
    if Variant.REPAINT in variants:
        energy, weight = stated[0]
        stated[:1] = [(energy, weight / 2)] * 2
    line = bool({Variant.LINE_MAPS, Variant.BOTH_MAPS} & set(variants))
    last = len(stated) if Variant.ONE_SPOT in variants else None
    return tuple(
        _layer(energy, weight, outline.x_mm, 1 if number == last else columns, line)
        for number, (energy, weight) in enumerate(stated, start=1)
    )


def _layer(energy: float, weight: float, x_mm: float, columns: int, line: bool) -> PlannedLayer:
    points = _serpentine(columns) + np.array([x_mm, 0.0])
    # Between 0.5 and 1.5, so that no two neighbours weigh the same.
    weights = 1.0 + 0.5 * np.sin(np.arange(len(points), dtype=np.float64) * 0.7)
    if line and len(points) > 1:
        weights[0] = 0.0
    # Plans state decimals: 4 of them, as planning systems do, and the sum is made of what is stated.
    weights = np.round(weights * (weight / weights.sum()), 4)
    return PlannedLayer(energy, points, weights, line)


def _serpentine(columns: int) -> Reals:
    """Points of a square around the origin, row by row, every other row backwards."""
    place = (np.arange(columns, dtype=np.float64) - (columns - 1) / 2) * SPACING_MM
    rows = [
        np.column_stack([place[::-1] if row % 2 else place, np.full(columns, y)])
        for row, y in enumerate(place)
    ]
    return np.concatenate(rows)
