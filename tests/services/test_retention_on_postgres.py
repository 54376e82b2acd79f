"""`python -m scripts.retention` on an instance whose history is in a real PostgreSQL."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunTagsTable

from scripts.retention.__main__ import main
from tests.postgres_server import postgres_server
from tests.scripts.past_instances import opened, run, run_ids, table, table_rows

SETTINGS = Path(__file__).parents[2] / "deploy" / "dagster.postgres.yaml"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def port(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[int]:
    with postgres_server(tmp_path_factory, missing_service) as found:
        yield found


@pytest.fixture
def instance(port, monkeypatch):
    values = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE": "postgres",
        "USER": "postgres",
        "PASSWORD": "trusted here, whatever it is",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"QUINTET_PG_{name}", value)
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes(SETTINGS.read_bytes())
    with opened(home) as found:
        yield found
        for run_id in run_ids(found):
            found.delete_run(run_id)


def report(capsys, *arguments):
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def rows_of(instance, run_id):
    tables = (SqlEventLogStorageTable, AssetCheckExecutionsTable)
    return [table_rows(instance, table, run_id) for table in tables]


def test_what_was_replaced_goes_with_all_its_rows_and_what_counts_stays(instance, capsys):
    replaced = run(instance, tags={"note": "mine"})
    made, failed, young = run(instance), run(instance, "b", fails=True), run(instance, "c", days_ago=1)
    found = report(capsys)
    assert found["runs_to_go"] == 1
    assert run_ids(instance) == {replaced, made, failed, young}
    assert report(capsys, "--yes")["kept"] == {
        "too young": 1,
        "holds the latest success of a partition": 1,
        "last attempt at a partition that was not made since": 1,
    }
    assert run_ids(instance) == {made, failed, young}
    assert instance.get_materialized_partitions(table.key) == {"a", "c"}
    assert rows_of(instance, replaced) == [0, 0]
    assert all(rows_of(instance, made))
    with instance.run_storage.connect() as connection:
        assert replaced not in {row.run_id for row in connection.execute(RunTagsTable.select())}
    with instance.event_log_storage.index_connection() as connection:
        events = {row.id for row in connection.execute(SqlEventLogStorageTable.select())}
        assert {row.event_id for row in connection.execute(AssetEventTagsTable.select())} <= events
    assert report(capsys, "--yes")["runs_to_go"] == 0


def test_a_pass_that_is_killed_leaves_every_run_to_the_next_one(instance, capsys):
    runs = [run(instance) for _ in range(3)]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED], env=os.environ, capture_output=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert run_ids(instance) == set(runs)
    assert instance.get_materialized_partitions(table.key) == {"a"}
    report(capsys, "--yes")
    assert run_ids(instance) == {runs[-1]}
    assert [rows_of(instance, gone) for gone in runs[:-1]] == [[0, 0], [0, 0]]


_KILLED = """
import os, signal
from scripts.retention import history
from scripts.retention.__main__ import main

history._remove_event_file = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(["--yes"])
"""
