"""The assets of discovery in real runs: what they do with the ledger, and what Dagster has of it."""

import json

import dagster as dg
import pytest

from assets.discovery.assets import JOBS_FILE
from assets.discovery.checks import check_specs, discovered_key, items_key
from assets.discovery.engine.registry import utc_now
from assets.discovery.ledger import pauses, schema
from assets.discovery.partitions import SEQUENCE
from tests.assets.discovery.dagster_worlds import NAME, World, failure, job, partitions

pytestmark = pytest.mark.materialise


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def world(tmp_path, instance) -> World:
    return World(tmp_path, instance)


def latest(world: World, asset: dg.AssetKey) -> dict:
    record = world.instance.fetch_materializations(asset, limit=1).records[0]
    assert record.asset_materialization is not None
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def test_a_discovery_registers_its_items_and_tells_what_it_found(world):
    world.show("a", "b", "c")
    assert world.run("discover").success
    assert world.registered() == set(partitions("a", "b", "c"))
    told = latest(world, discovered_key(NAME))
    assert (told["outcome"], told["n_read"], told["n_new"], told["unmirrored"]) == ("ok", 3, 3, 0)
    assert [row.data["key"] for row in told["new_items"].records] == ["a", "b", "c"]
    assert told["history"].startswith("![")
    assert '"row":3' in told["cursor"]
    assert world.statuses() == {"a": "pending", "b": "pending", "c": "pending"}


def test_a_failed_discovery_fails_its_run_and_is_told_of_on_the_asset(world):
    result = world.run("discover")
    assert not result.success
    assert "things.jsonl" in failure(result)
    assert world.observed(discovered_key(NAME))["outcome"] == "failed"
    assert not world.instance.fetch_materializations(discovered_key(NAME), limit=1).records
    assert set(world.checks()) == {"the_source_is_not_suspiciously_empty", "discovery_is_on_time"}


def test_a_drain_records_what_is_done_and_counts_what_is_not(world):
    world.show("a", "b", c="fail", d="retry", e="skip", f="pay")
    world.run("discover")
    assert world.run("drain").success
    assert sorted(world.recorded()) == sorted(partitions("a", "b", "e", "f"))
    told = world.observed()
    assert (told["done"], told["failed"], told["retrying"], told["stopped"]) == (4, 1, 1, "drained")
    assert (told["stages_done"], told["stages_skipped"], told["stages_to_try_again"]) == (3, 1, 1)
    assert told["cost_usd"] == pytest.approx(0.25)
    assert (told["mirrored"], told["unmirrored"]) == (4, 0)
    assert [row.data["key"] for row in told["failed_items"].records] == ["c"]
    assert told["funnel"].startswith("![")


def test_a_done_item_says_how_it_came_about(world):
    world.show(a="pay")
    world.run("discover")
    world.run("drain")
    told = latest(world, items_key(NAME))
    ((sequence,),) = world.query("SELECT max(seq) FROM item_stages")
    assert told.pop("duration_s") >= 0
    assert told == {
        "key": "a",
        "revision": 1,
        "versions": {"work": "1"},
        "attempts": 1,
        "cost_usd": pytest.approx(0.25),
        SEQUENCE: sequence,
    }


def test_a_launch_of_one_partition_works_on_that_item_alone(world):
    world.show("a", "b")
    world.run("discover")
    assert world.launch(*partitions("b")).success
    assert world.statuses() == {"a": "pending", "b": "done"}
    assert world.recorded() == partitions("b")


def test_a_backfill_in_one_run_works_on_its_items_alone_and_records_each_that_is_done(world):
    world.show("a", "b", "c", "d", "e")
    world.run("discover")
    chosen = world.instance.get_dynamic_partitions(f"discovery_{NAME}")[1:4]
    assert world.launch(*chosen).success
    assert sorted(world.recorded()) == sorted(chosen)
    assert sorted(world.statuses().values()) == ["done", "done", "done", "pending", "pending"]


def test_items_that_were_asked_for_by_name_are_not_cut_off_by_the_time_of_a_drain(tmp_path, instance):
    world = World(tmp_path, instance, job(runner={"concurrency": 1, "drain_max_s": 0.001}))
    world.show("a", "b", "c")
    world.run("discover")
    assert world.run("drain").success
    assert world.observed()["stopped"] == "time"
    assert world.launch(*world.instance.get_dynamic_partitions(f"discovery_{NAME}")).success
    assert set(world.statuses().values()) == {"done"}


def test_an_item_that_fails_alone_is_not_recorded_and_fails_no_run(world):
    world.show(a="fail")
    world.run("discover")
    assert world.launch(*partitions("a")).success
    assert world.recorded() == []
    assert world.observed()["failed"] == 1


def test_a_run_fails_when_all_of_several_items_did(world):
    world.show(a="fail", b="fail")
    world.run("discover")
    result = world.launch(*partitions("a", "b"))
    assert not result.success
    assert "All 2 items of things" in failure(result)
    assert world.observed()["failed"] == 2
    assert not world.checks()["no_item_is_failed"].passed


def test_a_drain_of_which_everything_failed_fails_too(world):
    world.show(a="fail", b="fail")
    world.run("discover")
    result = world.run("drain")
    assert not result.success
    assert "All 2 items of things" in failure(result)


def test_one_good_item_is_enough_for_a_run(world):
    world.show("good", a="fail", b="fail")
    world.run("discover")
    assert world.run("drain").success


def test_items_that_wait_for_a_retry_are_no_failures_of_their_run(world):
    world.show(a="retry", b="retry")
    world.run("discover")
    assert world.run("drain").success
    assert world.observed()["retrying"] == 2


def test_a_partition_that_is_no_item_fails_its_run_with_a_sentence(world):
    world.show("a")
    world.run("discover")
    world.instance.add_dynamic_partitions(f"discovery_{NAME}", ["stranger-1"])
    result = world.launch("stranger-1")
    assert not result.success
    assert "1 of the 1 partitions are no items of things in the ledger: stranger-1" in failure(result)
    assert world.statuses() == {"a": "pending"}


def test_a_missing_secret_fails_the_run_and_names_the_variable(tmp_path, instance):
    stage = {"name": "work", "handler": "fetch", "params": {"headers": {"x-api-key": "env:QUINTET_TEST_KEY"}}}
    world = World(tmp_path, instance, job() | {"stages": [stage]})
    world.show("a")
    world.run("discover")
    result = world.run("drain")
    assert not result.success
    assert "QUINTET_TEST_KEY" in failure(result)


def test_a_disabled_job_fails_its_runs_with_a_sentence(tmp_path, instance):
    world = World(tmp_path, instance, job(enabled=False))
    for kind in ("discover", "drain"):
        result = world.run(kind)
        assert not result.success
        assert "disabled" in failure(result)


@pytest.mark.parametrize("kind", ["discover", "drain"])
def test_a_paused_job_does_nothing_and_its_run_says_why(world, kind):
    world.show("a")
    world.run("discover")
    with world.writing() as connection:
        pauses.pause(connection, NAME, "the site asked us to", utc_now())
    world.show("a", "b")
    assert world.run(kind).success
    asset = discovered_key(NAME) if kind == "discover" else items_key(NAME)
    assert "the site asked us to" in world.observed(asset)["reason"]
    assert world.statuses() == {"a": "pending"}


def test_a_job_over_its_budget_says_so_in_its_run_and_in_its_check(tmp_path, instance):
    stage = job()["stages"][0] | {"cost_estimate_usd": "0.25"}
    world = World(tmp_path, instance, job(budget={"daily_usd": "0.30"}, stages=()) | {"stages": [stage]})
    world.show(a="pay", b="pay")
    world.run("discover")
    assert world.run("drain").success
    told = world.observed()
    assert (told["done"], told["stopped"]) == (1, "over_budget")
    check = world.checks()["spending_is_within_budget"]
    assert not check.passed
    assert check.metadata["spent_usd_job_day"].value == pytest.approx(0.25)


def test_an_open_breaker_is_the_reason_in_the_run(tmp_path, instance):
    world = World(
        tmp_path,
        instance,
        job(
            breaker={"min_calls": 2, "window": 4},
            runner={"concurrency": 1, "claim_batch": 1, "drain_max_s": 5},
        ),
    )
    world.show(a="retry", b="retry", c="retry", d="retry")
    world.run("discover")
    assert world.run("drain").success
    told = world.observed()
    assert told["stopped"] == "breaker"
    assert "work" in told["reason"]


@pytest.mark.parametrize("asset", [discovered_key(NAME), items_key(NAME)])
def test_checks_can_be_asked_for_alone_and_nothing_else_happens(world, asset):
    world.show("a")
    world.run("discover")
    spec = check_specs(asset)[0]
    selection = dg.AssetSelection.checks(spec.key)
    defs = dg.Definitions(
        assets=world.defs.assets,
        resources=world.defs.resources,
        jobs=[dg.define_asset_job("check", selection=selection)],
    )
    before = world.query("SELECT count(*) FROM events")
    result = defs.resolve_job_def("check").execute_in_process(instance=world.instance)
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed) == (spec.name, True)
    assert world.query("SELECT count(*) FROM events") == before


def test_the_newest_items_are_registered_up_to_the_limit_and_the_rest_is_counted(tmp_path, instance):
    world = World(tmp_path, instance, job(mirror_limit=2))
    world.show("a", "b", "c", "d")
    assert world.run("discover").success
    assert world.registered() == set(partitions("c", "d"))
    assert latest(world, discovered_key(NAME))["unmirrored"] == 2
    assert world.run("drain").success
    assert set(world.statuses().values()) == {"done"}
    assert sorted(world.recorded()) == sorted(partitions("c", "d"))
    assert world.observed()["unmirrored"] == 2


def test_a_newer_item_takes_the_place_of_the_oldest_key(tmp_path, instance):
    world = World(tmp_path, instance, job(mirror_limit=2))
    world.show("a", "b")
    world.run("discover")
    world.show("a", "b", "c")
    world.run("discover")
    assert world.registered() == set(partitions("b", "c"))


def test_a_ledger_of_a_newer_version_is_refused_with_a_sentence(world):
    world.show("a")
    world.run("discover")
    with world.writing() as connection:
        connection.execute(
            "INSERT INTO schema_version (version, applied_at) VALUES (?, 0)", (schema.NEWEST + 1,)
        )
    result = world.run("drain")
    assert not result.success
    assert "update Quintet" in failure(result)


def test_no_credential_of_a_link_reaches_dagster(world):
    item = {"id": "a", "url": "https://me:pass-word@example.com/x?token=abc123&page=2", "title": "t"}
    (world.folder / "things.jsonl").write_text(json.dumps(item) + "\n")
    world.run("discover")
    world.run("drain")
    assert latest(world, items_key(NAME))["url"] == "https://***@example.com/x?token=***&page=2"
    logs = [str(entry) for run in world.instance.get_runs() for entry in world.instance.all_logs(run.run_id)]
    assert len(logs) > 20
    assert not [entry for entry in logs if "abc123" in entry or "pass-word" in entry]


def test_a_jobs_file_with_mistakes_leaves_one_asset_that_says_them(world, caplog):
    (world.folder / "jobs.yaml").write_text("version: 1\njobs:\n  - {name: things, discovry: {}}\n")
    world.reload()
    assert [spec.key for spec in world.defs.resolve_all_asset_specs()] == [JOBS_FILE]
    (spec,) = world.defs.resolve_all_asset_specs()
    assert "discovry" in str(spec.description)
    assert "discovry" in caplog.text
    names = [made.name for made in world.defs.resolve_all_job_defs()]
    assert [name for name in names if not name.startswith("__")] == ["discovery_doctor"]
    dg.Definitions.validate_loadable(world.defs)


def test_materialising_the_mistaken_file_reads_it_again(world):
    path = world.folder / "jobs.yaml"
    path.write_text("version: 2\njobs: []\n")
    world.reload()
    made = world.defs.resolve_implicit_global_asset_job_def()
    assert not made.execute_in_process(instance=world.instance, raise_on_error=False).success
    path.write_text("version: 1\njobs: []\n")
    assert made.execute_in_process(instance=world.instance, raise_on_error=False).success
    assert "reload" in latest(world, JOBS_FILE)["mended"]
