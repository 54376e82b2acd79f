"""The pixels of a dose: unit, scaling, and what is no dose."""

import sys
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.beams.dose_grid import DoseGrid
from assets.beams.dose_pixels import LARGEST_PIXEL, dose_pixels, gray_per_unit, grid_scaling
from assets.beams.failures import BeamFailure
from tests.assets.beams.beam_doses import ORIGIN_MM, SPACING_MM, grid_of, ramp

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
MAXIMA = st.one_of(
    st.floats(1e-30, 1e30),
    st.floats(sys.float_info.min * LARGEST_PIXEL * 2, sys.float_info.max),
    st.integers(-300, 300).map(lambda exponent: float(f"1e{exponent}")),
)
PARTS = arrays(np.float64, SHAPES, elements=st.floats(0.0, 1.0))


@given(MAXIMA)
def test_a_scaling_is_a_decimal_string_that_the_maximum_never_exceeds(maximum: float) -> None:
    text = grid_scaling(maximum)
    assert 1 <= len(text) <= 16
    assert set(text) <= set("0123456789.E+-")
    assert Decimal(text) * LARGEST_PIXEL >= Decimal(maximum)
    assert float(text) > 0
    assert 65_000 <= round(maximum / float(text)) <= LARGEST_PIXEL


@given(MAXIMA)
def test_a_scaling_is_rounded_by_less_than_one_in_its_last_digit(maximum: float) -> None:
    written = Decimal(grid_scaling(maximum))
    sign, _, exponent = written.as_tuple()
    assert isinstance(exponent, int)
    last = Decimal((sign, (1,), exponent))
    assert (written - last) * LARGEST_PIXEL < Decimal(maximum)
    # 1e-303 / 65535 has a long exponent, and there is still room for nine digits.
    assert written * LARGEST_PIXEL - Decimal(maximum) <= Decimal(maximum) * Decimal("1e-8")


@pytest.mark.parametrize(
    ("maximum", "text"),
    [
        (1.0, "1.52590218967E-5"),
        (65_535.0, "1"),
        (131_070.0, "2"),
        (6_553_500.0, "100"),
        (123.456, "0.00188381780728"),
        (1e-9, "1.5259021897E-14"),
        (1e-300, "1.52590219E-305"),
        (1e300, "1.52590219E+295"),
    ],
)
def test_a_scaling_takes_the_notation_with_more_digits(maximum: float, text: str) -> None:
    assert grid_scaling(maximum) == text


@pytest.mark.parametrize("maximum", [5e-324, 1e-308, 1e-304])
def test_a_maximum_whose_scaling_would_read_as_0_is_no_dose(maximum: float) -> None:
    with pytest.raises(BeamFailure, match="no scaling that is more than 0") as refusal:
        grid_scaling(maximum)
    assert refusal.value.code == "empty_dose"


@given(PARTS, st.floats(1e-30, 1e30))
def test_a_dose_in_gray_reads_back_within_one_count(parts: np.ndarray, largest: float) -> None:
    parts.flat[0] = 1.0
    values = parts * largest
    made = dose_pixels(grid_of(values, "Gy"), None)
    scaling = float(made.scaling)
    assert made.units == "GY"
    assert np.abs(made.pixels * scaling - values).max() <= scaling * (0.5 + 1e-9)
    assert 65_000 <= made.pixels.max() <= 65_535
    assert made.pixels.shape == values.shape


@given(PARTS, st.floats(1e-300, 1e300), st.sampled_from([np.float32, np.float64]))
def test_a_dose_without_a_calibration_is_relative_to_its_maximum(
    parts: np.ndarray, largest: float, dtype: type[np.floating]
) -> None:
    parts.flat[-1] = 1.0
    values = parts * (float(np.float32(1e-30 if largest < 1 else 1e30)) if dtype is np.float32 else largest)
    made = dose_pixels(grid_of(values, dtype=dtype), None)
    assert (made.units, made.scaling) == ("RELATIVE", "1.52590218967E-5")
    stored = values.astype(dtype).astype(np.float64)
    assert np.abs(made.pixels * float(made.scaling) - stored / stored.max()).max() <= float(made.scaling)
    assert made.pixels.max() == 65_535


def test_a_calibrated_dose_is_in_gray_by_its_factor() -> None:
    made = dose_pixels(grid_of(ramp(largest=4e9)), 5e-10)
    assert made.units == "GY"
    np.testing.assert_allclose(made.pixels * float(made.scaling), ramp(largest=2.0), atol=2.0 / 65_535)


def test_a_billionth_of_a_gray_does_not_become_0() -> None:
    made = dose_pixels(grid_of([[[0.0, 1e-9, 5e-10]]], "Gy"), None)
    assert made.scaling == "1.5259021897E-14"
    assert made.pixels.tolist() == [[[0, 65_535, 32_767]]]


def test_the_order_of_frames_rows_and_columns_stays() -> None:
    values = np.arange(24.0).reshape(4, 3, 2)
    made = dose_pixels(grid_of(values, "Gy"), None)
    assert (np.diff(made.pixels.ravel().astype(int)) > 0).all()


def test_a_grid_may_be_flipped_and_mapped() -> None:
    values = np.arange(24.0, dtype=np.float32).reshape(4, 3, 2)[:, ::-1, ::-1]
    flipped = dose_pixels(DoseGrid(values, SPACING_MM, ORIGIN_MM, "arbitrary"), None)
    assert flipped.pixels[0, 2, 1] == 0
    assert flipped.pixels[3, 0, 0] == 65_535


def test_single_precision_loses_nothing_on_the_way() -> None:
    values = np.random.default_rng(7).random((1, 100, 1000), np.float32)
    single = dose_pixels(grid_of(values, dtype=np.float32), None)
    double = dose_pixels(grid_of(values, dtype=np.float64), None)
    np.testing.assert_array_equal(single.pixels, double.pixels)


def test_pixels_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        dose_pixels(grid_of(ramp()), None).pixels[0, 0, 0] = 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0.0, 1.0, np.nan], "non_finite_dose"),
        ([0.0, np.inf, 1.0], "non_finite_dose"),
        ([-np.inf, 0.0, 1.0], "non_finite_dose"),
        ([-1e-12, 0.0, 1.0], "non_finite_dose"),
        ([0.0, 0.0, 0.0], "empty_dose"),
        ([0.0, 0.0, 5e-324], "empty_dose"),
    ],
)
def test_what_is_no_dose_is_refused(values: list[float], code: str) -> None:
    with pytest.raises(BeamFailure) as refusal:
        dose_pixels(grid_of([[values]], "Gy"), None)
    assert refusal.value.code == code
    assert refusal.value.message.endswith("look at the engine's log, then rerun the beam.")


def test_a_dose_beyond_what_can_be_stated_in_gray_is_refused() -> None:
    with pytest.raises(BeamFailure) as refusal:
        dose_pixels(grid_of(ramp(largest=1e300)), 1e10)
    assert refusal.value.code == "non_finite_dose"


def test_a_dose_in_gray_takes_no_second_factor() -> None:
    with pytest.raises(ValueError, match="in Gy has no unit of the engine"):
        dose_pixels(grid_of(ramp(), "Gy"), 1.0)


def test_a_unit_of_the_engine_is_in_gray_only_with_a_calibration() -> None:
    assert gray_per_unit(None, 1_000_000) is None
    # 1e9 protons of 1 eV/g each: 1e9 * 1.602e-19 J / 1e-3 kg.
    assert gray_per_unit(2_000.0, 500_000) == pytest.approx(1.602176634e-7)
