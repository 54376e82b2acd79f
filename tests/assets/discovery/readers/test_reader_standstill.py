"""Why an item does not move: each code, its sentence, and their order."""

import dataclasses

import pytest

from assets.discovery.ledger import by_hand, jobs, pauses, staleness
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Failed, RateLimited, Skipped, Snoozed
from assets.discovery.ledger.plans import BreakerPolicy, Budget, JobPlan, StagePlan
from assets.discovery.readers import standstill
from tests.assets.discovery.ledger.ledger_worlds import EXACT, World, done, plan, seen
from tests.assets.discovery.readers.reader_worlds import left_the_file, today

TOUCHY = BreakerPolicy(min_calls=1, window=1, cool_down_s=60)
SECRET = "https://a.example/x?token=hunter2"


def why(w: World, job=None, key: str = "a") -> tuple[str, str]:
    found = standstill.why(w.connection, job or today(w.job), w.item(key)["id"], w.now)
    assert set(found) == {"code", "text"}
    return found["code"], found["text"]


@pytest.fixture
def w(world) -> World:
    w = world(plan("fetch", "score", timezone="America/New_York"))
    w.add("a")
    return w


def test_finished(w):
    w.finish(w.claim()[0])
    w.finish(w.claim()[0], Skipped("short"))
    assert why(w) == ("finished", "Every stage of it is done or skipped.")
    pauses.pause(w.connection, "papers", "no", w.now)
    assert why(w)[0] == "finished"


def test_failed_names_the_stage_and_the_error_without_secrets(w):
    w.finish(w.claim()[0])
    w.finish(w.claim()[0], Failed("permanent", f"404 for {SECRET}."))
    text = (
        "Stage score failed (permanent): 404 for https://a.example/x?token=***, "
        "and nothing of the item is left to do."
    )
    assert why(w) == ("failed", text)


def test_cancelled_says_why(w):
    by_hand.set_aside(w.connection, w.item("a")["id"], "cancelled", "not wanted.", w.now)
    assert why(w) == ("cancelled", "It was cancelled: not wanted.")


def test_cancelled_while_a_stage_runs_is_leased_until_that_ends(w):
    (claim,) = w.claim()
    by_hand.set_aside(w.connection, w.item("a")["id"], "cancelled", "no", w.now)
    assert why(w)[0] == "leased"
    w.fail(claim)
    assert why(w)[0] == "cancelled"


def test_cancelled_although_an_earlier_stage_changed_what_a_later_one_reads(w):
    w.drain()
    fetch, score = w.job.stages
    w.job = dataclasses.replace(w.job, stages=(dataclasses.replace(fetch, handler_version="2"), score))
    staleness.reprocess(w.connection, w.job, w.now)
    (claim,) = w.claim()
    by_hand.set_aside(w.connection, w.item("a")["id"], "cancelled", "no", w.now)
    w.finish(claim, done("other", "2"))
    assert (w.statuses("a"), why(w)[0]) == (["done", "pending"], "cancelled")


def test_orphaned(w):
    assert why(w, left_the_file(w.job)) == ("orphaned", "The job papers is no longer in the jobs file.")
    jobs.sync(w.connection, [], w.now)
    assert why(w)[0] == "orphaned"


def test_disabled(w):
    assert why(w, today(w.job, enabled=False)) == ("disabled", "The job papers is disabled in the jobs file.")


def test_paused_says_why_and_until_when_in_the_zone_of_the_job(w):
    pauses.pause(w.connection, "papers", f"see {SECRET}", w.now, until=w.now + 1000)
    text = (
        "The job papers stands still. Paused by hand since 2026-02-28T19:00:00-05:00, "
        "until 2026-02-28T19:00:01-05:00: see https://a.example/x?token=***."
    )
    assert why(w) == ("paused", text)


def test_over_budget_says_until_when(w):
    w.job = dataclasses.replace(w.job, budget=Budget(daily_micros=100))
    w.finish(w.claim()[0], costs=[Cost(100)])
    w.ask()
    text = "The budget of the job papers is spent; it goes on at 2026-03-01T00:00:00-05:00."
    assert why(w) == ("over_budget", text)


def broken(w: World) -> None:
    """The breaker of the first stage opens at an attempt at item b."""
    w.add("b")
    stages = tuple(dataclasses.replace(stage, breaker=TOUCHY) for stage in w.job.stages)
    w.job = dataclasses.replace(w.job, stages=stages)
    (claim,) = w.claim(active_items={w.item("b")["id"]})
    w.fail(claim)


def test_breaker_open_names_the_stage_and_until_when(w):
    broken(w)
    text = "Too many attempts at stage fetch failed; it rests until 2026-02-28T19:01:00-05:00."
    assert why(w) == ("breaker_open", text)
    assert why(w.at(60))[0] == "claimable"
    (probe,) = w.claim(active_items={w.item("b")["id"]})
    code, text = why(w)
    assert (code, "trying" in text) == ("breaker_open", True)
    w.finish(probe)
    assert why(w)[0] == "claimable"


def test_a_breaker_of_a_later_stage_is_not_the_reason_yet(w):
    w.add("b")
    stages = tuple(dataclasses.replace(stage, breaker=TOUCHY) for stage in w.job.stages)
    w.job = dataclasses.replace(w.job, stages=stages)
    for outcome in (None, Failed("transient", "503")):
        (claim,) = w.claim(active_items={w.item("b")["id"]})
        w.finish(claim, outcome)
    assert why(w)[0] == "claimable"
    w.at(60).claim(room={"score": 1})  # The probe.
    assert why(w)[0] == "claimable"


def test_leased_names_the_owner_and_the_lease(w):
    w.claim(lease_s=60)
    text = "Stage fetch runs: host:1:1:a holds the lease, to 2026-02-28T19:01:00-05:00."
    assert why(w) == ("leased", text)
    pauses.pause(w.connection, "papers", "no", w.now)
    assert why(w)[0] == "paused"
    pauses.unpause(w.connection, "papers", w.now)
    code, text = why(w.at(60))
    assert (code, "expired" in text, "takes it back" in text) == ("leased", True, True)


def test_pending_revision_after_the_running_stage_was_killed(w):
    w.claim()
    w.show(seen("a", "new"))
    assert why(w)[0] == "leased"
    w.connection.execute(
        "UPDATE item_stages SET status = 'pending', owner = NULL, claim_id = NULL, lease_until = NULL"
    )
    assert why(w) == ("pending_revision", "New content of it waits; the next run applies it.")


def test_blocked_by_failed_names_the_stage_and_the_error(world):
    w = world(plan("fetch", "extract", "score"))
    w.add("a")
    w.finish(w.claim()[0], Failed("permanent", f"404 for {SECRET}"))
    assert why(w) == (
        "blocked_by_failed",
        "Stage extract waits. Stage fetch failed (permanent): 404 for https://a.example/x?token=***.",
    )


def test_a_failed_stage_blocks_through_others(world):
    w = world(plan("fetch", "extract", "score"))
    w.add("a")
    w.fail(w.claim()[0], "permanent")
    by_hand.set_aside(w.connection, w.item("a")["id"], "cancelled", "no", w.now, stage="extract")
    code, text = why(w)
    assert (code, text.startswith("Stage score waits. Stage fetch failed")) == ("blocked_by_failed", True)


def test_a_stage_that_waits_for_a_cancelled_one_waits_upstream(w):
    by_hand.set_aside(w.connection, w.item("a")["id"], "cancelled", "no", w.now, stage="fetch")
    assert why(w) == ("waiting_upstream", "Stage score waits for fetch (cancelled).")


def test_an_item_without_rows_of_stages_waits_upstream(world):
    w = world(JobPlan("papers", ()))
    w.add("a")
    w.job = plan("fetch")
    assert why(w) == ("waiting_upstream", "It has no rows of stages yet; the next run makes them.")


def test_waiting_retry_names_the_time_the_attempt_and_the_error(w):
    w.finish(w.claim()[0], Failed("transient", f"503 from\n{SECRET}"))
    text = (
        "Stage fetch is tried again at 2026-02-28T19:00:10-05:00 (attempt 2 of 5): "
        "503 from https://a.example/x?token=***."
    )
    assert why(w) == ("waiting_retry", text)
    assert why(w.at(10))[0] == "claimable"


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Snoozed(5000), "Stage fetch was put off until 2026-02-28T19:00:05-05:00."),
        (
            RateLimited(1_772_323_205_000),
            "The source asked stage fetch to wait until 2026-02-28T19:00:05-05:00.",
        ),
    ],
)
def test_waiting_without_a_failure_says_for_what(w, outcome, text):
    w.finish(w.claim()[0], outcome)
    assert why(w) == ("waiting_retry", text)


def test_limiter_cooled_names_the_limiter_and_until_when(w):
    w.add("b")
    (claim,) = w.claim(active_items={w.item("b")["id"]})
    w.finish(claim, RateLimited(w.now + 30_000, limiter="sec.gov"))
    paced = today(w.job, {"fetch": "sec.gov"})
    text = "The limiter sec.gov of stage fetch rests until 2026-02-28T19:00:30-05:00."
    assert why(w, paced) == ("limiter_cooled", text)
    assert why(w)[0] == "claimable"
    assert why(w.at(30), paced)[0] == "claimable"


def test_a_limiter_holds_an_item_only_if_it_holds_all_its_next_stages(world):
    w = world(JobPlan("papers", (StagePlan("left", retry=EXACT), StagePlan("right", retry=EXACT))))
    w.add("a", "b")
    (claim,) = w.claim(1, active_items={w.item("b")["id"]})
    w.finish(claim, RateLimited(w.now + 30_000, limiter="sec.gov"))
    code, text = why(w, today(w.job, {"left": "sec.gov"}))
    assert (code, "Stage right" in text) == ("claimable", True)
    assert why(w, today(w.job, {"left": "sec.gov", "right": "sec.gov"}))[0] == "limiter_cooled"


def test_claimable_behind_a_skipped_stage(w):
    w.finish(w.claim()[0], Skipped("short"))
    assert why(w)[0] == "claimable"


def test_claimable(w):
    assert why(w) == ("claimable", "Stage fetch may be worked on; the next run of the job takes it.")
    w.finish(w.claim()[0])
    assert "Stage score" in why(w)[1]


def test_an_item_with_several_next_stages_waits_only_if_all_of_them_do(world):
    stages = (StagePlan("left", retry=EXACT), StagePlan("right", retry=EXACT))
    w = world(JobPlan("papers", stages))
    w.add("a")
    left, right = w.claim()
    w.fail(left)
    assert why(w)[0] == "leased"
    w.finish(right, Snoozed(5000))
    assert why(w)[1].startswith("Stage right was put off")
    assert why(w.at(5))[0] == "claimable"
