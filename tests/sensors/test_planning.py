"""The planner against a model of the world: files come, grow, are replaced, vanish; ticks die half-way."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sensors.planning import Plan, SourceFile, plan, run_key, stretches

NAMES = st.sampled_from(
    ["es-2025-01.dbn.zst", "es-2025-02.dbn.zst", "es-2025-03.dbn.zst", "notes.txt", "ü:ü"]
)


def file(name: str = "a", version: str = "1", size: int = 10) -> SourceFile:
    return SourceFile(name, version, size)


def look(*listings: list[SourceFile], limit: int = 100) -> Plan:
    """Look at one listing after the other, ten seconds apart, each cursor saved; return the last plan."""
    planned = Plan((), "", None)
    for tick, listing in enumerate(listings):
        planned = plan(listing, planned.new_cursor, 1000.0 + 10 * tick, limit=limit)
    return planned


def test_a_new_file_waits_for_its_second_look_and_the_reason_names_it():
    planned = look([file("es-2025-10.dbn.zst")])
    assert planned.requests == ()
    assert planned.skip_reason == (
        "Waiting until two looks find the same version and size of es-2025-10.dbn.zst (for 0 s)."
    )


def test_a_file_that_is_the_same_on_two_looks_is_asked_for():
    planned = look([file()], [file()])
    assert planned.requests == (file(),)
    assert planned.skip_reason is None


def test_a_file_that_was_asked_for_is_not_asked_for_again():
    planned = look([file()], [file()], [file()])
    assert planned.requests == ()
    assert planned.skip_reason == "Each of the 1 listed files was asked for before, in its present version."


@pytest.mark.parametrize(
    "grown", [file(version="2"), file(size=11), file(version="2", size=11)], ids=["version", "size", "both"]
)
def test_a_file_that_is_still_written_waits_and_the_reason_tells_how_long(grown):
    planned = look([file()], [grown], [file(version="3", size=12)])
    assert planned.requests == ()
    assert planned.skip_reason == "Waiting until two looks find the same version and size of a (for 20 s)."


def test_a_replaced_file_is_asked_for_again_when_it_has_settled():
    replaced = file(version="2")
    asked = look([file()], [file()], [replaced])
    assert asked.requests == ()
    assert look([file()], [file()], [replaced], [replaced]).requests == (replaced,)


def test_a_file_that_vanishes_is_forgotten_and_settles_anew_when_it_comes_back():
    assert look([file()], [file()], []).skip_reason == "No file is listed."
    assert look([file()], [file()], []).new_cursor == look([]).new_cursor
    assert look([file()], [file()], [], [file()]).requests == ()
    assert look([file()], [file()], [], [file()], [file()]).requests == (file(),)


def test_a_file_that_gets_an_old_version_back_is_asked_for_under_its_old_run_key():
    first, second = file(version="1"), file(version="2")
    planned = look([first], [first], [second], [second], [first], [first])
    assert [run_key(request) for request in planned.requests] == ["a:1"]


def test_a_tick_asks_for_no_more_than_its_limit_and_the_next_ones_for_the_rest():
    listing = [file(name) for name in "edcba"]
    asked = [look(*[listing] * looks, limit=2).requests for looks in (2, 3, 4, 5)]
    assert [[request.name for request in requests] for requests in asked] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
        [],
    ]


def test_the_file_that_has_waited_longest_comes_first():
    planned = look(
        [file("z")], [file("z", version="2"), file("a")], [file("z", version="2"), file("a")], limit=1
    )
    assert planned.requests == (file("z", version="2"),)


def test_a_long_reason_names_five_files_and_counts_the_others():
    reason = look([file(name) for name in "abcdefg"]).skip_reason
    assert reason is not None
    assert reason.endswith("of a (for 0 s), b (for 0 s), c (for 0 s), d (for 0 s), e (for 0 s) and 2 more.")


def test_the_run_key_holds_name_and_version():
    assert run_key(file("es-2025-10.dbn.zst", "0a1b")) == "es-2025-10.dbn.zst:0a1b"


def test_a_name_that_is_listed_twice_is_refused():
    with pytest.raises(ValueError, match="'a' is listed twice"):
        plan([file(), file(version="2")], None, 0.0)


def test_a_limit_of_nothing_is_refused():
    with pytest.raises(ValueError, match="The limit is 0"):
        plan([], None, 0.0, limit=0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FOREIGN = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    JSON.map(lambda files: json.dumps({"format": 1, "files": files})),
    JSON.map(lambda entry: json.dumps({"format": 1, "files": {"key": entry}})),
    st.just(look([file()]).new_cursor.replace('"format":1', '"format":2')),
    st.just(look([file()]).new_cursor[:-3]),
    st.just(json.dumps({"format": 1, "files": {"key": ["state", math.inf]}})),
)


@given(cursor=FOREIGN)
def test_a_cursor_that_is_not_ours_starts_afresh(cursor):
    listing = [file("a"), file("b")]
    assert plan(listing, cursor, 5.0) == plan(listing, None, 5.0)


@given(
    listing=st.lists(
        st.builds(SourceFile, st.text(min_size=1), st.text(), st.integers(0)),
        unique_by=lambda each: each.name,
        max_size=20,
    ),
    now=st.floats(0, 1e11),
)
def test_the_cursor_takes_at_most_60_bytes_a_file_whatever_the_names(listing, now):
    first = plan(listing, None, now)
    second = plan(listing, first.new_cursor, now)
    for planned in (first, second):
        assert len(planned.new_cursor.encode()) <= 30 + 60 * len(listing)
    assert len(second.requests) == len(listing)


@given(listing=st.lists(st.builds(file, NAMES), unique_by=lambda each: each.name), shuffled=st.randoms())
def test_the_order_of_the_listing_does_not_matter(listing, shuffled):
    other = list(listing)
    shuffled.shuffle(other)
    cursor = plan(listing, None, 0.0).new_cursor
    assert plan(listing, cursor, 9.0) == plan(other, cursor, 9.0)


class Sensor(RuleBasedStateMachine):
    """A store, a sensor that looks at it, and a Dagster that starts one run for each new run key.

    Every write gives a file a version it never had, as an etag does.
    """

    @initialize(limit=st.integers(1, 3))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.now = 1000.0
        self.writes = 0
        self.store: dict[str, SourceFile] = {}
        self.cursor: str | None = None
        self.seen_by_cursor: dict[str, SourceFile] = {}
        self.runs: list[str] = []
        self.repeatable: set[str] = set()
        """Run keys that may be asked for twice: since a tick died, or since the cursor forgot the file."""

    @rule(name=NAMES, size=st.integers(0, 5))
    def write(self, name: str, size: int) -> None:
        self.writes += 1
        self.store[name] = SourceFile(name, str(self.writes), size)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if name in self.store:
            self.repeatable.add(run_key(self.store.pop(name)))

    @rule()
    def lose_the_cursor(self) -> None:
        self.cursor = None
        self.seen_by_cursor = {}
        self.repeatable.update(map(run_key, self.store.values()))

    @rule()
    def tick(self) -> None:
        planned = self.look()
        self.launch(planned, len(planned.requests))
        self.repeatable.difference_update(map(run_key, planned.requests))
        self.cursor = planned.new_cursor
        self.seen_by_cursor = dict(self.store)

    @rule(launched=st.integers(0, 3))
    def tick_that_dies_before_its_cursor_is_saved(self, launched: int) -> None:
        planned = self.look()
        self.launch(planned, launched)
        self.repeatable.update(map(run_key, planned.requests))

    def look(self) -> Plan:
        self.now += 30
        listing = list(self.store.values())
        planned = plan(listing, self.cursor, self.now, limit=self.limit)
        assert planned == plan(listing, self.cursor, self.now, limit=self.limit)
        assert len(planned.requests) <= self.limit
        assert (planned.skip_reason is None) == bool(planned.requests)
        for request in planned.requests:
            assert request == self.store[request.name], "what is asked for is what is there"
            assert request == self.seen_by_cursor.get(request.name), "and what the look before saw"
        return planned

    def launch(self, planned: Plan, count: int) -> None:
        for request in planned.requests[:count]:
            if run_key(request) in self.runs:
                assert run_key(request) in self.repeatable, "asked for twice without need"
            else:
                self.runs.append(run_key(request))

    @invariant()
    def every_look_runs_once(self) -> None:
        runs = getattr(self, "runs", [])
        assert len(runs) == len(set(runs))

    def teardown(self) -> None:
        """Once writing has stopped, every file gets its run within two looks and those the limit asks."""
        if hasattr(self, "store"):
            for _ in range(2 + math.ceil(len(self.store) / self.limit)):
                self.tick()
            assert {run_key(each) for each in self.store.values()} <= set(self.runs)
            assert self.look().requests == ()


TestSensor = Sensor.TestCase
TestSensor.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.parametrize(
    ("keys", "grouped"),
    [
        ([], []),
        (["c"], [("c",)]),
        (["a", "b", "c"], [("a", "b", "c")]),
        (["f", "a", "b", "d"], [("a", "b"), ("d",), ("f",)]),
        (["b", "a", "b"], [("a", "b")]),
        (list("fedcba"), [tuple("abcdef")]),
    ],
)
def test_neighbouring_keys_make_one_stretch(keys, grouped):
    assert stretches(keys, "abcdef") == grouped


def test_a_key_that_does_not_exist_belongs_to_no_stretch():
    with pytest.raises(ValueError, match="x, y: not among the 6 keys that exist"):
        stretches(["y", "a", "x"], "abcdef")


@given(keys=st.sets(st.sampled_from(range(30))))
def test_stretches_hold_every_key_once_are_unbroken_and_as_long_as_can_be(keys):
    ordered = [f"2025-{number:02}" for number in range(30)]
    found = stretches((ordered[number] for number in keys), ordered)
    positions = [[ordered.index(key) for key in stretch] for stretch in found]
    assert [number for stretch in positions for number in stretch] == sorted(keys)
    for stretch in positions:
        assert stretch == list(range(stretch[0], stretch[-1] + 1))
    for before, after in pairwise(positions):
        assert after[0] > before[-1] + 1
