"""Claims, leases, fencing: what two workers of one ledger may and may not do."""

import dataclasses
import threading

import pytest

from assets.discovery.ledger import by_hand, claims, events, jobs, pauses
from assets.discovery.ledger.finishing import Ended, finish
from assets.discovery.ledger.outcomes import Failed, Released, Skipped, Snoozed
from assets.discovery.ledger.transitions import IllegalTransition
from assets.transactions import transaction
from tests.assets.discovery.ledger.ledger_worlds import EXACT, START, done, opened, plan, seen


def test_only_the_first_worker_gets_a_row(world):
    w = world(plan("fetch"))
    w.add("x")
    (claim,) = w.claim(owner="a")
    assert claim.attempt == 1
    assert w.claim(owner="b") == []
    row = w.stage("x")
    assert (row["status"], row["claim_id"], row["lease_until"]) == (
        "in_progress",
        claim.claim_id,
        START + 60_000,
    )


def test_a_heartbeat_moves_the_end_of_a_lease_and_reaping_waits_for_it(world):
    w = world(plan("fetch"))
    w.add("x")
    (claim,) = w.claim()
    assert claims.heartbeat(w.connection, [claim], 60_000, w.at(30).now) == set()
    assert w.at(61).reap() == 0
    assert w.at(91).reap() == 1
    row = w.stage("x")
    assert (row["status"], row["attempt"], row["not_before"]) == ("pending", 1, START + 101_000)
    assert [event["type"] for event in w.events("reaped")] == ["reaped"]


def test_what_a_worker_writes_after_its_lease_is_lost_changes_no_row(world):
    w = world(plan("fetch"))
    w.add("x")
    (late,) = w.claim(owner="a")
    w.at(91).reap()
    assert w.at(95).claim(owner="b") == []
    (second,) = w.at(101).claim(owner="b")
    assert second.attempt == 2
    before = w.stage("x")
    assert w.finish(late, done("late")).status is None
    assert claims.heartbeat(w.connection, [late, second], 60_000, w.now) == {late.claim_id}
    assert w.stage("x") == {**before, "lease_until": w.now + 60_000}
    assert len(w.events("lease_lost")) == 1
    assert w.finish(second).status == "done"
    assert len(w.rows("SELECT * FROM results")) == len(w.events("stage_done")) == 1


def test_no_more_is_claimed_than_asked_for_or_than_there_is(world):
    w = world(plan("fetch"))
    w.add(*"abcdefg")
    assert len(w.claim(3)) == 3
    assert len(w.claim(25)) == 4


def test_small_priorities_come_first_then_old_items_then_early_stages(world):
    job = plan("fetch", "score")
    w = world(dataclasses.replace(job, stages=tuple(dataclasses.replace(s, needs=()) for s in job.stages)))
    w.show(seen("old"), seen("new"), seen("urgent", priority=1))
    order = [(w.item(key)["id"], stage) for key in ("urgent", "old", "new") for stage in ("fetch", "score")]
    found = w.claim(2) + w.claim(3) + w.claim(10)
    assert [(claim.item_id, claim.stage) for claim in found] == order


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_the_order_of_claims_does_not_depend_on_how_many_are_asked_for(world, limit):
    w = world(plan("fetch", "extract", "score"))
    w.show(*(seen(f"k{n}", priority=100 + n % 3) for n in range(9)))
    for claim in w.claim(4):
        w.finish(claim)
    found = []
    while more := w.claim(limit):
        found += more
    keys = [
        (w.rows("SELECT priority FROM item_stages WHERE id = ?", c.stage_id)[0]["priority"], c.item_id)
        for c in found
    ]
    assert keys == sorted(keys)
    assert len(found) == 9


def test_a_stage_waits_for_all_that_it_needs_and_a_skipped_one_counts(world):
    w = world(plan("fetch", "extract", "score"))
    w.add("x")
    (fetch,) = w.claim()
    assert w.claim() == []
    w.finish(fetch)
    (extract,) = w.claim()
    w.finish(extract, Skipped("too short"))
    row = w.stage("x", "extract")
    assert (row["status"], row["skip_reason"]) == ("skipped", "too short")
    (score,) = w.claim()
    assert score.stage == "score"


@pytest.mark.parametrize(
    ("refuse", "code"),
    [
        (lambda w: pauses.pause(w.connection, "papers", "lunch", w.now), "paused"),
        (lambda w: jobs.sync(w.connection, [], w.now), "orphaned"),
        (lambda w: jobs.sync(w.connection, [jobs.JobEntry("papers", "{}", "h", False)], w.now), "disabled"),
    ],
)
def test_a_job_that_may_not_run_gets_no_row_and_none_is_touched(world, refuse, code):
    w = world(plan("fetch"))
    w.add("x")
    refuse(w)
    before = w.stage("x")
    asked = w.ask()
    assert asked.claims == []
    assert [refusal.code for refusal in asked.refusals] == [code]
    assert w.stage("x") == before
    assert w.rows("SELECT * FROM attempts") == []


def test_a_run_for_some_items_claims_only_those(world):
    w = world(plan("fetch"))
    _, second, third = w.add("a", "b", "c")
    assert [claim.item_id for claim in w.claim(active_items={third, second})] == [second, third]
    assert w.claim(active_items=set()) == []


def test_rows_are_claimed_only_for_stages_with_room(world):
    job = plan("fetch", "score")
    w = world(dataclasses.replace(job, stages=tuple(dataclasses.replace(s, needs=()) for s in job.stages)))
    w.add("a", "b", "c")
    found = w.claim(room={"score": 2})
    assert [claim.stage for claim in found] == ["score", "score"]


def test_finishing_a_pending_stage_is_refused_with_both_states(world):
    w = world(plan("fetch"))
    w.add("x", "y")
    mine, other = w.claim()
    w.finish(other, Released())
    stranger = dataclasses.replace(mine, stage_id=other.stage_id)
    with pytest.raises(IllegalTransition, match="pending -> done is not a legal transition of stage fetch"):
        w.finish(stranger)
    assert w.stage("y")["status"] == "pending"


def test_a_refusal_in_a_batch_undoes_the_whole_batch(world):
    w = world(plan("fetch"))
    w.add("x", "y")
    mine, other = w.claim()
    with pytest.raises(IllegalTransition):
        finish(
            w.connection,
            w.job,
            [Ended(mine, done()), Ended(dataclasses.replace(mine, stage_id=other.stage_id), done())],
            w.now,
        )
    assert w.stage("x")["status"] == "in_progress"
    assert w.rows("SELECT * FROM results") == []


def test_a_404_fails_at_the_first_attempt_and_only_what_needs_it_is_blocked(world):
    w = world(plan("fetch", "extract", "score"))
    item_id, _ = w.add("x", "y")
    for claim in w.claim():
        w.finish(claim)
    extract, other = w.claim()
    assert w.finish(extract, Failed("permanent", "404", "404")).status == "failed"
    assert w.finish(other).status == "done"
    assert w.statuses("x") == ["done", "failed", "pending"]
    assert w.stage("x", "extract")["attempt"] == 1
    assert w.derived("x")["derived_status"] == "failed"
    assert [claim.stage for claim in w.claim()] == ["score"]  # of y: siblings go on

    score = w.stage("x", "score")
    assert by_hand.retry_item(w.connection, w.job, item_id, w.now) == 1
    assert w.statuses("x") == ["done", "pending", "pending"]
    assert w.stage("x", "score") == score
    row = w.stage("x", "extract")
    assert (row["attempt"], row["max_attempts"]) == (1, 6)
    assert [attempt["outcome"] for attempt in w.attempts("x")] == ["done", "failed"]


def test_a_snooze_gives_the_attempt_back(world):
    w = world(plan("fetch"))
    w.add("x")
    for n in range(3):
        (claim,) = w.at(300 * n).claim()
        assert claim.attempt == 1
        w.finish(claim, Snoozed(300_000))
        assert w.at(300 * n + 299).claim() == []
    assert w.stage("x")["attempt"] == 0
    tokens = [attempt["id"] for attempt in w.attempts("x")]
    assert tokens == sorted(set(tokens))
    assert {attempt["outcome"] for attempt in w.attempts("x")} == {"snoozed"}


def test_a_released_row_can_be_claimed_at_once_as_the_same_attempt(world):
    w = world(plan("fetch"))
    w.add("x")
    (claim,) = w.claim()
    w.finish(claim, Released("stopping"))
    (again,) = w.claim()
    assert (again.attempt, again.claim_id > claim.claim_id) == (1, True)


def test_retries_wait_longer_each_time_until_the_attempts_are_used_up(world):
    w = world(plan("fetch"))
    w.add("x")
    waits, now = [], 0
    while True:
        (claim,) = w.at(now).claim()
        finished = w.fail(claim)
        if finished.status == "failed":
            break
        waits.append((finished.retry_at - w.now) // 1000)
        assert w.at(now + waits[-1] - 0.001).claim() == []
        now += waits[-1]
    assert waits == [10, 20, 40, 80]
    assert w.stage("x")["error_class"] == "transient"


def test_after_a_retry_by_hand_the_waits_begin_anew(world):
    w = world(plan("fetch"))
    (item_id,) = w.add("x")
    (claim,) = w.claim()
    w.fail(claim, "permanent")
    by_hand.retry_item(w.connection, w.job, item_id, w.now)
    (claim,) = w.claim()
    assert w.fail(claim).retry_at == w.now + 10_000


def test_the_backoff_doubles_up_to_its_cap():
    policy = dataclasses.replace(EXACT, base_ms=30_000, cap_ms=3_600_000)
    waits = [policy.backoff_ms(n) // 1000 for n in range(1, 10)]
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert policy.backoff_ms(10_000) == 3_600_000
    jittered = dataclasses.replace(policy, jitter=0.2)
    assert [jittered.backoff_ms(1, chance) for chance in (0, 0.5, 1)] == [24_000, 30_000, 36_000]


def test_a_reaped_row_waits_ten_seconds_at_most_and_fails_when_its_attempts_are_used_up(world):
    w = world(plan("fetch", retry=dataclasses.replace(EXACT, base_ms=3_600_000, max_attempts=2)))
    w.add("x")
    w.claim()
    assert w.at(60).reap() == 1
    assert w.stage("x")["not_before"] == w.now + 10_000
    w.at(70).claim()
    assert w.at(130).reap() == 1
    row = w.stage("x")
    assert (row["status"], row["error_class"]) == ("failed", "lost")
    assert [attempt["outcome"] for attempt in w.attempts("x")] == ["lost", "lost"]


def test_leases_of_a_run_that_has_ended_are_freed_before_they_expire(world):
    w = world(plan("fetch"))
    w.add("x", "y")
    w.claim(1, owner="ended")
    (living,) = w.claim(1, owner="living")
    assert w.reap(ended_runs={"ended"}) == 1
    assert [w.stage(key)["status"] for key in "xy"] == ["pending", "in_progress"]
    assert w.reap(dead_owners={living.owner}) == 1
    assert w.stage("y")["status"] == "pending"
    assert [event["run_id"] for event in w.events("reaped")] == ["ended", "living"]


def test_a_claim_waits_for_another_writer_instead_of_failing(world, tmp_path):
    w = world(plan("fetch"))
    w.add("x")
    holding = threading.Event()

    def write_slowly() -> None:
        other = opened(tmp_path / "ledger")
        with transaction(other):
            events.write(other, "woken", events.Subject("papers"), START)
            holding.set()
            threading.Event().wait(0.2)
        other.close()

    writer = threading.Thread(target=write_slowly)
    writer.start()
    assert holding.wait(60)
    assert len(w.claim()) == 1
    writer.join(60)
    assert len(w.events("woken")) == 1


def test_what_a_pause_or_a_breaker_would_refuse_by_now_is_told_before_a_row_is_started(world):
    w = world(plan("fetch"))
    w.add("x")
    (claim,) = w.claim()
    assert claims.standing(w.connection, "papers", w.now, claim.stage) is None
    pauses.pause(w.connection, "papers", "lunch", w.now, until=w.now + 5)
    refusal = claims.standing(w.connection, "papers", w.now, claim.stage)
    assert refusal is not None
    assert (refusal.code, refusal.until) == ("paused", w.now + 5)
    assert "lunch" in refusal.text
    assert claims.standing(w.connection, "unheard", w.now) is not None


@pytest.mark.parametrize("paused", [False, True])
def test_a_claim_that_finds_nothing_takes_no_write_lock(world, tmp_path, paused):
    w = world(plan("fetch"))
    w.add("x")
    w.finish(w.claim()[0], Snoozed(1000))
    if paused:
        pauses.pause(w.connection, "papers", "lunch", w.now)
    other = opened(tmp_path / "ledger")
    other.execute("BEGIN IMMEDIATE")
    w.connection.execute("PRAGMA busy_timeout = 0")
    asked = w.ask()
    assert asked.claims == []
    assert [refusal.code for refusal in asked.refusals] == (["paused"] if paused else [])
    other.execute("ROLLBACK")
    other.close()
