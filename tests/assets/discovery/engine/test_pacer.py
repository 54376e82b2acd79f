"""Which gate a stage passes, and the turns of a drain at it."""

from contextlib import closing

import pytest

from assets.discovery.engine.pacer import Gate, Pacer
from assets.discovery.engine.turns import Turns
from assets.discovery.ledger import limiters
from assets.discovery.ledger.limiters import Rate
from tests.assets.discovery.engine.drain_worlds import START, World, returning

HOST = (Rate(10, 1), Rate(5000, 86400, 20))
FILE = "limiters: {host: [{rate: 10, per_s: 1}, {rate: 5000, per_s: 86400, burst: 20}]}"


@pytest.mark.parametrize(
    ("job", "stage", "gate"),
    [
        ("", "", None),
        ("", "pace: {limiter: host, weight: 3}", Gate("host", HOST, 3)),
        ("pace: {limiter: host}", "", Gate("host", HOST)),
        ("pace: {rate: 2, per_s: 3}", "", Gate("pace:papers", (Rate(2, 3),))),
        (
            "pace: {limiter: host}",
            "pace: {rate: 2, per_s: 3, burst: 5}",
            Gate("pace:papers/one", (Rate(2, 3, 5),)),
        ),
    ],
)
def test_a_stage_waits_for_its_own_pace_before_that_of_its_job(tmp_path, job, stage, gate):
    world = World(tmp_path, {"one": returning()}, job=job, stage={"one": stage}, file=FILE)
    assert Pacer.of(world.resources.jobs).gate(world.job, "one") == gate


@pytest.mark.parametrize(
    ("job", "stage", "name"),
    [("", "pace: {limiter: host}", None), ("pace: {limiter: host}", "pace: {rate: 1, per_s: 1}", "host")],
)
def test_what_the_job_itself_does_waits_for_the_pace_of_the_job(tmp_path, job, stage, name):
    world = World(tmp_path, {"one": returning()}, job=job, stage={"one": stage}, file=FILE)
    gate = Pacer.of(world.resources.jobs).gate(world.job)
    assert (gate and gate.limiter) == name


@pytest.fixture
def connection(tmp_path):
    world = World(tmp_path, {"one": returning()})
    world.add("a")
    with closing(world.open()) as connection:
        yield connection


@pytest.fixture
def turns(connection):
    return Turns(connection, {"one": Gate("host", (Rate(1, 10),))})


def test_a_stage_without_a_gate_may_always_start(turns):
    assert turns.room("two", START, 0, free=4, held=0) is None
    assert turns.has_come("two", START, 0)


def test_a_turn_is_taken_once_and_kept_until_it_comes(turns):
    assert turns.has_come("one", START, 60_000)
    assert not turns.has_come("one", START, 60_000)
    assert turns.is_awaited("one")
    assert list(turns.instants()) == [START + 10_000]
    assert not turns.has_come("one", START + 9_999, 60_000)
    assert turns.has_come("one", START + 10_000, 60_000)
    assert not turns.is_awaited("one")
    assert turns.room("one", START + 10_000, 60_000, free=4, held=0) == 1


@pytest.mark.parametrize(("at", "held", "room"), [(0, 0, 4), (0, 2, 4), (5, 0, 1), (5, 1, 0)])
def test_as_many_rows_are_claimed_as_could_start_and_one_to_wait(connection, turns, at, held, room):
    if at:
        limiters.take_turn(connection, "host", [Rate(1, 10)], START)
    assert turns.room("one", START + at, 60_000, free=4, held=held) == room


def test_a_turn_beyond_the_patience_is_left_to_others_and_the_gate_is_shut(connection, turns):
    assert turns.has_come("one", START, 5_000)
    assert not turns.has_come("one", START, 5_000)
    assert not turns.is_awaited("one")
    assert turns.openings(START) == {"one": START + 10_000}
    assert limiters.next_turn(connection, "host", [Rate(1, 10)], START) == 10_000
    # As soon as a row may wait that long there is room for one again, and its turn is taken.
    assert turns.room("one", START + 4_999, 5_000, free=4, held=0) == 0
    assert turns.room("one", START + 5_000, 5_000, free=4, held=0) == 1
    assert turns.openings(START + 5_000) == {}
    assert not turns.has_come("one", START + 5_000, 5_000)
    assert turns.is_awaited("one")
    assert turns.room("one", START + 5_000, 5_000, free=4, held=0) == 0


def test_a_turn_of_a_stage_without_rows_is_forgotten(turns):
    turns.has_come("one", START, 60_000)
    turns.has_come("one", START, 60_000)
    turns.keep({"two"})
    assert not turns.is_awaited("one")
