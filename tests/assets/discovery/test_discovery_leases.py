"""Runs of discovery beside others: whose leases they respect, whose they take back, how they are ended."""

import os
import signal
import threading
from uuid import uuid4

import dagster as dg
import pytest

from assets.discovery import side_work
from assets.discovery.engine.registry import utc_now
from assets.discovery.ledger import claims
from assets.discovery.ledger.claims import Worker
from assets.discovery.steps import ended_runs
from tests.assets.discovery import dagster_handlers
from tests.assets.discovery.dagster_worlds import NAME, World

pytestmark = pytest.mark.materialise


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def world(tmp_path, instance) -> World:
    return World(tmp_path, instance)


def test_a_drain_leaves_the_items_to_another_run_of_dagster_that_works_on_them(world):
    world.show("a", "b")
    world.run("discover")
    other = held_by(world, dg.DagsterRunStatus.STARTED)
    assert world.run("drain").success
    told = world.observed()
    assert told["stopped"] == "already_draining"
    assert other in told["reason"]
    assert set(world.statuses().values()) == {"pending", "in_progress"}


def test_leases_of_a_command_line_keep_no_drain_away(world):
    world.show("a", "b")
    world.run("discover")
    lease(world, "f" * 32)
    assert world.run("drain").success
    assert world.observed()["stopped"] == "drained"
    assert sorted(world.statuses().values()) == ["done", "in_progress"]


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_run_that_ended_frees_its_leases_before_they_expire(world, status):
    """E10."""
    world.show("a", "b")
    world.run("discover")
    ended = held_by(world, status)
    assert world.run("discover").success
    assert set(world.statuses().values()) == {"pending"}
    ((run_id, outcome),) = world.query("SELECT run_id, outcome FROM attempts")
    assert (run_id, outcome) == (ended, "lost")


def test_a_run_that_works_keeps_its_leases(world):
    world.show("a")
    world.run("discover")
    held_by(world, dg.DagsterRunStatus.STARTED)
    assert world.run("discover").success
    assert set(world.statuses().values()) == {"in_progress"}


def test_runs_that_dagster_does_not_know_are_never_ended(world):
    world.show("a")
    world.run("discover")
    (known,) = world.instance.get_run_ids()
    foreign = {str(uuid4()), uuid4().hex, "cli"}
    assert ended_runs(world.instance, {*foreign, known}) == {known}
    assert ended_runs(world.instance, set()) == set()


def held_by(world: World, status: dg.DagsterRunStatus) -> str:
    """A run of Dagster that holds a lease which is good for an hour; its id."""
    drain = world.defs.resolve_job_def(f"discovery_{NAME}_drain")
    run = world.instance.create_run_for_job(drain, status=status)
    lease(world, run.run_id)
    return run.run_id


def lease(world: World, run_id: str) -> None:
    plan = world.roster.plan(world.roster.jobs[0])
    with world.writing() as connection:
        worker = Worker(f"elsewhere:1:1:{run_id}", run_id, 3_600_000)
        assert len(claims.claim(connection, plan, worker, 1, utc_now()).claims) == 1


def test_two_drains_at_once_work_on_no_stage_twice(tmp_path):
    """E44, launched by hand: no tag keeps them apart."""
    home = tmp_path / "dagster_of_the_test"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        world = World(tmp_path, instance)
        world.show(*(f"k{n}" for n in range(30)))
        world.run("discover")
        results: list[dg.ExecuteInProcessResult] = []
        drains = [threading.Thread(target=lambda: results.append(world.run("drain"))) for _ in range(2)]
        for drain in drains:
            drain.start()
        for drain in drains:
            drain.join()
        assert [result.success for result in results] == [True, True]
        assert set(world.statuses().values()) == {"done"}
        assert world.query("SELECT count(*), count(DISTINCT stage_id) FROM attempts") == [(30, 30)]
        assert set(world.recorded()) == world.registered()


def test_a_terminated_run_gives_its_leases_back_and_ends(world):
    dagster_handlers.STARTED.clear()
    dagster_handlers.GO_ON.clear()
    world.show("b", a="block")
    world.run("discover")

    def terminate() -> None:
        assert dagster_handlers.STARTED.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    killer = threading.Thread(target=terminate)
    killer.start()
    result = world.run("drain")
    killer.join()
    assert not result.success
    assert world.query("SELECT count(*) FROM item_stages WHERE status = 'in_progress'") == [(0,)]
    outcomes = dict(
        world.query("SELECT w.key, a.outcome FROM attempts AS a JOIN work_items AS w ON w.id = a.item_id")
    )
    assert outcomes["a"] == "released"
    assert world.statuses()["a"] == "pending"


def test_a_long_run_says_how_far_it_has_come(world, monkeypatch):
    monkeypatch.setattr(side_work, "TELL_EVERY_S", 0.02)
    dagster_handlers.STARTED.clear()
    dagster_handlers.GO_ON.clear()
    world.show("b", "c", a="block")
    world.run("discover")
    threading.Timer(0.5, dagster_handlers.GO_ON.set).start()
    result = world.run("drain")
    assert result.success
    lines = [str(entry.user_message) for entry in world.instance.all_logs(result.run_id)]
    assert [line for line in lines if line.startswith("things: 0 items discovered; 2 stages ended (0 failed")]
