"""What the samples of a log mean, and what in them refuses the log."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import assets.beams
from assets.beams.failures import PermanentBeamFailure
from assets.beams.ptn import decoded
from assets.beams.samples import content_problems, counts, positions_mm, range_scales, times_ms
from tests.assets.beams.ptn_words import G1, G2, Sample, ptn_bytes


def _codes(*samples, layer=1, constants=G2):
    return [problem.code for problem in content_problems(_log(*samples), layer, constants)]


def _log(*samples):
    return decoded(ptn_bytes(samples), "2026032010000000/01-a.ptn")


def test_a_log_of_its_own_layer_has_no_problem():
    assert _codes(Sample(), Sample(x=20000, y=40000, dose1=65534)) == []


def test_the_log_of_another_layer_is_refused_and_the_first_such_sample_named():
    (problem,) = content_problems(_log(Sample(layer=1), Sample(layer=2), Sample(layer=3)), 1, G2)

    assert (problem.code, problem.phase, problem.category) == ("layer_word", "csv", "permanent")
    assert "'2026032010000000/01-a.ptn': sample 2 of 3" in problem.message
    assert "layer number 2, its layer is 1" in problem.message


def test_two_swapped_logs_are_both_refused():
    assert _codes(Sample(layer=2), layer=1) == ["layer_word"]
    assert _codes(Sample(layer=1), layer=2) == ["layer_word"]


@pytest.mark.parametrize(
    ("word", "layer", "refused"),
    [
        (5, 5, False),
        (0x0105, 5, False),
        (0, 256, False),
        (1, 257, False),
        (255, 255, False),
        (0, 1, True),
        (5, 261, False),
        (4, 261, True),
    ],
)
def test_the_layer_is_compared_by_the_low_byte(word, layer, refused):
    assert _codes(Sample(layer=word), layer=layer) == (["layer_word"] if refused else [])


def test_a_saturated_dose_is_refused_and_the_first_such_sample_named():
    (problem,) = content_problems(_log(Sample(dose1=65534), Sample(dose1=65535), Sample(dose1=65535)), 1, G2)

    assert problem.code == "dose_saturated"
    assert "sample 2 of 3" in problem.message


@pytest.mark.parametrize("axis", ["x", "y"])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_position_beyond_250_mm_is_refused_on_either_side_of_either_axis(axis, side):
    # G2 cannot log less than -178 mm in x and -234 mm in y; this machine has its axes in the middle.
    constants = G2.model_copy(update={"x_offset": 35000, "y_offset": 35000, "x_gain": 0.01, "y_gain": 0.01})
    inside = Sample(**{"x": 35000, "y": 35000, axis: 35000 + side * 24999})
    outside = Sample(**{"x": 35000, "y": 35000, axis: 35000 + side * 25001})

    assert _codes(inside, constants=constants) == []
    assert _codes(inside, outside, constants=constants) == ["position_out_of_range"]
    (problem,) = content_problems(_log(inside, outside), 1, constants)
    assert f"{axis} {side * 250.01:.2f} mm" in problem.message
    assert "sample 2 of 2" in problem.message


def test_a_position_at_exactly_250_mm_is_accepted():
    constants = G2.model_copy(update={"x_offset": 0, "x_gain": 0.25, "y_offset": 0, "y_gain": 0.25})

    assert _codes(Sample(x=1000, y=1000), constants=constants) == []
    assert _codes(Sample(x=1001, y=1000), constants=constants) == ["position_out_of_range"]


@pytest.mark.parametrize("state", [0x0000, 0x8001, 0x4001])
def test_samples_without_both_beam_bits_may_hold_anything(state):
    assert _codes(Sample(), Sample(x=65535, y=65535, dose1=65535, layer=9, state=state)) == []


def test_several_problems_are_all_told_in_one_order():
    far = Sample(x=65535)
    assert _codes(far, Sample(dose1=65535), Sample(layer=2)) == [
        "layer_word",
        "dose_saturated",
        "position_out_of_range",
    ]


def test_positions_are_float32_from_the_first_operation_on():
    words = np.arange(65536, dtype=np.uint16)
    x = positions_mm(words, G2.x_offset, G2.x_gain)

    assert x.dtype == np.float32
    assert x[24680] == np.float32(0.726)
    assert x[24580] == 0.0
    in_float64 = ((words.astype(float) - G2.x_offset) * G2.x_gain).astype(np.float32)
    assert (x != in_float64).any(), "the two ways agree everywhere: the test would not see float64"


def test_times_are_float32_multiples_of_the_sample_period_of_the_machine():
    assert times_ms(4, G2.time_gain).tolist() == [np.float32(n) * np.float32(0.06) for n in range(4)]
    assert times_ms(2, G1.time_gain)[1] == np.float32(0.0600745)


@pytest.mark.parametrize(
    ("code", "expected"), [(1, [10, 34, 22310]), (2, [29, 100, 65535]), (3, [86, 298, 195211])]
)
def test_counts_are_scaled_by_the_monitor_range(code, expected):
    words = np.array([29, 100, 65535], dtype=np.uint16)

    assert counts(words, *range_scales(code, G2, "a"), G2.count_divisor).tolist() == expected


def test_range_code_1_is_not_a_factor_of_one():
    full_scale, base_scale = range_scales(1, G2, "a")

    assert full_scale / base_scale == 160 / 470


def test_counts_are_rounded_half_to_even():
    words = np.array([1, 3, 5, 7], dtype=np.uint16)

    assert counts(words, 470.0, 470.0, 2.0).tolist() == [0, 2, 2, 4]


def test_a_count_is_multiplied_before_it_is_divided():
    # 117 x 160 / 2496 is 7.5 and rounds to 8; 160 / 2496 first gives a little less, and 7.
    assert counts(np.array([117], dtype=np.uint16), 160.0, 2496.0, 1.0).tolist() == [8]


@pytest.mark.parametrize("code", [-1, 0, 6, 7, 255])
def test_a_range_code_that_the_machine_does_not_have_is_refused(code):
    with pytest.raises(
        PermanentBeamFailure, match=rf"'a/01\.ptn' .* code {code}: known are 1, 2, 3, 4, 5"
    ) as refusal:
        range_scales(code, G2, "a/01.ptn")

    assert refusal.value.code == "range_code"


@given(st.integers(0, 65535), st.sampled_from([1, 2, 3, 4, 5]))
def test_every_count_is_the_nearest_integer(word, code):
    (count,) = counts(np.array([word], dtype=np.uint16), *range_scales(code, G1, "a"), 1.0).tolist()

    exact = word * G1.range_full_scale_na[code] / G1.range_full_scale_na[2]
    assert count == round(exact)


def test_no_module_repeats_a_constant_of_the_machines():
    of_machines = {
        value
        for constants in (G1, G2)
        for value in (
            constants.x_offset,
            constants.y_offset,
            constants.x_gain,
            constants.y_gain,
            constants.time_gain,
        )
    } | set(G1.range_full_scale_na.values())
    repeated = {
        (source.name, node.value)
        for source in Path(assets.beams.__path__[0]).glob("*.py")
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        if isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value in of_machines
    }

    assert repeated == set()
