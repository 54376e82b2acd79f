"""What is kept of the failures of one attempt: the first is the root cause and stays, later ones are added.

A later failure is often only its consequence, in more general words. It never changes the code and category
of the root cause, by which it is decided whether trying again can help.

Not here: where it is kept (the registry), which begins a new record with each attempt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from assets.beams.failures import BeamFailure, Category, Phase

MOST_LATER: Final = 20
"""The last ones are kept."""


@dataclass(frozen=True, slots=True)
class LaterFailure:
    """A failure after the root cause."""

    code: str
    message: str
    seen: datetime


@dataclass(frozen=True, slots=True)
class FailureRecord:
    """The root cause of what failed, and what came after it."""

    phase: Phase
    category: Category
    code: str
    message: str
    details: Mapping[str, Any]
    """Those of the root cause that are known, as `FailureDetails.as_dict` gives them."""
    first_seen: datetime
    """In UTC, as `last_seen`."""
    last_seen: datetime
    """When anything failed last."""
    later: tuple[LaterFailure, ...] = ()
    """In the order of time; none twice in a row, none that only repeats the root cause."""


def recorded(before: FailureRecord | None, failure: BeamFailure, now: datetime) -> FailureRecord:
    """The record after one more failure; `before` is that of the same attempt, None at the first failure."""
    if before is None:
        return FailureRecord(
            phase=failure.phase,
            category=failure.category,
            code=failure.code,
            message=failure.message,
            details=failure.details.as_dict(),
            first_seen=now,
            last_seen=now,
        )
    last = before.later[-1] if before.later else before
    said = (failure.code, failure.message)
    if said in ((before.code, before.message), (last.code, last.message)):
        return replace(before, last_seen=now)
    later = (*before.later, LaterFailure(*said, now))
    return replace(before, last_seen=now, later=later[-MOST_LATER:])
