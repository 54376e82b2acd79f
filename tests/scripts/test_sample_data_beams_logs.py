"""Machine logs of the beams samples, read with struct: what the plan says, seen through the machine."""

import struct
from itertools import groupby
from typing import Any

import numpy as np
import pytest

from assets.beams.machines import MachineConstants, machine
from scripts.sample_data.beams_case import Delivery, Draft, SampleCase, sound_draft
from scripts.sample_data.beams_corruptions import corrupted, draft_of
from scripts.sample_data.beams_fields import PlannedLayer, Variant

FORMS = [
    frozenset[Variant](),
    frozenset({Variant.LINE_MAPS}),
    frozenset({Variant.ONE_SPOT}),
    frozenset({Variant.ONE_SPOT, Variant.LINE_MAPS}),
    frozenset({Variant.G1_BLOCK, Variant.REPAINT}),
]
ON = 0xC000


def samples_of(content: bytes) -> list[tuple[int, ...]]:
    """The eight words of every sample."""
    return list(struct.iter_unpack(">8H", content))


def column(samples: list[tuple[int, ...]], place: int) -> np.ndarray:
    return np.array([sample[place] for sample in samples], dtype=np.float64)


def decoded(samples: list[tuple[int, ...]], constants: MachineConstants) -> np.ndarray:
    """(samples, 2): x and y in mm."""
    x = (column(samples, 0) - constants.x_offset) * constants.x_gain
    y = (column(samples, 1) - constants.y_offset) * constants.y_gain
    return np.column_stack([x, y])


def counts_of(samples: list[tuple[int, ...]], row: dict[str, str], constants: MachineConstants) -> np.ndarray:
    """Counts of the base range."""
    full = constants.range_full_scale_na
    scale = full[int(row["DOSE1_RANGE"])] / full[constants.base_range_code]
    return np.rint(column(samples, 4) * scale)


def is_on(samples: list[tuple[int, ...]]) -> np.ndarray:
    return np.array([sample[7] & ON == ON for sample in samples])


def layers_of(delivery: Delivery) -> list[tuple[PlannedLayer, dict[str, str], list[tuple[int, ...]]]]:
    """Every layer delivered, with its row of PlanRange and its samples."""
    logs = {name.casefold(): content for name, content in delivery.logs.items()}
    return [
        (layer, row, samples_of(logs[row["SCAN_OUT_FL_NM"].casefold()]))
        for layer, row in zip(delivery.beam.layers, delivery.rows, strict=True)
    ]


def constants_of(draft: Draft) -> MachineConstants:
    return machine(draft.case.gantry).blocks[0].constants


def settled(samples: list[tuple[int, ...]], layer: PlannedLayer, constants: MachineConstants) -> np.ndarray:
    """The indices of the beam-on samples that are left when those of settling are dropped."""
    on, places = np.flatnonzero(is_on(samples)), decoded(samples, constants)
    rest = places[: on[0], 1].mean()
    kept = 0
    if abs(rest - constants.alignment_y) <= 5:
        while abs(places[on[kept], 1] - rest) <= 1:
            kept += 1
    near = np.hypot(*(places[on[kept:]] - layer.points_mm[0]).T) <= constants.settling_threshold_mm
    length = constants.settling_samples
    runs = (begin for begin in range(len(near) - length) if near[begin : begin + length].all())
    first = next(runs, None)
    if first is not None and (kept + first) * constants.time_gain <= 1.0:
        kept += first
    return on[kept:]


def distances(places: np.ndarray, layer: PlannedLayer) -> np.ndarray:
    """(samples, elements): from each sample to each point, or to each segment of a polyline."""
    points = layer.points_mm
    if not layer.line or len(points) == 1:
        return np.hypot(*(places[:, None] - points).transpose(2, 0, 1))
    starts, ways = points[:-1], np.diff(points, axis=0)
    along = (((places[:, None] - starts) * ways).sum(axis=2) / (ways**2).sum(axis=1)).clip(0, 1)
    to_segments = np.hypot(*(places[:, None] - (starts + along[:, :, None] * ways)).transpose(2, 0, 1))
    return np.column_stack([np.hypot(*(places - points[0]).T), to_segments])


def passed_and_evaluated(
    layer: PlannedLayer, row: dict[str, str], samples: list[tuple[int, ...]], constants: MachineConstants
) -> tuple[int, int]:
    """The point gamma of one layer, element by element."""
    counts = counts_of(samples, row, constants)
    kept = [sample for sample in settled(samples, layer, constants) if counts[sample] > 0]
    counts, places = counts[kept], decoded(samples, constants)[kept]
    nearest_of = distances(places, layer)
    nearest, weights = nearest_of.argmin(axis=1), layer.weights
    passed = evaluated = 0
    for element, weight in enumerate(weights):
        mine = nearest == element
        delivered = counts[mine].sum()
        off = 0.0
        if mine.any() and layer.line and element:
            off = float(np.average(nearest_of[mine, element], weights=counts[mine]))
        elif mine.any():
            mean = np.average(places[mine], axis=0, weights=counts[mine])
            off = float(np.hypot(*(mean - layer.points_mm[element])))
        missed = delivered * weights.sum() / counts.sum() - weight
        gamma = np.hypot(off / 2, missed / (0.05 * weights.max()))
        if weight >= 0.1 * weights.max():
            evaluated += 1
            passed += bool(gamma <= 1 + 1e-9)
    return passed, evaluated


def pass_rate(delivery: Delivery, constants: MachineConstants) -> float:
    results = [passed_and_evaluated(*layer, constants) for layer in layers_of(delivery)]
    return 100 * sum(passed for passed, _ in results) / sum(evaluated for _, evaluated in results)


@pytest.fixture(params=FORMS, ids=lambda form: "+".join(sorted(form)) or "plain")
def draft(request: Any) -> Draft:
    return sound_draft(SampleCase(variants=request.param))


def test_every_log_has_the_samples_asked_for_and_carries_its_layer_below_other_bits(draft: Draft):
    for delivery in draft.deliveries:
        for number, (_, _, samples) in enumerate(layers_of(delivery), start=1):
            assert len(samples) == 400
            assert {sample[6] & 0xFF for sample in samples} == {number}
            assert all(sample[6] > 0xFF for sample in samples)
            assert {sample[7] & 0x7F for sample in samples} == {1}


def test_the_beam_is_off_at_both_ends_and_once_in_between_where_it_was_planned(draft: Draft):
    for delivery in draft.deliveries:
        for _, _, samples in layers_of(delivery):
            states = [state & ON for state, _ in groupby(sample[7] for sample in samples)]
            assert states == [0, ON, 0x8000, ON, 0]
            assert all(sample[4] == sample[5] == 0 for sample in samples if sample[7] & ON != ON)


def test_decoded_positions_follow_the_plan_once_the_beam_has_settled(draft: Draft):
    constants = constants_of(draft)
    for delivery in draft.deliveries:
        for layer, _, samples in layers_of(delivery):
            places = decoded(samples, constants)[settled(samples, layer, constants)]
            assert distances(places, layer).min(axis=1).max() < 0.5


def test_settling_is_there_to_be_dropped_and_ends_within_a_millisecond(draft: Draft):
    constants = constants_of(draft)
    resting = 4 if draft.case.gantry == 2 else 0
    for delivery in draft.deliveries:
        for layer, _, samples in layers_of(delivery):
            on = np.flatnonzero(is_on(samples))
            kept = settled(samples, layer, constants)
            y = decoded(samples, constants)[:, 1]
            assert kept[0] - on[0] == resting + 6
            assert np.abs(y[on[:resting]] - constants.alignment_y).max(initial=0) < 1
            assert np.abs(y[: on[0]] - constants.alignment_y).max() < 1


def test_no_beam_on_sample_is_saturated_or_outside_the_field(draft: Draft):
    constants = constants_of(draft)
    for delivery in draft.deliveries:
        for _, _, samples in layers_of(delivery):
            on = is_on(samples)
            assert np.abs(decoded(samples, constants)[on]).max() < 250
            assert column(samples, 4)[on].max() < 65535
            assert column(samples, 0)[on].max() <= 60000


def test_layers_share_the_counts_of_a_beam_as_planned_although_their_ranges_differ(draft: Draft):
    constants = constants_of(draft)
    for delivery in draft.deliveries:
        layers = layers_of(delivery)
        counts = np.array([counts_of(samples, row, constants).sum() for _, row, samples in layers])
        planned = np.array([layer.weight for layer, _, _ in layers])
        assert counts / counts.sum() == pytest.approx(planned / planned.sum(), rel=0.01)
        for _, _, samples in layers:
            assert column(samples, 5).sum() == pytest.approx(column(samples, 4).sum() * 1.01, rel=0.005)
    assert {row["DOSE1_RANGE"] for delivery in draft.deliveries for row in delivery.rows} == {"2", "3"}


def test_a_sound_delivery_passes_at_every_point(draft: Draft):
    rates = [pass_rate(delivery, constants_of(draft)) for delivery in draft.deliveries]
    assert rates == [100.0] * len(rates)


def test_beams_lie_at_their_own_places_in_x_so_that_a_swap_shows(draft: Draft):
    constants = constants_of(draft)
    means = {}
    for delivery in draft.deliveries:
        for _, _, samples in layers_of(delivery):
            means[delivery.beam.dicom_number] = decoded(samples, constants)[is_on(samples), 0].mean()
    assert means == {
        5: pytest.approx(-30, abs=5),
        3: pytest.approx(0, abs=5),
        9: pytest.approx(30, abs=5),
    }


def test_two_fractions_have_other_noise():
    first, second = (
        next(d for d in sound_draft(SampleCase()).deliveries if (d.fraction, d.beam.name) == (fraction, "F3"))
        for fraction in (1, 2)
    )
    assert [*first.logs.values()] != [*second.logs.values()]


@pytest.mark.parametrize("variants", [frozenset[Variant](), frozenset({Variant.LINE_MAPS})])
@pytest.mark.parametrize("samples", [400, 12_000])
@pytest.mark.parametrize(("code", "least", "most"), [("gamma_conditional", 80, 95), ("gamma_failed", 0, 80)])
def test_a_shifted_delivery_is_judged_as_its_switch_says(
    variants: frozenset[Variant], samples: int, code: str, least: float, most: float
):
    draft = draft_of(corrupted(SampleCase(samples=samples, variants=variants), code))
    rates = [pass_rate(delivery, constants_of(draft)) for delivery in draft.deliveries]
    assert rates[:-1] == [100.0] * (len(rates) - 1)
    assert least <= rates[-1] < most


def test_a_realistic_log_has_seventy_thousand_samples_and_passes():
    draft = sound_draft(SampleCase(samples=70_000, fractions=1))
    first = draft.deliveries[0]
    assert [len(content) for content in first.logs.values()] == [70_000 * 16]
    assert pass_rate(first, constants_of(draft)) == 100.0
