"""The nearest element of a position, against exact fractions and against every pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.beams.nearest_elements import nearest_elements
from assets.beams.planned_elements import planned_elements
from assets.beams.spot_maps import MapForm, SpotMap
from tests.assets.beams.planned_maps import Point, spot_map
from tests.assets.beams.slow_gamma import nearest, slow_elements, square_distance

# Whole millimetres and eighths: distances that are not equal then differ by far more than rounding.
WHOLE = st.integers(-12, 12)
EIGHTH = st.integers(-120, 120).map(lambda eighths: eighths / 8)


def nearest_to(points: list[Point], x: float, y: float, *, line: bool = False) -> tuple[int, float]:
    index, distance = nearest_elements(planned_elements(spot_map(points, line=line)), np.array([[x, y]]))
    return int(index[0]), float(distance[0])


@pytest.mark.parametrize(
    ("x", "y", "element", "distance"),
    [(5.0, 3.0, 1, 3.0), (13.0, 4.0, 1, 5.0), (-3.0, 4.0, 0, 5.0), (10.0, -30.0, 1, 30.0)],
)
def test_the_distance_is_that_to_the_nearest_place_of_a_segment(
    x: float, y: float, element: int, distance: float
) -> None:
    assert nearest_to([(0, 0, 0.0), (10, 0, 1.0)], x, y, line=True) == (element, distance)


def test_ties_go_to_the_lowest_index_whichever_way_the_elements_lie() -> None:
    assert nearest_to([(2, 0, 1.0), (0, 0, 1.0), (1, 1, 1.0)], 1.0, 0.0) == (0, 1.0)
    assert nearest_to([(0, 0, 1.0), (2, 0, 1.0), (1, 1, 1.0)], 1.0, 0.0) == (0, 1.0)


def test_two_crossing_diagonals_tie_although_their_distances_are_rounded() -> None:
    crossing = [(0, 0), (3, 3), (3, 50), (0, 50), (0, 3), (3, 0)]
    found = {
        nearest_to([(x, y + shift, 1.0) for x, y in crossing], 1.5, 0.2 + shift, line=True)[0]
        for shift in np.linspace(0.0, 1.0, 50)
    }
    assert found == {1}


def test_a_segment_shares_its_end_with_the_next_and_the_first_of_them_has_it() -> None:
    assert nearest_to([(0, 0, 0.0), (0.1, 0.7, 1.0), (0.3, 0, 1.0)], 0.1, 2.0, line=True)[0] == 1


def test_no_positions_have_no_nearest_elements() -> None:
    index, distances = nearest_elements(planned_elements(spot_map([(0, 0, 1.0)])), np.empty((0, 2)))
    assert (len(index), len(distances)) == (0, 0)


@given(
    points=st.lists(st.tuples(WHOLE, WHOLE, st.just(1.0)), min_size=1, max_size=12),
    line=st.booleans(),
    places=st.lists(st.tuples(EIGHTH, EIGHTH), min_size=1, max_size=20),
)
def test_the_nearest_element_is_that_of_exact_arithmetic_ties_included(
    points: list[Point], line: bool, places: list[tuple[float, float]]
) -> None:
    planned = spot_map(points, line=line)
    slow = slow_elements(planned)
    index, distances = nearest_elements(planned_elements(planned), np.array(places))
    assert index.tolist() == [nearest(place, slow) for place in places]
    exact = [
        float(square_distance(place, slow[element].start, slow[element].end)) ** 0.5
        for place, element in zip(places, index, strict=True)
    ]
    assert distances == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("form", list(MapForm))
@pytest.mark.parametrize("spread_mm", [0.2, 20.0, 300.0])
def test_no_element_is_nearer_than_the_one_found_however_far_the_positions_spread(
    form: MapForm, spread_mm: float
) -> None:
    generator = np.random.default_rng(5)
    elements = planned_elements(
        SpotMap(form, generator.uniform(-100, 100, (300, 2)), generator.uniform(0, 1, 300))
    )
    places = np.concatenate([generator.normal(0, spread_mm, (2000, 2)), [[480.0, -900.0]]])
    index, distances = nearest_elements(elements, places)
    way = elements.end_mm - elements.start_mm
    apart = places[:, None] - elements.start_mm
    square = np.maximum((way**2).sum(axis=1), 1e-300)
    share = np.clip((apart * way).sum(axis=2) / square, 0, 1)
    every = np.linalg.norm(apart - share[..., None] * way, axis=2)
    ties = every <= every.min(axis=1, keepdims=True) + 1e-9
    assert index.tolist() == ties.argmax(axis=1).tolist()
    assert distances == pytest.approx(every.min(axis=1), abs=1e-9)
