"""The samples of a layer that a delivery is judged by, and how many others there were, for which reason.

Left out are samples without beam, without a rescan or without a position, and the leading ones: the beam
comes on while it still rests beside the field, or before it has settled on the first planned point.

Not here: what is wrong with a log as a whole (`samples.content_problems`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.machines import MachineConstants
from assets.beams.ptn import PtnLog, Words
from assets.beams.samples import Counts, counts, positions_mm, range_scales

LARGEST_X_WORD: Final = 60_000
"""A larger word is no position."""
MOST_FROM_ALIGNMENT_MM: Final = 5.0
"""How far from `alignment_y` the beam may be, in y, to be resting there."""
MOST_FROM_REST_MM: Final = 1.0
"""How far from where it rested it may be, in y, to be resting still."""
LATEST_SETTLING_MS: Final = 1.0
"""After the beam came on; one that comes to its first point later was not settling there."""

_ROUNDING_MS: Final = 1e-9

Flags = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SampleTally:
    """Where the samples of a log went; each is in one number only."""

    beam_off: int
    outside_rescan: int
    """With the beam on, and rescan number 0."""
    without_position: int
    """With the beam on in a rescan, and an x word above `LARGEST_X_WORD`."""
    resting: int
    """Leading ones, beside the field."""
    unsettled: int
    """Leading ones after these, before the beam had settled on its first point."""
    judged: int

    @property
    def excluded(self) -> int:
        """How many have no say in the result."""
        without_beam = self.beam_off + self.outside_rescan
        return without_beam + self.without_position + self.resting + self.unsettled


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSamples:
    """The judged samples of a layer, in the order of the log."""

    positions_mm: Reals
    """(samples, 2)"""
    counts: Counts
    """(samples,): in the unit of the base range."""
    tally: SampleTally


def judged_samples(
    log: PtnLog, range_code: int, first_point_mm: Reals, constants: MachineConstants
) -> JudgedSamples:
    """The samples of a log that are judged.

    Args:
        log: of the layer.
        range_code: DOSE1_RANGE, the range its first monitor had.
        first_point_mm: (2,), the first planned point of the layer.
        constants: of the machine at the time of the delivery.

    Raises:
        BeamFailure: `range_code`.
    """
    in_rescan = log.beam_on & (log.rescans >= 1)
    usable = np.flatnonzero(in_rescan & (log.x <= LARGEST_X_WORD))
    positions = _positions(log, usable, constants)
    resting = _resting(log, usable, positions[:, 1], constants)
    unsettled = _unsettled(usable, positions, resting, first_point_mm, constants)
    kept = slice(resting + unsettled, None)
    full_scale, base_scale = range_scales(range_code, constants, log.name)
    on, rescanned = int(log.beam_on.sum()), int(in_rescan.sum())
    return JudgedSamples(
        positions[kept],
        counts(log.dose1[usable[kept]], full_scale, base_scale, constants.count_divisor),
        SampleTally(
            beam_off=len(log) - on,
            outside_rescan=on - rescanned,
            without_position=rescanned - len(usable),
            resting=resting,
            unsettled=unsettled,
            judged=len(usable) - resting - unsettled,
        ),
    )


def _positions(log: PtnLog, samples: NDArray[np.intp], constants: MachineConstants) -> Reals:
    """(samples, 2), float64: the positions of some samples, with the values that the CSV has."""
    x = positions_mm(log.x[samples], constants.x_offset, constants.x_gain)
    y = positions_mm(log.y[samples], constants.y_offset, constants.y_gain)
    return np.stack([x, y], axis=1).astype(np.float64)


def _resting(log: PtnLog, usable: NDArray[np.intp], y: Reals, constants: MachineConstants) -> int:
    """How many usable samples from the first on are taken where the beam rested before it came on."""
    before = log.y[: usable[0]][~log.beam_on[: usable[0]]] if len(usable) else log.y[:0]
    if not len(before):
        return 0
    rest = _mean_y(before, constants)
    if not abs(rest - constants.alignment_y) <= MOST_FROM_ALIGNMENT_MM:
        return 0
    return _leading(np.abs(y - rest) <= MOST_FROM_REST_MM)


def _mean_y(words: Words, constants: MachineConstants) -> float:
    return float(positions_mm(words, constants.y_offset, constants.y_gain).mean(dtype=np.float64))


def _unsettled(
    usable: NDArray[np.intp],
    positions: Reals,
    resting: int,
    first_point_mm: Reals,
    constants: MachineConstants,
) -> int:
    """How many samples after the resting ones precede the first run of samples at the first point.

    None, where there is no such run that begins early enough.
    """
    needed = constants.settling_samples
    elapsed_ms = (usable[resting:] - usable[:1]) * constants.time_gain
    starts = int((elapsed_ms <= LATEST_SETTLING_MS + _ROUNDING_MS).sum())
    early = positions[resting : resting + starts + needed - 1]
    at_point = np.hypot(*(early - first_point_mm).T) <= constants.settling_threshold_mm
    if len(at_point) < needed:
        return 0
    runs = np.lib.stride_tricks.sliding_window_view(at_point, needed).all(axis=1)
    return int(runs.argmax())


def _leading(flags: Flags) -> int:
    """How many are set before the first that is not."""
    return len(flags) if flags.all() else int(flags.argmin())
