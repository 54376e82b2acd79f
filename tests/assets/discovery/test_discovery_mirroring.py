"""What Dagster is told of items: everything that is done, once for each time, whatever dies in between."""

from collections.abc import Collection, Mapping, Sequence

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery import mirroring
from assets.discovery.checks import items_key
from assets.discovery.engine.registry import utc_now
from assets.discovery.keys import partition_key
from assets.discovery.ledger import by_hand, events, jobs, mirror, schema
from assets.discovery.ledger.mirror import DoneItem
from assets.discovery.mirroring import registration
from tests.assets.discovery.dagster_worlds import NAME, World, job, partitions

pytestmark = pytest.mark.materialise


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def world(tmp_path, instance) -> World:
    return World(tmp_path, instance)


class Book:
    """A catalogue in memory that can die after so many records."""

    def __init__(self, lives: int = 10**9) -> None:
        self.keys: list[str] = []
        self.records: list[tuple[str, int]] = []
        self.lives = lives

    def registered(self) -> Sequence[str]:
        return list(self.keys)

    def register(self, keys: Sequence[str]) -> None:
        self.keys += keys

    def remove(self, keys: Sequence[str]) -> None:
        self.keys = [key for key in self.keys if key not in keys]

    def recorded(self, keys: Collection[str]) -> Mapping[str, int]:
        return {key: sequence for key, sequence in self.records if key in keys}

    def record(self, item: DoneItem) -> None:
        if self.lives == 0:
            raise KeyboardInterrupt
        self.lives -= 1
        self.records.append((item.partition_key, item.sequence))


def drained(world: World, *things: str, **doing: str) -> None:
    """Items worked on by somebody who told nobody: as from the command line."""
    world.show(*things, **doing)
    assert world.run("discover").success
    world.run("drain")
    with world.writing() as connection:
        connection.execute("UPDATE job_state SET mirror_seq = 0")


def tell(world: World, book: Book, **options: int) -> mirroring.Mirrored:
    with world.writing() as connection:
        mirrored = mirroring.tell(connection, world.roster.jobs[0], book, **options)
        assert not connection.in_transaction
        return mirrored


def test_each_done_item_is_told_once(world):
    drained(world, "a", "b", c="fail", d="retry")
    book = Book()
    assert tell(world, book) == mirroring.Mirrored(recorded=2)
    assert [key for key, _ in book.records] == partitions("a", "b")
    assert tell(world, book) == mirroring.Mirrored()
    assert len(book.records) == 2


def test_a_backlog_is_told_in_the_order_of_the_ledger_over_several_runs(world):
    drained(world, *(f"k{n}" for n in range(7)))
    book = Book()
    sizes = [tell(world, book, at_most=3).recorded for _ in range(4)]
    assert sizes == [3, 3, 1, 0]
    sequences = [sequence for _, sequence in book.records]
    assert sequences == sorted(sequences)
    assert len(set(book.records)) == 7


@pytest.mark.parametrize("lives", range(5))
def test_a_crash_between_the_record_and_the_mark_repeats_nothing(world, lives, monkeypatch):
    monkeypatch.setattr(mirroring, "_AT_ONCE", 2)
    drained(world, "a", "b", "c", "d", "e")
    book = Book(lives)
    with pytest.raises(KeyboardInterrupt):
        tell(world, book)
    book.lives = 10**9
    tell(world, book)
    assert sorted(key for key, _ in book.records) == sorted(partitions("a", "b", "c", "d", "e"))


def test_a_lost_mark_repeats_nothing(world):
    drained(world, "a", "b")
    book = Book()
    tell(world, book)
    with world.writing() as connection:
        connection.execute("UPDATE job_state SET mirror_seq = 0")
    assert tell(world, book) == mirroring.Mirrored(recorded=0, known_before=2)


def test_an_item_that_is_done_anew_is_told_anew(world):
    drained(world, "a", "b")
    book = Book()
    tell(world, book)
    ((item_id,),) = world.query("SELECT id FROM work_items WHERE key = 'a'")
    with world.writing() as connection:
        by_hand.retry_item(connection, world.roster.plan(world.roster.jobs[0]), item_id, utc_now())
    world.launch(*partitions("a"))
    tell(world, book)
    assert [key for key, _ in book.records] == partitions("a", "b", "a")
    first, _, last = [sequence for _, sequence in book.records]
    assert last > first


def test_an_item_that_was_set_right_by_hand_is_told(world):
    drained(world, "a", b="fail")
    book = Book()
    tell(world, book)
    ((item_id,),) = world.query("SELECT id FROM work_items WHERE key = 'b'")
    with world.writing() as connection:
        by_hand.set_aside(connection, item_id, "skipped", "never mind", utc_now())
    assert tell(world, book).recorded == 1
    assert book.records[-1][0] == partition_key("b")


def test_items_that_are_gone_or_beyond_the_limit_are_passed_over(tmp_path, instance):
    world = World(tmp_path, instance, job(mirror_limit=2))
    drained(world, "a", "b", "c", "d")
    with world.writing() as connection:
        connection.execute("UPDATE work_items SET gone_at = 1 WHERE key = 'd'")
    book = Book()
    assert tell(world, book) == mirroring.Mirrored(recorded=2)
    assert [key for key, _ in book.records] == partitions("b", "c")
    with world.writing() as connection:
        row = jobs.standing(connection, NAME)
        assert row is not None
        assert row.mirror_seq == events.last_seq(connection, NAME)
        assert mirror.done_since(connection, NAME, ["work"], row.mirror_seq, 10) == []


def test_an_item_that_came_half_way_is_not_told_and_takes_nobodys_place(tmp_path, instance):
    world = World(tmp_path, instance, job(stages=("work", "more")))
    drained(world, "c", a="fail_later", b="fail_later")
    book = Book()
    assert tell(world, book, at_most=1) == mirroring.Mirrored(recorded=1, is_behind=True)
    assert [key for key, _ in book.records] == partitions("c")
    assert tell(world, book) == mirroring.Mirrored()


def test_a_job_that_the_ledger_does_not_know_has_nothing_to_tell(world):
    with world.writing() as connection:
        schema.migrate(connection, 0)
    assert tell(world, Book()) == mirroring.Mirrored()


def test_no_limit_of_zero_registers_or_tells_anything(tmp_path, instance):
    world = World(tmp_path, instance, job(mirror_limit=0))
    drained(world, "a")
    assert world.registered() == set()
    assert world.recorded() == []
    assert world.observed()["unmirrored"] == 1


KEYS = st.lists(st.integers(0, 12).map(str), unique=True)


@given(items=KEYS, known=KEYS, limit=st.integers(0, 8))
def test_registration_holds_the_newest_and_never_more_than_the_limit(items, known, limit):
    newest = items[:limit]
    change = registration(newest, known[:limit], limit)
    after = [key for key in known[:limit] if key not in change.remove] + change.add
    assert len(after) == len(set(after)) <= limit
    assert set(newest) <= set(after)
    assert not set(change.remove) & set(newest)
    assert registration(newest, after, limit) == ([], [])


def test_a_drain_of_a_thousand_items_is_one_run_and_the_next_tells_the_rest(tmp_path, instance):
    """E43."""
    world = World(tmp_path, instance, job(runner={"concurrency": 16, "claim_batch": 50}))
    good = [f"k{n}" for n in range(1000) if n % 10]
    world.show(*good, **{f"k{n}": "fail" for n in range(0, 1000, 10)})
    assert world.run("discover").success
    assert len(world.registered()) == 1000
    assert world.run("drain").success
    told = world.observed()
    assert (told["done"], told["failed"]) == (900, 100)
    assert (told["mirrored"], told["mirroring"]) == (500, "goes on in the next run")
    assert len(world.recorded()) == 500
    assert world.run("drain").success
    assert world.observed()["mirrored"] == 400
    assert sorted(world.recorded()) == sorted(partitions(*good))
    assert world.run("drain").success
    assert len(world.recorded()) == 900


def test_a_real_instance_knows_what_it_was_told_although_the_mark_was_lost(tmp_path):
    home = tmp_path / "dagster_of_the_test"
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        world = World(tmp_path, instance)
        drained(world, "a", "b", "c")
        assert sorted(world.recorded()) == sorted(partitions("a", "b", "c"))
        world.run("drain")
        assert (world.observed()["mirrored"], world.observed()["mirrored_before"]) == (0, 3)
        assert len(world.recorded()) == 3
        assert instance.get_materialized_partitions(items_key(NAME)) == set(partitions("a", "b", "c"))


def test_a_launch_and_the_next_drain_tell_of_one_end_once(world):
    world.show("a")
    world.run("discover")
    world.launch(*partitions("a"))
    world.run("drain")
    assert world.recorded() == partitions("a")
    assert world.observed()["mirrored_before"] == 1
