"""The published table: its columns as documented, and the facts of its Parquet form that readers rely on."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.market import published
from assets.market.features import FEATURES, compute_features
from assets.market.labels import label_rows
from assets.market.recipe import CODE_VERSION
from assets.market.training_table import SCHEMA, to_parquet
from assets.market.weights import weigh
from tests.assets.market.bars import month_bars, stretch, wave
from tests.assets.market.months_of_bars import provenance_of, table_of

WORDS = ["target", "stop", "both", "timeout", "session_end", "no_entry"]

DOCUMENTED_61 = [
    "timestamp", "open", "high", "low", "close", "volume",
    "label_low_vol_long", "weight_low_vol_long", "label_normal_vol_long", "weight_normal_vol_long",
    "label_high_vol_long", "weight_high_vol_long", "label_low_vol_short", "weight_low_vol_short",
    "label_normal_vol_short", "weight_normal_vol_short", "label_high_vol_short", "weight_high_vol_short",
    "volume_ratio_30s", "volume_slope_30s", "volume_slope_5s", "volume_exhaustion", "vwap",
    "distance_from_vwap_pct", "vwap_slope", "distance_from_rth_high", "distance_from_rth_low",
    "short_range_high", "short_range_low", "short_range_size", "position_in_short_range",
    "medium_range_high", "medium_range_low", "medium_range_size", "range_compression_ratio",
    "short_range_retouches", "medium_range_retouches", "return_30s", "return_60s", "return_300s",
    "momentum_acceleration", "momentum_consistency", "atr_30s", "atr_300s", "volatility_regime",
    "volatility_acceleration", "volatility_breakout", "atr_percentile", "bar_range", "relative_bar_size",
    "uptick_pct_30s", "uptick_pct_60s", "bar_flow_consistency", "directional_strength", "is_eth",
    "is_pre_open", "is_rth_open", "is_morning", "is_lunch", "is_afternoon", "is_rth_close",
]  # fmt: skip
EXTRAS_21 = [
    "session_date", "contract", "is_filled",
    "outcome_low_vol_long", "mae_ticks_low_vol_long", "seconds_to_exit_low_vol_long",
    "outcome_normal_vol_long", "mae_ticks_normal_vol_long", "seconds_to_exit_normal_vol_long",
    "outcome_high_vol_long", "mae_ticks_high_vol_long", "seconds_to_exit_high_vol_long",
    "outcome_low_vol_short", "mae_ticks_low_vol_short", "seconds_to_exit_low_vol_short",
    "outcome_normal_vol_short", "mae_ticks_normal_vol_short", "seconds_to_exit_normal_vol_short",
    "outcome_high_vol_short", "mae_ticks_high_vol_short", "seconds_to_exit_high_vol_short",
]  # fmt: skip
SPECIAL_TYPES = {
    "timestamp": pl.Datetime("us", "UTC"), "volume": pl.Int64, "session_date": pl.Date,
    "contract": pl.String, "is_filled": pl.Boolean,
    "short_range_retouches": pl.Int32, "medium_range_retouches": pl.Int32, "is_eth": pl.Int32,
    "is_pre_open": pl.Int32, "is_rth_open": pl.Int32, "is_morning": pl.Int32, "is_lunch": pl.Int32,
    "is_afternoon": pl.Int32, "is_rth_close": pl.Int32,
}  # fmt: skip
TYPES_BY_PREFIX = {
    "label_": pl.Int8, "weight_": pl.Float32, "outcome_": pl.Enum(WORDS), "mae_ticks_": pl.Int32,
    "seconds_to_exit_": pl.Int32,
}  # fmt: skip


def documented_type(name: str):
    if name in SPECIAL_TYPES:
        return SPECIAL_TYPES[name]
    return next((kind for prefix, kind in TYPES_BY_PREFIX.items() if name.startswith(prefix)), pl.Float64)


@pytest.fixture(scope="module")
def bars():
    return month_bars(*(stretch(wave(27_000).bars, f"2025-10-{day}T07:30:00", base=0) for day in (15, 16)))


@pytest.fixture(scope="module")
def table(bars):
    return table_of(bars)


@pytest.fixture(scope="module")
def parquet(bars, table):
    return to_parquet(table, provenance_of(bars).metadata(table.height))


def test_the_table_has_the_82_documented_columns_in_order(table):
    assert table.columns == DOCUMENTED_61 + EXTRAS_21
    assert (len(DOCUMENTED_61), table.width) == (61, 82)
    assert tuple(DOCUMENTED_61[18:]) == FEATURES


@pytest.mark.parametrize("name", DOCUMENTED_61 + EXTRAS_21)
def test_a_column_has_its_documented_type(name, table):
    assert table.schema[name] == documented_type(name)
    assert SCHEMA[name] == table.schema[name]


def test_the_predecessors_stray_columns_are_gone(table):
    assert not {"symbol", "instrument_id", "rtype", "publisher_id"} & set(table.columns)


def test_rows_are_those_of_session_bars_and_ascend(bars, table):
    rows = bars.to_frame()
    assert table.select(rows.columns).equals(rows)
    assert table["timestamp"].is_sorted()
    assert table["timestamp"].n_unique() == table.height == 54_000
    assert table["timestamp"][0] == datetime(2025, 10, 15, 12, 30, tzinfo=UTC)
    assert table["session_date"].unique().to_list() == [date(2025, 10, 15), date(2025, 10, 16)]


def test_a_missing_feature_is_null_and_never_nan(bars, table):
    features = compute_features(bars)
    for name in FEATURES:
        is_missing = np.isnan(features[name].astype(float))
        np.testing.assert_array_equal(table[name].is_null().to_numpy(), is_missing)
        np.testing.assert_array_equal(table[name].drop_nulls().to_numpy(), features[name][~is_missing])


def test_labels_weights_and_outcomes_stand_under_their_modes(bars, table):
    labels = label_rows(bars)
    weights = weigh(labels, 1.0)
    modes = [name.removeprefix("label_") for name in DOCUMENTED_61 if name.startswith("label_")]
    for number, mode in enumerate(modes):
        assert table[f"outcome_{mode}"].to_list() == [WORDS[code] for code in labels.outcome[number]]
        assert table[f"label_{mode}"].to_list() == [int(code == 0) for code in labels.outcome[number]]
        np.testing.assert_array_equal(table[f"weight_{mode}"].to_numpy(), weights[number])
        for column, values in (("mae_ticks", labels.mae_ticks), ("seconds_to_exit", labels.exit_seconds)):
            expected = [None if value < 0 else value for value in values[number].tolist()]
            assert table[f"{column}_{mode}"].to_list() == expected


def test_the_file_is_zstd_with_statistics_in_row_groups_of_at_most_50_000_rows(parquet):
    metadata = pq.read_metadata(BytesIO(parquet))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert sum(group.num_rows for group in groups) == 54_000
    assert max(group.num_rows for group in groups) <= 50_000
    for group in groups:
        for column in (group.column(number) for number in range(group.num_columns)):
            assert column.compression == "ZSTD"
            assert column.statistics is not None
            assert column.statistics.null_count is not None


def test_a_reader_can_skip_row_groups_by_time(parquet):
    metadata = pq.read_metadata(BytesIO(parquet))
    spans = [metadata.row_group(number).column(0).statistics for number in range(metadata.num_row_groups)]
    assert len(spans) > 1
    assert all(earlier.max < later.min for earlier, later in pairwise(spans))


def test_outcomes_are_dictionary_columns_of_text_to_every_reader(parquet):
    schema = pq.read_schema(BytesIO(parquet))
    kind = schema.field("outcome_low_vol_long").type
    assert pa.types.is_dictionary(kind)
    assert kind.value_type in (pa.string(), pa.large_string(), pa.string_view())
    column = pq.read_table(BytesIO(parquet), columns=["outcome_low_vol_long"]).column(0)
    assert set(column.to_pylist()) <= set(WORDS)
    raw = pq.ParquetFile(BytesIO(parquet)).schema.column(len(DOCUMENTED_61) + 3)
    assert (raw.physical_type, str(raw.logical_type)) == ("BYTE_ARRAY", "String")


def test_the_metadata_says_where_the_table_comes_from(parquet):
    metadata = published.decoded(parquet).metadata
    assert {name: value for name, value in metadata.items() if name.startswith("quintet.")} == {
        "quintet.input_key": "raw-data/a.dbn.zst",
        "quintet.input_etag": "an-etag",
        "quintet.input_size": "1234",
        "quintet.rules": "strict",
        "quintet.config_digest": published.Recipe().digest,
        "quintet.code_version": CODE_VERSION,
        "quintet.row_count": "54000",
    }


def test_the_table_comes_back_as_it_was_written(table, parquet):
    frame = published.decoded(parquet).frame
    assert frame.schema == table.schema
    assert frame.equals(table)


def test_equal_tables_give_equal_bytes_however_they_lie_in_memory(bars, table, parquet):
    in_chunks = pl.concat([table[:7], table[7:30_000], table[30_000:]], rechunk=False)
    assert to_parquet(in_chunks, provenance_of(bars).metadata(table.height)) == parquet


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_bytes_do_not_depend_on_the_number_of_threads(threads, parquet):
    program = (
        "import sys; from tests.assets.market.bars import month_bars, stretch, wave;"
        "from tests.assets.market.months_of_bars import provenance_of, table_of;"
        "from assets.market.training_table import to_parquet;"
        "days = [stretch(wave(27_000).bars, f'2025-10-{day}T07:30:00', base=0) for day in (15, 16)];"
        "bars = month_bars(*days); table = table_of(bars);"
        "sys.stdout.buffer.write(to_parquet(table, provenance_of(bars).metadata(table.height)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"POLARS_MAX_THREADS": threads},
        capture_output=True,
        check=True,
    ).stdout
    assert found == parquet
