"""The planner of discovery's sensors: one run at a time, none lost, and every skip says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.discovery_planning import (
    FIRST_WAIT_MS,
    LONGEST_WAIT_MS,
    Asked,
    Fate,
    Memory,
    Plan,
    Situation,
    plan,
    run_key,
)

NOW = 1_000_000_000
IDLE = Situation("filings", NOW, discoveries=4, sequence=70)
DUE = replace(IDLE, discovery_due_at=NOW)
WAITING = replace(IDLE, has_work=True)


def planned(situation: Situation, memory: Memory | None = None, fate: Fate = "unknown") -> Plan:
    return plan(situation, memory or Memory(), lambda _key: fate, lambda at: f"<{at}>")


def keys(found: Plan) -> list[str]:
    return [request.run_key for request in found.requests]


CASES = {
    "never run, with a clock": (replace(IDLE, discovery_due_at=0, discoveries=0), ["filings:discover:0.0"]),
    "due now": (DUE, ["filings:discover:4.0"]),
    "due, but a backfill that is complete": (replace(DUE, is_complete=True), []),
    "a complete backfill, woken": (replace(DUE, is_complete=True, is_woken=True), ["filings:discover:4.0"]),
    "not due yet": (replace(IDLE, discovery_due_at=NOW + 1), []),
    "without a clock": (IDLE, []),
    "woken without a clock": (replace(IDLE, is_woken=True), ["filings:discover:4.0"]),
    "due while paused": (replace(DUE, paused="why"), []),
    "due while paused, discovery kept": (
        replace(DUE, paused="why", pause_keeps_discovery=True),
        ["filings:discover:4.0"],
    ),
    "due while over budget": (replace(DUE, over_budget_until=NOW + 1), ["filings:discover:4.0"]),
    "work waits": (WAITING, ["filings:items:70.0"]),
    "work waits while paused": (replace(WAITING, paused="why"), []),
    "work waits while paused, discovery kept": (
        replace(WAITING, paused="why", pause_keeps_discovery=True),
        [],
    ),
    "work waits while over budget": (replace(WAITING, over_budget_until=NOW + 1), []),
    "done items untold": (replace(IDLE, has_untold=True), ["filings:items:70.0"]),
    "done items untold while paused": (replace(IDLE, has_untold=True, paused="why"), ["filings:items:70.0"]),
    "the jobs file changed": (replace(IDLE, unknown_config="c2"), ["filings:items:70.0"]),
    "the jobs file changed while paused": (replace(IDLE, unknown_config="c2", paused="why"), []),
    "both": (replace(DUE, has_work=True), ["filings:discover:4.0", "filings:items:70.0"]),
    "disabled": (replace(DUE, has_work=True, is_enabled=False), []),
    "due while discovering": (replace(DUE, is_discovering=True), []),
    "work while draining": (replace(WAITING, is_draining=True), []),
}


@pytest.mark.parametrize(("situation", "expected"), CASES.values(), ids=CASES.keys())
def test_what_is_asked_for(situation, expected):
    found = planned(situation)
    assert keys(found) == expected
    assert (found.skip_reason is None) == bool(expected)


REASONS = {
    "paused: the site asked us to": replace(WAITING, paused="the site asked us to"),
    f"over budget until <{NOW + 5}>": replace(WAITING, over_budget_until=NOW + 5),
    f"nothing claimable, next retry at <{NOW + 7}>": replace(IDLE, next_retry_at=NOW + 7),
    f"nothing claimable, next retry at <{NOW + 7}>, next discovery at <{NOW + 9}>": replace(
        IDLE, next_retry_at=NOW + 7, discovery_due_at=NOW + 9
    ),
    f"nothing claimable, next retry at <{NOW + 7}> (the breaker of fetch is open)": replace(
        IDLE, next_retry_at=NOW + 7, shut_stages=("fetch",)
    ),
    "nothing claimable": IDLE,
    "drain in progress": replace(WAITING, is_draining=True),
    "discovery in progress": replace(DUE, is_discovering=True),
    "discovery in progress; drain in progress": replace(
        DUE, is_discovering=True, has_work=True, is_draining=True
    ),
    "complete: everything is listed, and nothing of it waits": replace(DUE, is_complete=True),
    "disabled in the jobs file": replace(IDLE, is_enabled=False),
}


@pytest.mark.parametrize(("reason", "situation"), REASONS.items(), ids=REASONS.keys())
def test_a_skip_says_why(reason, situation):
    assert planned(situation).skip_reason == reason


def test_a_drain_that_works_is_told_of_although_nothing_more_waits():
    assert planned(replace(IDLE, is_draining=True)).skip_reason == "drain in progress"


def test_a_request_that_left_its_trace_gives_the_next_one_another_key():
    first = planned(WAITING)
    assert keys(planned(replace(WAITING, sequence=71), first.memory)) == ["filings:items:71.0"]


def test_a_changed_jobs_file_is_made_known_once_also_if_the_runs_know_a_newer_one():
    first = planned(replace(IDLE, unknown_config="c2"))
    assert keys(planned(replace(IDLE, unknown_config="c2", sequence=71), first.memory)) == []
    assert keys(planned(replace(IDLE, unknown_config="c3", sequence=71), first.memory)) == [
        "filings:items:71.0"
    ]


def test_a_request_whose_run_still_waits_is_not_made_again():
    found = planned(WAITING, planned(WAITING).memory, fate="live")
    assert found.skip_reason == "drain in progress"


@pytest.mark.parametrize("fate", ["unknown", "ended"])
def test_a_request_without_a_trace_is_made_again_later_and_later(fate):
    found, now, waits = planned(WAITING), NOW, []
    for n in range(1, 9):
        early = planned(replace(WAITING, now=now + 1), found.memory, fate)
        assert early.skip_reason is not None
        assert early.skip_reason.startswith("the last request left no trace; asked again at <")
        assert early.memory == found.memory
        again = int(early.skip_reason.partition("<")[2].rstrip(">"))
        waits.append(again - now)
        found, now = planned(replace(WAITING, now=again), found.memory, fate), again
        assert keys(found) == [f"filings:items:70.{n}"]
    assert waits[0] == FIRST_WAIT_MS
    assert waits[1] == 2 * FIRST_WAIT_MS
    assert waits[-1] == LONGEST_WAIT_MS


def test_a_lost_cursor_asks_with_the_same_key_which_dagster_drops():
    assert keys(planned(WAITING, Memory.read(None))) == keys(planned(WAITING))


ASKED = st.none() | st.builds(Asked, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))


@given(st.builds(Memory, ASKED, ASKED, st.integers(-1, 9), st.text(max_size=4)))
def test_a_cursor_is_read_as_it_was_written(memory):
    assert Memory.read(memory.write()) == memory


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "[]", "7", "{}", '{"format":2}', '{"format":1,"discover":{"a":1},"items":null,"registered":1}'],
)
def test_a_strange_cursor_is_an_empty_one(cursor):
    assert Memory.read(cursor) == Memory()


SITUATIONS = st.builds(
    Situation,
    job=st.just("filings"),
    now=st.integers(NOW, NOW + 10),
    is_enabled=st.booleans(),
    is_complete=st.booleans(),
    paused=st.none() | st.just("why"),
    pause_keeps_discovery=st.booleans(),
    over_budget_until=st.none() | st.just(NOW + 100),
    discovery_due_at=st.none() | st.integers(NOW - 5, NOW + 20),
    is_woken=st.booleans(),
    discoveries=st.integers(0, 3),
    sequence=st.integers(0, 3),
    has_work=st.booleans(),
    has_untold=st.booleans(),
    next_retry_at=st.none() | st.integers(NOW, NOW + 9),
    is_discovering=st.booleans(),
    is_draining=st.booleans(),
)


@given(SITUATIONS, st.builds(Memory, ASKED, ASKED), st.sampled_from(["live", "ended", "unknown"]))
def test_there_is_either_a_request_or_a_reason_and_what_was_asked_is_remembered(situation, memory, fate):
    found = planned(situation, memory, fate)
    assert bool(found.requests) != bool(found.skip_reason)
    assert len({request.kind for request in found.requests}) == len(found.requests)
    for request in found.requests:
        asked = getattr(found.memory, request.kind)
        assert request.run_key == run_key("filings", request.kind, asked)
        assert not (situation.is_draining if request.kind == "items" else situation.is_discovering)
    if situation.paused is not None and not situation.has_untold:
        assert all(request.kind == "discover" for request in found.requests)


TICKS = st.lists(
    st.tuples(
        st.sampled_from(["works", "leaves no trace", "is lost"]), st.booleans(), st.integers(1, 5_000_000)
    ),
    max_size=30,
)


@given(TICKS)
def test_work_is_never_forgotten_whatever_becomes_of_the_requests(ticks):
    """Runs work, die without a trace or are lost, cursors are kept or lost: in the end a new run starts."""
    memory, sequence, now = Memory(), 0, NOW
    started: set[str] = set()

    def look() -> Plan:
        situation = Situation("filings", now, sequence=sequence, has_work=True)
        return plan(situation, memory, lambda key: "ended" if key in started else "unknown", str)

    for becomes, loses_cursor, passes in ticks:
        found = look()
        for request in found.requests:
            if request.run_key in started or becomes == "is lost":
                continue
            started.add(request.run_key)
            sequence += becomes == "works"
        memory = Memory() if loses_cursor else found.memory
        now += passes
    for _ in range(len(ticks) + 1):
        now += 2 * LONGEST_WAIT_MS
        found = look()
        (request,) = found.requests
        if request.run_key not in started:
            return
        memory = found.memory
    pytest.fail("every request has a key of a run that there was, and Dagster drops it")
