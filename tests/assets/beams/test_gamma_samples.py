"""Which samples of a layer are judged: bits, rescans, positions, and the leading ones that are dropped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failures import PermanentBeamFailure
from assets.beams.gamma_samples import JudgedSamples, SampleTally, judged_samples
from assets.beams.ptn import decoded
from tests.assets.beams.planned_maps import sample_at
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample, ptn_bytes
from tests.assets.beams.slow_gamma import slow_samples

ON = BEAM_ON | 1
OFF = 1
REST_Y = G2.alignment_y
FIRST = (10.0, 20.0)


def judged(*samples: Sample, first: tuple[float, float] = FIRST, range_code: int = 2) -> JudgedSamples:
    return judged_samples(decoded(ptn_bytes(samples), "log"), range_code, np.array(first), G2)


def doses(result: JudgedSamples) -> list[int]:
    """The samples told apart by what they count."""
    return result.counts.tolist()


def resting(dose: int, *, state: int = ON, off_by: float = 0.0) -> Sample:
    """A sample with the beam at its resting place, or beside it."""
    return sample_at(0.0, REST_Y + off_by, dose, state)


def at_first(count: int, dose: int = 50) -> list[Sample]:
    """Samples with the beam settled on the first point."""
    return [sample_at(*FIRST, dose)] * count


def elsewhere(count: int, dose: int = 7) -> list[Sample]:
    return [sample_at(FIRST[0] + 3, FIRST[1], dose)] * count


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (Sample(state=0x8001), "beam_off"),
        (Sample(state=0x4001), "beam_off"),
        (Sample(state=BEAM_ON), "outside_rescan"),
        (Sample(x=60_001), "without_position"),
        (Sample(x=60_000), "judged"),
        (Sample(state=BEAM_ON | 0x7F), "judged"),
    ],
    ids=["planned only", "actual only", "rescan 0", "x word 60001", "x word 60000", "rescan 127"],
)
def test_a_sample_is_judged_or_counted_as_left_out_for_one_reason(sample: Sample, reason: str) -> None:
    tally = judged(sample).tally
    assert getattr(tally, reason) == 1
    assert tally.excluded + tally.judged == 1


def test_judged_samples_have_their_place_in_mm_and_their_counts_in_the_base_range() -> None:
    result = judged(Sample(x=24680, y=32722, dose1=29), range_code=3)
    assert result.positions_mm[0] == pytest.approx([0.726, -0.357055], abs=1e-5)
    assert result.positions_mm.dtype == np.float64
    assert doses(result) == [86]


def test_an_unknown_monitor_range_is_refused() -> None:
    with pytest.raises(PermanentBeamFailure, match="code 6"):
        judged(Sample(), range_code=6)


def test_leading_samples_at_the_resting_place_are_dropped_and_later_ones_are_not() -> None:
    result = judged(resting(0, state=OFF), resting(1), resting(2), *elsewhere(1), resting(3))
    assert doses(result) == [7, 3]
    assert result.tally == SampleTally(1, 0, 0, resting=2, unsettled=0, judged=2)


@pytest.mark.parametrize(
    ("before", "leading", "dropped"),
    [
        ([0.0], 0.99, 1),
        ([0.0], 1.02, 0),
        ([4.9], 4.9, 1),
        ([5.1], 5.1, 0),
        ([0.0, 4.0], 2.9, 1),
        ([], 0.0, 0),
    ],
    ids=["within 1 mm", "beyond it", "rest within 5 mm", "rest beyond it", "mean rest", "never off before"],
)
def test_a_sample_rests_within_1_mm_of_the_mean_before_it_if_that_is_within_5_mm_of_the_alignment(
    before: list[float], leading: float, dropped: int
) -> None:
    off = [resting(0, state=OFF, off_by=by) for by in before]
    assert judged(*off, resting(1, off_by=leading), *elsewhere(1)).tally.resting == dropped


def test_only_samples_without_beam_from_before_the_first_one_say_where_it_rested() -> None:
    later = [sample_at(0.0, 0.0, 0, OFF)] * 9
    earlier = [sample_at(0.0, 0.0, 0, BEAM_ON)]
    assert judged(*earlier, resting(0, state=OFF), resting(1), *later, resting(2)).tally.resting == 2


def test_samples_before_the_beam_has_settled_are_dropped() -> None:
    result = judged(*elsewhere(4), *at_first(10), *elsewhere(2))
    assert doses(result) == [50] * 10 + [7] * 2
    assert result.tally.unsettled == 4


@pytest.mark.parametrize(
    ("leading", "settled", "dropped"),
    [(16, 10, 16), (17, 10, 0), (3, 9, 0)],
    ids=["0.96 ms", "1.02 ms", "nine"],
)
def test_a_run_of_ten_counts_that_begins_within_the_first_millisecond(
    leading: int, settled: int, dropped: int
) -> None:
    assert judged(*elsewhere(leading), *at_first(settled), *elsewhere(30)).tally.unsettled == dropped


def test_a_broken_run_is_none_and_the_first_whole_one_counts() -> None:
    result = judged(*at_first(9), *elsewhere(1), *at_first(10), *elsewhere(1), *at_first(10))
    assert result.tally.unsettled == 10


@pytest.mark.parametrize(("off_by", "dropped"), [(0.49, 1), (0.52, 0)])
def test_a_sample_has_settled_within_half_a_millimetre(off_by: float, dropped: int) -> None:
    settled = [sample_at(FIRST[0], FIRST[1] + off_by)] * 10
    assert judged(*elsewhere(1), *settled).tally.unsettled == dropped


def test_the_millisecond_runs_from_the_first_sample_with_beam_through_the_resting_ones() -> None:
    log = [resting(0, state=OFF), *[resting(1)] * 10, *elsewhere(6), *at_first(10)]
    assert judged(*log).tally == SampleTally(1, 0, 0, resting=10, unsettled=6, judged=10)
    log = [resting(0, state=OFF), *[resting(1)] * 11, *elsewhere(6), *at_first(10)]
    assert judged(*log).tally == SampleTally(1, 0, 0, resting=11, unsettled=0, judged=16)


def test_a_layer_without_any_beam_has_no_samples() -> None:
    result = judged(*[Sample(state=OFF)] * 3)
    assert (len(result.positions_mm), len(result.counts)) == (0, 0)
    assert result.tally == SampleTally(3, 0, 0, 0, 0, 0)


def test_a_layer_that_never_leaves_the_resting_place_has_no_samples() -> None:
    result = judged(resting(0, state=OFF), *[resting(5)] * 4)
    assert (doses(result), result.tally.resting) == ([], 4)


SAMPLES = st.builds(
    sample_at,
    st.sampled_from([FIRST[0], FIRST[0] + 0.3, FIRST[0] + 0.6, 258.0]),
    st.sampled_from([FIRST[1], REST_Y, REST_Y + 0.7, REST_Y + 4.0]),
    st.integers(0, 400),
    st.sampled_from([ON, ON, ON, BEAM_ON, OFF, 0x8001]),
)
RUNS = st.lists(st.tuples(SAMPLES, st.integers(1, 12)), min_size=1, max_size=12)


@given(runs=RUNS)
def test_the_judged_samples_are_those_of_the_slow_reference(runs: list[tuple[Sample, int]]) -> None:
    log = [sample for sample, length in runs for _ in range(length)]
    result = judged(*log, range_code=3)
    slow = slow_samples(ptn_bytes(log), 1400 / 470, FIRST, G2)
    assert [tuple(place) for place in result.positions_mm.tolist()] == [place for place, _ in slow]
    assert doses(result) == [count for _, count in slow]
    assert result.tally.judged == len(slow)
    assert result.tally.excluded + result.tally.judged == len(log)
