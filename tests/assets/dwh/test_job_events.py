"""`job_completed` for every outcome, and how it is called. Defects 17, 18, 20."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.filter_manifests import FilterOutput
from assets.dwh.job_events import (
    Artifact,
    JobCompleted,
    JobError,
    completed_event,
    failed_event,
    filter_artifacts,
    job_error,
    transform_artifacts,
)
from assets.dwh.metrics import Counts, JobRun, job_status, metrics_of
from assets.dwh.quality import QualityRules
from assets.dwh.redaction import without_secrets
from tests.assets.dwh.transform_runs import DAY, output

NOW = datetime(2025, 1, 16, 8, 0, 0, 250_000, tzinfo=UTC)
RUN = JobRun("transform_images", "transform-20250116T080000Z-abc123", NOW - timedelta(minutes=1))
ARTIFACTS = {"nautilus": Artifact(path="s3://b/n", records=90, bytes=9)}
ERROR = JobError(type="ValueError", message="x", phase="execute", stack_trace="…")
KEYS = [
    "event_type",
    "job_name",
    "job_run_id",
    "timestamp",
    "status",
    "failure_type",
    "artifacts_available",
    "artifacts",
    "quality",
    "metrics",
    "error",
]


def finished(dropped: int, *, approved: bool = False) -> JobCompleted:
    quality = QualityRules().judge(records_read=100, records_dropped=dropped, records_written=100 - dropped)
    counts = Counts(100, 100 - dropped, 9, {"extract_corrupt_json": dropped})
    status = job_status(quality, approved=approved)
    return completed_event(metrics_of(RUN, status, NOW, counts=counts, quality=quality), ARTIFACTS, NOW)


def caught(phase, error: BaseException, message: str = "J execution failed: x") -> JobError:
    try:
        raise error
    except type(error) as raised:
        return job_error(phase, message, raised)


@pytest.mark.parametrize(
    ("dropped", "approved", "outcome", "quality"),
    [
        (0, False, ("SUCCESS", None, True), "GREEN"),
        (5, False, ("SUCCESS", None, True), "YELLOW"),
        (10, False, ("PENDING_APPROVAL", "QUALITY", True), "RED"),
        (10, True, ("SUCCESS", None, True), "RED"),
    ],
)
def test_a_run_that_did_its_work_tells_what_it_wrote(dropped, approved, outcome, quality):
    """Defect 17: RED is no crash, and artifacts are not empty."""
    event = finished(dropped, approved=approved)
    assert (event.status, event.failure_type, event.artifacts_available) == outcome
    assert event.artifacts == ARTIFACTS
    assert event.quality is not None
    assert event.quality.status == quality
    assert event.error is None


@pytest.mark.parametrize("phase", ["create", "execute"])
def test_an_error_is_catastrophic_in_either_phase(phase):
    event = failed_event("load_promos", caught(phase, ValueError("x")), NOW, job_run_id="promos-1")
    assert (event.status, event.failure_type, event.artifacts_available) == ("FAILED", "CATASTROPHIC", False)
    assert (event.artifacts, event.quality, event.metrics) == ({}, None, None)
    assert event.error is not None
    assert (event.error.type, event.error.message, event.error.phase) == (
        "ValueError",
        "J execution failed: x",
        phase,
    )


def test_a_failure_says_how_far_it_got():
    quality = QualityRules().judge(records_read=100, records_dropped=5, records_written=0)
    metrics = metrics_of(RUN, "FAILED", NOW, counts=Counts(records_read=100), quality=quality)
    event = failed_event(RUN.job_name, ERROR, NOW, job_run_id=RUN.job_run_id, metrics=metrics)
    assert event.metrics == metrics
    assert event.quality == metrics.quality


def test_a_failed_run_is_never_told_as_a_success():
    with pytest.raises(ValueError, match="failed_event"):
        completed_event(metrics_of(RUN, "FAILED", NOW), ARTIFACTS, NOW)


def test_the_event_has_exactly_its_keys_in_order():
    for event in (finished(10), failed_event("load_promos", ERROR, NOW)):
        document = json.loads(event.line())
        assert list(document) == KEYS
        assert document["event_type"] == "job_completed"
        assert document["timestamp"] == "2025-01-16T08:00:00.250000Z"
        assert json.loads(event.content()) == document
        assert "\n" not in event.line()
    assert list(json.loads(finished(0).line())["artifacts"]["nautilus"]) == ["path", "records", "bytes"]
    assert list(json.loads(event.line())["error"]) == ["type", "message", "phase", "stack_trace"]


def test_an_event_that_is_read_back_is_the_same():
    for event in (finished(10), failed_event("load_promos", ERROR, NOW)):
        assert JobCompleted.read("event", event.content()) == event


def test_the_names_of_an_event_are_made_of_job_run_and_status():
    event = finished(10)
    assert event.event_id == "transform-20250116T080000Z-abc123-PENDING_APPROVAL"
    assert event.file_name == "transform_images-transform-20250116T080000Z-abc123-PENDING_APPROVAL.json"
    assert event.subject == "Job Event: transform_images - PENDING_APPROVAL"
    assert event.attributes == {"status": "PENDING_APPROVAL", "job_name": "transform_images"}


def test_runs_without_an_id_are_called_unknown_and_still_told_apart():
    """Defect 18: each failure in config, import or wiring is told."""
    event = failed_event("load_promos", ERROR, NOW)
    assert event.job_run_id == "unknown"
    assert event.file_name == "load_promos-unknown-FAILED.json"
    others = [
        failed_event("load_promos", ERROR, NOW + timedelta(microseconds=1)),
        failed_event("filter_images", ERROR, NOW),
    ]
    ids = {event.event_id, *(other.event_id for other in others)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"unknown-FAILED-[\w.-]+", event_id) for event_id in ids)


def test_the_stack_trace_names_the_causes_and_notes():
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            error = ValueError("outer")
            error.add_note("a note")
            raise error from inner
    except ValueError as raised:
        trace = job_error("execute", "x", raised).stack_trace
    for part in ("KeyError: 'inner'", "direct cause", "ValueError: outer", "a note", "test_job_events.py"):
        assert part in trace


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("the JVM is dead")


def test_an_error_without_a_text_is_told_too():
    error = caught("execute", Unspeakable())
    assert error.type == "Unspeakable"
    assert "Unspeakable" in error.stack_trace


def test_of_long_texts_the_part_that_says_most_is_kept():
    error = caught("execute", ValueError("a" * 100_000 + "the end"), "the beginning" + "b" * 100_000)
    assert error.message.startswith("the beginning")
    assert error.stack_trace.endswith("the end\n")
    assert len(failed_event("load_promos", error, NOW).line()) < 50_000


def test_texts_that_utf8_cannot_hold_are_escaped():
    event = failed_event("load_promos", caught("execute", OSError("/x/\udcff"), "no \udcff"), NOW)
    assert b"no \\\\udcff" in event.content()


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "password = 'hunter2'",
        "{'password': 'hunter2', 'a': 1}",
        '{"db_password": "hunter2"}',
        '{\\"clientSecret\\": \\"hunter2\\"}',
        "connect(api_token='hunter2')",
        "SecretKey: hunter2;",
        "aws_access_key_id=hunter2&x=1",
        "keyId=hunter2",
        "jdbcUrl=jdbc:postgresql://h/db?x=hunter2",
        "JDBC-URL: jdbc:hunter2",
        "postgresql://me:hunter2@host/db",
        "Authorization: Bearer hunter2.abc",
        "token: Bearer hunter2",
        'credentials = "hunter2 and more hunter2"',
    ],
)
def test_secrets_are_hidden_in_any_notation(text):
    """Defect 20: secrets were printed."""
    error = caught("create", ValueError(text), f"Failed: {text}")
    assert "***" in error.message
    assert "hunter2" not in error.message + error.stack_trace


def test_an_access_key_id_is_hidden_wherever_it_stands():
    assert without_secrets("user AKIAIOSFODNN7EXAMPLE is denied") == "user *** is denied"


@pytest.mark.parametrize(
    "text",
    [
        "No data found at transform output path: s3://b/transformed/x",
        "3 of 20 records were dropped",
        "https://host/path?x=1",
        "the token is unknown",
        "Line one\nLine two",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert without_secrets(text) == text


@given(st.text(), st.text())
def test_what_a_secret_key_names_never_comes_out(before, after):
    assert "hunter2" not in without_secrets(f"{before} password='hunter2' {after}")


def test_artifacts_of_a_transform_run_are_summed_by_category():
    late = output("r1", DAY - timedelta(days=1), records=2).model_copy(update={"bytes": 5})
    today = output("r1", DAY, records=3).model_copy(update={"bytes": 7})
    other = output("r1", DAY, "savedproject", records=1)
    artifacts = transform_artifacts([other, today, late], "gs")
    assert artifacts == {
        "nautilus": Artifact(
            path="gs://dwh-data/transformed_images/nautilus/pacific/year=2025/month=01", records=5, bytes=12
        ),
        "savedproject": Artifact(
            path="gs://dwh-data/transformed_images/savedproject/pacific/year=2025/month=01/day=15/r1",
            records=1,
            bytes=0,
        ),
    }
    assert list(artifacts) == ["nautilus", "savedproject"]
    assert transform_artifacts([], "s3") == {}


def test_the_artifact_of_a_filter_run_is_its_output():
    written = FilterOutput(path="s3://b/f1", record_count=4, bytes_written=10)
    assert filter_artifacts(written) == {"filtered_images": Artifact(path="s3://b/f1", records=4, bytes=10)}
