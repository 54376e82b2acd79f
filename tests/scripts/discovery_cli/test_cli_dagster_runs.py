"""What the command line asks of the Dagster instance of this machine."""

import logging
from pathlib import Path
from sqlite3 import Connection

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from scripts.dagster_home import prepare_dagster_home
from scripts.discovery_cli.dagster_runs import dagster_instance, ended_runs, recorded_partitions
from tests.scripts.discovery_cli.cli_worlds import Desk, inv, ledger, rows, words


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    environment = {"DAGSTER_HOME": str(tmp_path / "instance")}
    prepare_dagster_home(environment)
    return environment


def record_runs(instance: dg.DagsterInstance) -> dict[str, str]:
    """One run of each kind of status, by its status."""
    made = {}
    for status in (DagsterRunStatus.STARTED, DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE):
        made[status.value] = instance.create_run_for_job(_nothing, status=status).run_id
    return made


@dg.job
def _nothing() -> None:
    pass


def test_runs_that_dagster_knows_to_have_ended_are_told_apart(home: dict[str, str]):
    with dagster_instance(home) as instance:
        assert instance is not None
        runs = record_runs(instance)

        ended = ended_runs(instance, [*runs.values(), "a run of the command line"])

    assert ended == {runs["SUCCESS"], runs["FAILURE"]}


def test_recorded_items_are_those_of_the_job(home: dict[str, str]):
    with dagster_instance(home) as instance:
        assert instance is not None
        for job, partition in (("words", "a-1"), ("words", "b-2"), ("others", "c-3")):
            materialised = dg.AssetMaterialization(["discovery", job, "items"], partition=partition)
            instance.report_runless_asset_event(materialised)

        assert recorded_partitions(instance, "words") == {"a-1", "b-2"}


def test_no_instance_is_made_for_a_question(tmp_path: Path):
    with dagster_instance({"DAGSTER_HOME": str(tmp_path / "absent")}) as instance:
        assert instance is None
    with dagster_instance({"QUINTET_HOME": str(tmp_path / "home")}) as instance:
        assert instance is None

    assert list(tmp_path.glob("absent")) + list(tmp_path.glob("home")) == []


def test_an_instance_that_does_not_answer_is_none_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    (tmp_path / "dagster.yaml").write_text("storage: {sqlite: {base_dir: /dev/null/nowhere}}\n")

    with caplog.at_level(logging.WARNING), dagster_instance({"DAGSTER_HOME": str(tmp_path)}) as instance:
        assert instance is None

    assert "does not answer" in caplog.text


def test_a_run_takes_the_work_of_a_dagster_run_that_has_ended(
    desk: Desk, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAGSTER_HOME", home["DAGSTER_HOME"])
    with dagster_instance(home) as instance:
        assert instance is not None
        runs = record_runs(instance)
    desk.jobs(words("ended", "alive", stages=[{"name": "fetch"}]))
    inv("jobs.run", "-j", "words", "--discover-only")
    with ledger() as connection:
        for key, run_id in (("ended", runs["FAILURE"]), ("alive", runs["STARTED"])):
            _lease(connection, key, run_id)

    inv("jobs.run", "-j", "words", "--single-pass")

    found = rows(
        "SELECT w.key, s.status FROM item_stages s JOIN work_items w ON w.id = s.item_id ORDER BY w.key"
    )
    assert found == [("alive", "in_progress"), ("ended", "pending")]


def _lease(connection: Connection, key: str, run_id: str) -> None:
    """A lease for an hour, held by a process of another machine."""
    owner = f"elsewhere:1:1:{run_id}"
    (attempt,) = connection.execute(
        "INSERT INTO attempts (stage_id, item_id, job_id, stage, revision, attempt, owner, run_id, "
        "started_at) SELECT s.id, w.id, s.job_id, s.stage, 1, 1, ?, ?, 0 FROM item_stages s "
        "JOIN work_items w ON w.id = s.item_id WHERE w.key = ? RETURNING id",
        (owner, run_id, key),
    ).fetchone()
    connection.execute(
        "UPDATE item_stages SET status = 'in_progress', owner = ?, run_id = ?, claim_id = ?, attempt = 1, "
        "started_at = 0, lease_until = 9999999999999 WHERE id = (SELECT stage_id FROM attempts WHERE id = ?)",
        (owner, run_id, attempt, attempt),
    )


def test_the_doctor_compares_the_ledger_with_what_dagster_has_recorded(
    desk: Desk, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DAGSTER_HOME", home["DAGSTER_HOME"])
    desk.jobs(words("a"))
    inv("jobs.run", "-j", "words")
    assert inv("jobs.doctor", "--json").code == 0
    with dagster_instance(home) as instance:
        assert instance is not None
        stranger = dg.AssetMaterialization(["discovery", "words", "items"], partition="stranger-1")
        instance.report_runless_asset_event(stranger)

    findings = inv("jobs.doctor", "--json").document["findings"]

    assert [finding["id"] for finding in findings] == ["mirror_drift"]
