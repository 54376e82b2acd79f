"""The check of a whole delivery: pooling by points, the verdict, warnings, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.case_input import judge_case
from assets.beams.delivery_check import (
    NO_GAMMA,
    DeliveryCheck,
    check_record,
    checked_delivery,
    checked_layer,
    summarised,
    verdict,
)
from assets.beams.failures import BeamFailure
from assets.beams.gamma import PointGamma
from assets.beams.join import JoinedDelivery, LayerLog
from assets.beams.ptn import decoded
from assets.beams.states import CheckState
from scripts.sample_data.beams import SampleCase, write_case
from scripts.sample_data.beams_fields import Variant
from tests.assets.beams.delivered_cases import RULES, delivery_of, plan_of
from tests.assets.beams.planned_maps import (
    delivered,
    gamma_of,
    layer_of,
    range_row,
    sample_at,
    spot_map,
)
from tests.assets.beams.ptn_words import G2, Sample, ptn_bytes, write_ptn

LATER = datetime(2027, 1, 1, tzinfo=UTC)
ENERGIES = {5: (150.0, 140.0, 130.0)}
SPOTS = spot_map([(0, 0, 1.0), (20, 0, 1.0)])


def layer_with(points: int, passed: int) -> PointGamma:
    """A layer of so many points, of which so many pass."""
    planned = spot_map([(20.0 * place, 0.0, 1.0) for place in range(points)])
    result = gamma_of(planned, delivered(planned))
    gamma = result.gamma.copy()
    gamma[passed:] = 3.0
    return replace(result, gamma=gamma)


def delivery(folder: Path, layers: Sequence[Sequence[Sample]], planned: int = 3) -> JoinedDelivery:
    """A delivery with these logs, of a beam with so many layers of two spots."""
    energies = {5: ENERGIES[5][:planned]}
    plan = plan_of(energies)
    made = delivery_of(plan, 5, "10:00", stop_layer=len(layers))
    logs = [
        LayerLog(
            layer=layer_of(SPOTS, number),
            row=range_row(number),
            path=write_ptn(folder / f"{number}.ptn", *samples),
            samples=len(samples),
        )
        for number, samples in enumerate(layers, start=1)
    ]
    return JoinedDelivery(made, tuple(logs))


def good_layer(number: int, dose: int = 100) -> list[Sample]:
    return [sample_at(0, 0, dose, layer=number), sample_at(20, 0, dose, layer=number)]


def missed_layer(number: int) -> list[Sample]:
    return [sample_at(0, 5, 100, layer=number), sample_at(20, 5, 100, layer=number)]


def off(layer: Sequence[Sample]) -> list[Sample]:
    return [replace(sample, state=1) for sample in layer]


def checked(folder: Path, *layers: Sequence[Sample]) -> DeliveryCheck:
    return checked_delivery(delivery(folder, layers))


@pytest.mark.parametrize(
    ("pass_rate", "state"),
    [
        (100.0, CheckState.PASSED),
        (95.0, CheckState.PASSED),
        (94.99, CheckState.CONDITIONAL),
        (80.0, CheckState.CONDITIONAL),
        (79.99, CheckState.FAILED),
        (0.0, CheckState.FAILED),
        (None, CheckState.NO_DATA),
    ],
)
def test_the_verdict_follows_the_unrounded_pass_rate(pass_rate: float | None, state: CheckState) -> None:
    assert verdict(pass_rate) is state


def test_layers_weigh_by_their_points() -> None:
    summary = summarised([layer_with(100, 100), layer_with(300, 270)])
    assert (summary.evaluated_points, summary.passed_points, summary.pass_rate) == (400, 370, 92.5)
    assert summary.gamma_mean == pytest.approx(30 * 3.0 / 400)
    assert summary.gamma_max == 3.0
    assert summary.verdict is CheckState.CONDITIONAL


@given(layers=st.lists(st.tuples(st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_pass_rate_is_that_of_all_points_together_in_any_order(layers: list[tuple[int, float]]) -> None:
    made = [layer_with(points, int(points * share)) for points, share in layers]
    points = sum(points for points, _ in layers)
    passed = sum(int(points * share) for points, share in layers)
    assert summarised(made).pass_rate == summarised(made[::-1]).pass_rate == 100 * passed / points


def test_a_delivery_as_planned_passes_without_a_warning(tmp_path: Path) -> None:
    check = checked(tmp_path, good_layer(1), good_layer(2), good_layer(3))
    assert check.summary.verdict is CheckState.PASSED
    assert (check.summary.evaluated_points, check.summary.pass_rate) == (6, 100.0)
    assert check.warnings == ()


def test_an_interrupted_delivery_is_judged_on_the_layers_delivered_with_a_warning(tmp_path: Path) -> None:
    check = checked(tmp_path, good_layer(1), good_layer(2))
    assert (check.summary.evaluated_points, check.summary.passed_points) == (4, 4)
    (warning,) = check.warnings
    assert (warning.code, "after layer 2 of 3" in warning.message) == ("interrupted_delivery", True)


def test_a_layer_without_any_dose_fails_at_every_point(tmp_path: Path) -> None:
    check = checked(tmp_path, good_layer(1), off(good_layer(2)), good_layer(3))
    assert (check.summary.evaluated_points, check.summary.passed_points) == (6, 4)
    assert [layer.pass_rate for layer in check.layer_summaries] == [100.0, 0.0, 100.0]
    assert check.summary.verdict is CheckState.FAILED
    assert {warning.code for warning in check.warnings} == {"meterset_share"}


def test_a_delivery_without_any_dose_is_no_data_and_no_failure(tmp_path: Path) -> None:
    check = checked(tmp_path, *(off(good_layer(number)) for number in (1, 2, 3)))
    assert check.summary == NO_GAMMA
    assert check.summary.verdict is CheckState.NO_DATA
    assert check.layer_summaries == (NO_GAMMA,) * 3
    assert check.layers[0].samples.beam_off == 2


def test_the_points_of_the_layers_add_up_to_those_of_the_delivery(tmp_path: Path) -> None:
    check = checked(tmp_path, good_layer(1), missed_layer(2), good_layer(3))
    assert check.summary.evaluated_points == sum(layer.evaluated_points for layer in check.layer_summaries)
    assert check.summary.passed_points == sum(layer.passed_points for layer in check.layer_summaries) == 4


def test_the_log_of_another_layer_is_refused_although_its_gamma_would_pass(tmp_path: Path) -> None:
    with pytest.raises(BeamFailure, match="layer number 3, its layer is 2") as refusal:
        checked(tmp_path, good_layer(1), good_layer(3), good_layer(2))
    assert refusal.value.code == "layer_word"


def test_a_saturated_monitor_is_refused_since_the_counts_are_unknown() -> None:
    log = decoded(ptn_bytes([sample_at(0, 0, 65535), sample_at(20, 0, 65535)]), "log")
    with pytest.raises(BeamFailure) as refusal:
        checked_layer(log, layer_of(SPOTS), range_row(), G2)
    assert refusal.value.code == "dose_saturated"


def test_counts_are_in_the_base_range_whatever_range_the_layer_was_logged_with() -> None:
    log = decoded(ptn_bytes(good_layer(1)), "log")
    check = checked_layer(log, layer_of(SPOTS), range_row(dose1_range=3), G2)
    assert check.gamma.counts.tolist() == [298, 298]
    assert check.dose.counts == 596


def test_a_beam_that_is_far_out_is_judged_and_fails() -> None:
    log = decoded(ptn_bytes([Sample(x=60_000), Sample(x=60_000)]), "log")
    check = checked_layer(log, layer_of(SPOTS), range_row(), G2)
    assert summarised([check.gamma]).pass_rate == 0.0


def test_the_record_of_a_check_is_json_and_keeps_every_digit(tmp_path: Path) -> None:
    check = checked(tmp_path, good_layer(1), missed_layer(2), good_layer(3))
    record = check_record(check)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["status"] == "failed"
    assert record["pass_rate"] == 100 * 4 / 6
    assert record["gamma_max"] == check.summary.gamma_max
    assert (record["dicom_number"], record["treatment_index"], record["folder"]) == (5, 1, "2026032010000000")
    assert [layer["layer"] for layer in record["layers"]] == [1, 2, 3]
    assert record["layers"][1] == {
        "layer": 2,
        "energy_mev": 150.0,
        "evaluated_points": 2,
        "passed_points": 0,
        "pass_rate": 0.0,
        "gamma_mean": pytest.approx(2.5, abs=0.01),
        "gamma_max": pytest.approx(2.5, abs=0.01),
        "planned_share": pytest.approx(1 / 3),
        "logged_share": pytest.approx(1 / 3),
        "planned_weight": 1.0,
        "counts": 200,
        "dose1": 200.0,
        "dose2": 200.0,
        "dose1_range": 2,
        "dose2_range": 2,
        "planned_dose1_range": 2,
        "samples": {
            "beam_off": 0,
            "outside_rescan": 0,
            "without_position": 0,
            "resting": 0,
            "unsettled": 0,
            "judged": 2,
        },
    }


def test_the_record_of_no_data_has_no_numbers_where_there_are_none(tmp_path: Path) -> None:
    record = check_record(checked(tmp_path, off(good_layer(1))))
    assert (record["status"], record["pass_rate"], record["evaluated_points"]) == ("no_data", None, 0)
    assert record["layers"][0]["logged_share"] is None


@pytest.mark.parametrize("variant", [None, *Variant])
def test_every_delivery_of_a_sound_sample_passes_without_a_warning(
    tmp_path: Path, variant: Variant | None
) -> None:
    sample = SampleCase(number=1, samples=1000, variants=frozenset([variant] if variant else []))
    folder = write_case(tmp_path, sample)
    room = None if folder.parent == tmp_path else folder.parent.name
    case = judge_case(folder, folder.name, RULES, room=room, now=LATER).required_case()
    checks = [checked_delivery(joined) for joined in case.deliveries]
    assert {check.summary.verdict for check in checks} == {CheckState.PASSED}
    assert [check.warnings for check in checks] == [()] * len(checks)


def test_the_log_of_another_beam_fails_where_nothing_else_could_tell(tmp_path: Path) -> None:
    folder = write_case(tmp_path, SampleCase(number=1, samples=1000))
    room = None if folder.parent == tmp_path else folder.parent.name
    case = judge_case(folder, folder.name, RULES, room=room, now=LATER).required_case()
    one, other = (
        next(joined for joined in case.deliveries if joined.delivery.beam.dicom_number == number)
        for number in (3, 9)
    )
    swapped = replace(one, logs=(replace(one.logs[0], path=other.logs[0].path),))
    assert checked_delivery(one).summary.verdict is CheckState.PASSED
    assert checked_delivery(swapped).summary.verdict is CheckState.FAILED
