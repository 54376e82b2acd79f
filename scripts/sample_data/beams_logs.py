"""The machine's log of one layer in the beams samples: what the words would be had the plan been delivered.

A log begins and ends with the beam off. Between them the beam comes on while y still rests at the alignment
position, is steered to the first point, waits there, follows the plan, and stops once in the middle, planned
but not delivered, as an interlock does. Words are the inverse of the conversion that the contract gives.

Not here: files and their names (`beams_case`), and logs that are wrong (`beams_corruptions`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.machines import MachineConstants
from scripts.sample_data.beams_fields import PlannedLayer, Reals

Words = NDArray[np.uint16]
"""(samples, 8): x, y, x size, y size, dose 1, dose 2, layer, state."""

X, Y, X_SIZE, Y_SIZE, DOSE_1, DOSE_2, LAYER, STATE = range(8)
"""The columns of `Words`."""

SAMPLE_BYTES: Final = 16

BEAM_ON: Final = 0xC001
"""Planned and actual, first rescan."""
BEAM_OFF: Final = 0x0001
BEAM_INTERRUPTED: Final = 0x8001
"""Planned, not actual."""

FEWEST_SAMPLES: Final = 200
"""A shorter log would be over before the centisecond that folder names count."""

RANGE_CODES: Final = (2, 3)
"""Monitor ranges that layers are logged with, in turn; the first is the base range."""

_FARTHEST_MM: Final = 250.0
_RESTING: Final = 4
_STEERED: Final = 6
_WAITING: Final = 12
# Three of them stay below half the way between two samples of a small log, so that none changes sides.
_NOISE_MM: Final = 0.03
_COUNTS_PER_SAMPLE: Final = 250
"""Of the base range, where a layer has the mean weight of its beam; a word holds up to 65,535."""
_SECOND_MONITOR: Final = 1.01
# The machine's own marks in the upper byte of the layer word; only the lower one is the layer.
_UPPER_BYTE: Final = 0x4000


def layer_log(
    layer: PlannedLayer,
    number: int,
    counts: int,
    range_code: int,
    samples: int,
    constants: MachineConstants,
    generator: np.random.Generator,
) -> Words:
    """The log of a layer.

    Args:
        layer: what was planned.
        number: its place in the beam, from 1.
        counts: monitor counts of the layer in the base range.
        range_code: the monitor range it is logged with.
        samples: how many samples the log has, beam-off ones included; at least `FEWEST_SAMPLES`.
        constants: of the machine that logs.
        generator: what the noise is drawn from.
    """
    off = samples // 20
    settling = _settling(layer.points_mm[0], constants)
    scanned = samples - 3 * off - len(settling)
    positions, share = _scan(layer, scanned)
    doses = _whole_numbers(
        share,
        counts
        * constants.range_full_scale_na[constants.base_range_code]
        / constants.range_full_scale_na[range_code]
        * constants.count_divisor,
    )
    middle = scanned // 2
    rest = np.array([layer.points_mm[0, 0], constants.alignment_y])
    # One part after the other: where the beam is, the dose of its samples, and its state.
    parts = [
        (np.tile(rest, (off, 1)), np.zeros(off), BEAM_OFF),
        (settling, _settling_doses(len(settling), int(doses.mean())), BEAM_ON),
        (positions[:middle], doses[:middle], BEAM_ON),
        (np.tile(positions[middle], (off, 1)), np.zeros(off), BEAM_INTERRUPTED),
        (positions[middle:], doses[middle:], BEAM_ON),
        (np.tile(positions[-1], (off, 1)), np.zeros(off), BEAM_OFF),
    ]
    places = np.concatenate([place for place, _, _ in parts])
    places = places + generator.normal(0.0, _NOISE_MM, places.shape).clip(-3 * _NOISE_MM, 3 * _NOISE_MM)
    words = np.empty((samples, 8), np.uint16)
    words[:, X] = position_word(places[:, 0], constants.x_offset, constants.x_gain)
    words[:, Y] = position_word(places[:, 1], constants.y_offset, constants.y_gain)
    words[:, X_SIZE : Y_SIZE + 1] = generator.integers(600, 640, (samples, 2))
    words[:, DOSE_1] = np.concatenate([dose for _, dose, _ in parts])
    words[:, DOSE_2] = np.rint(words[:, DOSE_1] * _SECOND_MONITOR)
    words[:, LAYER] = _UPPER_BYTE | number % 256
    words[:, STATE] = np.repeat([state for _, _, state in parts], [len(place) for place, _, _ in parts])
    return words


def layer_counts(layer: PlannedLayer, layers: tuple[PlannedLayer, ...], samples: int) -> int:
    """The counts of one layer of a beam: in proportion to its weight among `layers`."""
    mean = sum(other.weight for other in layers) / len(layers)
    return round(_COUNTS_PER_SAMPLE * samples * layer.weight / mean)


def position_word(mm: Reals, offset: int, gain: float) -> Reals:
    """The word that comes nearest to a position, as a whole number; `gain` is in mm per count."""
    return np.rint(mm / gain + offset)


def as_bytes(words: Words) -> bytes:
    """The content of a PTN file: big-endian words, sample by sample, without a header."""
    return words.astype(">u2").tobytes()


def as_words(content: bytes) -> Words:
    """The words of a PTN file, to be changed."""
    return np.frombuffer(content, ">u2").reshape(-1, 8).astype(np.uint16)


def _settling(first: Reals, constants: MachineConstants) -> Reals:
    """Where the beam is before it has come to its first point; all of it within the first millisecond.

    Where the resting position lies outside the field that logs may show, the beam comes on after it.
    """
    rest = np.array([first[0], constants.alignment_y])
    resting = _RESTING if abs(constants.alignment_y) < _FARTHEST_MM else 0
    steered = first + np.linspace(6.0, 1.0, _STEERED)[:, None] * (0.8, 0.6)
    return np.concatenate([np.tile(rest, (resting, 1)), steered, np.tile(first, (_WAITING, 1))])


def _settling_doses(samples: int, dose: int) -> Reals:
    """Some dose on the way to the first point, none while waiting there."""
    return np.repeat([float(dose), 0.0], [samples - _WAITING, _WAITING])


def _scan(layer: PlannedLayer, samples: int) -> tuple[Reals, Reals]:
    """Positions (samples, 2) and shares (samples,), which add up to 1, of a layer followed point by point.

    A point has as many samples as its weight says, and at least one if it has any weight.
    """
    shares = layer.weights / layer.weights.sum()
    lengths = _whole_numbers(shares, samples - int(np.count_nonzero(shares))).astype(np.int64) + (shares > 0)
    point = np.repeat(np.arange(len(shares)), lengths)
    positions = layer.points_mm[point]
    if layer.line and len(shares) > 1:
        begun = np.cumsum(lengths) - lengths
        way = (np.arange(samples) - begun[point] + 0.5) / lengths[point]
        start = layer.points_mm[point - 1]
        positions = start + way[:, None] * (positions - start)
    return positions, shares[point] / lengths[point]


def _whole_numbers(shares: Reals, total: float) -> Reals:
    """Whole numbers in proportion to `shares`: each sum of the first ones is as near as rounding allows."""
    return np.diff(np.rint(np.cumsum(shares / shares.sum()) * round(total)), prepend=0.0)
