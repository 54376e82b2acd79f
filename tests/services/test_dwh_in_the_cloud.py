"""Whole days of dwh through the deployments `aws` and `gcp` on emulators: as a local run, and in failures."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from definitions import build_defs
from resources.spark.sail_server import SAIL
from tests.assets.dwh.dwh_deployments import (
    EVERY,
    FILTERED,
    TRANSFORMED,
    Deployment,
    Result,
    deployed,
    metrics,
    outcomes,
    recorded,
)
from tests.services.dwh_clouds import (
    BUCKET,
    LOAD_TIMES,
    SIZE,
    Cloud,
    comparable,
    connect_server,
    documents,
    layout,
    opened_cloud,
    schemes,
)
from tests.services.faulty_proxy import LOST_ANSWER, Fault, FaultyProxy, standing_before

pytestmark = [pytest.mark.services, pytest.mark.materialise]

COUNTS = ("job_status", "records_read", "records_written", "records_dropped", "drop_reasons", "quality")
OUTCOMES = {
    "drop_rate_is_acceptable": True,
    "every_record_is_accounted_for": True,
    "every_key_appears_once": True,
    "every_transform_output_is_included": True,
    "day_has_no_gaps": False,
    "extract_has_rows_and_columns": True,
    "every_promotion_id_is_unique": True,
}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Result]]:
    """A run of the sample day on one machine."""
    with deployed(tmp_path_factory.mktemp("local"), SIZE) as dwh:
        result = dwh.run(*EVERY)
        assert result.success
        yield dwh, result


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("QUINTET_COMPUTE", "in_process")
    boto3.client("s3").create_bucket(Bucket=BUCKET)


@pytest.fixture
def aws(bucket: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setenv("QUINTET_SPARK_ENGINE", "sail")
    with opened_cloud("aws", tmp_path / "inputs") as cloud:
        yield cloud


@pytest.fixture
def aws_by_address(
    bucket: None, isolated_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Cloud]:
    """The same with an engine that is elsewhere, and reads and writes the bucket itself."""
    with connect_server({**os.environ, "AWS_ALLOW_HTTP": "true"}) as remote:
        monkeypatch.setenv("QUINTET_SPARK_REMOTE", remote)
        with opened_cloud("aws", tmp_path / "inputs") as cloud:
            yield cloud
    assert not (isolated_environment / "work").exists()  # Nothing passed through this machine.


@pytest.fixture
def gcp(
    gcs_server: str,
    bigquery_warehouse: object,
    bigquery_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Cloud]:
    from google.cloud.storage import Client

    for name, value in {
        "QUINTET_COMPUTE": "in_process",
        "QUINTET_SPARK_ENGINE": "sail",
        "PROJECT_ID": "quintet-dwh",
        "BIGQUERY_EMULATOR_HOST": bigquery_endpoint,
        # An account that is not there: the library would look for one of the machine.
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "no-account.json"),
    }.items():
        monkeypatch.setenv(name, value)
    Client().create_bucket(BUCKET)
    with opened_cloud("gcp", tmp_path / "inputs") as cloud:
        yield cloud


@pytest.fixture(params=["aws", "aws_by_address", "gcp"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return request.getfixturevalue(request.param)


def test_a_day_is_in_every_cloud_what_it_is_on_one_machine(
    cloud: Cloud, local: tuple[Deployment, Result], request: pytest.FixtureRequest
) -> None:
    here, expected = local
    result = cloud.run(*EVERY)
    assert result.success
    assert recorded(result) == recorded(expected)
    assert outcomes(result) == outcomes(expected) == OUTCOMES
    for asset in EVERY:
        there = metrics(result, asset)
        assert {name: there[name] for name in COUNTS} == {
            name: metrics(expected, asset)[name] for name in COUNTS
        }
        assert comparable(there["payload"]) == comparable(metrics(expected, asset)["payload"])
    assert cloud.rows() == here.rows()
    assert cloud.promotions().equals(here.promotions().drop(LOAD_TIMES))

    objects = cloud.objects()
    assert layout(objects) == layout(here.tree())
    assert documents(objects) == documents(here.tree())
    assert schemes(objects) == {"gs" if "gcp" in request.node.name else "s3"}
    assert schemes(here.tree()) == {"s3"}


def test_a_day_made_again_swaps_the_pointer_and_leaves_what_it_named(aws: Cloud) -> None:
    assert aws.run(TRANSFORMED, FILTERED).success
    before, rows = aws.objects(), aws.rows()
    assert aws.run(FILTERED, config={FILTERED: {"mode": "incremental"}}).success
    after = aws.objects()
    changed = [found for found, content in before.items() if after.get(found) != content]
    assert [found.rpartition("/")[2] for found in changed] == ["latest.json"]
    assert aws.rows() == rows


@contextmanager
def spoiled(
    cloud: str, endpoint: str, patch: pytest.MonkeyPatch, fault_of: Callable[[str], Fault]
) -> Iterator[FaultyProxy]:
    """Requests of the cloud's store go through a proxy, until the end."""
    variable = {"aws": "AWS_ENDPOINT_URL", "gcp": "STORAGE_EMULATOR_HOST"}[cloud]
    with standing_before(endpoint) as proxy, patch.context() as inner:
        proxy.fault_of = fault_of
        inner.setenv(variable, proxy.url)
        SAIL.stop()
        yield proxy
    SAIL.stop()


class FromThenOn:
    """Refuses the first request that matches, and everything after it: rights that somebody withdrew."""

    def __init__(self, pattern: str) -> None:
        self.pattern = re.compile(pattern)
        self.begun = False

    def __call__(self, request: str) -> Fault:
        self.begun = self.begun or bool(self.pattern.search(request))
        return 403 if self.begun else None


MIDDLE = {
    "aws": (
        r"GET .*/transformed_images/nautilus/.*/part-00000",  # An input is read.
        r"PUT .*/part-00000\.parquet",  # The first rows are written,
        r"(GET|HEAD) .*/part-00000\.parquet",  # and read back.
        r"PUT .*/manifest-filter",
        r"PUT .*/latest\.json",
    ),
    "gcp": (r"GET .*/o/transformed_images.*part-00000", r"POST /upload"),
}
"""At which requests of a filter run the store begins to refuse."""


@pytest.mark.parametrize("deployment", MIDDLE)
def test_a_store_that_fails_in_the_middle_leaves_the_pointer_and_what_it_names(
    deployment: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud: Cloud = request.getfixturevalue(deployment)
    endpoint = request.getfixturevalue({"aws": "s3_server", "gcp": "gcs_server"}[deployment])
    assert cloud.run(TRANSFORMED, FILTERED).success
    pointer, current, rows = cloud.pointer, cloud.current(), cloud.rows()
    for request_of in MIDDLE[deployment]:
        withdrawn = FromThenOn(request_of)
        with spoiled(deployment, endpoint, monkeypatch, withdrawn):
            failed = anew(deployment, cloud).run(FILTERED)
        assert withdrawn.begun, request_of
        assert not failed.success
        assert recorded(failed) == []
        assert (cloud.pointer, cloud.current()) == (pointer, current), request_of
    assert cloud.run(FILTERED).success
    assert cloud.pointer != pointer
    assert cloud.rows() == rows


def test_a_transform_that_the_store_fails_is_read_by_nobody(
    aws: Cloud, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert aws.run(TRANSFORMED, FILTERED).success
    rows, read = aws.rows(), metrics(aws.run(FILTERED), FILTERED)["records_read"]
    with spoiled("aws", s3_server, monkeypatch, FromThenOn(r"PUT .*/manifest-transform")):
        failed = anew("aws", aws).run(TRANSFORMED)
    assert not failed.success
    assert recorded(failed) == []
    again = aws.run(FILTERED)
    assert metrics(again, FILTERED)["records_read"] == read
    assert aws.rows() == rows


def test_a_swap_whose_answer_is_lost_is_a_success(
    aws: Cloud, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def lose_first(request: str) -> Fault:
        if re.search(r"PUT .*/latest\.json", request) and not lost:
            lost.append(request)
            return LOST_ANSWER
        return None

    with spoiled("aws", s3_server, monkeypatch, lose_first):
        result = anew("aws", aws).run(TRANSFORMED, FILTERED)
    assert lost
    assert result.success
    run_id = metrics(result, FILTERED)["job_run_id"].encode()
    assert run_id in aws.pointer
    assert [
        found for found in aws.objects() if "manifest-filter" in found and run_id.decode() not in found
    ] == []


def anew(deployment: str, cloud: Cloud) -> Cloud:
    """The same cloud for a client that reads its endpoint now."""
    return replace(cloud, defs=build_defs(deployment=deployment))
