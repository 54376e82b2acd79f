"""The three jobs as a Python user has them: what they return, what they refuse, and whom they tell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assets.dwh.arguments import UsageError
from assets.dwh.inputs import NoDataFound
from assets.dwh.publishers import FailureEvents
from assets.dwh.registry import REGISTRY
from assets.dwh.routing import AbstractJob, AbstractJobFactory
from assets.dwh.stages.events import outbox_for
from assets.dwh.stages.hooks import EventLost
from assets.dwh.stages.jobs import (
    JOBS,
    FilterImagesJob,
    Finished,
    JobFactory,
    failure_told,
    run_job,
)
from assets.dwh.stages.promoting import ExtractRefused
from assets.dwh.stages.workplace import Workplace
from resources.object_store import LocalObjectStore
from resources.warehouse import DuckDBWarehouse
from scripts.sample_data.dwh import write_inputs
from tests.assets.dwh.dwh_deployments import DAY, GREEN, RED, SMALL, TOLD
from tests.assets.dwh.recorded_jobs import notes_of

DATES = {"start_date": DAY.isoformat(), "end_date": DAY.isoformat(), "created_by": "ann"}
PATHS = {
    "base_path": "s3://dwh-data/filtered_images",
    "transform_output_path": "s3://dwh-data/transformed_images",
}
NOW = datetime(2025, 3, 10, 9, tzinfo=UTC)


class BrokenEvents(FailureEvents):
    """A publisher that fails itself."""

    def publish_failure(self, **_: Any) -> None:
        raise OSError("sns")


@dataclass
class Bench:
    """A workplace over sample inputs, and what was logged and told there."""

    folder: Path
    workplace: Workplace
    lines: list[str] = field(default_factory=list)

    def arguments(
        self, job: str, config: Mapping[str, Any] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        told = {"event_publisher_config": TOLD, **(config or {})}
        return {f"{job}_job": told, "has_spark": True, **arguments}

    def factory(self, job: str) -> JobFactory:
        return JobFactory(REGISTRY[job], self.workplace)

    def run(self, job: str, config: Mapping[str, Any] | None = None, **arguments: Any) -> Finished:
        return self.factory(job).run(**self.arguments(job, config, **arguments))

    def transform(self, **config: Any) -> Finished:
        return self.run("transform_images", {"quality_checker_config": GREEN, **config}, **DATES)

    @property
    def bucket(self) -> Path:
        return self.folder / "storage" / "dwh-data"

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in sorted(self.bucket.glob("told/*.json"))]

    def lose_events(self) -> None:
        """Let neither the outbox nor the receiver take anything: files are in the place of folders."""
        for name in ("_events", "told"):
            (self.bucket / name).write_text("")


@pytest.fixture
def bench(tmp_path, spark_resource):
    write_inputs(tmp_path / "storage" / "dwh-data", SMALL, day=DAY)
    lines: list[str] = []
    workplace = Workplace(
        LocalObjectStore(root=str(tmp_path / "storage")),
        spark_resource,
        DuckDBWarehouse(path=str(tmp_path / "warehouse.duckdb")),
        log=lines.append,
    )
    return Bench(tmp_path, workplace, lines)


def test_every_registered_job_is_a_job_with_hooks_and_there_are_no_others():
    assert JOBS.keys() == REGISTRY.keys()
    assert all(issubclass(job, AbstractJob) for job, _ in JOBS.values())
    assert issubclass(JobFactory, AbstractJobFactory)


def test_a_day_goes_through_the_three_jobs(bench):
    transformed = bench.transform()
    filtered = bench.run("filter_images", PATHS, end_date=DAY.isoformat())
    loaded = bench.run("load_promos", **DATES)
    counts = [(done.metrics.job_name, done.metrics.job_status) for done in (transformed, filtered, loaded)]
    assert counts == [(name, "SUCCESS") for name in ("transform_images", "filter_images", "load_promos")]
    assert transformed.metrics.records_read == SMALL.rows
    assert loaded.metrics.records_read == SMALL.promotions
    assert loaded.metrics.payload.message == "LoadPromosJob completed successfully"
    assert sum(artifact.records for artifact in transformed.artifacts.values()) == (
        transformed.metrics.records_written
    )
    assert {(event["job_name"], event["status"]) for event in bench.told()} == set(counts)
    assert any("records read" in line for line in bench.lines)


def test_the_report_of_a_job_is_what_it_returns(bench):
    report = run_job(REGISTRY["load_promos"], bench.workplace, bench.arguments("load_promos", **DATES))
    assert report.facts["dagster/row_count"] == report.metrics.records_written
    assert not report.blocks


def test_run_ids_name_their_job_unless_one_is_given(bench):
    assert bench.transform().metrics.job_run_id.startswith("transform-")
    given = bench.run("load_promos", job_run_id="jr_1", **DATES)
    assert given.metrics.job_run_id == "jr_1"


def test_red_is_a_result_and_no_error(bench):
    finished = bench.transform(quality_checker_config=RED)
    assert finished.metrics.job_status == "PENDING_APPROVAL"
    assert finished.report.blocks
    (event,) = bench.told()
    assert (event["status"], event["failure_type"]) == ("PENDING_APPROVAL", "QUALITY")


@pytest.mark.parametrize(
    ("job", "config", "arguments", "said"),
    [
        (
            "transform_images",
            {},
            {**DATES, "has_spark": False},
            "transform_images_job requires a spark_session",
        ),
        ("filter_images", PATHS, {"has_spark": None}, "filter_images_job requires a spark_session"),
        ("filter_images", {}, {}, "base_path is required"),
        ("filter_images", {"base_path": "s3://b/f"}, {}, "transform_output_path is required"),
        ("load_promos", {"tables": 1}, DATES, "nearest known key: 'warehouse_config.table'"),
        ("load_promos", {}, {**DATES, "job_run_id": "no id"}, "Run id 'no id' is refused"),
    ],
)
def test_a_job_that_cannot_be_made_is_wrong_usage_and_told_without_an_id(bench, job, config, arguments, said):
    with pytest.raises(UsageError, match=said) as caught:
        bench.run(job, config, **arguments)
    assert f"JobFactory create failed: {caught.value}" in notes_of(caught.value)
    (event,) = bench.told()
    assert (event["job_run_id"], event["status"], event["error"]["phase"]) == ("unknown", "FAILED", "create")


@pytest.mark.parametrize(
    ("job", "config", "arguments", "said"),
    [
        ("transform_images", {}, {}, "created_by parameter is required"),
        ("transform_images", {}, {"created_by": "ann"}, "start_date and end_date parameter is required"),
        ("transform_images", {}, {**DATES, "end_date": None}, "end_date parameter is required"),
        ("transform_images", {}, {**DATES, "end_date": "15/01/2025"}, "end_date '15/01/2025' is neither"),
        ("transform_images", {}, {**DATES, "clean_sink": "maybe"}, "clean_sink is 'maybe'"),
        ("filter_images", PATHS, {"year": "2025", "month": "3"}, "day is missing"),
        ("filter_images", {**PATHS, "time_column": "when"}, {"end_date": "2025-03-09"}, "names 'when'"),
        ("load_promos", {}, {**DATES, "start_date": "2025-03-11"}, "is before start_date"),
    ],
)
def test_arguments_that_are_not_allowed_are_wrong_usage_and_told_of_the_run(
    bench, job, config, arguments, said
):
    with pytest.raises(UsageError, match=said):
        bench.run(job, config, **arguments)
    (event,) = bench.told()
    assert event["job_run_id"] != "unknown"
    assert (event["status"], event["error"]["phase"]) == ("FAILED", "execute")


def test_the_error_of_a_job_comes_out_itself_with_a_note_of_which_job_it_was(bench):
    with pytest.raises(NoDataFound) as caught:
        bench.run("filter_images", PATHS, end_date=DAY.isoformat())
    note = f"FilterImagesJob execution failed: {caught.value}"
    assert note in notes_of(caught.value)
    (event,) = bench.told()
    assert event["error"]["message"] == note
    assert event["error"]["type"] == "NoDataFound"


def test_an_empty_extract_is_refused_in_the_words_of_the_contract(bench):
    with pytest.raises(ExtractRefused) as caught:
        bench.run("load_promos", **{**DATES, "start_date": "2025-03-02", "end_date": "2025-03-02"})
    assert str(caught.value) == "Extract Data Quality - Row Count failed"
    assert not Path(bench.folder / "warehouse.duckdb").exists()


def test_a_lost_event_of_a_success_is_kept_with_the_job_and_fails_nobody(bench):
    bench.lose_events()
    job = made_job(bench, strict_hooks=False)
    bench.transform()
    finished = job.run(end_date=DAY.isoformat())
    assert finished.metrics.job_status == "SUCCESS"
    assert [type(error) for error in job.hook_errors] == [EventLost]


def test_a_lost_event_of_a_success_fails_a_strict_job_though_the_rows_are_current(bench):
    bench.lose_events()
    bench.transform()
    with pytest.raises(EventLost) as caught:
        made_job(bench, strict_hooks=True).run(end_date=DAY.isoformat())
    assert notes_of(caught.value).startswith("FilterImagesJob execution failed: Event filter-")
    assert list(bench.bucket.glob("filtered_images/**/latest.json"))


def test_a_lost_event_of_a_failure_does_not_hide_it(bench):
    bench.lose_events()
    with pytest.raises(NoDataFound, match="No data found at transform output path"):
        bench.run("filter_images", PATHS, end_date=DAY.isoformat())


def test_a_publisher_that_raises_becomes_a_note_of_the_failure(bench):
    job = made_job(bench, strict_hooks=False)
    job.events = BrokenEvents(**{part.name: getattr(job.events, part.name) for part in fields(job.events)})
    with pytest.raises(NoDataFound) as caught:
        job.run(end_date=DAY.isoformat())
    assert "sns" in notes_of(caught.value)


def made_job(bench: Bench, *, strict_hooks: bool) -> FilterImagesJob:
    config = {**PATHS, "strict_hooks": strict_hooks}
    job = bench.factory("filter_images").create_job(**bench.arguments("filter_images", config))
    assert isinstance(job, FilterImagesJob)
    return job


def test_an_interrupt_is_told_and_goes_on(bench):
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    interrupted = Bench(bench.folder, Workplace(
        bench.workplace.store, bench.workplace.spark, bench.workplace.warehouse, log=interrupt
    ))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        interrupted.transform()
    (event,) = bench.told()
    assert event["error"]["message"] == "TransformImagesJob execution failed: interrupted"
    assert not list(bench.bucket.glob("transformed_images/_manifests/**/*.json"))


def test_where_a_run_was_started_is_in_its_metrics(bench):
    said = {"service_provider": "EMR", "environment": "dev", "region": "us-west-2"}
    metrics = bench.run("load_promos", **DATES, **said).metrics
    assert {name: getattr(metrics, name) for name in said} == said
    assert (metrics.start_date, metrics.end_date) == ("2025-03-09", "2025-03-09")
    assert metrics.source_base_path == "s3://dwh-data/promotions_raw"
    assert metrics.sink_base_path == "dw_core.d_promotion_3_0"


def test_a_folder_inside_the_transform_outputs_is_adopted_only_where_no_known_run_wrote_it(bench):
    manifest = bench.transform().metrics.payload
    path = manifest.outputs[0].path
    finished = bench.run("filter_images", {**PATHS, "transform_output_path": path}, end_date=DAY.isoformat())
    assert finished.metrics.payload.triggered_by.output_path == path
    assert not list(bench.bucket.glob("filtered_images/**/_inputs/*.json"))


def test_scratch_of_a_job_is_gone_at_its_end(bench):
    bench.transform()
    assert not [path for path in (bench.folder / "work").rglob("*") if path.is_file()]
    assert not list(bench.bucket.rglob("_scratch/**/*"))


@pytest.mark.parametrize(("run_id", "told_as"), [(None, "unknown"), ("jr_1", "jr_1"), ("no id", "unknown")])
def test_a_failure_before_there_is_a_job_is_told_and_goes_on(bench, run_id, told_as):
    job = REGISTRY["load_promos"]
    with pytest.raises(ZeroDivisionError), failure_told(job, bench.workplace.store, TOLD, run_id):
        raise ZeroDivisionError("no definitions")
    (event,) = bench.told()
    assert event["job_run_id"] == told_as
    assert event["error"]["message"] == "load_promos create failed: no definitions"
    assert event["error"]["phase"] == "create"


def test_a_failure_and_the_job_s_own_event_of_it_are_one(bench):
    store = bench.workplace.store
    config = (
        bench.factory("load_promos")
        .create_job(**bench.arguments("load_promos", job_run_id="jr_1"))
        .events.config
    )
    job = REGISTRY["load_promos"]
    events = FailureEvents(outbox_for(store), config, lambda: NOW, job.name, "jr_1")
    events.publish_failure(
        phase="execute", message="LoadPromosJob execution failed: x", error=ValueError("x")
    )
    with pytest.raises(ValueError, match="x"), failure_told(job, store, TOLD, "jr_1"):
        raise ValueError("x")
    (event,) = bench.told()
    assert event["error"]["phase"] == "execute"
