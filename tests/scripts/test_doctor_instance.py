"""The Dagster instance as the doctor sees it: folder, file, storage, daemon."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from tests.scripts.doctor_examinations import examined, tree

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
INSTANCE = "Dagster instance"
DAEMON = "Dagster daemon"
POSTGRES = ("HOST", "PORT", "DATABASE", "USER", "PASSWORD")


@pytest.fixture
def home() -> Path:
    return Path(os.environ["DAGSTER_HOME"])


@pytest.fixture
def instance(home):
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def beat(instance: dg.DagsterInstance, age: float, *errors: str) -> None:
    said = [SerializableErrorInfo(error, [], "Broken") for error in errors]
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - age, "SENSOR", "an-id", said))


def test_without_a_variable_the_default_is_named(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    found = examined("--pipeline", "market")
    unset, absent = found.of("DAGSTER_HOME", "warning")
    default = Path(os.environ["QUINTET_HOME"], "dagster")
    assert f"export DAGSTER_HOME={default}" in unset
    assert str(default) in absent
    assert (found.code, found.problems) == (0, [])
    assert "DAGSTER_HOME" not in os.environ


def test_the_instance_of_the_default_folder_is_opened_and_the_environment_is_as_before(monkeypatch):
    monkeypatch.delenv("DAGSTER_HOME")
    default = Path(os.environ["QUINTET_HOME"], "dagster")
    default.mkdir(parents=True)
    (default / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    (said,) = examined("--pipeline", "market").of(INSTANCE, "ok")
    assert said.endswith(f"of {default / 'dagster.yaml'}, 0 runs")
    assert "DAGSTER_HOME" not in os.environ


def test_without_a_file_nothing_is_made(home):
    found = examined("--pipeline", "market")
    assert "has no dagster.yaml yet" in found.of(INSTANCE, "warning")[0]
    assert tree(home) == {}


def test_an_instance_on_sqlite_tells_its_storage_and_its_runs(instance, home):
    dg.materialize([an_asset], instance=instance)
    found = examined("--pipeline", "market")
    (said,) = found.of(INSTANCE, "ok")
    assert "SqliteEventLogStorage" in said
    assert said.endswith("1 runs")
    assert "none has run yet" in found.of(DAEMON, "warning")[0]
    assert os.environ["DAGSTER_HOME"] == str(home)


@dg.asset
def an_asset() -> None:
    """Something to run."""


def test_a_daemon_that_lives_is_seen(instance):
    beat(instance, 10)
    (said,) = examined("--pipeline", "market").of(DAEMON, "ok")
    assert said.startswith("seen ")


def test_a_daemon_that_is_gone_is_a_warning(instance):
    beat(instance, 600)
    (said,) = examined("--pipeline", "market").of(DAEMON, "warning")
    assert "the last one was seen 10 minutes ago" in said
    assert "make dev" in said


def test_what_a_daemon_reports_is_a_warning(instance):
    beat(instance, 10, "a sensor\nis broken")
    (said,) = examined("--pipeline", "market").of(DAEMON, "warning")
    assert "it lives, and reports: a sensor is broken" in said


@pytest.mark.parametrize("missing", POSTGRES)
def test_a_variable_that_the_file_refers_to_and_that_is_not_set_is_one_sentence(missing, home, monkeypatch):
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.postgres.yaml").read_bytes())
    for name in POSTGRES:
        monkeypatch.setenv(f"QUINTET_PG_{name}", " " if name == missing else "1")
    found = examined("--pipeline", "market")
    name = f"QUINTET_PG_{missing}"
    assert found.problems == [
        f"{INSTANCE} | {name} is not set, and {home / 'dagster.yaml'} refers to it: set {name}"
    ]
    assert found.code == 1


@pytest.mark.parametrize("text", ["storage: [", "nonsense: true\n"])
def test_a_file_that_dagster_refuses_is_a_problem_in_one_line(text, home):
    (home / "dagster.yaml").write_text(text)
    found = examined("--pipeline", "market")
    assert found.code == 1
    (problem,) = found.problems
    assert problem.startswith(INSTANCE)
    assert "\n" not in problem
