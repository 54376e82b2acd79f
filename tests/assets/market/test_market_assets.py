"""Months are made through Dagster: alone, in a range, in parts, again; and recorded for a person to see."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.market.assets import SPECS, raw_bars
from assets.market.blocking_claims import BLOCKING_CLAIMS
from assets.market.brackets import MODES
from assets.market.checks import ASSET_KEYS
from assets.market.months import BUCKET, session_bars_key, statistics_key, training_table_key
from assets.market.partitions import months
from assets.market.published import OBJECT_KEYS
from assets.pictures import PICTURE_CAP
from resources.object_store import LocalObjectStore
from scripts.sample_data.market import vendor_file
from tests.market_samples import (
    TABLES,
    evaluations,
    failure_of,
    materialisations,
    opened_market,
    tiny_file,
)

pytestmark = pytest.mark.materialise

MONTHS = ("2025-08", "2025-09", "2025-10")
FIRST, LAST = MONTHS[0], MONTHS[-1]


@pytest.fixture
def market():
    with opened_market() as market:
        yield market


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, bytes]:
    """The objects of `MONTHS`, each month made in a run of its own."""
    store = LocalObjectStore(root=str(tmp_path_factory.mktemp("alone")))
    with opened_market(store) as alone:
        alone.put_tiny(*MONTHS)
        for month in MONTHS:
            assert alone.run(month).success
        objects = alone.objects(*MONTHS)
    assert len(objects) == 9
    return objects


@pytest.fixture(scope="module")
def whole_month(tmp_path_factory):
    """The run of a vendor file with every session of a month in which the contract rolls, and its store."""
    store = LocalObjectStore(root=str(tmp_path_factory.mktemp("whole")))
    with opened_market(store) as market:
        market.put("2025-03", vendor_file("2025-03"))
        yield market, market.run("2025-03")


def records_of(table: dg.MetadataValue) -> list[Mapping[str, Any]]:
    assert isinstance(table, dg.TableMetadataValue)
    return [record.data for record in table.records]


def versions(store: LocalObjectStore, *months: str) -> dict[str, tuple[str, int]]:
    """Etag and inode of each published object: an object that is written again gets a new inode."""
    keys = [OBJECT_KEYS[table](month) for month in months for table in TABLES]
    infos = {key: store.head(BUCKET, key) for key in keys}
    return {
        key: (info.etag, Path(store.uri(BUCKET, key)).stat().st_ino) for key, info in infos.items() if info
    }


def test_the_tables_of_a_whole_month_are_made_and_every_blocking_claim_holds(whole_month):
    market, result = whole_month
    assert result.success
    judged = evaluations(result)
    assert all(judged[claim.name].passed for claim in BLOCKING_CLAIMS)
    table = pl.scan_parquet(market.store.uri(BUCKET, training_table_key("2025-03")))
    rows, contracts = table.select(pl.len(), pl.col("contract").unique().sort().implode()).collect().row(0)
    assert rows == 21 * 27_000
    assert contracts == ["ES-2025-03", "ES-2025-06"]


def test_a_month_is_recorded_with_its_numbers_its_sessions_and_its_pictures(whole_month):
    market, result = whole_month
    recorded = materialisations(result)
    assert set(recorded) == {(table, "2025-03") for table in TABLES}
    bars, table = recorded["session_bars", "2025-03"], recorded["training_table", "2025-03"]
    assert bars["dagster/row_count"].value == table["dagster/row_count"].value == 21 * 27_000
    assert 0.5 < float(str(bars["filled_share"].value)) < 1
    sessions = records_of(bars["sessions"])
    assert [session["session_date"] for session in sessions][:2] == ["2025-03-03", "2025-03-04"]
    assert set(sessions[0]) == {"session_date", "contract", "close_ct", "rows", "filled_share"}
    assert len(sessions) == 21
    assert [record["mode"] for record in records_of(table["win_rates"])] == list(MODES)
    for metadata in (bars, table):
        picture = str(metadata["picture"].value)
        assert picture.startswith("![")
        assert "data:image/png;base64," in picture
        assert len(picture.encode()) <= PICTURE_CAP
    for name, metadata in recorded.items():
        key = OBJECT_KEYS[name[0]]("2025-03")
        assert metadata["object"].value == market.store.uri(BUCKET, key)
        assert metadata["size_bytes"].value == len(market.store.read_bytes(BUCKET, key))
        assert metadata["state"].value == "written"


def test_the_columns_of_both_tables_are_declared_with_their_types():
    schemas = {spec.key: spec.metadata.get("dagster/column_schema") for spec in SPECS}
    bars, table = schemas[ASSET_KEYS["session_bars"]], schemas[ASSET_KEYS["training_table"]]
    assert bars
    assert table
    assert [column.name for column in bars.columns][:3] == ["timestamp", "session_date", "contract"]
    assert len(table.columns) == 82
    assert [column.type for column in table.columns][:2] == [
        "Datetime(time_unit='us', time_zone='UTC')",
        "Float64",
    ]


def test_a_data_version_is_the_etag_of_its_object(market):
    market.put_tiny("2025-10")
    result = market.run("2025-10")
    assert result.success
    for table in TABLES:
        (event,) = [
            event.step_materialization_data.materialization
            for event in result.all_events
            if event.is_step_materialization and event.asset_key == ASSET_KEYS[table]
        ]
        info = market.store.head(BUCKET, OBJECT_KEYS[table]("2025-10"))
        assert event.tags["dagster/data_version"] == info.etag


def test_tables_made_one_after_another_equal_those_made_together(market, expected):
    market.put_tiny("2025-10")
    for table in TABLES:
        result = market.run("2025-10", None, table)
        assert result.success, failure_of(result)
        assert set(materialisations(result)) == {(table, "2025-10")}
        assert {check.asset_key for check in evaluations(result).values()} == {ASSET_KEYS[table]}
    assert market.objects("2025-10") == {key: data for key, data in expected.items() if "2025-10" in key}


def test_a_table_that_reads_another_says_which_asset_to_materialise_first(market):
    market.put_tiny("2025-10")
    sentence = failure_of(market.run("2025-10", None, "training_table"))
    assert session_bars_key("2025-10") in sentence
    assert "materialise market/session_bars of 2025-10 first" in sentence


def test_a_second_run_gives_the_same_bytes(market, expected):
    market.put_tiny("2025-10")
    assert market.run("2025-10").success
    before = versions(market.store, "2025-10")
    assert market.run("2025-10").success
    assert versions(market.store, "2025-10") != before
    assert market.objects("2025-10") == {key: data for key, data in expected.items() if "2025-10" in key}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_range_gives_the_same_bytes_as_single_runs_with_any_number_of_workers(market, expected, workers):
    market.put_tiny(*MONTHS)
    result = market.run(FIRST, LAST, workers=workers)
    assert result.success
    assert market.objects(*MONTHS) == expected
    assert set(materialisations(result)) == {(table, month) for table in TABLES for month in MONTHS}
    assert evaluations(result)["every_session_second_is_present_once"].metadata["months_judged"].value == 3


def test_an_unchanged_month_is_skipped_and_says_so(market):
    market.put_tiny("2025-10")
    assert market.run("2025-10", skip_unchanged=True).success
    before = versions(market.store, "2025-10")
    result = market.run("2025-10", skip_unchanged=True)
    assert result.success
    assert versions(market.store, "2025-10") == before
    states = [metadata["state"].value for metadata in materialisations(result).values()]
    assert states == ["unchanged, nothing was written"] * 3


def test_a_range_makes_only_the_months_that_are_not_done(market, expected):
    market.put_tiny(*MONTHS)
    assert market.run("2025-08").success
    assert market.run("2025-10").success
    before = versions(market.store, "2025-08", "2025-10")
    result = market.run(FIRST, LAST, skip_unchanged=True, workers=1)
    assert result.success
    assert versions(market.store, "2025-08", "2025-10") == before
    assert market.objects(*MONTHS) == expected
    assert set(materialisations(result)) == {(table, "2025-09") for table in TABLES}


def test_an_unchanged_month_of_a_range_is_recorded_where_it_was_not(market):
    market.put_tiny(*MONTHS)
    assert market.run(FIRST, LAST, workers=1).success
    with opened_market(market.store) as elsewhere:
        assert elsewhere.recorded() == []
        result = elsewhere.run(FIRST, LAST, skip_unchanged=True, workers=1)
        assert elsewhere.recorded() == list(MONTHS)
    states = [metadata["state"].value for metadata in materialisations(result).values()]
    assert states == ["unchanged, nothing was written"] * 9


@pytest.mark.parametrize(
    ("change", "config"),
    [("input", {}), ("config", {"decay_reference_month": "2025-09"}), ("rules", {"rules": "compat"})],
)
def test_a_changed_month_is_made_again_though_unchanged_ones_are_skipped(market, change, config):
    market.put_tiny("2025-10")
    assert market.run("2025-10").success
    before = market.objects("2025-10")
    if change == "input":
        market.put_tiny("2025-10", seed=1)
    result = market.run("2025-10", skip_unchanged=True, **config)
    assert result.success, failure_of(result)
    after = market.objects("2025-10")
    assert all(after[key] != data for key, data in before.items())


def test_the_decay_reference_month_and_the_rules_reach_the_statistics(market):
    market.put_tiny("2025-10")
    assert market.run("2025-10", decay_reference_month="2026-10").success
    statistics = json.loads(market.store.read_bytes(BUCKET, statistics_key("2025-10")))
    assert (statistics["rules"], statistics["decay_reference_month"]) == ("strict", "2026-10")
    loser_weight = statistics["pipeline_statistics"]["labeling"]["modes"]["low_vol_long"]["avg_loser_weight"]
    assert loser_weight == pytest.approx(0.548812, abs=1e-6)


def test_files_of_the_predecessor_are_neither_read_nor_counted_nor_deleted(market, expected):
    theirs = {
        key.replace("2025-10.parquet", "2025-10_20251103_101500.parquet").replace(
            "_statistics.json", "_20251103_101500_statistics.json"
        ): b"not ours"
        for key in (training_table_key("2025-10"), statistics_key("2025-10"))
    }
    for key, data in theirs.items():
        market.store.put_bytes(BUCKET, key, data)
    market.put_tiny("2025-10")
    assert market.run("2025-10", skip_unchanged=True).success
    assert market.objects("2025-10") == {key: data for key, data in expected.items() if "2025-10" in key}
    assert {key: market.store.read_bytes(BUCKET, key) for key in theirs} == theirs


def test_a_month_does_not_depend_on_the_other_files_in_the_bucket(market, expected):
    market.put_tiny("2025-10")
    market.put("2025-09", tiny_file("2025-09")[:100])
    market.put("2025-11", b"")
    assert market.run("2025-10").success
    assert market.objects("2025-10") == {key: data for key, data in expected.items() if "2025-10" in key}


def test_every_table_is_published_under_its_documented_key(expected):
    assert list(expected)[-3:] == [
        "processed-data/session-bars/2025/10/session_bars_2025-10.parquet",
        "processed-data/monthly/2025/10/monthly_2025-10.parquet",
        "processed-data/monthly/2025/10/statistics/monthly_2025-10_statistics.json",
    ]


def test_the_running_month_is_a_partition_and_the_first_is_july_2010():
    keys = months.get_partition_keys(current_time=datetime(2025, 11, 3, tzinfo=UTC))
    assert (keys[0], keys[-1]) == ("2010-07", "2025-11")
    assert all(spec.partitions_def == months for spec in (raw_bars, *SPECS))
