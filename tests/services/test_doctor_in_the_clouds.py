"""The doctor on the deployments `aws` and `gcp` whose services are servers on this machine, whole and not."""

import getpass
import os
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from scripts.sample_data.beams_engine import set_up_engine
from scripts.sample_data.beams_nvidia_smi import set_up_nvidia_smi
from tests.resources.compute.remote_platforms import databricks_serving
from tests.resources.waves.loopback import PASSWORD, serving
from tests.scripts.doctor_examinations import Examination, examined
from tests.services.bigquery_server import PROJECT
from tests.services.compute_hosts import sshd
from tests.services.dwh_clouds import connect_server
from tests.services.local_glue import LocalGlue
from tests.services.local_glue import serving as glue_serving
from tests.services.ssh_server import SshServer

__all__ = ["sshd"]  # A fixture.

pytestmark = pytest.mark.services

BUCKETS = ("es-1-second-data", "dwh-data", "aim-files", "aim-feeds")
WRITTEN = [
    "//es-1-second-data/processed-data",
    "//aim-files/aim-daily-files/output",
    "//dwh-data/transformed_images",
]
PIPES = "quintet-pipes"
JOB = "quintet-dwh"


@pytest.fixture(scope="module")
def spark_remote() -> Iterator[str]:
    with connect_server(os.environ) as remote:
        yield remote


@pytest.fixture
def elsewhere(sshd: SshServer, spark_remote: str, tmp_path: Path, monkeypatch) -> Iterator[None]:
    """What both clouds have: Spark, the recommendation service, a GPU host, alerts."""
    with serving(password=PASSWORD) as waves:
        for name, value in {
            "QUINTET_SPARK_REMOTE": spark_remote,
            "QUINTET_UI_URL": "https://quintet.example.com",
            "AIM_BUCKET_NAME": "aim-files",
            "TYRESCORE_BUCKET": "aim-feeds",
            "AIM_WAVES_URL": waves.url,
            "AIM_SERVICE_PASSWORD": PASSWORD,
            "BEAMS_SSH_HOST": "127.0.0.1",
            "BEAMS_SSH_PORT": str(sshd.port),
            "BEAMS_SSH_USER": getpass.getuser(),
            "BEAMS_SSH_KEY_FILE": str(sshd.folder / "user_key"),
            "BEAMS_SSH_KNOWN_HOSTS": str(sshd.folder / "known_hosts"),
            "BEAMS_SSH_WORKDIR": str(tmp_path / "far"),
            "BEAMS_MOQUI_COMMAND": str(set_up_engine(tmp_path / "moqui")),
            "BEAMS_NVIDIA_SMI": str(set_up_nvidia_smi(tmp_path / "smi")),
        }.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def aws(s3_server: str, elsewhere: None, tmp_path: Path, monkeypatch) -> Iterator[None]:
    glue = LocalGlue(s3_server, tmp_path)
    with glue_serving(glue) as endpoint:
        s3 = boto3.client("s3")
        for bucket in (*BUCKETS, PIPES):
            s3.create_bucket(Bucket=bucket)
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", endpoint)
        monkeypatch.setenv("QUINTET_GLUE_JOB", JOB)
        monkeypatch.setenv("QUINTET_PIPES_BUCKET", PIPES)
        monkeypatch.setenv(
            "QUINTET_SNS_TOPIC_ARN", boto3.client("sns").create_topic(Name="quintet-alerts")["TopicArn"]
        )
        yield


@pytest.fixture
def gcp(gcs_server: str, bigquery_warehouse, elsewhere: None, tmp_path: Path, monkeypatch) -> Iterator[None]:
    from google.cloud.storage import Client

    for bucket in BUCKETS:
        Client().create_bucket(bucket)
    with databricks_serving(tmp_path, monkeypatch):
        monkeypatch.setenv("PROJECT_ID", PROJECT)
        monkeypatch.setenv("QUINTET_DATABRICKS_CODE", "/Workspace/Shared/quintet")
        monkeypatch.setenv("QUINTET_DATABRICKS_VOLUME", "/Volumes/main/quintet/pipes")
        monkeypatch.setenv("QUINTET_ALERT_WEBHOOK_URL", "https://hooks.example.com/a-key-that-nobody-may-see")
        # An account that is not there: the library would look for one of the machine.
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "no-account.json"))
        yield


def probed(found: Examination, matter: str) -> list[str]:
    """The places that were written to, without the scheme."""
    said = (text for text in found.of(matter, "ok") if "was written, read and deleted" in text)
    return [text.split(":")[1] for text in said]


@pytest.mark.usefixtures("aws")
def test_on_aws_everything_that_is_there_is_in_order_and_nothing_is_left():
    found = examined("--deployment", "aws")
    assert (found.code, found.problems) == (0, [])
    probed = [
        text for text in found.of("object_store: S3ObjectStore") if "was written, read and deleted" in text
    ]
    assert [text.partition(":")[2].partition(":")[0] for text in probed] == [
        "//es-1-second-data/processed-data",
        "//aim-files/aim-daily-files/output",
        "//dwh-data/transformed_images",
    ]
    answers, messages = found.of("compute: glue, of aws", "ok")
    assert "the platform answers" in answers
    assert messages.startswith(f"s3://{PIPES}/quintet-pipes: a probe object was written")
    assert found.of("spark: connect, of aws", "ok")
    assert found.of("waves: HttpWaves, of aws", "ok") == ["logged in, GET /health was answered"]
    assert any(text.startswith("GPUs 0 ") for text in found.of("compute_host: SshHost, of aws", "ok"))
    assert found.of("dose_engine: MoquiEngine, of aws", "ok")
    assert found.of("notifier: SnsNotifier, of aws", "ok")
    for bucket in (*BUCKETS, PIPES):
        assert boto3.client("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.usefixtures("gcp")
def test_on_gcp_everything_that_is_there_is_in_order_and_nothing_is_left():
    from google.cloud.storage import Client

    found = examined("--deployment", "gcp")
    assert (found.code, found.problems) == (0, [])
    probed = [
        text for text in found.of("object_store: GCSObjectStore") if "was written, read and deleted" in text
    ]
    assert [text.partition(":")[2].partition(":")[0] for text in probed] == [
        "//es-1-second-data/processed-data",
        "//aim-files/aim-daily-files/output",
        "//dwh-data/transformed_images",
    ]
    for pipeline in ("aim", "dwh"):
        answered, *datasets = found.of(f"warehouse: BigQueryWarehouse, of gcp: {pipeline}", "ok")
        assert answered == f"SELECT 1 was answered, project {PROJECT}"
        assert datasets
    assert found.of("compute: databricks, of gcp", "ok") == ["the platform answers; no job was started"]
    assert "no identity token" in found.of("waves: HttpWaves, of gcp", "warning")[0]
    assert "nobody-may-see" not in found.out
    assert [blob for bucket in BUCKETS for blob in Client().list_blobs(bucket)] == []


@pytest.mark.usefixtures("s3_server")
def test_a_bucket_that_is_not_there_is_named_with_what_to_do():
    found = examined("--deployment", "aws", "--pipeline", "market")
    assert found.code == 1
    for problem in found.of("object_store", "problem"):
        assert "make the bucket es-1-second-data, or correct its name" in problem
    assert len(found.of("object_store", "problem")) == 2


@pytest.mark.usefixtures("gcs_server")
def test_a_bucket_that_is_not_there_is_named_on_gcs_too():
    problems = examined("--deployment", "gcp", "--pipeline", "market").of("object_store", "problem")
    assert len(problems) == 2
    assert all("make the bucket es-1-second-data" in problem for problem in problems)


@pytest.mark.usefixtures("s3_server")
def test_a_glue_job_and_a_topic_that_are_not_there_are_named(monkeypatch):
    topic = "arn:aws:sns:us-east-1:123456789012:absent"
    monkeypatch.setenv("QUINTET_GLUE_JOB", "absent-job")
    monkeypatch.setenv("QUINTET_PIPES_BUCKET", PIPES)
    monkeypatch.setenv("QUINTET_SNS_TOPIC_ARN", topic)
    monkeypatch.setenv("QUINTET_SPARK_ENGINE", "sail")
    found = examined("--deployment", "aws", "--pipeline", "dwh")
    assert "absent-job" in found.of("compute: glue", "problem")[0]
    assert f"there is no topic {topic}" in found.of("notifier", "problem")[0]


def test_s3_that_cannot_be_reached_is_a_problem_with_what_to_do(monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }.items():
        monkeypatch.setenv(name, value)
    problems = examined("--deployment", "aws", "--pipeline", "market").of("object_store", "problem")
    assert len(problems) == 2
    assert all("S3 cannot be reached" in problem and "AWS_ENDPOINT_URL" in problem for problem in problems)


def test_without_credentials_the_variables_that_give_them_are_named():
    problems = examined("--deployment", "aws", "--pipeline", "market").of("object_store", "problem")
    assert all("set AWS_PROFILE, or AWS_ACCESS_KEY_ID" in problem for problem in problems)
    problems = examined("--deployment", "gcp", "--pipeline", "market").of("object_store", "problem")
    assert all("set GOOGLE_APPLICATION_CREDENTIALS" in problem for problem in problems)


# ---- the GPU host ----


@pytest.mark.usefixtures("elsewhere")
def test_a_host_whose_key_changed_is_a_problem(sshd):
    sshd.trust("other_key")
    try:
        found = examined("--deployment", "aws", "--pipeline", "beams")
    finally:
        sshd.trust("host_key")
    assert found.code == 1
    (problem,) = found.of("compute_host", "problem")
    assert "host key" in problem


@pytest.mark.usefixtures("elsewhere")
def test_a_host_that_is_away_is_a_problem(monkeypatch):
    monkeypatch.setenv("BEAMS_SSH_PORT", "1")
    (problem,) = examined("--deployment", "aws", "--pipeline", "beams").of("compute_host", "problem")
    assert "127.0.0.1:1" in problem


@pytest.mark.usefixtures("elsewhere")
def test_a_work_folder_there_that_cannot_be_written_to_is_a_problem(tmp_path):
    (tmp_path / "far").write_text("a file where a folder has to be")
    (problem,) = examined("--deployment", "aws", "--pipeline", "beams").of("compute_host", "problem")
    assert "cannot be written to" in problem


@pytest.mark.usefixtures("elsewhere")
def test_a_work_folder_there_is_written_to_and_left_empty(tmp_path):
    (tmp_path / "far").mkdir()
    found = examined("--deployment", "aws", "--pipeline", "beams")
    assert f"work folder {tmp_path / 'far'}, writable" in found.of("compute_host", "ok")
    assert list((tmp_path / "far").iterdir()) == []
