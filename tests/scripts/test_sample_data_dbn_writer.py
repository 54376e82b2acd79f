"""The DBN writer against the vendor's own package and the vendor's own files."""

from datetime import date
from pathlib import Path
from typing import Any

import databento
import databento_dbn
import numpy as np
import pytest
import zstandard

from scripts.sample_data.dbn_writer import (
    OHLCV_DTYPE,
    SymbolInterval,
    compress,
    empty_records,
    encode,
)

VENDOR_FILES = Path(__file__).parents[1] / "data" / "dbn"
START, END = 1_759_276_800_000_000_000, 1_761_955_200_000_000_000
MAPPINGS = {
    "ESZ5": [SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), 7)],
    "ESZ5-ESH6": [
        SymbolInterval(date(2025, 10, 1), date(2025, 10, 20), 8),
        SymbolInterval(date(2025, 10, 21), date(2025, 11, 1), 9),
    ],
}
VERSIONS = pytest.mark.parametrize("version", [1, 2, 3])


@pytest.fixture
def records() -> np.ndarray:
    records = empty_records(300)
    records["ts_event"] = START + np.arange(300) * 1_000_000_000
    records["instrument_id"] = [7, 8, 7] * 100
    for shift, name in enumerate(("open", "high", "low", "close")):
        records[name] = 6_700_000_000_000 + 250_000_000 * (np.arange(300) + shift)
    records["close"][5] = -4_650_000_000
    records["volume"] = np.arange(300)
    return records


def decoded(data: bytes) -> tuple[databento_dbn.Metadata, list[Any]]:
    """The metadata and the record messages that the vendor's decoder finds."""
    decoder = databento_dbn.DBNDecoder()
    decoder.write(data)
    metadata, *messages = decoder.decode()
    assert isinstance(metadata, databento_dbn.Metadata)
    return metadata, messages


def header_of(data: bytes) -> bytes:
    return data[: 8 + int.from_bytes(data[4:8], "little")]


@VERSIONS
def test_the_header_is_the_vendors_to_the_byte(records: np.ndarray, version: int):
    ours = encode(records, MAPPINGS, start=START, end=END, version=version)
    as_is = databento_dbn.VersionUpgradePolicy.AS_IS
    metadata = databento_dbn.Metadata.decode(ours, as_is)  # pyright: ignore[reportArgumentType] its stub says int
    assert metadata.version == version
    assert metadata.encode() == header_of(ours)


@VERSIONS
@pytest.mark.parametrize("frames", [1, 4])
def test_the_vendors_client_reads_the_same_records_symbols_and_mappings(
    records: np.ndarray, version: int, frames: int
):
    data = compress(encode(records, MAPPINGS, start=START, end=END, version=version), frames=frames)
    store = databento.DBNStore.from_bytes(data)

    assert np.array_equal(store.to_ndarray(), records)
    assert store.schema == "ohlcv-1s"
    assert (store.dataset, store.symbols) == ("GLBX.MDP3", ["ES.FUT"])
    assert (store.stype_in, store.stype_out) == ("parent", "instrument_id")
    assert (store.metadata.start, store.metadata.end) == (START, END)
    assert store.mappings == {
        symbol: [
            {"start_date": first, "end_date": end, "symbol": str(instrument_id)}
            for first, end, instrument_id in intervals
        ]
        for symbol, intervals in MAPPINGS.items()
    }


@VERSIONS
def test_with_ts_out_each_record_is_8_bytes_longer_and_carries_its_send_time(
    records: np.ndarray, version: int
):
    plain = encode(records, MAPPINGS, start=START, end=END, version=version)
    data = encode(records, MAPPINGS, start=START, end=END, version=version, ts_out=True)
    metadata, messages = decoded(data)

    assert metadata.ts_out
    assert len(data) - len(plain) == 8 * len(records)
    assert [message.ts_event for message in messages] == records["ts_event"].tolist()
    assert messages[0].ts_out == START + 1_000_000_000


def test_another_schema_is_written_as_asked(records: np.ndarray):
    metadata, _ = decoded(encode(records[:0], MAPPINGS, start=START, end=END, schema=4))
    assert metadata.schema == "trades"


def test_another_record_type_is_written_as_asked(records: np.ndarray):
    records["rtype"] = 33
    data = encode(records, MAPPINGS, start=START, end=END)
    written = np.frombuffer(data[len(header_of(data)) :], OHLCV_DTYPE)
    assert set(written["rtype"]) == {33}


def test_frames_join_to_the_uncompressed_file(records: np.ndarray):
    data = encode(records, MAPPINGS, start=START, end=END)
    compressed = compress(data, frames=5)
    frames, rest = [], compressed
    while rest:
        frame = zstandard.ZstdDecompressor().decompressobj()
        frames.append(frame.decompress(rest))
        rest = frame.unused_data
    assert len(frames) == 5
    assert b"".join(frames) == data


def test_a_symbol_too_long_for_its_version_is_refused():
    interval = SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), 7)
    long = {"ES:BF Z5-H6-M6 BUTTERFLY": [interval]}
    with pytest.raises(ValueError, match="does not fit: with its end mark it has 25 bytes, the field 22"):
        encode(empty_records(0), long, start=START, end=END, version=1)
    assert len(encode(empty_records(0), long, start=START, end=END, version=2)) > 0


@pytest.mark.parametrize(
    ("name", "schema", "rtype", "record_bytes", "count"),
    [
        ("glbx-test_data.ohlcv-1s.dbn.zst", 5, 32, 56, 4),
        ("glbx-test_data.ohlcv-1d.dbn.zst", 8, 35, 56, 1),
        ("glbx-test_data.trades.dbn.zst", 4, 0, 48, 4),
    ],
)
def test_the_vendors_own_files_have_our_layout(
    name: str, schema: int, rtype: int, record_bytes: int, count: int
):
    content = (VENDOR_FILES / name).read_bytes()
    theirs = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    metadata, messages = decoded(theirs)
    mappings = {
        symbol: [SymbolInterval(i["start_date"], i["end_date"], i["symbol"]) for i in intervals]
        for symbol, intervals in metadata.mappings.items()
    }
    ours = encode(empty_records(0), mappings, start=metadata.start, end=metadata.end, schema=schema)

    # Theirs asked for two records of one raw symbol: only the request's own fields may differ from ours.
    limit, stype_in, requested_symbol = range(42, 50), range(50, 51), range(116, 187)
    assert len(header_of(theirs)) == len(ours)
    differing = {
        position
        for position, pair in enumerate(zip(header_of(theirs), ours, strict=True))
        if pair[0] != pair[1]
    }
    assert differing <= {*limit, *stype_in, *requested_symbol}

    tail = theirs[len(ours) :]
    assert len(tail) == count * record_bytes
    assert len(messages) == count
    assert (tail[0] * 4, tail[1]) == (record_bytes, rtype)
