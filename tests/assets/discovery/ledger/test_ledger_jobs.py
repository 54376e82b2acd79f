"""Jobs: the jobs file, pauses, waking, limiters, and the pass that puts things right."""

import dataclasses
import hashlib
import json
import multiprocessing
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.ledger import alignment, jobs, limiters, owners, pauses, reconciliation
from assets.discovery.ledger.jobs import JobEntry
from assets.discovery.ledger.limiters import Rate
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.outcomes import RateLimited
from assets.discovery.ledger.owners import Owner
from assets.discovery.ledger.plans import RetryPolicy, StagePlan
from assets.transactions import transaction
from tests.assets.discovery.ledger.ledger_worlds import EXACT, START, opened, plan, seen


def reconcile(w, **more):
    return reconciliation.reconcile(
        w.connection, {w.job.job_id: w.job}, w.now, is_dead=lambda _: False, chance=lambda: 0.5, **more
    )


def test_the_jobs_file_adds_changes_orphans_and_brings_back(connection):
    first, second = JobEntry("a", "{}", "1"), JobEntry("b", "{}", "1")
    assert jobs.sync(connection, [first, second], 1) == (["a", "b"], [], [])
    assert jobs.sync(connection, [first, second], 2) == ([], [], [])
    assert jobs.sync(connection, [dataclasses.replace(first, config_hash="2")], 3) == ([], ["a"], ["b"])
    assert jobs.state_of(connection, "b", 4) == "orphaned"
    assert jobs.sync(connection, [first, second], 5) == ([], ["a", "b"], [])
    assert jobs.state_of(connection, "b", 6) == "idle"
    types = connection.execute("SELECT job_id, type FROM events ORDER BY seq").fetchall()
    assert types == [(job_id, "config_changed") for job_id in "abab"]


def test_a_stage_that_was_removed_is_cancelled_where_it_waits_and_a_new_one_gets_its_rows(world):
    w = world(plan("fetch", "score"))
    w.show(seen("done"), seen("waiting"), seen("gone", deleted=False))
    w.drain()
    w.add("late")
    w.show(seen("gone", deleted=True))
    w.job = plan("fetch", "extract")
    assert alignment.align_stages(w.connection, w.job, w.now) == 4
    assert alignment.align_stages(w.connection, w.job, w.now) == 0
    found = {
        (row["key"], row["stage"]): row["status"]
        for row in w.rows(
            "SELECT w.key, s.stage, s.status FROM item_stages s JOIN work_items w ON w.id = s.item_id"
        )
    }
    assert found["late", "score"] == "cancelled"
    assert found["done", "score"] == "done"
    assert found["late", "extract"] == found["done", "extract"] == "pending"
    assert ("gone", "extract") not in found
    assert len(w.events("config_changed")) == 1


def test_rows_that_were_never_tried_take_over_the_number_of_attempts(world):
    w = world(plan("fetch"))
    w.add("tried", "fresh")
    w.fail(w.claim(1)[0])
    w.job = plan("fetch", retry=dataclasses.replace(EXACT, max_attempts=2))
    alignment.align_stages(w.connection, w.job, w.now)
    assert [w.stage(key)["max_attempts"] for key in ("tried", "fresh")] == [5, 2]


def test_an_item_without_stage_rows_is_pending_and_gets_them(world):
    w = world(plan("fetch"))
    w.add("x")
    w.connection.execute("DELETE FROM item_stages")
    assert w.derived("x")["derived_status"] == "pending"
    assert reconcile(w).stage_rows == 1
    assert len(w.claim()) == 1


def test_pausing_twice_keeps_the_first_and_unpausing_leaves_failed_stages(world):
    w = world(plan("fetch"))
    w.add("x")
    w.fail(w.claim()[0], "permanent")
    assert pauses.pause(w.connection, "papers", "lunch", w.now, by="ann")
    assert not pauses.pause(w.connection, "papers", "dinner", w.now + 9)
    row = w.job_row()
    assert (row["paused_at"], row["paused_reason"], row["paused_by"]) == (START, "lunch", "ann")
    assert len(w.events("paused")) == 1
    assert pauses.unpause(w.connection, "papers", w.now)
    assert not pauses.unpause(w.connection, "papers", w.now)
    assert len(w.events("resumed")) == 1
    assert w.statuses("x") == ["failed"]


def test_a_pause_with_an_end_ends_at_the_next_pass_after_it(world):
    w = world(plan("fetch"))
    w.add("x")
    pauses.pause(w.connection, "papers", "lunch", w.now, until=START + 60_000)
    assert reconcile(w.at(59)).resumed == []
    assert w.claim() == []
    assert reconcile(w.at(61)).resumed == ["papers"]
    assert len(w.claim()) == 1
    assert len(w.events("resumed")) == 1


def test_a_pause_without_an_end_never_ends_by_itself(world):
    w = world(plan("fetch"))
    pauses.pause(w.connection, "papers", "lunch", w.now)
    assert reconcile(w.at(10**9)).resumed == []


def test_waking_makes_discovery_due_and_ends_waiting_but_not_a_pause(world):
    w = world(plan("fetch"))
    w.add("x")
    w.fail(w.claim()[0])
    assert w.claim() == []
    assert pauses.wake(w.connection, "papers", w.now)
    assert w.job_row()["wake_at"] == w.now
    assert len(w.claim()) == 1
    w.discover(seen("x"), report=Report())
    assert w.job_row()["wake_at"] is None
    pauses.pause(w.connection, "papers", "lunch", w.now)
    before = w.job_row()
    assert not pauses.wake(w.connection, "papers", w.now)
    assert w.job_row() == before


@pytest.mark.parametrize(
    ("prepare", "state"),
    [
        (lambda w: None, "idle"),
        (lambda w: w.claim(), "running"),
        (lambda w: (w.drain(), w.show(seen("x"), complete=True)), "complete"),
        (lambda w: pauses.pause(w.connection, "papers", "", w.now), "paused"),
        (
            lambda w: w.connection.execute("UPDATE job_state SET over_budget_until = ?", (w.now + 1,)),
            "over_budget",
        ),
        (lambda w: jobs.sync(w.connection, [JobEntry("papers", "{}", "h", False)], w.now), "disabled"),
        (lambda w: jobs.sync(w.connection, [], w.now), "orphaned"),
    ],
)
def test_the_one_word_for_a_job(world, prepare, state):
    w = world(plan("fetch"))
    w.add("x")
    prepare(w)
    assert jobs.state_of(w.connection, "papers", w.now, is_backfill=True) == state


def test_the_mirror_never_goes_back(world):
    w = world(plan("fetch"))
    jobs.set_mirrored(w.connection, "papers", 7)
    jobs.set_mirrored(w.connection, "papers", 3)
    row = jobs.standing(w.connection, "papers")
    assert row is not None
    assert row.mirror_seq == 7


def test_a_pass_without_findings_takes_no_write_lock(world, tmp_path):
    w = world(plan("fetch"))
    w.add("x")
    other = opened(tmp_path / "ledger")
    other.execute("BEGIN IMMEDIATE")
    w.connection.execute("PRAGMA busy_timeout = 0")
    assert reconcile(w) == (0, [], 0, 0, 0, [])
    other.execute("ROLLBACK")
    other.close()


def test_a_pass_frees_the_leases_of_dead_owners(world):
    w = world(plan("fetch"))
    w.add("x", "y")
    w.claim(1, owner="dead")
    w.claim(1, owner="alive")
    found = reconciliation.reconcile(
        w.connection, {}, w.now, is_dead=lambda owner: owner.endswith(":dead"), chance=lambda: 0.5
    )
    assert found.reaped == 1
    assert [w.stage(key)["status"] for key in "xy"] == ["pending", "in_progress"]


def test_a_rate_limit_gives_the_attempt_back_and_cools_the_limiter(world):
    w = world(plan("fetch"))
    w.add("x")
    until = w.now + 30_000
    assert w.finish(w.claim()[0], RateLimited(until, "429", "sec.gov")).retry_at == until
    row = w.stage("x")
    assert (row["attempt"], row["not_before"], row["error_class"]) == (0, until, "rate_limited")
    assert limiters.take_turn(w.connection, "sec.gov", [Rate(10, 1)], w.now) == 30_000


def test_a_limiter_lets_a_burst_go_and_spaces_the_rest(connection):
    waits = [limiters.take_turn(connection, "l", [Rate(2, 1)], START) for _ in range(5)]
    assert waits == [0, 0, 500, 1000, 1500]
    assert limiters.take_turn(connection, "l", [Rate(2, 1)], START + 60_000) == 0


def test_several_rates_hold_at_once_and_weights_count(connection):
    rates = [Rate(10, 1), Rate(12, 3600)]
    waits = [limiters.take_turn(connection, "l", rates, START, weight=2) for _ in range(7)]
    assert waits[:6] == [0, 0, 0, 0, 0, 200]
    assert waits[6] == 600_000


@given(
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 3)), min_size=1, max_size=25), st.integers(1, 7)
)
def test_no_window_ever_sees_more_than_the_burst_and_its_rate(tmp_path_factory, calls, rate):
    connection = opened(tmp_path_factory.mktemp("ledger"))
    now, starts = START, []
    for pause, weight in calls:
        now += pause
        starts += [now + limiters.take_turn(connection, "l", [Rate(rate, 1, burst=3)], now, weight)] * weight
    connection.close()
    assert starts == sorted(starts)
    for first in range(len(starts)):
        for last in range(first, len(starts)):
            # A millisecond of slack: turns are rounded to one.
            assert last - first + 1 <= 3 + rate * (starts[last] - starts[first] + 1) / 1000 + 1e-9


def test_limiters_written_in_the_future_are_brought_back(world):
    w = world(plan("fetch"))
    w.at(7200)
    limiters.take_turn(w.connection, "l", [Rate(1, 3600)], w.now)
    with transaction(w.connection):
        limiters.cool(w.connection, "c", w.now + 5_000, w.now)
    assert reconcile(w.at(0)).clamped == ["c", "l"]
    assert limiters.take_turn(w.connection, "l", [Rate(1, 3600)], w.now) == 0
    assert limiters.take_turn(w.connection, "c", [Rate(1, 1)], w.now) == 5_000


def test_an_owner_reads_as_it_was_written():
    owner = Owner.of_this_process("run:with:colons")
    assert Owner.parse(str(owner)) == owner
    assert owner.pid == os.getpid()


def test_this_process_lives_and_one_that_ended_or_whose_pid_was_given_away_does_not():
    mine = Owner.of_this_process("r")
    assert not owners.is_dead(str(mine))
    assert owners.is_dead(str(mine._replace(process_start=mine.process_start + 1)))
    child = multiprocessing.get_context("spawn").Process(target=os.getpid)
    child.start()
    theirs = mine._replace(pid=child.pid or 0, process_start=owners.process_start(child.pid or 0) or 1)
    assert not owners.is_dead(str(theirs))
    child.kill()
    child.join()
    assert owners.is_dead(str(theirs))


@pytest.mark.parametrize("owner", ["elsewhere:1:1:r", "not an owner", "host:x:1:r"])
def test_of_other_hosts_and_strange_owners_nothing_is_known(owner):
    assert not owners.is_dead(owner, host="host")


def test_plans_know_their_stages():
    job = plan("fetch", "extract", "score")
    assert job.stage("nothing") is None
    assert [stage.name for stage in job.dependents("extract")] == ["score"]
    assert StagePlan("x").retry == RetryPolicy(5, 30_000, 3_600_000, 0.2)


def config(**changed):
    """The configuration of a job as it is stored, in parts that matter here and parts that do not."""
    discovery = {
        "strategy": "rss_atom",
        "params": {"url": "https://x.test"},
        "key_field": None,
        "every_s": 60,
    }
    whole = {"discovery": discovery, "timezone": "UTC", "replay": None, "priority": 100}
    for name, value in changed.items():
        (whole if name in whole else discovery)[name] = value
    text = json.dumps(whole)
    return JobEntry("a", text, hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    ("changed", "is_dropped"),
    [
        ({"strategy": "sitemap"}, True),
        ({"params": {"url": "https://y.test"}}, True),
        ({"key_field": "id"}, True),
        ({"timezone": "Europe/London"}, True),
        ({"replay": "samples"}, True),
        ({"every_s": 90}, False),
        ({"limit": 5}, False),
        ({"on_change": "ignore"}, False),
        ({"priority": 7}, False),
    ],
)
def test_a_job_that_looks_elsewhere_begins_anew_and_any_other_change_keeps_its_place(
    connection, changed, is_dropped
):
    jobs.sync(connection, [config()], 1)
    connection.execute("UPDATE job_state SET cursor_json = '{}', validators_json = '{}'")
    assert jobs.keeps_place(connection, config(**changed)) != is_dropped
    assert jobs.sync(connection, [config(**changed)], 2).changed == ["a"]
    row = jobs.standing(connection, "a")
    assert row is not None
    assert (row.cursor_json, row.validators_json) == ((None, None) if is_dropped else ("{}", "{}"))
    ((payload,),) = connection.execute("SELECT payload_json FROM events").fetchall()
    assert json.loads(payload).get("source_changed", False) == is_dropped


def test_a_job_that_comes_back_with_its_source_goes_on_where_it_was(connection):
    jobs.sync(connection, [config()], 1)
    connection.execute("UPDATE job_state SET cursor_json = '{}'")
    jobs.sync(connection, [], 2)
    jobs.sync(connection, [config()], 3)
    row = jobs.standing(connection, "a")
    assert row is not None
    assert row.cursor_json == "{}"


def test_a_pass_over_an_aligned_ledger_writes_nothing_and_every_misalignment_is_seen(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b")
    plans = [w.job]
    assert alignment.misaligned(w.connection, plans) == set()
    for damage in (
        "DELETE FROM item_stages WHERE stage = 'score' AND item_id = 1",
        "UPDATE item_stages SET ord = 5 WHERE stage = 'score' AND item_id = 2",
        "UPDATE item_stages SET max_attempts = 9 WHERE stage = 'fetch' AND item_id = 2",
        "INSERT INTO item_stages (item_id, job_id, stage, ord) VALUES (1, 'papers', 'removed', 7)",
    ):
        w.connection.execute(damage)
        assert alignment.misaligned(w.connection, plans) == {"papers"}
        reconciliation.reconcile(w.connection, {"papers": w.job}, w.now)
        assert alignment.misaligned(w.connection, plans) == set()
    before = w.connection.total_changes
    reconciliation.reconcile(w.connection, {"papers": w.job}, w.now)
    assert w.connection.total_changes == before


def test_rows_of_items_that_are_gone_or_cancelled_are_not_missed(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    w.connection.execute("UPDATE work_items SET gone_at = 1 WHERE key = 'a'")
    w.connection.execute("UPDATE work_items SET cancelled_at = 1 WHERE key = 'b'")
    assert alignment.misaligned(w.connection, [w.job]) == set()
