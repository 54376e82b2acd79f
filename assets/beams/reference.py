"""The reference delivery of each beam: the one whose log is simulated.

Not here: the check of every other delivery, which needs no reference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from assets.beams.beam_items import TreatmentBeam
from assets.beams.failures import beam_failure
from assets.beams.fractions import Fraction
from assets.beams.identity import Delivery
from assets.beams.keys import shown


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The delivery that stands for its beam."""

    delivery: Delivery
    fraction_index: int


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """The reference of every treatment beam."""

    by_treatment_index: Mapping[int, Reference]
    """In plan order."""
    mixed_fractions: bool
    """Whether no fraction covers all beams, so that they come from several."""


def references_of(fractions: Sequence[Fraction], beams: Iterable[TreatmentBeam]) -> References:
    """The reference of each beam, from the fractions of a case, none of which is pending.

    All come from the earliest `complete` fraction, else from the earliest `anomaly`, else from any; of a
    beam's deliveries there the earliest uninterrupted one counts, else the earliest.

    Raises:
        BeamFailure: `missing_beams`, with number and name of each beam that was never delivered.
    """
    covering = [fraction for fraction in fractions if fraction.covers_all_beams]
    chosen = min(covering, key=lambda fraction: fraction.status != "complete", default=None)
    among = fractions if chosen is None else [chosen]
    candidates = {
        beam: [
            Reference(delivery, fraction.index)
            for fraction in among
            for delivery in fraction.deliveries
            if delivery.beam is beam
        ]
        for beam in beams
    }
    if never := [beam for beam, found in candidates.items() if not found]:
        named = ", ".join(f"{beam.dicom_number} {shown(beam.name)}" for beam in never)
        raise beam_failure(
            "missing_beams",
            f"No delivery of beam {named}: a case is judged when every treatment beam of its plan was"
            " delivered; add the missing delivery folders.",
        )
    return References(
        {beam.treatment_index: _best(found) for beam, found in candidates.items()}, chosen is None
    )


def _best(candidates: list[Reference]) -> Reference:
    """The earliest uninterrupted one, else the earliest; candidates come by time."""
    return min(candidates, key=lambda candidate: candidate.delivery.interrupted)
