"""How attempts end that do not end by themselves: time-outs, lost leases, pauses, signals, errors."""

import asyncio
import sqlite3
import time
from contextlib import suppress
from threading import Event

import pytest

from assets.discovery.engine import draining
from assets.discovery.ledger import finishing, pauses, reaping
from tests.assets.discovery.engine.drain_worlds import (
    PATIENCE_S,
    Gathering,
    World,
    returning,
    until,
)

SOON = "timeout_s: 0.2"
ONCE = "retry: {max_attempts: 1}"


def with_ledger(world, do):
    connection = world.open()
    try:
        return do(connection)
    finally:
        connection.close()


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
    assert world.outcomes() == ["failed", None]
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
            time.sleep(0.4)
        reconcile(*args)

    def one(work):
        until(lambda: len(calls) == 2)
        ended.set()
        return {}

    monkeypatch.setattr(draining, "reconcile_ledger", slow)
    world = World(tmp_path, {"one": one}, stage={"one": SOON}, runner="reconcile_every_s: 0.01")
    world.add("a")
    assert world.beside().answer().stages.done == 1
    assert world.outcomes() == ["done"]


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
    with_ledger(
        world, lambda connection: reaping.reap(connection, world.resources.plans, world.resources.clock())
    )
    gathering.open()
    drain.answer()
    assert gathering.seen == {"a": 1}
    assert world.outcomes() == ["done", "lost"]
    assert [row["item_id"] for row in world.events("lease_lost")] == [2]


@pytest.mark.parametrize("way", ["log", "add_cost", "http"])
def test_a_pause_at_once_ends_running_work_at_its_next_call_and_gives_it_back(tmp_path, way):
    def one(work):
        calls = {
            "log": lambda: work.log("on"),
            "add_cost": lambda: work.add_cost(1),
            "http": lambda: work.http.fetch("file:///nowhere"),
        }
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            with suppress(Exception):  # A handler that goes on after every error.
                calls[way]()
            time.sleep(0.01)

    world = World(tmp_path, {"one": one})
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    with_ledger(world, lambda connection: pauses.pause(connection, "papers", "now", 1, at_once=True))
    summary = drain.answer()
    assert (summary.stopped, world.outcomes()) == ("paused", ["released"])
    assert (world.stage("a")["attempt"], world.stage("a")["error_class"]) == (0, None)


def test_what_a_handler_makes_of_being_told_to_end_is_no_failure(tmp_path):
    def one(work):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            try:
                work.log("on")
            except BaseException as error:
                raise KeyError("cleaning up failed") from error
            time.sleep(0.01)

    world = World(tmp_path, {"one": one})
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    with_ledger(world, lambda connection: pauses.pause(connection, "papers", "now", 1, at_once=True))
    assert drain.answer().stopped == "paused"
    assert world.outcomes() == ["released"]


def test_a_plain_pause_lets_the_handler_go_on(tmp_path):
    go = Event()

    def one(work):
        assert go.wait(PATIENCE_S)
        work.log("on")
        return {}

    world = World(tmp_path, {"one": one})
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    with_ledger(world, lambda connection: pauses.pause(connection, "papers", "later", 1))
    world.stop.pass_by(3)
    go.set()
    assert drain.answer().stages.done == 1


def test_a_cancelled_item_ends_cancelled_when_its_handler_fails(tmp_path):
    go = Event()

    def one(work):
        assert go.wait(PATIENCE_S)
        raise TimeoutError("slow")

    world = World(tmp_path, {"one": one})
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    world.write("UPDATE work_items SET cancelled_at = 1")
    go.set()
    drain.answer()
    assert world.statuses() == {"a": ["cancelled"]}


def test_a_stop_gives_running_handlers_their_grace_and_then_their_attempts_back(tmp_path):
    gathering, costs = Gathering(), []

    def one(work):
        work.add_cost(3)
        costs.append(1)
        return gathering(work)

    world = World(tmp_path, {"one": one}, runner="concurrency: 1, grace_s: 0.3")
    world.add("a", "b")
    drain = world.beside()
    gathering.await_workers(1)
    world.stop.set()
    summary = drain.answer()
    assert (summary.stopped, world.outcomes()) == ("signal", ["released", "released"])
    assert [world.stage(key)["attempt"] for key in "ab"] == [0, 0]
    assert world.spent() == 3
    reasons = [row["reason"] for row in world.events("released")]
    assert reasons == ["the run is stopping", "the run ended before its handler did"]
    gathering.open()


def test_what_a_handler_spends_after_the_whole_drain_is_still_booked(tmp_path):
    go = Event()

    def one(work):
        assert go.wait(PATIENCE_S)
        work.add_cost(11)

    world = World(tmp_path, {"one": one}, runner="grace_s: 0")
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    world.stop.set()
    drain.answer()
    assert world.spent() == 0
    go.set()
    until(lambda: world.spent() == 11)
    assert world.statuses() == {"a": ["pending"]}


def test_a_cancelled_task_gives_the_grace_and_everything_back_before_it_ends(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, runner="concurrency: 1, grace_s: 0.3")
    world.add("a", "b")

    async def cancelled():
        task = asyncio.create_task(world.draining())
        while not gathering.at_work:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return world.outcomes()

    assert asyncio.run(cancelled()) == ["released", "released"]
    gathering.open()


class Broken(Exception):
    """An error of the ledger that a test brings about."""


def test_an_error_of_the_ledger_gives_back_what_it_can_and_passes_through(tmp_path, monkeypatch):
    gathering, finish = Gathering(), finishing.finish

    def finish_but_not_c(connection, job, ended, now, *more):
        if any(each.claim.item_id == 3 for each in ended):
            raise Broken("disk full")
        return finish(connection, job, ended, now, *more)

    def one(work):
        work.add_cost(4)
        return {} if work.key == "c" else gathering(work)

    monkeypatch.setattr(draining.finishing, "finish", finish_but_not_c)
    world = World(tmp_path, {"one": one}, runner="concurrency: 3, claim_batch: 5")
    world.add(*"abcde")
    with pytest.raises(Broken, match="disk full"):
        world.beside().answer()
    assert [row["attempt"] for row in world.rows("SELECT attempt FROM item_stages")] == [0, 0, 1, 0, 0]
    assert world.outcomes() == ["released", "released", None, "released", "released"]
    assert world.spent() == 8
    assert world.events("run_finished")[0]["stopped"] == "error"
    gathering.open()


def test_a_result_that_could_not_be_written_at_first_is_written_when_all_is_given_back(tmp_path, monkeypatch):
    finish, calls = finishing.finish, []

    def finish_at_second(connection, job, ended, now, *more):
        calls.append(ended)
        if len(calls) == 1:
            raise sqlite3.OperationalError("database is locked")
        return finish(connection, job, ended, now, *more)

    monkeypatch.setattr(draining.finishing, "finish", finish_at_second)
    world = World(tmp_path, {"one": returning({"n": 1})}, runner="concurrency: 1")
    world.add("a", "b")
    with pytest.raises(sqlite3.OperationalError):
        world.beside().answer()
    assert world.statuses() == {"a": ["done"], "b": ["pending"]}
    assert world.stage("b")["attempt"] == 0


def test_a_ledger_that_is_read_only_all_of_a_sudden_ends_the_drain_and_its_handlers(tmp_path, monkeypatch):
    gathering, told = Gathering(), Event()

    def one(work):
        if work.key == "a":
            return {}
        end = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < end:
                work.log("on")
                time.sleep(0.01)
        except BaseException:
            told.set()
            raise

    start = draining.Attempt.start

    def read_only_from_now_on(attempt):
        world_connection[0].execute("PRAGMA query_only = ON")
        start(attempt)

    world_connection = []
    init = draining.Drain.__init__

    def keep(drain, connection, *more):
        world_connection.append(connection)
        init(drain, connection, *more)

    monkeypatch.setattr(draining.Drain, "__init__", keep)
    monkeypatch.setattr(draining.Attempt, "start", read_only_from_now_on)
    world = World(tmp_path, {"one": one})
    world.add("a", "b")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        world.beside().answer()
    assert told.wait(PATIENCE_S)
    gathering.open()
    assert world.value("PRAGMA integrity_check") == "ok"


def test_runs_that_cannot_be_asked_for_end_no_drain(tmp_path, caplog):
    def ended_runs(runs):
        raise Broken("no connection to the instance")

    world = World(tmp_path, {"one": returning()}, ended_runs=ended_runs)
    world.add("a")
    assert world.drain().stages.done == 1
    assert "no connection to the instance" in caplog.text


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

    return with_ledger(world, reap)
