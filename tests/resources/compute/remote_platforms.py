"""The four ways of EMR, Docker and Databricks to run a job, each on a fake control plane, behind one face."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import boto3
import pytest

from resources.compute import Compute, Polling, RemoteBackend
from tests.resources.compute.backend_runs import JOB, ROOT
from tests.resources.compute.fake_databricks import FakeDatabricks
from tests.resources.compute.fake_docker import FakeDocker
from tests.resources.compute.fake_emr import CREDENTIALS, FakeEmr

IMAGE = "quintet:1.4"
JOB_FLOW = {
    "ReleaseLabel": "emr-7.9.0",
    "ServiceRole": "quintet-emr",
    "JobFlowRole": "quintet-emr-nodes",
    "Instances": {
        "MasterInstanceType": "m5.xlarge",
        "SlaveInstanceType": "m5.xlarge",
        "InstanceCount": 3,
        "KeepJobFlowAliveWhenNoSteps": True,
    },
    "Configurations": [{"Classification": "spark-env", "Configurations": []}],
    "Tags": [{"Key": "team", "Value": "warehouse"}],
}


class Platform(Protocol):
    """A fake control plane: its backend by name, and how each job of it ended, in its own word."""

    name: str

    def outcomes(self) -> list[str]: ...


@dataclass
class Emr:
    fake: FakeEmr
    name: str = "emr"

    def outcomes(self) -> list[str]:
        return [str(step.state) for step in self.fake.steps]


@dataclass
class Container:
    fake: FakeDocker
    name: str = "container"

    def outcomes(self) -> list[str]:
        return [f"{made.state['Status']} {made.state['ExitCode']}" for made in self.fake.made]


@dataclass
class Databricks:
    fake: FakeDatabricks
    name: str = "databricks"

    def outcomes(self) -> list[str]:
        described = (run.described(self.fake.host)["state"] for run in self.fake.runs.values())
        return [state.get("result_state", state["life_cycle_state"]) for state in described]


def hurry(patch: pytest.MonkeyPatch) -> None:
    """A report that breaks off is waited for 11 s; let it be 1 s."""
    patch.setattr("dagster._core.pipes.utils.WAIT_FOR_LOGS_AFTER_EXECUTION_INTERVAL", 0)


def backend_of(platform: Platform, polling: Polling) -> RemoteBackend:
    """The backend as a run gets it, but for the pace."""
    backend = Compute(backend=platform.name).for_run({}, os.environ)
    assert isinstance(backend, RemoteBackend)
    backend.polling = polling
    return backend


@contextmanager
def emr_serving(folder: Path, patch: pytest.MonkeyPatch, *, own_cluster: bool = True) -> Iterator[Emr]:
    hurry(patch)
    with FakeEmr(folder).serving() as fake:
        for name, value in {"AWS_ENDPOINT_URL": fake.endpoint, **CREDENTIALS}.items():
            patch.setenv(name, value)
        s3 = boto3.client("s3")
        for bucket in ("pipes", "code"):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file(str(ROOT / JOB), "code", f"quintet/{JOB}")
        patch.setenv("QUINTET_PIPES_BUCKET", "pipes")
        patch.setenv("QUINTET_EMR_CODE", "s3://code/quintet/")
        patch.setenv("QUINTET_EMR_PY_FILES", "s3://code/quintet/quintet.zip")
        patch.setenv("QUINTET_EMR_JOB_FLOW", json.dumps(JOB_FLOW))
        if not own_cluster:
            there = boto3.client("emr").run_job_flow(Name="there", **JOB_FLOW)["JobFlowId"]
            patch.setenv("QUINTET_EMR_CLUSTER_ID", there)
        yield Emr(fake)


@contextmanager
def container_serving(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Container]:
    hurry(patch)
    with FakeDocker(folder, images={IMAGE}).serving() as fake:
        patch.setenv("DOCKER_HOST", fake.address)
        patch.setenv("QUINTET_CONTAINER_IMAGE", IMAGE)
        yield Container(fake)


@contextmanager
def databricks_serving(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Databricks]:
    hurry(patch)
    with FakeDatabricks().serving() as fake:
        patch.setenv("DATABRICKS_HOST", fake.host)
        patch.setenv("DATABRICKS_TOKEN", "testing")
        patch.setenv("DATABRICKS_CONFIG_FILE", str(folder / "absent"))
        patch.setenv("QUINTET_DATABRICKS_CODE", str(ROOT))
        patch.setenv("QUINTET_DATABRICKS_VOLUME", str(folder / "Volumes" / "main" / "quintet" / "pipes"))
        yield Databricks(fake)
