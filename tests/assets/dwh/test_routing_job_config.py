"""The JSON of a job, R11 to R13, and what is shown of it: defect 20 (secrets were printed)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.job_config import shown
from assets.dwh.routing import UsageError, masked, parse_job_config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_text_is_read_as_json():
    """R11."""
    assert parse_job_config("job", '{"key":"value","number":42}') == {"key": "value", "number": 42}


def test_a_dict_passes_unchanged():
    config = {"key": {"inner": None}}
    assert parse_job_config("job", config) is config


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("", "{}", "job_name is required"),
        ("", None, "job_name is required"),
        pytest.param("job", None, "Configuration for 'job' is required", id="R12 missing"),
        pytest.param("job", 123, "'job' must be a dict or JSON string, got int", id="R12 a number"),
        ("job", True, "'job' must be a dict or JSON string, got bool"),
        ("job", ["a"], "'job' must be a dict or JSON string, got list"),
        ("job", b"{}", "'job' must be a dict or JSON string, got bytes"),
        pytest.param("job", "[1,2]", "'job' must be a JSON object, got list", id="R13 a list"),
        pytest.param("job", "null", "'job' must be a JSON object, got NoneType", id="R13 null"),
        ("job", '"text"', "'job' must be a JSON object, got str"),
    ],
)
def test_what_is_no_configuration_is_refused_in_the_documented_words(name, value, sentence):
    with pytest.raises(UsageError) as refused:
        parse_job_config(name, value)
    assert str(refused.value) == sentence
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("not valid json", "Expecting value", id="R12"),
        ("", "Expecting value"),
        ("{'a': 1}", "property name"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": [-Infinity]}', "-Infinity is no JSON number"),
        ('{"a": 1e999}', "1e999 is too large"),
        ('{"a": 1, "a": 1}', "the key 'a' appears twice"),
        ('{"b": {"a": 1, "a": 2}}', "the key 'a' appears twice"),
        ("[" * 100_000, "recursion"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_bad_json_is_refused_with_the_reason(text, reason):
    with pytest.raises(UsageError) as refused:
        parse_job_config("job", text)
    assert str(refused.value).startswith("Invalid JSON format for 'job': ")
    assert reason in str(refused.value)


def test_a_refusal_of_bad_json_does_not_repeat_the_text():
    with pytest.raises(UsageError) as refused:
        parse_job_config("job", '{"password": "hunter2"')
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__


@given(st.dictionaries(st.text(), JSON))
def test_every_json_object_reads_back_equal(config):
    assert parse_job_config("job", json.dumps(config)) == config


@given(st.text(max_size=3), JSON | st.text() | st.binary() | st.builds(json.dumps, JSON))
def test_any_value_is_read_or_refused_with_a_value_error(name, value):
    try:
        config = parse_job_config(name, value)
    except UsageError:
        return
    assert isinstance(config, dict)


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db_password",
        "PASSWORD",
        "client_secret",
        "api_token",
        "credentials",
        "credential_file",
        "aws_access_key_id",
        "AccessKeyId",
        "jdbc_url",
        "jdbcUrl",
        "JDBC-URL",
    ],
)
def test_the_value_of_a_key_that_looks_secret_is_hidden_at_any_depth(key):
    config = {key: "hunter2", "a": {"b": [{key: {"c": "hunter2"}}]}, "kept": "s3://b/k"}
    assert masked(config) == {key: "***", "a": {"b": [{key: "***"}]}, "kept": "s3://b/k"}
    assert masked({"job": json.dumps(config)}) == {"job": json.dumps(masked(config))}


@pytest.mark.parametrize("key", ["path", "base_path", "dedup_key_columns", "min_records", "topic_arn", "key"])
def test_other_values_are_shown(key):
    assert masked({key: [1, "x", None]}) == {key: [1, "x", None]}


def test_json_that_is_cut_off_is_hidden_only_if_it_may_hold_a_secret():
    assert masked({"job": ' {"password": "hunter2'}) == {"job": "***"}
    assert masked({"job": '{"path": "s3://b'}) == {"job": '{"path": "s3://b'}


def test_credentials_in_an_address_are_hidden():
    assert masked({"endpoint": "https://user:hunter2@host/x"}) == {"endpoint": "https://***@host/x"}


@given(JSON)
def test_masking_reveals_no_secret_and_leaves_its_argument_alone(value):
    config = {"outer": {"password": "hunter2", "kept": value}}
    before = json.dumps(config)
    assert "hunter2" not in json.dumps(masked(config))
    assert json.dumps(config) == before


def test_a_value_in_a_message_is_masked_and_not_long():
    assert shown({"token": "hunter2"}) == "{'token': '***'}"
    assert len(shown("x" * 1000)) < 110
    nested: list[object] = []
    for _ in range(5000):
        nested = [nested]
    assert shown(nested) == "a value nested too deeply"
