"""The elements of a planned layer: points, segments, and which of them are one."""

import numpy as np
import pytest

from assets.beams.planned_elements import planned_elements
from tests.assets.beams.planned_maps import Point, spot_map


def as_rows(points: list[Point], *, line: bool = False) -> list[tuple[tuple[float, ...], float]]:
    """Each element as (start x, start y, end x, end y), and its weight."""
    elements = planned_elements(spot_map(points, line=line))
    places = np.hstack([elements.start_mm, elements.end_mm]).tolist()
    return [(tuple(place), weight) for place, weight in zip(places, elements.weights.tolist(), strict=True)]


def test_each_standard_spot_is_a_point() -> None:
    assert as_rows([(5, 1, 2.0), (-3, 0, 1.0)]) == [((5, 1, 5, 1), 2.0), ((-3, 0, -3, 0), 1.0)]


def test_a_line_is_its_first_point_and_one_segment_per_further_point() -> None:
    assert as_rows([(0, 0, 0.0), (4, 0, 1.0), (4, 5, 2.0)], line=True) == [
        ((0, 0, 0, 0), 0.0),
        ((0, 0, 4, 0), 1.0),
        ((4, 0, 4, 5), 2.0),
    ]


def test_spots_at_one_place_are_one_element_where_the_first_stood_with_all_their_weight() -> None:
    rows = as_rows([(9, 0, 1.0), (0, 0, 0.5), (9, 0, 2.0), (-0.0, 0, 0.25)])
    assert rows == [((9, 0, 9, 0), 3.0), ((0, 0, 0, 0), 0.75)]


def test_a_segment_scanned_to_and_fro_is_one_element() -> None:
    rows = as_rows([(4, 0, 0.0), (0, 0, 1.0), (4, 0, 2.0)], line=True)
    assert rows == [((4, 0, 4, 0), 0.0), ((0, 0, 4, 0), 3.0)]


def test_upright_segments_of_either_direction_are_one_element() -> None:
    rows = as_rows([(4, 7, 0.0), (4, 2, 1.0), (4, 7, 2.0)], line=True)
    assert rows[1:] == [((4, 2, 4, 7), 3.0)]


def test_a_segment_without_a_length_is_the_point_it_stays_at() -> None:
    elements = planned_elements(spot_map([(1, 1, 0.5), (1, 1, 1.0), (3, 1, 1.0)], line=True))
    assert elements.is_point.tolist() == [True, False]
    assert elements.weights.tolist() == [1.5, 1.0]


def test_spots_that_are_merely_near_stay_apart() -> None:
    assert len(as_rows([(1.0, 0, 1.0), (1.001, 0, 1.0)])) == 2


@pytest.mark.parametrize("name", ["start_mm", "end_mm", "weights"])
def test_elements_cannot_be_changed(name: str) -> None:
    elements = planned_elements(spot_map([(0, 0, 1.0)]))
    with pytest.raises(ValueError, match="read-only"):
        getattr(elements, name)[...] = 1.0


def test_the_map_is_left_as_it_was() -> None:
    planned = spot_map([(4, 0, 0.0), (0, 0, 1.0)], line=True)
    planned_elements(planned)
    assert planned.positions_mm.tolist() == [[4, 0], [0, 0]]
