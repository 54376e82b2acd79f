"""The `compute` resource: which backend a run gets, and what is missing for it."""

import subprocess
import sys
from pathlib import Path

import pytest

from resources.compute import BACKENDS, Compute, ComputeMisconfigured, Settings
from tests.resources.compute.backend_runs import Work, run_over

NAMES = ("in_process", "subprocess", "glue", "emr", "container", "databricks")

# Costly, or not even installed with the backends that are left out.
CLIENTS = ("boto3", "botocore", "dagster_aws", "docker", "databricks")


def test_the_six_backends_are_known_by_their_names() -> None:
    assert tuple(BACKENDS) == NAMES


@pytest.mark.parametrize("name", ["in_process", "subprocess"])
def test_a_backend_of_this_machine_needs_no_settings(name: str) -> None:
    backend = Compute(backend=name).for_run({}, environ={})
    assert backend.name == name
    assert backend.is_in_process == (name == "in_process")


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({}, "in_process"),
        ({"compute": "subprocess"}, "subprocess"),
        ({"compute": " subprocess "}, "subprocess"),
        ({"compute": " "}, "in_process"),
        ({"spark_engine": "jvm"}, "in_process"),
    ],
)
def test_the_tag_of_a_run_comes_before_the_deployment(tags: dict[str, str], name: str) -> None:
    assert Compute().for_run(tags).name == name


@pytest.mark.parametrize("compute", [Compute(), Compute(backend="Glue")])
def test_an_unknown_backend_is_refused_and_the_six_are_listed(compute: Compute) -> None:
    tags = {} if compute.backend == "Glue" else {"compute": "Glue"}
    with pytest.raises(ComputeMisconfigured) as refused:
        compute.for_run(tags)
    assert str(refused.value) == f"There is no compute backend 'Glue'; choose one of {', '.join(NAMES)}."


def test_a_missing_setting_is_named_with_its_remedy() -> None:
    with pytest.raises(ComputeMisconfigured) as refused:
        Settings("glue", {"QUINTET_GLUE_JOB": "  "}).required("QUINTET_GLUE_JOB", "the name of the Glue job")
    assert str(refused.value) == (
        "The compute backend glue needs QUINTET_GLUE_JOB: set it to the name of the Glue job, or choose "
        "another backend with the run tag compute."
    )


def test_there_is_no_job_to_run_in_process(tmp_path: Path) -> None:
    recorded = run_over(Compute().for_run({}), Work(tmp_path))
    assert "The backend in_process starts no job; the step does the work itself." in recorded.failure
    assert recorded.materialisations == []


def test_the_resource_loads_without_the_client_of_any_platform() -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import sys, resources.compute; print(set({CLIENTS!r}) & set(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "set()"
