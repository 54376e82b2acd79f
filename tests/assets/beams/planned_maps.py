"""Spot maps for tests, without a plan, and logs that follow them."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from assets.beams.gamma import PointGamma, point_gamma
from assets.beams.layers import Layer
from assets.beams.plan_range import PlanRangeRow
from assets.beams.planned_elements import planned_elements
from assets.beams.spot_maps import MapForm, SpotMap
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample

Point = tuple[float, float, float]
"""x, y, weight."""
Logged = tuple[float, float, int]
"""x, y, counts."""


def spot_map(points: Iterable[Point], *, line: bool = False) -> SpotMap:
    numbers = np.array(list(points), dtype=np.float64)
    return SpotMap(MapForm.LINE if line else MapForm.SPOTS, numbers[:, :2].copy(), numbers[:, 2].copy())


def gamma_of(planned: SpotMap, logged: Sequence[Logged]) -> PointGamma:
    """The gamma of these samples."""
    places: NDArray[np.float64] = np.array([(x, y) for x, y, _ in logged], dtype=np.float64).reshape(-1, 2)
    return point_gamma(planned_elements(planned), places, np.array([n for _, _, n in logged], dtype=np.int64))


def delivered(planned: SpotMap, counts_per_weight: int = 100) -> list[Logged]:
    """A log that is the plan: of a line, each sample is in the middle of its way."""
    places = planned.positions_mm
    if planned.form is MapForm.LINE:
        places = (places + np.concatenate([places[:1], places[:-1]])) / 2
    counts = np.rint(planned.weights * counts_per_weight).astype(int)
    return [(float(x), float(y), int(count)) for (x, y), count in zip(places, counts, strict=True)]


def sample_at(x_mm: float, y_mm: float, dose: int = 100, state: int = BEAM_ON | 1, layer: int = 1) -> Sample:
    """The sample of G2 that comes nearest to a place."""
    return Sample(
        x=round(x_mm / G2.x_gain + G2.x_offset),
        y=round(y_mm / G2.y_gain + G2.y_offset),
        dose1=dose,
        dose2=dose,
        state=state,
        layer=layer,
    )


def layer_of(planned: SpotMap, number: int = 1, weight: float = 1.0) -> Layer:
    return Layer(number=number, energy_mev=150.0, meterset_weight=weight, spots=planned)


def range_row(layer: int = 1, dose1_range: int = 2, dose2_range: int = 2) -> PlanRangeRow:
    return PlanRangeRow(
        line=layer + 1,
        result_id="R1",
        layer_number=layer,
        energy_mev=150.0,
        patient_id="QA0001",
        field_number=1,
        dose1_range=dose1_range,
        dose2_range=dose2_range,
        planned_dose1_range=2,
        planned_dose2_range=2,
        log_name=f"{layer}.ptn",
        planned_log_name=f"plan_{layer}.txt",
    )
