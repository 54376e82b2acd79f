"""The point gamma by the letter of its rules, sample after sample, the nearest element in fractions."""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from assets.beams.machines import MachineConstants
from assets.beams.spot_maps import MapForm, SpotMap
from tests.assets.beams.ptn_words import BEAM_ON

Place = tuple[float, float]


@dataclass
class SlowElement:
    """A planned element and what was logged of it."""

    start: Place
    end: Place
    weight: float
    samples: list[tuple[Place, int]] = field(default_factory=list)
    offset: float = 0.0
    gamma: float = 0.0
    evaluated: bool = False

    @property
    def counts(self) -> int:
        return sum(count for _, count in self.samples)


def slow_elements(planned: SpotMap) -> list[SlowElement]:
    """The elements of a map, equal ones merged."""
    places = [(float(x), float(y)) for x, y in planned.positions_mm]
    starts = places if planned.form is MapForm.SPOTS else [places[0], *places[:-1]]
    merged: dict[frozenset[Place], SlowElement] = {}
    for start, end, weight in zip(starts, places, planned.weights, strict=True):
        ends = frozenset({start, end})
        if ends in merged:
            merged[ends].weight += float(weight)
        else:
            merged[ends] = SlowElement(start, end, float(weight))
    return list(merged.values())


def square_distance(place: Place, start: Place, end: Place) -> Fraction:
    """Exactly, to a point or segment."""
    x, y = (Fraction(here) - Fraction(there) for here, there in zip(place, start, strict=True))
    way_x, way_y = (Fraction(there) - Fraction(here) for here, there in zip(start, end, strict=True))
    square = way_x**2 + way_y**2
    share = min(max((x * way_x + y * way_y) / square, Fraction(0)), Fraction(1)) if square else Fraction(0)
    return (x - share * way_x) ** 2 + (y - share * way_y) ** 2


def nearest(place: Place, elements: Sequence[SlowElement]) -> int:
    """The index of the nearest element, the lowest of several."""
    squares = [square_distance(place, element.start, element.end) for element in elements]
    return squares.index(min(squares))


def slow_gamma(planned: SpotMap, samples: Iterable[tuple[Place, int]]) -> list[SlowElement]:
    """What became of each element of a layer."""
    elements = slow_elements(planned)
    for place, count in samples:
        if count > 0:
            elements[nearest(place, elements)].samples.append((place, count))
    planned_sum = sum(element.weight for element in elements)
    logged_sum = sum(element.counts for element in elements)
    largest = max(element.weight for element in elements)
    for element in elements:
        element.offset = _offset(element)
        scaled = element.counts * planned_sum / logged_sum if logged_sum else 0.0
        error = (scaled - element.weight) / (0.05 * largest)
        element.gamma = math.sqrt((element.offset / 2.0) ** 2 + error**2)
        element.evaluated = element.weight >= 0.10 * largest * (1 - 1e-7)
    return elements


def _offset(element: SlowElement) -> float:
    if not element.samples:
        return 0.0
    if element.start == element.end:
        mean_x = sum(place[0] * count for place, count in element.samples) / element.counts
        mean_y = sum(place[1] * count for place, count in element.samples) / element.counts
        return math.dist((mean_x, mean_y), element.start)
    return (
        sum(
            math.sqrt(square_distance(place, element.start, element.end)) * count
            for place, count in element.samples
        )
        / element.counts
    )


def slow_samples(
    content: bytes, scale: float, first: Place, constants: MachineConstants
) -> list[tuple[Place, int]]:
    """The judged samples of a log, whose dose words count `scale` each."""
    records = list(struct.iter_unpack(">8H", content))
    judged = [
        (number, record)
        for number, record in enumerate(records)
        if record[7] & BEAM_ON == BEAM_ON and record[7] & 0x7F and record[0] <= 60_000
    ]
    if not judged:
        return []
    begun = judged[0][0]
    before = [_y(record, constants) for record in records[:begun] if record[7] & BEAM_ON != BEAM_ON]
    if before:
        rest = sum(before) / len(before)
        if abs(rest - constants.alignment_y) <= 5:
            while judged and abs(_y(judged[0][1], constants) - rest) <= 1:
                judged.pop(0)
    at_first = [
        math.dist((_x(record, constants), _y(record, constants)), first) <= constants.settling_threshold_mm
        for _, record in judged
    ]
    for place in range(len(judged) - constants.settling_samples + 1):
        if all(at_first[place : place + constants.settling_samples]):
            if (judged[place][0] - begun) * constants.time_gain <= 1.0:
                del judged[:place]
            break
    return [
        ((_x(record, constants), _y(record, constants)), round(record[4] * scale)) for _, record in judged
    ]


def _x(record: tuple[int, ...], constants: MachineConstants) -> float:
    return float((np.float32(record[0]) - np.float32(constants.x_offset)) * np.float32(constants.x_gain))


def _y(record: tuple[int, ...], constants: MachineConstants) -> float:
    return float((np.float32(record[1]) - np.float32(constants.y_offset)) * np.float32(constants.y_gain))
