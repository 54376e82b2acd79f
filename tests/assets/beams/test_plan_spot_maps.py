"""Spot maps: the standard form, the private line-scan form with its floats, and the two together."""

import struct
from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from assets.beams.failures import BeamFailure
from assets.beams.spot_maps import SpotMap
from tests.assets.beams.written_plans import (
    CREATOR,
    GROUP,
    beam,
    data_set,
    plan_as_read,
    set_line_map,
    set_standard_map,
)

Points = Sequence[tuple[float, float, float]]
POINTS: Points = ((0.0, 0.0, 0.0), (5.25, -1.5, 2.0), (5.25, 3.0, 1.0))

float32s = st.floats(-1000, 1000, width=32)
weights = st.floats(0, 1000, width=32)
point_lists = st.lists(st.tuples(float32s, float32s, weights), min_size=1, max_size=30).filter(
    lambda points: any(weight > 0 for _, _, weight in points)
)


def one_layer(change: Callable[[Dataset], object]) -> list[Dataset]:
    """The control points of a layer of 150 MeV whose map is as `change` makes it."""
    first = data_set(ControlPointIndex=0, CumulativeMetersetWeight=0.0, NominalBeamEnergy=150.0)
    change(first)
    return [first, data_set(ControlPointIndex=1, CumulativeMetersetWeight=1.0)]


def map_of(points: list[Dataset], syntax: UID = ExplicitVRLittleEndian) -> SpotMap:
    return plan_as_read(beam(5, "F2", points), syntax=syntax).treatment_beams[0].layers[0].spots


def refusal_of(points: list[Dataset]) -> BeamFailure:
    with pytest.raises(BeamFailure) as refusal:
        map_of(points)
    return refusal.value


def line_map(points: Points = POINTS, elements: Mapping[str, bytes | None] | None = None) -> list[Dataset]:
    """A line-scan map whose elements, `x92` for (300B,1092), are replaced by these bytes or left out."""

    def change(point: Dataset) -> None:
        set_line_map(point, points)
        block = point.private_block(GROUP, CREATOR)
        for name, value in (elements or {}).items():
            offset = int(name[1:], 16)
            del block[offset]
            if value is not None:
                block.add_new(offset, "UN", value)

    return one_layer(change)


def both_maps(standard: Points, line: Points) -> list[Dataset]:
    def change(point: Dataset) -> None:
        set_standard_map(point, standard)
        set_line_map(point, line)

    return one_layer(change)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
@given(points=point_lists)
def test_a_line_map_reads_back_to_the_last_bit_whatever_the_byte_order_of_the_file(
    syntax: UID, points: Points
) -> None:
    spots = map_of(line_map(points), syntax)
    assert spots.form == "line"
    assert spots.positions_mm.tolist() == [[x, y] for x, y, _ in points]
    assert spots.weights.tolist() == [weight for _, _, weight in points]


@given(points=point_lists)
def test_a_standard_map_reads_back_to_the_last_bit(points: Points) -> None:
    spots = map_of(one_layer(lambda point: set_standard_map(point, points)))
    assert spots.form == "spots"
    assert spots.positions_mm.tolist() == [[x, y] for x, y, _ in points]
    assert spots.weights.tolist() == [weight for _, _, weight in points]


def test_a_position_is_all_four_bytes_of_its_float_and_zero_is_zero() -> None:
    points = ((0.0, 0.0, 0.0), (1.8, -0.1, 1.0))
    spots = map_of(line_map(points, {"x94": bytes.fromhex("00000000 00000000 6666e63f cdccccbd")}))
    assert spots.positions_mm[0].tolist() == [0.0, 0.0]
    assert spots.positions_mm[1].tolist() == pytest.approx([1.8, -0.1], abs=1e-7)


@pytest.mark.parametrize(("text", "count"), [(b"3 ", 3), (b" 3", 3), (b"3\0", 3), (b"0003", 3)])
def test_the_number_of_points_is_a_padded_text(text: bytes, count: int) -> None:
    assert len(map_of(line_map(elements={"x92": text})).weights) == count


def test_arrays_of_a_map_cannot_be_changed() -> None:
    for points in (line_map(), one_layer(lambda point: set_standard_map(point, POINTS))):
        spots = map_of(points)
        with pytest.raises(ValueError, match="read-only"):
            spots.weights[0] = 9
        with pytest.raises(ValueError, match="read-only"):
            spots.positions_mm[0, 0] = 9


FLOATS = struct.pack("<6f", *range(6))


@pytest.mark.parametrize(
    ("elements", "rule"),
    [
        ({"x92": b"4 "}, "(300B,1094) has 24 bytes where 4 points need 32"),
        ({"x92": b"2 "}, "(300B,1094) has 24 bytes where 2 points need 16"),
        ({"x94": FLOATS[:-4]}, "(300B,1094) has 20 bytes where 3 points need 24"),
        ({"x94": FLOATS[:-2]}, "(300B,1094) has 22 bytes where 3 points need 24"),
        ({"x96": FLOATS[:16]}, "(300B,1096) has 16 bytes where 3 points need 12"),
        ({"x94": FLOATS + FLOATS}, "(300B,1094) has 48 bytes where 3 points need 24"),
    ],
)
def test_lengths_that_do_not_fit_the_number_of_points_are_refused(
    elements: dict[str, bytes], rule: str
) -> None:
    failure = refusal_of(line_map(elements=elements))
    assert failure.code == "map_length"
    assert failure.message == (
        f"'plan.dcm', item 1 (BeamNumber 5), control point 1: {rule}; export the plan again from the planning"
        " system."
    )


@pytest.mark.parametrize(
    ("positions", "weights", "count"),
    [
        ([0.0, 1.0, 2.0], [1.0, 1.0], None),
        ([0.0, 1.0], [1.0, 1.0], None),
        ([0.0, 1.0], 1.0, 2),
        (7.0, 1.0, 1),
    ],
)
def test_a_standard_map_of_unlike_lengths_is_refused(
    positions: object, weights: object, count: object
) -> None:
    attributes = {
        "ScanSpotPositionMap": positions,
        "ScanSpotMetersetWeights": weights,
        "NumberOfScanSpotPositions": count,
    }
    failure = refusal_of(one_layer(lambda point: point.update(data_set(**attributes))))
    assert failure.code == "map_length"


def floats(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


@pytest.mark.parametrize(
    ("elements", "rule"),
    [
        ({"x92": None}, "lacks one of (300B,1092), (300B,1094), (300B,1096)"),
        ({"x94": None}, "lacks one of"),
        ({"x96": None}, "lacks one of"),
        ({"x92": b"3.0 "}, "(300B,1092) b'3.0 ' is no number of points"),
        ({"x92": b"0 "}, "is no number of points"),
        ({"x92": b"-3"}, "is no number of points"),
        ({"x94": floats(0, 0, 1, float("nan"), 0, 0)}, "a number that is not finite"),
        ({"x96": floats(0, float("inf"), 1)}, "a number that is not finite"),
        ({"x96": floats(0, -1, 2)}, "hold a negative one"),
        ({"x96": floats(0, 0, 0)}, "are all 0"),
    ],
)
def test_a_line_map_that_makes_no_map_is_refused(elements: dict[str, bytes | None], rule: str) -> None:
    failure = refusal_of(line_map(elements=elements))
    assert failure.code == "rtplan_parse_failed"
    assert rule in failure.message


def test_elements_of_another_creator_are_not_read() -> None:
    points = one_layer(lambda point: set_line_map(point, POINTS, creator="OTHER"))
    assert "there is no spot map" in refusal_of(points).message
    set_standard_map(points[0], POINTS)
    assert map_of(points).form == "spots"


def test_elements_without_any_creator_are_not_read() -> None:
    points = line_map()
    del points[0][GROUP, 0x0010]
    assert "there is no spot map" in refusal_of(points).message


def test_a_creator_of_unknown_type_is_still_the_creator() -> None:
    points = line_map()
    del points[0][GROUP, 0x0010]
    points[0].add_new((GROUP, 0x0010), "UN", b"IMPAC ")
    assert map_of(points).form == "line"


@pytest.mark.parametrize("off", [0.0, 0.009, 0.01])
@pytest.mark.parametrize("at", [0.0, 10.0, 240.0])
def test_two_forms_that_agree_within_a_hundredth_of_a_millimetre_make_a_line(at: float, off: float) -> None:
    standard = [(at, -at, 1.0), (at + 1, at, 2.0)]
    line = [(at, -at - off, 0.0), (at + 1 + off, at, 3.0)]
    spots = map_of(both_maps(standard, line))
    assert (spots.form, spots.weights.tolist()) == ("line", [0.0, 3.0])


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (
            [(0.0, 0.0, 1.0), (5.0, 0.011, 1.0)],
            "point 2 of the standard map and of the line-scan map are 0.011",
        ),
        ([(5.0, 0.0, 1.0), (0.0, 0.0, 1.0)], "are 5.000 mm apart, more than 0.01 mm"),
        ([(0.0, 0.0, 1.0)], "the standard map has 2 points, the line-scan map 1"),
        ([(0.0, 0.0, 1.0), (float("nan"), 0.0, 1.0)], "more than 0.01 mm"),
    ],
)
def test_two_forms_that_disagree_are_refused(line: Points, rule: str) -> None:
    failure = refusal_of(both_maps([(0.0, 0.0, 1.0), (5.0, 0.0, 1.0)], line))
    assert failure.code == "map_conflict"
    assert rule in failure.message


def two_layers(change_second: Callable[[Dataset], object]) -> list[Dataset]:
    points = one_layer(lambda point: set_line_map(point, POINTS))
    second = data_set(ControlPointIndex=2, CumulativeMetersetWeight=1.0)
    change_second(second)
    return [*points, second, data_set(ControlPointIndex=3, CumulativeMetersetWeight=2.0)]


def test_a_map_stated_whole_in_one_form_ends_the_other() -> None:
    spots = [(9.0, 9.0, 1.0)]
    layers = (
        plan_as_read(beam(5, "F2", two_layers(lambda point: set_standard_map(point, spots))))
        .treatment_beams[0]
        .layers
    )
    assert [(layer.spots.form, len(layer.spots.weights)) for layer in layers] == [("line", 3), ("spots", 1)]


def test_weights_of_one_form_do_not_end_the_other() -> None:
    points = two_layers(lambda point: point.update(data_set(ScanSpotMetersetWeights=[1.0])))
    assert "only one of ScanSpotPositionMap and ScanSpotMetersetWeights" in refusal_of(points).message


def test_positions_of_one_form_alone_do_not_end_the_other_but_must_agree_with_it() -> None:
    points = two_layers(
        lambda point: point.update(data_set(ScanSpotPositionMap=[0.0, 0.0, 5.25, -1.5, 9.0, 9.0]))
    )
    set_standard_map(points[0], POINTS)
    failure = refusal_of(points)
    assert failure.code == "map_conflict"
    assert "control point 3: point 3 of the standard map" in failure.message


def test_a_line_map_that_is_omitted_or_stated_in_part_is_carried_forward() -> None:
    def restate_weights(point: Dataset) -> None:
        block = point.private_block(GROUP, CREATOR, create=True)
        block.add_new(0x96, "UN", floats(0, 5, 6))

    for change, weights in ((lambda _: None, [0.0, 2.0, 1.0]), (restate_weights, [0.0, 5.0, 6.0])):
        layer = plan_as_read(beam(5, "F2", two_layers(change))).treatment_beams[0].layers[1]
        assert layer.spots.positions_mm.tolist() == [[x, y] for x, y, _ in POINTS]
        assert layer.spots.weights.tolist() == weights
