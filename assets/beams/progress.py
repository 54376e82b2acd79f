"""The progress of a beam and of a case, in percent; within an attempt it never falls.

Not here: how an engine says how far it is (the engines), and when an attempt begins (the registry).
"""

from collections.abc import Collection
from enum import IntEnum
from typing import Final

from assets.beams.states import CaseState

LEAST_RISE: Final = 1.0
"""An engine says hundreds of times how far it is; only rises of this many percent are stored."""

_ROUNDING: Final = 1e-9


class Milestone(IntEnum):
    """What a beam has done, and its progress then."""

    PREPARED = 10
    QUEUED = 15
    UPLOADED = 25
    ENGINE_BEGUN = 40
    """Never stored: the first that an engine says is more."""
    ENGINE_DONE = 90
    COLLECTED = 92
    VALIDATED = 97
    COMPLETED = 100


def engine_progress(done: int, batches: int) -> float:
    """The progress of a beam whose engine has done so many of its batches, 40 to 90.

    Raises:
        ValueError: there is no batch, or not 0 to `batches` of them are done.
    """
    if not (batches > 0 and 0 <= done <= batches):
        raise ValueError(f"{done} of {batches} batches is no share")
    span = Milestone.ENGINE_DONE - Milestone.ENGINE_BEGUN
    return Milestone.ENGINE_BEGUN + span * done / batches


def rises(stored: float, progress: float) -> bool:
    """Whether what an engine says is to be stored: it rises by `LEAST_RISE` at least."""
    return progress - stored >= LEAST_RISE - _ROUNDING


def reached(stored: float, milestone: Milestone) -> float:
    """The progress to store once a milestone is reached: never less than what is stored."""
    return max(stored, float(milestone))


def case_progress(state: CaseState, beams: Collection[float]) -> float | None:
    """The progress of a case: 100 once completed, else the mean over its beams, each clamped to 0 to 100.

    None where it has no beams, so that nothing is known.
    """
    if state in (CaseState.COMPLETED, CaseState.COMPLETED_WITH_WARNINGS):
        return 100.0
    return mean_progress(beams) if beams else None


def mean_progress(beams: Collection[float]) -> float:
    """The mean of the progress of beams, at least one, each clamped to 0 to 100."""
    return sum(min(max(progress, 0.0), 100.0) for progress in beams) / len(beams)
