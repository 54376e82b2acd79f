"""What the two dose monitors logged of each layer: whether they agree, and whether each has its share.

All samples with the beam on count here, the leading ones too, which the gamma leaves out: they are dose.
There is no absolute calibration, so the counts of a layer are compared with those of the others delivered.

Not here: where in a layer the counts went (`gamma`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from assets.beams.case_warnings import CaseWarning
from assets.beams.keys import shown
from assets.beams.layers import Layer
from assets.beams.machines import MachineConstants
from assets.beams.plan_range import PlanRangeRow
from assets.beams.ptn import PtnLog, Words
from assets.beams.samples import counts, range_scales

MOST_MONITOR_DIFFERENCE: Final = 0.05
"""Of dose 1."""
MOST_SHARE_DIFFERENCE: Final = 0.05
"""Of the planned share."""


@dataclass(frozen=True, slots=True)
class LayerDose:
    """What was planned for a layer and what its monitors logged, with the beam on."""

    layer_number: int
    planned_weight: float
    """Its meterset weight, in the unit of its beam."""
    counts: int
    """Of monitor 1, as the CSV has them: each sample rounded, in the unit of the base range."""
    dose1: float
    """The same without rounding; so is `dose2`, of monitor 2."""
    dose2: float
    dose1_range: int
    """Monitor range code, as the next two."""
    dose2_range: int
    planned_dose1_range: int

    @property
    def monitors_agree(self) -> bool:
        """Whether the two monitors are within `MOST_MONITOR_DIFFERENCE`."""
        return abs(self.dose2 - self.dose1) <= MOST_MONITOR_DIFFERENCE * self.dose1


@dataclass(frozen=True, slots=True)
class LayerShare:
    """The share of a layer in what was planned for the layers delivered, and in what was logged of them."""

    layer_number: int
    planned: float
    """0 to 1, as `logged`."""
    logged: float

    @property
    def matches(self) -> bool:
        """Whether the two are within `MOST_SHARE_DIFFERENCE`."""
        return abs(self.logged - self.planned) <= MOST_SHARE_DIFFERENCE * self.planned


def layer_dose(log: PtnLog, layer: Layer, row: PlanRangeRow, constants: MachineConstants) -> LayerDose:
    """What the monitors logged of a layer, in the ranges that PlanRange gives.

    Raises:
        BeamFailure: `range_code`.
    """
    on = log.beam_on

    def scales(range_code: int) -> tuple[float, float, float]:
        return (*range_scales(range_code, constants, log.name), constants.count_divisor)

    def dose(words: Words, range_code: int) -> float:
        full_scale, base_scale, divisor = scales(range_code)
        return int(words[on].sum(dtype=np.int64)) * full_scale / base_scale / divisor

    return LayerDose(
        layer_number=layer.number,
        planned_weight=layer.meterset_weight,
        counts=int(counts(log.dose1[on], *scales(row.dose1_range)).sum()),
        dose1=dose(log.dose1, row.dose1_range),
        dose2=dose(log.dose2, row.dose2_range),
        dose1_range=row.dose1_range,
        dose2_range=row.dose2_range,
        planned_dose1_range=row.planned_dose1_range,
    )


def layer_shares(doses: Sequence[LayerDose]) -> tuple[LayerShare, ...]:
    """The share of each layer, in the order given; none at all, where nothing was logged."""
    planned = sum(dose.planned_weight for dose in doses)
    logged = sum(dose.counts for dose in doses)
    if not logged:
        return ()
    return tuple(
        LayerShare(dose.layer_number, dose.planned_weight / planned, dose.counts / logged) for dose in doses
    )


def dose_warnings(folder: str, doses: Sequence[LayerDose]) -> Iterator[CaseWarning]:
    """`monitor_disagreement` and `meterset_share` of the layers of a delivery, by the name of its folder."""
    for dose in doses:
        if not dose.monitors_agree:
            yield CaseWarning(
                "monitor_disagreement",
                f"{shown(folder)}: layer {dose.layer_number} has {dose.dose1:.0f} counts by monitor 1 and"
                f" {dose.dose2:.0f} by monitor 2, more than {MOST_MONITOR_DIFFERENCE:.0%} apart.",
            )
    for share in layer_shares(doses):
        if not share.matches:
            yield CaseWarning(
                "meterset_share",
                f"{shown(folder)}: layer {share.layer_number} has {share.logged:.2%} of the counts where"
                f" {share.planned:.2%} are planned, more than {MOST_SHARE_DIFFERENCE:.0%} of that apart.",
            )
