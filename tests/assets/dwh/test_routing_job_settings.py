"""What each job can be told: keys, defaults, refusals; defects 15 and 20 (typos were ignored)."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.quality import QualityRules
from assets.dwh.routing import (
    REGISTRY,
    FilterImagesConfig,
    LoadPromosConfig,
    TransformImagesConfig,
    UsageError,
)

OUTPUT = "s3://b/transformed/x"
FILTER = {"base_path": "s3://b/filtered_images", "transform_output_path": OUTPUT}
SHARED = {
    "event_publisher_config": {"publisher_type": "NOOP", "path": None, "topic_arn": None, "region": None},
    "strict_hooks": False,
    "timezone": "America/Los_Angeles",
}


def read(job, config, **arguments):
    return job.read({job.config_key: config, **arguments})


def refusal(job, config, **arguments):
    with pytest.raises(UsageError) as refused:
        read(job, config, **arguments)
    return str(refused.value)


def test_the_defaults_of_the_filter_job_are_the_documented_ones():
    """Defect 15: the default columns did not resolve; those of struct `data` do."""
    assert read(FilterImagesConfig, FILTER).model_dump() == {
        **SHARED,
        **FILTER,
        "triggered_by_job": "unknown",
        "triggered_by_run_id": "unknown",
        "source_timestamp": None,
        "dedup_key_columns": ("data.mediaid",),
        "dedup_order_column": "data.updated",
        "time_column": "data.updated",
        "null_keys": "keep",
        "max_records_per_file": 500_000,
        "latest_copy": False,
        "mode": "recompute",
        "previous_run_id": None,
    }


@pytest.mark.parametrize("config", ["{}", {}])
def test_an_empty_configuration_of_the_transform_job_means_the_documented_defaults(config):
    assert read(TransformImagesConfig, config).model_dump() == {
        **SHARED,
        "extractor_config": {"path": "s3://dwh-data/raw_images", "partition_interval_minutes": 5},
        "loader_config": {
            "path": "s3://dwh-data/transformed_images",
            "partition_interval_minutes": 5,
            "max_records_per_file": 262_000,
        },
        "quality_checker_config": {"drop_rate_yellow": 0.05, "drop_rate_red": 0.10, "min_records": 0},
        "approve_quality": False,
        "approve_reason": "",
    }


def test_an_empty_configuration_of_the_promotions_job_means_the_documented_defaults():
    assert read(LoadPromosConfig, {}).model_dump() == {
        **SHARED,
        "extractor_config": {"source_path": "s3://dwh-data/promotions_raw"},
        "warehouse_config": {"table": "dw_core.d_promotion_3_0"},
    }


def test_every_key_of_the_filter_job_can_be_given():
    given_by_user = {
        **FILTER,
        "triggered_by_job": "transform_images",
        "triggered_by_run_id": "transform-20250115T080000Z-abc123",
        "timezone": "Europe/London",
        "source_timestamp": "2025-01-16T08:00:00Z",
        "dedup_key_columns": ["mediaid", "data.userid"],
        "dedup_order_column": "updated",
        "time_column": "data.inserted",
        "null_keys": "quarantine",
        "max_records_per_file": 7,
        "latest_copy": True,
        "mode": "incremental",
        "previous_run_id": "filter-1",
        "event_publisher_config": {
            "publisher_type": "SNS",
            "topic_arn": "arn:aws:sns:x",
            "region": "eu-west-1",
        },
        "strict_hooks": True,
    }
    config = read(FilterImagesConfig, json.dumps(given_by_user))
    assert json.loads(config.model_dump_json(exclude_none=True)) == given_by_user


def test_every_key_of_the_transform_job_can_be_given():
    given_by_user = {
        "extractor_config": {"path": "gs://b/raw", "partition_interval_minutes": 15},
        "loader_config": {"path": "s3a://b/out", "partition_interval_minutes": 60, "max_records_per_file": 1},
        "quality_checker_config": {"drop_rate_yellow": 0, "drop_rate_red": 1, "min_records": 9},
        "approve_quality": True,
        "approve_reason": "The editor was down",
        "event_publisher_config": {"publisher_type": "FILE", "path": "s3://b/events"},
        "strict_hooks": True,
        "timezone": "Europe/London",
    }
    config = read(TransformImagesConfig, given_by_user)
    assert json.loads(config.model_dump_json(exclude_none=True)) == given_by_user
    assert config.quality_checker_config.rules == QualityRules(0, 1, 9)


@pytest.mark.parametrize("name", ["transform_output_path", "triggered_by_job", "triggered_by_run_id"])
def test_the_configuration_comes_before_the_argument_of_the_same_name(name):
    config: dict[str, Any] = {**FILTER, name: "s3://b/config"}
    assert getattr(read(FilterImagesConfig, config, **{name: "s3://b/argument"}), name) == "s3://b/config"
    for empty in (None, "", " "):
        config[name] = empty
        assert (
            getattr(read(FilterImagesConfig, config, **{name: "s3://b/argument"}), name) == "s3://b/argument"
        )


@pytest.mark.parametrize("name", ["mode", "timezone", "base_path", "previous_run_id", "max_records_per_file"])
def test_an_argument_of_another_key_has_no_effect(name):
    assert read(FilterImagesConfig, FILTER, **{name: "nonsense"}) == read(FilterImagesConfig, FILTER)


def test_a_key_that_is_null_or_blank_counts_as_not_given():
    config = {
        "extractor_config": {"path": " "},
        "loader_config": None,
        "approve_reason": "",
        "strict_hooks": None,
    }
    assert read(TransformImagesConfig, config) == read(TransformImagesConfig, {})


@pytest.mark.parametrize(
    ("config", "arguments", "sentence"),
    [
        (None, {}, "Configuration for 'filter_images_job' is required"),
        ("[]", {}, "'filter_images_job' must be a JSON object, got list"),
        (True, {}, "'filter_images_job' must be a dict or JSON string, got bool"),
        ({"base_path": "s3://b/f"}, {}, "transform_output_path is required"),
        ({"base_path": "s3://b/f", "transform_output_path": ""}, {}, "transform_output_path is required"),
        ({"base_path": "s3://b/f"}, {"transform_output_path": " "}, "transform_output_path is required"),
        ({}, {"transform_output_path": OUTPUT}, "base_path is required"),
        ({}, {}, "base_path is required; transform_output_path is required"),
    ],
)
def test_what_is_missing_is_said_in_the_documented_words(config, arguments, sentence):
    assert refusal(FilterImagesConfig, config, **arguments) == sentence


@pytest.mark.parametrize(
    ("job", "config", "key", "nearest"),
    [
        (FilterImagesConfig, {"basepath": "s3://b/f"}, "basepath", "base_path"),
        (FilterImagesConfig, {"dedup_keys": []}, "dedup_keys", "dedup_key_columns"),
        (FilterImagesConfig, {"Mode": "incremental"}, "Mode", "mode"),
        (TransformImagesConfig, {"extractor": {}}, "extractor", "extractor_config"),
        (TransformImagesConfig, {"min_record": 5}, "min_record", "quality_checker_config.min_records"),
        (
            TransformImagesConfig,
            {"loader_config": {"pth": 5}},
            "loader_config.pth",
            "loader_config.path",
        ),
        (
            LoadPromosConfig,
            {"event_publisher_config": {"topic": 5}},
            "event_publisher_config.topic",
            "event_publisher_config.topic_arn",
        ),
        (
            LoadPromosConfig,
            {"warehouse_config": {"tabel": 5}},
            "warehouse_config.tabel",
            "warehouse_config.table",
        ),
    ],
)
def test_an_unknown_key_is_reported_with_the_nearest_known_one(job, config, key, nearest):
    assert f"{key!r} (nearest known key: {nearest!r})" in refusal(job, config)


def test_unknown_keys_are_reported_first_and_all_of_them():
    config = {"extractor_config": {"partition_interval_minutes": 7, "x": 1}, "y": 2, 3: 4}
    sentence = refusal(TransformImagesConfig, config)
    assert "'transform_images_job' has keys that are not known" in sentence
    assert all(f"{key!r} (nearest" in sentence for key in ("extractor_config.x", "y", "3"))
    assert "partition_interval_minutes is 7" not in sentence


def test_an_unknown_key_is_reported_without_its_value():
    assert "hunter2" not in refusal(LoadPromosConfig, {"password": "hunter2"})


def test_a_very_long_unknown_key_is_cut_in_the_message():
    assert len(refusal(LoadPromosConfig, {"k" * 1_000_000: 1})) < 300


@pytest.mark.parametrize("minutes", [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])
@pytest.mark.parametrize("part", ["extractor_config", "loader_config"])
def test_an_interval_that_divides_an_hour_is_taken(part, minutes):
    config = read(TransformImagesConfig, {part: {"partition_interval_minutes": minutes}})
    assert getattr(config, part).partition_interval_minutes == minutes


@pytest.mark.parametrize("minutes", [7, 0, -5, 8, 61, 120, 5.0, "5", True])
@pytest.mark.parametrize("part", ["extractor_config", "loader_config"])
def test_an_interval_that_does_not_divide_an_hour_is_refused(part, minutes):
    sentence = refusal(TransformImagesConfig, {part: {"partition_interval_minutes": minutes}})
    assert f"{part}.partition_interval_minutes of 'transform_images_job' is {minutes!r}: " in sentence


FILTER_REFUSALS: list[tuple[str, Any, str]] = [
    ("timezone", "PST", "is no IANA name"),
    ("timezone", "pacific", "is no IANA name"),
    ("timezone", "../zones", "is no IANA name"),
    ("source_timestamp", "2025-01-16", "it is no instant"),
    ("source_timestamp", "2025-02-30T00:00:00Z", "it is no instant"),
    ("dedup_key_columns", [], "at least 1"),
    ("dedup_key_columns", "mediaid", "it must be a list of texts"),
    ("dedup_key_columns", ["a", "a"], "named twice"),
    ("dedup_key_columns", [""], "at least 1"),
    ("dedup_key_columns", [1], "valid string"),
    ("max_records_per_file", 0, "greater than or equal to 1"),
    ("max_records_per_file", "5", "valid integer"),
    ("max_records_per_file", True, "valid integer"),
    ("latest_copy", "y", "it must be true, 1, yes or on"),
    ("latest_copy", 1, "it must be true, 1, yes or on"),
    ("mode", "append", "'recompute' or 'incremental'"),
    ("previous_run_id", "../x", "is refused"),
    ("previous_run_id", "x" * 129, "is refused"),
    ("base_path", "/data/filtered_images", "no address in a bucket"),
    ("base_path", 5, "valid string"),
    ("transform_output_path", "s3://b/../x", "component"),
    ("transform_output_path", {"token": "hunter2"}, "'***'"),
    ("event_publisher_config", "NOOP", "it must be an object with keys of its own"),
]


@pytest.mark.parametrize(("key", "value", "reason"), FILTER_REFUSALS)
def test_a_value_of_the_filter_job_that_is_not_allowed_is_refused_with_its_key(key, value, reason):
    sentence = refusal(FilterImagesConfig, {**FILTER, key: value})
    assert key in sentence
    assert reason in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("drop_rate_yellow", -0.01),
        ("drop_rate_yellow", "0.05"),
        ("drop_rate_red", 10),
        ("drop_rate_red", math.nan),
        ("drop_rate_red", True),
        ("min_records", -1),
        ("min_records", 1.5),
    ],
)
def test_a_quality_rule_that_makes_no_sense_is_refused(key, value):
    sentence = refusal(TransformImagesConfig, {"quality_checker_config": {key: value}})
    assert f"quality_checker_config.{key} of 'transform_images_job' is {value!r}: input should" in sentence


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_an_approval_without_a_reason_is_refused(reason):
    config = {"approve_quality": "yes", "approve_reason": reason}
    assert refusal(TransformImagesConfig, config) == "approve_quality needs a non-empty approve_reason"


@pytest.mark.parametrize(
    "table", ["d_promotion", "dw; drop table x", "a.b.c.d", "dw.", "dw.d-p", "dw.d\nx", 'dw."d"']
)
def test_a_table_is_a_plain_name_since_it_becomes_part_of_statements(table):
    assert "it is no name of a table" in refusal(LoadPromosConfig, {"warehouse_config": {"table": table}})


@pytest.mark.parametrize("table", ["dw_core.d_promotion_3_0", "my-project-1.dw.d"])
def test_a_table_may_lie_in_another_project(table):
    assert read(LoadPromosConfig, {"warehouse_config": {"table": table}}).warehouse_config.table == table


@pytest.mark.parametrize(
    ("config", "missing"), [({"publisher_type": "FILE"}, "path"), ({"publisher_type": "SNS"}, "topic_arn")]
)
def test_a_publisher_without_a_place_is_refused(config, missing):
    sentence = refusal(LoadPromosConfig, {"event_publisher_config": config})
    assert f"{config['publisher_type']} needs {missing}" in sentence
    assert "event_publisher_config of 'load_promos_job'" in sentence


def test_an_unknown_publisher_is_refused():
    sentence = refusal(LoadPromosConfig, {"event_publisher_config": {"publisher_type": "MAIL"}})
    assert "event_publisher_config.publisher_type of 'load_promos_job' is 'MAIL'" in sentence


def test_all_values_that_are_not_allowed_are_said_at_once():
    sentence = refusal(FilterImagesConfig, {**FILTER, "timezone": "PST", "mode": "append"})
    assert "timezone" in sentence
    assert "mode" in sentence


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        read(LoadPromosConfig, {}).strict_hooks = True


KEYS = st.sampled_from(
    [
        "base_path",
        "transform_output_path",
        "timezone",
        "dedup_key_columns",
        "extractor_config",
        "quality_checker_config",
        "warehouse_config",
        "event_publisher_config",
        "path",
        "table",
        "publisher_type",
        "min_records",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["s3://b/k", "FILE"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    job=st.sampled_from([job.config for job in REGISTRY.values()]),
    config=st.dictionaries(KEYS | st.text(max_size=5), VALUES, max_size=5) | VALUES,
    argument=VALUES,
)
def test_any_configuration_is_read_or_refused_with_a_value_error(job, config, argument):
    try:
        settings = read(job, config, transform_output_path=argument)
    except UsageError:
        return
    assert isinstance(settings, job)


def test_a_configuration_nested_too_deeply_is_refused():
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"a": nested}
    assert "base_path" in refusal(FilterImagesConfig, {**FILTER, "base_path": nested})
