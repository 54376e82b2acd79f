"""The spots of the CPU engine against a slow gathering, and what they keep of the log."""

import math
from collections import defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.mcsquare_plan import gathered, layer_spots
from assets.beams.ptn import decoded
from assets.beams.spot_csv import spot_frame
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample, ptn_bytes

_POSITIONS = st.floats(-250, 250, allow_nan=False)
_SAMPLES = st.lists(st.tuples(_POSITIONS, _POSITIONS, st.integers(1, 200_000)), max_size=60)


def spots_of(samples: list[Sample]) -> list[tuple[float, float, float]]:
    log = decoded(ptn_bytes(samples), "2026032010000000/01.ptn")
    return layer_spots(spot_frame(log, 2, G2), log)


def slowly(samples: list[tuple[float, float, int]]) -> list[tuple[float, float, float]]:
    cells = defaultdict(list)
    for x, y, count in samples:
        cells[math.floor(y), math.floor(x)].append((x, y, count))
    spots = []
    for _, held in sorted(cells.items()):
        weight = sum(count for *_, count in held)
        spots.append(
            (sum(x * c for x, _, c in held) / weight, sum(y * c for _, y, c in held) / weight, weight)
        )
    return spots


@given(_SAMPLES)
def test_samples_are_gathered_as_one_by_one(samples: list[tuple[float, float, int]]) -> None:
    columns = np.array(samples, dtype=np.float64).reshape(-1, 3).T
    spots = gathered(*columns)
    assert len(spots) == len(slowly(samples))
    for spot, expected in zip(spots, slowly(samples), strict=True):
        assert spot == pytest.approx(expected, rel=1e-12, abs=1e-9)


@given(_SAMPLES)
def test_gathering_keeps_all_counts_and_their_centre(samples: list[tuple[float, float, int]]) -> None:
    columns = np.array(samples, dtype=np.float64).reshape(-1, 3).T
    spots = np.array(gathered(*columns)).reshape(-1, 3)
    assert spots[:, 2].sum() == columns[2].sum()
    for axis in (0, 1):
        assert spots[:, axis] @ spots[:, 2] == pytest.approx(columns[axis] @ columns[2], rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("state", [0, 0x8000 | 1, 0x4000 | 1])
def test_only_samples_with_both_beam_on_bits_are_spots(state: int) -> None:
    assert spots_of([Sample(), Sample(x=30000, state=state)]) == [(0.0, 0.0, 100.0)]


def test_a_sample_without_a_count_is_no_spot() -> None:
    assert spots_of([Sample(dose1=0), Sample(x=24580 + 1000, dose1=7)]) == [
        (pytest.approx(7.26), 0.0, 7.0),
    ]


def test_a_layer_with_nothing_delivered_has_no_spot() -> None:
    assert spots_of([Sample(state=1), Sample(dose1=0, state=BEAM_ON)]) == []


def test_samples_of_one_cell_are_one_spot_at_the_mean_of_their_counts() -> None:
    (spot,) = spots_of([Sample(x=24580 + 10, dose1=1), Sample(x=24580 + 50, dose1=3)])
    assert spot == (pytest.approx(40 * 0.00726, rel=1e-6), 0.0, 4.0)


def test_samples_on_two_sides_of_the_axis_are_two_spots() -> None:
    assert len(spots_of([Sample(x=24580 - 10), Sample(x=24580 + 10)])) == 2


def test_a_csv_of_another_log_is_refused() -> None:
    log = decoded(ptn_bytes([Sample(), Sample()]), "2026032010000000/01.ptn")
    with pytest.raises(ValueError, match=r"1 rows was not made of 2026032010000000/01\.ptn with its 2"):
        layer_spots(pl.DataFrame(spot_frame(log, 2, G2).head(1)), log)
