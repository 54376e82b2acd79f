"""`python -m scripts.retention` on instances in SQLite: what goes, what stays, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunTagsTable

from scripts.retention.__main__ import main
from tests.scripts.past_instances import (
    opened,
    run,
    run_ids,
    run_summary,
    summary,
    table,
    table_rows,
)

SETTINGS = Path(__file__).parents[2] / "deploy" / "dagster.yaml"
CHECK = dg.AssetCheckKey(table.key, "is_good")

pytestmark = pytest.mark.materialise


@pytest.fixture
def dagster_home():
    home = Path(os.environ["DAGSTER_HOME"])
    (home / "dagster.yaml").write_bytes(SETTINGS.read_bytes())
    return home


@pytest.fixture
def instance(dagster_home):
    with opened(dagster_home) as found:
        yield found


def report(capsys, *arguments):
    capsys.readouterr()
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_deleting_the_run_that_materialised_a_partition_takes_the_partition_away(instance):
    """What all of this is about, as Dagster does it."""
    only = run(instance)
    assert instance.get_materialized_partitions(table.key) == {"a"}
    instance.delete_run(only)
    assert instance.get_materialized_partitions(table.key) == set()


def test_replaced_successes_go_and_the_latest_of_each_partition_stays(instance, capsys):
    first_a, first_b = run(instance, "a"), run(instance, "b")
    second_a, unpartitioned = run(instance, "a"), run_summary(instance)
    again = run_summary(instance)
    found = report(capsys, "--yes")
    assert run_ids(instance) == {first_b, second_a, again}
    assert found["runs_to_go"] == 2
    assert found["kept"] == {"holds the latest success of a partition": 3}
    assert instance.get_materialized_partitions(table.key) == {"a", "b"}
    assert instance.get_latest_materialization_event(summary.key).run_id == again
    assert {first_a, unpartitioned}.isdisjoint(run_ids(instance))


def test_nothing_of_a_deleted_run_is_left_in_any_table_or_folder(instance, dagster_home, capsys):
    gone = run(instance, tags={"note": "mine"})
    stays = run(instance, tags={"note": "mine"})
    tables = (SqlEventLogStorageTable, AssetCheckExecutionsTable)
    assert all(table_rows(instance, table, gone) for table in tables)
    assert (dagster_home / "storage" / gone / "compute_logs").is_dir()
    main(["--yes"])
    capsys.readouterr()
    assert [table_rows(instance, table, gone) for table in tables] == [0, 0]
    assert all(table_rows(instance, table, stays) for table in tables)
    assert not list(dagster_home.rglob(f"*{gone}*"))
    with instance.run_storage.connect() as connection:
        assert {row.run_id for row in connection.execute(RunTagsTable.select())} == {stays}
    with instance.event_log_storage.index_connection() as connection:
        events = {row.id for row in connection.execute(SqlEventLogStorageTable.select())}
        tagged = {row.event_id for row in connection.execute(AssetEventTagsTable.select())}
    assert tagged
    assert tagged <= events


def test_a_rehearsal_tells_the_same_and_changes_nothing(instance, dagster_home, isolated_environment, capsys):
    for _ in range(2):
        run(instance)
    before = {path: path.stat().st_size for path in dagster_home.rglob("*") if path.is_file()}
    rehearsal = report(capsys, "--dry-run")
    assert len(run_ids(instance)) == 2
    files = {path: path.stat().st_size for path in dagster_home.rglob("*") if path.is_file()}
    assert {path for path in files if path.suffix != ".db-shm"} >= before.keys()
    assert files.keys() - before.keys() == set()
    assert not isolated_environment.exists()
    earnest = report(capsys, "--yes")
    assert rehearsal.pop("is_rehearsal")
    assert not earnest.pop("is_rehearsal")
    assert rehearsal == earnest
    assert rehearsal["runs_to_go"] == 1


def test_the_last_attempt_at_a_partition_that_is_failed_stays_and_goes_once_it_is_made(instance, capsys):
    made, failed_before, failed = run(instance), run(instance, fails=True), run(instance, fails=True)
    found = report(capsys, "--yes")
    assert run_ids(instance) == {made, failed}
    assert found["kept"]["last attempt at a partition that was not made since"] == 1
    mended = run(instance)
    report(capsys, "--yes")
    assert run_ids(instance) == {mended}
    assert failed_before != failed


def test_a_failed_attempt_goes_when_the_partition_was_reported_as_made_by_hand(instance, capsys):
    failed, other = run(instance, fails=True), run(instance, "b")
    instance.report_runless_asset_event(dg.AssetMaterialization(table.key, partition="a"))
    report(capsys, "--yes")
    assert run_ids(instance) == {other}
    assert instance.get_materialized_partitions(table.key) == {"a", "b"}
    assert failed != other


def test_the_latest_observation_and_the_latest_evaluation_of_a_check_stay(instance, capsys):
    observed, evaluated = run(instance, observes=True), run(instance)
    other = run(instance, "b")
    report(capsys, "--yes")
    assert run_ids(instance) == {observed, evaluated, other}
    assert instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=10)
    history = instance.event_log_storage.get_asset_check_execution_history(CHECK, limit=1)
    assert history[0].run_id == other


def test_young_runs_stay_until_they_are_old_enough(instance, capsys):
    young, latest = run(instance, days_ago=29), run(instance, days_ago=28)
    assert report(capsys, "--yes")["kept"]["too young"] == 2
    report(capsys, "--yes", "--runs-days", "28.5")
    assert run_ids(instance) == {latest}
    assert young != latest


def test_a_run_that_has_not_ended_stays_however_old(instance, capsys):
    made = run(instance)
    waiting = instance.create_run_for_job(
        dg.define_asset_job("later", [table]).resolve(
            asset_graph=dg.Definitions(assets=[table]).resolve_asset_graph()
        ),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": "a"},
    )
    found = report(capsys, "--yes")
    assert run_ids(instance) == {made, waiting.run_id}
    assert found["kept"]["queued, at work, or never started"] == 1


def test_runs_of_a_backfill_stay_until_it_is_over(instance, capsys):
    backfill = PartitionBackfill(
        backfill_id="b1",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
    )
    instance.add_backfill(backfill)
    first, second = (run(instance, tags={"dagster/backfill": "b1"}) for _ in range(2))
    assert report(capsys, "--yes")["kept"]["part of a backfill in progress"] == 1
    assert run_ids(instance) == {first, second}
    instance.update_backfill(backfill.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    report(capsys, "--yes")
    assert run_ids(instance) == {second}


def test_the_newest_key_of_a_sensor_stays_so_that_the_file_is_not_launched_again(instance, capsys):
    tags = {"dagster/sensor_name": "files"}
    old = run(instance, fails=True, tags={**tags, "dagster/run_key": "a:v1"})
    asked = run(instance, fails=True, tags={**tags, "dagster/run_key": "a:v2"})
    by_hand = run(instance)
    found = report(capsys, "--yes")
    assert run_ids(instance) == {asked, by_hand}
    assert found["kept"]["what a sensor asked for last"] == 1
    assert old not in run_ids(instance)


def test_numbers_of_events_are_not_given_again_after_the_last_run_went_for_nothing(instance, capsys):
    """SQLite would give them again, and a sensor whose cursor stands on one would pass over what is new."""
    run(instance)
    made = run(instance)
    failed = run(instance, fails=True)
    mended_by_hand = run(instance)
    with instance.event_log_storage.index_connection() as connection:
        last = max(row.id for row in connection.execute(SqlEventLogStorageTable.select()))
    report(capsys, "--yes")
    assert run_ids(instance) == {mended_by_hand}
    run(instance, "b", days_ago=0)
    with instance.event_log_storage.index_connection() as connection:
        rows = connection.execute(SqlEventLogStorageTable.select()).all()
    assert min(row.id for row in rows if row.run_id not in {mended_by_hand, made, failed}) > last


@pytest.mark.parametrize("step", ["_remove_event_file", "_delete_events"])
def test_a_pass_that_is_killed_leaves_every_run_to_the_next_one(step, instance, dagster_home, capsys):
    kept_and_gone = [run(instance) for _ in range(3)]
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, step], env=os.environ, capture_output=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert instance.get_materialized_partitions(table.key) == {"a"}
    assert run_ids(instance) >= {kept_and_gone[-1]}
    report(capsys, "--yes")
    assert run_ids(instance) == {kept_and_gone[-1]}
    assert not [path for gone in kept_and_gone[:-1] for path in dagster_home.rglob(f"*{gone}*")]


_KILLED = """
import os, signal, sys
from scripts.retention import history
from scripts.retention.__main__ import main

done = getattr(history, sys.argv[1])
def kill_after(*arguments):
    done(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(history, sys.argv[1], kill_after)
main(["--yes"])
"""


def test_the_event_file_of_a_run_that_was_deleted_in_the_web_ui_goes(instance, dagster_home, capsys):
    gone, stays = run(instance), run(instance)
    instance.delete_run(gone)
    files = dagster_home / "history" / "runs"
    assert (files / f"{gone}.db").exists()
    assert report(capsys, "--yes")["event_files"] == 1
    assert not list(files.glob(f"{gone}*"))
    assert (files / f"{stays}.db").exists()
    assert instance.all_logs(stays)


def test_a_second_copy_is_refused_while_the_first_works(instance, dagster_home, capsys):
    from scripts.single_copy import only_copy

    with only_copy(dagster_home / ".retention.lock", "Retention"):
        assert main(["--yes"]) == 2
        assert "Retention runs already" in capsys.readouterr().err
        assert main([]) == 0


def test_a_folder_that_is_no_instance_is_refused_and_named(capsys):
    assert main(["--yes"]) == 2
    said = capsys.readouterr().err
    assert os.environ["DAGSTER_HOME"] in said
    assert "dagster.yaml" in said
    assert not list(Path(os.environ["DAGSTER_HOME"]).iterdir())


def test_without_dagster_home_the_one_of_the_home_is_meant(isolated_environment, monkeypatch, capsys):
    monkeypatch.setenv("DAGSTER_HOME", " ")
    assert main([]) == 2
    assert str(isolated_environment / "dagster") in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--runs-days", "0"], ["--logs-days", "nan"], ["--yes", "--dry-run"]])
def test_wrong_usage_ends_with_2_before_anything_is_read(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_people_get_a_table_with_the_reason_why_runs_stay(instance, capsys):
    for _ in range(2):
        run(instance)
    assert main([]) == 0
    said = capsys.readouterr().out
    assert "runs: would go" in said
    assert "runs: stay, holds the latest success of a partition" in said
    assert "Nothing was changed." in said
