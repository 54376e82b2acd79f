"""The jobs of dwh on every platform, from a step of Dagster: entries and package as they are deployed.

The control planes are fakes that really run what was uploaded; what a platform gives its jobs (packages,
variables of a cluster, volumes) is all that the jobs get.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import dagster as dg
import pytest

from resources.compute import Compute, ComputeBackend, Polling, RemoteBackend
from resources.object_store import ObjectStore
from scripts.dwh_package import build
from scripts.sample_data.dwh import Size
from tests.assets.dwh.dwh_deployments import (
    DAY,
    FILTERED,
    IMAGES,
    PROMOTIONS,
    RED,
    TRANSFORMED,
    Deployment,
    Result,
    checks,
    deployed,
    facts,
    key,
    place,
    recorded,
    sentence,
    started,
)
from tests.resources.compute.remote_platforms import (
    container_serving,
    databricks_serving,
    emr_serving,
    hurry,
)
from tests.services.dwh_clouds import (
    BUCKET,
    LOAD_TIMES,
    Cloud,
    comparable,
    documents,
    layout,
    opened_cloud,
)
from tests.services.local_glue import LocalGlue, serving

pytestmark = [pytest.mark.services, pytest.mark.materialise]

SIZE = Size(rows=300, promotions=20)
MINUTE = 60
JOBS = "quintet-jobs"
GLUE_JOB = "dwh"
CHECKS = (
    "drop_rate_is_acceptable",
    "every_record_is_accounted_for",
    "every_key_appears_once",
    "every_transform_output_is_included",
    "day_has_no_gaps",
)
# How long it took, and how the files of the output were compressed, may differ.
OF_ONE_RUN = ("seconds", "bytes_written", "metrics", "dagster_pipes")


class QuickCompute(Compute):
    """Looks at a job ten times a second."""

    def for_run(self, tags: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> ComputeBackend:
        backend = super().for_run(tags, environ)
        if isinstance(backend, RemoteBackend):
            backend.polling = Polling(first=0.1, cap=0.1)
        return backend


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Result]]:
    """A run of the day in this process."""
    with deployed(tmp_path_factory.mktemp("here"), SIZE) as dwh:
        result = dwh.run(*IMAGES, PROMOTIONS)
        assert result.success
        yield dwh, result


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip of the code, with the entries beside it."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture
def glue(
    s3_server: str, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LocalGlue]:
    """A control plane whose job is our entry with our package."""
    hurry(monkeypatch)
    local = LocalGlue(s3_server, tmp_path)
    with serving(local) as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL_GLUE": endpoint,
            "QUINTET_GLUE_JOB": GLUE_JOB,
            "QUINTET_GLUE_PY_FILES": f"s3://{JOBS}/quintet.zip",
            "QUINTET_PIPES_BUCKET": JOBS,
        }.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        for bucket in (JOBS, BUCKET):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(package), JOBS, "quintet.zip")
        s3.upload_file(str(package.parent / "glue" / "generic_entry.py"), JOBS, "generic_entry.py")
        boto3.client("glue").create_job(
            Name=GLUE_JOB,
            Role="arn:aws:iam::123456789012:role/glue",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{JOBS}/generic_entry.py"},
        )
        yield local


@contextmanager
def dwh_on(deployment: str, inputs: Path, backend: str) -> Iterator[Cloud]:
    """A deployment whose runs go to a backend."""
    with opened_cloud(deployment, inputs, SIZE, {"compute": QuickCompute(backend=backend)}) as cloud:
        yield cloud


@pytest.fixture
def on_glue(glue: LocalGlue, tmp_path: Path) -> Iterator[Cloud]:
    with dwh_on("aws", tmp_path / "inputs", "glue") as cloud:
        yield cloud


@pytest.fixture
def on_emr(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with emr_serving(new_folder(tmp_path), monkeypatch):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.upload_file(str(package), "code", "quintet/quintet.zip")
        entry = package.parent / "emr" / "generic_entry.py"
        s3.upload_file(str(entry), "code", "quintet/scripts/emr/generic_entry.py")
        with dwh_on("aws", tmp_path / "inputs", "emr") as cloud:
            yield cloud


@pytest.fixture
def in_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A container that has the home as a volume, and is told so."""
    with container_serving(new_folder(tmp_path), monkeypatch):
        monkeypatch.setenv("QUINTET_CONTAINER_ENVIRONMENT", "QUINTET_HOME")
        with dwh_on("local", tmp_path / "inputs", "container") as cloud:
            yield cloud


@pytest.fixture
def on_databricks(gcs_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A cluster with the variables of its own, and a disk of its own."""
    from google.cloud.storage import Client

    from resources.warehouse import DuckDBWarehouse

    cluster = {
        "spark_version": "17.3.x-scala2.13",
        "node_type_id": "n2-highmem-4",
        "num_workers": 2,
        "spark_env_vars": {
            "STORAGE_EMULATOR_HOST": gcs_server,
            "QUINTET_HOME": str(tmp_path / "disk of the cluster"),
        },
    }
    with databricks_serving(new_folder(tmp_path), monkeypatch):
        monkeypatch.setenv("QUINTET_DATABRICKS_TASK", json.dumps({"new_cluster": cluster}))
        Client().create_bucket(BUCKET)
        overrides = {
            "compute": QuickCompute(backend="databricks"),
            # That of the step, which asks for it but leaves the work to the cluster.
            "warehouse": DuckDBWarehouse(path=str(tmp_path / "quintet.duckdb")),
        }
        with opened_cloud("gcp", tmp_path / "inputs", SIZE, overrides) as cloud:
            yield cloud


@pytest.fixture
def in_subprocess(tmp_path: Path) -> Iterator[Cloud]:
    with dwh_on("local", tmp_path / "inputs", "subprocess") as cloud:
        yield cloud


def new_folder(parent: Path) -> Path:
    folder = parent / "platform"
    folder.mkdir()
    return folder


PLATFORMS = {
    "in_subprocess": "subprocess",
    "on_glue": "glue",
    "on_emr": "emr",
    "in_container": "container",
    "on_databricks": "databricks",
}


@pytest.mark.parametrize("fixture", PLATFORMS)
def test_a_platform_gives_the_rows_the_counts_and_the_record_of_a_run_in_this_process(
    fixture: str, here: tuple[Deployment, Result], request: pytest.FixtureRequest
) -> None:
    local, expected = here
    cloud: Cloud = request.getfixturevalue(fixture)
    result = cloud.run(*IMAGES, spark_engine="sail")
    assert result.success
    assert [entry for entry in recorded(expected) if entry[0] != PROMOTIONS] == recorded(result)
    for asset in IMAGES:
        there = facts(result, asset)
        assert there["compute"] == PLATFORMS[fixture]
        assert shown(there).items() >= shown(facts(expected, asset)).items()
        assert counted(there["metrics"]) == counted(facts(expected, asset)["metrics"])
    there, of_images = checks(result), {name: checks(expected)[name] for name in CHECKS}
    assert {name: said(check) for name, check in there.items()} == {
        name: said(check) for name, check in of_images.items()
    }
    for name, check in of_images.items():
        assert shown(values(there[name].metadata)).items() >= shown(values(check.metadata)).items()

    assert cloud.rows() == local.rows()
    objects = cloud.objects()
    assert layout(objects) == layout(local.tree())
    assert documents(objects) == documents(local.tree())


def shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a run without what is its own."""
    return {
        name: comparable(plain(value))
        for name, value in metadata.items()
        if not name.startswith(OF_ONE_RUN) and name not in OF_ONE_RUN
    }


def plain(value: Any) -> Any:
    """A value of metadata as JSON types."""
    records = getattr(value, "records", None)
    return value if records is None else [dict(record.data) for record in records]


def counted(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics document without times and places."""
    own = {
        "start_time",
        "end_time",
        "duration_seconds",
        "phases",
        "service_provider",
        "region",
        "environment",
    }
    return {name: comparable(value) for name, value in metrics.items() if name not in own | {"bytes_written"}}


def said(check: dg.AssetCheckEvaluation) -> tuple[Any, ...]:
    """How a check came out, and its sentence."""
    return check.passed, check.severity, check.blocking, check.description


def values(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    return {name: value.value for name, value in metadata.items()}


@pytest.mark.parametrize("fixture", ["in_subprocess", "in_container"])
def test_promotions_are_loaded_on_a_platform_as_in_this_process(
    fixture: str, here: tuple[Deployment, Result], request: pytest.FixtureRequest
) -> None:
    local, expected = here
    cloud: Cloud = request.getfixturevalue(fixture)
    result = cloud.run(PROMOTIONS, spark_engine="sail")
    assert result.success
    assert shown(facts(result, PROMOTIONS)).items() >= shown(facts(expected, PROMOTIONS)).items()
    assert cloud.promotions().equals(local.promotions().drop(LOAD_TIMES))


def test_java_on_a_platform_gives_the_same_rows(
    on_glue: Cloud, here: tuple[Deployment, Result], glue: LocalGlue
) -> None:
    """Without a word about the engine a job takes that of its platform, which is Spark on Java."""
    local, expected = here
    result = on_glue.run(*IMAGES)
    assert result.success
    assert on_glue.rows() == local.rows()
    assert counted(facts(result, FILTERED)["metrics"]) == counted(facts(expected, FILTERED)["metrics"])
    assert [run.state for run in glue.runs.values()] == ["SUCCEEDED", "SUCCEEDED"]


def test_red_on_glue_is_recorded_with_its_failed_check_and_stops_the_day(
    on_glue: Cloud, glue: LocalGlue
) -> None:
    result = on_glue.run(*IMAGES, config={TRANSFORMED: RED}, spark_engine="sail")
    assert not result.success
    assert started(result) == ["dwh__transformed_images"]
    assert recorded(result) == [(TRANSFORMED, DAY.isoformat())]
    check = checks(result)["drop_rate_is_acceptable"]
    assert (check.passed, check.severity, check.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    assert "launch again with approve_quality and approve_reason" in (check.description or "")
    assert checks(result)["every_record_is_accounted_for"].passed
    assert glue.run.state == "SUCCEEDED"
    (manifest,) = manifests(on_glue.store)
    assert manifest["status"] == "PENDING_APPROVAL"
    assert facts(result, TRANSFORMED)["dagster/row_count"] == manifest["records_written"] > 0


def manifests(store: ObjectStore) -> list[dict[str, Any]]:
    """Those of the transform runs of the day."""
    keys = store.list_keys(BUCKET, f"transformed_images/_manifests/{place(DAY)}/")
    return [json.loads(store.read_bytes(BUCKET, found)) for found in keys]


def test_cancelling_the_run_stops_the_job_on_glue_and_records_nothing(
    on_glue: Cloud, glue: LocalGlue
) -> None:
    # Its first message comes after ten seconds, when a small day is long done; it starts for three.
    interrupter = interrupted_once(lambda: bool(glue.runs))
    result = on_glue.run(TRANSFORMED, spark_engine="sail")
    interrupter.join()
    assert not result.success
    assert glue.run.state == "STOPPED"
    assert glue.run.process.poll() is not None
    assert recorded(result) == []
    assert on_glue.instance.get_latest_materialization_event(key(TRANSFORMED)) is None
    assert manifests(on_glue.store) == []


def interrupted_once(works: Callable[[], bool]) -> Thread:
    """Send us SIGINT, as someone does who terminates the run, once the job works."""

    def send() -> None:
        until = time.monotonic() + 2 * MINUTE
        while not works() and time.monotonic() < until:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(target=send)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (b"", "The job ended well but reported nothing at all"),
        (b"raise SystemExit(3)", "failed: FAILED"),
        (b"import os; os.kill(os.getpid(), 9)", "failed: FAILED"),
    ],
    ids=["ends well", "exits with 3", "is killed"],
)
def test_a_job_on_glue_that_reports_nothing_is_a_failure(
    on_glue: Cloud, glue: LocalGlue, script: bytes, told: str
) -> None:
    boto3.client("s3").put_object(Bucket=JOBS, Key="generic_entry.py", Body=script)
    publisher = {"publisher_type": "FILE", "path": f"s3://{BUCKET}/told"}
    result = on_glue.run(TRANSFORMED, config={TRANSFORMED: {"event_publisher_config": publisher}})
    assert told in sentence(result)
    (event,) = (json.loads(on_glue.store.read_bytes(BUCKET, found)) for found in told_events(on_glue.store))
    assert (event["status"], event["error"]["phase"]) == ("FAILED", "execute")
    assert recorded(result) == []
    assert checks(result) == {}
    assert len(glue.runs) == 1


def told_events(store: ObjectStore) -> list[str]:
    """The events that the publisher has written."""
    return store.list_keys(BUCKET, "told/")


def test_wrong_configuration_fails_before_anything_is_started(on_glue: Cloud, glue: LocalGlue) -> None:
    result = on_glue.run(TRANSFORMED, config={TRANSFORMED: {"drop_rate_redd": 0.2}})
    assert "drop_rate_red" in sentence(result)
    assert glue.runs == {}
