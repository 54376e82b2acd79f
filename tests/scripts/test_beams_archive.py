"""`archive`: only what is gone for long loses its partitions, and nothing loses its files or rows."""

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.home import quintet_home
from scripts.beams import archive
from scripts.beams.__main__ import main
from scripts.beams.desk import Desk
from tests.assets.beams.registry.registry_worlds import CASE, interpreted
from tests.scripts.beams_desks import registry

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def folder() -> Path:
    """The input of a registered case of one beam, whose partitions Dagster has."""
    folder = quintet_home() / "storage" / "beam-logs" / "G2" / CASE
    folder.mkdir(parents=True)
    with registry() as connection:
        interpreted(connection, 1)
    with Desk().instance() as instance:
        instance.add_dynamic_partitions("beam_cases", [CASE, "QA0002"])
        instance.add_dynamic_partitions("beam_fields", [f"{CASE}|1", "QA0002|1"])
    return folder


def archived(days_later: float = 0, days: int = 90) -> dict[str, object]:
    desk = Desk(clock=lambda: NOW + timedelta(days=days_later))
    options = argparse.Namespace(days=days)
    return archive.carry_out(desk, options).document


def partitions() -> dict[str, list[str]]:
    with Desk().instance() as instance:
        return {name: sorted(instance.get_dynamic_partitions(name)) for name in ("beam_cases", "beam_fields")}


def test_a_case_with_its_input_is_left_alone(folder: Path) -> None:
    assert archived() == archived(1000) == {"archived": [], "gone": []}


def test_partitions_go_once_the_input_is_gone_for_ninety_days(folder: Path) -> None:
    folder.rmdir()
    assert archived() == {"archived": [], "gone": [{"case": CASE, "path": f"G2/{CASE}", "days": 0}]}
    assert archived(89.9)["archived"] == []
    assert archived(90)["archived"] == [CASE]
    assert partitions() == {"beam_cases": ["QA0002"], "beam_fields": ["QA0002|1"]}
    with registry() as connection:
        assert connection.execute("SELECT count(*) FROM beams").fetchone() == (1,)
    assert archived(200) == {"archived": [], "gone": []}


def test_what_a_dead_run_left_active_does_not_keep_a_case(folder: Path) -> None:
    folder.rmdir()
    archived()
    with registry() as connection:
        connection.execute("UPDATE beams SET run_id = 'r1', status = 'running'")
        connection.execute("UPDATE workflow_steps SET run_id = 'r1'")
    # Dagster knows no run r1, so it is dead; a beam that it left does not keep the case.
    assert archived(91)["archived"] == [CASE]


def test_without_the_scan_root_nothing_is_said_of_any_input(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.rmdir()
    folder.parent.rmdir()
    folder.parents[1].rmdir()
    assert main(["archive", "--json"]) == 2
    assert "scan root" in capsys.readouterr().err


def test_the_command_prints_one_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.rmdir()
    assert main(["archive", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gone"][0]["case"] == CASE
