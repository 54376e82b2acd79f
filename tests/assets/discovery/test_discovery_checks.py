"""The checks of a job: each fails for its own reason, carries what it found, and says what to do."""

import dagster as dg
import pytest

from assets.discovery.checks import check_results, check_specs, discovered_key, items_key
from assets.discovery.engine.registry import utc_now
from assets.discovery.ledger import claims, pauses
from assets.discovery.ledger.claims import Worker
from assets.discovery.steps import reading
from tests.assets.discovery.dagster_worlds import NAME, World, job

pytestmark = pytest.mark.materialise

HOUR = 3_600_000
OF_DISCOVERED = ["the_source_is_not_suspiciously_empty", "discovery_is_on_time"]
OF_ITEMS = [
    "no_item_is_failed",
    "spending_is_within_budget",
    "no_lease_is_expired",
    "every_done_stage_has_a_result",
]


@pytest.fixture
def world(tmp_path):
    entry = job(budget={"daily_usd": "1.00"})
    with dg.DagsterInstance.ephemeral() as instance:
        yield World(tmp_path, instance, entry | {"discovery": entry["discovery"] | {"every_s": 3600}})


def results(world: World, after_ms: int = 0) -> dict[str, dg.AssetCheckResult]:
    today = world.roster.today(world.roster.jobs[0])
    with reading(world.ledger) as connection:
        return {
            str(result.check_name): result
            for asset in (discovered_key(NAME), items_key(NAME))
            for result in check_results(asset, connection, today, utc_now() + after_ms)
        }


def only_failure(found: dict[str, dg.AssetCheckResult]) -> dg.AssetCheckResult:
    (failed,) = [result for result in found.values() if not result.passed]
    return failed


def test_the_checks_have_these_names_and_block_nothing():
    specs = check_specs(discovered_key(NAME)), check_specs(items_key(NAME))
    assert [[spec.name for spec in each] for each in specs] == [OF_DISCOVERED, OF_ITEMS]
    assert not any(spec.blocking for each in specs for spec in each)


def test_a_job_without_a_ledger_passes_and_no_file_is_made(world):
    assert all(result.passed for result in results(world).values())
    assert not world.ledger.path("discovery").exists()


def test_a_job_in_order_passes_and_every_check_says_what_it_saw(world):
    world.show("a")
    world.run("discover")
    world.run("drain")
    found = results(world)
    assert list(found) == OF_DISCOVERED + OF_ITEMS
    assert all(result.passed and result.description for result in found.values())


def test_failed_items_are_a_warning_that_carries_them(world):
    world.show("good", a="fail", b="fail")
    world.run("discover")
    world.run("drain")
    failed = only_failure(results(world))
    assert failed.check_name == "no_item_is_failed"
    assert failed.severity is dg.AssetCheckSeverity.WARN
    table = failed.metadata["failed_items"]
    assert isinstance(table, dg.TableMetadataValue)
    assert sorted(str(row.data["key"]) for row in table.records) == ["a", "b"]
    assert {row.data["error"] for row in table.records} == {"a cannot be worked on", "b cannot be worked on"}
    assert failed.metadata["next"].value == "inv jobs.retry -j things"


@pytest.mark.parametrize("loss", ["DELETE FROM results", "UPDATE results SET revision = 7"])
def test_a_done_stage_without_a_result_of_its_revision_is_an_error(world, loss):
    world.show("a", "b")
    world.run("discover")
    world.run("drain")
    with world.writing() as connection:
        connection.execute(f"{loss} WHERE item_id = (SELECT id FROM work_items WHERE key = 'b')")
    failed = only_failure(results(world))
    assert failed.check_name == "every_done_stage_has_a_result"
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    table = failed.metadata["without_result"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [row.data for row in table.records] == [{"key": "b", "stage": "work"}]


def test_a_lease_that_ran_out_is_found(world):
    world.show("a")
    world.run("discover")
    with world.writing() as connection:
        plan = world.roster.plan(world.roster.jobs[0])
        claims.claim(connection, plan, Worker("elsewhere:1:1:x", "x", 1000), 1, utc_now())
    assert all(result.passed for result in results(world).values())
    failed = only_failure(results(world, after_ms=HOUR // 2))
    assert failed.check_name == "no_lease_is_expired"
    assert "elsewhere:1:1:x" in str(failed.description)


def test_a_limit_that_is_used_up_is_found_and_the_amounts_are_told(world):
    world.show(a="pay", b="pay", c="pay", d="pay")
    world.run("discover")
    world.run("drain")
    failed = only_failure(results(world))
    assert failed.check_name == "spending_is_within_budget"
    assert failed.metadata["spent_usd_job_day"].value == pytest.approx(1.0)
    assert failed.metadata["limit_usd_job_day"].value == pytest.approx(1.0)


def test_a_discovery_that_is_three_intervals_late_is_found_unless_the_job_is_paused(world):
    world.show("a")
    world.run("discover")
    assert results(world, after_ms=2 * HOUR)["discovery_is_on_time"].passed
    late = only_failure(results(world, after_ms=4 * HOUR))
    assert late.check_name == "discovery_is_on_time"
    with world.writing() as connection:
        pauses.pause(connection, NAME, "why", utc_now())
    assert results(world, after_ms=4 * HOUR)["discovery_is_on_time"].passed


def test_a_listing_that_is_suspiciously_short_is_found(world):
    world.show(*(f"k{n}" for n in range(20)))
    world.run("discover")
    world.show("k1")
    world.run("discover")
    failed = only_failure(results(world))
    assert failed.check_name == "the_source_is_not_suspiciously_empty"
    assert failed.metadata["read"].value == 1


def test_the_checks_of_one_job_say_nothing_of_another(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path, instance, job(), job("others"))
        world.show(a="fail")
        world.run("discover", "others")
        world.run("drain", "others")
        with world.writing() as connection:
            connection.execute("DELETE FROM results")
            connection.execute("UPDATE item_stages SET status = 'pending', finished_at = NULL, seq = NULL")
            claims.claim(connection, world.roster.plan(world.roster.jobs[1]), Worker("x:1:1:x"), 1, utc_now())
        assert all(result.passed for result in results(world, after_ms=HOUR).values())
        assert not world.checks("others")["no_item_is_failed"].passed
