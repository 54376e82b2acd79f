"""Jobs of dwh run to their end by command line: rows, metrics, runs in the instance, events, approval."""

import os
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import pytest

from assets.dwh.arguments import Platform
from assets.dwh.inputs import NoDataFound
from assets.dwh.reports import Report
from assets.dwh.stages import jobs
from assets.dwh.stages.filter_request import FilterOutcome
from resources.compute.child_process import SubprocessBackend
from resources.compute.settings import Settings
from scripts.dwh_entry import run_entry
from scripts.dwh_jobs import filter_images_job_factory
from scripts.dwh_runs import ChecksFailed
from tests.scripts.dwh_command_lines import (
    DAY,
    EVENTS,
    FILTER,
    FILTER_CONFIG,
    PROMOS,
    RED,
    SIZE,
    TRANSFORM,
    Home,
    command_line,
    in_process_of_its_own,
    only_line,
    stored_rows,
)

pytestmark = pytest.mark.materialise

TOLD = {"event_publisher_config": {"publisher_type": "FILE", "path": EVENTS}}
SECRET = "correct-horse-battery"
RUN_ID = "filter-from-outside"


@pytest.fixture
def home(isolated_environment) -> Home:
    return Home(isolated_environment).with_inputs()


def run(capfd, platform: Platform, *words: str) -> tuple[int, str, str]:
    """Exit code and output of an entry in this process."""
    code = run_entry(platform, list(words), os.environ)
    shown = capfd.readouterr()
    return code, shown.out, shown.err


def transform_the_day(capfd) -> dict[str, object]:
    code, out, err = run(capfd, "container", *command_line("transform_images", TOLD, *TRANSFORM))
    assert code == 0, err
    return only_line(out)


def test_a_day_goes_through_the_three_jobs_from_any_folder(home, tmp_path, capfd):
    line = command_line("transform_images", {}, *TRANSFORM, "--JOB_RUN_ID", "jr_1", "--ENVIRONMENT", "dev")
    environ = {**os.environ, "AWS_REGION": "us-west-2", "ENVIRONMENT": "dev"}
    made = in_process_of_its_own("glue", line, cwd=tmp_path, environ=environ)
    assert made.returncode == 0, made.stderr
    transformed = only_line(made.stdout)
    assert transformed["records_read"] == SIZE.rows
    assert transformed["job_run_id"].startswith("transform-")
    assert {name: transformed[name] for name in ("service_provider", "environment", "region")} == {
        "service_provider": "GLUE",
        "environment": "dev",
        "region": "us-west-2",
    }

    alias = "dwh.jobs.filter_images.filter_images_job_factory"
    line = command_line(
        "filter_images",
        FILTER_CONFIG,
        *FILTER,
        "--job_run_id",
        RUN_ID,
        "--db_password",
        SECRET,
        module_name=alias,
    )
    code, out, err = run(capfd, "databricks", *line)
    assert code == 0, err
    filtered = only_line(out)
    assert filtered["job_run_id"] == RUN_ID
    assert filtered["records_written"] == len(list(stored_rows(home)))
    assert filtered["payload"]["context"]["day"] == DAY
    assert SECRET not in out + err

    code, out, err = run(capfd, "emr", *command_line("load_promos", {}, *PROMOS))
    assert code == 0, err
    promoted = only_line(out)
    assert promoted["payload"] == {"message": "LoadPromosJob completed successfully"}
    assert promoted["records_read"] == SIZE.promotions

    newest_first = home.runs()
    assert [(done.job_name, done.status.value) for done in newest_first] == [
        ("load_promos", "SUCCESS"),
        ("filter_images", "SUCCESS"),
        ("transform_images", "SUCCESS"),
    ]
    promos_run, filter_run, transform_run = newest_first
    assert (
        transform_run.tags.items()
        >= {
            "dagster/partition": DAY,
            "dwh/job_run_id": transformed["job_run_id"],
            "dwh/service_provider": "GLUE",
            "dwh/environment": "dev",
            "dwh/region": "us-west-2",
            "dwh/JOB_RUN_ID": "jr_1",
        }.items()
    )
    assert filter_run.tags["dwh/job_run_id"] == RUN_ID
    assert promos_run.tags["dwh/job_run_id"] == promoted["job_run_id"]
    assert SECRET not in home.log_of(filter_run) + str(filter_run)


@pytest.mark.parametrize("chosen_by", ["the environment", "a run tag"])
def test_a_process_of_its_own_gives_the_same_rows_and_counts(chosen_by, home, capfd, monkeypatch):
    transform_the_day(capfd)
    line = command_line("filter_images", {**FILTER_CONFIG, **TOLD}, *FILTER)
    code, out, err = run(capfd, "container", *line)
    assert code == 0, err
    here, rows_here = only_line(out), list(stored_rows(home))
    if chosen_by == "the environment":
        monkeypatch.setenv("QUINTET_COMPUTE", "subprocess")
    else:
        line += ["--compute", "subprocess"]
    code, out, err = run(capfd, "container", *line)
    assert code == 0, err
    there, rows_there = only_line(out), list(stored_rows(home))
    assert there["job_run_id"] != here["job_run_id"]
    assert rows_there == rows_here
    counts = ("records_read", "records_written", "records_dropped", "job_status")
    assert [there[name] for name in counts] == [here[name] for name in counts]
    assert there["payload"]["deduplication"] == here["payload"]["deduplication"]
    first, second = home.runs()[:2]
    facts_there, facts_here = (
        {name: type(value) for name, value in materialised(done).metadata.items()} for done in (first, second)
    )
    assert facts_there.items() >= facts_here.items()
    assert {event["status"] for event in home.events()} == {"SUCCESS"}
    assert len(home.events()) == 3


def materialised(done: dg.DagsterRun) -> dg.AssetMaterialization:
    with dg.DagsterInstance.get() as instance:
        kind = dg.DagsterEventType.ASSET_MATERIALIZATION
        (record,) = instance.get_records_for_run(done.run_id, of_type=kind).records
    assert record.asset_materialization
    return record.asset_materialization


@pytest.mark.parametrize("compute", ["in_process", "subprocess"])
def test_quality_that_is_red_ends_with_1_until_somebody_approves_it(compute, home, capfd, monkeypatch):
    monkeypatch.setenv("QUINTET_COMPUTE", compute)
    code, out, err = run(capfd, "container", *command_line("transform_images", {**RED, **TOLD}, *TRANSFORM))
    assert code == 1
    waiting = only_line(out)
    assert waiting["job_status"] == "PENDING_APPROVAL"
    assert waiting["quality"]["status"] == "RED"
    assert "Traceback" not in err
    (manifest,) = home.documents("transformed_images/_manifests/**/manifest-*.json")
    assert manifest["status"] == "PENDING_APPROVAL"
    (red,) = home.runs()
    assert red.status is dg.DagsterRunStatus.FAILURE
    assert red.tags["dagster/will_retry"] == "false"

    approved = {**RED, **TOLD, "approve_quality": True, "approve_reason": "counted by hand"}
    code, out, err = run(capfd, "container", *command_line("transform_images", approved, *TRANSFORM))
    assert code == 0, err
    assert only_line(out)["payload"]["approval"]["reason"] == "counted by hand"
    assert [event["status"] for event in home.events()] == ["PENDING_APPROVAL", "SUCCESS"]
    assert [event["failure_type"] for event in home.events()] == ["QUALITY", None]


@pytest.mark.parametrize("error", [NoDataFound("no rows"), ZeroDivisionError("nothing")], ids=type)
def test_a_python_caller_gets_what_the_job_raised_and_it_is_told_once(error, home, monkeypatch):
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(jobs, "filter_images", fail)
    with pytest.raises(type(error)) as raised:
        filter_images_job_factory.main(
            filter_images_job={**FILTER_CONFIG, **TOLD}, end_date=DAY, has_spark=True, job_run_id=RUN_ID
        )
    assert raised.value is error
    (event,) = home.events()
    assert event["job_run_id"] == RUN_ID
    assert event["status"] == "FAILED"
    assert event["error"]["phase"] == "execute"
    assert event["error"]["type"] == type(error).__name__
    (failed,) = home.runs()
    assert failed.status is dg.DagsterRunStatus.FAILURE


def test_a_scheduler_that_stops_the_job_gets_an_orderly_end(home, tmp_path):
    line = command_line("filter_images", {**FILTER_CONFIG, **TOLD}, *FILTER, "--job_run_id", RUN_ID)
    # The job stops itself in the middle of its work, as a scheduler would.
    stopped = (
        "import os, signal, sys\n"
        "from assets.dwh.stages import jobs\n"
        "from scripts.dwh_entry import run_entry\n"
        "jobs.filter_images = lambda *_: (os.kill(os.getpid(), signal.SIGTERM), signal.pause())\n"
        "sys.exit(run_entry('container', sys.argv, os.environ))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", stopped, *line[1:]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == "generic_entry.py: interrupted"
    assert "Traceback" not in ended.stderr
    (event,) = home.events()
    assert (event["job_run_id"], event["status"]) == (RUN_ID, "FAILED")
    (failed,) = home.runs()
    assert failed.is_failure_or_canceled


def test_a_job_without_rows_ends_with_1_and_says_where_it_looked(home, capfd):
    code, out, err = run(capfd, "container", *command_line("filter_images", FILTER_CONFIG, *FILTER))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("generic_entry.py: No data found at transform output path: ")
    assert "Traceback" not in err


def test_a_process_that_dies_silently_is_a_failure_that_is_told(home, capfd, monkeypatch, tmp_path):
    entry = tmp_path / "elsewhere" / "scripts" / "container" / "generic_entry.py"
    entry.parent.mkdir(parents=True)
    entry.write_text("import os\nos.kill(os.getpid(), 9)\n")

    def elsewhere(settings: Settings) -> SubprocessBackend:
        return SubprocessBackend(root=tmp_path / "elsewhere", environ=settings.environ)

    monkeypatch.setattr(SubprocessBackend, "from_settings", elsewhere)
    monkeypatch.setenv("QUINTET_COMPUTE", "subprocess")
    line = command_line("filter_images", {**FILTER_CONFIG, **TOLD}, *FILTER, "--job_run_id", RUN_ID)
    code, out, err = run(capfd, "container", *line)
    assert (code, out) == (1, "")
    assert "was killed by SIGKILL" in err.splitlines()[-1]
    (event,) = home.events()
    assert (event["job_run_id"], event["status"], event["error"]["phase"]) == (RUN_ID, "FAILED", "execute")


def test_a_blocking_check_that_no_approval_opens_ends_with_1(home, capfd, monkeypatch):
    transform_the_day(capfd)
    real = jobs.filter_report

    def doubtful(outcome: FilterOutcome) -> Report:
        report = real(outcome)
        first, *others = report.claims
        return replace(report, claims=[replace(first, holds=False), *others])

    monkeypatch.setattr(jobs, "filter_report", doubtful)
    with pytest.raises(ChecksFailed, match="every_key_appears_once"):
        filter_images_job_factory.main(filter_images_job=FILTER_CONFIG, end_date=DAY, has_spark="on")
