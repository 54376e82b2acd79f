"""Jobs of dwh on the backend `glue`: the entry of Glue is the script of the job, and the data lies on S3."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from scripts.dwh_entry import run_entry
from tests.scripts.dwh_command_lines import (
    DAY,
    FILTER,
    FILTER_CONFIG,
    RED,
    ROOT,
    SIZE,
    TRANSFORM,
    Home,
    command_line,
    only_line,
)
from tests.services.local_glue import LocalGlue, serving

pytestmark = [pytest.mark.services, pytest.mark.materialise]

JOBS = "quintet-jobs"
DATA = "dwh-data"
GLUE_JOB = "dwh"
COUNTS = ("records_read", "records_written", "records_dropped", "bytes_written", "drop_reasons", "quality")


@pytest.fixture
def glue(s3_server: str, isolated_environment: Path, tmp_path, monkeypatch) -> Iterator[LocalGlue]:
    """A control plane whose job is the entry of Glue, and the inputs of a day on S3."""
    entry = (ROOT / "scripts" / "glue" / "generic_entry.py").read_text()
    # Glue's machine has a disk of its own; the embedded engine starts faster than Java.
    settings = {"QUINTET_HOME": str(tmp_path / "disk_of_glue"), "QUINTET_SPARK_ENGINE": "sail"}
    s3 = boto3.client("s3")
    for bucket in (JOBS, DATA):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=JOBS, Key="entry.py", Body=f"import os\nos.environ.update({settings})\n{entry}")
    inputs = Home(isolated_environment).with_inputs().bucket
    for path in inputs.rglob("images-*"):
        s3.upload_file(str(path), DATA, path.relative_to(inputs).as_posix())
    local = LocalGlue(s3_server, tmp_path)
    with serving(local) as endpoint:
        for name, value in {
            "AWS_ENDPOINT_URL_GLUE": endpoint,
            "QUINTET_GLUE_JOB": GLUE_JOB,
            "QUINTET_PIPES_BUCKET": JOBS,
            "QUINTET_DEPLOYMENT": "aws",
            "QUINTET_SPARK_ENGINE": "sail",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("glue").create_job(
            Name=GLUE_JOB,
            Role="arn:aws:iam::123456789012:role/glue",
            Command={"Name": "glueetl", "ScriptLocation": f"s3://{JOBS}/entry.py"},
        )
        yield local


def run(capfd, line: list[str]) -> tuple[int, dict[str, Any]]:
    code = run_entry("container", line, os.environ)
    shown = capfd.readouterr()
    assert shown.out, shown.err
    return code, only_line(shown.out)


def on_s3(prefix: str, name: str) -> list[dict[str, Any]]:
    """The documents below a prefix whose name begins so."""
    s3: Any = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket=DATA, Prefix=prefix)["Contents"]
    keys = [found["Key"] for found in listed if found["Key"].rpartition("/")[2].startswith(name)]
    return [json.loads(s3.get_object(Bucket=DATA, Key=key)["Body"].read()) for key in keys]


def test_glue_does_the_same_work_as_this_process(glue, capfd, monkeypatch, tmp_path):
    code, there = run(capfd, command_line("transform_images", {}, *TRANSFORM))
    assert code == 0
    assert there["records_read"] == SIZE.rows
    assert glue.run.state == "SUCCEEDED"
    monkeypatch.setenv("QUINTET_COMPUTE", "in_process")
    code, here = run(capfd, command_line("transform_images", {}, *TRANSFORM))
    assert code == 0
    assert {name: there[name] for name in COUNTS} == {name: here[name] for name in COUNTS}
    monkeypatch.setenv("QUINTET_COMPUTE", "glue")
    code, filtered = run(capfd, command_line("filter_images", FILTER_CONFIG, *FILTER))
    assert code == 0
    (pointer,) = on_s3("filtered_images/", "latest.json")
    assert pointer["run_id"] == filtered["job_run_id"]
    assert pointer["context"]["day"] == DAY
    assert pointer["output"]["record_count"] == filtered["records_written"]
    assert not (tmp_path / "disk_of_glue" / "storage").exists()


def test_red_quality_on_glue_is_a_job_that_ended_well_and_a_run_that_waits(glue, capfd):
    code, waiting = run(capfd, command_line("transform_images", RED, *TRANSFORM))
    assert code == 1
    assert waiting["job_status"] == "PENDING_APPROVAL"
    assert glue.run.state == "SUCCEEDED"
    (manifest,) = on_s3("transformed_images/_manifests/", "manifest-")
    assert manifest["status"] == "PENDING_APPROVAL"
    assert manifest["run_id"] == waiting["job_run_id"]
