"""The PostgreSQL instance file on a real PostgreSQL."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

from tests.postgres_server import postgres_server

SETTINGS = Path(__file__).parents[2] / "deploy" / "dagster.postgres.yaml"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def postgres(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[dict[str, str]]:
    """A new server on a loopback port; the variables that the instance file asks for."""
    with postgres_server(tmp_path_factory, missing_service) as port:
        yield {
            "QUINTET_PG_HOST": "127.0.0.1",
            "QUINTET_PG_PORT": str(port),
            "QUINTET_PG_DATABASE": "postgres",
            "QUINTET_PG_USER": "postgres",
            "QUINTET_PG_PASSWORD": "trusted here, whatever it is",
        }


@pytest.fixture
def dagster_home() -> Path:
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes(SETTINGS.read_bytes())
    return home


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["2025-09", "2025-10"]))
def tables() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"dagster/row_count": 27_000})


def test_a_materialisation_is_stored_and_read_back_by_another_process_of_the_instance(
    postgres, dagster_home, monkeypatch
):
    for name, value in postgres.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        result = dg.materialize([tables], partition_key="2025-10", instance=instance)
    with dg.DagsterInstance.from_config(str(dagster_home)) as another:
        event = another.get_latest_materialization_event(tables.key)
        assert event is not None
        assert event.run_id == result.run_id
        assert event.asset_materialization is not None
        assert event.asset_materialization.partition == "2025-10"
        assert event.asset_materialization.metadata["dagster/row_count"].value == 27_000
        assert another.get_materialized_partitions(tables.key) == {"2025-10"}
    assert not list(dagster_home.glob("**/*.db"))


@pytest.mark.parametrize(
    "name",
    [
        "QUINTET_PG_HOST",
        "QUINTET_PG_PORT",
        "QUINTET_PG_DATABASE",
        "QUINTET_PG_USER",
        "QUINTET_PG_PASSWORD",
    ],
)
def test_a_variable_that_is_not_set_is_named(name, postgres, dagster_home, monkeypatch):
    for other in postgres.keys() - {name}:
        monkeypatch.setenv(other, postgres[other])
    with (
        pytest.raises(dg.DagsterInvalidConfigError, match=name),
        dg.DagsterInstance.from_config(str(dagster_home)) as instance,
    ):
        instance.get_runs()
