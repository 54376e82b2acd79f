"""The backend `glue` over a control plane that really runs the script: reports, failures, stops, adoption."""

import copy
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dagster._core.pipes import utils as pipes_utils
from dagster_pipes import encode_param

from resources.compute import Compute, ComputeMisconfigured, PlatformRefused, PlatformUnavailable, Polling
from resources.compute.glue import GlueBackend
from tests.resources.compute.backend_runs import (
    CHECK,
    JOB,
    MINUTE,
    ROOT,
    Recorded,
    Work,
    interrupt_when_started,
    run_over,
)
from tests.resources.compute.reporting_job import ROWS
from tests.services.local_glue import LocalGlue, serving

pytestmark = pytest.mark.services

BUCKET = "quintet-jobs"
GLUE_JOB = "count-rows"
TOKEN = "quintet-0c82b9d8-00000000000000000000000000000000"
OFTEN = Polling(first=0.1, cap=0.2)


@pytest.fixture
def glue(s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGlue]:
    """A control plane with one job, which boto's and our own variables name."""
    local = LocalGlue(s3_server, tmp_path)
    with serving(local) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", endpoint)
        monkeypatch.setenv("QUINTET_GLUE_JOB", GLUE_JOB)
        monkeypatch.setenv("QUINTET_PIPES_BUCKET", BUCKET)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.upload_file(str(ROOT / JOB), BUCKET, "code/generic_entry.py")
        boto3.client("glue").create_job(
            Name=GLUE_JOB,
            Role="arn:aws:iam::123456789012:role/glue",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{BUCKET}/code/generic_entry.py"},
            ExecutionProperty={"MaxConcurrentRuns": 10},
        )
        yield local


@pytest.fixture(autouse=True)
def quick_end_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster reads for 11 s after the end of a job that sent no last message; here S3 has it at once."""
    monkeypatch.setattr(pipes_utils, "WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)
    monkeypatch.setattr(pipes_utils, "DEFAULT_SLEEP_INTERVAL", 0.1)


@pytest.fixture
def backend(glue: LocalGlue) -> GlueBackend:
    return backend_with(OFTEN)


def backend_with(polling: Polling) -> GlueBackend:
    backend = Compute().for_run({"compute": "glue"})
    assert isinstance(backend, GlueBackend)
    backend.polling = polling
    return backend


def keys() -> list[str]:
    listed: Any = boto3.client("s3").list_objects_v2(Bucket=BUCKET)
    return [found["Key"] for found in listed["Contents"]]


def test_what_the_job_reports_is_what_the_run_records(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    recorded = run_over(backend, Work(tmp_path))
    assert recorded.result.success
    (materialisation,) = recorded.materialisations
    assert materialisation.metadata["dagster/row_count"] == dg.IntMetadataValue(ROWS)
    assert materialisation.metadata["picture"] == dg.MarkdownMetadataValue("**12**")
    assert materialisation.metadata["compute"] == dg.TextMetadataValue("glue")
    assert materialisation.metadata["glue_run_id"] == dg.TextMetadataValue(glue.run.id)
    link = materialisation.metadata["platform_link"]
    assert isinstance(link, dg.UrlMetadataValue)
    assert (link.url or "").endswith(f"/job/{GLUE_JOB}/run/{glue.run.id}")
    (check,) = recorded.result.get_asset_check_evaluations()
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert recorded.messages == [{"records_read": 20, "compute": None}]
    assert "the job is at work" in recorded.log
    assert f"Started the job {glue.run.id} on glue: {link.url}" in recorded.log


def test_contexts_and_messages_lie_under_our_prefix_below_the_token(
    backend: GlueBackend, tmp_path: Path
) -> None:
    run_over(backend, Work(tmp_path), TOKEN)
    written = [key.split("/") for key in keys() if not key.startswith("code/")]
    assert len(written) >= 2
    assert {tuple(parts[:2]) for parts in written} == {("quintet-pipes", TOKEN)}


@pytest.mark.parametrize(
    ("behaviour", "sentence"),
    [
        ("silent", "reported nothing at all"),
        ("no result", "reported no result"),
        ("fail", "failed: FAILED: ValueError: the sixth row is a cat"),
        ("be killed", "on glue failed: FAILED"),
    ],
)
def test_a_job_that_does_not_end_well_and_report_fails_and_materialises_nothing(
    backend: GlueBackend, tmp_path: Path, behaviour: str, sentence: str
) -> None:
    recorded = run_over(backend, Work(tmp_path, behaviour))
    assert not recorded.result.success
    assert sentence in recorded.failure
    assert recorded.materialisations == []
    assert recorded.result.get_asset_check_evaluations() == []


def test_the_messages_of_a_failed_job_are_shown(backend: GlueBackend, tmp_path: Path) -> None:
    recorded = run_over(backend, Work(tmp_path, "fail"))
    assert "the job is at work" in recorded.log
    assert "external process pipes closed with exception" in recorded.log


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("TIMEOUT", "ran out of time: TIMEOUT"),
        ("STOPPED", "was stopped from outside: STOPPED"),
        ("ERROR", "failed: ERROR"),
        ("EXPIRED", "ran out of time: EXPIRED"),
    ],
)
def test_each_state_that_is_no_success_fails_the_step(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path, state: str, sentence: str
) -> None:
    def hold() -> None:
        glue.run.held = state

    glue.before_answer["StartJobRun"] = hold
    recorded = run_over(backend, Work(tmp_path))
    assert sentence in recorded.failure
    assert recorded.materialisations == []


def test_a_terminated_run_stops_the_job_and_materialises_nothing(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    work = Work(tmp_path, "wait")
    interrupter = interrupt_when_started(work)
    recorded = run_over(backend, work)
    interrupter.join()
    assert "DagsterExecutionInterruptedError" in recorded.failure
    assert recorded.materialisations == []
    assert glue.run.state == "STOPPED"


def test_a_job_whose_start_is_interrupted_is_found_and_stopped(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    def interrupt() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)  # The interrupt comes before the answer.

    glue.before_answer["StartJobRun"] = interrupt
    recorded = run_over(backend, Work(tmp_path, "wait"))
    assert "DagsterExecutionInterruptedError" in recorded.failure
    assert glue.run.state == "STOPPED"


def test_a_job_that_is_overdue_is_stopped(glue: LocalGlue, tmp_path: Path) -> None:
    now = iter(range(0, 10**6, 3600))
    hourly = Polling(longest=48 * 3600, clock=lambda: next(now), sleep=lambda _: None)
    recorded = run_over(backend_with(hourly), Work(tmp_path, "wait"))
    assert "has not ended within 48 hours" in recorded.failure
    assert glue.run.state == "STOPPED"


class WorkerDied(Exception):
    """Stands for a Dagster worker that is gone: the job is neither stopped nor watched any more."""


def lost_worker(work: Work) -> Recorded:
    """Start a job and lose the worker once the job works."""

    def die(_: float) -> None:
        until = time.monotonic() + MINUTE
        while not work.starts and time.monotonic() < until:
            time.sleep(0.05)
        raise WorkerDied

    return run_over(backend_with(Polling(sleep=die)), work, TOKEN)


def test_a_running_job_of_the_token_is_adopted_and_its_report_counts(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    work = Work(tmp_path, "wait")
    assert "WorkerDied" in lost_worker(work).failure
    assert glue.run.state == "RUNNING"
    work.until.touch()
    recorded = run_over(backend, work, TOKEN)
    assert recorded.result.success
    assert [found.metadata["dagster/row_count"].value for found in recorded.materialisations] == [ROWS]
    assert recorded.messages == [{"records_read": 20, "compute": None}]
    assert len(work.starts) == glue.asked["StartJobRun"] == 1


def test_a_start_whose_answer_is_lost_is_not_repeated_but_adopted(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    def lose() -> None:
        raise ConnectionError

    work = Work(tmp_path, "wait")
    glue.before_answer["StartJobRun"] = lose
    first = run_over(backend, work, TOKEN)
    assert "PlatformUnavailable" in first.failure
    work.until.touch()
    second = run_over(backend, work, TOKEN)
    assert second.result.success
    assert len(work.starts) == glue.asked["StartJobRun"] == 1


def test_the_report_of_a_failed_attempt_does_not_count_for_the_next(
    backend: GlueBackend, tmp_path: Path
) -> None:
    assert not run_over(backend, Work(tmp_path, "fail"), TOKEN).result.success
    second = run_over(backend, Work(tmp_path, "silent"), TOKEN)
    assert "reported nothing at all" in second.failure
    assert second.materialisations == []


def test_jobs_of_other_tokens_and_of_other_people_are_not_adopted(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    lost_worker(Work(tmp_path, "wait"))
    client = boto3.client("glue")
    for messages in ("not ours", encode_param("text"), encode_param({"bucket": BUCKET})):
        client.start_job_run(JobName=GLUE_JOB, Arguments={"--dagster-pipes-messages": messages})
    client.start_job_run(JobName=GLUE_JOB)
    assert backend.find(TOKEN[:-1]) is None
    found = backend.find(TOKEN)
    assert found
    assert found.id == next(iter(glue.runs))


def test_the_arguments_reach_the_script_and_the_submission_keeps_its_own(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="code/quintet.zip", Body=b"")
    monkeypatch.setenv("QUINTET_GLUE_PY_FILES", f"s3://{BUCKET}/code/quintet.zip")
    work = Work(tmp_path)
    before = copy.deepcopy(work.arguments)
    run_over(backend_with(OFTEN), work)
    assert work.arguments == before
    given = dict(glue.run.arguments)
    assert given.pop("--extra-py-files") == f"s3://{BUCKET}/code/quintet.zip"
    assert set(given) == {*before[::2], "--dagster-pipes-context", "--dagster-pipes-messages"}


def test_throttling_while_the_job_runs_is_waited_out(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    glue.refusals["GetJobRun"] = [(400, "ThrottlingException")] * 6  # One more than boto itself repeats.
    assert run_over(backend, Work(tmp_path)).result.success


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDeniedException", 400, PlatformRefused),
        ("EntityNotFoundException", 400, PlatformRefused),
        ("ConcurrentRunsExceededException", 400, PlatformUnavailable),
        ("InternalServiceException", 500, PlatformUnavailable),
    ],
)
def test_a_refusal_names_the_job_and_says_whether_another_try_helps(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path, code: str, status: int, kind: type[Exception]
) -> None:
    glue.refusals["StartJobRun"] = [(status, code)]
    failure = run_over(backend, Work(tmp_path)).failure
    assert f"{kind.__name__}: Glue, asked about the job {GLUE_JOB}, refused ({code})" in failure
    assert glue.asked["StartJobRun"] == 1


def test_a_job_that_has_ended_is_stopped_without_complaint(
    glue: LocalGlue, backend: GlueBackend, tmp_path: Path
) -> None:
    run_over(backend, Work(tmp_path))
    backend.stop(glue.run.id)
    assert glue.run.state == "SUCCEEDED"


@pytest.mark.parametrize("variable", ["QUINTET_GLUE_JOB", "QUINTET_PIPES_BUCKET", "AWS_DEFAULT_REGION"])
def test_a_missing_setting_is_named(glue: LocalGlue, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv(variable)
    with pytest.raises(ComputeMisconfigured, match=variable):
        Compute(backend="glue").for_run({})
