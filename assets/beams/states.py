"""The states of a case, a beam, a delivery check and a lease, and the edges on which they may change.

Every write of a state passes through `require_legal` first: whatever is no edge raises, and nothing changes.

Not here: when which edge is taken (sensor, assets, registry), and what the beams say of their case
(`aggregation`).
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final, Generic, TypeVar

from assets.failures import PermanentFailure


class CaseState(StrEnum):
    """Where a case is."""

    NEW = "new"
    WAITING = "waiting"
    READY = "ready"
    INTERPRETING = "interpreting"
    """Its manifest is done."""
    SIMULATING = "simulating"
    """A beam of it is queued, or farther."""
    REPORTING = "reporting"
    COMPLETED = "completed"
    COMPLETED_WITH_WARNINGS = "completed_with_warnings"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


class BeamState(StrEnum):
    """Where a beam is."""

    PENDING = "pending"
    PREPARED = "prepared"
    """Its CSVs and its TPS file are done."""
    QUEUED = "queued"
    UPLOADING = "uploading"
    """To a remote compute host; a local one has no use for it."""
    RUNNING = "running"
    COLLECTING = "collecting"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class CheckState(StrEnum):
    """Where the check of a delivery is, or how it ended."""

    NONE = "none"
    RUNNING = "running"
    PASSED = "passed"
    CONDITIONAL = "conditional"
    FAILED = "failed"
    NO_DATA = "no_data"
    """Nothing was there to be judged, which says nothing of the delivery."""
    ERROR = "error"
    """The check itself came to nothing."""


class LeaseState(StrEnum):
    """Whether a GPU is lent, or how its loan ended."""

    HELD = "held"
    RELEASED = "released"
    """By its owner."""
    EXPIRED = "expired"
    QUARANTINED = "quarantined"


State = TypeVar("State", bound=StrEnum)


class IllegalTransition(PermanentFailure):
    """Something cannot go from its state to the one asked for."""


class StateMachine(Generic[State]):
    """The states of one kind of thing, and its edges."""

    def __init__(self, thing: str, edges: Mapping[State, Collection[State]]) -> None:
        self.thing: Final = thing
        """What messages call it."""
        self.edges: Final[Mapping[State, frozenset[State]]] = {
            before: frozenset(after) for before, after in edges.items()
        }
        """For every state those that may follow it."""

    def allows(self, before: State, after: State) -> bool:
        """Whether `after` may follow `before`."""
        return after in self.edges[before]

    def require_legal(self, before: State, after: State, name: str) -> None:
        """Let a legal change pass.

        Args:
            before: the state that is stored.
            after: the state to be stored.
            name: of the case, beam, delivery or GPU, for the message.

        Raises:
            IllegalTransition: `after` may not follow `before`; names both and what may follow.
        """
        if not self.allows(before, after):
            legal = ", ".join(state for state in type(before) if state in self.edges[before]) or "nothing"
            raise IllegalTransition(
                f"{self.thing} '{name}' cannot go from {before} to {after}: after {before} comes {legal};"
                " look at its state again before it is changed."
            )


ACTIVE_BEAM_STATES: Final = frozenset(BeamState) - {
    BeamState.COMPLETED,
    BeamState.FAILED,
    BeamState.CANCELLED,
}
"""Those in which a beam has work ahead; a beam that waits for its first step is active, too."""

ENDED_CHECK_STATES: Final = frozenset(CheckState) - {CheckState.NONE, CheckState.RUNNING}

_C = CaseState
CASE_STATES: Final = StateMachine(
    "Case",
    {
        _C.NEW: {_C.WAITING, _C.READY},
        _C.WAITING: {_C.READY, _C.FAILED},
        _C.READY: {_C.WAITING, _C.INTERPRETING, _C.FAILED},
        _C.INTERPRETING: {_C.SIMULATING, _C.FAILED, _C.CANCELLING},
        _C.SIMULATING: {_C.REPORTING, _C.FAILED, _C.CANCELLING},
        _C.REPORTING: {_C.COMPLETED, _C.COMPLETED_WITH_WARNINGS, _C.FAILED, _C.CANCELLING},
        _C.COMPLETED: {_C.READY},
        _C.COMPLETED_WITH_WARNINGS: {_C.READY},
        _C.FAILED: {_C.READY},
        _C.CANCELLING: {_C.CANCELLED},
        _C.CANCELLED: {_C.READY},
    },
)

_STEPS: Final[Mapping[BeamState, frozenset[BeamState]]] = {
    BeamState.PENDING: frozenset({BeamState.PREPARED}),
    BeamState.PREPARED: frozenset({BeamState.QUEUED}),
    BeamState.QUEUED: frozenset({BeamState.UPLOADING, BeamState.RUNNING}),
    BeamState.UPLOADING: frozenset({BeamState.RUNNING}),
    BeamState.RUNNING: frozenset({BeamState.COLLECTING}),
    BeamState.COLLECTING: frozenset({BeamState.VALIDATING}),
    BeamState.VALIDATING: frozenset({BeamState.COMPLETED}),
}
_ENDS_OF_A_RUN: Final = {BeamState.FAILED, BeamState.CANCELLED, BeamState.PENDING}
"""The last one is a resume: the run is dead and another goes on; so a pending beam may stay pending."""

BEAM_STATES: Final = StateMachine(
    "Beam",
    {
        state: _STEPS[state] | _ENDS_OF_A_RUN if state in ACTIVE_BEAM_STATES else {BeamState.PENDING}
        for state in BeamState
    },
)

CHECK_STATES: Final = StateMachine(
    "The check of delivery",
    {
        CheckState.NONE: {CheckState.RUNNING},
        CheckState.RUNNING: ENDED_CHECK_STATES,
        **{state: {CheckState.RUNNING} for state in ENDED_CHECK_STATES},
    },
)

LEASE_STATES: Final = StateMachine(
    "The lease of GPU",
    {
        LeaseState.HELD: {LeaseState.RELEASED, LeaseState.EXPIRED, LeaseState.QUARANTINED},
        LeaseState.RELEASED: set(),
        LeaseState.EXPIRED: set(),
        LeaseState.QUARANTINED: set(),
    },
)


_BEGUN_BEAM_STATES: Final = ACTIVE_BEAM_STATES - {BeamState.PENDING}
_HINDERING_BEAMS: Final[Mapping[tuple[CaseState, CaseState], frozenset[BeamState]]] = {
    (_C.SIMULATING, _C.FAILED): ACTIVE_BEAM_STATES,
    (_C.SIMULATING, _C.REPORTING): ACTIVE_BEAM_STATES,
    **{
        (end, _C.READY): _BEGUN_BEAM_STATES
        for end in (_C.FAILED, _C.CANCELLED, _C.COMPLETED, _C.COMPLETED_WITH_WARNINGS)
    },
}
"""The states in which a beam keeps its case from taking an edge. A case that begins anew while a beam of it
still runs has that beam simulated twice; a beam that merely waits is no hindrance there."""


def require_legal_case(before: CaseState, after: CaseState, name: str, beams: Collection[BeamState]) -> None:
    """Let a legal change of a case pass, if its beams allow it.

    A simulating case fails or is reported only when no beam of it is active, and an ended one begins anew
    only when none has begun.

    Args:
        before: the state that is stored.
        after: the state to be stored.
        name: the case's key.
        beams: the states of its beams, as the same transaction leaves them.

    Raises:
        IllegalTransition: names both states.
    """
    CASE_STATES.require_legal(before, after, name)
    hindering = _HINDERING_BEAMS.get((before, after), frozenset())
    if count := sum(state in hindering for state in beams):
        raise IllegalTransition(
            f"Case '{name}' cannot go from {before} to {after} while {count} of its beams are active; wait"
            " for them, or cancel the case."
        )
