"""The numbers for the pictures of a delivery: where its spots went, and what its layers had."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from assets.beams.case_input import judge_case
from assets.beams.delivery_check import DeliveryCheck, LayerCheck, checked_delivery, checked_layer
from assets.beams.join import JoinedDelivery
from assets.beams.layers import Layer
from assets.beams.monitors import layer_shares
from assets.beams.ptn import decoded
from assets.beams.spot_errors import layer_mu, spot_errors
from scripts.sample_data.beams import SampleCase, write_case
from tests.assets.beams.delivered_cases import RULES, delivery_of, plan_of
from tests.assets.beams.planned_maps import layer_of, range_row, sample_at, spot_map
from tests.assets.beams.ptn_words import G2, Sample, ptn_bytes

WORD_MM = 0.004
"""Half a word of G2."""


def layer_check(layer: Layer, *samples: Sample) -> LayerCheck:
    return checked_layer(decoded(ptn_bytes(samples), "1.ptn"), layer, range_row(layer.number), G2)


def check_of(*layers: LayerCheck) -> DeliveryCheck:
    """The check of a delivery that found this of its layers."""
    delivery = delivery_of(plan_of({5: (150.0, 140.0, 130.0)}), 5, "10:00", stop_layer=len(layers))
    return DeliveryCheck(JoinedDelivery(delivery, ()), layers)


def test_the_error_of_a_spot_goes_from_its_plan_to_the_mean_of_its_samples() -> None:
    layer = layer_of(spot_map([(0, 0, 1.0), (20, 0, 2.0)]), 4)
    logged = ((1, -1, 100), (1, 1, 300), (18.5, 0, 100))
    samples = [sample_at(*place_and_dose, layer=4) for place_and_dose in logged]
    (errors,) = spot_errors(check_of(layer_check(layer, *samples)))
    assert (errors.layer_number, errors.energy_mev) == (4, 150.0)
    assert errors.planned_mm.tolist() == [[0, 0], [20, 0]]
    np.testing.assert_allclose(errors.logged_mm, [[1, 0.5], [18.5, 0]], atol=WORD_MM)
    np.testing.assert_allclose(errors.error_mm, [[1, 0.5], [-1.5, 0]], atol=WORD_MM)
    np.testing.assert_allclose(errors.distance_mm, [np.hypot(1, 0.5), 1.5], atol=WORD_MM)
    assert errors.weights.tolist() == [1.0, 2.0]


def test_the_error_of_a_point_is_the_offset_that_the_gamma_judged() -> None:
    layer = layer_of(spot_map([(0, 0, 1.0), (20, 0, 1.0), (40, 7, 1.0)]))
    samples = [sample_at(x, y, dose) for x, y, dose in ((0.4, 1, 90), (19, 2, 50), (21, 3, 70), (40, 7, 10))]
    checked = layer_check(layer, *samples)
    (errors,) = spot_errors(check_of(checked))
    np.testing.assert_allclose(errors.distance_mm, checked.gamma.offsets_mm, atol=1e-12)


@pytest.mark.parametrize(
    ("logged", "planned"),
    [((5.0, 2.0), (5.0, 0.0)), ((-1.0, 1.0), (0.0, 0.0)), ((13.0, -1.0), (10.0, 0.0))],
    ids=["beside", "before", "beyond"],
)
def test_the_error_of_a_segment_goes_from_the_nearest_place_on_it(
    logged: tuple[float, float], planned: tuple[float, float]
) -> None:
    # Its first point has no weight, and is too far for any of these.
    layer = layer_of(spot_map([(0, 0, 0.0), (10, 0, 1.0)], line=True))
    (errors,) = spot_errors(check_of(layer_check(layer, sample_at(*logged))))
    np.testing.assert_allclose(errors.planned_mm[-1], planned, atol=WORD_MM)
    np.testing.assert_allclose(errors.logged_mm[-1], logged, atol=WORD_MM)


def test_an_element_without_counts_has_no_error() -> None:
    layer = layer_of(spot_map([(0, 0, 1.0), (20, 0, 2.0), (40, 0, 3.0)]))
    (errors,) = spot_errors(check_of(layer_check(layer, sample_at(20, 0))))
    assert errors.planned_mm.tolist() == [[20, 0]]
    assert errors.weights.tolist() == [2.0]
    (none,) = spot_errors(check_of(layer_check(layer, sample_at(20, 0, dose=0))))
    assert none.planned_mm.shape == none.logged_mm.shape == none.error_mm.shape == (0, 2)
    assert none.distance_mm.shape == none.weights.shape == (0,)


def test_errors_cannot_be_changed() -> None:
    (errors,) = spot_errors(check_of(layer_check(layer_of(spot_map([(0, 0, 1.0)])), sample_at(0, 0))))
    for array in (errors.planned_mm, errors.logged_mm, errors.weights):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_a_layer_has_its_share_of_the_plan_and_of_the_log() -> None:
    spots = spot_map([(0, 0, 1.0)])
    check = check_of(
        layer_check(replace(layer_of(spots, 1, 1.0), mu=25.0), sample_at(0, 0, 100, layer=1)),
        layer_check(
            replace(layer_of(spots, 2, 3.0), mu=75.0, energy_mev=140.0), sample_at(0, 0, 400, layer=2)
        ),
    )
    first, second = layer_mu(check)
    assert (first.layer_number, first.energy_mev) == (1, 150.0)
    assert (second.layer_number, second.energy_mev) == (2, 140.0)
    assert (first.planned_share, first.logged_share, first.planned_mu) == (0.25, 0.2, 25.0)
    assert (second.planned_share, second.logged_share, second.planned_mu) == (0.75, 0.8, 75.0)


def test_shares_are_those_that_the_warnings_compare() -> None:
    spots = spot_map([(0, 0, 1.0)])
    check = check_of(
        *[
            layer_check(layer_of(spots, number, weight), sample_at(0, 0, dose, layer=number))
            for number, weight, dose in ((1, 1.5, 100), (2, 2.5, 90), (3, 4.0, 800))
        ]
    )
    assert [(layer.layer_number, layer.planned_share, layer.logged_share) for layer in layer_mu(check)] == [
        (share.layer_number, share.planned, share.logged) for share in layer_shares(check.doses)
    ]


def test_without_any_counts_no_layer_has_a_share_and_all_are_listed() -> None:
    check = check_of(layer_check(layer_of(spot_map([(0, 0, 1.0)])), sample_at(0, 0, dose=0)))
    (only,) = layer_mu(check)
    assert (only.planned_share, only.logged_share, only.planned_mu) == (1.0, None, None)


def test_a_whole_delivery_has_the_numbers_of_each_of_its_layers(tmp_path: Path) -> None:
    folder = write_case(tmp_path, SampleCase(1))
    judged = judge_case(folder, "QA0001", RULES, room=None, now=datetime(2027, 1, 1, tzinfo=UTC))
    for joined in judged.required_case().deliveries:
        check = checked_delivery(joined)
        numbers = [log.layer.number for log in joined.logs]
        assert [layer.layer_number for layer in spot_errors(check)] == numbers
        assert [layer.layer_number for layer in layer_mu(check)] == numbers
        assert max(layer.distance_mm.max() for layer in spot_errors(check)) < 1.0
        assert sum(layer.planned_share for layer in layer_mu(check)) == pytest.approx(1.0)
        assert all(layer.planned_mu for layer in layer_mu(check))
