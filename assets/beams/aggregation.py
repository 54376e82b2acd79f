"""What the beams of a case come to, taken together: active, failing, completed, failed, and in what words.

Not here: the write of it, which is one transaction with that of the beam (the registry).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assets.beams.failures import Category
from assets.beams.progress import mean_progress
from assets.beams.states import ACTIVE_BEAM_STATES, BeamState, CheckState


class Outcome(StrEnum):
    """What the beams of a case say of it."""

    ACTIVE = "active"
    FAILING = "failing"
    """A beam has failed, but another is still active: so is the case, and it is shown as failing."""
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    CANCELLED = "cancelled"
    """No beam is active, none failed, and one was cancelled."""


@dataclass(frozen=True, slots=True)
class BeamOutcome:
    """What aggregation needs to know of a beam."""

    treatment_index: int
    state: BeamState
    progress: float
    message: str | None = None
    """Of its failure."""
    category: Category | None = None
    """Of its failure; where it is not known, the mark that the message begins with says it."""
    warned: bool = False
    """Whether there is a warning about it or its deliveries."""

    def failed_as(self, category: Category) -> bool:
        """Whether its failure is of a category."""
        known = self.category is not None
        return self.category == category if known else (self.message or "").startswith(_MARKS[category])


@dataclass(frozen=True, slots=True)
class CaseOutcome:
    """What a case comes to by its beams."""

    outcome: Outcome
    progress: float
    """0 to 100."""
    message: str | None = None
    """Of the failures, once a beam has failed."""
    category: Category | None = None
    """Of the failures: permanent where one is, else retryable where one is; None where nothing says it."""


_MARKS: Final[dict[Category, str]] = {
    "permanent": "[PERMANENT] ",
    "retryable": "[RETRYABLE] ",
    "pending": "[PENDING] ",
}
_WORST_FIRST: Final[tuple[Category, ...]] = ("permanent", "retryable")


def aggregated(beams: Collection[BeamOutcome], *, case_warned: bool = False) -> CaseOutcome | None:
    """What the beams of a case come to, in whatever order they are given; None, no change, without any.

    `case_warned`: whether there is a warning about the case as a whole.
    """
    if not beams:
        return None
    outcome = _outcome(beams, case_warned)
    completed = outcome in (Outcome.COMPLETED, Outcome.COMPLETED_WITH_WARNINGS)
    progress = 100.0 if completed else mean_progress([beam.progress for beam in beams])
    failed = sorted(
        (beam for beam in beams if beam.state is BeamState.FAILED), key=lambda beam: beam.treatment_index
    )
    if not failed:
        return CaseOutcome(outcome, progress)
    category = _category(failed)
    return CaseOutcome(outcome, progress, _message(failed, category), category)


def is_warning(check: CheckState) -> bool:
    """Whether a delivery check is a warning of its case: it ended, and not with `passed`.

    It is never a failure of the case: what was delivered cannot be undone by stopping it.
    """
    return check not in (CheckState.NONE, CheckState.RUNNING, CheckState.PASSED)


def _outcome(beams: Collection[BeamOutcome], case_warned: bool) -> Outcome:
    states = {beam.state for beam in beams}
    if states & ACTIVE_BEAM_STATES:
        return Outcome.FAILING if BeamState.FAILED in states else Outcome.ACTIVE
    if BeamState.FAILED in states:
        return Outcome.FAILED
    if BeamState.CANCELLED in states:
        return Outcome.CANCELLED
    warned = case_warned or any(beam.warned for beam in beams)
    return Outcome.COMPLETED_WITH_WARNINGS if warned else Outcome.COMPLETED


def _category(failed: Sequence[BeamOutcome]) -> Category | None:
    return next(
        (category for category in _WORST_FIRST if any(beam.failed_as(category) for beam in failed)), None
    )


def _message(failed: Sequence[BeamOutcome], category: Category | None) -> str:
    first = (failed[0].message or "").strip()
    if len(failed) == 1 and first:
        return first
    mark = _MARKS[category] if category is not None and len(failed) > 1 else ""
    count = f"{len(failed)} beam(s) failed."
    return f"{mark}{count} First failure: {first}" if first else f"{mark}{count}"
