"""Logs for tests, word by word, and what they convert to by the slowest means: one row at a time."""

import csv
import io
import struct
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from assets.beams.machines import MachineConstants, machine

BEAM_ON = 0xC000
G1 = machine(1).blocks[0].constants
G2 = machine(2).blocks[0].constants


@dataclass(frozen=True)
class Sample:
    """The eight words of a sample, by default on the axis of G2, in layer 1, rescan 1, with the beam on."""

    x: int = 24580
    y: int = 32772
    x_size: int = 5000
    y_size: int = 5000
    dose1: int = 100
    dose2: int = 100
    layer: int = 1
    state: int = BEAM_ON | 1


def ptn_bytes(samples: Iterable[Sample]) -> bytes:
    return b"".join(struct.pack(">8H", *astuple(sample)) for sample in samples)


def write_ptn(path: Path, *samples: Sample) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(ptn_bytes(samples))
    return path


def row_wise_csv(content: bytes, range_code: int, constants: MachineConstants) -> bytes:
    """The CSV of a log by the letter of the rule, with exact fractions for the counts' rounding."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for number, words in enumerate(struct.iter_unpack(">8H", content)):
        time = np.float32(number) * np.float32(constants.time_gain)
        x = (np.float32(words[0]) - np.float32(constants.x_offset)) * np.float32(constants.x_gain)
        y = (np.float32(words[1]) - np.float32(constants.y_offset)) * np.float32(constants.y_gain)
        scales = constants.range_full_scale_na
        scaled = words[4] * scales[range_code] / scales[constants.base_range_code] / constants.count_divisor
        writer.writerow([*map(shortest_text, (time, x, y)), round(Fraction(scaled))])
    return text.getvalue().encode("ascii")


def shortest_text(number: np.float32) -> str:
    """NumPy's own writer, which knows no exponent when asked."""
    return np.format_float_positional(number, unique=True, trim="0")
