"""What a case came to: the values that its report and its summary are made of.

Entries of deliveries and fractions are those of the manifest, records of checks those of `Daily_PTN/`.
Not here: how they are shown (`case_report_page`), how they are written (`report_summary`), pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from assets.beams.aggregation import Outcome
from assets.beams.beam_items import TreatmentBeam
from assets.beams.case_warnings import CaseWarning
from assets.beams.dose_grid import DoseUnit
from assets.beams.failures import BeamFailure
from assets.beams.plan import Plan
from assets.beams.run_records import RunRecord
from assets.beams.states import BeamState, CheckState

DoseUnits = Literal["GY", "RELATIVE"]


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that a report would have, and why it is not there."""

    what: str
    """In a few words, such as `dose`."""
    code: str
    """Of the failure: the root cause."""
    message: str


@dataclass(frozen=True, slots=True)
class PublishedRtdose:
    """The RTDOSE of a beam."""

    name: str
    """Of its file."""
    sha256: str
    dose_units: DoseUnits


@dataclass(frozen=True, slots=True)
class BeamDose:
    """The simulated dose of a beam, and what it was made with."""

    run: RunRecord
    unit: DoseUnit
    """Of `run.max` and `run.mean`: that of the engine's output. An uncalibrated number is never called Gy."""
    rtdose: PublishedRtdose | None
    """None where there is none."""


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What the check of a delivery came to."""

    delivery_id: str
    folder: str
    timestamp: str
    """When it began: ISO 8601, UTC."""
    fraction_index: int
    is_reference: bool
    interrupted: bool
    status: CheckState
    evaluated_points: int = 0
    pass_rate: float | None = None
    """In percent; None, as the next two, where nothing was evaluated."""
    gamma_mean: float | None = None
    gamma_max: float | None = None
    warnings: tuple[CaseWarning, ...] = ()
    missing: Missing | None = None
    """Why there is no result; None where there is one."""
    page: str | None = None
    """The name of its page in `Daily_PTN/`."""

    @property
    def verdict(self) -> str:
        """Its status in a word that says what is meant to someone who does not know states."""
        return "not_checked" if self.status is CheckState.NONE else self.status.value


@dataclass(frozen=True, slots=True, eq=False)
class BeamResult:
    """What a treatment beam came to."""

    beam: TreatmentBeam
    state: BeamState
    dose: BeamDose | None
    deliveries: tuple[DeliveryResult, ...]
    """By time."""
    missing: tuple[Missing, ...] = ()
    """What the beam lacks; the root cause first."""


@dataclass(frozen=True, slots=True, eq=False)
class CaseResult:
    """What a case came to, as far as its report goes."""

    key: str
    plan: Plan
    outcome: Outcome
    message: str | None
    """Of the failures of its beams; None without any."""
    fractions: tuple[Mapping[str, Any], ...]
    """As the manifest has them."""
    warnings: tuple[CaseWarning, ...]
    """Of the manifest."""
    beams: tuple[BeamResult, ...]
    """By treatment index."""


def missing(what: str, failure: BeamFailure) -> Missing:
    """What is not there because of a failure."""
    return Missing(what, failure.code, failure.message)


def checked(entry: Mapping[str, Any], record: Mapping[str, Any], page: str | None = None) -> DeliveryResult:
    """The result of a delivery that was checked.

    Args:
        entry: of the delivery in the manifest.
        record: as `delivery_check.check_record` makes it, or as its file reads back.
        page: the name of its page; None where none could be drawn.

    Raises:
        ValueError: the record is that of another delivery.
    """
    if record["delivery_id"] != entry["delivery_id"]:
        raise ValueError(f"the record of {record['delivery_id']} is not that of {entry['delivery_id']}")
    return DeliveryResult(
        **_identity(entry),
        status=CheckState(record["status"]),
        evaluated_points=record["evaluated_points"],
        pass_rate=record["pass_rate"],
        gamma_mean=record["gamma_mean"],
        gamma_max=record["gamma_max"],
        warnings=tuple(CaseWarning(**warning) for warning in record["warnings"]),
        page=page,
    )


def unchecked(entry: Mapping[str, Any], status: CheckState, failure: Missing | None = None) -> DeliveryResult:
    """The result of a delivery whose check came to nothing (`error`), or has not ended yet."""
    return DeliveryResult(**_identity(entry), status=status, missing=failure)


def _identity(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = ("delivery_id", "folder", "timestamp", "fraction_index", "is_reference", "interrupted")
    return {name: entry[name] for name in names}
