"""What the monitors say of a layer: agreement of the two, and the layer's share of the beam."""

import pytest

from assets.beams.monitors import LayerDose, dose_warnings, layer_dose, layer_shares
from assets.beams.ptn import decoded
from tests.assets.beams.planned_maps import layer_of, range_row, spot_map
from tests.assets.beams.ptn_words import BEAM_ON, G2, Sample, ptn_bytes

FOLDER = "2026032010000000"


def logged(number: int, weight: float, counts: int, dose2: float | None = None) -> LayerDose:
    return LayerDose(number, weight, counts, counts, counts if dose2 is None else dose2, 2, 2, 2)


def warned(*doses: LayerDose) -> list[tuple[str, str]]:
    """The code of each warning, and the layer that it names."""
    return [(found.code, found.message.split("layer ")[1][0]) for found in dose_warnings(FOLDER, doses)]


def test_each_monitor_is_scaled_by_its_own_range_and_only_samples_with_beam_count() -> None:
    samples = [Sample(dose1=10, dose2=3), Sample(dose1=20, dose2=7), Sample(dose1=65535, state=BEAM_ON >> 1)]
    layer = layer_of(spot_map([(0, 0, 1.0)]), weight=0.5)
    dose = layer_dose(decoded(ptn_bytes(samples), "log"), layer, range_row(1, 2, 3), G2)
    assert dose == LayerDose(1, 0.5, 30, 30.0, 10 * 1400.0 / 470.0, 2, 3, 2)


def test_counts_are_rounded_sample_by_sample_as_in_the_csv() -> None:
    samples = [Sample(dose1=1, dose2=0)] * 3
    layer = layer_of(spot_map([(0, 0, 1.0)]))
    dose = layer_dose(decoded(ptn_bytes(samples), "log"), layer, range_row(1, 1, 1), G2)
    assert (dose.counts, dose.dose1) == (0, pytest.approx(3 * 160 / 470))


@pytest.mark.parametrize(
    ("dose2", "codes"),
    [
        (100, []),
        (105, []),
        (95, []),
        (105.1, ["monitor_disagreement"]),
        (94.9, ["monitor_disagreement"]),
        (0, ["monitor_disagreement"]),
    ],
)
def test_monitors_more_than_5_percent_apart_are_warned_about(dose2: float, codes: list[str]) -> None:
    assert [code for code, _ in warned(logged(1, 1.0, 100, dose2))] == codes


def test_two_silent_monitors_agree() -> None:
    assert warned(logged(1, 1.0, 0)) == []


def test_shares_compare_layers_with_each_other_whatever_the_units() -> None:
    shares = layer_shares([logged(1, 0.3, 600), logged(2, 0.1, 200)])
    assert [(share.planned, share.logged) for share in shares] == [pytest.approx((0.75, 0.75)), (0.25, 0.25)]


@pytest.mark.parametrize(
    ("counts", "layers"),
    [((500, 500), []), ((520, 480), []), ((527, 473), ["1", "2"]), ((1000, 0), ["1", "2"]), ((0, 0), [])],
)
def test_a_share_more_than_5_percent_off_is_warned_about(counts: tuple[int, int], layers: list[str]) -> None:
    doses = [logged(number, 1.0, count) for number, count in enumerate(counts, start=1)]
    assert warned(*doses) == [("meterset_share", layer) for layer in layers]


def test_a_small_layer_is_measured_by_its_own_share() -> None:
    doses = [logged(1, 99.0, 9894), logged(2, 1.0, 106)]
    assert warned(*doses) == [("meterset_share", "2")]


def test_a_warning_names_the_folder_the_layer_and_both_numbers() -> None:
    (warning,) = dose_warnings(FOLDER, [logged(3, 1.0, 100, 90)])
    assert warning.message == (
        "'2026032010000000': layer 3 has 100 counts by monitor 1 and 90 by monitor 2, more than 5% apart."
    )
