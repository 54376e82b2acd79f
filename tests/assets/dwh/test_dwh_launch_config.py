"""The launch configs of dwh: the documented keys with their defaults, and what is said of wrong ones."""

from datetime import date
from typing import Any

import dagster as dg
import pytest

from assets.dwh.assets import FilteredImagesConfig, JobLaunchConfig, PromotionsConfig, TransformedImagesConfig
from tests.assets.dwh.dwh_deployments import (
    DAY,
    FILTERED,
    GREEN,
    PROMOTIONS,
    TRANSFORMED,
    deployed,
    facts,
    metrics,
    sentence,
)

pytestmark = pytest.mark.materialise

SHARED = {"event_publisher_config": {"publisher_type": "NOOP"}, "strict_hooks": False}
DEFAULTS: dict[type[JobLaunchConfig], dict[str, Any]] = {
    TransformedImagesConfig: {
        "drop_rate_yellow": 0.05,
        "drop_rate_red": 0.10,
        "min_records": 0,
        "partition_interval_minutes": 5,
        "max_records_per_file": 262_000,
        "window_start": None,
        "window_end": None,
        "created_by": "dagster",
        "clean_sink": True,
        "approve_quality": False,
        "approve_reason": "",
        **SHARED,
    },
    FilteredImagesConfig: {
        "mode": "recompute",
        "dedup_key_columns": ["data.mediaid"],
        "dedup_order_column": "data.updated",
        "time_column": "data.updated",
        "null_keys": "keep",
        "max_records_per_file": 500_000,
        "latest_copy": False,
        "previous_run_id": None,
        "base_path": "s3://dwh-data/filtered_images",
        **SHARED,
    },
    PromotionsConfig: {"source_path": "s3://dwh-data/promotions_raw", "created_by": "dagster", **SHARED},
}
# What only a command line says.
PLACES: dict[type[JobLaunchConfig], dict[str, Any]] = {
    TransformedImagesConfig: {
        "source_path": "s3://dwh-data/raw_images",
        "base_path": "s3://dwh-data/transformed_images",
        "row_interval_minutes": None,
    },
    FilteredImagesConfig: {
        "transform_output_path": None,
        "triggered_by_job": "unknown",
        "triggered_by_run_id": "unknown",
        "source_timestamp": None,
        "start_date": None,
        "end_date": None,
        "created_by": "dagster",
    },
    PromotionsConfig: {"table": "dw_core.d_promotion_3_0", "start_date": None, "end_date": None},
}
CONFIGS = list(DEFAULTS)


@pytest.fixture(scope="module")
def dwh(tmp_path_factory):
    """A deployment where the day is transformed."""
    with deployed(tmp_path_factory.mktemp("configured")) as dwh:
        assert dwh.transform(**GREEN).success
        yield dwh


@pytest.mark.parametrize("config", CONFIGS)
def test_every_documented_key_has_its_documented_default_and_there_are_no_others(config):
    assert config().model_dump() == {**DEFAULTS[config], **PLACES[config]}


@pytest.mark.parametrize("config", CONFIGS)
def test_without_a_config_the_job_is_that_of_an_empty_configuration(config):
    launch = config().launch(DAY)
    needed = {
        "base_path": "s3://dwh-data/filtered_images",
        "transform_output_path": "s3://dwh-data/transformed_images",
    }
    empty = needed if config is FilteredImagesConfig else {}
    read = launch.job.config.read
    assert read(launch.keywords) == read({launch.job.config_key: empty})


def test_the_window_is_the_day_unless_the_config_says_another():
    assert dict(TransformedImagesConfig().launch(DAY).arguments) == {
        "start_date": "2025-03-09",
        "end_date": "2025-03-09",
        "created_by": "dagster",
        "clean_sink": True,
    }
    noon = "2025-03-09T19:00:00Z"
    assert TransformedImagesConfig(window_start=noon).launch(DAY).arguments["start_date"] == noon
    assert TransformedImagesConfig(window_end=noon).launch(DAY).arguments["end_date"] == noon


def test_the_interval_of_rows_is_that_of_the_prefixes_unless_the_config_says_another():
    def intervals(**keys: Any) -> tuple[int, ...]:
        config = TransformedImagesConfig(**keys).launch(DAY).config
        return tuple(
            config[part]["partition_interval_minutes"] for part in ("extractor_config", "loader_config")
        )

    assert intervals() == (5, 5)
    assert intervals(partition_interval_minutes=10) == (10, 10)
    assert intervals(partition_interval_minutes=10, row_interval_minutes=5) == (10, 5)


@pytest.mark.parametrize(
    ("asset", "config", "said"),
    [
        (TRANSFORMED, {"drop_rate_ret": 0.1}, "'drop_rate_ret' (nearest known key: 'drop_rate_red')"),
        (TRANSFORMED, {"aprove_reason": "x"}, "'aprove_reason' (nearest known key: 'approve_reason')"),
        (FILTERED, {"dedup_keys_columns": []}, "(nearest known key: 'dedup_key_columns')"),
        (FILTERED, {"Mode": "recompute"}, "'Mode' (nearest known key: 'mode')"),
        (PROMOTIONS, {"sourcepath": "s3://b/k"}, "'sourcepath' (nearest known key: 'source_path')"),
    ],
)
def test_an_unknown_key_is_refused_with_the_asset_and_the_nearest_known_one(dwh, asset, config, said):
    before = dwh.tree()
    result = dwh.run(asset, config={asset: config})
    assert sentence(result).startswith(f"'dwh/{asset}' has keys that are not known: ")
    assert sentence(result).endswith(said)
    assert dwh.tree() == before


@pytest.mark.parametrize(
    ("asset", "config", "said"),
    [
        (TRANSFORMED, {"partition_interval_minutes": 7}, "partition_interval_minutes of"),
        (TRANSFORMED, {"partition_interval_minutes": 7}, "it must divide an hour"),
        (TRANSFORMED, {"partition_interval_minutes": 0}, "it must divide an hour"),
        (TRANSFORMED, {"row_interval_minutes": 0}, "it must divide an hour"),
        (TRANSFORMED, {"drop_rate_red": 1.5}, "drop_rate_red"),
        (TRANSFORMED, {"min_records": -1}, "min_records"),
        (TRANSFORMED, {"max_records_per_file": 0}, "max_records_per_file"),
        (TRANSFORMED, {"base_path": "transformed"}, "'transformed' is no address in a bucket"),
        (TRANSFORMED, {"approve_quality": True}, "approve_quality needs a non-empty approve_reason"),
        (
            TRANSFORMED,
            {"approve_quality": True, "approve_reason": " "},
            "approve_quality needs a non-empty approve_reason",
        ),
        (
            TRANSFORMED,
            {"window_end": "2025-03-10T07:00:00.000001Z"},
            "ends in the day 2025-03-10, but the partition is 2025-03-09; launch the partition 2025-03-10",
        ),
        (TRANSFORMED, {"window_end": "2025-03-08"}, "ends in the day 2025-03-08, but the partition is"),
        (TRANSFORMED, {"window_end": "soon"}, "window_end: end_date 'soon' is neither a date nor an instant"),
        (TRANSFORMED, {"window_start": "soon"}, "'soon' is neither a date nor an instant"),
        (TRANSFORMED, {"window_start": "2025-03-11"}, "is before start_date '2025-03-11'"),
        (
            TRANSFORMED,
            {"window_start": "2025-03-10"},
            "start_date '2025-03-10' and end_date '2025-03-09' leave no time between them; give a later end",
        ),
        (
            TRANSFORMED,
            {"window_start": "2025-03-09T09:00:00Z", "window_end": "2025-03-09T09:00:00Z"},
            "leave no time between them",
        ),
        (FILTERED, {"base_path": "filtered"}, "'filtered' is no address in a bucket"),
        (FILTERED, {"max_records_per_file": 0}, "max_records_per_file"),
        (FILTERED, {"dedup_key_columns": []}, "dedup_key_columns"),
        (FILTERED, {"dedup_key_columns": ["data.mediaid", "data.mediaid"]}, "a column is named twice"),
        (FILTERED, {"previous_run_id": "no id"}, "previous_run_id"),
        (FILTERED, {"source_timestamp": "2025-03-09"}, "it is no instant"),
        (PROMOTIONS, {"table": "d_promotion"}, "it is no name of a table"),
        (PROMOTIONS, {"end_date": "2025-03-10"}, "end_date '2025-03-10' ends in the day 2025-03-10"),
        (PROMOTIONS, {"start_date": "2025-03-11"}, "is before start_date '2025-03-11'"),
        (
            PROMOTIONS,
            {"event_publisher_config": {"publisher_type": "FILE"}},
            "publisher_type FILE needs path, the folder for the events",
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_refused_in_a_sentence_and_nothing_is_done(dwh, asset, config, said):
    before = dwh.tree()
    result = dwh.run(asset, config={asset: config})
    assert said in sentence(result)
    assert dwh.tree() == before


@pytest.mark.parametrize(
    ("asset", "config"),
    [
        (TRANSFORMED, {"drop_rate_red": "high"}),
        (TRANSFORMED, {"clean_sink": "perhaps"}),
        (FILTERED, {"mode": "sometimes"}),
        (FILTERED, {"null_keys": "drop"}),
        (PROMOTIONS, {"created_by": 1}),
    ],
)
def test_a_value_of_another_type_is_refused_before_there_is_a_run(dwh, asset, config):
    with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(config))):
        dwh.run(asset, config={asset: config})


@pytest.mark.parametrize("key", ["dedup_key_columns", "dedup_order_column", "time_column"])
def test_a_column_that_resolves_to_nothing_is_refused_with_all_columns(dwh, key):
    result = dwh.filter(**{key: ["picture"] if key == "dedup_key_columns" else "picture"})
    assert sentence(result).startswith(f"{key} names 'picture', which is no column of the transformed rows")
    for column in ("eventTime", "pk", "data.mediaid", "data.updated", "5min", "min"):
        assert f" {column}" in sentence(result)


def test_a_bare_name_means_the_field_of_data(dwh):
    assert dwh.filter().success
    rows = dwh.rows()
    result = dwh.filter(dedup_key_columns=["mediaid"], dedup_order_column="updated", time_column="updated")
    assert result.success
    assert dwh.rows() == rows


def test_other_columns_give_other_rows(dwh):
    assert facts(dwh.filter(dedup_key_columns=["data.projectguid", "pk"]), FILTERED)["null_key_records"] == 0
    assert dwh.frame()["pk"].is_unique().all()


def test_rows_without_a_key_can_be_set_aside(dwh):
    kept = facts(dwh.filter(), FILTERED)
    aside = facts(dwh.filter(null_keys="quarantine"), FILTERED)
    assert aside["null_key_records"] == aside["quarantined_records"] == kept["null_key_records"] > 0
    assert aside["dagster/row_count"] == kept["dagster/row_count"] - kept["null_key_records"]
    assert aside["records_read"] == aside["records_written"] + aside["records_dropped"]
    assert dwh.frame().unnest("data")["mediaid"].null_count() == 0
    folder = dwh.pointer()["output"]["path"].rpartition("/")[0].removeprefix("s3://dwh-data/")
    assert dwh.tree(f"{folder}/_quarantine/{aside['run_id']}")


def test_a_copy_for_readers_of_old_holds_the_rows_of_the_pointer(dwh):
    import polars as pl

    assert dwh.filter(latest_copy=True).success
    pointer = dwh.pointer()
    copy = dwh.bucket.parent / pointer["output"]["latest_path"].removeprefix("s3://")
    assert copy.name == "latest"
    assert pl.read_parquet(f"{copy}/*.parquet").equals(dwh.frame())


def test_incremental_gives_the_rows_of_recompute_and_says_what_it_was(dwh):
    assert dwh.filter().success
    rows = dwh.rows()
    assert facts(dwh.filter(mode="incremental"), FILTERED)["mode"] == "incremental"
    assert dwh.rows() == rows


def test_files_are_as_long_as_the_config_says(dwh):
    rows = dwh.frame().height
    shown = facts(dwh.filter(max_records_per_file=10), FILTERED)
    assert shown["files"] == -(-shown["dagster/row_count"] // 10) > 1
    assert shown["dagster/row_count"] == rows


@pytest.mark.parametrize("clean_sink", [True, False])
def test_clean_sink_is_noted_for_retention_and_removes_nothing(dwh, clean_sink):
    before = set(dwh.tree("transformed_images"))
    assert dwh.transform(clean_sink=clean_sink, **GREEN).success
    assert dwh.runs()[-1]["clean_sink"] is clean_sink
    assert set(dwh.tree("transformed_images")) > before


def test_too_few_records_need_approval(dwh):
    result = dwh.transform(min_records=1_001, **GREEN)
    assert not result.success
    assert metrics(result, TRANSFORMED)["job_status"] == "PENDING_APPROVAL"


def test_who_launched_is_in_the_metrics_and_in_the_manifest(dwh):
    shown = facts(dwh.transform(created_by="ann", **GREEN), TRANSFORMED)
    assert shown["created_by"] == shown["metrics"]["created_by"] == dwh.runs()[-1]["created_by"] == "ann"


def test_promotions_of_several_days_are_recorded_for_each_of_them(dwh):
    result = dwh.load(start_date="2025-03-07")
    assert result.success
    made = {event.partition for event in result.get_asset_materialization_events()}
    assert made == {"2025-03-07", "2025-03-08", DAY.isoformat()}
    assert facts(result, PROMOTIONS, date(2025, 3, 7)) == facts(result, PROMOTIONS)


def test_other_places_and_another_table_are_taken_where_the_config_names_them(dwh):
    assert dwh.transform(base_path="s3://dwh-data/elsewhere/transformed_images/", **GREEN).success
    assert dwh.filter(base_path="s3://dwh-data/elsewhere/filtered_images/").success
    assert {name.split("/")[1] for name in dwh.tree("elsewhere")} == {
        "transformed_images",
        "filtered_images",
    }
    assert not [name for name in dwh.tree() if "//" in name]
    result = dwh.load(table="dw_core.promotions_again")
    assert result.success
    assert facts(result, PROMOTIONS)["dagster/row_count"] > 0
