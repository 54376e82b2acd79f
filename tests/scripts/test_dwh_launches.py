"""What a command line of dwh asks for, and that the asset's launch config says the same again."""

import json
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh import assets as dwh_assets
from assets.dwh.arguments import UsageError
from assets.dwh.days import command_line_day, command_line_window
from assets.dwh.job_settings import JobArguments
from assets.dwh.partitions import TIMEZONE
from assets.dwh.registry import REGISTRY
from scripts.dwh_launches import AssetLaunch, asset_launch

NOW = datetime(2025, 1, 16, 7, 30, tzinfo=UTC)
LAUNCH_CONFIGS = {
    "filter_images": dwh_assets.FilteredImagesConfig,
    "transform_images": dwh_assets.TransformedImagesConfig,
    "load_promos": dwh_assets.PromotionsConfig,
}
FILTER = {"base_path": "s3://b/filtered_images", "transform_output_path": "s3://b/transformed_images"}
DATES = {"start_date": "2025-01-14", "end_date": "2025-01-15", "created_by": "nightly"}


def asked(job: str, config: object, **arguments: object) -> AssetLaunch:
    """The launch of a job, Spark granted."""
    registered = REGISTRY[job]
    given = {registered.config_key: config, "has_spark": True, **arguments}
    return asset_launch(registered, given, timezone=TIMEZONE, now=NOW)


def keywords(launch: AssetLaunch) -> dict[str, object]:
    """What the step gives to the job."""
    config = LAUNCH_CONFIGS[launch.job.name](**launch.config)
    return config.launch(launch.day).with_tags(launch.tags).keywords


def filter_configs() -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries(
        FILTER_STRATEGIES,
        optional={
            "triggered_by_job": st.just("transform_images"),
            "triggered_by_run_id": st.just("transform-20250115T180000Z-a1b2c3"),
            "source_timestamp": st.just("2025-01-15T18:00:00Z"),
            "dedup_key_columns": st.sampled_from([["data.mediaid"], ["mediaid", "pk"]]),
            "dedup_order_column": st.just("data.inserted"),
            "time_column": st.just("eventTime"),
            "null_keys": st.sampled_from(["keep", "quarantine"]),
            "max_records_per_file": st.integers(1, 10**6),
            "latest_copy": st.sampled_from([True, False, "yes", "off"]),
            "mode": st.sampled_from(["recompute", "incremental"]),
            "previous_run_id": st.just("filter-1"),
            **SHARED,
        },
    )


FILTER_STRATEGIES = {name: st.just(value) for name, value in FILTER.items()}
SHARED = {
    "event_publisher_config": st.sampled_from(
        [{"publisher_type": "NOOP"}, {"publisher_type": "FILE", "path": "s3://b/events"}]
    ),
    "strict_hooks": st.booleans(),
    "timezone": st.just(TIMEZONE),
}
TRANSFORM_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "extractor_config": st.fixed_dictionaries(
            {},
            optional={
                "path": st.just("s3://b/raw/"),
                "partition_interval_minutes": st.sampled_from([5, 10, 60]),
            },
        ),
        "loader_config": st.fixed_dictionaries(
            {},
            optional={
                "path": st.just("s3://b/out"),
                "partition_interval_minutes": st.sampled_from([5, 15]),
                "max_records_per_file": st.integers(1, 10**6),
            },
        ),
        "quality_checker_config": st.fixed_dictionaries(
            {},
            optional={
                "drop_rate_yellow": st.sampled_from([0, 0.25, 1.0]),
                "drop_rate_red": st.sampled_from([0.5, 1]),
                "min_records": st.integers(0, 100),
            },
        ),
        "approve_quality": st.just("true"),
        **SHARED,
    },
).map(lambda config: {**config, "approve_reason": "looked at"} if "approve_quality" in config else config)
PROMOS_CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "extractor_config": st.fixed_dictionaries({}, optional={"source_path": st.just("s3://b/promotions")}),
        "warehouse_config": st.fixed_dictionaries({}, optional={"table": st.just("other.promotions")}),
        **SHARED,
    },
)


def assert_same_job(launch: AssetLaunch, config: dict[str, object]) -> dict[str, object]:
    """Assert that the job is configured as the command line says; return its other arguments."""
    given = keywords(launch)
    job = launch.job
    in_zone = {"timezone": TIMEZONE, **config}
    assert job.config.read(given) == job.config.read({job.config_key: in_zone})
    assert given["has_spark"] is True
    return given


@given(filter_configs(), st.sampled_from([None, "2025-01-15", "2025-01-16T08:00:00Z"]), st.booleans())
def test_a_filter_job_gets_back_what_its_command_line_says(config, end_date, as_text):
    launch = asked("filter_images", json.dumps(config) if as_text else config, end_date=end_date)
    arguments = assert_same_job(launch, config)
    dates = {name: arguments[name] for name in ("year", "month", "day")}
    assert command_line_day(dates, TIMEZONE, NOW) == launch.day == date(2025, 1, 15)
    assert arguments["end_date"] == end_date
    assert arguments["created_by"] == "dagster"


@given(
    TRANSFORM_CONFIGS,
    st.sampled_from([("2025-01-14", "2025-01-15"), ("2025-01-15T20:00:00Z", "2025-01-15T20:05:00Z")]),
    st.sampled_from([None, "false", "1", True]),
)
def test_a_transform_job_gets_back_what_its_command_line_says(config, window, clean_sink):
    start, end = window
    given = {"start_date": start, "end_date": end, "created_by": "me", "clean_sink": clean_sink}
    launch = asked("transform_images", config, **given)
    arguments = assert_same_job(launch, config)
    assert JobArguments.read(arguments) == JobArguments.read(given)
    assert launch.day == date(2025, 1, 15)


@given(PROMOS_CONFIGS)
def test_a_promotions_job_gets_back_what_its_command_line_says(config):
    launch = asked("load_promos", config, **DATES)
    arguments = assert_same_job(launch, config)
    assert JobArguments.read(arguments) == JobArguments.read(DATES)
    window = command_line_window(str(arguments["start_date"]), str(arguments["end_date"]), TIMEZONE)
    assert window == command_line_window(DATES["start_date"], DATES["end_date"], TIMEZONE)


def test_a_path_that_a_command_line_gives_beside_the_configuration_counts():
    launch = asked(
        "filter_images", {"base_path": "s3://b/f"}, transform_output_path="s3://b/t", created_by="x"
    )
    given = keywords(launch)
    assert REGISTRY["filter_images"].config.read(given).model_dump()["transform_output_path"] == "s3://b/t"
    assert given["created_by"] == "x"


@pytest.mark.parametrize(
    ("arguments", "day"),
    [
        ({"year": "2025", "month": "1", "day": "5"}, date(2025, 1, 5)),
        ({"end_date": "2025-01-15T08:00:00Z"}, date(2025, 1, 14)),
        ({"start_date": "2025-01-01", "end_date": "2025-01-15"}, date(2025, 1, 15)),
        ({}, date(2025, 1, 15)),
    ],
    ids=["year, month and day", "an exclusive end", "a date", "the local day of now"],
)
def test_the_run_day_of_a_filter_job(arguments, day):
    assert asked("filter_images", FILTER, **arguments).day == day


def test_what_the_platform_says_becomes_run_tags_that_the_job_reads_again():
    launch = asked(
        "filter_images",
        FILTER,
        service_provider="GLUE",
        environment="dev",
        region=None,
        JOB_RUN_ID="jr_1",
        emr_cluster_id="j-1",
        compute="subprocess",
        spark_engine="jvm",
    )
    assert launch.tags == {
        "dwh/service_provider": "GLUE",
        "dwh/environment": "dev",
        "dwh/JOB_RUN_ID": "jr_1",
        "dwh/emr_cluster_id": "j-1",
        "compute": "subprocess",
        "spark_engine": "jvm",
    }
    given = keywords(launch.tagged("dwh/job_run_id", "filter-1"))
    assert given["service_provider"] == "GLUE"
    assert given["environment"] == "dev"
    assert given["job_run_id"] == "filter-1"
    assert "region" not in given


@pytest.mark.parametrize(
    ("job", "config", "arguments", "said"),
    [
        ("filter_images", FILTER, {"has_spark": "no"}, "filter_images_job requires a spark_session"),
        ("filter_images", FILTER, {"has_spark": None}, "filter_images_job requires a spark_session"),
        ("filter_images", FILTER, {"has_spark": "y"}, "has_spark is 'y'"),
        ("filter_images", None, {}, "Configuration for 'filter_images_job' is required"),
        ("filter_images", {**FILTER, "bas_path": 1}, {}, "'bas_path' (nearest known key: 'base_path')"),
        ("filter_images", {"base_path": "s3://b/f"}, {}, "transform_output_path is required"),
        ("filter_images", FILTER, {"end_date": "15/01/2025"}, "end_date '15/01/2025' is neither a date"),
        ("filter_images", FILTER, {"year": "2025"}, "month and day is missing"),
        ("filter_images", FILTER, {"end_date": True}, "end_date needs a value"),
        ("filter_images", FILTER, {"created_by": True}, "created_by needs a value"),
        (
            "filter_images",
            {**FILTER, "timezone": "Europe/London"},
            {},
            "start with DWH_TIMEZONE=Europe/London",
        ),
        ("filter_images", {**FILTER, "timezone": "PST"}, {}, "'PST'"),
        ("transform_images", {}, {}, "created_by parameter is required"),
        (
            "transform_images",
            {},
            {"created_by": "me", "start_date": "2025-01-14"},
            "end_date parameter is required",
        ),
        ("transform_images", {}, {**DATES, "end_date": "2025-01-12"}, "is before start_date"),
        ("transform_images", {}, {**DATES, "end_date": "2025-01-13"}, "leave no time between them"),
        ("transform_images", {}, {**DATES, "clean_sink": "maybe"}, "clean_sink is 'maybe'"),
        ("transform_images", {"approve_quality": True}, DATES, "non-empty approve_reason"),
        (
            "load_promos",
            {},
            {"created_by": "me", "end_date": "2025-01-15"},
            "start_date parameter is required",
        ),
        ("load_promos", "[1,2]", DATES, "'load_promos_job' must be a JSON object, got list"),
    ],
)
def test_what_is_not_allowed_is_wrong_usage_before_anything_runs(job, config, arguments, said):
    with pytest.raises(UsageError) as refused:
        asked(job, config, **arguments)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("dates", "day"),
    [
        ({}, date(2025, 1, 15)),  # 2025-01-16T07:30Z is still the 15th in Los Angeles.
        ({"year": "2025", "month": "1", "day": "9"}, date(2025, 1, 9)),
    ],
)
def test_a_command_line_without_a_window_means_the_whole_day(dates, day):
    launch = asked("transform_images", {}, created_by="me", **dates)
    assert launch.day == day
    given = keywords(launch)
    assert (given["start_date"], given["end_date"]) == (day.isoformat(), day.isoformat())
