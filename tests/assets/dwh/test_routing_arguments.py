"""Command lines of the predecessor: R1 to R7, R9, R10 and R14, the platforms, and every refusal."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.arguments import MissingArguments, Platform
from assets.dwh.routing import (
    EntryArguments,
    UsageError,
    entry_arguments,
    parse_arguments,
    parse_flag,
    require_spark,
)

PROGRAM = "generic_entry.py"
PLATFORMS: tuple[Platform, ...] = ("glue", "databricks", "emr", "container")


def entry(platform, *arguments, environ=None, spark_available=False):
    argv = [PROGRAM, "--module_name", "m", *arguments]
    return entry_arguments(platform, argv, environ or {}, spark_available=spark_available)


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param(["--module_name", "m", "--input", "p"], {"module_name": "m", "input": "p"}, id="R1"),
        pytest.param(["--verbose", "--debug"], {"verbose": True, "debug": True}, id="R2"),
        pytest.param(["--a", "1", "--b"], {"a": "1", "b": True}, id="R3 a flag at the end"),
        pytest.param(["--count", "5"], {"count": "5"}, id="R3 a number stays text"),
        pytest.param(["--config", '{"key":"value"}'], {"config": '{"key":"value"}'}, id="R4"),
        pytest.param(["--a", "1", "--a", "2"], {"a": "2"}, id="R5"),
        pytest.param(["--a", "1", "--a"], {"a": True}, id="a flag wins over an earlier value"),
        pytest.param(["--k=v"], {"k": "v"}, id="R6 an equals sign"),
        pytest.param(["--a=--5"], {"a": "--5"}, id="R6 a value with two dashes"),
        pytest.param(["--a", "-5"], {"a": "-5"}, id="R6 a negative value"),
        pytest.param(["--a="], {"a": ""}, id="an empty value behind an equals sign"),
        pytest.param(["--a", ""], {"a": ""}, id="an empty token is a value"),
        pytest.param(["--a=b=c"], {"a": "b=c"}, id="the first equals sign counts"),
        pytest.param(["--a", "b=c"], {"a": "b=c"}, id="a value with an equals sign"),
    ],
)
def test_a_command_line_is_read(arguments, parsed):
    assert parse_arguments([PROGRAM, *arguments]) == parsed


def test_no_argv_at_all_gives_no_arguments():
    assert parse_arguments([]) == {}


def test_the_first_element_is_skipped_whatever_it_is():
    assert parse_arguments(["--not-a-key", "--a", "1"]) == {"a": "1"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        pytest.param(["--a", "1", "2"], "'2'", id="R7"),
        pytest.param(["stray"], "'stray'", id="a positional first"),
        pytest.param(["-a"], "'-a'", id="one dash"),
        pytest.param(["--a=1", "-b"], "'-b'", id="an equals sign leaves no key open"),
        pytest.param(["--"], "'--'", id="a lone double dash"),
        pytest.param(["--a", "--"], "'--'", id="a lone double dash is no value"),
        pytest.param(["--=v"], "'--=v'", id="an empty name"),
        pytest.param([""], "''", id="an empty token that no key is open for"),
    ],
)
def test_a_token_out_of_place_is_refused_by_its_name(arguments, named):
    with pytest.raises(UsageError) as refused:
        parse_arguments([PROGRAM, *arguments])
    assert named in str(refused.value)
    assert isinstance(refused.value, ValueError)


def test_an_argument_given_twice_is_warned_about_without_its_values(caplog):
    with caplog.at_level(logging.WARNING):
        parse_arguments([PROGRAM, "--pin", "1234", "--other", "x", "--pin=5678"])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "--pin" in caplog.text
    assert "1234" not in caplog.text
    assert "5678" not in caplog.text


def test_arguments_given_once_are_not_warned_about(caplog):
    with caplog.at_level(logging.WARNING):
        parse_arguments([PROGRAM, "--a", "1", "--b", "1"])
    assert caplog.records == []


KEYS = st.text(min_size=1, max_size=8).filter(lambda key: "=" not in key)
VALUES = st.text(max_size=8) | st.just(True)


@given(st.dictionaries(KEYS, VALUES), st.data())
def test_what_is_written_as_a_command_line_reads_back_equal(arguments, data):
    argv = [PROGRAM]
    for key, value in arguments.items():
        if value is True:
            argv.append(f"--{key}")
        elif value.startswith("--") or data.draw(st.booleans()):
            argv.append(f"--{key}={value}")
        else:
            argv += [f"--{key}", value]
    assert parse_arguments(argv) == arguments


TOKENS = st.sampled_from(["--", "--=", "-a", "--a", "--b=", "--b=1", "x", "", "---", "--a=--b"]) | st.text(
    max_size=5
)


@given(st.lists(TOKENS, max_size=8))
def test_any_command_line_is_read_or_refused_as_wrong_usage(tokens):
    try:
        parsed = parse_arguments([PROGRAM, *tokens])
    except UsageError:
        return
    assert all(key and (value is True or isinstance(value, str)) for key, value in parsed.items())


def test_databricks_names_itself_and_always_has_spark():
    """R9."""
    read = entry("databricks", "--service_provider", "X", "--a", "1")
    assert read.module_name == "m"
    assert read.kwargs == {"a": "1", "service_provider": "DATABRICKS", "has_spark": True}


def test_glue_takes_region_and_environment_from_its_environment():
    """R10, and defect 19: region and environment were lost."""
    read = entry("glue", environ={"AWS_DEFAULT_REGION": "us-east-1", "ENVIRONMENT": "dev"})
    assert read.kwargs == {"region": "us-east-1", "environment": "dev", "service_provider": "GLUE"}


@pytest.mark.parametrize(
    ("platform", "environ", "added"),
    [
        ("glue", {}, {"region": None, "environment": None}),
        ("glue", {"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, {"region": "a", "environment": None}),
        ("glue", {"AWS_REGION": " ", "AWS_DEFAULT_REGION": "b"}, {"region": "b", "environment": None}),
        ("glue", {"EMR_CLUSTER_ID": "j-1"}, {"region": None, "environment": None}),
        ("emr", {}, {"region": None, "has_spark": True}),
        ("emr", {"AWS_DEFAULT_REGION": "b", "ENVIRONMENT": "dev"}, {"region": "b", "has_spark": True}),
        ("emr", {"EMR_CLUSTER_ID": "j-1"}, {"region": None, "has_spark": True, "emr_cluster_id": "j-1"}),
        ("databricks", {"AWS_REGION": "a", "ENVIRONMENT": "dev"}, {"has_spark": True}),
        ("container", {"AWS_REGION": "a", "ENVIRONMENT": "dev", "EMR_CLUSTER_ID": "j-1"}, {}),
    ],
)
def test_a_platform_adds_what_it_knows_and_nothing_else(platform, environ, added):
    assert entry(platform, environ=environ).kwargs == added | {"service_provider": platform.upper()}


@pytest.mark.parametrize("platform", ["glue", "emr"])
def test_what_the_user_gives_comes_before_the_environment(platform):
    given_by_user = {"region": "eu-west-1", "environment": "prod", "emr_cluster_id": "j-2"}
    argv = [part for key, value in given_by_user.items() for part in (f"--{key}", value)]
    environ = {"AWS_REGION": "us-east-1", "ENVIRONMENT": "dev", "EMR_CLUSTER_ID": "j-1"}
    assert given_by_user.items() <= entry(platform, *argv, environ=environ).kwargs.items()


@pytest.mark.parametrize(
    ("platform", "environ", "spark_available", "detected"),
    [
        ("databricks", {}, False, True),
        ("emr", {}, False, True),
        ("glue", {}, False, False),
        ("glue", {}, True, True),
        ("glue", {"GLUE_COMMAND_CRITERIA": "glueetl"}, False, True),
        ("glue", {"GLUE_COMMAND_CRITERIA": "pythonshell"}, True, False),
        ("container", {}, False, False),
        ("container", {}, True, True),
        ("container", {"GLUE_COMMAND_CRITERIA": "glueetl"}, False, False),
    ],
)
def test_spark_is_detected_by_platform(platform, environ, spark_available, detected):
    kwargs = entry(platform, environ=environ, spark_available=spark_available).kwargs
    assert kwargs.get("has_spark") is (True if detected else None)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("value", ["false", "yes", ""])
def test_what_the_user_says_of_spark_stands_as_it_is_written(platform, value):
    assert entry(platform, "--has_spark", value, spark_available=True).kwargs["has_spark"] == value


def test_the_run_of_glue_and_the_context_of_pipes_become_tags():
    names = ("JOB_ID", "JOB_RUN_ID", "JOB_NAME", "dagster-pipes-context", "dagster-pipes-messages")
    read = entry("glue", *(f"--{name}=of {name}" for name in names))
    assert read.tags == {"module_name": "m"} | {name: f"of {name}" for name in names}
    assert read.kwargs.keys() == {"service_provider", "environment", "region"}


def test_a_removed_argument_without_a_value_is_a_tag_of_text():
    assert entry("glue", "--JOB_NAME").tags["JOB_NAME"] == "true"


def test_the_job_id_of_another_platform_is_an_argument_like_others():
    read = entry("container", "--JOB_ID", "7")
    assert read.kwargs["JOB_ID"] == "7"
    assert read.tags == {"module_name": "m"}


def test_a_command_line_without_a_module_name_is_refused():
    with pytest.raises(RuntimeError) as refused:
        entry_arguments("glue", [PROGRAM, "--a", "1"], {}, spark_available=True)
    assert str(refused.value) == "Missing required argument(s): module_name"
    assert isinstance(refused.value, MissingArguments)


@pytest.mark.parametrize("argument", ["--module_name", "--module_name=", "--module_name= "])
def test_a_module_name_without_a_value_is_refused(argument):
    with pytest.raises(UsageError, match="module_name"):
        entry_arguments("glue", [PROGRAM, argument], {}, spark_available=True)


def test_an_unknown_platform_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'azure' is none of glue, databricks, emr, container"):
        entry("azure")


REMOVED = [
    "module_name",
    "dagster-pipes-context",
    "dagster-pipes-messages",
    "JOB_ID",
    "JOB_RUN_ID",
    "JOB_NAME",
]


@given(
    platform=st.sampled_from(PLATFORMS),
    arguments=st.dictionaries(
        st.sampled_from([*REMOVED, "a", "has_spark", "service_provider", "region"]), st.text(max_size=5)
    ),
    environ=st.dictionaries(
        st.sampled_from(["AWS_REGION", "ENVIRONMENT", "EMR_CLUSTER_ID"]), st.text(max_size=5)
    ),
    spark_available=st.booleans(),
)
def test_a_removed_argument_never_reaches_the_job_and_no_other_is_lost(
    platform, arguments, environ, spark_available
):
    argv = [PROGRAM, *(f"--{key}={value}" for key, value in arguments.items()), "--module_name=m"]
    read = entry_arguments(platform, argv, environ, spark_available=spark_available)
    removed = set(REMOVED if platform == "glue" else REMOVED[:3])
    assert isinstance(read, EntryArguments)
    assert read.kwargs.keys().isdisjoint(removed)
    assert arguments.keys() - read.kwargs.keys() == arguments.keys() & removed
    assert read.tags.keys() == (arguments.keys() & removed) | {"module_name"}
    assert read.kwargs["service_provider"] == platform.upper()


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        pytest.param("YES", True, id="R14 YES"),
        pytest.param(" on ", True, id="R14 on"),
        pytest.param("0", False, id="R14 0"),
        ("true", True),
        ("1", True),
        ("False", False),
        ("no", False),
        ("off\n", False),
        (True, True),
        (False, False),
    ],
)
def test_a_flag_is_read(value, flag):
    """Defect 4: `--clean_sink false` was true, as every text is."""
    assert parse_flag("clean_sink", value) is flag


@pytest.mark.parametrize("value", ["y", "", "2", "truthy", None, 1, 0, [True]])
def test_what_is_no_flag_is_refused_and_the_argument_named(value):
    """R14: `y`."""
    with pytest.raises(ValueError, match="has_spark"):
        parse_flag("has_spark", value)


@pytest.mark.parametrize("has_spark", [None, False, "false", "0"])
def test_a_spark_job_without_spark_is_refused(has_spark):
    with pytest.raises(ValueError, match=r"^filter_images_job requires a spark_session$"):
        require_spark("filter_images_job", has_spark)


@pytest.mark.parametrize("has_spark", [True, "true", "on"])
def test_a_spark_job_with_spark_is_not_refused(has_spark):
    require_spark("filter_images_job", has_spark)
