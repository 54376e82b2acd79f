"""The states of beams and what may follow each, against the table written out by hand."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from assets.beams.states import (
    ACTIVE_BEAM_STATES,
    BEAM_STATES,
    CASE_STATES,
    CHECK_STATES,
    LEASE_STATES,
    BeamState,
    CaseState,
    CheckState,
    IllegalTransition,
    LeaseState,
    StateMachine,
    require_legal_case,
)
from assets.failures import PermanentFailure

LEGAL: Mapping[str, str] = {
    "case": """
        new -> waiting ready
        waiting -> ready failed
        ready -> waiting interpreting failed
        interpreting -> simulating failed cancelling
        simulating -> reporting failed cancelling
        reporting -> completed completed_with_warnings failed cancelling
        completed -> ready
        completed_with_warnings -> ready
        failed -> ready
        cancelling -> cancelled
        cancelled -> ready
    """,
    "beam": """
        pending -> prepared failed cancelled pending
        prepared -> queued failed cancelled pending
        queued -> uploading running failed cancelled pending
        uploading -> running failed cancelled pending
        running -> collecting failed cancelled pending
        collecting -> validating failed cancelled pending
        validating -> completed failed cancelled pending
        completed -> pending
        failed -> pending
        cancelled -> pending
    """,
    "check": """
        none -> running
        running -> passed conditional failed no_data error
        passed -> running
        conditional -> running
        failed -> running
        no_data -> running
        error -> running
    """,
    "lease": """
        held -> released expired quarantined
        released ->
        expired ->
        quarantined ->
    """,
}
MACHINES: Mapping[str, tuple[StateMachine[Any], type[StrEnum]]] = {
    "case": (CASE_STATES, CaseState),
    "beam": (BEAM_STATES, BeamState),
    "check": (CHECK_STATES, CheckState),
    "lease": (LEASE_STATES, LeaseState),
}


def legal_edges(table: str) -> set[tuple[str, str]]:
    rows = [line.split("->") for line in table.strip().splitlines()]
    return {(before.strip(), after) for before, follow in rows for after in follow.split()}


@pytest.mark.parametrize("thing", MACHINES)
def test_every_pair_of_states_is_legal_or_refused_as_the_table_says(thing: str) -> None:
    machine, states = MACHINES[thing]
    allowed = {(before, after) for before in states for after in states if machine.allows(before, after)}
    assert allowed == legal_edges(LEGAL[thing])


@pytest.mark.parametrize("thing", MACHINES)
def test_every_refusal_names_both_states(thing: str) -> None:
    machine, states = MACHINES[thing]
    refused = [(before, after) for before in states for after in states if not machine.allows(before, after)]
    for before, after in refused:
        with pytest.raises(IllegalTransition, match=f"from {before} to {after}: "):
            machine.require_legal(before, after, "QA0001")


@pytest.mark.parametrize("thing", MACHINES)
def test_every_state_is_in_the_table(thing: str) -> None:
    named = {line.split("->")[0].strip() for line in LEGAL[thing].strip().splitlines()}
    assert named == set(MACHINES[thing][1])


@pytest.mark.parametrize(("thing", "first"), [("case", "new"), ("beam", "pending"), ("check", "none")])
def test_every_state_can_be_reached_from_the_first(thing: str, first: str) -> None:
    edges = legal_edges(LEGAL[thing])
    reached = {first}
    while more := {after for before, after in edges if before in reached} - reached:
        reached |= more
    assert reached == set(MACHINES[thing][1])


def test_nothing_is_stuck_but_a_lease_that_ended() -> None:
    stuck = {state for machine, states in MACHINES.values() for state in states if not machine.edges[state]}
    assert stuck == set(LeaseState) - {LeaseState.HELD}


def test_a_refusal_names_what_it_is_about_both_states_and_what_may_follow() -> None:
    with pytest.raises(IllegalTransition) as refusal:
        CASE_STATES.require_legal(CaseState.READY, CaseState.COMPLETED, "QA0001")
    assert isinstance(refusal.value, PermanentFailure)
    assert str(refusal.value) == (
        "Case 'QA0001' cannot go from ready to completed: after ready comes waiting, interpreting, failed;"
        " look at its state again before it is changed."
    )


def test_a_refusal_at_a_dead_end_says_that_nothing_may_follow() -> None:
    with pytest.raises(IllegalTransition, match="after expired comes nothing"):
        LEASE_STATES.require_legal(LeaseState.EXPIRED, LeaseState.HELD, "GPU-11111111-aaaa")


def test_a_legal_change_passes() -> None:
    BEAM_STATES.require_legal(BeamState.QUEUED, BeamState.RUNNING, "QA0001_beam_1")


ACTIVE = {"pending", "prepared", "queued", "uploading", "running", "collecting", "validating"}


@pytest.mark.parametrize("beam", list(BeamState))
@pytest.mark.parametrize(
    ("before", "after", "hindering"),
    [
        ("simulating", "failed", ACTIVE),
        ("simulating", "reporting", ACTIVE),
        ("failed", "ready", ACTIVE - {"pending"}),
        ("cancelled", "ready", ACTIVE - {"pending"}),
        ("completed", "ready", ACTIVE - {"pending"}),
        ("completed_with_warnings", "ready", ACTIVE - {"pending"}),
        ("simulating", "cancelling", set()),
        ("interpreting", "failed", set()),
        ("waiting", "ready", set()),
    ],
)
def test_a_case_waits_for_its_active_beams_before_it_ends_or_begins_anew(
    before: str, after: str, hindering: set[str], beam: BeamState
) -> None:
    beams = [BeamState.FAILED, beam]
    if beam in hindering:
        with pytest.raises(IllegalTransition, match=f"from {before} to {after} while 1 of its beams"):
            require_legal_case(CaseState(before), CaseState(after), "QA0001", beams)
    else:
        require_legal_case(CaseState(before), CaseState(after), "QA0001", beams)


def test_a_case_without_beams_is_bound_to_the_table_as_well() -> None:
    with pytest.raises(IllegalTransition, match="from new to failed"):
        require_legal_case(CaseState.NEW, CaseState.FAILED, "QA0001", [])


def test_the_states_without_work_ahead_are_the_three_ends() -> None:
    assert set(BeamState) - ACTIVE_BEAM_STATES == {
        BeamState.COMPLETED,
        BeamState.FAILED,
        BeamState.CANCELLED,
    }
