"""One attempt by itself: it ends once, hears that it is over, and hands out its costs once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

import pytest

from assets.discovery.engine.attempts import Assignment, Attempt, Station
from assets.discovery.engine.handler_loop import handler_loop
from assets.discovery.handler_modules import Handler
from assets.discovery.ledger.claims import Claim
from assets.discovery.ledger.items import ItemContent
from assets.discovery.ledger.outcomes import Done, Outcome, Released
from resources.http import Http
from tests.assets.discovery.engine.drain_worlds import PATIENCE_S, START, Handle

CLAIM = Claim(7, 1, 3, "papers", "one", 2, 1, 5, "hash", "owner", "run", START, START + 1)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with handler_loop() as loop:
        yield loop


class Desk:
    """Where attempts of one handler are made and come to their ends."""

    def __init__(self, folder: Path, handle: Handle, loop: asyncio.AbstractEventLoop, **more: Any) -> None:
        handler = Handler("tests.one", handle, "4", "0" * 64)
        self.station = Station(
            "papers", "one", handler, {}, 60, Http(), folder / "ledger.sqlite", lambda: START, loop, **more
        )
        self.ends: Queue[Outcome] = Queue()

    def attempt(self, spent: int = 0) -> Attempt:
        assignment = Assignment(CLAIM, ItemContent("a", '{"x":1}', None, None, None), {}, spent)
        return Attempt(self.station, assignment, lambda attempt, outcome: self.ends.put(outcome))

    def end(self) -> Outcome:
        """The end of the next attempt; there is no second one."""
        outcome = self.ends.get(timeout=PATIENCE_S)
        assert self.ends.empty()
        return outcome


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_what_a_handler_returns_is_kept_with_its_version(tmp_path, loop, kind):
    async def awaiting(work):
        await asyncio.sleep(0)
        return {"b": 1, "a": work.data["x"]}

    plain = {"plain": lambda work: {"b": 1, "a": work.data["x"]}, "async": awaiting}
    desk = Desk(tmp_path, plain[kind], loop)
    desk.attempt().start()
    outcome = desk.end()
    assert isinstance(outcome, Done)
    assert (outcome.handler_version, outcome.payload_json, outcome.size) == ("4", '{"a":1,"b":1}', 13)
    assert outcome.logic_hash == "0" * 64


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_an_attempt_that_was_over_before_it_began_does_nothing(tmp_path, loop, kind, recwarn):
    done = []

    def plain(work):
        work.log("begin")
        done.append(1)
        return {}

    async def awaiting(work):
        await asyncio.sleep(0)
        done.append(1)
        return {}

    desk = Desk(tmp_path, {"plain": plain, "async": awaiting}[kind], loop)
    attempt = desk.attempt()
    attempt.end()
    attempt.start()
    assert desk.end() == Released("its attempt was over")
    assert done == []
    assert [warning for warning in recwarn if "never awaited" in str(warning.message)] == []


def test_who_cleans_up_after_being_told_to_end_is_not_told_again(tmp_path, loop):
    begun, clean, cancels = Event(), Event(), []

    async def one(work):
        try:
            begun.set()
            await asyncio.sleep(PATIENCE_S)
        except asyncio.CancelledError as error:
            cancels.append(error)
            clean.set()
            for _ in range(20):
                await asyncio.sleep(0.001)
            cancels.append("cleaned up")
            raise

    desk = Desk(tmp_path, one, loop)
    attempt = desk.attempt()
    attempt.start()
    assert begun.wait(PATIENCE_S)
    attempt.end()
    assert clean.wait(PATIENCE_S)
    attempt.end()
    assert desk.end() == Released("its attempt was over")
    assert cancels[1:] == ["cleaned up"]


def test_costs_are_handed_out_once_and_counted_from_what_the_item_cost_before(tmp_path, loop):
    seen = []

    def one(work):
        work.add_cost(3)
        work.add_cost(None)
        seen.append(attempt.take_costs())
        work.add_cost(3)
        return {}

    desk = Desk(tmp_path, one, loop, item_budget_micros=105)
    attempt = desk.attempt(spent=100)
    attempt.start()
    outcome = desk.end()
    assert getattr(outcome, "error_class", None) == "budget"
    assert [[cost.micros for cost in costs] for costs in [*seen, attempt.take_costs()]] == [[3, None], [3]]
    assert attempt.take_costs() == []


def test_an_item_may_spend_all_that_it_has_to_the_last_micro(tmp_path, loop):
    desk = Desk(tmp_path, lambda work: work.add_cost(5) or {}, loop, item_budget_micros=105)
    desk.attempt(spent=100).start()
    assert isinstance(desk.end(), Done)


def test_the_loop_of_handlers_ends_with_what_is_left_on_it_cancelled():
    ended = []

    async def waiting():
        try:
            await asyncio.sleep(PATIENCE_S)
        finally:
            ended.append(1)

    async def begun():
        task = asyncio.ensure_future(waiting())
        await asyncio.sleep(0)
        return task

    with handler_loop() as loop:
        asyncio.run_coroutine_threadsafe(begun(), loop).result(PATIENCE_S)
    assert ended == [1]
    assert loop.is_closed()
