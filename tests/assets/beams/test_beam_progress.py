"""The progress of beams and cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.progress import Milestone, case_progress, engine_progress, reached, rises
from assets.beams.states import CaseState


def stored_values(batches: int, last: int, stored: float) -> list[float]:
    """What is stored while an engine tells of batch 1 to `last`."""
    kept: list[float] = []
    for done in range(1, last + 1):
        progress = engine_progress(done, batches)
        if rises(stored, progress):
            kept.append(progress)
            stored = progress
    return kept


def test_four_batches_are_told_at_their_shares_of_40_to_90() -> None:
    assert [engine_progress(done, 4) for done in (1, 2, 3, 4)] == [52.5, 65.0, 77.5, 90.0]


@pytest.mark.parametrize("before", [Milestone.QUEUED, Milestone.UPLOADED])
def test_only_rises_of_one_percent_are_stored(before: Milestone) -> None:
    assert stored_values(200, 5, float(before)) == [40.25, 41.25]


def test_a_rise_of_one_percent_is_one_although_thirds_are_rounded() -> None:
    # 3 batches are 1 percent; from batch 46 to 49 the difference comes out 7e-15 short of it.
    assert engine_progress(49, 150) - engine_progress(46, 150) < 1.0
    assert stored_values(150, 150, 15.0) == [engine_progress(done, 150) for done in range(1, 150, 3)]


@pytest.mark.parametrize(("done", "batches"), [(1, 0), (-1, 4), (5, 4), (0, 0)])
def test_a_share_that_is_none_is_refused(done: int, batches: int) -> None:
    with pytest.raises(ValueError, match="is no share"):
        engine_progress(done, batches)


def test_the_milestones_are_those_of_the_contract_in_order() -> None:
    assert [(milestone.name, milestone.value) for milestone in Milestone] == [
        ("PREPARED", 10),
        ("QUEUED", 15),
        ("UPLOADED", 25),
        ("ENGINE_BEGUN", 40),
        ("ENGINE_DONE", 90),
        ("COLLECTED", 92),
        ("VALIDATED", 97),
        ("COMPLETED", 100),
    ]


@given(
    events=st.lists(
        st.one_of(
            st.sampled_from(Milestone),
            st.integers(1, 300).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m))),
        )
    )
)
def test_progress_never_falls_in_whatever_order_it_is_told(
    events: list[Milestone | tuple[int, int]],
) -> None:
    stored = 0.0
    for event in events:
        before = stored
        if isinstance(event, Milestone):
            stored = reached(stored, event)
            assert stored >= event
        elif rises(stored, engine_progress(*event)):
            stored = engine_progress(*event)
        assert before <= stored <= 100.0


@pytest.mark.parametrize(
    ("state", "beams", "progress"),
    [
        (CaseState.SIMULATING, [100.0, 40.0], 70.0),
        (CaseState.SIMULATING, [120.0, -5.0], 50.0),
        (CaseState.INTERPRETING, [0.0], 0.0),
        (CaseState.COMPLETED, [100.0, 97.0], 100.0),
        (CaseState.COMPLETED_WITH_WARNINGS, [0.0], 100.0),
        (CaseState.FAILED, [100.0, 45.0], 72.5),
        (CaseState.NEW, [], None),
    ],
)
def test_the_progress_of_a_case_is_the_mean_of_its_beams_and_100_once_completed(
    state: CaseState, beams: list[float], progress: float | None
) -> None:
    assert case_progress(state, beams) == progress
