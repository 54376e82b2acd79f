"""Reader of the vendor's files: Databento Binary Encoding (DBN) versions 1 to 3, schema `ohlcv-1s`.

The layout follows the vendor's published format: a header with the symbol mappings, then fixed 56-byte
records, little endian, usually inside one or more zstd frames. Everything that would let a damaged or foreign
file pass for a month of bars is refused here, with one sentence that names the file. What the bars mean
(contracts, sessions, prices) is judged in `contracts` and `session_bars`.

The vendor's own client returns the records of a cut zstd file without an error, so it is a cross-check in the
tests and not a dependency.
"""

import struct
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import zstandard

from assets.failures import PermanentFailure

RECORD_DTYPE = np.dtype(
    [
        ("length", "u1"),
        ("rtype", "u1"),
        ("publisher_id", "<u2"),
        ("instrument_id", "<u4"),
        ("ts_event", "<u8"),
        ("open", "<i8"),
        ("high", "<i8"),
        ("low", "<i8"),
        ("close", "<i8"),
        ("volume", "<u8"),
    ]
)
RECORD_SIZE = 56
OHLCV_1S_SCHEMA = 5
OHLCV_1S_RTYPE = 32
UNDEFINED_PRICE = 2**63 - 1

_SCHEMA_NAMES = {
    0: "mbo", 1: "mbp-1", 2: "mbp-10", 3: "tbbo", 4: "trades", 5: "ohlcv-1s", 6: "ohlcv-1m", 7: "ohlcv-1h",
    8: "ohlcv-1d", 9: "definition", 10: "statistics", 11: "status", 12: "imbalance", 13: "ohlcv-eod",
    14: "cmbp-1", 15: "cbbo-1s", 16: "cbbo-1m", 17: "tcbbo", 18: "bbo-1s", 19: "bbo-1m", 0xFFFF: "mixed",
}  # fmt: skip
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE_MAGICS = {bytes([low, 0x2A, 0x4D, 0x18]) for low in range(0x50, 0x60)}
# A frame's end leaves the unread input as a copy, so small pieces keep files of many small frames linear.
_INPUT_PIECE = 64 * 1024
_PREFIX_SIZE = 8
_FIXED_BODY_SIZE = 100


@dataclass(frozen=True, slots=True)
class SymbolInterval:
    """An instrument id stands for a raw symbol on the UTC dates `first <= date < end`."""

    instrument_id: int
    raw_symbol: str
    first: date
    end: date


@dataclass(frozen=True, slots=True)
class VendorFile:
    """A whole, well-formed file. `records` is a read-only view in file order, dtype `RECORD_DTYPE`."""

    name: str
    version: int
    mappings: tuple[SymbolInterval, ...]
    records: npt.NDArray[np.void]


def read_dbn(data: bytes, name: str) -> VendorFile:
    """Read a vendor file, compressed or not.

    Args:
        data: the bytes of the whole file.
        name: how errors call the file, usually its object key.

    Raises:
        PermanentFailure: the file is cut, empty, or not 1-second bars in a known version.
    """
    content = _decompressed(data, name)
    header = _Header.parse(content, name)
    tail = (len(content) - header.size) % RECORD_SIZE
    count = (len(content) - header.size) // RECORD_SIZE
    records = np.frombuffer(content, dtype=RECORD_DTYPE, count=count, offset=header.size)
    _refuse_foreign_records(records, name)
    if tail:
        raise PermanentFailure(
            f"{name}: cut inside record {count + 1:,}: {tail} of its {RECORD_SIZE} bytes found, "
            f"{RECORD_SIZE - tail} are missing; download it again"
        )
    return VendorFile(name, header.version, header.mappings, records)


def _decompressed(data: bytes, name: str) -> bytes:
    if not data:
        raise PermanentFailure(
            f"{name}: the file is empty, 0 bytes found, the whole month is missing; download it again"
        )
    if data[:3] == b"DBN":
        return data
    if data[:4] == _ZSTD_MAGIC or data[:4] in _SKIPPABLE_MAGICS:
        return _joined_frames(data, name)
    if any(magic.startswith(data) for magic in (b"DBN", _ZSTD_MAGIC)):
        raise PermanentFailure(
            f"{name}: cut inside the file's signature: {len(data)} bytes found, everything behind them is "
            "missing; download it again"
        )
    raise PermanentFailure(
        f"{name}: neither DBN nor zstd content (it starts with {data[:4].hex(' ')}); "
        "put the vendor's file in its place"
    )


def _joined_frames(data: bytes, name: str) -> bytes:
    """Decompress every zstd frame, and refuse a last one that does not end."""
    view = memoryview(data)
    pieces: list[bytes] = []
    position = 0
    while position < len(view):
        frame_start = position
        frame = zstandard.ZstdDecompressor().decompressobj()
        while position < len(view) and not frame.eof:
            piece = view[position : position + _INPUT_PIECE]
            try:
                pieces.append(frame.decompress(piece))
            except zstandard.ZstdError as error:
                raise PermanentFailure(
                    f"{name}: damaged zstd content in the frame that starts at byte {frame_start:,} "
                    f"({error}); download it again"
                ) from error
            position += len(piece)
        if not frame.eof:
            raise PermanentFailure(
                f"{name}: the zstd frame that starts at byte {frame_start:,} does not end: "
                f"{len(data):,} bytes found, the rest of the frame is missing; download it again"
            )
        position -= len(frame.unused_data)
    return b"".join(pieces)


def _refuse_foreign_records(records: npt.NDArray[np.void], name: str) -> None:
    foreign = (records["length"] != RECORD_SIZE // 4) | (records["rtype"] != OHLCV_1S_RTYPE)
    if not foreign.any():
        return
    index = int(foreign.argmax())
    record = records[index]
    raise PermanentFailure(
        f"{name}: record {index + 1:,} has rtype {record['rtype']} and {int(record['length']) * 4} bytes, "
        f"1-second bars have rtype {OHLCV_1S_RTYPE} and {RECORD_SIZE} bytes; request the schema ohlcv-1s"
    )


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    size: int
    mappings: tuple[SymbolInterval, ...]

    @classmethod
    def parse(cls, content: bytes, name: str) -> "_Header":
        if len(content) < _PREFIX_SIZE:
            raise _cut_header(name, len(content), _PREFIX_SIZE)
        if content[:3] != b"DBN":
            raise PermanentFailure(f"{name}: the zstd content is not DBN; put the vendor's file in its place")
        version, length = content[3], struct.unpack_from("<I", content, 4)[0]
        if version not in (1, 2, 3):
            raise PermanentFailure(
                f"{name}: DBN version {version} is not supported, versions 1, 2 and 3 are; convert the file"
            )
        size = _PREFIX_SIZE + length
        if len(content) < size:
            raise _cut_header(name, len(content), size)
        body = content[_PREFIX_SIZE:size]
        if length < _FIXED_BODY_SIZE:
            raise _inconsistent_header(name)
        _refuse_foreign_schema(body, version, name)
        symbol_size = 22 if version == 1 else struct.unpack_from("<H", body, 45)[0]
        return cls(version, size, _Lists(body, symbol_size, name).mappings())


def _refuse_foreign_schema(body: bytes, version: int, name: str) -> None:
    schema = struct.unpack_from("<H", body, 16)[0]
    if schema != OHLCV_1S_SCHEMA:
        found = _SCHEMA_NAMES.get(schema, f"number {schema}")
        raise PermanentFailure(
            f"{name}: schema {found} found, 1-second bars (ohlcv-1s) are needed; request the schema ohlcv-1s"
        )
    # Version 1 carries a record count of 8 bytes before the symbology fields.
    if body[52 if version == 1 else 44]:
        raise PermanentFailure(
            f"{name}: the header says ts_out, so each record is 8 bytes longer than a bar; request the file "
            "without ts_out"
        )


class _Lists:
    """The counted lists behind the fixed part of the header body."""

    def __init__(self, body: bytes, symbol_size: int, name: str) -> None:
        self._body = body
        self._symbol_size = symbol_size
        self._name = name
        self._position = _FIXED_BODY_SIZE

    def mappings(self) -> tuple[SymbolInterval, ...]:
        self._skip(self._number())  # schema definition, always empty in practice
        for _ in ("symbols", "partial", "not_found"):
            self._skip(self._number() * self._symbol_size)
        return tuple(interval for _ in range(self._number()) for interval in self._mapping())

    def _mapping(self) -> list[SymbolInterval]:
        raw_symbol = self._symbol()
        intervals: list[SymbolInterval] = []
        for _ in range(self._number()):
            first, end, instrument = self._date(), self._date(), self._symbol()
            if not instrument:
                continue
            if not instrument.isdecimal():
                raise PermanentFailure(
                    f"{self._name}: the header maps {raw_symbol} to '{instrument}', not to an instrument id; "
                    "request the file with stype_out=instrument_id"
                )
            intervals.append(SymbolInterval(int(instrument), raw_symbol, first, end))
        return intervals

    def _number(self) -> int:
        start = self._position
        self._skip(4)
        return struct.unpack_from("<I", self._body, start)[0]

    def _symbol(self) -> str:
        start = self._position
        self._skip(self._symbol_size)
        return self._body[start : self._position].split(b"\0", 1)[0].decode("ascii", "replace")

    def _date(self) -> date:
        number = self._number()
        try:
            return date(number // 10_000, number // 100 % 100, number % 100)
        except ValueError as error:
            raise PermanentFailure(
                f"{self._name}: the header holds the mapping date {number}, which is no YYYYMMDD date; "
                "download it again"
            ) from error

    def _skip(self, size: int) -> None:
        self._position += size
        if self._position > len(self._body):
            raise _inconsistent_header(self._name)


def _cut_header(name: str, found: int, needed: int) -> PermanentFailure:
    return PermanentFailure(
        f"{name}: cut inside the header: {found:,} of {needed:,} bytes found, {needed - found:,} are "
        "missing; download it again"
    )


def _inconsistent_header(name: str) -> PermanentFailure:
    return PermanentFailure(f"{name}: the header is shorter than the lists it announces; download it again")
