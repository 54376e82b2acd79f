"""Where the weight of a layer goes: the spot map in force at a control point, in either of its two forms.

Attributes that a control point omits are unchanged: each is carried forward on its own. But a map that is
stated whole in one form, and not at all in the other, ends what was in force of the other.
Not here: which control points begin a layer (`layers`), decoding of the private form (`line_scan`).
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import numpy as np

from assets.beams.attributes import Item
from assets.beams.line_scan import LineScan, decoded, stated_line_scan

MOST_DISAGREEMENT_MM: Final = 0.01
# Two float32 roundings at 250 mm; without them 10.01 against 10.00 would differ by 0.010000229.
_ROUNDING_MM: Final = 2e-5


class MapForm(StrEnum):
    """What the points of a map are."""

    SPOTS = "spots"
    """A set of spots: each weight is delivered at its point."""
    LINE = "line"
    """A polyline: weight j is delivered on the way from point j-1 to point j."""


@dataclass(frozen=True, slots=True, eq=False)
class SpotMap:
    """The points of a layer and their weights; both arrays are read-only."""

    form: MapForm
    positions_mm: np.ndarray
    """float64 (n, 2): x and y at the isocentre, n at least 1."""
    weights: np.ndarray
    """float64 (n,): shares of the layer's meterset; none negative, not all 0."""


@dataclass(frozen=True, slots=True)
class MapAttributes:
    """What is stated, or still in force, of a spot map; None where nothing ever was."""

    count: int | None = None
    positions: tuple[float, ...] | None = None
    weights: tuple[float, ...] | None = None
    line: LineScan = field(default_factory=LineScan)

    @property
    def is_standard(self) -> bool:
        """Whether there is any of the standard form."""
        return not (self.count is None and self.positions is None and self.weights is None)

    def followed_by(self, stated: "MapAttributes") -> "MapAttributes":
        """What is in force after a control point which states this."""
        before = self
        if stated.positions is not None and stated.weights is not None and not stated.line.is_stated:
            before = replace(before, line=LineScan())
        if stated.line.is_whole and not stated.is_standard:
            before = MapAttributes(line=before.line)
        return MapAttributes(
            count=before.count if stated.count is None else stated.count,
            positions=before.positions if stated.positions is None else stated.positions,
            weights=before.weights if stated.weights is None else stated.weights,
            line=before.line.followed_by(stated.line),
        )


def stated_map(control_point: Item) -> MapAttributes:
    """What a control point itself says of the map.

    Raises:
        BeamFailure: `rtplan_parse_failed`.
    """
    return MapAttributes(
        count=control_point.whole_number("NumberOfScanSpotPositions"),
        positions=control_point.numbers("ScanSpotPositionMap"),
        weights=control_point.numbers("ScanSpotMetersetWeights"),
        line=stated_line_scan(control_point),
    )


def spot_map(attributes: MapAttributes, control_point: Item) -> SpotMap:
    """The map of the layer that begins at a control point, from all that is in force there.

    With both forms in force the line is taken, as the machine scans it, once the two were found to agree.

    Raises:
        BeamFailure: `map_length`, `map_conflict`, or `rtplan_parse_failed` where there is no map, or its
            numbers make none.
    """
    spots = _spots(attributes, control_point)
    line = decoded(attributes.line, control_point) if attributes.line.is_stated else None
    if spots is not None and line is not None:
        _require_agreement(spots[0], line[0], control_point)
    if line is not None:
        return _checked(MapForm.LINE, *line, control_point)
    if spots is not None:
        return _checked(MapForm.SPOTS, *spots, control_point)
    raise control_point.refused("a layer begins here and there is no spot map")


def _spots(attributes: MapAttributes, control_point: Item) -> tuple[np.ndarray, np.ndarray] | None:
    if attributes.positions is None and attributes.weights is None:
        return None
    if attributes.positions is None or attributes.weights is None:
        raise control_point.refused("it has only one of ScanSpotPositionMap and ScanSpotMetersetWeights")
    count = len(attributes.weights) if attributes.count is None else attributes.count
    if not len(attributes.positions) == 2 * count == 2 * len(attributes.weights):
        raise control_point.refused(
            f"ScanSpotPositionMap has {len(attributes.positions)} numbers and ScanSpotMetersetWeights has"
            f" {len(attributes.weights)} where {count} points need {2 * count} and {count}",
            code="map_length",
        )
    return np.array(attributes.positions).reshape(count, 2), np.array(attributes.weights)


def _require_agreement(spots: np.ndarray, line: np.ndarray, control_point: Item) -> None:
    if spots.shape != line.shape:
        problem = f"the standard map has {len(spots)} points, the line-scan map {len(line)}"
        raise control_point.refused(problem, code="map_conflict")
    apart = np.abs(spots - line).max(axis=1)
    if not apart.max() <= MOST_DISAGREEMENT_MM + _ROUNDING_MM:
        worst = int(apart.argmax())
        raise control_point.refused(
            f"point {worst + 1} of the standard map and of the line-scan map are {apart[worst]:.3f} mm apart,"
            f" more than {MOST_DISAGREEMENT_MM} mm",
            code="map_conflict",
        )


def _checked(form: MapForm, positions: np.ndarray, weights: np.ndarray, control_point: Item) -> SpotMap:
    if not (np.isfinite(positions).all() and np.isfinite(weights).all()):
        raise control_point.refused("its spot map holds a number that is not finite")
    if weights.min() < 0 or not weights.any():
        raise control_point.refused("its spot weights hold a negative one, or are all 0")
    positions.setflags(write=False)
    weights.setflags(write=False)
    return SpotMap(form, positions, weights)
