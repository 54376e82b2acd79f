"""The energy layers of a treatment beam, from its control points.

A layer begins at every control point whose cumulative meterset weight is smaller than that of the next, and
takes energy and map in force there. So both common encodings work (two control points for each layer, or
one), and a repaint, the same energy once more, stays a layer of its own.

Not here: what a map is (`spot_maps`), and the logs of layers.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from assets.beams.attributes import Item
from assets.beams.spot_maps import MapAttributes, SpotMap, spot_map, stated_map


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One energy layer as planned."""

    number: int
    """Its place in the beam, from 1; logs call it LAYER_NO."""
    energy_mev: float
    meterset_weight: float
    """Its dimensionless share, in the unit of the beam's cumulative weights; more than 0."""
    spots: SpotMap
    mu: float | None = None
    """Its meterset in monitor units; None where the plan gives the beam none."""


def read_layers(beam: Item, meterset_mu: float | None) -> tuple[Layer, ...]:
    """The layers of a treatment beam in the order of delivery, at least one.

    Raises:
        BeamFailure: `rtplan_parse_failed`, `map_length` or `map_conflict`; names item and control point.
    """
    points = beam.items("IonControlPointSequence", "control point")
    _require_order(points)
    layers: list[Layer] = []
    energy: float | None = None
    attributes = MapAttributes()
    for point, weight in _delivered_weights(points):
        stated_energy = point.number("NominalBeamEnergy")
        energy = energy if stated_energy is None else stated_energy
        attributes = attributes.followed_by(stated_map(point))
        if weight > 0:
            layers.append(
                Layer(
                    number=len(layers) + 1,
                    energy_mev=_required_energy(energy, point),
                    meterset_weight=weight,
                    spots=spot_map(attributes, point),
                )
            )
    if not layers:
        raise beam.refused("a treatment beam without a layer: its cumulative meterset never rises")
    return tuple(layers) if meterset_mu is None else _in_mu(layers, beam, meterset_mu)


def _delivered_weights(points: tuple[Item, ...]) -> list[tuple[Item, float]]:
    """Every control point but the last, with the weight that is delivered between it and the next."""
    cumulative = [point.required_number("CumulativeMetersetWeight") for point in points]
    deltas = [after - before for before, after in pairwise(cumulative)]
    for place, delta in enumerate(deltas):
        if delta < 0:
            raise points[place + 1].refused(
                f"CumulativeMetersetWeight falls from {cumulative[place]:g} to {cumulative[place + 1]:g}"
            )
    return list(zip(points, deltas, strict=False))


def _require_order(points: tuple[Item, ...]) -> None:
    stated = [(point, point.whole_number("ControlPointIndex")) for point in points]
    indices = [(point, index) for point, index in stated if index is not None]
    for (_, before), (point, index) in pairwise(indices):
        if index <= before:
            raise point.refused(f"ControlPointIndex {index} follows {before}: the points are out of order")


def _in_mu(layers: list[Layer], beam: Item, meterset_mu: float) -> tuple[Layer, ...]:
    """The layers with their share of the beam's meterset."""
    final = beam.required_number("FinalCumulativeMetersetWeight")
    for keyword, value in (("BeamMeterset", meterset_mu), ("FinalCumulativeMetersetWeight", final)):
        if value <= 0:
            raise beam.refused(f"{keyword} {value:g} is not above 0")
    return tuple(replace(layer, mu=layer.meterset_weight * meterset_mu / final) for layer in layers)


def _required_energy(energy: float | None, point: Item) -> float:
    if energy is None:
        raise point.refused("a layer begins here and there is no NominalBeamEnergy")
    if energy <= 0:
        raise point.refused(f"NominalBeamEnergy {energy:g} is not above 0")
    return energy
