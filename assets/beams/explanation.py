"""What is said of a case on demand: what it comes to as it lies there, what became of it, and what is next.

A dry run of the manifest. Once work on this very input has begun, its status and its failure are those of the
registry; what lies on the disk is told all the same.

Not here: finding the folder of a case (`listing`), judging it (`case_input`), its row (`registry`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from assets.beams.beam_items import TreatmentBeam
from assets.beams.case_input import JudgedCase, Judgement
from assets.beams.failures import BeamFailure, Category
from assets.beams.fractions import Fraction, Status
from assets.beams.plan import Plan
from assets.beams.reference import References
from assets.beams.registry.reopening import may_retry
from assets.beams.registry.rows import Case
from assets.beams.states import CaseState
from assets.beams.timestamps import iso_utc


class Problem(TypedDict):
    """One thing that is wrong."""

    code: str
    message: str


class ExplainedFraction(TypedDict):
    """A fraction; `missing` and `duplicate` are DICOM numbers."""

    index: int
    status: Status
    deliveries: list[str]
    missing: list[int]
    duplicate: list[int]


class ExplainedReference(TypedDict):
    """The delivery whose logs are simulated for a beam."""

    delivery: str
    fraction_index: int


class ExplainedBeam(TypedDict):
    """A treatment beam of the plan; `layers` is their number."""

    treatment_index: int
    dicom_number: int
    plan_position: int
    name: str
    folder: str
    layers: int


class Explanation(TypedDict):
    """What is said of one case. What could not be found out is None or empty."""

    case: str
    state: str
    """`ready`, `waiting` or `failed`; the registry's status once work on this input has begun."""
    code: str | None
    category: str | None
    phase: str | None
    message: str | None
    problems: list[Problem]
    """Every problem of the failure, its own first."""
    room: str | None
    """The room folder it lies in."""
    gantry: int | None
    """That of its plan."""
    fractions: list[ExplainedFraction]
    reference: dict[str, ExplainedReference]
    """By treatment index."""
    beams: list[ExplainedBeam]
    warnings: list[str]
    next: str
    """One sentence: what happens next, or what to do."""


_RERUN: Final = "python -m scripts.beams rerun"
_BEGUN: Final[Mapping[str, str]] = {
    CaseState.INTERPRETING: "Its manifest is done; the next scan asks for a run of each of its beams.",
    CaseState.SIMULATING: "Its beams are at work; `status` shows how far they are.",
    CaseState.REPORTING: "Its report is being made.",
    CaseState.COMPLETED: "It is done; new content with a renewed marker is a new request.",
    CaseState.COMPLETED_WITH_WARNINGS: (
        "It is done, with warnings to look at; new content with a renewed marker is a new request."
    ),
    CaseState.CANCELLING: "It is cancelled as soon as its runs have stopped.",
    CaseState.CANCELLED: "It was cancelled; `rerun` begins it anew.",
}
"""What is next in the states that begin with a manifest, by state; a failed case has its own sentences."""
_CHANGED: Final = (
    "Its content is new: its manifest is asked for once its marker is renewed, or once nothing of it changed"
    " for BEAMS_QUIET_SECONDS."
)


def explanation(
    key: str,
    judgement: Judgement,
    *,
    room: str | None,
    case: Case | None,
    is_unchanged: bool,
    most_retries: int,
    waits_for: BeamFailure | None = None,
) -> Explanation:
    """What is said of a case that was judged.

    Args:
        key: the key of the case.
        judgement: what its folder comes to now.
        room: the room folder above it.
        case: its row in the registry, None where there is none.
        is_unchanged: whether its content is that of the row.
        most_retries: `BEAMS_MAX_RETRIES`.
        waits_for: what keeps its manifest from being asked for, whatever the judgement says: no marker, or
            no plan below a young one.
    """
    outcome = judgement.outcome
    failure = outcome if isinstance(outcome, BeamFailure) else None
    if waits_for is None:
        told = _told(key, judgement.state, failure, room, _next_of(judgement, most_retries))
    else:
        told = unjudged(key, waits_for, room=room, most_retries=most_retries)
        if failure is not None and failure.code != waits_for.code:
            told["problems"] += _problems(failure.problems or (failure,))
    told["fractions"] = [_fraction(fraction) for fraction in judgement.fractions]
    if judgement.plan is not None:
        told["gantry"] = judgement.plan.gantry
        told["beams"] = _beams(judgement.plan)
    if isinstance(outcome, JudgedCase):
        told["reference"] = _references(outcome.references)
        told["warnings"] = list(outcome.warning_codes)
    if case is not None and is_unchanged and case.state in (*_BEGUN, CaseState.FAILED):
        _tell_row(told, case, most_retries)
    elif case is not None and case.fingerprint is not None and told["state"] == "ready" and not is_unchanged:
        told["next"] = _CHANGED
    return told


def unjudged(key: str, failure: BeamFailure, *, room: str | None, most_retries: int) -> Explanation:
    """What is said of a folder that is not judged: it has no marker, is linked, or is there twice."""
    state = "waiting" if failure.category == "pending" else "failed"
    return _told(key, state, failure, room, _next_of_failure(failure, most_retries))


def _told(key: str, state: str, failure: BeamFailure | None, room: str | None, follows: str) -> Explanation:
    return Explanation(
        case=key,
        state=state,
        code=failure and failure.code,
        category=failure and failure.category,
        phase=failure and failure.phase,
        message=failure and failure.message,
        problems=[] if failure is None else _problems(failure.problems or (failure,)),
        room=room,
        gantry=None,
        fractions=[],
        reference={},
        beams=[],
        warnings=[],
        next=follows,
    )


def _tell_row(told: Explanation, case: Case, most_retries: int) -> None:
    """Put what became of the case in the place of what it could come to."""
    found = told["problems"] if told["code"] == case.failure_code else []
    told["state"] = case.status
    told["code"], told["category"] = case.failure_code, case.failure_category
    told["phase"], told["message"] = case.failure_phase, case.failure_message
    told["problems"] = _recorded_problems(case) or found
    told["warnings"] = list(dict.fromkeys([*told["warnings"], *json.loads(case.warnings or "[]")]))
    told["next"] = _BEGUN.get(case.status) or _next_of_failed(case, most_retries)


def _recorded_problems(case: Case) -> list[Problem]:
    if case.failure_code is None or case.failure_message is None:
        return []
    listed = json.loads(case.failure_details or "{}").get("problems", ())
    return [Problem(code=problem["code"], message=problem["message"]) for problem in listed] or [
        Problem(code=case.failure_code, message=case.failure_message)
    ]


def _problems(problems: Sequence[BeamFailure]) -> list[Problem]:
    return [Problem(code=problem.code, message=problem.message) for problem in problems]


def _fraction(fraction: Fraction) -> ExplainedFraction:
    return ExplainedFraction(
        index=fraction.index,
        status=fraction.status,
        deliveries=[delivery.folder for delivery in fraction.deliveries],
        missing=list(fraction.missing),
        duplicate=list(fraction.duplicate),
    )


def _references(references: References) -> dict[str, ExplainedReference]:
    return {
        str(index): ExplainedReference(
            delivery=reference.delivery.folder, fraction_index=reference.fraction_index
        )
        for index, reference in references.by_treatment_index.items()
    }


def _beams(plan: Plan) -> list[ExplainedBeam]:
    return [_beam(beam) for beam in plan.treatment_beams]


def _beam(beam: TreatmentBeam) -> ExplainedBeam:
    return ExplainedBeam(
        treatment_index=beam.treatment_index,
        dicom_number=beam.dicom_number,
        plan_position=beam.plan_position,
        name=beam.name,
        folder=beam.folder,
        layers=len(beam.layers),
    )


def _next_of(judgement: Judgement, most_retries: int) -> str:
    if not isinstance(judgement.outcome, BeamFailure):
        return "Its manifest is asked for by the next scan of beam_case_sensor."
    if judgement.closes is not None:
        return f"It is judged again after {iso_utc(judgement.closes)}, when its last window closes."
    return _next_of_failure(judgement.outcome, most_retries)


_NEXT_BY_CATEGORY: Final[Mapping[Category, str]] = {
    "pending": "Nothing has failed: it is looked at again with every scan.",
    "retryable": "Its manifest fails so and is tried again by itself, {retries} times at most.",
    "permanent": "Its manifest is refused; do as the message says, then renew the marker _CASE_READY.",
}


def _next_of_failure(failure: BeamFailure, most_retries: int) -> str:
    if failure.code == "no_marker":
        return "Nothing begins before its marker is there: create _CASE_READY when everything is copied."
    if failure.phase == "detection" and failure.category == "permanent":
        return "It is no case until this is put right; do as the message says."
    return _NEXT_BY_CATEGORY[failure.category].format(retries=most_retries)


def _next_of_failed(case: Case, most_retries: int) -> str:
    if may_retry(case, most_retries):
        return f"It is tried again by itself after a pause; so far it was {case.retry_count} times."
    if case.failure_category == "retryable":
        return f"No retry is left; remove the cause, then `{_RERUN} {case.case_key} --force`."
    return (
        "It is not tried again by itself; correct the input and renew the marker, or ask for another attempt"
        f" with `{_RERUN} {case.case_key}`."
    )
