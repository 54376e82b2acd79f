"""Databricks: the compute of a task, its tokens, runs that expire, a volume whose files are half written."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from resources.compute import (
    Compute,
    ComputeMisconfigured,
    PlatformRefused,
    PlatformUnavailable,
    Polling,
    RunningJob,
    Submission,
)
from resources.compute.databricks import DatabricksBackend
from tests.resources.compute.backend_runs import JOB, ROOT, Work, run_over
from tests.resources.compute.remote_platforms import Databricks, backend_of, databricks_serving

pytestmark = [pytest.mark.materialise, pytest.mark.services]

QUICK = Polling(first=0.05, cap=0.05)
ENVIRONMENT = {
    "QUINTET_DATABRICKS_CODE": "/Workspace/Shared/quintet",
    "QUINTET_DATABRICKS_VOLUME": "/Volumes/main/quintet/pipes",
}
CLUSTER = {
    "new_cluster": {"spark_version": "16.4.x-scala2.12", "num_workers": 2, "spark_env_vars": {"A": "b"}},
    "libraries": [{"whl": "/Volumes/main/quintet/wheels/quintet.whl"}],
}


@pytest.fixture
def databricks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databricks]:
    with databricks_serving(tmp_path, monkeypatch) as serving:
        yield serving


def submitted(databricks: Databricks) -> dict[str, Any]:
    (run,) = databricks.fake.runs.values()
    return run.asked


def test_a_task_without_a_cluster_runs_serverless_with_the_package(
    databricks: Databricks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = "/Volumes/main/quintet/wheels/quintet.whl"
    monkeypatch.setenv("QUINTET_DATABRICKS_PACKAGE", wheel)
    recorded = run_over(backend_of(databricks, QUICK), Work(tmp_path), "quintet-token")
    assert recorded.result.success, recorded.failure
    asked = submitted(databricks)
    (environment,) = asked["environments"]
    assert environment["spec"]["dependencies"] == [wheel]
    (task,) = asked["tasks"]
    assert task["environment_key"] == environment["environment_key"]
    assert task["spark_python_task"]["python_file"] == f"{ROOT}/{JOB}"
    metadata = recorded.materialisations[0].metadata
    assert metadata["databricks_run_id"].value == "1000"
    assert metadata["platform_link"].value == f"{databricks.fake.host}/?o=7#job/3/run/1000"


def test_a_task_with_a_cluster_keeps_it_and_the_settings_are_not_changed(
    databricks: Databricks, tmp_path: Path
) -> None:
    task = json.loads(json.dumps(CLUSTER))
    volume = str(tmp_path / "Volumes")
    backend = DatabricksBackend(
        str(ROOT), volume, WorkspaceClient(), task=task, package="/Volumes/quintet.whl", polling=QUICK
    )
    recorded = run_over(backend, Work(tmp_path))
    assert recorded.result.success, recorded.failure
    assert task == CLUSTER
    asked = submitted(databricks)
    assert "environments" not in asked
    (sent,) = asked["tasks"]
    assert sent["new_cluster"] == CLUSTER["new_cluster"]
    assert sent["libraries"] == [*CLUSTER["libraries"], {"whl": "/Volumes/quintet.whl"}]
    assert "environment_key" not in sent


def test_a_run_is_named_by_the_token_and_each_launch_has_an_idempotency_token_of_its_own(
    databricks: Databricks, tmp_path: Path
) -> None:
    token = "quintet-12345678-0123456789abcdef0123456789abcdef"
    for _ in range(2):
        assert run_over(backend_of(databricks, QUICK), Work(tmp_path), token).result.success
    asked = [run.asked for run in databricks.fake.runs.values()]
    assert [each["run_name"] for each in asked] == [token, token]
    tokens = {each["idempotency_token"] for each in asked}
    assert len(tokens) == 2
    assert all(each.startswith(token) and len(each) <= 64 for each in tokens)


def test_a_run_that_expired_has_failed(databricks: Databricks, tmp_path: Path) -> None:
    work = Work(tmp_path, "wait")

    def expire(_: float) -> None:
        (run,) = databricks.fake.runs.values()
        run.expired = True
        run.end()

    recorded = run_over(backend_of(databricks, Polling(sleep=expire)), work)
    assert "on databricks ran out of time: TIMEDOUT" in recorded.failure
    assert recorded.materialisations == []


def test_databricks_itself_ends_a_run_that_nobody_watches_any_more(
    databricks: Databricks, tmp_path: Path
) -> None:
    run_over(backend_of(databricks, Polling(first=0.05, longest=3600.0)), Work(tmp_path))
    assert submitted(databricks)["timeout_seconds"] == 3600


def test_a_chunk_that_is_half_written_is_read_when_it_is_whole(
    databricks: Databricks, tmp_path: Path
) -> None:
    backend = backend_of(databricks, QUICK)
    folder = tmp_path / "Volumes" / "main" / "quintet" / "pipes" / "quintet-token" / "abc"
    folder.mkdir(parents=True)
    reader: Any = backend.message_reader(
        Submission(JOB, (), "quintet-token"), RunningJob("7", {"path": str(folder)})
    )
    (folder / "1.json").write_text('{"a": 1}\n{"b": ')
    assert reader.download_messages(None, {}) is None
    (folder / "1.json").write_text('{"a": 1}\n{"b": 2}')
    (folder / "2.json").write_text('{"c": 3}')
    assert reader.download_messages(None, {}) == (3, '{"a": 1}\n{"b": 2}\n{"c": 3}')
    assert reader.download_messages(None, {}) is None


def test_a_run_that_databricks_does_not_know_is_refused(databricks: Databricks) -> None:
    with pytest.raises(PlatformRefused, match="Databricks refused a request"):
        backend_of(databricks, QUICK).look("7")


def test_a_workspace_that_does_not_answer_is_unavailable() -> None:
    workspace = WorkspaceClient(config=Config(host="http://127.0.0.1:1", token="x", retry_timeout_seconds=1))
    with pytest.raises(PlatformUnavailable):
        DatabricksBackend("/Workspace", "/Volumes", workspace).look("7")


@pytest.mark.parametrize("missing", list(ENVIRONMENT))
def test_a_missing_setting_is_named(missing: str) -> None:
    environment = {name: value for name, value in ENVIRONMENT.items() if name != missing}
    with pytest.raises(ComputeMisconfigured, match=f"backend databricks needs {missing}: set it to "):
        Compute(backend="databricks").for_run({}, environment)


def test_without_a_workspace_the_variables_that_name_one_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "absent"))
    with pytest.raises(ComputeMisconfigured, match="set DATABRICKS_HOST and DATABRICKS_TOKEN"):
        Compute(backend="databricks").for_run({}, ENVIRONMENT)


def test_a_task_that_says_what_is_ours_is_refused() -> None:
    with pytest.raises(ComputeMisconfigured, match="QUINTET_DATABRICKS_TASK names spark_python_task, which"):
        Compute(backend="databricks").for_run(
            {}, {**ENVIRONMENT, "QUINTET_DATABRICKS_TASK": '{"spark_python_task": {}}'}
        )


def test_without_the_library_the_command_that_installs_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "databricks.sdk", None)
    with pytest.raises(ComputeMisconfigured, match=r"pip install 'quintet\[databricks\]'"):
        Compute(backend="databricks").for_run({}, ENVIRONMENT)
