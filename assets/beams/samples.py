"""What the words of a log mean: milliseconds, millimetres and counts; and whether they can be right.

All in float32, as the engine expects them, but for counts: those are rounded half to even from float64. There
is no energy correction, the engine has its own. Constants are parameters (`machines`), none stands here.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown
from assets.beams.machines import MachineConstants
from assets.beams.ptn import PtnLog, Words

FARTHEST_MM: Final = 250.0
"""No nozzle scans farther from its axis, in x and in y."""
SATURATED: Final = 65535

Reals = NDArray[np.float32]
Counts = NDArray[np.int64]


def times_ms(samples: int, time_gain: float) -> Reals:
    """The time of each sample since the first, in ms, with `time_gain` in ms per sample."""
    return np.arange(samples, dtype=np.float32) * np.float32(time_gain)


def positions_mm(words: Words, offset: int, gain: float) -> Reals:
    """Position on one axis at the isocentre plane, in mm; `offset` in counts, `gain` in mm per count."""
    return (words.astype(np.float32) - np.float32(offset)) * np.float32(gain)


def range_scales(range_code: int, constants: MachineConstants, name: str) -> tuple[float, float]:
    """Full scale of a monitor range and of the base range, both in nA: their ratio scales the dose words.

    Raises:
        BeamFailure: `range_code`, where the machine has no such range.
    """
    scales = constants.range_full_scale_na
    if range_code not in scales:
        raise beam_failure(
            "range_code",
            f"{shown(name)} was logged with monitor range code {range_code}: known are"
            f" {', '.join(map(str, sorted(scales)))}; correct DOSE1_RANGE in PlanRange.",
        )
    return scales[range_code], scales[constants.base_range_code]


def counts(dose_words: Words, full_scale: float, base_scale: float, divisor: float) -> Counts:
    """Monitor counts of the base range, rounded half to even, for the dose words of another range."""
    return np.rint(dose_words.astype(np.float64) * full_scale / base_scale / divisor).astype(np.int64)


def content_problems(log: PtnLog, layer_number: int, constants: MachineConstants) -> tuple[BeamFailure, ...]:
    """What the beam-on samples of a log say against it, each naming the file and the first such sample.

    `layer_word`: they belong to another layer than `layer_number` (from 1), which refuses swapped files that
    PlanRange cannot reveal. `dose_saturated`: the monitor's word is at its end, the dose is unknown.
    `position_out_of_range`: x or y is farther than 250 mm. Beam-off samples may hold anything.
    """
    x = positions_mm(log.x, constants.x_offset, constants.x_gain)
    y = positions_mm(log.y, constants.y_offset, constants.y_gain)
    on = log.beam_on
    problems: list[BeamFailure] = []
    if (sample := _first(on & (log.layer_numbers != layer_number % 256))) is not None:
        claim = (
            f"carries layer number {log.layer_numbers[sample]}, its layer is {layer_number} (modulo 256):"
            " the file belongs to another layer; restore the machine's own file names"
        )
        problems.append(_problem("layer_word", log, sample, claim))
    if (sample := _first(on & (log.dose1 == SATURATED))) is not None:
        claim = (
            f"has dose 1 at {SATURATED}, the end of its range: its dose is unknown; check the monitor range"
        )
        problems.append(_problem("dose_saturated", log, sample, claim))
    if (sample := _first(on & ((np.abs(x) > FARTHEST_MM) | (np.abs(y) > FARTHEST_MM)))) is not None:
        claim = (
            f"lies at x {x[sample]:.2f} mm, y {y[sample]:.2f} mm, beyond {FARTHEST_MM:.0f} mm: no beam gets"
            " there; check the position monitor and the constants of the machine"
        )
        problems.append(_problem("position_out_of_range", log, sample, claim))
    return tuple(problems)


def _first(suspects: NDArray[np.bool_]) -> int | None:
    return int(suspects.argmax()) if suspects.any() else None


def _problem(code: str, log: PtnLog, sample: int, claim: str) -> BeamFailure:
    return beam_failure(
        code, f"{shown(log.name)}: sample {sample + 1} of {len(log)}, with the beam on, {claim}."
    )
