"""The doctor on an instance whose storage is a PostgreSQL server."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.postgres_server import postgres_server
from tests.scripts.doctor_examinations import examined

SETTINGS = Path(__file__).resolve().parents[2] / "deploy" / "dagster.postgres.yaml"
PASSWORD = "a-passw0rd-that-nobody-may-see"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def port(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[int]:
    with postgres_server(tmp_path_factory, missing_service) as port:
        yield port


@pytest.fixture
def instance_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def configure(port: int) -> None:
        (Path(os.environ["DAGSTER_HOME"]) / "dagster.yaml").write_bytes(SETTINGS.read_bytes())
        for name, value in {
            "QUINTET_PG_HOST": "127.0.0.1",
            "QUINTET_PG_PORT": str(port),
            "QUINTET_PG_DATABASE": "postgres",
            "QUINTET_PG_USER": "postgres",
            "QUINTET_PG_PASSWORD": PASSWORD,
        }.items():
            monkeypatch.setenv(name, value)

    return configure


def test_a_server_that_answers_is_in_order(port, instance_of):
    instance_of(port)
    found = examined("--pipeline", "market")
    assert (found.code, found.problems) == (0, [])
    (said,) = found.of("Dagster instance", "ok")
    assert "PostgresEventLogStorage" in said
    assert found.of("Dagster daemon", "warning")


def test_a_server_that_is_not_there_is_a_problem_without_the_password(instance_of):
    instance_of(1)
    found = examined("--pipeline", "market")
    assert found.code == 1
    (problem,) = found.of("Dagster instance", "problem")
    assert "127.0.0.1" in problem
    assert PASSWORD not in found.out + found.err


def test_a_database_that_is_not_there_is_a_problem(port, instance_of, monkeypatch):
    instance_of(port)
    monkeypatch.setenv("QUINTET_PG_DATABASE", "absent")
    (problem,) = examined("--pipeline", "market").of("Dagster instance", "problem")
    assert 'database "absent" does not exist' in problem
