"""What is remarkable about a case, from the plan and the text files, and does not stop it.

Not here: what only samples tell, monitors that disagree and shares of the meterset.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from assets.beams.fractions import Fraction
from assets.beams.join import JoinedDelivery
from assets.beams.keys import shown
from assets.beams.plan import Plan
from assets.beams.reference import References


@dataclass(frozen=True, slots=True)
class CaseWarning:
    """A warning by its code, and one sentence on where it comes from."""

    code: str
    message: str


def case_warnings(
    plan: Plan, fractions: Sequence[Fraction], deliveries: Sequence[JoinedDelivery], references: References
) -> tuple[CaseWarning, ...]:
    """The warnings of a case that can be judged.

    `no_beam_meterset`, `duplicate_delivery`, `range_differs_from_plan`, `mixed_fraction_reference`,
    `interrupted_reference`, in this order.
    """
    return (
        *_metersets(plan),
        *_duplicates(fractions),
        *(warning for delivery in deliveries for warning in _ranges(delivery)),
        *_references(references),
    )


def _metersets(plan: Plan) -> Iterator[CaseWarning]:
    for beam in plan.treatment_beams:
        if beam.meterset_mu is None:
            yield CaseWarning(
                "no_beam_meterset", f"Beam {beam.dicom_number} has no BeamMeterset: its layers have no MU."
            )


def _duplicates(fractions: Sequence[Fraction]) -> Iterator[CaseWarning]:
    for fraction in fractions:
        if fraction.duplicate:
            numbers = ", ".join(map(str, fraction.duplicate))
            yield CaseWarning(
                "duplicate_delivery",
                f"Fraction {fraction.index} has more than one delivery of beam {numbers}.",
            )


def _ranges(joined: JoinedDelivery) -> Iterator[CaseWarning]:
    for log in joined.logs:
        row = log.row
        if not row.dose1_range == row.planned_dose1_range == row.dose2_range:
            yield CaseWarning(
                "range_differs_from_plan",
                f"{shown(joined.delivery.folder)}: layer {row.layer_number} has DOSE1_RANGE"
                f" {row.dose1_range}, PLAN_DOSE1_RANGE {row.planned_dose1_range} and DOSE2_RANGE"
                f" {row.dose2_range}.",
            )


def _references(references: References) -> Iterator[CaseWarning]:
    if references.mixed_fractions:
        yield CaseWarning(
            "mixed_fraction_reference",
            "No fraction has every beam: the reference deliveries are of several fractions.",
        )
    for reference in references.by_treatment_index.values():
        delivery = reference.delivery
        if delivery.interrupted:
            yield CaseWarning(
                "interrupted_reference",
                f"The reference delivery {shown(delivery.folder)} of beam {delivery.beam.dicom_number} ended"
                f" after layer {delivery.record.info.stop_layer} of {len(delivery.beam.layers)}.",
            )
