"""The numbers for the pictures of a delivery: how far each spot was off, and the share of each layer.

Both repeat what the check of the delivery found, in the form that is drawn.

Not here: the check itself (`delivery_check`) and the pictures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.beams.delivery_check import DeliveryCheck, LayerCheck
from assets.beams.monitors import layer_shares
from assets.beams.planned_elements import PlannedElements

Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LayerErrors:
    """Where the elements of a layer were meant to be and where they were; arrays are read-only."""

    layer_number: int
    energy_mev: float
    planned_mm: Reals
    """(elements, 2), of those with counts: the point, or the nearest place on the segment."""
    logged_mm: Reals
    """(elements, 2): the mean position of its samples, weighted by counts."""
    weights: Reals
    """(elements,): as planned."""

    @property
    def error_mm(self) -> Reals:
        """(elements, 2): from planned to logged."""
        return self.logged_mm - self.planned_mm

    @property
    def distance_mm(self) -> Reals:
        """How far off each is, (elements,)."""
        return np.hypot(*self.error_mm.T)


@dataclass(frozen=True, slots=True)
class LayerMu:
    """What a layer has of the layers delivered, as planned and as logged."""

    layer_number: int
    energy_mev: float
    planned_share: float
    """0 to 1, as the next."""
    logged_share: float | None
    """None where no layer has any counts."""
    planned_mu: float | None
    """None where the plan gives the beam no meterset."""


def spot_errors(check: DeliveryCheck) -> tuple[LayerErrors, ...]:
    """The spots of every delivered layer, by layer number."""
    return tuple(_errors(layer) for layer in check.layers)


def layer_mu(check: DeliveryCheck) -> tuple[LayerMu, ...]:
    """The shares of every delivered layer, by layer number."""
    planned = sum(layer.dose.planned_weight for layer in check.layers)
    logged = {share.layer_number: share.logged for share in layer_shares(check.doses)}
    return tuple(
        LayerMu(
            layer_number=checked.layer.number,
            energy_mev=checked.layer.energy_mev,
            planned_share=checked.dose.planned_weight / planned,
            logged_share=logged.get(checked.layer.number),
            planned_mu=checked.layer.mu,
        )
        for checked in check.layers
    )


def _errors(checked: LayerCheck) -> LayerErrors:
    gamma = checked.gamma
    counted = gamma.counts > 0
    logged = gamma.logged_mm[counted]
    planned = _nearest_places(gamma.elements, counted, logged)
    weights = gamma.elements.weights[counted]
    for array in (planned, logged, weights):
        array.setflags(write=False)
    return LayerErrors(checked.layer.number, checked.layer.energy_mev, planned, logged, weights)


def _nearest_places(elements: PlannedElements, chosen: NDArray[np.bool_], logged: Reals) -> Reals:
    """(chosen, 2): the place on each chosen element that is nearest to its logged one."""
    start = elements.start_mm[chosen]
    way = elements.end_mm[chosen] - start
    square = (way**2).sum(axis=1)
    along = ((logged - start) * way).sum(axis=1) / np.where(square > 0, square, 1.0)
    return start + np.clip(along, 0.0, 1.0)[:, None] * way
