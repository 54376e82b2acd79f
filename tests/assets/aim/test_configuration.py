"""Settings from the environment: every variable, its default, and what it may be."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.configuration import (
    Configuration,
    ConfigurationError,
    read_configuration,
)
from assets.aim.settings import VARIABLES, Settings

BY_VARIABLE = {variable.name: name for name, variable in VARIABLES.items()}


def value_of(variable: str, read: Configuration) -> Any:
    return getattr(read.settings, BY_VARIABLE[variable])


def env(variable: str, text: str) -> Any:
    return value_of(variable, read_configuration({variable: text}))


DEFAULTS = {
    "PROJECT_ID": None,
    "AIM_MODE": "cloud",
    "DRY_RUN": False,
    "IGNORE_GCS_CONFIG": False,
    "AIM_LOCAL_ROOT": "./demo",
    "TYRESCORE_BUCKET": None,
    "TYRESCORE_PREFIX": "tyrescore-AWS3-daily-files",
    "TYRESCORE_FILE_EXTENSION": ".csv",
    "AIM_BUCKET_NAME": None,
    "AIM_GCS_PREFIX": "aim-daily-files",
    "CONFIG_GCS_URI": None,
    "AIM_PRIORITY_RUNLIST_GCS_URI": None,
    "AIM_RUNLIST_PATH": "runlist/priority_runlist_current.csv",
    "AIM_DATASET_ID": "AIM",
    "AIM_TABLE_ID": "AIMData",
    "CAM_TABLE_ID": "CAM_files.CAM_SKU",
    "AIM_GA4_DATASET": None,
    "AIM_BQ_WRITE_DISPOSITION": "WRITE_TRUNCATE",
    "AIM_WAVES_URL": None,
    "AIM_SERVICE_PASSWORD": None,
    "AIM_RUN_MODE": "PER_SEGMENT",
    "AIM_TOTAL_OVERALL": 10_000,
    "AIM_BATCH_SIZE": 500,
    "AIM_PARALLEL_BATCHES": 4,
    "AIM_PAGE_SIZE": 45,
    "AIM_TOTAL_PER_SEGMENT": 500,
    "AIM_PARALLEL_SEGMENTS": 7,
    "AIM_REQUESTS_PER_SEGMENT": 4,
    "AIM_REQUEST_TIMEOUT_S": 900,
    "AIM_MIN_SUCCESS_RATIO": 0.8,
    "AIM_GOLDILOCKS_ZONE_PCT": 15,
    "AIM_PRICE_FLUCT_UPPER": 1.1,
    "AIM_PRICE_FLUCT_LOWER": 0.9,
    "AIM_BRAND_ENHANCER": None,
    "AIM_MODEL_ENHANCER": None,
    "AIM_SEASON": None,
    "AIM_LIMIT_SEGMENTS": (),
    "AIM_DISABLE_SEARCH": True,
    "AIM_MASKED_DATES": (),
    "AIM_PRICE_INPUT_GBP_PER_M": 0.072505,
    "AIM_PRICE_OUTPUT_GBP_PER_M": 0.29002,
}


def test_without_any_source_every_setting_has_its_documented_default():
    read = read_configuration({})
    assert {variable: value_of(variable, read) for variable in BY_VARIABLE} == DEFAULTS
    assert read.settings == Settings()
    assert set(read.origins.values()) == {"default"}
    assert read.warnings == ()


@pytest.mark.parametrize("variable", DEFAULTS)
def test_a_blank_variable_is_unset(variable):
    assert env(variable, " \t") == DEFAULTS[variable]


GOOD = [
    ("PROJECT_ID", "my-project", "my-project"),
    ("AIM_MODE", " Local ", "local"),
    ("AIM_LOCAL_ROOT", "/data/aim", "/data/aim"),
    ("TYRESCORE_BUCKET", "feeds", "feeds"),
    ("TYRESCORE_PREFIX", "./in//daily/", "in/daily"),
    ("TYRESCORE_FILE_EXTENSION", ".txt", ".txt"),
    ("AIM_BUCKET_NAME", "aim-bucket", "aim-bucket"),
    ("AIM_GCS_PREFIX", "a/b", "a/b"),
    ("CONFIG_GCS_URI", "gs://bucket/config//aim.json", "gs://bucket/config/aim.json"),
    ("AIM_PRIORITY_RUNLIST_GCS_URI", "gs://b-1/r.csv", "gs://b-1/r.csv"),
    ("AIM_RUNLIST_PATH", "runlist/other..v2.csv", "runlist/other..v2.csv"),
    ("AIM_DATASET_ID", "AIM_test", "AIM_test"),
    ("AIM_TABLE_ID", "AIM-Data", "AIM-Data"),
    ("CAM_TABLE_ID", "my-project.CAM_files.CAM_SKU", "my-project.CAM_files.CAM_SKU"),
    ("AIM_GA4_DATASET", "analytics_123", "analytics_123"),
    ("AIM_BQ_WRITE_DISPOSITION", "WRITE_APPEND", "WRITE_APPEND"),
    ("AIM_BQ_WRITE_DISPOSITION", "WRITE_EMPTY", "WRITE_EMPTY"),
    ("AIM_WAVES_URL", "https://waves.example:8443/base/", "https://waves.example:8443/base"),
    ("AIM_RUN_MODE", " global ", "GLOBAL"),
    ("AIM_RUN_MODE", "Per_Segment", "PER_SEGMENT"),
    ("AIM_TOTAL_OVERALL", "1", 1),
    ("AIM_BATCH_SIZE", "1", 1),
    ("AIM_BATCH_SIZE", " 500 ", 500),
    ("AIM_PARALLEL_BATCHES", "16", 16),
    ("AIM_PAGE_SIZE", "1", 1),
    ("AIM_TOTAL_PER_SEGMENT", "0", 0),
    ("AIM_PARALLEL_SEGMENTS", "1", 1),
    ("AIM_REQUESTS_PER_SEGMENT", "1", 1),
    ("AIM_REQUEST_TIMEOUT_S", "0.5", 0.5),
    ("AIM_MIN_SUCCESS_RATIO", "0", 0),
    ("AIM_MIN_SUCCESS_RATIO", "1", 1),
    ("AIM_GOLDILOCKS_ZONE_PCT", "5", 5),
    ("AIM_GOLDILOCKS_ZONE_PCT", "5e1", 50),
    ("AIM_PRICE_FLUCT_UPPER", "2", 2),
    ("AIM_PRICE_FLUCT_LOWER", ".5", 0.5),
    ("AIM_BRAND_ENHANCER", " Zeta ", "Zeta"),
    ("AIM_MODEL_ENHANCER", "None", "None"),
    ("AIM_SEASON", "ALLSEASON", "AllSeason"),
    ("AIM_SEASON", "winter", "Winter"),
    ("AIM_LIMIT_SEGMENTS", "Small, Large,,Small", ("Small", "Large")),
    ("AIM_MASKED_DATES", "2025-10-27:2025-11-09", ((date(2025, 10, 27), date(2025, 11, 9)),)),
    (
        "AIM_MASKED_DATES",
        "2025-10-27:2025-10-27, 2025-12-24:2026-01-02,",
        ((date(2025, 10, 27), date(2025, 10, 27)), (date(2025, 12, 24), date(2026, 1, 2))),
    ),
    ("AIM_PRICE_INPUT_GBP_PER_M", "0", 0),
    ("AIM_PRICE_OUTPUT_GBP_PER_M", "1.5", 1.5),
]


@pytest.mark.parametrize(("variable", "text", "value"), GOOD)
def test_an_allowed_value_is_taken_from_the_environment(variable, text, value):
    read = read_configuration({variable: text})
    assert value_of(variable, read) == value
    assert read.origins[variable] == "env"
    assert read.warnings == ()


@pytest.mark.parametrize("variable", ["DRY_RUN", "IGNORE_GCS_CONFIG", "AIM_DISABLE_SEARCH"])
@pytest.mark.parametrize(
    ("word", "value"),
    [(word, True) for word in ("true", "1", "t", "yes", "y", "on", " TRUE ", "On")]
    + [(word, False) for word in ("false", "0", "f", "no", "n", "off", "FALSE", " Off ")],
)
def test_booleans_have_twelve_words_in_any_case(variable, word, value):
    assert env(variable, word) is value


BAD = [
    ("PROJECT_ID", "my project"),
    ("AIM_MODE", "locale"),
    ("DRY_RUN", "maybe"),
    ("DRY_RUN", "2"),
    ("IGNORE_GCS_CONFIG", "enabled"),
    ("AIM_DISABLE_SEARCH", "None"),
    ("TYRESCORE_PREFIX", "../feeds"),
    ("AIM_GCS_PREFIX", "/aim"),
    ("AIM_GCS_PREFIX", "gs://bucket/aim"),
    ("AIM_RUNLIST_PATH", "a/../b"),
    ("AIM_RUNLIST_PATH", "C:\\runlist.csv"),
    ("AIM_RUNLIST_PATH", "gs://bucket/runlist.csv"),
    ("AIM_RUNLIST_PATH", "."),
    ("CONFIG_GCS_URI", "config/aim.json"),
    ("CONFIG_GCS_URI", "gs://bucket"),
    ("CONFIG_GCS_URI", "gs://bucket/../x"),
    ("AIM_PRIORITY_RUNLIST_GCS_URI", "s3://bucket/r.csv"),
    ("AIM_DATASET_ID", "AIM`; DROP"),
    ("AIM_TABLE_ID", "a.b"),
    ("CAM_TABLE_ID", "CAM_SKU"),
    ("AIM_GA4_DATASET", "analytics 1"),
    ("AIM_BQ_WRITE_DISPOSITION", "write_truncate"),
    ("AIM_BQ_WRITE_DISPOSITION", "TRUNCATE"),
    ("AIM_WAVES_URL", "waves.example"),
    ("AIM_WAVES_URL", "ftp://waves.example"),
    ("AIM_WAVES_URL", "https://waves.example/?token=x"),
    ("AIM_WAVES_URL", "https://[waves"),
    ("AIM_RUN_MODE", "GLOBL"),
    ("AIM_TOTAL_OVERALL", "0"),
    ("AIM_TOTAL_OVERALL", "many"),
    ("AIM_TOTAL_OVERALL", "9" * 5_000),
    ("AIM_BATCH_SIZE", "0"),
    ("AIM_BATCH_SIZE", "501"),
    ("AIM_BATCH_SIZE", "250.0"),
    ("AIM_BATCH_SIZE", "1_0"),
    ("AIM_PARALLEL_BATCHES", "17"),
    ("AIM_PAGE_SIZE", "0"),
    ("AIM_TOTAL_PER_SEGMENT", "-1"),
    ("AIM_PARALLEL_SEGMENTS", "0"),
    ("AIM_REQUESTS_PER_SEGMENT", "0"),
    ("AIM_REQUEST_TIMEOUT_S", "0"),
    ("AIM_REQUEST_TIMEOUT_S", "inf"),
    ("AIM_MIN_SUCCESS_RATIO", "1.01"),
    ("AIM_MIN_SUCCESS_RATIO", "-0.1"),
    ("AIM_MIN_SUCCESS_RATIO", "nan"),
    ("AIM_MIN_SUCCESS_RATIO", "80%"),
    ("AIM_GOLDILOCKS_ZONE_PCT", "fifteen"),
    ("AIM_PRICE_FLUCT_UPPER", "1,1"),
    ("AIM_PRICE_FLUCT_LOWER", "None"),
    ("AIM_SEASON", "Autumn"),
    ("AIM_MASKED_DATES", "2025-10-27"),
    ("AIM_MASKED_DATES", "2025-10-27:2025-11-31"),
    ("AIM_MASKED_DATES", "2025-11-09:2025-10-27"),
    ("AIM_MASKED_DATES", "20251027:20251109"),
    ("AIM_PRICE_INPUT_GBP_PER_M", "-1"),
    ("AIM_PRICE_OUTPUT_GBP_PER_M", "free"),
]


@pytest.mark.parametrize(("variable", "text"), BAD)
def test_any_other_value_is_refused_in_one_sentence(variable, text):
    with pytest.raises(ConfigurationError) as refused:
        read_configuration({variable: text})
    sentence = str(refused.value)
    assert sentence.startswith(f"{variable} in the environment: ")
    assert repr(text)[:60] in sentence
    assert "only " in sentence or "give one relative to its root" in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("AIM_BATCH_SIZE", "501", "a whole number from 1 to 500"),
        ("AIM_TOTAL_OVERALL", "0", "a whole number from 1"),
        ("AIM_REQUEST_TIMEOUT_S", "0", "a number above 0"),
        ("AIM_MIN_SUCCESS_RATIO", "2", "a number from 0 to 1"),
        ("AIM_MODE", "x", "local or cloud"),
        ("AIM_SEASON", "x", "AllSeason, Winter or Summer"),
        ("AIM_RUN_MODE", "x", "GLOBAL or PER_SEGMENT"),
        ("AIM_BQ_WRITE_DISPOSITION", "x", "WRITE_TRUNCATE, WRITE_APPEND or WRITE_EMPTY"),
    ],
)
def test_the_sentence_names_the_variable_the_value_and_what_is_allowed(variable, text, allowed):
    with pytest.raises(ConfigurationError) as refused:
        read_configuration({variable: text})
    assert str(refused.value) == f"{variable} in the environment: '{text}' is not allowed, only {allowed}"


@pytest.mark.parametrize(
    ("variable", "texts", "default", "allowed"),
    [
        ("AIM_GOLDILOCKS_ZONE_PCT", ("4.99", "50.1", "-15"), 15, "5 to 50"),
        ("AIM_PRICE_FLUCT_UPPER", ("0.99", "2.01", "110"), 1.1, "1 to 2"),
        ("AIM_PRICE_FLUCT_LOWER", ("0.49", "1.01", "0"), 0.9, "0.5 to 1"),
    ],
)
def test_a_price_parameter_out_of_range_falls_back_with_a_warning(variable, texts, default, allowed):
    for text in texts:
        read = read_configuration({variable: text})
        assert value_of(variable, read) == default
        assert read.origins[variable] == "default"
        (warning,) = read.warnings
        assert warning.startswith(
            f"{variable} in the environment: '{text}' is not allowed, only a number from"
        )
        assert warning.endswith(f"{allowed}; {default:g} is used")


def test_every_effective_value_is_shown_as_text_with_its_origin():
    read = read_configuration(
        {"AIM_MASKED_DATES": "2025-10-27:2025-11-09", "AIM_LIMIT_SEGMENTS": "a,b", "DRY_RUN": "yes"}
    )
    shown = read.effective()
    assert list(shown) == list(DEFAULTS)
    assert shown["AIM_MASKED_DATES"] == ("2025-10-27:2025-11-09", "env")
    assert shown["AIM_LIMIT_SEGMENTS"] == ("a,b", "env")
    assert shown["DRY_RUN"] == ("true", "env")
    assert shown["AIM_SERVICE_PASSWORD"] == shown["PROJECT_ID"] == ("none", "default")


@given(
    st.dictionaries(st.sampled_from(sorted(set(DEFAULTS) - {"AIM_SERVICE_PASSWORD"})), st.text(max_size=12))
)
def test_what_is_shown_of_any_configuration_gives_the_same_configuration(environ):
    try:
        read = read_configuration(environ)
    except ConfigurationError:
        return
    shown = {
        name: text for name, (text, origin) in read.effective().items() if origin == "env" and text != "none"
    }
    again = read_configuration(shown)
    assert again.settings == read.settings


def test_bytes_that_are_no_text_are_refused_without_showing_them():
    latin_1 = b"CITRO\xcbN".decode("utf-8", "surrogateescape")
    with pytest.raises(
        ConfigurationError, match="AIM_BRAND_ENHANCER in the environment is not UTF-8"
    ) as refused:
        read_configuration({"AIM_BRAND_ENHANCER": latin_1})
    assert "CITRO" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="AIM_SERVICE_PASSWORD"):
        read_configuration({"AIM_SERVICE_PASSWORD": latin_1})
