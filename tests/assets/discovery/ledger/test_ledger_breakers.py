"""Breakers: a stage that keeps failing is left alone, then probed."""

import dataclasses

import pytest

from assets.discovery.ledger import breakers, claims, jobs, pauses
from assets.discovery.ledger.breakers import Breaker
from assets.discovery.ledger.outcomes import AuthRefused, Failed, FailureClass, Released
from assets.discovery.ledger.plans import BreakerPolicy
from tests.assets.discovery.ledger.ledger_worlds import EXACT, done, plan

NEVER = dataclasses.replace(EXACT, base_ms=1, cap_ms=1, max_attempts=1000)


def with_outcomes(w, marks: str, error: FailureClass = "transient") -> list[int]:
    """Play outcomes, `F` and `S`; returns after which ones the breaker opened."""
    opened = []
    for n, mark in enumerate(marks, 1):
        (claim,) = w.claim(1)
        w.finish(claim, done() if mark == "S" else Failed(error, "it broke"))
        w.now += 2
        if len(w.events("breaker_open")) > len(opened):
            opened.append(n)
    return opened


def test_five_failures_in_ten_open_the_breaker_at_the_tenth(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    assert with_outcomes(w, "FFFFFSSSSS") == [10]
    asked = w.ask()
    assert asked.claims == []
    assert [refusal.code for refusal in asked.refusals] == ["breaker_open"]


def test_documents_that_are_not_there_do_not_open_it(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    assert with_outcomes(w, "FFFFFSSSSS", "permanent") == []
    assert len(w.claim(3)) == 3


def test_after_the_cool_down_one_probe_goes_and_its_failure_doubles_the_wait(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    with_outcomes(w, "FFFFFSSSSS")
    opened_at = w.events("breaker_open")[0]["at"]
    w.now = opened_at + 59_999
    assert w.claim() == []
    w.now = opened_at + 60_000
    (probe,) = w.claim()
    assert w.claim() == []
    assert len(w.events("breaker_half_open")) == 1
    w.fail(probe)
    assert w.events("breaker_open")[1]["payload"]["open_for_s"] == 120
    w.now += 119_999
    assert w.claim() == []
    w.now += 1
    (probe,) = w.claim()
    w.finish(probe)
    assert len(w.events("breaker_closed")) == 1
    assert len(w.claim(5)) == 5


def test_a_probe_given_back_without_a_verdict_makes_room_for_the_next(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    with_outcomes(w, "FFFFFSSSSS")
    w.now += 60_000
    (probe,) = w.claim()
    w.finish(probe, Released())
    assert len(w.claim()) == 1


def test_a_probe_whose_worker_died_counts_as_failed(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    with_outcomes(w, "FFFFFSSSSS")
    w.now += 60_000
    w.claim(lease_s=10)
    w.now += 10_000
    w.reap()
    assert [event["payload"]["open_for_s"] for event in w.events("breaker_open")] == [60, 120]


def test_a_worker_that_died_with_a_full_batch_is_one_failure(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(30)))
    assert len(w.claim(20, lease_s=10)) == 20
    w.now += 10_000
    assert w.reap() == 20
    assert w.events("breaker_open") == []
    assert len(w.at(30).claim()) == 30


def test_only_the_stage_that_fails_is_left_alone(world):
    job = plan("s1", "s2", retry=NEVER)
    w = world(dataclasses.replace(job, stages=tuple(dataclasses.replace(s, needs=()) for s in job.stages)))
    w.add(*"ab")
    breakers.save(w.connection, "papers", "s2", Breaker("open", cooldown_until=w.now + 1), w.now)
    assert {claim.stage for claim in w.claim()} == {"s1"}
    refusal = claims.standing(w.connection, "papers", w.now, "s2")
    assert refusal is not None
    assert refusal.code == "breaker_open"
    assert claims.standing(w.connection, "papers", w.now, "s1") is None
    assert jobs.state_of(w.connection, "papers", w.now) == "cooling"


def test_the_wait_grows_up_to_its_cap():
    policy, breaker, waits = BreakerPolicy(min_calls=1, window=1), Breaker(), []
    breaker.record(policy, 0, True, 0)
    for n in range(8):
        waits.append(breaker.open_for_s)
        assert breaker.room(breaker.cooldown_until, probing=False) == 1
        breaker.send_probe(n)
        breaker.record(policy, n, True, breaker.cooldown_until)
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_three_items_that_fail_by_a_defect_pause_the_job(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*"abcd")
    first, second, third, _ = w.claim()
    w.fail(first, "code")
    w.fail(second, "code")
    assert not w.job_row()["paused"]
    w.fail(third, "code")
    row = w.job_row()
    assert (row["paused"], row["pause_kind"], row["resume_at"]) == (1, "code", None)
    assert len(w.events("paused")) == 1


@pytest.mark.parametrize("between", ["success", "the same item"])
def test_a_success_between_or_one_item_again_and_again_is_no_defect_of_the_handler(world, between):
    w = world(plan("fetch", retry=NEVER))
    w.add(*"abcd")
    for n in range(4):
        (claim,) = w.claim(1, active_items={w.item("a" if between == "the same item" else "abcd"[n])["id"]})
        if between == "success" and n == 2:
            w.finish(claim)
        else:
            w.fail(claim, "code")
        w.now += 10
    assert not w.job_row()["paused"]


def test_refused_credentials_pause_the_job_and_give_the_attempt_back(world):
    w = world(plan("fetch"))
    w.add("x")
    (claim,) = w.claim()
    assert w.finish(claim, AuthRefused("401 of the feed")).status == "pending"
    row, stage = w.job_row(), w.stage("x")
    assert (row["pause_kind"], row["paused_reason"]) == ("auth", "401 of the feed")
    assert (stage["attempt"], stage["error_class"]) == (0, "auth")
    assert pauses.resume_due(w.connection, w.now + 10**9) == []


def test_unpausing_forgets_the_breakers_and_failure_counters(world):
    w = world(plan("fetch", retry=NEVER))
    w.add(*map(str, range(20)))
    with_outcomes(w, "FFFFFSSSSS")
    pauses.pause(w.connection, "papers", "look", w.now)
    pauses.unpause(w.connection, "papers", w.now)
    assert w.rows("SELECT * FROM limiters") == []
    assert len(w.claim(5)) == 5


def test_while_half_open_only_the_probe_decides():
    policy, breaker = BreakerPolicy(min_calls=1, window=1), Breaker()
    breaker.record(policy, 1, True, 0)
    breaker.send_probe(7)
    assert breaker.record(policy, 2, False, 1) is None
    assert breaker.record(policy, 3, True, 1) is None
    assert breaker.state == "half_open"
    assert breaker.record(policy, 7, False, 1) == "closed"
