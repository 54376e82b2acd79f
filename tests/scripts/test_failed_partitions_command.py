"""The command that lists failed partitions, on the assembled location and the instance of DAGSTER_HOME."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from scripts.failed_partitions import main
from tests.market_samples import cut, opened_market, tiny_file

pytestmark = pytest.mark.materialise

ROOT = Path(__file__).parents[2]
TABLES = ["market/month_statistics", "market/session_bars", "market/training_table"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """The instance that the command will read."""
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.yaml").read_bytes())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture
def failed_run(instance: dg.DagsterInstance) -> str:
    """The run of two months of which one has failed."""
    with opened_market(instance=instance) as market:
        market.put_tiny("2025-10")
        market.put("2025-09", cut(tiny_file("2025-09")))
        return market.run("2025-09", "2025-10").run_id


def test_nothing_is_left_failed_on_a_new_instance(instance, capsys) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out == "No partition is left failed.\n"


def test_a_failed_month_is_listed_with_its_assets_run_and_reason(failed_run, capsys) -> None:
    assert main([]) == 1
    header, _, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["partition", "assets", "since", "run", "reason"]
    words = " ".join(row.split())
    assert words.startswith(f"2025-09 {', '.join(TABLES)} ")
    assert f" UTC {failed_run} " in words
    assert "20250901-20250930" in row


def test_for_programs_the_same_is_a_list(failed_run, capsys) -> None:
    assert main(["--json", "--group", "market"]) == 1
    (attempt,) = json.loads(capsys.readouterr().out)
    assert attempt.keys() == {"partition", "assets", "since", "run_id", "reason"}
    assert (attempt["partition"], attempt["assets"], attempt["run_id"]) == ("2025-09", TABLES, failed_run)
    assert attempt["since"].endswith("+00:00")


def test_other_groups_are_not_asked(failed_run, capsys) -> None:
    assert main(["--group", "aim", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_an_unknown_group_is_wrong_usage_and_the_known_ones_are_listed(capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--group", "moon"])
    assert end.value.code == 2
    assert "'aim', 'beams', 'discovery', 'dwh', 'market'" in capsys.readouterr().err


def test_an_instance_that_cannot_be_read_is_told_in_a_sentence(capsys) -> None:
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes((ROOT / "deploy" / "dagster.postgres.yaml").read_bytes())
    assert main([]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "QUINTET_PG_HOST" in error


@pytest.mark.parametrize("home", ["", "empty"])
def test_no_instance_is_no_good_news(home, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home and str(tmp_path / home))
    assert main([]) == 2
    assert "export the folder of the instance" in capsys.readouterr().err


def test_as_a_command_it_ends_with_the_exit_code(failed_run) -> None:
    command = [sys.executable, "-m", "scripts.failed_partitions"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "2025-09" in done.stdout
