"""Settings from the JSON configuration: what is taken, and what is a warning that changes nothing."""

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.configuration import ConfigFile, Configuration, read_configuration
from assets.aim.settings import VARIABLES, Settings

BY_KEY = {
    variable.json_key: (name, variable.name) for name, variable in VARIABLES.items() if variable.json_key
}

# For each key a value of the environment that no test gives in JSON.
EARLIER = {
    "PRIORITY_RUNLIST_GCS_URI": "gs://earlier/runlist.csv",
    "RUN_MODE": "GLOBAL",
    "TOTAL_OVERALL": "77",
    "BATCH_SIZE": "77",
    "TOTAL_PER_SEGMENT": "77",
    "MIN_SUCCESS_RATIO": "0.77",
    "GOLDILOCKS_ZONE_PCT": "17",
    "PRICE_FLUCTUATION_UPPER": "1.7",
    "PRICE_FLUCTUATION_LOWER": "0.7",
    "BRAND_ENHANCER": "Earlier",
    "MODEL_ENHANCER": "Earlier",
    "SEASON": "Summer",
    "LIMIT_TO_SEGMENTS": "Earlier",
    "DISABLE_SEARCH": "no",
    "MASKED_DATES": "2025-01-01:2025-01-02",
}


def read(text: str | bytes, environ: dict[str, str] | None = None) -> Configuration:
    return read_configuration(environ or {}, config=ConfigFile("config/aim-config.json", text))


def with_earlier(key: str, value: Any) -> tuple[Any, Any, Configuration]:
    """The value before and after, and the whole configuration."""
    name, variable = BY_KEY[key]
    environ = {variable: EARLIER[key]}
    before = getattr(read_configuration(environ).settings, name)
    configuration = read(json.dumps({key: value}), environ)
    return before, getattr(configuration.settings, name), configuration


def test_the_json_keys_are_the_documented_ones():
    assert set(BY_KEY) == set(EARLIER)


GOOD = [
    ("PRIORITY_RUNLIST_GCS_URI", "gs://bucket/r.csv", "gs://bucket/r.csv"),
    ("RUN_MODE", " per_segment ", "PER_SEGMENT"),
    ("TOTAL_OVERALL", 250, 250),
    ("TOTAL_OVERALL", "250", 250),
    ("TOTAL_OVERALL", 250.9, 250),
    ("BATCH_SIZE", 500.9, 500),
    ("TOTAL_PER_SEGMENT", 0, 0),
    ("MIN_SUCCESS_RATIO", 1, 1.0),
    ("MIN_SUCCESS_RATIO", "0.5", 0.5),
    ("GOLDILOCKS_ZONE_PCT", 20, 20.0),
    ("PRICE_FLUCTUATION_UPPER", 1.25, 1.25),
    ("PRICE_FLUCTUATION_LOWER", "0.8", 0.8),
    ("BRAND_ENHANCER", " Zeta ", "Zeta"),
    ("MODEL_ENHANCER", "None", "None"),
    ("SEASON", "WINTER", "Winter"),
    ("LIMIT_TO_SEGMENTS", ["Small", " Large ", ""], ("Small", "Large")),
    ("LIMIT_TO_SEGMENTS", "Small, Large", ("Small", "Large")),
    ("LIMIT_TO_SEGMENTS", "", ()),
    ("LIMIT_TO_SEGMENTS", [], ()),
    ("DISABLE_SEARCH", True, True),
    ("DISABLE_SEARCH", "on", True),
    ("MASKED_DATES", [["2025-10-27", "2025-11-09"]], ((date(2025, 10, 27), date(2025, 11, 9)),)),
    ("MASKED_DATES", [], ()),
]


@pytest.mark.parametrize(("key", "value", "expected"), GOOD)
def test_an_allowed_value_replaces_the_earlier_one(key, value, expected):
    before, after, configuration = with_earlier(key, value)
    assert after == expected != before
    assert configuration.origins[BY_KEY[key][1]] == "json"
    assert configuration.warnings == ()


NUMBERS = (
    "TOTAL_OVERALL",
    "BATCH_SIZE",
    "TOTAL_PER_SEGMENT",
    "MIN_SUCCESS_RATIO",
    "GOLDILOCKS_ZONE_PCT",
    "PRICE_FLUCTUATION_UPPER",
    "PRICE_FLUCTUATION_LOWER",
)
BAD = [
    *(
        (key, value)
        for key in NUMBERS
        for value in ("abc", "", None, True, False, [1], {"a": 1}, 10**400, "NaN")
    ),
    *((key, value) for key in NUMBERS[:3] for value in ("250.0", -1, "-1", 1e300)),
    ("TOTAL_OVERALL", 0),
    ("TOTAL_OVERALL", 0.9),
    ("BATCH_SIZE", 501),
    ("MIN_SUCCESS_RATIO", 1.5),
    ("GOLDILOCKS_ZONE_PCT", 99),
    ("PRICE_FLUCTUATION_UPPER", 0.5),
    ("PRICE_FLUCTUATION_LOWER", "1.5"),
    ("RUN_MODE", None),
    ("RUN_MODE", ""),
    ("RUN_MODE", "GLOBL"),
    ("RUN_MODE", 1),
    ("SEASON", "Autumn"),
    ("SEASON", ["Winter"]),
    ("BRAND_ENHANCER", 5),
    ("BRAND_ENHANCER", False),
    ("MODEL_ENHANCER", {}),
    ("PRIORITY_RUNLIST_GCS_URI", "runlist/r.csv"),
    ("PRIORITY_RUNLIST_GCS_URI", "gs://bucket/../r.csv"),
    ("LIMIT_TO_SEGMENTS", 5),
    ("LIMIT_TO_SEGMENTS", ["Small", 5]),
    ("LIMIT_TO_SEGMENTS", [None]),
    ("LIMIT_TO_SEGMENTS", {"Small": 1}),
    ("DISABLE_SEARCH", None),
    ("DISABLE_SEARCH", 1),
    ("DISABLE_SEARCH", "maybe"),
    ("MASKED_DATES", "2025-10-27:2025-11-09"),
    ("MASKED_DATES", ["2025-10-27", "2025-11-09"]),
    ("MASKED_DATES", [["2025-10-27"]]),
    ("MASKED_DATES", [["2025-10-27", None]]),
    ("MASKED_DATES", [["2025-11-09", "2025-10-27"]]),
    ("MASKED_DATES", [["2025-10-27", "2025-11-09"], ["2025-12-24", "soon"]]),
]


@pytest.mark.parametrize(("key", "value"), BAD)
def test_a_bad_value_is_a_warning_that_names_the_key_and_the_earlier_value_stays(key, value):
    before, after, configuration = with_earlier(key, value)
    assert after == before
    assert configuration.origins[BY_KEY[key][1]] == "env"
    (warning,) = configuration.warnings
    assert warning.startswith(f"config/aim-config.json: {key}: ")
    assert warning.endswith("; the earlier value stays")
    assert len(warning) < 300


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_a_bad_value(value):
    before, after, configuration = with_earlier("MIN_SUCCESS_RATIO", value)
    assert after == before
    assert len(configuration.warnings) == 1


@pytest.mark.parametrize(
    "key",
    [
        "BRAND_ENHANCER",
        "MODEL_ENHANCER",
        "SEASON",
        "PRIORITY_RUNLIST_GCS_URI",
        "LIMIT_TO_SEGMENTS",
        "MASKED_DATES",
    ],
)
def test_null_for_what_may_have_no_value_keeps_the_earlier_one_and_is_never_the_text_none(key):
    before, after, configuration = with_earlier(key, None)
    assert after == before
    assert configuration.warnings == ()
    alone = read(json.dumps({key: None}))
    assert alone.settings == Settings()
    assert "None" not in alone.effective()[BY_KEY[key][1]]


@pytest.mark.parametrize("key", ["BRAND_ENHANCER", "MODEL_ENHANCER", "SEASON", "PRIORITY_RUNLIST_GCS_URI"])
def test_a_blank_text_is_unset(key):
    before, after, configuration = with_earlier(key, " ")
    assert after == before
    assert configuration.warnings == ()


def test_other_keys_still_apply_beside_a_bad_one_and_unknown_keys_warn():
    configuration = read('{"BATCH_SIZE": "abc", "AIM_BATCH_SIZE": 5, "TOTAL_OVERALL": 3, "SEASON": "summer"}')
    settings = configuration.settings
    assert (settings.batch_size, settings.total_overall, settings.season) == (500, 3, "Summer")
    bad, unknown = configuration.warnings
    assert bad == (
        "config/aim-config.json: BATCH_SIZE: 'abc' is not allowed, only a whole number from 1 to 500; "
        "the earlier value stays"
    )
    assert unknown == "config/aim-config.json: the key 'AIM_BATCH_SIZE' is not known and has no effect"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "{'BATCH_SIZE': 5}",
        "[1]",
        "null",
        "5",
        b"\xff\xfe{}",
        "[" * 100_000,
        '{"BATCH_SIZE": ' + "9" * 5_000 + "}",
    ],
)
def test_an_unreadable_file_warns_and_leaves_the_environment(content):
    configuration = read(content, {"AIM_BATCH_SIZE": "5"})
    assert configuration.settings == Settings(batch_size=5)
    (warning,) = configuration.warnings
    assert warning.startswith("config/aim-config.json ")
    assert "\n" not in warning


def test_a_missing_file_is_silent():
    configuration = read_configuration({"AIM_BATCH_SIZE": "5"}, config=None)
    assert (configuration.settings, configuration.warnings) == (Settings(batch_size=5), ())


def test_a_byte_order_mark_is_tolerated():
    assert read(b'\xef\xbb\xbf{"BATCH_SIZE": 5}').settings.batch_size == 5


@pytest.mark.parametrize("content", ['{"BATCH_SIZE": 5}', "{"])
def test_a_file_that_is_to_be_ignored_is_not_looked_at(content):
    from_env = read(content, {"IGNORE_GCS_CONFIG": "true"})
    assert (from_env.settings, from_env.warnings) == (Settings(ignore_config=True), ())
    config = ConfigFile("c.json", content)
    from_flag = read_configuration({}, config=config, flags={"IGNORE_GCS_CONFIG": "true"})
    assert (from_flag.settings, from_flag.warnings) == (Settings(ignore_config=True), ())


def test_a_price_parameter_of_json_replaces_one_that_fell_back():
    configuration = read('{"GOLDILOCKS_ZONE_PCT": 20}', {"AIM_GOLDILOCKS_ZONE_PCT": "99"})
    assert (configuration.settings.goldilocks_zone_pct, configuration.origins["AIM_GOLDILOCKS_ZONE_PCT"]) == (
        20,
        "json",
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(BY_KEY)) | st.text(max_size=5), JSON))
def test_no_json_ends_the_run_or_changes_a_setting_without_saying_where_it_is_from(entries):
    configuration = read(json.dumps(entries))
    for name, variable in VARIABLES.items():
        if configuration.origins[variable.name] == "default":
            assert getattr(configuration.settings, name) == getattr(Settings(), name)
        else:
            assert variable.json_key in entries
