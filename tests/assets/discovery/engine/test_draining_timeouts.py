"""Handlers that take too long, plain ones and those that await, and whom they keep waiting."""

import asyncio
import time
from threading import Event

from assets.discovery.engine import draining
from assets.discovery.ledger import pauses
from tests.assets.discovery.engine.drain_worlds import (
    PATIENCE_S,
    Gathering,
    World,
    until,
)

SOON = "timeout_s: 0.2"
ONCE = "retry: {max_attempts: 1}"


def test_a_handler_that_takes_too_long_fails_and_keeps_its_slot_while_it_lives(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, stage={"one": SOON}, job=ONCE, runner="concurrency: 1")
    world.add("a", "b")
    drain = world.beside(single_pass=True)
    until(lambda: world.statuses()["a"] == ["failed"])
    world.stop.pass_by(3)
    assert gathering.seen == {"a": 1}
    row = world.stage("a")
    assert (row["error_class"], row["error_code"]) == ("transient", "timeout")
    assert row["error_text"] == "stage one took longer than its timeout_s of 0.2 s"
    gathering.open()
    summary = drain.answer()
    assert world.statuses() == {"a": ["failed"], "b": ["done"]}
    assert (summary.stages.failed, summary.stages.done) == (1, 1)
    assert world.events("lease_lost") == []


def test_a_drain_whose_slots_are_all_kept_ends_when_nothing_else_waits_or_may_start(tmp_path):
    gathering = Gathering()
    world = World(
        tmp_path, {"one": gathering}, stage={"one": SOON}, job=ONCE, runner="concurrency: 2, grace_s: 0"
    )
    world.add("a", "b")
    assert world.beside().answer().stopped == "drained"
    assert world.statuses() == {"a": ["failed"], "b": ["failed"]}
    world.add("c", "d", "e", "f")
    drain = world.beside()
    # What was claimed ahead is left to others meanwhile.
    until(lambda: sorted(map(str, world.outcomes()[2:])) == ["failed", "failed", "released", "released"])
    world.with_ledger(lambda connection: pauses.pause(connection, "papers", "why", 1))
    assert drain.answer().stopped == "paused"
    gathering.open()


def test_what_a_handler_spends_after_its_time_out_is_booked_and_it_hears_that_it_is_over(tmp_path):
    go, heard = Event(), []

    def one(work):
        work.add_cost(5)
        assert go.wait(PATIENCE_S)
        try:
            work.add_cost(7, provider="late")
        except BaseException as error:
            heard.append(type(error).__name__)
            raise
        return {}

    world = World(tmp_path, {"one": one}, stage={"one": SOON}, job=ONCE)
    world.add("a")
    drain = world.beside()
    until(lambda: world.statuses()["a"] == ["failed"])
    assert world.spent() == 5
    go.set()
    summary = drain.answer()
    assert (world.spent(), summary.cost_micros, heard) == (12, 12, ["AttemptEnded"])
    assert world.value("SELECT count(*) FROM costs WHERE attempt_id = 1 AND state = 'settled'") == 2
    assert world.outcomes() == ["failed"]


def test_an_async_handler_that_takes_too_long_is_cancelled(tmp_path):
    ended = Event()

    async def one(work):
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            ended.set()

    world = World(tmp_path, {"one": one}, stage={"one": SOON}, job=ONCE)
    world.add("a")
    drain = world.beside()
    assert ended.wait(PATIENCE_S)
    drain.answer()
    assert world.stage("a")["error_code"] == "timeout"
    assert len(world.outcomes()) == 1


def test_an_async_handler_that_was_cancelled_keeps_its_slot_while_it_cleans_up_and_pays(tmp_path):
    go, cleaning, cancels = Event(), Event(), []

    async def one(work):
        if work.key == "b":
            return {}
        try:
            await asyncio.sleep(PATIENCE_S)
        except asyncio.CancelledError:
            cleaning.set()
            while not go.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    cancels.append(1)
            work.add_cost(8)
            raise

    world = World(tmp_path, {"one": one}, stage={"one": SOON}, job=ONCE, runner="concurrency: 1")
    world.add("a", "b")
    drain = world.beside()
    assert cleaning.wait(PATIENCE_S)
    world.stop.pass_by(3)
    assert world.outcomes() == ["failed", "released"]
    go.set()
    assert drain.answer().stages.done == 1
    assert (world.spent(), cancels) == (8, [])


def test_what_cannot_be_awaited_here_is_a_defect(tmp_path):
    loop = asyncio.new_event_loop()
    foreign = loop.create_future()
    world = World(tmp_path, {"one": lambda work: foreign}, stage={"one": "timeout_s: 20"}, job=ONCE)
    world.add("a")
    world.beside().answer()
    assert world.stage("a")["error_text"].startswith("ValueError: The future belongs to a different loop")
    loop.close()


def test_an_async_handler_that_blocks_keeps_neither_the_drain_nor_the_caller(tmp_path):
    release = Event()

    async def one(work):
        release.wait(PATIENCE_S)
        return {}

    world = World(tmp_path, {"one": one}, stage={"one": SOON}, job=ONCE, runner="grace_s: 0.1")
    world.add("a")
    summary = world.beside().answer()
    assert (summary.stages.failed, summary.stopped) == (1, "drained")
    release.set()


def test_async_handlers_share_a_loop_and_work_at_the_same_time(tmp_path):
    loops, waiting = set(), []

    async def one(work):
        loops.add(asyncio.get_running_loop())
        waiting.append(work.key)
        while len(waiting) < 3:
            await asyncio.sleep(0.01)
        work.add_cost(1)
        return {"key": work.key}

    world = World(tmp_path, {"one": one})
    world.add("a", "b", "c")
    assert world.beside().answer().stages.done == 3
    assert len(loops) == 1
    assert world.spent() == 3


def test_a_handler_that_ended_in_time_is_not_late_because_the_ledger_was_busy(tmp_path, monkeypatch):
    """The loop is kept from the ends for longer than the time-out."""
    ended = Event()
    reconcile, calls = draining.reconcile_ledger, []

    def slow(*args):
        calls.append(args)
        if len(calls) == 2:
            assert ended.wait(PATIENCE_S)
            time.sleep(1.6)
        reconcile(*args)

    def one(work):
        until(lambda: len(calls) == 2)
        ended.set()
        return {}

    monkeypatch.setattr(draining, "reconcile_ledger", slow)
    world = World(tmp_path, {"one": one}, stage={"one": "timeout_s: 1.5"}, runner="reconcile_every_s: 0.01")
    world.add("a")
    assert world.beside().answer().stages.done == 1
    assert world.outcomes() == ["done"]
