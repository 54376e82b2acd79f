"""The text of a layer's samples, and reading it back."""

import numpy as np
import polars as pl
import pytest

from assets.beams.failures import PermanentBeamFailure
from assets.beams.ptn import decoded
from assets.beams.spot_csv import COLUMNS, read_spot_csv, shortest_texts, spot_csv, spot_frame
from tests.assets.beams.ptn_words import G1, G2, Sample, ptn_bytes, row_wise_csv

_WORKED_EXAMPLE = ptn_bytes(
    [
        Sample(24680, 32772, dose1=29),
        Sample(24580, 32722, dose1=100),
        Sample(24579, 32772, dose1=65535, state=1),
    ]
)


@pytest.mark.parametrize(
    ("code", "counts"), [(3, (86, 298, 195211)), (2, (29, 100, 65535)), (1, (10, 34, 22310))]
)
def test_the_worked_example_has_these_lines(code, counts):
    positions = ("0.0,0.726,0.0", "0.06,0.0,-0.35705498", "0.12,-0.00726,0.0")

    text = spot_csv(decoded(_WORKED_EXAMPLE, "a"), code, G2).decode("ascii")

    assert text == "".join(f"{line},{count}\r\n" for line, count in zip(positions, counts, strict=True))


def test_each_gantry_has_its_own_constants():
    text = spot_csv(decoded(ptn_bytes([Sample(16484, 16384), Sample(16384, 16484)]), "a"), 2, G1)

    assert text == b"0.0,1.0959,0.0,100\r\n0.0600745,0.0,1.16412,100\r\n"


def test_samples_with_the_beam_off_stay_in():
    samples = [Sample(state=0), Sample(), Sample(state=0x8001)]

    assert len(spot_csv(decoded(ptn_bytes(samples), "a"), 2, G2).splitlines()) == 3


def test_an_interlock_restart_stays_in_the_stream_as_logged():
    samples = [Sample(x=24600), Sample(x=24600, dose1=0, state=0), Sample(x=24700)]

    frame = spot_frame(decoded(ptn_bytes(samples), "a"), 2, G2)

    assert frame["count"].to_list() == [100, 0, 100]
    assert frame["time_ms"].to_list() == [0.0, np.float32(0.06), np.float32(2) * np.float32(0.06)]


def test_a_layer_of_70000_samples_equals_the_row_wise_text():
    words = np.random.default_rng(34).integers(0, 65536, (70_000, 8)).astype(">u2").tobytes()

    assert spot_csv(decoded(words, "a"), 3, G1) == row_wise_csv(words, 3, G1)


def test_every_position_word_of_both_gantries_has_its_shortest_text():
    words = np.arange(65536, dtype=">u2").repeat(8).tobytes()

    for constants in (G1, G2):
        assert spot_csv(decoded(words, "a"), 5, constants) == row_wise_csv(words, 5, constants)


def test_the_same_log_gives_the_same_bytes_whatever_was_converted_before():
    log = decoded(_WORKED_EXAMPLE, "a")
    first = spot_csv(log, 3, G2)
    spot_csv(decoded(_WORKED_EXAMPLE * 1000, "b"), 3, G1)

    assert spot_csv(log, 3, G2) == first


def test_an_unknown_range_code_is_refused():
    for convert in (spot_csv, spot_frame):
        with pytest.raises(PermanentBeamFailure) as refusal:
            convert(decoded(_WORKED_EXAMPLE, "a"), 6, G2)
        assert refusal.value.code == "range_code"


def test_no_text_has_an_exponent_however_small_or_large_the_number():
    numbers = np.array([1e-30, 0.5, -1e-7, 3e20, 0.0, 16777216], dtype=np.float32)

    texts = shortest_texts(numbers).to_list()

    assert texts == [
        "0.000000000000000000000000000001",
        "0.5",
        "-0.0000001",
        "300000000000000000000.0",
        "0.0",
        "16777216.0",
    ]


def test_a_csv_reads_back_as_its_numbers():
    log = decoded(_WORKED_EXAMPLE, "a")

    frame = read_spot_csv(spot_csv(log, 3, G2), 3, "01_150.00MeV.csv")

    assert frame.schema == pl.Schema(COLUMNS)
    assert frame.equals(spot_frame(log, 3, G2))


_LINE = "0.0,0.726,-0.1,86\r\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(_LINE, id="a line too few"),
        pytest.param(_LINE * 3, id="a line too many"),
        pytest.param(_LINE + "0.06,0.7,86\r\n", id="three columns"),
        pytest.param(_LINE + "0.06,0.7,0.8,86,1\r\n", id="five columns"),
        pytest.param((_LINE * 2).replace("\r", ""), id="LF alone"),
        pytest.param((_LINE * 2).removesuffix("\r\n"), id="no end of the last line"),
        pytest.param(_LINE + "\r\n" + _LINE, id="an empty line"),
        pytest.param(_LINE + "0.06, 0.7,0.8,86\r\n", id="a blank"),
        pytest.param(_LINE + "0.06,7e-1,0.8,86\r\n", id="an exponent"),
        pytest.param(_LINE + "0.06,7,0.8,86\r\n", id="a real number without a point"),
        pytest.param(_LINE + "0.06,0.7,0.8,86.0\r\n", id="a count with a point"),
        pytest.param(_LINE + "0.06,nan,0.8,86\r\n", id="no number"),
        pytest.param(_LINE + "0.06,.,0.8,86\r\n", id="a point alone"),
        pytest.param(_LINE + "0.06,0.7-,0.8,86\r\n", id="a sign at the wrong place"),
        pytest.param(_LINE + "0.06,0.7,0.8,\r\n", id="a missing count"),
        pytest.param(_LINE + "0.06,0.7,0.8,-1\r\n", id="a negative count"),
        pytest.param("time_ms,x_mm,y_mm,count\r\n" + _LINE, id="a header"),
        pytest.param("\ufeff" + _LINE * 2, id="a byte order mark"),
    ],
)
def test_a_csv_that_is_not_two_lines_of_four_numbers_is_refused(text):
    with pytest.raises(PermanentBeamFailure, match=r"'01_150\.00MeV\.csv' does not read back") as refusal:
        read_spot_csv(text.encode(), 2, "01_150.00MeV.csv")

    assert refusal.value.code == "csv_mismatch"
    assert refusal.value.phase == "csv"


def test_a_negative_count_is_named_by_its_line():
    with pytest.raises(PermanentBeamFailure, match="line 2 has a negative count"):
        read_spot_csv((_LINE + _LINE.replace("86", "-86")).encode(), 2, "a.csv")
