"""The reader of vendor files: valid ones of every version, and what the vendor's own client makes of them."""

import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import databento
import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from assets.failures import PermanentFailure
from assets.market.dbn import RECORD_DTYPE, UNDEFINED_PRICE, read_dbn
from assets.market.dbn import SymbolInterval as ReadInterval
from scripts.sample_data.dbn_writer import OHLCV_DTYPE, SymbolInterval, compress, empty_records, encode
from scripts.sample_data.market import vendor_file

ROOT = Path(__file__).parents[3]
VENDOR_FILES = ROOT / "tests" / "data" / "dbn"
VERSIONS = pytest.mark.parametrize("version", [1, 2, 3])
START, END = 1_759_276_800_000_000_000, 1_761_955_200_000_000_000
MAPPINGS = {
    "ESZ5": [SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), 7)],
    "ESZ5-ESH6": [
        SymbolInterval(date(2025, 10, 1), date(2025, 10, 20), 8),
        SymbolInterval(date(2025, 10, 20), date(2025, 11, 1), 4_294_967_295),
    ],
}
READ_MAPPINGS = (
    ReadInterval(7, "ESZ5", date(2025, 10, 1), date(2025, 11, 1)),
    ReadInterval(8, "ESZ5-ESH6", date(2025, 10, 1), date(2025, 10, 20)),
    ReadInterval(4_294_967_295, "ESZ5-ESH6", date(2025, 10, 20), date(2025, 11, 1)),
)


def some_records(count: int) -> np.ndarray:
    """Records with the extremes of every field among them."""
    records = empty_records(count)
    number = np.arange(count)
    records["ts_event"] = START + number * 1_000_000_000
    records["instrument_id"] = np.where(number % 3 == 1, 8, 7)
    for shift, name in enumerate(("open", "high", "low", "close")):
        records[name] = 6_700_000_000_000 + 250_000_000 * (number + shift)
    records["volume"] = number
    records["close"][-1:] = -4_650_000_000
    records["open"][-1:] = UNDEFINED_PRICE
    records["volume"][-1:] = 2**64 - 1
    records["ts_event"][-1:] = 2**64 - 1
    return records


def encoded(count: int, version: int = 3) -> bytes:
    return encode(some_records(count), MAPPINGS, start=START, end=END, version=version)


@VERSIONS
@pytest.mark.parametrize("frames", [0, 1, 3])
def test_records_and_mappings_read_as_the_vendors_client_reads_them(version: int, frames: int):
    data = encoded(200, version)
    file = read_dbn(compress(data, frames=frames) if frames else data, "a.dbn.zst")
    theirs = databento.DBNStore.from_bytes(data)

    assert np.array_equal(file.records, theirs.to_ndarray())
    assert np.array_equal(file.records, some_records(200))
    assert file.mappings == READ_MAPPINGS
    assert {
        (mapping.raw_symbol, mapping.first, mapping.end, str(mapping.instrument_id))
        for mapping in file.mappings
    } == {
        (symbol, interval["start_date"], interval["end_date"], interval["symbol"])
        for symbol, intervals in theirs.mappings.items()
        for interval in intervals
    }
    assert (file.name, file.version) == ("a.dbn.zst", version)


def test_a_sample_month_reads_as_the_vendors_client_reads_it():
    data = vendor_file("2025-09")
    assert np.array_equal(
        read_dbn(data, "a.dbn.zst").records, databento.DBNStore.from_bytes(data).to_ndarray()
    )


def test_the_vendors_own_file_of_1_second_bars_is_read():
    data = (VENDOR_FILES / "glbx-test_data.ohlcv-1s.dbn.zst").read_bytes()
    file = read_dbn(data, "a.dbn.zst")
    assert np.array_equal(file.records, databento.DBNStore.from_bytes(data).to_ndarray())
    assert len(file.records) == 4
    assert [(mapping.raw_symbol, mapping.instrument_id) for mapping in file.mappings] == [("ESH1", 5482)]


@pytest.mark.parametrize("schema", ["ohlcv-1d", "trades"])
def test_the_vendors_own_files_of_other_schemas_are_refused_naming_the_schema(schema: str):
    name = f"glbx-test_data.{schema}.dbn.zst"
    with pytest.raises(PermanentFailure) as failure:
        read_dbn((VENDOR_FILES / name).read_bytes(), name)
    assert str(failure.value) == (
        f"{name}: schema {schema} found, 1-second bars (ohlcv-1s) are needed; request the schema ohlcv-1s"
    )


@VERSIONS
def test_a_file_without_records_and_mappings_is_whole(version: int):
    file = read_dbn(encode(empty_records(0), {}, start=START, end=END, version=version), "a.dbn.zst")
    assert len(file.records) == 0
    assert file.records.dtype == RECORD_DTYPE
    assert file.mappings == ()


def test_a_symbol_that_was_resolved_on_no_day_has_no_mapping():
    mappings = {"ESZ5": [SymbolInterval(date(2025, 10, 1), date(2025, 11, 1), "")], "ESH6": []}
    file = read_dbn(encode(empty_records(1), mappings, start=START, end=END), "a.dbn.zst")
    assert file.mappings == ()


def test_every_listed_symbol_is_stepped_over():
    data = bytearray(encoded(3))
    lists = 8 + 100 + 4
    symbol = b"ES.FUT".ljust(71, b"\0")
    counted = b"\x01\0\0\0" + symbol
    assert data[lists : lists + len(counted)] == counted
    data[lists : lists + len(counted) + 8] = counted * 3  # symbols, partial, not_found
    header = int.from_bytes(data[4:8], "little") + 2 * len(symbol)
    data[4:8] = header.to_bytes(4, "little")

    file = read_dbn(bytes(data), "a.dbn.zst")
    assert file.mappings == READ_MAPPINGS
    assert np.array_equal(file.records, some_records(3))


def test_skippable_and_empty_frames_between_the_others_hold_nothing():
    skippable = b"\x50\x2a\x4d\x18\x05\0\0\0hello"
    data, compressor = encoded(40), zstandard.ZstdCompressor()
    frames = [skippable, compressor.compress(data[:700]), compressor.compress(b""), skippable]
    frames += [compressor.compress(data[700:]), skippable]
    assert np.array_equal(read_dbn(b"".join(frames), "a.dbn.zst").records, some_records(40))


def test_a_frame_written_without_its_size_is_read():
    data = encoded(5000)
    stream = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    compressed = stream.compress(data[:100_000]) + stream.compress(data[100_000:]) + stream.flush()
    assert np.array_equal(read_dbn(compressed, "a.dbn.zst").records, some_records(5000))


def test_the_vendors_package_is_not_needed():
    """It lagged the newest Python, and stopped the predecessor."""
    code = """
import sys
sys.modules["databento"] = sys.modules["databento_dbn"] = None
from assets.market.dbn import read_dbn
print(len(read_dbn(open(sys.argv[1], "rb").read(), "a.dbn.zst").records))
"""
    path = VENDOR_FILES / "glbx-test_data.ohlcv-1s.dbn.zst"
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert not [name for name in project["dependencies"] if name.startswith("databento")]


def test_records_cannot_be_changed_by_a_reader():
    records = read_dbn(encoded(2), "a.dbn.zst").records
    assert not records.flags.writeable


@given(count=st.integers(0, 60), version=st.sampled_from([1, 2, 3]), frames=st.integers(0, 12))
def test_frames_and_header_versions_make_no_difference(count: int, version: int, frames: int):
    data = encoded(count, version)
    file = read_dbn(compress(data, frames=frames) if frames else data, "a.dbn.zst")
    assert np.array_equal(file.records, some_records(count))
    assert file.mappings == READ_MAPPINGS


def test_the_record_layout_is_the_documented_56_bytes():
    assert RECORD_DTYPE.itemsize == 56
    assert RECORD_DTYPE == OHLCV_DTYPE
