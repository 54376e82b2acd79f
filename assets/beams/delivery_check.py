"""The check of a delivery against its plan: the point gamma of all its layers, and the verdict on the whole.

A delivery that was interrupted is judged on the layers delivered, with a warning. What is written or drawn of
a check comes from the values here, unrounded.

Not here: reports and files, and the state in the registry of a check that raised, `error`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from assets.beams.case_warnings import CaseWarning
from assets.beams.failures import first_of
from assets.beams.gamma import PointGamma, point_gamma
from assets.beams.gamma_samples import SampleTally, judged_samples
from assets.beams.join import JoinedDelivery, LayerLog
from assets.beams.keys import shown
from assets.beams.layers import Layer
from assets.beams.machines import MachineConstants
from assets.beams.monitors import LayerDose, dose_warnings, layer_dose, layer_shares
from assets.beams.plan_range import PlanRangeRow
from assets.beams.planned_elements import planned_elements
from assets.beams.ptn import PtnLog, decoded, log_name
from assets.beams.samples import content_problems
from assets.beams.states import CheckState

PASSED_PERCENT: Final = 95.0
CONDITIONAL_PERCENT: Final = 80.0

_REFUSED: Final = ("layer_word", "dose_saturated")
"""The log is another layer's, or its counts are unknown. A far position is no reason: the gamma judges it."""


@dataclass(frozen=True, slots=True)
class GammaSummary:
    """The gamma over the evaluated points of several layers, so that layers weigh by their points."""

    evaluated_points: int
    passed_points: int
    pass_rate: float | None
    """In percent; None, as the next two, where nothing was evaluated."""
    gamma_mean: float | None
    gamma_max: float | None

    @property
    def verdict(self) -> CheckState:
        """`passed`, `conditional`, `failed` or `no_data`."""
        return verdict(self.pass_rate)


NO_GAMMA: Final = GammaSummary(0, 0, None, None, None)


@dataclass(frozen=True, slots=True, eq=False)
class LayerCheck:
    """A layer of a delivery against its plan."""

    layer: Layer
    gamma: PointGamma
    samples: SampleTally
    dose: LayerDose


@dataclass(frozen=True, eq=False)
class DeliveryCheck:
    """All delivered layers of a delivery against the plan."""

    joined: JoinedDelivery
    layers: tuple[LayerCheck, ...]
    """By layer number."""

    @cached_property
    def summary(self) -> GammaSummary:
        """The gamma of the whole.

        A layer without counts fails at every point. But where no layer has any, nothing is evaluated: nothing
        was there to be judged, which says nothing of the delivery.
        """
        return summarised([layer.gamma for layer in self.layers]) if self.has_counts else NO_GAMMA

    @property
    def layer_summaries(self) -> tuple[GammaSummary, ...]:
        """The gamma of each layer alone; their points add up to those of the whole."""
        return tuple(summarised([layer.gamma]) if self.has_counts else NO_GAMMA for layer in self.layers)

    @property
    def has_counts(self) -> bool:
        """Whether anything was logged, in any layer, that can be judged."""
        return any(layer.gamma.has_counts for layer in self.layers)

    @property
    def doses(self) -> tuple[LayerDose, ...]:
        """What the monitors logged, by layer."""
        return tuple(layer.dose for layer in self.layers)

    @property
    def warnings(self) -> tuple[CaseWarning, ...]:
        """`interrupted_delivery`, `monitor_disagreement`, `meterset_share`, in this order."""
        return tuple(_warnings(self))


def verdict(pass_rate: float | None) -> CheckState:
    """What a pass rate in percent, unrounded, says of a delivery; None is `no_data`."""
    if pass_rate is None:
        return CheckState.NO_DATA
    if pass_rate >= PASSED_PERCENT:
        return CheckState.PASSED
    return CheckState.CONDITIONAL if pass_rate >= CONDITIONAL_PERCENT else CheckState.FAILED


def summarised(layers: Sequence[PointGamma]) -> GammaSummary:
    """The gamma of several layers, at least one, pooled by point."""
    gamma = np.concatenate([layer.evaluated_gamma for layer in layers])
    passed = sum(int(layer.passed.sum()) for layer in layers)
    return GammaSummary(
        evaluated_points=len(gamma),
        passed_points=passed,
        pass_rate=100 * passed / len(gamma),
        gamma_mean=float(gamma.mean()),
        gamma_max=float(gamma.max()),
    )


def checked_delivery(joined: JoinedDelivery) -> DeliveryCheck:
    """Judge a delivery by its logs, which are read one after the other.

    Raises:
        BeamFailure: `layer_word` or `dose_saturated`; `ptn_empty` or `ptn_length`, where a log was cut since
            it was joined; `range_code`.
        OSError: a log cannot be read.
    """
    constants = joined.delivery.block.constants
    return DeliveryCheck(joined, tuple(_checked(log, constants) for log in joined.logs))


def checked_layer(log: PtnLog, layer: Layer, row: PlanRangeRow, constants: MachineConstants) -> LayerCheck:
    """Judge a layer by its log.

    Args:
        log: of the layer.
        layer: as planned.
        row: of PlanRange, for the ranges of the monitors.
        constants: of the machine at the time of the delivery.

    Raises:
        BeamFailure: `layer_word` or `dose_saturated`, with both where both are wrong; `range_code`.
    """
    problems = content_problems(log, layer.number, constants)
    if refused := [problem for problem in problems if problem.code in _REFUSED]:
        raise first_of(refused)
    judged = judged_samples(log, row.dose1_range, layer.spots.positions_mm[0], constants)
    gamma = point_gamma(planned_elements(layer.spots), judged.positions_mm, judged.counts)
    return LayerCheck(layer, gamma, judged.tally, layer_dose(log, layer, row, constants))


def check_record(check: DeliveryCheck) -> dict[str, Any]:
    """A check as JSON keeps it, without any value per point; `Daily_PTN/<delivery>_beam_<index>.json`."""
    delivery = check.joined.delivery
    return {
        "delivery_id": delivery.id,
        "folder": delivery.folder,
        "dicom_number": delivery.beam.dicom_number,
        "treatment_index": delivery.beam.treatment_index,
        "status": check.summary.verdict.value,
        **asdict(check.summary),
        "interrupted": delivery.interrupted,
        "warnings": [asdict(warning) for warning in check.warnings],
        "layers": _layer_records(check),
    }


def _checked(log: LayerLog, constants: MachineConstants) -> LayerCheck:
    return checked_layer(decoded(log.path.read_bytes(), log_name(log.path)), log.layer, log.row, constants)


def _layer_records(check: DeliveryCheck) -> list[dict[str, Any]]:
    shares = {share.layer_number: share for share in layer_shares(check.doses)}
    records: list[dict[str, Any]] = []
    for layer, summary in zip(check.layers, check.layer_summaries, strict=True):
        share = shares.get(layer.layer.number)
        records.append(
            {
                "layer": layer.layer.number,
                "energy_mev": layer.layer.energy_mev,
                **asdict(summary),
                "planned_share": None if share is None else share.planned,
                "logged_share": None if share is None else share.logged,
                **{name: value for name, value in asdict(layer.dose).items() if name != "layer_number"},
                "samples": asdict(layer.samples),
            }
        )
    return records


def _warnings(check: DeliveryCheck) -> Iterator[CaseWarning]:
    delivery = check.joined.delivery
    if delivery.interrupted:
        yield CaseWarning(
            "interrupted_delivery",
            f"{shown(delivery.folder)} ended after layer {delivery.record.info.stop_layer} of"
            f" {len(delivery.beam.layers)}: it is judged on the layers delivered.",
        )
    yield from dose_warnings(delivery.folder, check.doses)
