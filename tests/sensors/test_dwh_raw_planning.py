"""The planner of raw windows against a model: prefixes come, grow, are replaced, vanish; ticks die."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from assets.dwh.coverage import Reading
from assets.dwh.days import day_window, local_day, prefix_of, prefix_starts
from assets.dwh.intervals import Interval
from sensors.dwh_raw_planning import (
    MOST_DAYS,
    DayCounts,
    RawPlan,
    RawPrefix,
    WindowRequest,
    days_to_look_at,
    plan_windows,
    raw_prefixes,
)
from sensors.planning import SourceFile

ZONE = "America/Los_Angeles"
DAY = date(2025, 1, 15)
START, END = day_window(DAY, ZONE)
STEP = timedelta(minutes=5)
NOW = START + timedelta(hours=3)
FIRST = date(2025, 1, 1)


def prefix(version: str = "1") -> RawPrefix:
    return RawPrefix(version, 1, 10)


def held(**versions: str):
    """A day that holds `p3="v"`: version v in its prefix number 3."""
    return {START + int(name[1:]) * STEP: prefix(version) for name, version in versions.items()}


def window(first: int, last: int, start: datetime = START) -> Interval:
    return Interval(start=start + first * STEP, end=start + last * STEP)


def read(first: int, last: int, *missing: int) -> Reading:
    return Reading("run", window(first, last), tuple(window(number, number + 1) for number in missing))


def look(*looks, cursor: str | None = None, readings=(), apart: float = 300, limit: int = 5) -> RawPlan:
    """Look at one state of the day after the other, each cursor saved; return the last plan."""
    planned = RawPlan((), (), cursor or "", None, ())
    for tick, each in enumerate(looks):
        planned = plan_windows(
            [DAY],
            {DAY: each},
            planned.new_cursor,
            NOW + tick * timedelta(seconds=apart),
            lambda day: readings,
            timezone=ZONE,
            limit=limit,
        )
    return planned


def windows(plan: RawPlan):
    return [
        ((each.window.start - START) // STEP, (each.window.end - START) // STEP) for each in plan.requests
    ]


def test_a_new_prefix_waits_for_one_interval_and_the_reason_names_it():
    planned = look(held(p24="1"))
    assert planned.requests == ()
    assert planned.skip_reason == (
        "Waiting until these prefixes (UTC), or others of their windows, are unchanged for 5 minutes: "
        "2025-01-15 10:00."
    )
    assert look(held(p24="1"), held(p24="1"), apart=299).requests == ()
    assert windows(look(held(p24="1"), held(p24="1"))) == [(0, 25)]


def test_a_prefix_that_is_still_written_waits_while_the_others_go():
    first, second = held(p0="1", p1="1", p2="1"), held(p0="1", p1="2", p2="1")
    planned = look(first, second)
    assert windows(planned) == [(0, 1), (2, 3)]
    later = look(second, second, second, cursor=planned.new_cursor)
    assert windows(later) == [(1, 2)]


def test_empty_prefixes_before_a_new_one_are_in_its_window_and_those_after_it_are_not():
    asked = look(held(p1="1", p4="1"), held(p1="1", p4="1"))
    assert windows(asked) == [(0, 5)]
    later = held(p1="1", p4="1", p9="1")
    assert windows(look(later, later, cursor=asked.new_cursor)) == [(5, 10)]


def test_what_was_asked_for_is_not_asked_for_again():
    state = held(p0="1", p1="1")
    planned = look(state, state, state)
    assert planned.requests == ()
    assert planned.skip_reason == (
        "Every prefix of the days 2025-01-15 to 2025-01-15 was asked for before, in its present state."
    )


def test_a_day_without_an_object_says_so():
    assert look({}).skip_reason == "No raw image lies in the days 2025-01-15 to 2025-01-15."


@pytest.mark.parametrize(
    "changed", [held(p0="1", p2="2", p3="1"), held(p0="1", p1="1", p2="1", p3="1")], ids=["replaced", "late"]
)
def test_a_change_inside_a_window_asks_for_the_whole_window_again(changed):
    before = held(p0="1", p2="1", p3="1")
    asked = look(before, before)
    assert windows(asked) == [(0, 4)]
    again = look(changed, changed, cursor=asked.new_cursor)
    assert windows(again) == [(0, 4)]
    assert again.requests[0].run_key != asked.requests[0].run_key
    assert look(changed, cursor=again.new_cursor).requests == ()


def test_a_window_waits_as_a_whole_while_one_of_its_prefixes_changes():
    before = held(p0="1", p1="1")
    cursor = look(before, before).new_cursor
    cursor = look(held(p0="2", p1="1"), cursor=cursor).new_cursor
    waits = plan_windows(
        [DAY], {DAY: held(p0="2", p1="2")}, cursor, NOW + timedelta(hours=1), lambda day: (), timezone=ZONE
    )
    assert waits.requests == ()


def test_windows_that_touch_are_asked_for_again_apart_and_together_if_both_changed():
    states = [held(p0="1"), held(p0="1", p1="1"), held(p0="1", p1="1", p2="1")]
    cursor = None
    for state in states:
        asked = look(state, state, cursor=cursor)
        cursor = asked.new_cursor
    one = held(p0="1", p1="2", p2="1")
    assert windows(look(one, one, cursor=cursor)) == [(1, 2)]
    both = held(p0="1", p1="2", p2="2")
    assert windows(look(both, both, cursor=cursor)) == [(1, 3)]


def test_what_someone_else_transformed_is_asked_for_in_his_window():
    state = held(p0="1", p5="1")
    whole = read(0, 288, *range(1, 5), *range(6, 288))
    assert windows(look(state, state, readings=[whole])) == [(0, 288)]
    assert windows(look(state, state, readings=[read(4, 6, 4), read(5, 9, 6, 7, 8)])) == [(0, 1), (4, 9)]


@pytest.mark.parametrize(
    "reading",
    [
        Reading("run", Interval(start=START - STEP, end=START + STEP)),
        Reading("run", Interval(start=START, end=END + STEP)),
        Reading("run", Interval(start=START, end=START)),
    ],
)
def test_a_run_whose_window_no_run_of_the_day_could_replace_is_left_alone(reading):
    state = held(p0="1")
    assert windows(look(state, state, readings=[reading])) == [(0, 1)]


def test_a_window_that_begins_inside_a_prefix_is_widened_to_whole_ones():
    odd = Reading("run", Interval(start=START + STEP / 2, end=START + 3.5 * STEP))
    state = held(p0="1", p1="1", p2="1", p3="1")
    assert windows(look(held(p0="1", p1="1"), held(p0="1", p1="1"), readings=[odd])) == [(0, 2)]
    assert windows(look(state, state, readings=[odd])) == [(0, 4)]


def test_a_run_that_read_what_is_gone_is_not_replaced_and_the_log_says_so():
    state = held(p2="2", p3="2", p5="2")
    planned = look(state, state, readings=[read(0, 6, 1)])
    assert windows(planned) == [(2, 4), (5, 6)]
    (warning,) = planned.warnings
    assert warning.startswith("2025-01-15: 2 prefixes that a run read are gone by now")
    assert look(state, state, readings=[read(0, 6, 0, 1, 4)]).warnings == ()


def test_a_backlog_is_split_over_ticks_and_the_oldest_comes_first():
    first = held(**{f"p{number}": "1" for number in range(0, 20, 2)})
    second = held(**{f"p{number}": "1" if number % 4 else "2" for number in range(0, 20, 2)})
    planned = look(first, second, limit=2)
    asked = [windows(planned)]
    for _ in range(5):
        planned = plan_windows(
            [DAY],
            {DAY: second},
            planned.new_cursor,
            NOW + timedelta(seconds=301),
            lambda day: (),
            timezone=ZONE,
            limit=2,
        )
        asked.append(windows(planned))
    assert asked == [[(1, 3), (5, 7)], [(9, 11), (13, 15)], [(17, 19)], [], [], []]


def test_the_readings_are_wanted_of_days_with_requests_only():
    wanted = []
    looks = {DAY: held(p0="1"), DAY + timedelta(days=1): {}}
    cursor = None
    for tick in range(3):
        planned = plan_windows(
            list(looks),
            looks,
            cursor,
            NOW + tick * STEP,
            lambda day: wanted.append(day) or (),
            timezone=ZONE,
        )
        cursor = planned.new_cursor
    assert wanted == [DAY]


def test_the_day_of_a_request_is_observed_and_only_prefixes_that_are_over_count_as_empty():
    state = {**held(p0="1"), START + STEP: RawPrefix("x", 3, 50)}
    planned = look(state, state)
    assert planned.observed == (DayCounts(DAY, objects=4, size=60, empty_prefixes=36 + 1 - 2),)
    done = plan_windows([DAY], {DAY: {}}, None, END + STEP, lambda day: (), timezone=ZONE)
    assert done.observed == ()


@pytest.mark.parametrize(("day", "count"), [(DAY, 288), (date(2025, 3, 9), 276), (date(2025, 11, 2), 300)])
def test_a_whole_day_is_one_window_also_where_the_clocks_change(day, count):
    start, end = day_window(day, ZONE)
    state = dict.fromkeys(prefix_starts(start, end), prefix())
    cursor = plan_windows([day], {day: state}, None, end, lambda _: (), timezone=ZONE).new_cursor
    planned = plan_windows([day], {day: state}, cursor, end + STEP, lambda _: (), timezone=ZONE)
    (request,) = planned.requests
    assert request.window == Interval(start=start, end=end)
    (counts,) = planned.observed
    assert (counts.objects, counts.empty_prefixes) == (count, 0)
    assert len(planned.new_cursor) <= 60 * (count + 2)


FILE = "raw_images/year=2025/month=01/day=15/hour=08/min=05/a.json"


@pytest.mark.parametrize(
    "key",
    [
        FILE.replace("a.json", "_SUCCESS"),
        FILE.replace("a.json", ".part"),
        FILE.replace("a.json", ""),
        FILE.replace("a.json", "deeper/a.json"),
        FILE.replace("min=05", "min=03"),
        FILE.replace("hour=08", "hour=25"),
        FILE.replace("day=15", "day=32"),
        FILE.replace("hour=08", "hour=07"),
        FILE.replace("year=", "jahr="),
        "raw_images/a.json",
    ],
)
def test_objects_that_are_no_data_of_a_prefix_of_the_day_are_ignored(key):
    frame = Interval(start=START, end=END)
    found = raw_prefixes([SourceFile(FILE, "1", 5), SourceFile(key, "1", 5)], frame)
    assert list(found) == [START + STEP]
    assert (found[START + STEP].objects, found[START + STEP].size) == (1, 5)


def test_a_prefix_changes_with_the_names_versions_and_sizes_of_its_objects_and_not_with_their_order():
    frame = Interval(start=START, end=END)
    one, two = SourceFile(FILE, "1", 5), SourceFile(FILE.replace("a.json", "b.json"), "2", 6)

    def version(*files: SourceFile) -> str:
        return raw_prefixes(files, frame)[START + STEP].version

    assert version(one, two) == version(two, one)
    others = [[one], [two], [one, SourceFile(two.name, "3", 6)], [one, SourceFile(two.name, "2", 7)]]
    assert len({version(one, two), *(version(*files) for files in others)}) == 5


@pytest.mark.parametrize(
    ("looked", "waiting", "today", "first", "last"),
    [
        (None, None, "2025-06-20", "2025-06-17", "2025-06-20"),
        ("2025-06-20", None, "2025-06-20", "2025-06-17", "2025-06-20"),
        ("2025-06-20", None, "2025-06-21", "2025-06-17", "2025-06-21"),
        ("2025-06-15", None, "2025-06-20", "2025-06-12", "2025-06-20"),
        ("2025-06-20", "2025-06-12", "2025-06-20", "2025-06-12", "2025-06-20"),
        ("2025-06-20", "2025-05-01", "2025-06-20", "2025-06-06", "2025-06-20"),
        ("2025-03-01", None, "2025-06-20", "2025-06-06", "2025-06-20"),
        (None, None, "2025-01-02", "2025-01-01", "2025-01-02"),
        ("2025-06-25", None, "2025-06-20", "2025-06-17", "2025-06-20"),
    ],
)
def test_the_days_to_look_at_are_those_since_the_last_look_and_those_that_wait(
    looked, waiting, today, first, last
):
    days = {day: {"prefixes": {}, "windows": []} for day in (looked,) if day}
    if waiting:
        days[waiting] = {"prefixes": {"3": ["ab", 1]}, "windows": []}
    cursor = json.dumps({"format": 1, "resume": None, "days": days}) if days else None
    wanted = days_to_look_at(cursor, date.fromisoformat(today), FIRST)
    assert [str(wanted[0]), str(wanted[-1])] == [first, last]
    assert wanted == sorted(set(wanted))
    assert len(wanted) <= MOST_DAYS + 1


def test_before_the_first_day_there_is_nothing_to_look_at():
    assert days_to_look_at(None, date(2024, 12, 31), FIRST) == []
    planned = plan_windows([], {}, None, NOW, lambda day: (), timezone=ZONE)
    assert planned.skip_reason == "No raw image lies in any day."


def test_days_that_were_not_listed_come_first_next_time_and_are_kept_until_then():
    days = days_to_look_at(None, DAY, FIRST)
    some = {days[0]: {}, days[1]: {}}
    planned = plan_windows(days, some, None, NOW, lambda day: (), timezone=ZONE)
    again = days_to_look_at(planned.new_cursor, DAY, FIRST)
    assert again[0] == days[2]
    assert set(days) <= set(again)
    state = look(held(p0="1")).new_cursor
    unlisted = plan_windows([DAY], {}, state, NOW + STEP, lambda day: (), timezone=ZONE)
    assert windows(look(held(p0="1"), cursor=unlisted.new_cursor, apart=0)) == []
    later = plan_windows(
        [DAY], {DAY: held(p0="1")}, unlisted.new_cursor, NOW + STEP, lambda day: (), timezone=ZONE
    )
    assert windows(later) == [(0, 1)]


FOREIGN = st.one_of(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ).map(json.dumps),
    st.sampled_from([None, "", 5, {"2025-01-15": []}, {"x": {}}, {"2025-01-15": {"prefixes": {"a": 1}}}]).map(
        lambda days: json.dumps({"format": 1, "resume": None, "days": days})
    ),
)


@given(cursor=FOREIGN)
def test_a_cursor_that_is_not_ours_starts_afresh(cursor):
    state = held(p0="1", p3="1")
    fresh = plan_windows([DAY], {DAY: state}, None, NOW, lambda day: (), timezone=ZONE)
    assert plan_windows([DAY], {DAY: state}, cursor, NOW, lambda day: (), timezone=ZONE) == fresh
    assert days_to_look_at(cursor, DAY, FIRST) == days_to_look_at(None, DAY, FIRST)


@dataclass(frozen=True)
class Run:
    """A transform run: what it read, and its window, which replaces those inside it."""

    window: Interval
    read: dict[datetime, RawPrefix]


NUMBERS = st.sampled_from([0, 1, 2, 3, 5, 8, 9])
DAYS = st.sampled_from([DAY, DAY + timedelta(days=1)])


class Sensor(RuleBasedStateMachine):
    """A bucket, the sensor that looks at it, a Dagster that starts a run for each new key, and its runs.

    A run reads what is in its window when it runs. Those that a later one replaced do not count.
    """

    @initialize(limit=st.integers(1, 3))
    def start(self, limit: int) -> None:
        self.limit = limit
        self.now = START + timedelta(hours=30)
        self.writes = 0
        self.store: dict[date, dict[datetime, RawPrefix]] = {DAY: {}, DAY + timedelta(days=1): {}}
        self.seen: dict[datetime, tuple[RawPrefix, datetime]] = {}
        self.cursor: str | None = None
        self.queue: list[WindowRequest] = []
        self.keys: list[str] = []
        self.runs: dict[date, list[Run]] = {day: [] for day in self.store}
        self.vanished = False
        self.only_read: dict[datetime, RawPrefix] = {}
        """What is gone from the bucket after a run had read it."""

    @rule(day=DAYS, number=NUMBERS)
    def write(self, day: date, number: int) -> None:
        """Every write gives a version that never was."""
        self.writes += 1
        at = day_window(day, ZONE)[0] + number * STEP
        self.store[day][at] = prefix(str(self.writes))
        self.only_read.pop(at, None)

    @rule(day=DAYS, number=NUMBERS)
    def delete(self, day: date, number: int) -> None:
        at = day_window(day, ZONE)[0] + number * STEP
        if (removed := self.store[day].pop(at, None)) is None:
            return
        self.vanished = True
        if not self.queue and any(run.read.get(at) == removed for run in self.runs[day]):
            self.only_read[at] = removed

    @rule(seconds=st.sampled_from([60, 240, 300, 900]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def tick(self) -> None:
        planned = self.look()
        self.launch(planned, len(planned.requests))
        self.cursor = planned.new_cursor

    @rule(launched=st.integers(0, 3))
    def tick_that_dies_before_its_cursor_is_saved(self, launched: int) -> None:
        self.launch(self.look(), launched)

    @rule()
    def the_queue_is_worked_off(self) -> None:
        for request in self.queue:
            self.run(request.day, request.window)
        self.queue = []

    @rule(day=DAYS, whole=st.booleans())
    def someone_launches_a_window(self, day: date, whole: bool) -> None:
        """A person may replace what is gone."""
        start = day_window(day, ZONE)[0]
        chosen = window(0, 288, start) if whole else window(2, 6, start)
        self.run(day, chosen)
        for at in [at for at in self.only_read if chosen.start <= at < chosen.end]:
            del self.only_read[at]

    def run(self, day: date, window: Interval) -> None:
        read = {at: each for at, each in self.store[day].items() if window.start <= at < window.end}
        standing = [run for run in self.runs[day] if not window.holds(run.window)]
        self.runs[day] = [*standing, Run(window, read)]

    def readings(self, day: date) -> list[Reading]:
        return [
            Reading(
                "run",
                run.window,
                tuple(
                    Interval(start=at, end=at + STEP)
                    for at in prefix_starts(run.window.start, run.window.end)
                    if at not in run.read
                ),
            )
            for run in self.runs[day]
        ]

    def look(self) -> RawPlan:
        now = {at: each for day in self.store.values() for at, each in day.items()}
        self.seen = {
            at: self.seen[at] if at in self.seen and self.seen[at][0] == each else (each, self.now)
            for at, each in now.items()
        }
        planned = plan_windows(
            list(self.store),
            self.store,
            self.cursor,
            self.now,
            self.readings,
            timezone=ZONE,
            limit=self.limit,
        )
        assert len(planned.requests) <= self.limit
        assert (planned.skip_reason is None) == bool(planned.requests)
        for request in planned.requests:
            start, end = day_window(request.day, ZONE)
            assert Interval(start=start, end=end).holds(request.window)
            inside = [
                seen for at, seen in self.seen.items() if request.window.start <= at < request.window.end
            ]
            assert inside, "a window holds something"
            assert all(self.now - since >= STEP for _, since in inside), "and all of it is quiet"
        return planned

    def launch(self, planned: RawPlan, count: int) -> None:
        for request in planned.requests[:count]:
            if request.run_key not in self.keys:
                self.keys.append(request.run_key)
                self.queue.append(request)

    @invariant()
    def the_cursor_is_bounded(self) -> None:
        held_now = sum(len(day) for day in getattr(self, "store", {}).values())
        assert len(getattr(self, "cursor", None) or "") <= 200 + 60 * (held_now + 2 * 9)

    def teardown(self) -> None:
        """Once writing has stopped, the standing runs hold every prefix as it is, and nothing else."""
        if not hasattr(self, "store"):
            return
        for _ in range(20):
            self.now += STEP
            self.tick()
            self.the_queue_is_worked_off()
        assert self.look().requests == ()
        for day, store in self.store.items():
            read = [item for run in self.runs[day] for item in run.read.items()]
            assert set(store.items()) <= set(read), "nothing is missed"
            gone = {item for item in self.only_read.items() if local_day(item[0], ZONE) == day}
            assert gone <= set(read), "what exists nowhere else is not replaced"
            if not self.vanished:
                assert set(read) == set(store.items()), "nothing old stands beside it"


TestSensor = Sensor.TestCase
TestSensor.settings = settings(max_examples=150, stateful_step_count=40)


def test_the_prefixes_of_the_model_are_those_of_the_bucket():
    assert prefix_of(START + STEP) in FILE
    assert datetime(2025, 1, 15, 8, tzinfo=UTC) == START
