"""Writes Databento's DBN format, schema `ohlcv-1s`: a header, then 56-byte records, zstd-compressed.

Versions 1, 2 and 3 come out to the byte as the vendor's own encoder writes them. Nothing is judged: a schema,
a record type or a price that a reader must refuse is written as asked, so that tests can make bad files.

Not here: reading, and what the bars of a market look like.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
import zstandard

OHLCV_1S_SCHEMA: Final = 5
OHLCV_1S_RTYPE: Final = 32
PRICE_UNITS_PER_POINT: Final = 1_000_000_000

OHLCV_DTYPE: Final = np.dtype(
    [
        ("length", "u1"),  # in 4-byte words
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),  # nanoseconds since the Unix epoch, UTC
        ("open", "<i8"),  # prices in units of 1e-9
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)
"""One 56-byte OHLCV record."""

_DATASET: Final = "GLBX.MDP3"
_REQUESTED_SYMBOL: Final = "ES.FUT"
_PARENT_STYPE: Final = 4
_INSTRUMENT_ID_STYPE: Final = 0
_NO_LIMIT: Final = 0
_UNKNOWN_RECORD_COUNT: Final = 2**64 - 1
_FIXED_BODY_BYTES: Final = 100
_SYMBOL_BYTES: Final = 71
_SYMBOL_BYTES_IN_VERSION_1: Final = 22


class SymbolInterval(NamedTuple):
    """The UTC dates `start` <= day < `end` on which an instrument id stands for a raw symbol."""

    start: date
    end: date
    instrument_id: int | str  # written as text; a file in another symbology has no number here


def empty_records(count: int) -> np.ndarray:
    """Return `count` records of `OHLCV_DTYPE`, zero but for length, record type and publisher."""
    records = np.zeros(count, OHLCV_DTYPE)
    records["length"] = OHLCV_DTYPE.itemsize // 4
    records["rtype"] = OHLCV_1S_RTYPE
    records["publisher_id"] = 1
    return records


def encode(
    records: np.ndarray,
    mappings: Mapping[str, Sequence[SymbolInterval]],
    *,
    start: int,
    end: int,
    version: int = 3,
    schema: int = OHLCV_1S_SCHEMA,
    ts_out: bool = False,
) -> bytes:
    """Return an uncompressed DBN file, as an answer to a request for the parent symbol `ES.FUT`.

    Args:
        records: any structured array; written as it is, in its order.
        mappings: the intervals of each raw symbol.
        start: of the requested interval, nanoseconds since the Unix epoch.
        end: of the requested interval, excluded.
        version: 1, 2 or 3; a later one is written in the layout of 3.
        schema: the vendor's number of the schema that the header announces.
        ts_out: make each record 8 bytes longer by a send time, one second after its `ts_event`.

    Raises:
        ValueError: a symbol does not fit into its field.
    """
    symbol_bytes = _SYMBOL_BYTES_IN_VERSION_1 if version == 1 else _SYMBOL_BYTES
    body = _fixed_body(start, end, version, schema, ts_out) + b"".join(
        [
            struct.pack("<I", 0),  # length of the schema definition, which no version has
            _symbol_list([_REQUESTED_SYMBOL], symbol_bytes),
            _symbol_list([], symbol_bytes),  # partial: resolved on some days only
            _symbol_list([], symbol_bytes),  # not found: resolved on no day
            _mapping_list(mappings, symbol_bytes),
        ]
    )
    if version > 2:
        body = body.ljust(-(-len(body) // 8) * 8, b"\0")
    content = _with_send_times(records) if ts_out else records
    return b"DBN" + struct.pack("<BI", version, len(body)) + body + content.tobytes()


def compress(data: bytes, *, frames: int = 1, level: int = 3) -> bytes:
    """Return `data` as `frames` zstd frames of nearly equal content, one after the other."""
    compressor = zstandard.ZstdCompressor(level=level, write_checksum=True)
    cuts = [len(data) * number // frames for number in range(frames + 1)]
    return b"".join(compressor.compress(data[first:last]) for first, last in pairwise(cuts))


def _fixed_body(start: int, end: int, version: int, schema: int, ts_out: bool) -> bytes:
    """The part of the header body before the lists, 100 bytes in every version."""
    fields = _text(_DATASET, 16) + struct.pack("<HQQQ", schema, start, end, _NO_LIMIT)
    if version == 1:
        fields += struct.pack("<Q", _UNKNOWN_RECORD_COUNT)
    fields += struct.pack("<BB?", _PARENT_STYPE, _INSTRUMENT_ID_STYPE, ts_out)
    if version > 1:
        fields += struct.pack("<H", _SYMBOL_BYTES)
    return fields.ljust(_FIXED_BODY_BYTES, b"\0")


def _symbol_list(symbols: Sequence[str], symbol_bytes: int) -> bytes:
    return struct.pack("<I", len(symbols)) + b"".join(_text(symbol, symbol_bytes) for symbol in symbols)


def _mapping_list(mappings: Mapping[str, Sequence[SymbolInterval]], symbol_bytes: int) -> bytes:
    parts = [struct.pack("<I", len(mappings))]
    for symbol, intervals in mappings.items():
        parts += [_text(symbol, symbol_bytes), struct.pack("<I", len(intervals))]
        for interval in intervals:
            days = struct.pack("<II", _yyyymmdd(interval.start), _yyyymmdd(interval.end))
            parts += [days, _text(str(interval.instrument_id), symbol_bytes)]
    return b"".join(parts)


def _text(text: str, size: int) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) >= size:
        raise ValueError(
            f"'{text}' does not fit: with its end mark it has {len(encoded) + 1} bytes, the field {size}"
        )
    return encoded.ljust(size, b"\0")


def _yyyymmdd(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


def _with_send_times(records: np.ndarray) -> np.ndarray:
    extended = np.zeros(len(records), [*records.dtype.descr, ("ts_out", "<u8")])
    for name in records.dtype.names or ():
        extended[name] = records[name]
    extended["length"] += 2
    extended["ts_out"] = records["ts_event"] + 1_000_000_000
    return extended
