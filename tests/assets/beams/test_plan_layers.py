"""Which layers a beam has: both encodings, repaints, omitted attributes, and what is refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from assets.beams.failures import BeamFailure
from assets.beams.layers import Layer
from tests.assets.beams.written_plans import PlannedLayer, beam, control_points, data_set, plan_as_read

REPAINTED = [
    PlannedLayer(150.0),
    PlannedLayer(150.0),
    PlannedLayer(140.0, ((1.0, 2.0, 3.0),)),
    PlannedLayer(150.0),
]


def layers_of(points: Sequence[Dataset]) -> tuple[Layer, ...]:
    return plan_as_read(beam(5, "F2", points)).treatment_beams[0].layers


def refusal_of(points: Sequence[Dataset]) -> BeamFailure:
    with pytest.raises(BeamFailure) as refusal:
        layers_of(points)
    return refusal.value


@pytest.mark.parametrize("per_layer", [1, 2])
@pytest.mark.parametrize("omit_unchanged", [False, True])
def test_layers_of_equal_energy_stay_layers_of_their_own(per_layer: int, omit_unchanged: bool) -> None:
    layers = layers_of(control_points(REPAINTED, per_layer=per_layer, omit_unchanged=omit_unchanged))
    assert [(layer.number, layer.energy_mev, layer.meterset_weight) for layer in layers] == [
        (1, 150.0, 2.0),
        (2, 150.0, 2.0),
        (3, 140.0, 3.0),
        (4, 150.0, 2.0),
    ]
    assert [len(layer.spots.weights) for layer in layers] == [2, 2, 1, 2]


def test_a_layer_of_one_spot_is_kept() -> None:
    layer = layers_of(control_points([PlannedLayer(150.0, ((1.0, -2.0, 3.0),))]))[0]
    assert layer.spots.positions_mm.tolist() == [[1.0, -2.0]]
    assert layer.spots.weights.tolist() == [3.0]


weights = st.integers(1, 1000).map(lambda number: number / 8)
layer_lists = st.lists(
    st.builds(
        PlannedLayer,
        st.sampled_from([70.0, 150.0, 150.25, 230.0]),
        st.lists(
            st.tuples(st.integers(-2000, 2000).map(lambda n: n / 8), st.just(0.5), weights),
            min_size=1,
            max_size=4,
        ).map(tuple),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(layer_lists, st.sampled_from([1, 2]), st.booleans())
def test_every_planned_layer_is_read_in_order_in_every_encoding(
    planned: list[PlannedLayer], per_layer: int, omit_unchanged: bool
) -> None:
    if omit_unchanged:  # then a change of form alone is no change
        planned = [PlannedLayer(layer.energy, layer.points) for layer in planned]
    layers = layers_of(control_points(planned, per_layer=per_layer, omit_unchanged=omit_unchanged))
    assert [layer.number for layer in layers] == list(range(1, len(planned) + 1))
    for layer, plan in zip(layers, planned, strict=True):
        assert layer.energy_mev == plan.energy
        assert layer.meterset_weight == pytest.approx(plan.weight)
        assert layer.spots.form == ("line" if plan.line else "spots")
        assert layer.spots.positions_mm.tolist() == [[x, y] for x, y, _ in plan.points]
        assert layer.spots.weights.tolist() == [weight for _, _, weight in plan.points]
    total = sum(plan.weight for plan in planned)
    assert [layer.mu for layer in layers] == pytest.approx([100 * plan.weight / total for plan in planned])


def test_what_a_layer_omits_is_that_of_the_last_control_point_that_states_it() -> None:
    points = control_points([PlannedLayer(150.0), PlannedLayer(150.0)])
    points[1].NominalBeamEnergy = 149.0  # stated by the point that closes the first layer
    del points[2].NominalBeamEnergy
    assert [layer.energy_mev for layer in layers_of(points)] == [150.0, 149.0]


def test_weights_alone_may_change() -> None:
    points = control_points([PlannedLayer(150.0), PlannedLayer(150.0)])
    del points[2].ScanSpotPositionMap
    points[2].ScanSpotMetersetWeights = [0.5, 1.5]
    layers = layers_of(points)
    assert layers[1].spots.positions_mm.tolist() == layers[0].spots.positions_mm.tolist()
    assert [layer.spots.weights.tolist() for layer in layers] == [[1.0, 1.0], [0.5, 1.5]]


def with_change(place: int, **attributes: object) -> list[Dataset]:
    points = control_points([PlannedLayer(150.0), PlannedLayer(140.0)])
    points[place].update(data_set(**attributes))
    return points


def without(place: int, *keywords: str) -> list[Dataset]:
    points = control_points([PlannedLayer(150.0), PlannedLayer(140.0)])
    for keyword in keywords:
        del points[place][keyword]
    return points


@pytest.mark.parametrize(
    ("points", "where", "rule"),
    [
        (
            without(0, "NominalBeamEnergy"),
            "control point 1",
            "a layer begins here and there is no NominalBea",
        ),
        (with_change(0, NominalBeamEnergy="0"), "control point 1", "NominalBeamEnergy 0 is not above 0"),
        (with_change(2, NominalBeamEnergy=b"hot "), "control point 3", "NominalBeamEnergy"),
        (with_change(2, CumulativeMetersetWeight=1.5), "control point 3", "falls from 2 to 1.5"),
        (without(1, "CumulativeMetersetWeight"), "control point 2", "it has no CumulativeMetersetWeight"),
        (with_change(2, CumulativeMetersetWeight="nan"), "control point 3", "is not finite"),
        (with_change(2, ControlPointIndex=1), "control point 3", "ControlPointIndex 1 follows 1"),
        (
            without(0, "ScanSpotPositionMap", "ScanSpotMetersetWeights"),
            "control point 1",
            "there is no spot map",
        ),
        (
            without(0, "ScanSpotMetersetWeights"),
            "control point 1",
            "only one of ScanSpotPositionMap and Scan",
        ),
    ],
)
def test_control_points_that_make_no_layer_are_refused_and_named(
    points: list[Dataset], where: str, rule: str
) -> None:
    failure = refusal_of(points)
    assert failure.code == "rtplan_parse_failed"
    assert failure.message.startswith(f"'plan.dcm', item 1 (BeamNumber 5), {where}: ")
    assert rule in failure.message
    assert failure.message.endswith("; export the plan again from the planning system.")


@pytest.mark.parametrize("points", [[], control_points([PlannedLayer(150.0)])[:1]], ids=["none", "one"])
def test_a_treatment_beam_that_delivers_nothing_is_refused(points: list[Dataset]) -> None:
    item = beam(5, "F2", points, FinalCumulativeMetersetWeight=1.0)
    with pytest.raises(BeamFailure, match=r"item 1 \(BeamNumber 5\): a treatment beam without a layer"):
        plan_as_read(item)


def test_indices_may_be_missing_or_begin_anywhere() -> None:
    points = control_points(REPAINTED)
    for place, point in enumerate(points):
        point.ControlPointIndex = place + 7
    del points[3].ControlPointIndex
    assert len(layers_of(points)) == 4
