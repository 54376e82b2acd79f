"""Which status a stage may take after which, and who may bring it there. Every other edge is refused."""

import enum
from collections.abc import Mapping
from typing import Final, Literal

from assets.failures import PermanentFailure

Status = Literal["pending", "in_progress", "done", "failed", "skipped", "cancelled"]
STATUSES: Final[tuple[Status, ...]] = ("pending", "in_progress", "done", "failed", "skipped", "cancelled")


class By(enum.Enum):
    """Who or what changes a status."""

    CLAIM = "a claim"
    WORKER = "the worker that holds the lease"
    REAPER = "the reaper"
    PERSON = "a person"
    SOURCE = "the source, where the item is deleted"
    REVISION = "a new revision"
    REPROCESS = "stale reprocessing"
    CONFIGURATION = "a changed jobs file"


_HOLDER = frozenset({By.WORKER, By.REAPER})
_RESET = frozenset({By.REPROCESS, By.REVISION, By.PERSON})

EDGES: Final[Mapping[tuple[Status, Status], frozenset[By]]] = {
    ("pending", "in_progress"): frozenset({By.CLAIM}),
    ("in_progress", "done"): frozenset({By.WORKER}),
    ("in_progress", "skipped"): frozenset({By.WORKER}),
    ("in_progress", "pending"): _HOLDER,
    ("in_progress", "failed"): _HOLDER,
    ("in_progress", "cancelled"): _HOLDER,
    ("failed", "pending"): frozenset({By.PERSON, By.REVISION}),
    ("failed", "skipped"): frozenset({By.PERSON}),
    ("failed", "cancelled"): frozenset({By.PERSON, By.SOURCE, By.CONFIGURATION}),
    ("done", "pending"): _RESET,
    ("skipped", "pending"): _RESET,
    ("pending", "skipped"): frozenset({By.PERSON}),
    ("pending", "cancelled"): frozenset({By.PERSON, By.SOURCE, By.CONFIGURATION}),
    ("cancelled", "pending"): frozenset({By.PERSON, By.REVISION}),
}


class IllegalTransition(PermanentFailure):
    """A stage cannot go from its status to the one asked for."""


def require_legal(stage: str, before: Status, after: Status, by: By) -> None:
    """Raise `IllegalTransition`, naming both states, unless `by` may bring a stage from one to the other."""
    allowed = EDGES.get((before, after), frozenset())
    if not allowed:
        raise IllegalTransition(f"{before} -> {after} is not a legal transition of stage {stage}.")
    if by not in allowed:
        names = " or ".join(sorted(who.value for who in allowed))
        raise IllegalTransition(
            f"{before} -> {after} is not a legal transition of stage {stage} by {by.value}: only by {names}."
        )
