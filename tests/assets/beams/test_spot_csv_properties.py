"""The spot CSV against the slowest way of writing it, for any log and any machine."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.ptn import decoded
from assets.beams.spot_csv import read_spot_csv, shortest_texts, spot_csv, spot_frame
from tests.assets.beams.ptn_words import G1, G2, Sample, ptn_bytes, row_wise_csv, shortest_text

_WORD = st.integers(0, 65535)
_LOGS = st.lists(st.builds(Sample, x=_WORD, y=_WORD, dose1=_WORD, state=_WORD), min_size=1, max_size=30)
_GAINS = st.floats(1e-9, 10, allow_nan=False)
_MACHINES = st.one_of(
    st.sampled_from([G1, G2]),
    st.builds(
        lambda offset, gain, time, divisor: G2.model_copy(
            update={"x_offset": offset, "x_gain": gain, "time_gain": time, "count_divisor": divisor}
        ),
        _WORD,
        _GAINS,
        _GAINS,
        st.floats(0.5, 100),
    ),
)
_FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(_LOGS, st.sampled_from([1, 2, 3, 4, 5]), _MACHINES)
def test_the_bytes_equal_those_of_a_row_wise_writer(samples, code, constants):
    content = ptn_bytes(samples)

    assert spot_csv(decoded(content, "a"), code, constants) == row_wise_csv(content, code, constants)


@given(_LOGS, st.sampled_from([1, 2, 3, 4, 5]), st.sampled_from([G1, G2]))
def test_the_text_reads_back_to_the_very_numbers_it_was_written_from(samples, code, constants):
    log = decoded(ptn_bytes(samples), "a")

    back = read_spot_csv(spot_csv(log, code, constants), len(samples), "a.csv")

    assert back.equals(spot_frame(log, code, constants))


@given(st.lists(_FINITE, min_size=1, max_size=30))
def test_a_text_reads_back_to_the_same_float32_and_no_shorter_one_does(values):
    numbers = np.array(values, dtype=np.float32)

    for number, text in zip(numbers, shortest_texts(numbers), strict=True):
        assert "e" not in text.lower()
        assert text.count(".") == 1
        assert np.float32(text) == number
        assert text == shortest_text(number)
        digits = len(text.replace(".", "").replace("-", "").strip("0"))
        if digits > 1:
            assert np.float32(f"{number:.{digits - 2}e}") != number


@given(_LOGS)
def test_swapping_two_samples_swaps_all_of_their_lines_but_the_times(samples):
    forth = spot_frame(decoded(ptn_bytes(samples), "a"), 2, G2)
    back = spot_frame(decoded(ptn_bytes(reversed(samples)), "a"), 2, G2)

    assert back.drop("time_ms").equals(forth.drop("time_ms").reverse())
    assert back["time_ms"].equals(forth["time_ms"])
