"""The machine's log of one layer: a PTN file, 16 bytes per sample, decoded as a whole.

A sample is eight big-endian unsigned 16-bit words: x, y, x size, y size, dose 1, dose 2, layer number (low 8
bits), state (bit 15 beam-on planned, bit 14 beam-on actual, bits 6 to 0 rescan number from 1). No header.

Not here: whose log it is (the join; the file does not say), what the words mean in mm and counts (`samples`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from assets.beams.failures import beam_failure
from assets.beams.keys import shown

SAMPLE_BYTES: Final = 16

_WORDS: Final = 8
_BOTH_BEAM_ON_BITS: Final = np.uint16(0xC000)
_LAYER_BITS: Final = np.uint16(0x00FF)
_RESCAN_BITS: Final = np.uint16(0x007F)

Words = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class PtnLog:
    """The samples of one file in the order of the log, one array per word, each of shape (samples,)."""

    name: str
    """The delivery folder and the file, as messages name it."""
    x: Words
    y: Words
    x_size: Words
    y_size: Words
    dose1: Words
    dose2: Words
    layer_word: Words
    state: Words

    def __len__(self) -> int:
        return len(self.x)

    @property
    def layer_numbers(self) -> Words:
        """The layer of each sample, from 1, modulo 256."""
        return self.layer_word & _LAYER_BITS

    @property
    def rescans(self) -> Words:
        """The rescan number of each sample, from 1; samples outside a rescan have 0."""
        return self.state & _RESCAN_BITS

    @property
    def beam_on(self) -> NDArray[np.bool_]:
        """Whether the beam was on, planned and actual, at each sample."""
        return (self.state & _BOTH_BEAM_ON_BITS) == _BOTH_BEAM_ON_BITS


def sample_count(size: int, name: str) -> int:
    """The number of samples in a log of `size` bytes.

    Raises:
        BeamFailure: `ptn_empty` or `ptn_length`.
    """
    if size == 0:
        raise beam_failure(
            "ptn_empty",
            f"{shown(name)} is empty: a layer's log has samples; copy the log from the machine again.",
        )
    samples, surplus = divmod(size, SAMPLE_BYTES)
    if surplus:
        raise beam_failure(
            "ptn_length",
            f"{shown(name)} has {size} bytes, {surplus} more than {samples} whole samples of {SAMPLE_BYTES}:"
            " the log was cut; copy it from the machine again.",
        )
    return samples


def decoded(content: bytes, name: str) -> PtnLog:
    """The samples in the bytes of a file; `name` is what messages call it.

    Raises:
        BeamFailure: `ptn_empty` or `ptn_length`.
    """
    records = np.frombuffer(content, dtype=">u2", count=sample_count(len(content), name) * _WORDS)
    # One native array per word: everything after this reads column by column.
    columns = np.ascontiguousarray(records.reshape(-1, _WORDS).T, dtype=np.uint16)
    return PtnLog(name, *columns)


def log_name(ptn: Path) -> str:
    """What messages call a log: its delivery folder and its own name."""
    return f"{ptn.parent.name}/{ptn.name}"
