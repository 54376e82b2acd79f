"""A step of dwh: run tags, attempts and failures, and who is told of them."""

import shutil
from dataclasses import replace
from datetime import date
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import PrivateAttr

from assets.dwh.arguments import entry_arguments
from assets.dwh.assets import FilteredImagesConfig, PromotionsConfig, TransformedImagesConfig
from assets.retries import RUN_RETRY_TAG, Patience
from resources.object_store import LocalObjectStore, StoreUnavailable
from tests.assets.dwh.dwh_deployments import (
    DAY,
    FILTERED,
    GREEN,
    IMAGES,
    PROMOTIONS,
    RED,
    TOLD,
    TRANSFORMED,
    deployed,
    facts,
    looks,
    metrics,
    recorded,
    sentence,
)

materialise = pytest.mark.materialise

PROVENANCE = {
    "dwh/service_provider": "GLUE",
    "dwh/environment": "dev",
    "dwh/region": "us-west-2",
    "dwh/job_run_id": "jr_1",
}
CONNECT = (
    "The Spark engine connect needs the address of its server; set QUINTET_SPARK_REMOTE to sc://host:port"
)
BACKENDS = "in_process, subprocess, glue, emr, container, databricks"


class BusyStore(LocalObjectStore):
    """A local store that does not answer the first writes below the folder of manifests."""

    refusals: int
    is_broken: bool = False
    _refused: int = PrivateAttr(default=0)

    def _publish(self, bucket: str, key: str, spool: Any, condition: Any) -> Any:
        if "/_manifests/" in key and self._refused < self.refusals:
            self._refused += 1
            raise (ZeroDivisionError if self.is_broken else StoreUnavailable)(f"{key} was not written")
        return super()._publish(bucket, key, spool, condition)


@pytest.fixture
def dwh(tmp_path):
    with deployed(tmp_path) as dwh:
        yield dwh


@pytest.fixture
def at_once(monkeypatch):
    """Steps that are tried again without a wait, twice."""
    monkeypatch.setattr("assets.retries.DEFAULT_PATIENCE", Patience(retries=2, first_wait=0))


def busy(dwh, refusals: int, *, is_broken: bool = False):
    root = str(dwh.folder / "storage")
    return dwh.with_store(BusyStore(root=root, refusals=refusals, is_broken=is_broken))


@materialise
def test_who_started_a_run_and_where_is_in_its_metrics_and_its_metadata(dwh):
    result = dwh.transform(tags=PROVENANCE, **GREEN)
    shown = facts(result, TRANSFORMED)
    for name in ("service_provider", "environment", "region"):
        assert shown[name] == shown["metrics"][name] == PROVENANCE[f"dwh/{name}"]
    assert shown["run_id"] == shown["metrics"]["job_run_id"] == dwh.runs()[-1]["run_id"] == "jr_1"


@materialise
def test_without_tags_a_run_has_an_id_of_its_own_and_no_provenance(dwh):
    first, second = (metrics(dwh.transform(**GREEN), TRANSFORMED) for _ in range(2))
    assert first["job_run_id"] != second["job_run_id"]
    assert first["job_run_id"].startswith("transform-")
    assert [first[name] for name in ("service_provider", "environment", "region")] == [None] * 3


@materialise
def test_an_id_that_can_name_no_run_is_refused(dwh):
    result = dwh.transform(tags={"dwh/job_run_id": "../run"})
    assert sentence(result).startswith("Run id '../run' is refused")


@materialise
def test_an_id_from_outside_names_the_first_attempt_only(dwh, at_once):
    result = busy(dwh, 1).transform(tags=PROVENANCE, event_publisher_config=TOLD, **GREEN)
    assert result.success
    assert looks(result) == 2
    run_id = facts(result, TRANSFORMED)["run_id"]
    assert run_id.startswith("transform-")
    assert [run["run_id"] for run in dwh.runs()] == [run_id]
    assert {(event["job_run_id"], event["status"]) for event in dwh.told()} == {
        ("jr_1", "FAILED"),
        (run_id, "SUCCESS"),
    }


@materialise
def test_a_run_that_is_launched_again_with_the_tags_of_its_parent_gets_an_id_of_its_own(dwh):
    first = dwh.transform(tags=PROVENANCE, **GREEN)
    again = dwh.transform(
        tags={**PROVENANCE, "dagster/parent_run_id": first.run_id, "dagster/root_run_id": first.run_id},
        **GREEN,
    )
    ids = [facts(result, TRANSFORMED)["run_id"] for result in (first, again)]
    assert ids[0] == "jr_1"
    assert ids[1].startswith("transform-")


@materialise
def test_what_may_pass_is_tried_again_and_then_fails_in_its_own_words(dwh, at_once):
    result = busy(dwh, 99).transform(**GREEN)
    assert "was not written" in sentence(result)
    assert looks(result) == 3
    assert recorded(result) == []


@materialise
def test_what_cannot_be_helped_is_tried_once_and_starts_no_new_run(dwh, at_once):
    dwh.transform(**GREEN)
    (manifest,) = dwh.bucket.glob("transformed_images/_manifests/**/manifest-*.json")
    manifest.write_text("{")
    result = dwh.filter()
    assert str(manifest.relative_to(dwh.bucket)) in sentence(result)
    assert looks(result) == 1
    run = dwh.instance.get_run_by_id(result.run_id)
    assert run.tags[RUN_RETRY_TAG] == "false"


@materialise
def test_a_defect_of_ours_passes_with_its_traceback(dwh, at_once):
    result = busy(dwh, 1, is_broken=True).transform(**GREEN)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data is None
    assert "ZeroDivisionError" in event.step_failure_data.error.to_string()
    assert looks(result) == 1


@materialise
@pytest.mark.parametrize(
    ("asset", "tags", "said"),
    [
        (FILTERED, {"compute": "moon"}, f"There is no compute backend 'moon'; choose one of {BACKENDS}."),
        (
            TRANSFORMED,
            {"spark_engine": "flink"},
            "There is no Spark engine 'flink'; choose one of sail, jvm, connect",
        ),
        (
            PROMOTIONS,
            {"compute": "subprocess", "spark_engine": "flink"},
            "There is no Spark engine 'flink'; choose one of sail, jvm, connect",
        ),
        (
            TRANSFORMED,
            {"spark_engine": "connect"},
            CONNECT,
        ),
    ],
)
def test_a_place_that_is_not_there_is_refused_in_one_sentence(dwh, asset, tags, said):
    result = dwh.run(asset, tags=tags)
    assert sentence(result) == said
    assert looks(result) == 1
    assert recorded(result) == []


@materialise
def test_a_machine_without_java_says_so(dwh, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert "Java" in sentence(dwh.transform(tags={"spark_engine": "jvm"}))


@materialise
@pytest.mark.services
def test_another_engine_gives_equal_rows_and_counts(dwh, missing_service):
    if shutil.which("java") is None:
        missing_service("Java is not installed: apt-get install openjdk-17-jre-headless")
    on_sail = dwh.run(*IMAGES, config={TRANSFORMED: GREEN})
    rows = dwh.rows()
    on_jvm = dwh.run(*IMAGES, config={TRANSFORMED: GREEN}, tags={"spark_engine": "jvm"})
    assert on_jvm.success
    assert dwh.rows() == rows
    assert counts_of(on_jvm) == counts_of(on_sail)


def counts_of(result: dg.ExecuteInProcessResult) -> list[Any]:
    names = ("records_read", "records_written", "drop_reasons")
    return [metrics(result, asset)[name] for asset in IMAGES for name in names]


@materialise
@pytest.mark.parametrize(
    ("config", "status", "failure_type"),
    [(GREEN, "SUCCESS", None), ({}, "SUCCESS", None), (RED, "PENDING_APPROVAL", "QUALITY")],
)
def test_a_run_that_did_its_work_is_told_once(dwh, config, status, failure_type):
    result = dwh.transform(event_publisher_config=TOLD, **config)
    (event,) = dwh.told()
    assert (event["status"], event["failure_type"]) == (status, failure_type)
    assert event["metrics"] == metrics(result, TRANSFORMED)
    written = sum(artifact["records"] for artifact in event["artifacts"].values())
    assert written == event["metrics"]["records_written"]
    (name,) = dwh.tree("told")
    assert name == f"told/transform_images-{event['job_run_id']}-{status}.json"


@materialise
def test_a_run_that_failed_at_work_is_told_once(dwh):
    result = dwh.filter(event_publisher_config=TOLD)
    (event,) = dwh.told()
    assert (event["status"], event["failure_type"]) == ("FAILED", "CATASTROPHIC")
    assert not event["artifacts_available"]
    assert (event["error"]["phase"], event["error"]["type"]) == ("execute", "NoDataFound")
    assert event["error"]["message"] == f"FilterImagesJob execution failed: {sentence(result)}"
    assert event["job_run_id"].startswith("filter-")


@materialise
@pytest.mark.parametrize(
    ("asset", "config", "tags"),
    [
        (TRANSFORMED, {"drop_rate_ret": 1.0}, {}),
        (TRANSFORMED, {"window_end": "2025-03-11"}, {}),
        (TRANSFORMED, {"partition_interval_minutes": 7}, {}),
        (FILTERED, {"base_path": "nowhere"}, {}),
        (PROMOTIONS, {}, {"compute": "moon"}),
        (PROMOTIONS, {}, {"spark_engine": "flink"}),
    ],
)
def test_a_job_that_cannot_be_made_is_told_once_without_an_id(dwh, asset, config, tags):
    result = dwh.run(asset, config={asset: {**config, "event_publisher_config": TOLD}}, tags=tags)
    (event,) = dwh.told()
    assert (event["job_run_id"], event["status"]) == ("unknown", "FAILED")
    assert event["error"]["phase"] == "create"
    assert event["error"]["message"].endswith(sentence(result))


@materialise
def test_a_decrypting_function_that_cannot_be_one_is_refused_in_a_sentence_and_told(dwh, monkeypatch):
    monkeypatch.setenv("DWH_DECRYPT_FUNCTION", "de crypt(")
    result = dwh.transform(event_publisher_config=TOLD, **GREEN)
    assert "de crypt(" in sentence(result)
    (event,) = dwh.told()
    assert event["error"]["phase"] == "create"


@materialise
def test_a_job_that_cannot_be_made_is_told_under_the_id_from_outside(dwh):
    dwh.transform(tags={**PROVENANCE, "compute": "moon"}, event_publisher_config=TOLD)
    (event,) = dwh.told()
    assert event["job_run_id"] == "jr_1"


@materialise
@pytest.mark.parametrize(
    "publisher", [{"publisher_type": "PIGEON"}, {"publisher_type": "FILE"}, {"kind": "FILE"}]
)
def test_a_publisher_that_cannot_be_read_fails_the_run_and_tells_nobody(dwh, publisher):
    result = dwh.transform(event_publisher_config=publisher, **GREEN)
    assert "publisher" in sentence(result) or "'event_publisher_config.kind'" in sentence(result)
    assert dwh.told() == []


@materialise
@pytest.mark.parametrize("strict", [False, True])
def test_an_event_that_nobody_takes_fails_a_strict_run_only(dwh, strict):
    # Neither the outbox nor the receiver can be written: files are in the place of their folders.
    for folder in ("_events", "told"):
        (dwh.bucket / folder).write_text("")
    result = dwh.transform(event_publisher_config=TOLD, strict_hooks=strict, **GREEN)
    assert result.success is not strict
    assert len(dwh.runs()) == 1
    if strict:
        assert "reached neither its receiver nor the outbox" in sentence(result)
        assert recorded(result) == []


# What a platform is given is what a step does itself.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(str.strip)
LAUNCHES = st.one_of(
    st.builds(
        TransformedImagesConfig,
        created_by=TEXTS,
        clean_sink=st.booleans(),
        approve_quality=st.just(True),
        approve_reason=TEXTS,
        min_records=st.integers(0, 10),
    ),
    st.builds(FilteredImagesConfig, created_by=TEXTS, triggered_by_job=TEXTS, latest_copy=st.booleans()),
    st.builds(PromotionsConfig, created_by=TEXTS, strict_hooks=st.booleans()),
)


@given(LAUNCHES, st.dictionaries(st.sampled_from([*PROVENANCE, "spark_engine"]), TEXTS))
def test_a_command_line_says_what_the_step_would_do(config, tags):
    launch = config.launch(DAY).with_tags(tags)
    argv = ["generic_entry.py", *launch.command_line]
    arguments = entry_arguments("container", argv, {}, spark_available=True)
    assert arguments.module_name == launch.job.name
    read = launch.job.config.read
    assert read(arguments.kwargs) == read(launch.keywords)
    plain = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in launch.keywords.items()
        if value is not None and name not in (launch.job.config_key, "service_provider")
    }
    given = {name: arguments.kwargs[name] for name in plain}
    assert given == plain


@pytest.mark.parametrize("config", [TransformedImagesConfig, FilteredImagesConfig, PromotionsConfig])
def test_the_engine_of_a_run_goes_with_it_to_a_platform(config):
    launch = config().launch(date(2025, 3, 9)).with_tags({"spark_engine": "jvm"})
    assert "--spark_engine=jvm" in launch.command_line


def test_an_approval_is_one_of_a_transform_only():
    tags = {"dwh/approve_quality": "true", "dwh/approve_reason": "why"}
    transformed = TransformedImagesConfig().launch(DAY).with_tags(tags)
    assert transformed.config["approve_reason"] == "why"
    filtered = FilteredImagesConfig().launch(DAY).with_tags(tags)
    assert filtered == replace(filtered, config=FilteredImagesConfig().launch(DAY).config)


def test_tags_that_say_nothing_change_nothing():
    launch = TransformedImagesConfig(approve_quality=True, approve_reason="why").launch(DAY)
    assert launch.with_tags({"dwh/approve_quality": "", "dwh/region": "", "spark_engine": ""}) == launch
