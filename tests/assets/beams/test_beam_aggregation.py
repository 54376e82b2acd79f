"""What the beams of a case come to, taken together."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.aggregation import BeamOutcome, CaseOutcome, Outcome, aggregated, is_warning
from assets.beams.failures import Category
from assets.beams.states import ACTIVE_BEAM_STATES, BeamState, CheckState


def beams_of(*beams: tuple[str, float]) -> list[BeamOutcome]:
    """Beams by state and progress, with the treatment indices 1, 2, ..."""
    return [BeamOutcome(index, BeamState(state), at) for index, (state, at) in enumerate(beams, start=1)]


def failed(
    index: int, message: str | None, category: Category | None = None, progress: float = 0.0
) -> BeamOutcome:
    return BeamOutcome(index, BeamState.FAILED, progress, message, category)


def message_of(*beams: BeamOutcome) -> str | None:
    outcome = aggregated(beams)
    assert outcome is not None
    return outcome.message


def test_no_beams_are_no_change() -> None:
    assert aggregated([]) is None


@pytest.mark.parametrize(
    ("beams", "outcome", "progress"),
    [
        ([("pending", 0)], Outcome.ACTIVE, 0.0),
        ([("completed", 100), ("completed", 100)], Outcome.COMPLETED, 100.0),
        ([("completed", 100), ("running", 40)], Outcome.ACTIVE, 70.0),
        ([("running", 120), ("pending", -5)], Outcome.ACTIVE, 50.0),
        ([("completed", 97)], Outcome.COMPLETED, 100.0),
        ([("cancelled", 30), ("completed", 100)], Outcome.CANCELLED, 65.0),
        ([("cancelled", 30), ("running", 50)], Outcome.ACTIVE, 40.0),
    ],
)
def test_beams_without_a_failure(beams: list[tuple[str, float]], outcome: Outcome, progress: float) -> None:
    assert aggregated(beams_of(*beams)) == CaseOutcome(outcome, progress)


def test_a_failure_beside_an_active_beam_leaves_the_case_active_and_failing() -> None:
    beams = [failed(1, "x"), BeamOutcome(2, BeamState.RUNNING, 45.0)]
    assert aggregated(beams) == CaseOutcome(Outcome.FAILING, 22.5, "x")


def test_a_failure_beside_no_active_beam_fails_the_case_with_its_own_words() -> None:
    beams = [BeamOutcome(1, BeamState.COMPLETED, 100.0), failed(2, "boom", "permanent", 40.0)]
    assert aggregated(beams) == CaseOutcome(Outcome.FAILED, 70.0, "boom", "permanent")


def test_a_failed_beam_outweighs_a_cancelled_one() -> None:
    outcome = aggregated([BeamOutcome(1, BeamState.CANCELLED, 0.0), failed(2, "boom")])
    assert outcome == CaseOutcome(Outcome.FAILED, 0.0, "boom")


@pytest.mark.parametrize(
    ("beams", "message"),
    [
        (
            [failed(1, "[RETRYABLE] a"), failed(2, "b")],
            "[RETRYABLE] 2 beam(s) failed. First failure: [RETRYABLE] a",
        ),
        (
            [failed(1, "a", "retryable"), failed(2, "b", "permanent")],
            "[PERMANENT] 2 beam(s) failed. First failure: a",
        ),
        (
            [failed(1, "[RETRYABLE] a"), failed(2, "[PERMANENT] b"), failed(3, None)],
            "[PERMANENT] 3 beam(s) failed. First failure: [RETRYABLE] a",
        ),
        ([failed(3, "late"), failed(2, "early")], "2 beam(s) failed. First failure: early"),
        ([failed(1, None), failed(2, None)], "2 beam(s) failed."),
        ([failed(1, " "), failed(2, "b", "retryable")], "[RETRYABLE] 2 beam(s) failed."),
        ([failed(1, None)], "1 beam(s) failed."),
        ([failed(1, None, "permanent")], "1 beam(s) failed."),
        ([failed(1, "[PERMANENT] a", "permanent")], "[PERMANENT] a"),
    ],
)
def test_the_message_of_failures(beams: list[BeamOutcome], message: str) -> None:
    assert message_of(*beams) == message


def test_a_known_category_outweighs_the_mark_in_the_message() -> None:
    assert message_of(failed(1, "[PERMANENT] a", "retryable"), failed(2, "b")) == (
        "[RETRYABLE] 2 beam(s) failed. First failure: [PERMANENT] a"
    )


@pytest.mark.parametrize("case_warned", [False, True])
@pytest.mark.parametrize("beam_warned", [False, True])
def test_a_warning_anywhere_completes_with_warnings(case_warned: bool, beam_warned: bool) -> None:
    beams = [
        BeamOutcome(1, BeamState.COMPLETED, 100.0),
        BeamOutcome(2, BeamState.COMPLETED, 100.0, warned=beam_warned),
    ]
    outcome = aggregated(beams, case_warned=case_warned)
    warned = case_warned or beam_warned
    assert outcome == CaseOutcome(Outcome.COMPLETED_WITH_WARNINGS if warned else Outcome.COMPLETED, 100.0)


def test_a_warning_does_not_complete_what_is_active() -> None:
    outcome = aggregated([BeamOutcome(1, BeamState.RUNNING, 50.0, warned=True)], case_warned=True)
    assert outcome == CaseOutcome(Outcome.ACTIVE, 50.0)


@pytest.mark.parametrize(
    ("check", "warning"),
    [
        ("none", False),
        ("running", False),
        ("passed", False),
        ("conditional", True),
        ("failed", True),
        ("no_data", True),
        ("error", True),
    ],
)
def test_a_delivery_check_that_did_not_pass_is_a_warning_of_its_case(check: str, warning: bool) -> None:
    assert is_warning(CheckState(check)) is warning


BEAMS = st.lists(
    st.builds(
        BeamOutcome,
        treatment_index=st.integers(1, 99),
        state=st.sampled_from(BeamState),
        progress=st.floats(-50, 150),
        message=st.sampled_from([None, "a", "b", "[RETRYABLE] c", "[PERMANENT] d"]),
        category=st.sampled_from([None, "retryable", "permanent"]),
        warned=st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda beam: beam.treatment_index,
)


@given(beams=BEAMS, seed=st.integers(0, 1000))
def test_the_order_in_which_beams_are_given_does_not_matter(beams: list[BeamOutcome], seed: int) -> None:
    shuffled = random.Random(seed).sample(beams, len(beams))
    one, other = aggregated(beams), aggregated(shuffled)
    assert one is not None
    assert other is not None
    assert (one.outcome, one.message, one.category) == (other.outcome, other.message, other.category)
    assert one.progress == pytest.approx(other.progress)


@given(beams=BEAMS)
def test_a_case_is_over_exactly_when_no_beam_is_active_and_fails_exactly_with_a_message(
    beams: list[BeamOutcome],
) -> None:
    outcome = aggregated(beams)
    assert outcome is not None
    active = any(beam.state in ACTIVE_BEAM_STATES for beam in beams)
    assert (outcome.outcome in (Outcome.ACTIVE, Outcome.FAILING)) is active
    assert (outcome.message is not None) is (outcome.outcome in (Outcome.FAILING, Outcome.FAILED))
    assert 0.0 <= outcome.progress <= 100.0
