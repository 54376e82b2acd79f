"""Leases while handlers work: kept by the heartbeat, or lost to another process."""

import time
from threading import Event

from assets.discovery.ledger import claims, reaping
from tests.assets.discovery.engine.drain_worlds import (
    PATIENCE_S,
    Gathering,
    World,
    until,
)

SOON = "timeout_s: 0.2"
ONCE = "retry: {max_attempts: 1}"


class Broken(Exception):
    """An error of the ledger that a test brings about."""


def test_the_heartbeat_keeps_a_long_handler_alive_over_several_leases(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, runner="lease_s: 2, reconcile_every_s: 0.2")
    world.add("a")
    first = world.beside()
    gathering.await_workers(1)
    began = world.stage("a")["lease_until"]
    until(lambda: world.stage("a")["lease_until"] >= began + 3000)
    gathering.open()
    assert first.answer().stages.done == 1
    assert world.outcomes() == ["done"]
    assert world.events("reaped", "lease_lost") == []


def test_a_heartbeat_that_failed_beats_again(tmp_path, monkeypatch, caplog):
    gathering, beat, beats = Gathering(), claims.heartbeat, []

    def failing(*args):
        beats.append(args)
        if len(beats) < 3:
            raise Broken("the disk is full")
        return beat(*args)

    monkeypatch.setattr(claims, "heartbeat", failing)
    world = World(tmp_path, {"one": gathering}, runner="lease_s: 3")
    world.add("a")
    drain = world.beside()
    gathering.await_workers(1)
    began = world.stage("a")["lease_until"]
    # The third beat is due when the lease would end; until then it was anybody's.
    until(lambda: world.stage("a")["lease_until"] > began or world.outcomes()[0] == "lost")
    gathering.open()
    drain.answer()
    assert caplog.text.count("the leases could not be extended: the disk is full") == 2


def test_a_lease_that_another_process_took_back_discards_the_result_and_keeps_the_costs(tmp_path):
    go = Event()

    def one(work):
        if work.attempt == 1:
            work.add_cost(9)
            assert go.wait(PATIENCE_S)
            return {"from": "the first"}
        return {"from": "the second"}

    world = World(
        tmp_path,
        {"one": one},
        runner="lease_s: 2, reconcile_every_s: 0.3",
        job="retry: {base_s: 0.1, jitter: 0}",
    )
    world.add("a")
    drain = world.beside()
    until(lambda: world.spent() == 0 and world.outcomes() == [None])
    assert take_back(world) == 1
    until(lambda: world.statuses()["a"] == ["done"])
    go.set()
    summary = drain.answer()
    assert world.outcomes() == ["lost", "done"]
    assert len(world.events("lease_lost")) == 1
    assert world.spent() == 9
    assert (summary.stages.done, summary.cost_micros) == (1, 9)
    assert world.value("SELECT payload_json FROM results") == '{"from":"the second"}'


def test_a_handler_whose_lease_was_lost_hears_of_it_at_its_next_call(tmp_path):
    heard = Event()

    def one(work):
        if work.attempt > 1:
            return {}
        try:
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                work.log("still at it")
                time.sleep(0.01)
        except BaseException:
            heard.set()
            raise

    world = World(
        tmp_path,
        {"one": one},
        runner="lease_s: 2, reconcile_every_s: 0.3",
        job="retry: {base_s: 0.1, jitter: 0}",
    )
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    take_back(world)
    assert heard.wait(PATIENCE_S)
    assert drain.answer().stages.done == 1
    assert len(world.events("lease_lost")) == 1


def test_a_prefetched_row_whose_lease_was_lost_is_never_started(tmp_path):
    gathering = Gathering()
    world = World(
        tmp_path, {"one": gathering}, runner="concurrency: 1", job="retry: {base_s: 100, jitter: 0}"
    )
    world.add("a", "b")
    drain = world.beside(single_pass=True)
    gathering.await_workers(1)
    until(lambda: world.outcomes() == [None, None])
    world.write("UPDATE item_stages SET lease_until = 1 WHERE item_id = 2")
    world.with_ledger(
        lambda connection: reaping.reap(connection, world.resources.plans, world.resources.clock())
    )
    gathering.open()
    drain.answer()
    assert gathering.seen == {"a": 1}
    assert world.outcomes() == ["done", "lost"]
    assert [row["item_id"] for row in world.events("lease_lost")] == [2]


def take_back(world) -> int:
    """What another process does that takes this one for dead."""

    def reap(connection):
        return reaping.reap(
            connection,
            world.resources.plans,
            world.resources.clock(),
            ended_runs={"run"},
            chance=lambda: 0.5,
        )

    return world.with_ledger(reap)
