"""How attempts end that do not end by themselves: pauses, signals, cancellations, errors of the ledger."""

import asyncio
import sqlite3
import time
from contextlib import suppress
from threading import Event

import pytest

from assets.discovery.engine import draining
from assets.discovery.ledger import finishing, pauses
from tests.assets.discovery.engine.drain_worlds import (
    PATIENCE_S,
    Gathering,
    World,
    returning,
    until,
)

SOON = "timeout_s: 0.2"
ONCE = "retry: {max_attempts: 1}"


class Broken(Exception):
    """An error of the ledger that a test brings about."""


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
    world.with_ledger(lambda connection: pauses.pause(connection, "papers", "now", 1, at_once=True))
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
    world.with_ledger(lambda connection: pauses.pause(connection, "papers", "now", 1, at_once=True))
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
    world.with_ledger(lambda connection: pauses.pause(connection, "papers", "later", 1))
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


def test_what_a_handler_spends_at_the_very_moment_at_which_the_drain_ends_is_booked(tmp_path, monkeypatch):
    go, over, end, on_end = Event(), Event(), draining.Attempt.end, draining.Drain._on_end

    def end_and_wait(attempt):
        end(attempt)
        go.set()
        assert over.wait(PATIENCE_S)

    def tell(drain, *ended):
        on_end(drain, *ended)
        over.set()

    def one(work):
        assert go.wait(PATIENCE_S)
        work.add_cost(13)

    monkeypatch.setattr(draining.Attempt, "end", end_and_wait)
    monkeypatch.setattr(draining.Drain, "_on_end", tell)
    world = World(tmp_path, {"one": one}, runner="grace_s: 0")
    world.add("a")
    drain = world.beside()
    until(lambda: world.outcomes() == [None])
    world.stop.set()
    assert drain.answer().cost_micros == 13
    assert (world.spent(), world.outcomes()) == (13, ["released"])


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
