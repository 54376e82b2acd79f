"""The entries of dwh as a scheduler sees them: exit codes, one line of output, one sentence of failure."""

import io
import json
import os
import sys
from types import SimpleNamespace

import pytest

from assets.dwh.arguments import UsageError
from resources.object_store import LocalObjectStore
from scripts import dwh_entry
from scripts.dwh_entry import run_entry
from scripts.dwh_jobs import filter_images_job_factory
from tests.scripts.dwh_command_lines import (
    EVENTS,
    FILTER,
    FILTER_CONFIG,
    TRANSFORM,
    Home,
    command_line,
    in_process_of_its_own,
)

DONE = {"job_name": "filter_images", "job_status": "SUCCESS"}
TOLD = {"event_publisher_config": {"publisher_type": "FILE", "path": EVENTS}}
SECRET = "correct-horse-battery"


@pytest.fixture
def home(isolated_environment) -> Home:
    return Home(isolated_environment)


@pytest.fixture
def given(monkeypatch) -> dict[str, object]:
    """What the filter job is given, instead of running it."""
    seen: dict[str, object] = {}

    def main(**kwargs: object) -> dict[str, str]:
        seen.update(kwargs)
        seen["settings"] = {name: os.environ.get(name) for name in os.environ if name.startswith("QUINTET_")}
        return DONE

    monkeypatch.setitem(dwh_entry._MAINS, "filter_images", main)
    return seen


def words(text: str) -> list[str]:
    return ["generic_entry.py", *text.split()]


@pytest.mark.parametrize("platform", ["glue", "databricks", "emr", "container"])
def test_the_list_names_every_job_with_its_alias_and_what_it_does(platform, capfd):
    assert run_entry(platform, words("--list"), {}) == 0
    shown = capfd.readouterr()
    assert [line.split()[:2] for line in shown.out.splitlines()] == [
        [name, f"dwh.jobs.{name}.{name}_job_factory"]
        for name in ("filter_images", "transform_images", "load_promos")
    ]
    assert shown.err == ""


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("--module_name no.such.mod", 1, "No job is called 'no.such.mod'"),
        ("--module_name os", 1, "filter_images_job_factory"),
        ("--module_name m --service_provider X --a 1", 1, "transform_images_job_factory"),
        ("", 2, "Missing required argument(s): module_name"),
        ("--filter_images_job {}", 2, "Missing required argument(s): module_name"),
        ("--module_name", 2, "--module_name has no value"),
        ("--module_name=", 2, "--module_name has no value"),
        ("--a 1 2", 2, "'2' follows no --key"),
        ("-a 1", 2, "'-a' follows no --key"),
        ("--", 2, "'--' has no name"),
        ("--=v", 2, "'--=v' has no name"),
        ("--module_name filter_images", 2, "Configuration for 'filter_images_job' is required"),
        ("--module_name filter_images --filter_images_job [1]", 2, "must be a JSON object, got list"),
        ("--module_name filter_images --filter_images_job null", 2, "must be a JSON object, got NoneType"),
        ("--module_name filter_images --filter_images_job nonsense", 2, "Invalid JSON format"),
        ("--module_name filter_images --filter_images_job", 2, "must be a dict or JSON string, got bool"),
        ("--module_name filter_images --filter_images_job {}", 2, "base_path is required"),
        ("--module_name transform_images --transform_images_job {}", 2, "created_by parameter is required"),
        ("--module_name filter_images --has_spark y", 2, "has_spark is 'y'"),
        ("--module_name filter_images --has_spark no", 2, "filter_images_job requires a spark_session"),
        ("--module_name filter_images --has_spark 0", 2, "filter_images_job requires a spark_session"),
        ("--module_name filter_images --dagster-pipes-context x", 2, "needs --dagster-pipes-messages"),
    ],
)
def test_a_command_line_that_cannot_be_carried_out_is_refused_in_one_sentence(text, code, said, capfd, home):
    assert run_entry("container", words(text), {}) == code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert said in shown.err.splitlines()[-1]
    assert "Traceback" not in shown.err
    assert not home.folder.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"end_date": "15/01/2025"}, "end_date '15/01/2025'"),
        ({"end_date": "2024-12-31"}, "The run day 2024-12-31 is no partition: those are 2025-01-01 to"),
        ({"end_date": "2999-01-01"}, "The run day 2999-01-01 is no partition"),
        ({"year": "2025", "month": "2", "day": "30"}, "is no date of the calendar"),
        ({"job_run_id": "../up"}, "Run id '../up' is refused"),
    ],
)
def test_dates_and_ids_are_checked_before_anything_runs(arguments, said, capfd, tmp_path):
    given = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    assert run_entry("container", command_line("filter_images", FILTER_CONFIG, *given), {}) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert said in shown.err.splitlines()[-1]
    assert list((tmp_path / "dagster_home").iterdir()) == []


def test_a_zone_that_does_not_exist_is_wrong_usage(tmp_path):
    environ = {**os.environ, "DWH_TIMEZONE": "PST"}
    line = command_line("filter_images", FILTER_CONFIG, *FILTER)
    ended = in_process_of_its_own("container", line, cwd=tmp_path, environ=environ)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "DWH_TIMEZONE: Time zone 'PST' is no IANA name" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["QUINTET_DEPLOYMENT", "QUINTET_SPARK_ENGINE", "QUINTET_COMPUTE"])
def test_a_setting_that_does_not_exist_is_wrong_usage(name, monkeypatch, capfd):
    monkeypatch.setenv(name, "moon")
    assert run_entry("container", command_line("filter_images", FILTER_CONFIG, *FILTER), os.environ) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "'moon'" in shown.err.splitlines()[-1]


def test_a_job_gets_its_arguments_and_what_the_platform_knows(given):
    line = command_line("filter_images", {}, "--a", "-5", "--b=--5", "--flag", "--service_provider", "X")
    assert run_entry("databricks", line, {}) == 0
    assert given.pop("settings")
    assert given == {
        "filter_images_job": "{}",
        "a": "-5",
        "b": "--5",
        "flag": True,
        "service_provider": "DATABRICKS",
        "has_spark": True,
    }


def test_glue_adds_region_and_environment_and_its_own_ids_become_tags(given):
    line = command_line("filter_images", {}, "--JOB_NAME", "etl", "--JOB_RUN_ID", "jr_1", "--JOB_ID", "j_1")
    environ = {"AWS_DEFAULT_REGION": "us-east-1", "ENVIRONMENT": "dev"}
    assert run_entry("glue", line, environ) == 0
    assert given.pop("settings")
    assert given == {
        "filter_images_job": "{}",
        "environment": "dev",
        "region": "us-east-1",
        "service_provider": "GLUE",
        "has_spark": True,
        "JOB_NAME": "etl",
        "JOB_RUN_ID": "jr_1",
        "JOB_ID": "j_1",
    }


def test_a_name_and_its_alias_are_the_same_job(given):
    alias = "dwh.jobs.filter_images.filter_images_job_factory"
    assert run_entry("container", command_line("filter_images", {}, module_name=alias), {}) == 0
    assert given["filter_images_job"] == "{}"


def test_of_an_argument_given_twice_the_last_counts_with_a_warning(given, capfd):
    assert run_entry("container", command_line("filter_images", {}, "--a", "1", "--a", "2"), {}) == 0
    assert given["a"] == "2"
    assert "warning: The argument --a is given more than once; the last one counts" in capfd.readouterr().err


@pytest.mark.parametrize(("status", "code"), [("SUCCESS", 0), ("PENDING_APPROVAL", 1)])
def test_standard_output_is_the_metrics_alone_whatever_libraries_print(status, code, monkeypatch, capfd):
    def main(**_arguments: object) -> dict[str, object]:
        sys.stdout.write("a library's banner\n")
        os.system("echo a child\\'s banner")
        return {"job_status": status, "text": "ä\n"}

    monkeypatch.setitem(dwh_entry._MAINS, "filter_images", main)
    assert run_entry("container", command_line("filter_images", {}), {}) == code
    shown = capfd.readouterr()
    (line,) = shown.out.splitlines()
    assert json.loads(line) == {"job_status": status, "text": "ä\n"}
    assert "a library's banner" in shown.err
    assert "a child's banner" in shown.err


@pytest.mark.parametrize(
    ("error", "code", "last", "has_traceback"),
    [
        (UsageError("give a day"), 2, "generic_entry.py: give a day", False),
        (FileNotFoundError("no\nbucket"), 1, "generic_entry.py: no bucket", False),
        (ZeroDivisionError("nothing"), 1, "generic_entry.py: ZeroDivisionError: nothing", True),
        (KeyboardInterrupt(), 1, "generic_entry.py: interrupted", False),
        (RuntimeError(f"jdbc_url={SECRET}"), 1, "generic_entry.py: RuntimeError: jdbc_url=***", True),
    ],
)
def test_only_what_nobody_foresaw_shows_where_it_happened(
    error, code, last, has_traceback, monkeypatch, capfd
):
    def main(**_arguments: object) -> dict[str, object]:
        raise error

    monkeypatch.setitem(dwh_entry._MAINS, "filter_images", main)
    assert run_entry("container", command_line("filter_images", {}), {}) == code
    shown = capfd.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == last
    assert ("Traceback" in shown.err) is has_traceback
    assert SECRET not in shown.err


@pytest.mark.parametrize(
    ("platform", "submitted", "before", "after"),
    [
        ("container", False, {"QUINTET_COMPUTE": "subprocess"}, {"QUINTET_COMPUTE": "subprocess"}),
        ("glue", False, {}, {}),
        ("container", True, {}, {"QUINTET_SPARK_ENGINE": "jvm", "QUINTET_COMPUTE": "in_process"}),
        (
            "databricks",
            True,
            {"QUINTET_COMPUTE": "databricks"},
            {
                "QUINTET_SPARK_ENGINE": "jvm",
                "QUINTET_COMPUTE": "in_process",
                "QUINTET_DEPLOYMENT": "gcp",
            },
        ),
        (
            "emr",
            True,
            {"QUINTET_SPARK_ENGINE": "sail", "QUINTET_DEPLOYMENT": "local"},
            {
                "QUINTET_SPARK_ENGINE": "sail",
                "QUINTET_DEPLOYMENT": "local",
                "QUINTET_COMPUTE": "in_process",
            },
        ),
        (
            "glue",
            True,
            {},
            {
                "QUINTET_SPARK_ENGINE": "jvm",
                "QUINTET_COMPUTE": "in_process",
                "QUINTET_DEPLOYMENT": "aws",
            },
        ),
    ],
)
def test_a_process_that_was_given_a_session_takes_it(
    platform, submitted, before, after, given, home, monkeypatch
):
    monkeypatch.delenv("QUINTET_REQUIRE_SERVICES", raising=False)  # The suite's own, not the product's.
    if submitted:
        monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    assert run_entry(platform, command_line("filter_images", {}), os.environ) == 0
    assert given["settings"] == {"QUINTET_HOME": str(home.folder), **after}
    assert {name: value for name, value in os.environ.items() if name.startswith("QUINTET_")} == {
        "QUINTET_HOME": str(home.folder),
        **before,
    }


def test_secrets_are_shown_nowhere(capfd, home):
    config = {**FILTER_CONFIG, **TOLD, "db_password": SECRET}
    line = command_line(
        "filter_images", config, "--api_token", SECRET, "--note", f'{{"jdbcUrl": "{SECRET}"}}'
    )
    assert run_entry("container", line, {"AWS_SECRET_ACCESS_KEY": SECRET}) == 2
    shown = capfd.readouterr()
    assert "db_password" in shown.err
    assert "***" in shown.err
    assert SECRET not in shown.out + shown.err
    (event,) = home.events()
    assert SECRET not in json.dumps(event)


def test_a_configuration_that_is_refused_is_told_to_whom_it_names(capfd, home):
    line = command_line("transform_images", {**TOLD, "extractor_cfg": {}}, *TRANSFORM)
    assert run_entry("container", line, {}) == 2
    (event,) = home.events()
    assert {name: event[name] for name in ("job_name", "job_run_id", "status", "failure_type")} == {
        "job_name": "transform_images",
        "job_run_id": "unknown",
        "status": "FAILED",
        "failure_type": "CATASTROPHIC",
    }
    assert event["error"]["phase"] == "create"
    assert "nearest known key: 'extractor_config'" in event["error"]["message"]
    assert "nearest known key: 'extractor_config'" in capfd.readouterr().err


def test_an_event_that_cannot_be_written_does_not_hide_the_failure(monkeypatch, capfd):
    def no_store(*_arguments: object, **_more: object) -> None:
        raise ConnectionError("the store is away")

    monkeypatch.setattr(LocalObjectStore, "put_bytes", no_store)
    line = command_line("transform_images", {**TOLD, "extractor_cfg": {}}, *TRANSFORM)
    assert run_entry("container", line, {}) == 2
    assert "extractor_cfg" in capfd.readouterr().err.splitlines()[-1]


def test_an_event_for_the_log_is_a_line_of_standard_error(capfd):
    config = {"event_publisher_config": {"publisher_type": "LOG"}, "extractor_cfg": {}}
    assert run_entry("container", command_line("transform_images", config, *TRANSFORM), {}) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    (line,) = [text for text in shown.err.splitlines() if text.startswith("Job Event: ")]
    subject, _, event = line.partition(": {")
    assert subject == "Job Event: transform_images - FAILED"
    assert json.loads(f"{{{event}")["event_type"] == "job_completed"


def test_a_notebook_whose_output_is_no_file_gets_the_metrics_too(given, monkeypatch):
    page = io.StringIO()
    monkeypatch.setattr(sys, "stdout", page)
    assert run_entry("databricks", command_line("filter_images", {}), {}) == 0
    assert json.loads(page.getvalue()) == DONE


def test_definitions_that_do_not_load_fail_the_job_and_are_told_once(monkeypatch, capfd, home):
    def broken() -> None:
        raise ImportError("a library of another pipeline is missing")

    monkeypatch.setitem(sys.modules, "definitions", SimpleNamespace(build_defs=broken))
    line = command_line(
        "filter_images", {**FILTER_CONFIG, **TOLD}, *FILTER, "--job_run_id", "filter-from-outside"
    )
    assert run_entry("container", line, {}) == 1
    (event,) = home.events()
    assert event["job_run_id"] == "filter-from-outside"
    assert event["error"]["type"] == "ImportError"
    assert event["error"]["phase"] == "create"
    assert run_entry("container", line, {}) == 1
    assert len(home.events()) == 1
    assert "a library of another pipeline is missing" in capfd.readouterr().err.splitlines()[-1]


def test_a_python_caller_gets_the_error_itself():
    with pytest.raises(UsageError, match="filter_images_job requires a spark_session"):
        filter_images_job_factory.main(filter_images_job=FILTER_CONFIG)


def test_promotions_are_not_merged_into_a_table_that_ends_with_the_machine(monkeypatch, tmp_path, capfd):
    """Where the code is a package, the home is a folder for the run, and an embedded warehouse lies in it."""
    monkeypatch.setattr(dwh_entry, "ROOT", tmp_path / "quintet-dwh.zip")
    line = (
        "--module_name load_promos --load_promos_job {} --created_by me --end_date 2025-03-09 --has_spark yes"
    )
    assert run_entry("glue", words(line), {}) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "QUINTET_WAREHOUSE" in shown.err
