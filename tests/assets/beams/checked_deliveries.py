"""Checked deliveries for tests of what is shown of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from assets.beams.delivery_check import DeliveryCheck, checked_layer
from assets.beams.identity import Delivery
from assets.beams.join import JoinedDelivery
from assets.beams.plan import Plan
from assets.beams.plan_range import PlanRangeRow
from assets.beams.ptn import decoded
from assets.beams.spot_maps import SpotMap
from tests.assets.beams.delivered_cases import delivery_of, plan_of
from tests.assets.beams.planned_maps import layer_of, range_row, sample_at, spot_map
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample, ptn_bytes

NUMBER = 5
"""DICOM number of the beam of these checks."""
SPOTS = spot_map([(0, 0, 1.0), (20, 0, 2.0), (40, 0, 1.0)])


def plan_with(layers: int) -> Plan:
    """A plan with one beam of so many layers, each of its own energy."""
    return plan_of({NUMBER: tuple(150.0 - layer for layer in range(layers))})


def as_planned(planned: SpotMap = SPOTS, off_mm: Sequence[float] = (), dose: int = 100) -> list[Sample]:
    """A log with a sample for each point, the first ones off in y."""
    off = [*off_mm, *[0.0] * len(planned.weights)]
    return [
        sample_at(x, y + off[place], round(dose * weight))
        for place, ((x, y), weight) in enumerate(zip(planned.positions_mm, planned.weights, strict=True))
    ]


def without_beam(samples: Sequence[Sample]) -> list[Sample]:
    return [replace(sample, state=sample.state & ~BEAM_ON) for sample in samples]


def check_of(
    *logs: Sequence[Sample],
    planned: SpotMap = SPOTS,
    of: int | None = None,
    rows: Sequence[PlanRangeRow] | None = None,
    mu: Sequence[float] = (),
    name: str = "F2 A/P",
) -> tuple[Plan, DeliveryCheck]:
    """A plan, and the check of a delivery of its beam by these logs, one for each layer delivered.

    Args:
        logs: samples by layer.
        planned: the map of every layer.
        of: how many layers were planned; as many as logs, if None.
        rows: of PlanRange by layer; unremarkable ones, if None.
        mu: of the layers, their weights too; none, and all of one weight, if empty.
        name: of the beam.
    """
    plan = plan_with(len(logs) if of is None else of)
    delivery = _named(delivery_of(plan, NUMBER, "10:00", stop_layer=len(logs)), name)
    checks = []
    for number, samples in enumerate(logs, start=1):
        log = decoded(ptn_bytes([replace(sample, layer=number) for sample in samples]), f"{number}.ptn")
        layer = replace(layer_of(planned, number), energy_mev=150.0 - number + 1)
        if mu:
            layer = replace(layer, mu=mu[number - 1], meterset_weight=mu[number - 1])
        row = range_row(number) if rows is None else rows[number - 1]
        checks.append(checked_layer(log, layer, row, G2))
    return plan, DeliveryCheck(JoinedDelivery(delivery, ()), tuple(checks))


def _named(delivery: Delivery, name: str) -> Delivery:
    return replace(delivery, beam=replace(delivery.beam, name=name))


def large_check(layers: int, columns: int) -> DeliveryCheck:
    """A delivery with many points, all a little off, some of them far."""
    chance = np.random.default_rng(1)
    points = [
        (5.0 * x, 5.0 * y, float(chance.uniform(0.05, 1))) for x in range(columns) for y in range(columns)
    ]
    planned = spot_map(points)
    logs = [as_planned(planned, chance.normal(0.0, 1.5, len(points)).tolist(), 1000) for _ in range(layers)]
    return check_of(*logs, planned=planned)[1]
