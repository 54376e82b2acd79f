"""The private form of a spot map: a polyline that the beam is moved along, in group 300B of creator `IMPAC`.

Its elements have the type UN, so what is in them is decoded here: texts in ASCII, and floats, which are
little-endian IEEE float32 whatever the file's own byte order. (0 came out as 2 mm, and positions were up to
1.8 mm off, when only two bytes of each were decoded.)

Not here: the standard form, and the agreement of the two (`spot_maps`). Not read, since nothing needs them:
(300B,1090), (300B,109A) and the spot size (300B,1098).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from assets.beams.attributes import PARSING_ERRORS, Item

_GROUP: Final = 0x300B
_CREATOR: Final = "IMPAC"
_POINTS: Final = 0x92
_POSITIONS: Final = 0x94
_WEIGHTS: Final = 0x96
_FLOAT: Final = np.dtype("<f4")


@dataclass(frozen=True, slots=True)
class LineScan:
    """What a control point says of its line-scan map; None where it says nothing."""

    points: bytes | None = None
    """The number of points, in ASCII."""
    positions: bytes | None = None
    """x0, y0, x1, y1, ... in mm, 4 bytes each."""
    weights: bytes | None = None
    """One for each point, 4 bytes each; that of the first point is often 0."""

    @property
    def is_stated(self) -> bool:
        """Whether there is any of it."""
        return not (self.points is None and self.positions is None and self.weights is None)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing."""
        return not (self.points is None or self.positions is None or self.weights is None)

    def followed_by(self, stated: "LineScan") -> "LineScan":
        """What is in force after a control point which states this."""
        return LineScan(
            points=self.points if stated.points is None else stated.points,
            positions=self.positions if stated.positions is None else stated.positions,
            weights=self.weights if stated.weights is None else stated.weights,
        )


def stated_line_scan(control_point: Item) -> LineScan:
    """The private elements of a control point, undecoded."""
    return LineScan(*(_element(control_point, offset) for offset in (_POINTS, _POSITIONS, _WEIGHTS)))


def decoded(scan: LineScan, control_point: Item) -> tuple[np.ndarray, np.ndarray]:
    """The points (n, 2) in mm and their n weights, float64, of a map of which something is stated.

    Raises:
        BeamFailure: `map_length`, where the lengths do not fit the number of points; `rtplan_parse_failed`,
            where a part is missing or the number of points is none.
    """
    if scan.points is None or scan.positions is None or scan.weights is None:
        raise control_point.refused("its line-scan map lacks one of (300B,1092), (300B,1094), (300B,1096)")
    count = _count(scan.points, control_point)
    for element, held, per_point in ((_POSITIONS, scan.positions, 8), (_WEIGHTS, scan.weights, 4)):
        if len(held) != per_point * count:
            raise control_point.refused(
                f"(300B,10{element:02X}) has {len(held)} bytes where {count} points need {per_point * count}",
                code="map_length",
            )
    positions = np.frombuffer(scan.positions, _FLOAT).astype(np.float64).reshape(count, 2)
    return positions, np.frombuffer(scan.weights, _FLOAT).astype(np.float64)


def _count(text: bytes, control_point: Item) -> int:
    digits = text.strip(b" \0")
    if not (digits.isdigit() and 1 <= int(digits) <= 10**6):
        raise control_point.refused(f"(300B,1092) {text!r:.40} is no number of points")
    return int(digits)


def _element(control_point: Item, offset: int) -> bytes | None:
    """The bytes of a private element as they stand in the file, None where it is absent or empty."""
    try:
        block = control_point.dataset.private_block(_GROUP, _CREATOR)
        element = control_point.dataset.get_item(block.get_tag(offset))
    except KeyError:
        return None
    except PARSING_ERRORS as error:
        raise control_point.refused(f"its group 300B cannot be read ({error})") from None
    value = None if element is None else element.value
    if value is not None and not isinstance(value, bytes):
        raise control_point.refused(f"(300B,10{offset:02X}) is no plain value")
    return value or None
