"""The two instance files load, and say what they are meant to say."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def sqlite_instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """The instance of `deploy/dagster.yaml`, made by a process that works in another folder."""
    home = tmp_path_factory.mktemp("instance")
    (home / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        patch.chdir(tmp_path_factory.mktemp("elsewhere"))
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance


def test_everything_is_kept_in_dagster_home_whatever_the_working_directory(sqlite_instance):
    home = Path(sqlite_instance.root_directory)
    sqlite_instance.get_runs()
    assert list(Path.cwd().iterdir()) == []
    assert (home / "history" / "runs.db").is_file()


def test_nothing_is_told_to_anybody(sqlite_instance):
    assert sqlite_instance.telemetry_enabled is False
    assert sqlite_instance.nux_enabled is False


def test_only_crashed_runs_are_retried_as_runs(sqlite_instance):
    assert sqlite_instance.run_retries_enabled is True
    assert sqlite_instance.run_retries_max_retries == 2
    assert sqlite_instance.run_retries_retry_on_asset_or_op_failure is False


def test_runs_are_watched_and_give_their_slots_back(sqlite_instance):
    assert sqlite_instance.run_monitoring_enabled is True
    assert sqlite_instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60


def test_a_pool_without_a_limit_of_its_own_holds_one_step(sqlite_instance):
    storage = sqlite_instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("any")
    assert storage.claim_concurrency_slot("any", "first run", "step").is_claimed
    assert not storage.claim_concurrency_slot("any", "second run", "step").is_claimed


def test_the_queue_is_looked_at_every_second_and_knows_its_limits(sqlite_instance):
    queue = sqlite_instance.get_concurrency_config().run_queue_config
    assert sqlite_instance.run_coordinator.dequeue_interval_seconds == 1
    assert queue.max_concurrent_runs == 2
    assert queue.tag_concurrency_limits == [
        {"key": key, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        for key in ("quintet/exclusive", "quintet/discovery_job")
    ]


@pytest.mark.parametrize("instigator", ["sensor", "schedule"])
def test_every_kind_of_tick_is_purged_some_day(instigator):
    kept = settings("dagster.yaml")["retention"][instigator]["purge_after_days"]
    assert set(kept) == {"skipped", "success", "failure", "started"}
    assert all(days > 0 for days in kept.values())


def test_the_two_files_differ_in_storage_and_in_the_number_of_runs_only():
    sqlite, postgres = settings("dagster.yaml"), settings("dagster.postgres.yaml")
    for instance in (sqlite, postgres):
        del instance["storage"]
        del instance["concurrency"]["runs"]["max_concurrent_runs"]
    assert sqlite == postgres


def test_postgres_is_reached_by_variables_alone():
    database = settings("dagster.postgres.yaml")["storage"]["postgres"]["postgres_db"]
    assert database.pop("scheme") == "postgresql+psycopg2"
    assert all(
        set(value) == {"env"} and value["env"].startswith("QUINTET_PG_") for value in database.values()
    )


def settings(name: str) -> dict:
    return yaml.safe_load((DEPLOY / name).read_text())
