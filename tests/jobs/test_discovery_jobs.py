"""The doctor of discovery as a daily run, and what the jobs of a jobs file are called."""

import dagster as dg
import pytest

from assets.discovery.engine.registry import utc_now
from tests.assets.discovery.dagster_worlds import NAME, World, failure, job

pytestmark = pytest.mark.materialise


@pytest.fixture
def world(tmp_path):
    entry = job()
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance, entry | {"discovery": entry["discovery"] | {"every_s": 3600}})


def examined(world: World) -> dg.ExecuteInProcessResult:
    doctor = world.defs.resolve_job_def("discovery_doctor")
    return doctor.execute_in_process(instance=world.instance, raise_on_error=False)


def told(result: dg.ExecuteInProcessResult) -> dict:
    (event,) = [event for event in result.all_node_events if event.is_successful_output]
    return {name: value.value for name, value in event.step_output_data.metadata.items()}


def test_each_job_has_a_run_that_looks_and_one_that_drains(world):
    names = {made.name for made in world.defs.resolve_all_job_defs() if not made.name.startswith("__")}
    assert names == {f"discovery_{NAME}_discover", f"discovery_{NAME}_drain", "discovery_doctor"}


def test_the_doctor_comes_once_a_day_and_is_stopped_by_default(world):
    (schedule,) = list(world.defs.schedules or [])
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.cron_schedule == "40 4 * * *"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_doctor_of_a_ledger_that_does_not_exist_finds_nothing_and_makes_none(world):
    result = examined(world)
    assert result.success
    assert told(result)["findings"] == 0
    assert not world.ledger.path("discovery").exists()


def test_the_doctor_evaluates_every_check_and_brings_the_log_into_the_file(world):
    world.show("a", b="fail")
    world.run("discover")
    world.run("drain")
    with world.writing() as reader:
        reader.execute("UPDATE discoveries SET started_at = 1, finished_at = 1")
        reader.execute("UPDATE job_state SET last_discovery_at = 1")
    result = examined(world)
    assert result.success
    assert told(result)["log"] == "taken into the file"
    checks = world.checks()
    assert len(checks) == 6
    assert not checks["discovery_is_on_time"].passed
    assert not checks["no_item_is_failed"].passed
    log = world.ledger.path("discovery").with_name("discovery.sqlite-wal")
    assert not log.exists() or log.stat().st_size == 0


def test_a_warning_is_told_and_fails_no_run(world):
    world.show("a")
    world.run("discover")
    with world.writing() as connection:
        connection.execute("UPDATE discoveries SET started_at = 1, finished_at = 1")
        connection.execute("UPDATE job_state SET last_discovery_at = 1")
    result = examined(world)
    assert result.success
    rows = told(result)["table"].records
    assert "discovery_overdue" in {row.data["id"] for row in rows}


def test_an_error_fails_the_run_in_the_words_of_the_doctor(world):
    world.show("a")
    world.run("discover")
    world.run("drain")
    with world.writing() as connection:
        connection.execute("DELETE FROM results")
    result = examined(world)
    assert not result.success
    assert "is done without a result" in failure(result)


def test_what_dagster_records_and_the_ledger_does_not_know_is_found(world):
    world.show("a")
    world.run("discover")
    world.run("drain")
    stranger = dg.AssetMaterialization(["discovery", NAME, "items"], partition="stranger-1")
    world.instance.report_runless_asset_event(stranger)
    rows = told(examined(world))["table"].records
    (drift,) = [row.data for row in rows if row.data["id"] == "mirror_drift"]
    assert "stranger-1" in str(drift["evidence"])


def test_the_doctor_of_a_mistaken_jobs_file_fails_and_says_the_mistakes(world):
    (world.folder / "jobs.yaml").write_text("version: 1\njobs:\n  - {name: 7up}\n")
    world.reload()
    result = examined(world)
    assert not result.success
    assert "7up" in failure(result)


def test_a_finding_names_what_to_do_next(world):
    world.show("a")
    world.run("discover")
    with world.writing() as connection:
        at = utc_now() + 86_400_000
        connection.execute("UPDATE job_state SET mirror_seq = 10000, last_discovery_at = ?", (at,))
    rows = told(examined(world))["table"].records
    assert all(row.data["command"] for row in rows)
    assert {"mirror_drift", "clock_jump"} <= {row.data["id"] for row in rows}
