"""EMR: the step decides, clusters may take their time, and nothing of the caller's is changed."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from resources.compute import Compute, ComputeMisconfigured, PlatformRefused, Polling, Settings
from resources.compute.emr import EmrBackend
from resources.compute.s3_messages import S3Messages
from tests.resources.compute.backend_runs import JOB, Work, run_over
from tests.resources.compute.remote_platforms import JOB_FLOW, Emr, backend_of, emr_serving

pytestmark = [pytest.mark.materialise, pytest.mark.services]

HALF_AN_HOUR = 1800.0
QUICK = Polling(first=0.05, cap=0.05)
ENVIRONMENT = {
    "QUINTET_EMR_CODE": "s3://code/quintet",
    "QUINTET_EMR_JOB_FLOW": "{}",
    "QUINTET_PIPES_BUCKET": "pipes",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture
def emr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emr]:
    folder = tmp_path / "platform"
    folder.mkdir()
    with emr_serving(folder, monkeypatch) as serving:
        yield serving


@pytest.fixture
def emr_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emr]:
    folder = tmp_path / "platform"
    folder.mkdir()
    with emr_serving(folder, monkeypatch, own_cluster=False) as serving:
        yield serving


def test_a_step_that_failed_fails_the_run_though_its_cluster_goes_on(emr_there: Emr, tmp_path: Path) -> None:
    recorded = run_over(backend_of(emr_there, QUICK), Work(tmp_path, "fail"))
    assert "on emr failed: the step is FAILED" in recorded.failure
    assert recorded.materialisations == []
    (cluster,) = emr_there.fake.clusters.values()
    assert cluster.state == "WAITING"


def test_a_cluster_of_its_own_ends_with_its_step_and_carries_the_token(emr: Emr, tmp_path: Path) -> None:
    recorded = run_over(backend_of(emr, QUICK), Work(tmp_path), "quintet-token")
    assert recorded.result.success, recorded.failure
    (cluster,) = emr.fake.clusters.values()
    assert (cluster.name, cluster.state) == ("quintet-token", "TERMINATED")
    tags = {tag["Key"]: tag["Value"] for tag in cluster.tags}
    assert tags["team"] == "warehouse"
    assert tags["quintet:launch"] == "quintet-token"
    (step,) = cluster.steps
    assert step.name == "quintet-token"
    assert step.args[:4] == [
        "spark-submit",
        "--py-files",
        "s3://code/quintet/quintet.zip",
        f"s3://code/quintet/{JOB}",
    ]
    metadata = recorded.materialisations[0].metadata
    assert metadata["emr_cluster_id"].value == cluster.id
    assert metadata["emr_step_id"].value == step.id
    assert str(metadata["platform_link"].value).endswith(f"#/clusterDetails/{cluster.id}")


def test_a_cluster_may_start_for_longer_than_half_an_hour(emr: Emr, tmp_path: Path) -> None:
    emr.fake.starting = True
    waited: list[float] = []

    def sleep(_: float) -> None:
        if sum(waited) <= 2 * HALF_AN_HOUR:
            waited.append(60.0)
        else:
            emr.fake.starting = False
            time.sleep(0.05)

    polling = Polling(clock=lambda: sum(waited), sleep=sleep)
    recorded = run_over(backend_of(emr, polling), Work(tmp_path))
    assert recorded.result.success, recorded.failure
    assert sum(waited) > 2 * HALF_AN_HOUR


def test_a_step_whose_cluster_is_gone_has_failed(emr: Emr, tmp_path: Path) -> None:
    emr.fake.starting = True

    def lose(_: float) -> None:
        for cluster in emr.fake.clusters.values():
            cluster.state = "TERMINATED_WITH_ERRORS"

    recorded = run_over(backend_of(emr, Polling(sleep=lose)), Work(tmp_path))
    assert "its cluster is TERMINATED_WITH_ERRORS" in recorded.failure


def test_the_parameters_of_the_cluster_are_not_changed(emr: Emr, tmp_path: Path) -> None:
    mine = json.loads(json.dumps(JOB_FLOW))
    messages = S3Messages("pipes", "quintet-pipes", boto3.client("s3"))
    backend = EmrBackend("s3://code/quintet", messages, job_flow=mine, polling=QUICK)
    assert run_over(backend, Work(tmp_path)).result.success
    assert mine == JOB_FLOW


def test_messages_and_context_lie_below_our_prefix_and_the_token(emr: Emr, tmp_path: Path) -> None:
    run_over(backend_of(emr, QUICK), Work(tmp_path), "quintet-token")
    listed: Any = boto3.client("s3").list_objects_v2(Bucket="pipes")
    keys = [item["Key"] for item in listed["Contents"]]
    assert keys
    assert all(key.startswith("quintet-pipes/quintet-token/") for key in keys)


def test_a_refusal_says_what_emr_said(emr: Emr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_EMR_CLUSTER_ID", "j-UNKNOWN")
    with pytest.raises(PlatformRefused, match="A request to EMR refused"):
        backend_of(emr, QUICK).look("j-UNKNOWN/s-UNKNOWN")


def test_a_start_whose_answer_is_lost_is_not_repeated_but_adopted(emr: Emr, tmp_path: Path) -> None:
    work = Work(tmp_path, "wait")
    emr.fake.lost_answers = 1
    lost = run_over(backend_of(emr, QUICK), work, "quintet-token")
    assert "PlatformUnavailable: A request to EMR" in lost.failure

    def sleep(_: float) -> None:
        work.until.touch()
        time.sleep(0.05)

    recorded = run_over(backend_of(emr, Polling(sleep=sleep)), work, "quintet-token")
    assert recorded.result.success, recorded.failure
    assert len(emr.fake.clusters) == len(work.starts) == 1


@pytest.mark.parametrize("missing", ["QUINTET_EMR_CODE", "QUINTET_EMR_JOB_FLOW", "QUINTET_PIPES_BUCKET"])
def test_a_missing_setting_is_named(missing: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != missing}
    with pytest.raises(ComputeMisconfigured, match=f"The compute backend emr needs {missing}: set it to "):
        Compute(backend="emr").for_run({}, environment)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "QUINTET_EMR_JOB_FLOW is not JSON"),
        ("[]", "QUINTET_EMR_JOB_FLOW is not a JSON object"),
        ('{"Name": "mine", "Steps": []}', "QUINTET_EMR_JOB_FLOW names Name and Steps, which the job itself"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(ComputeMisconfigured, match=sentence):
        EmrBackend.from_settings(Settings("emr", {**ENVIRONMENT, "QUINTET_EMR_JOB_FLOW": text}))
