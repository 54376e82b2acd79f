"""Stages that keep a rate: who goes when, who is not kept waiting by it, and what is held meanwhile."""

import time
from itertools import pairwise

import pytest

from assets.discovery.contract import RateLimited
from assets.discovery.engine import draining
from assets.discovery.ledger import limiters
from assets.discovery.ledger.limiters import Rate
from tests.assets.discovery.engine.drain_worlds import Clock, Gathering, World, returning, until

SLACK_MS = 60
"""How late a thread may note its first call: what follows seems that much nearer."""


def noting(starts):
    """A handler that notes when it is called."""

    def handle(work):
        starts.append((time.time_ns() // 1_000_000, work.stage, work.key))
        return {}

    return handle


def test_items_go_one_by_one_at_the_rate_of_their_stage_and_in_order(tmp_path):
    starts = []
    world = World(tmp_path, {"one": noting(starts)}, stage={"one": "pace: {rate: 20, per_s: 1, burst: 1}"})
    world.add(*(f"k{n:02}" for n in range(12)))
    assert world.drain(single_pass=True).stages.done == 12
    assert [key for _, _, key in starts] == [f"k{n:02}" for n in range(12)]
    gaps = [after - before for (before, *_), (after, *_) in pairwise(starts)]
    # Each waits for its own turn, so a late one is followed by a shorter gap, and the sum is never shorter.
    assert sum(gaps) >= 11 * 50 - SLACK_MS
    assert "released" not in world.outcomes()


def test_several_rates_hold_at_once(tmp_path):
    starts = []
    world = World(
        tmp_path,
        {"one": noting(starts)},
        stage={"one": "pace: {limiter: host}"},
        file="limiters: {host: [{rate: 100, per_s: 1}, {rate: 4, per_s: 0.4}]}",
    )
    world.add(*(f"k{n}" for n in range(9)))
    assert world.drain(single_pass=True).stages.done == 9
    times = [at for at, *_ in starts]
    # Four at once, then one each 100 ms.
    assert times[8] - times[0] >= 5 * 100 - SLACK_MS


def test_a_stage_that_waits_for_its_rate_keeps_no_other_stage_from_its_slots(tmp_path):
    two = Gathering()
    world = World(
        tmp_path,
        {"one": returning(), "two": two},
        stage={"one": "pace: {rate: 1, per_s: 20, burst: 1}", "two": "needs: []"},
        runner="concurrency: 3, claim_batch: 4, drain_max_s: 30",
    )
    world.add(*"abcdef")
    drain = world.beside(single_pass=True)
    two.await_workers(3)
    # The next row of the slow stage is held for its turn, and takes none of the three slots.
    assert world.value("SELECT count(*) FROM attempts WHERE stage = 'one' AND outcome IS NULL") <= 1
    two.open()
    until(lambda: sum(two.seen.values()) == 6)
    world.stop.set()
    assert drain.answer().stopped == "signal"
    assert world.outcomes("one")[0] == "done"
    assert set(world.outcomes("one")[1:]) <= {"released"}


def test_a_full_batch_starts_at_once_however_small_the_batches_are(tmp_path, monkeypatch):
    # A drain that slept although something could start would sleep for an hour.
    monkeypatch.setattr(draining, "_LOOK_S", 3600.0)
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering, "two": returning()}, runner="concurrency: 4, claim_batch: 1")
    world.add(*"abcdef")
    drain = world.beside()
    gathering.await_workers(4)
    gathering.open()
    assert drain.answer().stages.done == 12


def test_the_next_row_waits_for_its_turn_while_those_before_it_work(tmp_path):
    gathering = Gathering()
    world = World(
        tmp_path,
        {"one": gathering},
        stage={"one": "pace: {rate: 1, per_s: 0.2, burst: 1}"},
        runner="concurrency: 5, claim_batch: 2, reconcile_every_s: 500",
    )
    world.add(*"abcde")
    drain = world.beside()
    gathering.await_workers(4)
    gathering.open()
    assert drain.answer().stages.done == 5


def test_a_cooled_limiter_holds_no_lease_for_longer_than_a_heartbeat(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": returning()},
        stage={"one": "pace: {limiter: host}"},
        file="limiters: {host: [{rate: 10, per_s: 1}]}",
        runner="lease_s: 60, reconcile_every_s: 500",
        clock=clock,
    )
    world.add("a", "b")
    cool(world, "host", clock.now + 120_000)
    assert world.drain(single_pass=True).stopped_reason == "What is left waits for later."
    assert world.outcomes() == []
    assert world.drain().stages.done == 2
    assert (clock.seconds, world.outcomes()) == (120, ["done", "done"])


def test_a_gate_that_opens_soon_again_is_waited_for_without_claiming_and_releasing_in_a_circle(tmp_path):
    """A gate was shut for long; later the same wait is short enough to hold a row for it."""
    calls = []

    def one(work):
        calls.append(work.key)
        if len(calls) == 1:
            raise RateLimited(2.2, "429")
        return {}

    world = World(
        tmp_path,
        {"one": one},
        stage={"one": "pace: {limiter: host}"},
        file="limiters: {host: [{rate: 10, per_s: 1}]}",
        runner="lease_s: 6, reconcile_every_s: 0.3, concurrency: 1",
    )
    world.add("a", "b")
    assert world.drain().stages.done == 2
    assert world.outcomes().count("released") <= 1
    assert sorted(calls) == ["a", "a", "b"]


def test_a_run_does_not_wait_for_a_turn_after_its_end(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": returning()},
        stage={"one": "pace: {rate: 1, per_s: 500, burst: 1}"},
        runner="drain_max_s: 400, lease_s: 3000",
        clock=clock,
    )
    world.add("a", "b")
    summary = world.drain()
    assert (summary.stopped, summary.stages.done, clock.seconds) == ("drained", 1, 0)
    assert summary.stopped_reason == "What is left waits for later."
    # The second was claimed while a turn seemed free.
    assert world.outcomes() == ["done", "released"]
    assert world.stage("b")["attempt"] == 0


def test_two_jobs_share_a_limiter_by_its_name(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": returning()},
        stage={"one": "pace: {limiter: host, weight: 2}"},
        file="limiters: {host: [{rate: 2, per_s: 500}]}",
        runner="lease_s: 60, reconcile_every_s: 500",
        clock=clock,
    )
    world.add("a")
    connection = world.open()
    limiters.take_turn(connection, "host", [Rate(2, 500)], clock.now)
    connection.close()
    assert world.drain().stages.done == 1
    # One of two is taken: the other comes after half the time, and a call that weighs two waits for both.
    assert clock.seconds == 250


@pytest.mark.parametrize("cause", ["pause", "breaker"])
def test_a_turn_that_nobody_can_use_any_more_keeps_the_loop_from_nothing(tmp_path, cause):
    """The row that a turn was taken for is given back; the drain does not spin on the turn."""
    slow = Gathering()
    world = World(
        tmp_path,
        {"one": returning(), "two": slow},
        stage={"one": "pace: {rate: 1, per_s: 1.5, burst: 1}", "two": "needs: []"},
        runner="concurrency: 3, lease_s: 60",
    )
    world.add("a", "b")
    drain = world.beside(single_pass=True)
    slow.await_workers(2)
    until(lambda: world.outcomes("one") == ["done", None])
    if cause == "pause":
        world.write(
            "UPDATE job_state SET paused = 1, pause_kind = 'manual', paused_at = 1 WHERE job_id = 'papers'"
        )
    else:
        world.write(
            "INSERT OR REPLACE INTO limiters (name, kind, state, updated_at, cooldown_until) "
            "VALUES ('breaker:papers/one', 'breaker', 'open', 1, 9999999999999)"
        )
    until(lambda: world.outcomes("one") == ["done", "released"])
    time.sleep(1.6)  # The instant of the turn passes.
    before = world.stop.rounds
    time.sleep(1.0)
    assert world.stop.rounds - before <= 8
    slow.open()
    assert drain.answer().stopped == ("paused" if cause == "pause" else "breaker")


def cool(world, name, until):
    connection = world.open()
    limiters.cool(connection, name, until, world.resources.clock())
    connection.close()
