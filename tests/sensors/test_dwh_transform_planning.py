"""The planner of filtered days against a model: manifests come, are approved, broken, restored; ticks die."""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from assets.dwh.paths import day_folder
from sensors import dwh_transform_planning
from sensors.dwh_transform_planning import FilterPlan, Remembered, plan_filters
from sensors.planning import SourceFile
from tests.assets.dwh.transform_runs import DAY, hour, output, transform_run

NEXT, BEFORE, OLD = DAY + timedelta(days=1), DAY - timedelta(days=1), DAY - timedelta(days=200)


class Store:
    """Objects by key; every write gives a version that never was."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[str, bytes]] = {}
        self.writes = 0
        self.reads: list[str] = []

    def write(self, key: str, content: bytes) -> None:
        self.writes += 1
        self.objects[key] = (str(self.writes), content)

    def run(self, run_id: str, *days: date, day: date = DAY, **changes: Any) -> str:
        """The manifest of a run with outputs of some days."""
        outputs = tuple(output(run_id, each) for each in days)
        key = f"{folder(day)}/manifest-{run_id}.json"
        self.write(key, transform_run(run_id, outputs=outputs, day=day, **changes).content())
        return key

    def read(self, key: str) -> bytes | None:
        self.reads.append(key)
        return self.objects[key][1] if key in self.objects else None

    def listed(self, *days: date) -> dict[date, list[SourceFile]]:
        return {
            day: [
                SourceFile(key, version, len(content))
                for key, (version, content) in self.objects.items()
                if key.startswith(f"{folder(day)}/")
            ]
            for day in days
        }


def folder(day: date) -> str:
    return f"transformed_images/_manifests/pacific/{day_folder(day)}"


def look(store: Store, cursor: str | None = None, listed=(BEFORE, DAY, NEXT), kept=(BEFORE, DAY, NEXT)):
    return plan_filters(
        store.listed(*listed), kept, cursor, store.read, is_partition=lambda day: OLD <= day <= NEXT, mark=7
    )


def days(planned: FilterPlan):
    return [request.day for request in planned.requests]


@pytest.fixture
def store():
    return Store()


def test_without_a_manifest_there_is_nothing_to_ask_for(store):
    store.write(f"{folder(DAY)}/notes.json", b"{}")
    planned = look(store)
    assert (planned.requests, planned.skip_reason) == ((), "No transform manifest is listed.")
    assert store.reads == []


def test_a_success_asks_once_for_its_run_day_and_every_day_of_its_rows(store):
    store.run("r1", BEFORE, DAY)
    planned = look(store)
    assert days(planned) == [BEFORE, DAY]
    assert planned.skip_reason is None
    run_id, day, digest = planned.requests[0].run_key.split(":")
    assert (run_id, day) == ("r1", "2025-01-14")
    assert len(digest) == 16
    again = look(store, planned.new_cursor)
    assert again.requests == ()
    assert again.skip_reason == "Each of the 1 listed transform manifests was looked into before."
    assert len(store.reads) == 1


def test_a_success_without_rows_asks_for_its_run_day_whose_coverage_changed(store):
    store.run("r1")
    assert days(look(store)) == [DAY]


def test_the_days_of_a_run_that_is_replaced_are_asked_for_too(store):
    store.run("r1", BEFORE, DAY)
    cursor = look(store).new_cursor
    store.run("r2", DAY, supersedes=("r1", "unknown"), created_at=hour(25))
    assert days(look(store, cursor)) == [BEFORE, DAY]


@pytest.mark.parametrize("status", ["PENDING_APPROVAL", "FAILED"])
def test_what_is_no_success_asks_for_nothing_until_it_comes_as_a_new_run(store, status):
    store.run("r1", DAY, status=status)
    planned = look(store)
    assert planned.requests == ()
    assert planned.skip_reason == (
        "None of the 1 new transform manifests is a success that touches a partition."
    )
    assert look(store, planned.new_cursor).requests == ()
    store.run("r2", DAY)
    assert [request.run_id for request in look(store, planned.new_cursor).requests] == ["r2"]


def test_runs_of_one_day_that_are_new_at_once_ask_for_it_once_by_the_name_of_the_newest(store):
    store.run("r1", DAY, created_at=hour(26))
    store.run("r2", DAY, NEXT, created_at=hour(25))
    store.run("r3", NEXT, day=NEXT, created_at=hour(27))
    assert [(request.day, request.run_id) for request in look(store).requests] == [
        (DAY, "r1"),
        (NEXT, "r3"),
    ]


def test_a_run_that_comes_late_asks_again_also_if_it_began_before_another(store):
    store.run("r2", DAY, created_at=hour(26))
    first = look(store)
    store.run("r1", DAY, created_at=hour(25))
    (second,) = look(store, first.new_cursor).requests
    assert second.run_id == "r1"
    assert second.run_key != first.requests[0].run_key
    assert look(store).requests[0].run_key not in {second.run_key, first.requests[0].run_key}


def test_a_manifest_that_is_replaced_asks_again(store):
    store.run("r1", DAY)
    first = look(store)
    store.run("r1", DAY)
    (second,) = look(store, first.new_cursor).requests
    assert second.run_key != first.requests[0].run_key


def test_a_manifest_that_cannot_be_read_is_reported_every_time_and_stops_no_other(store):
    broken = f"{folder(DAY)}/manifest-a.json"
    store.write(broken, b"{}")
    store.run("r1", NEXT, day=NEXT)
    planned = look(store)
    assert days(planned) == [NEXT]
    (warning,) = planned.warnings
    assert warning.startswith(f"{broken} cannot be read: ")
    again = look(store, planned.new_cursor)
    assert again.warnings == ()
    assert again.skip_reason == (
        f"Each of the 2 listed transform manifests was looked into before; these cannot be read: {broken}."
    )
    assert store.reads.count(broken) == 1
    store.run("a", DAY)
    restored = look(store, again.new_cursor)
    assert days(restored) == [DAY]
    assert "cannot be read" not in (look(store, restored.new_cursor).skip_reason or "")


def test_a_replaced_run_that_cannot_be_read_hides_no_day_of_the_new_one(store):
    store.write(f"{folder(DAY)}/manifest-r1.json", b"")
    store.run("r2", BEFORE, supersedes=("r1",))
    assert days(look(store)) == [BEFORE, DAY]


def test_rows_of_a_day_that_is_no_partition_are_reported_and_the_other_days_asked_for(store):
    key = store.run("r1", DAY, *(date(2019, 1, number) for number in range(1, 9)))
    planned = look(store)
    assert days(planned) == [DAY]
    (warning,) = planned.warnings
    assert warning.startswith(f"{key} has rows of 2019-01-01, ")
    assert "2019-01-05 and 3 more: no partition" in warning


def test_a_manifest_that_vanishes_before_it_is_read_asks_for_nothing(store):
    store.run("r1", DAY)
    listed = store.listed(DAY)
    planned = plan_filters(listed, [DAY], None, lambda name: None, is_partition=lambda day: True)
    assert planned.requests == ()
    assert planned.warnings == ()


def test_an_old_day_is_read_when_it_is_listed_and_forgotten_when_all_of_it_was(store):
    store.run("r1", OLD, day=OLD)
    planned = look(store, listed=(DAY, OLD))
    assert days(planned) == [OLD]
    assert Remembered.read(planned.new_cursor).seen == {}
    same = look(store, planned.new_cursor, listed=(DAY, OLD))
    assert same.requests == planned.requests, "Dagster drops it by its run key"
    store.run("r0", OLD, day=OLD, created_at=hour(1))
    more = look(store, planned.new_cursor, listed=(DAY, OLD))
    assert more.requests[0].run_key != planned.requests[0].run_key


def test_an_old_day_that_is_too_much_for_a_tick_is_remembered_until_it_is_done(store, monkeypatch):
    monkeypatch.setattr(dwh_transform_planning, "MOST_READ", 2)
    for number in range(3):
        store.run(f"r{number}", OLD + timedelta(days=number), day=OLD)
    first = look(store, listed=(OLD,), kept=())
    assert list(Remembered.read(first.new_cursor).seen) == [OLD]
    second = look(store, first.new_cursor, listed=(OLD,), kept=())
    assert days(first) + days(second) == [OLD, OLD + timedelta(days=1), OLD, OLD + timedelta(days=2)]
    assert Remembered.read(second.new_cursor).seen == {}


def test_a_tick_asks_for_so_many_days_and_the_next_for_the_rest_and_one_run_is_never_cut(store):
    many = [OLD + timedelta(days=number) for number in range(30)]
    store.run("a", *many)
    store.run("b", *(day + timedelta(days=30) for day in many[:5]))
    first = look(store)
    assert days(first) == [*many, DAY]
    second = look(store, first.new_cursor)
    assert days(second) == [*(day + timedelta(days=30) for day in many[:5]), DAY]


def test_the_mark_is_kept_for_the_sensor(store):
    assert Remembered.read(look(store).new_cursor).mark == 7
    assert Remembered.read(None).mark is None


def test_the_cursor_takes_20_bytes_a_manifest(store):
    for number in range(300):
        store.run(f"transform-20250115T180000Z-{number:06x}", DAY)
    planned = look(store, look(store).new_cursor)
    assert planned.requests == look(store, look(store).new_cursor).requests != ()
    assert look(store, planned.new_cursor).requests == ()
    assert len(planned.new_cursor) <= 100 + 20 * 300


@given(
    cursor=st.text()
    | st.sampled_from(
        [
            "[]",
            '{"format":2}',
            '{"format":1}',
            '{"format":1,"mark":"x","seen":{},"unreadable":[]}',
            '{"format":1,"mark":1,"seen":{"x":[]},"unreadable":[]}',
            '{"format":1,"mark":1,"seen":[],"unreadable":[]}',
            '{"format":1,"mark":1,"seen":{"2025-01-15":5},"unreadable":[]}',
            '{"format":1,"mark":Infinity,"seen":{},"unreadable":[]}',
        ]
    )
    | st.integers().map(json.dumps)
)
def test_a_cursor_that_is_not_ours_starts_afresh(cursor):
    store = Store()
    store.run("r1", DAY)
    assert look(store, cursor) == look(store, None)


RUN_DAYS = st.sampled_from([BEFORE, DAY, NEXT, OLD])
ROW_DAYS = st.sets(st.sampled_from([OLD, BEFORE, DAY, NEXT]))


class Sensor(RuleBasedStateMachine):
    """A bucket of manifests, the sensor that looks at it, and a Dagster with a run for each new key.

    A filter run reads all manifests that are there when it starts. So once writing has stopped, the last run
    of each day began after the last manifest that touches it.
    """

    @initialize()
    def start(self) -> None:
        self.store = Store()
        self.cursor: str | None = None
        self.contents: dict[str, set[date]] = {}
        self.keys: set[str] = set()
        self.filtered: dict[date, int] = {}
        self.made: set[date] = set()
        self.written: dict[str, int] = {}
        self.count = 0

    @rule(day=RUN_DAYS, rows=ROW_DAYS, status=st.sampled_from(["SUCCESS", "SUCCESS", "PENDING_APPROVAL"]))
    def a_run_ends(self, day: date, rows: set[date], status: str) -> None:
        self.count += 1
        earlier = [key for key in self.contents if key.startswith(folder(day))]
        replaced = earlier[-1:] if status == "SUCCESS" and self.count % 3 == 0 else []
        key = self.store.run(
            f"r{self.count}",
            *rows,
            day=day,
            status=status,
            created_at=hour(self.count % 5),
            supersedes=tuple(name.removesuffix(".json").rpartition("manifest-")[2] for name in replaced),
        )
        self.made.add(day)
        if status == "SUCCESS":
            touched = {day, *rows}.union(*(self.contents[name] for name in replaced))
            self.contents[key] = {day, *rows}
            self.note(key, touched)

    def note(self, key: str, touched: set[date]) -> None:
        for day in touched:
            self.written[f"{key} {day}"] = self.store.writes

    @rule(day=RUN_DAYS)
    def something_broken_appears(self, day: date) -> None:
        self.store.write(f"{folder(day)}/manifest-broken.json", b"{")
        self.made.add(day)

    @rule()
    def tick(self) -> None:
        planned = self.look()
        self.launch(planned, len(planned.requests))
        self.cursor = planned.new_cursor
        self.made = set()

    @rule(launched=st.integers(0, 3))
    def tick_that_dies_before_its_cursor_is_saved(self, launched: int) -> None:
        self.launch(self.look(), launched)

    @rule()
    def the_cursor_is_lost(self) -> None:
        """And with it what was made of old days, which a person then launches."""
        self.cursor = None
        self.made.add(OLD)

    def look(self) -> FilterPlan:
        unfinished = Remembered.read(self.cursor).seen
        planned = look(self.store, self.cursor, listed={BEFORE, DAY, NEXT, *self.made, *unfinished})
        assert len(set(days(planned))) == len(planned.requests)
        assert (planned.skip_reason is None) == bool(planned.requests)
        return planned

    def launch(self, planned: FilterPlan, count: int) -> None:
        for request in planned.requests[:count]:
            if request.run_key not in self.keys:
                self.keys.add(request.run_key)
                self.filtered[request.day] = self.store.writes

    @invariant()
    def the_cursor_is_bounded(self) -> None:
        files: Mapping[str, object] = self.store.objects if hasattr(self, "store") else {}
        assert len(getattr(self, "cursor", None) or "") <= 150 + 60 * len(files)

    def teardown(self) -> None:
        if not hasattr(self, "store"):
            return
        self.tick()
        assert days(self.look()) == []
        for touch, written in self.written.items():
            day = date.fromisoformat(touch.rpartition(" ")[2])
            assert self.filtered.get(day, 0) >= written, f"{day} was not filtered after {touch}"


TestSensor = Sensor.TestCase
TestSensor.settings = settings(max_examples=100, stateful_step_count=30)
