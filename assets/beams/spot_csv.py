"""The spot CSV of a layer, the engine's view of its log: `time_ms,x_mm,y_mm,count`, one line per sample.

No header, no blank, CR LF after every line, ASCII. A real number is the shortest text that reads back to the
same float32, always with a point, never with an exponent. The same log gives the same bytes.

Not here: what the numbers are (`samples`), where the file goes (`log_publication`).
"""

from functools import lru_cache
from typing import Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assets.beams.failures import BeamFailure, beam_failure
from assets.beams.keys import shown
from assets.beams.machines import MachineConstants
from assets.beams.ptn import PtnLog
from assets.beams.samples import Reals, counts, positions_mm, range_scales, times_ms

COLUMNS: Final = {"time_ms": pl.Float32, "x_mm": pl.Float32, "y_mm": pl.Float32, "count": pl.Int64}

_DIGITS: Final = b"0123456789-"
_LINE_WITHOUT_DIGITS: Final = b".,.,.,\r\n"
_EVERY_WORD: Final = np.arange(1 << 16, dtype=np.uint16)
_FILLING: Final = b"\0"
"""What NumPy fills texts of one width up with."""

Cells = NDArray[np.bytes_]
"""The text of each word or time with the comma or the end of line behind it, all of one width."""


def spot_frame(log: PtnLog, range_code: int, constants: MachineConstants) -> pl.DataFrame:
    """The numbers of the CSV: one row per sample, beam-off ones too, with the columns `COLUMNS`.

    Raises:
        BeamFailure: `range_code`.
    """
    scales = range_scales(range_code, constants, log.name)
    return pl.DataFrame(
        {
            "time_ms": times_ms(len(log), constants.time_gain),
            "x_mm": positions_mm(log.x, constants.x_offset, constants.x_gain),
            "y_mm": positions_mm(log.y, constants.y_offset, constants.y_gain),
            "count": counts(log.dose1, *scales, constants.count_divisor),
        }
    )


def spot_csv(log: PtnLog, range_code: int, constants: MachineConstants) -> bytes:
    """The CSV of a log, with the monitor range code under which dose 1 was logged.

    A position or a count has one of 65,536 texts, made once per machine and looked up by its word; so are the
    texts of the times. The cells lie side by side, each as wide as the widest of its column, until the bytes
    that fill them up are taken out: 1.3 to 1.6 times as fast as with Polars, on two thirds of the CPU.

    Raises:
        BeamFailure: `range_code`.
    """
    scales = range_scales(range_code, constants, log.name)
    columns = (
        _time_cells(constants.time_gain, 1 << len(log).bit_length())[: len(log)],
        _position_cells(constants.x_offset, constants.x_gain).take(log.x),
        _position_cells(constants.y_offset, constants.y_gain).take(log.y),
        _count_cells(*scales, constants.count_divisor).take(log.dose1),
    )
    lines = np.empty(len(log), [(name, cells.dtype) for name, cells in zip(COLUMNS, columns, strict=True)])
    for name, cells in zip(COLUMNS, columns, strict=True):
        lines[name] = cells
    return lines.tobytes().translate(None, _FILLING)


def shortest_texts(numbers: Reals) -> pl.Series:
    """The shortest text of each float32 that reads back to it, with a point and without an exponent."""
    texts = pl.Series(numbers).cast(pl.String)
    long = texts.str.contains("e", literal=True)  # Polars writes very small and very large numbers as 1e-7.
    if not long.any():
        return texts
    plain = [np.format_float_positional(number, unique=True, trim="0") for number in numbers[long.to_numpy()]]
    return texts.scatter(long.arg_true(), plain)


def read_spot_csv(content: bytes, samples: int, name: str) -> pl.DataFrame:
    """The numbers in a CSV, with the columns `COLUMNS`; `name` is what messages call it.

    Raises:
        BeamFailure: `csv_mismatch`, where it is not `samples` lines of three real numbers and a count >= 0.
    """
    if content.translate(None, _DIGITS) != _LINE_WITHOUT_DIGITS * samples:
        raise _mismatch(name, f"it is not {samples} lines of four plain numbers, three of them with a point")
    try:
        frame = pl.read_csv(content, has_header=False, schema=COLUMNS)
    except pl.exceptions.PolarsError as error:
        raise _mismatch(name, str(error).partition("\n")[0]) from None
    if len(frame.drop_nulls()) != samples:
        raise _mismatch(name, "a line lacks a number")
    negative = frame["count"] < 0
    if negative.any():
        raise _mismatch(name, f"line {negative.arg_true()[0] + 1} has a negative count")
    return frame


@lru_cache(maxsize=4)
def _time_cells(time_gain: float, samples: int) -> Cells:
    """Of every time; the callers' powers of two make logs of about one length share it."""
    return _cells(shortest_texts(times_ms(samples, time_gain)), ",")


@lru_cache(maxsize=8)
def _position_cells(offset: int, gain: float) -> Cells:
    """Of every position word: two axes of two machines, and some to spare."""
    return _cells(shortest_texts(positions_mm(_EVERY_WORD, offset, gain)), ",")


@lru_cache(maxsize=8)
def _count_cells(full_scale: float, base_scale: float, divisor: float) -> Cells:
    """Of every dose word, for one of the five ranges."""
    texts = pl.Series(counts(_EVERY_WORD, full_scale, base_scale, divisor)).cast(pl.String)
    return _cells(texts, "\r\n")


def _cells(texts: pl.Series, end: str) -> Cells:
    """Texts with what follows them, filled up to one width."""
    ended = texts + end
    width = cast("int", ended.str.len_bytes().max())
    filled: str = ended.str.pad_end(width, _FILLING.decode()).str.join("").item()
    return np.frombuffer(filled.encode(), f"S{width}")


def _mismatch(name: str, problem: str) -> BeamFailure:
    return beam_failure(
        "csv_mismatch",
        f"{shown(name)} does not read back as three real numbers and a count per sample: {problem};"
        " check the disk, then run log_csv again.",
    )
