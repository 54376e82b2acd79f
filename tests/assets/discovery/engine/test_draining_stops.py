"""Why a drain ends, what it waits for before that, and whom it works on."""

from collections import Counter

import pytest

from assets.discovery.contract import Skip, Snooze
from assets.discovery.ledger import pauses
from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import (
    Clock,
    Gathering,
    World,
    raising,
    returning,
    script,
    until,
)

EXACT = "retry: {base_s: 30, jitter: 0}"
LATER = TransientFailure("come back later")


def test_every_stage_of_every_item_is_done_in_one_drain(tmp_path):
    world = World(
        tmp_path, {"one": returning({"n": 1}), "two": lambda work: {"n": work.inputs["one"]["n"] + 1}}
    )
    world.add("a", "b", "c")
    summary = world.drain()
    assert world.statuses() == {key: ["done", "done"] for key in "abc"}
    assert (summary.stopped, summary.stopped_reason) == ("drained", "")
    assert (summary.items_done, summary.items_failed, summary.stages.done) == (3, 0, 6)
    assert world.value("SELECT payload_json FROM results WHERE item_id = 2 AND stage = 'two'") == '{"n":2}'


def test_a_thousand_items_of_which_every_tenth_fails_are_one_run(tmp_path):
    def one(work):
        if int(work.key) % 10 == 0:
            raise PermanentFailure("404")
        return {}

    world = World(tmp_path, {"one": one}, runner="claim_batch: 50")
    world.add(*map(str, range(1000)))
    summary = world.drain()
    assert (summary.items_done, summary.items_failed, summary.stopped) == (900, 100, "drained")
    assert world.value("SELECT count(*) - count(DISTINCT stage_id) FROM attempts") == 0


def test_what_the_last_stage_at_work_unlocks_is_worked_on_although_a_look_before_found_nothing(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering, "two": returning()}, runner="reconcile_every_s: 500")
    world.add("a")
    drain = world.beside(single_pass=True)
    gathering.await_workers(1)
    world.stop.pass_by(3)
    gathering.open()
    assert drain.answer().stages.done == 2
    assert world.statuses() == {"a": ["done", "done"]}


def test_a_single_pass_leaves_a_retry_for_later_and_says_so(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": raising(LATER)}, job=EXACT, clock=clock)
    world.add("a")
    summary = world.drain(single_pass=True)
    assert (summary.stopped, summary.stopped_reason) == ("drained", "What is left waits for later.")
    assert (summary.stages.retried, clock.seconds) == (1, 0)
    assert world.statuses() == {"a": ["pending"]}


def test_without_a_single_pass_retries_are_waited_for_as_long_as_the_run_may_take(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(LATER, LATER, {"n": 3})}, job=EXACT, clock=clock)
    world.add("a")
    summary = world.drain()
    assert (summary.stopped, summary.stages.retried, summary.stages.done) == ("drained", 2, 1)
    assert clock.seconds == 30 + 60
    assert world.stage("a")["attempt"] == 3


def test_a_retry_that_falls_due_after_the_end_of_the_run_is_not_waited_for(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(LATER, {})}, job="retry: {base_s: 700, jitter: 0}", clock=clock)
    world.add("a")
    assert world.drain().stopped == "drained"
    assert clock.seconds == 0


def test_waits_are_cut_so_that_reconciliation_stays_on_time(tmp_path):
    clock = Clock()
    world = World(
        tmp_path, {"one": script(LATER, {})}, job=EXACT, clock=clock, runner="reconcile_every_s: 12"
    )
    world.add("a")
    world.drain()
    assert world.stop.waits == [12, 12, 6]


def test_a_snoozed_item_is_waited_for_and_its_attempts_are_given_back(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(Snooze(300), Snooze(200), {})}, clock=clock)
    world.add("a")
    assert world.drain().stopped == "drained"
    assert world.outcomes() == ["snoozed", "snoozed", "done"]
    assert (world.stage("a")["attempt"], clock.seconds) == (1, 500)


def test_a_handler_that_snoozes_for_no_time_is_not_asked_more_than_once_a_second(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(Snooze(0), Snooze(-5), {})}, clock=clock)
    world.add("a")
    world.drain()
    assert clock.seconds == 2


def test_the_time_of_a_run_ends_it_and_what_runs_may_finish(tmp_path):
    clock = Clock()

    def slow(work):
        clock.advance(400)
        return {}

    world = World(
        tmp_path,
        {"one": slow},
        clock=clock,
        runner="drain_max_s: 600, concurrency: 1, lease_s: 5000",
        stage={"one": "timeout_s: 5000"},
    )
    world.add("a", "b", "c")
    summary = world.drain()
    assert (summary.stopped, summary.stages.done) == ("time", 2)
    assert "600 s" in summary.stopped_reason
    assert world.statuses() == {"a": ["done"], "b": ["done"], "c": ["pending"]}
    assert world.stage("c")["attempt"] == 0
    assert world.outcomes() == ["done", "done", "released"]


def test_rows_that_were_not_begun_are_given_back_as_soon_as_the_time_is_up(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, runner="concurrency: 1, drain_max_s: 0.3")
    world.add("a", "b")
    drain = world.beside()
    gathering.await_workers(1)
    until(lambda: world.outcomes() == [None, "released"])
    gathering.open()
    assert (drain.answer().stopped, world.outcomes()) == ("time", ["done", "released"])


def test_a_limit_counts_items_across_stages_and_is_told_when_more_are_left(tmp_path):
    world = World(tmp_path, {"one": returning(), "two": returning(), "three": returning()})
    world.add("a", "b", "c", "d")
    summary = world.drain(limit=2)
    assert (summary.stopped, summary.items_done, summary.stages.done) == ("limit", 2, 6)
    assert world.statuses() == {
        "a": ["done"] * 3,
        "b": ["done"] * 3,
        "c": ["pending"] * 3,
        "d": ["pending"] * 3,
    }
    assert world.drain(limit=2).stopped == "drained"


def test_a_limit_waits_for_the_retries_of_its_items_and_takes_no_others_meanwhile(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": script(LATER, {})}, job=EXACT, clock=clock)
    world.add("a", "b", "c")
    summary = world.drain(limit=2)
    assert (summary.stopped, summary.items_done, summary.stages.retried) == ("limit", 2, 2)
    assert world.stage("c")["attempt"] == 0


def test_only_active_items_are_claimed_and_the_limit_is_one_among_them(tmp_path):
    world = World(tmp_path, {"one": returning()})
    ids = world.add("a", "b", "c", "d")
    assert world.drain(active_items={ids[1], ids[3]}).stopped == "drained"
    assert world.statuses() == {"a": ["pending"], "b": ["done"], "c": ["pending"], "d": ["done"]}
    assert world.drain(active_items={ids[0], ids[1], ids[2]}, limit=1).stopped == "limit"
    assert world.statuses()["a"] == ["done"]
    assert world.statuses()["c"] == ["pending"]
    assert world.drain(active_items=set()).stages.done == 0


def test_a_failed_stage_keeps_only_its_own_item_back(tmp_path):
    def one(work):
        if work.key == "b":
            raise PermanentFailure("404 for b")
        return {}

    world = World(tmp_path, {"one": one, "two": returning()})
    world.add("a", "b", "c")
    summary = world.drain()
    assert world.statuses() == {"a": ["done"] * 2, "b": ["failed", "pending"], "c": ["done"] * 2}
    assert (summary.items_done, summary.items_failed, summary.stages.failed) == (2, 1, 1)
    assert world.stage("b")["attempt"] == 1


def test_a_skipped_stage_lets_the_next_one_run_without_its_input(tmp_path):
    inputs = []

    def two(work):
        inputs.append(dict(work.inputs))
        return {}

    world = World(tmp_path, {"one": lambda work: Skip("too short"), "two": two})
    world.add("a")
    summary = world.drain()
    assert world.statuses() == {"a": ["skipped", "done"]}
    assert (summary.stages.skipped, summary.items_done, inputs) == (1, 1, [{}])
    assert world.stage("a", "one")["skip_reason"] == "too short"


def test_a_stage_of_its_own_bound_and_the_runner_bound_what_works_at_once(tmp_path):
    one, two = Gathering(), Gathering()
    world = World(
        tmp_path,
        {"one": one, "two": two},
        stage={"one": "concurrency: 2", "two": "needs: []"},
        runner="concurrency: 5, claim_batch: 20",
    )
    world.add(*(f"k{n}" for n in range(10)))
    drain = world.beside(single_pass=True)
    one.await_workers(2)
    two.await_workers(3)
    one.open()
    two.open()
    drain.answer()
    assert (one.most, two.most <= 5) == (2, True)
    assert Counter(one.seen) == Counter(two.seen) == Counter(f"k{n}" for n in range(10))


def test_a_paused_job_claims_nothing_and_resumes_when_its_time_has_come(tmp_path):
    clock = Clock()
    world = World(tmp_path, {"one": returning()}, clock=clock)
    world.add("a")
    world.with_ledger(
        lambda connection: pauses.pause(connection, "papers", "lunch", clock.now, until=clock.now + 60_000),
    )
    clock.advance(59)
    summary = world.drain()
    assert (summary.stopped, world.outcomes()) == ("paused", [])
    assert "lunch" in summary.stopped_reason
    clock.advance(2)
    assert world.drain().stopped == "drained"
    assert world.statuses() == {"a": ["done"]}


def test_a_pause_in_between_lets_running_work_finish_and_gives_prefetched_rows_back_uncounted(tmp_path):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, runner="concurrency: 2, claim_batch: 10")
    world.add(*"abcdef")
    drain = world.beside()
    gathering.await_workers(2)
    world.with_ledger(lambda connection: pauses.pause(connection, "papers", "stop", 1))
    # They are given back while the two go on: nobody waits for a slot to learn of the pause.
    until(lambda: world.outcomes().count("released") == 4)
    gathering.open()
    summary = drain.answer()
    assert (summary.stopped, summary.stages.done) == ("paused", 2)
    assert world.outcomes() == ["done"] * 2 + ["released"] * 4
    assert [world.stage(key)["attempt"] for key in "abcdef"] == [1, 1, 0, 0, 0, 0]


def test_an_open_breaker_of_a_stage_without_work_is_no_reason_to_stop(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": returning(), "two": raising(LATER)},
        job="retry: {max_attempts: 1}\nbreaker: {min_calls: 2, window: 2, cool_down_s: 3600}",
        clock=clock,
        runner="concurrency: 1",
    )
    world.add("a", "b")
    assert world.drain().stopped == "drained"
    assert world.statuses() == {"a": ["done", "failed"], "b": ["done", "failed"]}
    assert len(world.events("breaker_open")) == 1


def test_an_open_breaker_ends_a_single_pass_and_is_waited_for_otherwise(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": script(LATER, {})},
        job="retry: {base_s: 1, jitter: 0}\nbreaker: {min_calls: 2, window: 2, cool_down_s: 60}",
        clock=clock,
        runner="concurrency: 1, claim_batch: 5",
    )
    world.add("a", "b", "c")
    summary = world.drain(single_pass=True)
    assert (summary.stopped, summary.stopped_reason) == ("breaker", "The breaker of stage one is open.")
    assert world.outcomes() == ["retry", "retry", "released"]
    assert world.stage("c")["attempt"] == 0
    summary = world.drain()
    assert summary.stopped == "drained"
    assert world.statuses() == {key: ["done"] for key in "abc"}
    types = [row["type"] for row in world.events("breaker_open", "breaker_half_open", "breaker_closed")]
    assert types == ["breaker_open", "breaker_half_open", "breaker_closed"] * 2


def test_a_breaker_that_opens_later_than_the_run_may_take_ends_it(tmp_path):
    clock = Clock()
    world = World(
        tmp_path,
        {"one": raising(LATER)},
        job="retry: {base_s: 1, jitter: 0}\nbreaker: {min_calls: 1, window: 1, cool_down_s: 700}",
        clock=clock,
    )
    world.add("a")
    assert world.drain().stopped == "breaker"
    assert clock.seconds == 0


@pytest.mark.parametrize("stopped", ["before", "between"])
def test_a_request_to_stop_ends_it_with_everything_given_back(tmp_path, stopped):
    gathering = Gathering()
    world = World(tmp_path, {"one": gathering}, runner="concurrency: 1, grace_s: 20")
    world.add("a", "b")
    if stopped == "before":
        world.stop.set()
        summary = world.drain()
        assert world.outcomes() == []
    else:
        drain = world.beside()
        gathering.await_workers(1)
        world.stop.set()
        until(lambda: "released" in world.outcomes())
        gathering.open()
        summary = drain.answer()
        assert world.outcomes() == ["done", "released"]
        assert world.stage("b")["attempt"] == 0
    assert summary.stopped == "signal"
