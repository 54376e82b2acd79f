"""What the reader of vendor files refuses, and the sentence it says."""

import re
import struct
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import databento_dbn
import numpy as np
import pytest
import zstandard
from hypothesis import example, given
from hypothesis import strategies as st

from assets.failures import PermanentFailure
from assets.market.dbn import VendorFile, read_dbn
from scripts.sample_data.dbn_writer import SymbolInterval, compress, empty_records, encode

NAME = "raw-data/databento/glbx-mdp3-20251001-20251031.ohlcv-1s.dbn.zst"
MAPPINGS = {"ESZ5": [SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), 7)]}
VERSIONS = pytest.mark.parametrize("version", [1, 2, 3])


def encoded(count: int = 3, **options) -> bytes:
    return encode(empty_records(count), MAPPINGS, start=0, end=0, **options)


def header_size(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def patched(position: int, replacement: bytes, data: bytes | None = None) -> bytes:
    data = encoded() if data is None else data
    return data[:position] + replacement + data[position + len(replacement) :]


def refusal(data: bytes) -> str:
    """The sentence with which a file is refused, less its name."""
    with pytest.raises(PermanentFailure) as failure:
        read_dbn(data, NAME)
    sentence = str(failure.value)
    assert sentence.startswith(f"{NAME}: ")
    assert "\n" not in sentence
    return sentence.removeprefix(f"{NAME}: ")


# ---- cut files ----


@VERSIONS
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_a_cut_download_is_refused_at_every_byte(version: int, frames: int):
    data = compress(encoded(version=version), frames=frames)
    assert len(read_dbn(data, NAME).records) == 3
    for size in range(len(data)):
        assert re.search("; download it again$", refusal(data[:size])), size


@VERSIONS
def test_a_cut_uncompressed_file_is_refused_at_every_byte_but_between_records(version: int):
    data = encoded(version=version)
    between_records = {header_size(data) + 56 * count: count for count in range(4)}
    for size in range(len(data) + 1):
        if size in between_records:
            assert len(read_dbn(data[:size], NAME).records) == between_records[size]
        else:
            assert re.search("; download it again$", refusal(data[:size])), size


@given(count=st.integers(0, 2000), level=st.integers(1, 9), at=st.floats(0, 1, exclude_max=True))
@example(count=2000, level=3, at=0.999999)
def test_a_frame_that_does_not_end_is_refused_wherever_it_is_cut(count: int, level: int, at: float):
    data = compress(encoded(count), level=level)
    refusal(data[: int(at * len(data))])


def test_a_cut_file_says_what_was_found_and_what_is_missing():
    data = encoded()
    header, compressed = header_size(data), compress(encoded())
    assert refusal(b"") == "the file is empty, 0 bytes found, the whole month is missing; download it again"
    assert refusal(compressed[:2]) == (
        "cut inside the file's signature: 2 bytes found, everything behind them is missing; download it again"
    )
    assert refusal(compressed[:-1]) == (
        f"the zstd frame that starts at byte 0 does not end: {len(compressed) - 1} bytes found, the rest "
        "of the frame is missing; download it again"
    )
    assert refusal(data[:5]) == "cut inside the header: 5 of 8 bytes found, 3 are missing; download it again"
    assert refusal(data[: header - 10]) == (
        f"cut inside the header: {header - 10} of {header} bytes found, 10 are missing; download it again"
    )
    assert (
        refusal(data[:-6])
        == "cut inside record 3: 50 of its 56 bytes found, 6 are missing; download it again"
    )


def test_a_cut_second_frame_is_named_by_its_place():
    first, second = compress(encoded()), compress(b"more")
    assert refusal(first + second[:-1]).startswith(
        f"the zstd frame that starts at byte {len(first)} does not end: "
    )


# ---- damaged and foreign content ----


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (b"timestamp,open,high,low,close\n", "74 69 6d 65"),
        (b"PK\x03\x04", "50 4b 03 04"),
        (b"\x1f\x8b\x08\x00", "1f 8b 08 00"),
        (bytes(100), "00 00 00 00"),
        (b"dbn\x03", "64 62 6e 03"),
        (b"X", "58"),
    ],
    ids=["text", "zip", "gzip", "zeros", "lower case", "one byte"],
)
def test_content_of_another_kind_is_refused_by_its_first_bytes(data: bytes, start: str):
    assert refusal(data) == (
        f"neither DBN nor zstd content (it starts with {start}); put the vendor's file in its place"
    )


def test_compressed_content_of_another_kind_is_refused():
    assert (
        refusal(compress(b"timestamp,open\n"))
        == "the zstd content is not DBN; put the vendor's file in its place"
    )


def test_frames_without_content_are_a_cut_header():
    assert (
        refusal(compress(b""))
        == "cut inside the header: 0 of 8 bytes found, 8 are missing; download it again"
    )


@pytest.mark.parametrize("tail", [b"x", b"<html>", bytes(100)])
def test_bytes_behind_the_last_frame_are_refused(tail: bytes):
    data = compress(encoded())
    assert refusal(data + tail).startswith(
        f"damaged zstd content in the frame that starts at byte {len(data)} (zstd decompress"
    )


def test_a_changed_byte_in_a_checked_frame_is_refused():
    data = zstandard.ZstdCompressor(write_checksum=True).compress(encoded(500))
    middle = len(data) // 2
    damaged = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    assert refusal(damaged).startswith("damaged zstd content in the frame that starts at byte 0 (")


def test_every_schema_of_the_vendor_is_refused_by_its_name():
    stype = databento_dbn.SType.from_str("instrument_id")
    for schema in databento_dbn.Schema.variants():
        metadata = databento_dbn.Metadata("GLBX.MDP3", 0, stype, stype, schema)
        if str(schema) == "ohlcv-1s":
            assert len(read_dbn(metadata.encode(), NAME).records) == 0
        else:
            assert refusal(metadata.encode()) == (
                f"schema {schema} found, 1-second bars (ohlcv-1s) are needed; request the schema ohlcv-1s"
            )


def test_a_schema_that_nobody_knows_is_refused_by_its_number():
    assert refusal(encoded(schema=4711)).startswith("schema number 4711 found")
    assert refusal(encoded(schema=0xFFFF)).startswith("schema mixed found")


@VERSIONS
def test_ts_out_is_found_where_the_version_has_it(version: int):
    assert refusal(encoded(version=version, ts_out=True)) == (
        "the header says ts_out, so each record is 8 bytes longer than a bar; request the file without ts_out"
    )


def test_a_record_count_in_a_version_1_header_is_not_taken_for_ts_out():
    data = encoded(version=1)
    assert data[8 + 44] == 0xFF  # where versions 2 and 3 have ts_out
    assert len(read_dbn(data, NAME).records) == 3


@pytest.mark.parametrize("version", [0, 4, 255])
def test_another_version_is_refused(version: int):
    assert refusal(encoded(version=version)) == (
        f"DBN version {version} is not supported, versions 1, 2 and 3 are; convert the file"
    )


@pytest.mark.parametrize(
    ("field", "number", "found"),
    [("rtype", 33, "rtype 33 and 56 bytes"), ("length", 16, "rtype 32 and 64 bytes")],
)
@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_foreign_record_among_the_bars_is_refused_by_its_number(
    field: str, number: int, found: str, row: int
):
    records = empty_records(3)
    records[field][row] = number
    assert refusal(encode(records, MAPPINGS, start=0, end=0)) == (
        f"record {row + 1} has {found}, 1-second bars have rtype 32 and 56 bytes; request the schema ohlcv-1s"
    )


def test_records_of_another_length_are_refused_and_not_shifted_through():
    longer = np.zeros(7, dtype=[("bar", empty_records(0).dtype), ("ts_out", "<u8")])
    longer["bar"] = empty_records(7)
    longer["bar"]["length"] = 16
    assert refusal(encode(longer, MAPPINGS, start=0, end=0)).startswith("record 1 has rtype 32 and 64 bytes")


def test_another_symbology_is_refused():
    mappings = {"ESZ5": [SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), "ES.c.0")]}
    assert refusal(encode(empty_records(0), mappings, start=0, end=0)) == (
        "the header maps ESZ5 to 'ES.c.0', not to an instrument id; request the file with "
        "stype_out=instrument_id"
    )


def test_a_mapping_date_that_is_none_is_refused():
    data = encoded()
    position = data.index(struct.pack("<I", 20251001))
    assert refusal(patched(position, struct.pack("<I", 20251301))) == (
        "the header holds the mapping date 20251301, which is no YYYYMMDD date; download it again"
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda data: patched(4, struct.pack("<I", 10), data),
        lambda data: patched(4, struct.pack("<I", 99), data),
        lambda data: patched(8 + 100, struct.pack("<I", 2**32 - 1), data),
        lambda data: patched(8 + 104, struct.pack("<I", 2**32 - 1), data),
        lambda data: patched(8 + 45, struct.pack("<H", 2**16 - 1), data),
    ],
    ids=[
        "far shorter than its fixed part",
        "shorter than its fixed part",
        "schema definition",
        "symbols",
        "symbol length",
    ],
)
def test_a_header_that_announces_more_than_it_holds_is_refused(change: Callable[[bytes], bytes]):
    assert refusal(change(encoded())) == (
        "the header is shorter than the lists it announces; download it again"
    )


@given(
    version=st.sampled_from([1, 2, 3]),
    changes=st.lists(st.tuples(st.integers(0, 420), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_a_changed_header_is_read_or_refused_and_never_crashes(version: int, changes: list[tuple[int, int]]):
    data = bytearray(encoded(version=version))
    for position, value in changes:
        data[position % len(data)] = value
    with suppress(PermanentFailure):
        assert isinstance(read_dbn(bytes(data), NAME), VendorFile)
