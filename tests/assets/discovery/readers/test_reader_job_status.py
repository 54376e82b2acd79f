"""The one word for a job, its counts, and when it next has something to do."""

import dataclasses
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.discovery.ledger import jobs, pauses
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.jobs import JobEntry
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.outcomes import Cancelled, Failed, Skipped, Snoozed
from assets.discovery.ledger.plans import BreakerPolicy, Budget
from assets.discovery.readers import absent_ledger, job_status
from assets.discovery.readers.jobs_today import with_orphans
from resources.ledger import Ledger
from tests.assets.discovery.ledger.ledger_worlds import START, World, opened, plan, seen
from tests.assets.discovery.readers.reader_worlds import left_the_file, today

TOUCHY = BreakerPolicy(min_calls=1, window=1, cool_down_s=60)


def word(w: World, job=None) -> str:
    return job_status.state_of(w.connection, job or today(w.job), w.now).word


def reason(w: World, job=None) -> str:
    return job_status.state_of(w.connection, job or today(w.job), w.now).reason


def open_breaker(w: World) -> None:
    stages = tuple(dataclasses.replace(stage, breaker=TOUCHY) for stage in w.job.stages)
    w.job = dataclasses.replace(w.job, stages=stages)
    w.fail(w.claim(1)[0])


def over_budget(w: World) -> None:
    w.job = dataclasses.replace(w.job, budget=Budget(daily_micros=100))
    w.finish(w.claim(1)[0], costs=[Cost(100)])
    assert w.ask().refusals[0].code == "over_budget"


def test_a_job_that_left_the_file_is_orphaned_even_before_a_run_noticed_it(world):
    w = world(plan("fetch"))
    assert word(w, left_the_file(w.job)) == "orphaned"
    jobs.sync(w.connection, [], w.now)
    assert (word(w), reason(w)) == ("orphaned", "It is no longer in the jobs file; its history stays.")
    (orphan,) = with_orphans(w.connection, [])
    assert (orphan.name, orphan.job) == ("papers", None)
    assert with_orphans(w.connection, [today(w.job)])[1:] == []


def test_a_job_is_disabled_by_the_file_or_by_the_ledger(world):
    w = world(plan("fetch"))
    assert word(w, today(w.job, enabled=False)) == "disabled"
    jobs.sync(w.connection, [JobEntry("papers", "{}", "hash", enabled=False)], w.now)
    assert word(w) == "disabled"


def test_a_paused_job_says_why_since_when_and_until_when_without_secrets(world):
    w = world(plan("fetch", timezone="America/New_York"))
    url = "https://a.example/?token=hunter2"
    pauses.pause(w.connection, "papers", f"moving {url}", w.now, until=w.now + 60_000)
    assert word(w) == "paused"
    assert reason(w) == (
        "Paused by hand since 2026-02-28T19:00:00-05:00, until 2026-02-28T19:01:00-05:00: "
        "moving https://a.example/?token=***."
    )
    pauses.unpause(w.connection, "papers", w.now)
    pauses.set_pause(w.connection, "papers", "auth", "401", w.now)
    assert "by the engine (auth)" in reason(w)
    assert "until a person resumes it" in reason(w)


def test_a_job_over_its_budget_says_when_it_goes_on(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    over_budget(w)
    assert word(w) == "over_budget"
    assert "2026-03-02T00:00:00+00:00" in reason(w)


def test_a_job_with_an_open_breaker_is_cooling_until_it_may_try_again(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    open_breaker(w)
    assert word(w) == "cooling"
    assert "fetch until 2026-03-01T00:01:00+00:00" in reason(w)
    assert word(w.at(60)) == "idle"


def test_of_several_breakers_only_those_that_still_rest_are_named(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b")
    first, _ = w.claim()
    w.finish(first)
    w.reap(dead_owners={"host:1:1:a"})
    stages = tuple(dataclasses.replace(stage, breaker=TOUCHY) for stage in w.job.stages)
    w.job = dataclasses.replace(w.job, stages=stages)
    for seconds, stage in ((20, "score"), (50, "fetch")):
        w.at(seconds).fail(w.claim(1, room={stage: 1})[0])
    assert "fetch until 2026-03-01T00:01:50+00:00, score until" in reason(w)
    assert reason(w.at(90)).endswith("left alone: fetch until 2026-03-01T00:01:50+00:00.")


def test_a_backfill_is_complete_when_it_listed_all_and_all_is_worked(world):
    w = world(plan("fetch"))
    backfill = today(w.job, kind="backfill", every_s=60)
    w.discover(seen("a"), report=Report(complete=True))
    assert word(w, backfill) == "idle"
    w.drain()
    assert word(w, backfill) == "complete"
    assert word(w) == "idle"
    assert job_status.next_wake(w.connection, backfill, "complete", w.now) is None


def test_a_job_runs_while_a_lease_lives(world):
    w = world(plan("fetch"))
    w.add("a")
    assert word(w) == "idle"
    w.claim(lease_s=60)
    assert word(w) == "running"
    assert reason(w) == "1 stage of its items run."
    assert word(w.at(61)) == "idle"


def test_a_job_that_never_ran_is_idle(connection):
    state = job_status.state_of(connection, today(plan("fetch")), START)
    assert (state.word, state.reason) == ("idle", "It has never run.")


def test_states_come_in_their_order(world):
    w = world(plan("fetch"))
    w.add("a", "b", "c")
    w.claim(1)
    assert word(w) == "running"
    open_breaker(w)
    assert word(w) == "cooling"
    w.connection.execute("UPDATE job_state SET over_budget_until = ?", (w.now + 1,))
    assert word(w) == "over_budget"
    pauses.pause(w.connection, "papers", "no", w.now)
    assert word(w) == "paused"
    assert word(w, today(w.job, enabled=False)) == "disabled"
    assert word(w, left_the_file(w.job)) == "orphaned"


def test_the_document_has_exactly_its_keys_and_names_every_status(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b", "c")
    first, second, _ = w.claim()
    w.finish(first, costs=[Cost(7)])
    w.fail(second, "permanent")
    document = job_status.status(w.connection, [today(w.job, every_s=3600)], w.at(90).now)
    assert document == {
        "jobs": [
            {
                "job": "papers",
                "state": "idle",
                "items": {"pending": 1, "in_progress": 1, "done": 0, "failed": 1, "cancelled": 0},
                "stages": {
                    "fetch": {
                        "pending": 0,
                        "in_progress": 1,
                        "done": 1,
                        "failed": 1,
                        "skipped": 0,
                        "cancelled": 0,
                    },
                    "score": {
                        "pending": 3,
                        "in_progress": 0,
                        "done": 0,
                        "failed": 0,
                        "skipped": 0,
                        "cancelled": 0,
                    },
                },
                "stale": 0,
                "cost_today_micros": 7,
                "next_wake_at": w.now,
                "oldest_pending_s": 90,
            }
        ]
    }


def test_a_stage_that_left_the_file_does_not_count(world):
    w = world(plan("fetch", "score"))
    w.add("a")
    w.job = plan("fetch")
    assert list(job_status.tally(w.connection, today(w.job)).stages) == ["fetch"]
    assert set(job_status.tally(w.connection, left_the_file(w.job)).stages) == {"fetch", "score"}


def test_an_absent_ledger_reads_as_empty(tmp_path):
    empty = absent_ledger.as_empty(Ledger(folder=str(tmp_path / "ledger")).open_memory_db())
    (found,) = job_status.status(empty, [today(plan("fetch"), every_s=60)], START)["jobs"]
    assert (found["state"], sum(found["items"].values()), found["next_wake_at"]) == ("idle", 0, START)
    assert found["oldest_pending_s"] is None
    assert not (tmp_path / "ledger").exists()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        empty.execute("DELETE FROM events")


def wake(w: World, job=None) -> float | None:
    """Seconds on the world's clock until the job wakes."""
    job = job or today(w.job)
    state = job_status.state_of(w.connection, job, w.now)
    at = job_status.next_wake(w.connection, job, state.word, w.now)
    return None if at is None else (at - START) / 1000


def test_without_a_clock_and_with_nothing_to_do_nothing_wakes_a_job(world):
    w = world(plan("fetch"))
    assert wake(w) is None
    w.add("a")
    assert wake(w.at(5)) == 5
    w.drain()
    assert wake(w) is None


def test_discovery_by_interval_and_by_cron_in_the_zone_of_the_job(world):
    w = world(plan("fetch", timezone="America/New_York"))
    assert wake(w, today(w.job, every_s=60)) == 0
    w.show()
    assert wake(w, today(w.job, every_s=60)) == 60
    assert wake(w, today(w.job, cron="0 20 * * *")) == 3600
    assert wake(w.at(100), today(w.job, every_s=60)) == 100


def test_a_wake_makes_a_job_due(world):
    w = world(plan("fetch"))
    w.show()
    pauses.wake(w.connection, "papers", w.at(9).now)
    assert wake(w) == 9


def test_a_retry_and_an_open_breaker_wake_a_job_when_they_end(world):
    w = world(plan("fetch"))
    w.add("a")
    w.fail(w.claim()[0])
    assert wake(w, today(w.job, every_s=60)) == 10
    w.add("b")
    w.at(10)
    open_breaker(w)
    assert wake(w) == 70  # Item b may go, but its stage rests.


def test_a_paused_job_wakes_at_the_end_of_its_pause_and_only_looks_if_it_may(world):
    w = world(plan("fetch"))
    w.add("a")
    pauses.pause(w.connection, "papers", "no", w.now)
    assert wake(w, today(w.job, every_s=60)) is None
    assert wake(w, today(w.job, every_s=60, pause_discovery=False)) == 60
    pauses.unpause(w.connection, "papers", w.now)
    pauses.pause(w.connection, "papers", "no", w.now, until=START + 5000)
    assert wake(w, today(w.job, every_s=60)) == 5


def test_a_job_over_its_budget_wakes_with_the_next_day(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    over_budget(w)
    assert wake(w) == 86_400


def test_a_job_that_may_not_run_never_wakes(world):
    w = world(plan("fetch"))
    assert wake(w, today(w.job, every_s=60, enabled=False)) is None
    assert wake(w, left_the_file(w.job)) is None


def test_items_that_wait_for_a_person_are_not_the_oldest_pending(world):
    w = world(plan("fetch", "score"))
    w.add("old")
    w.fail(w.claim()[0], "permanent")
    assert job_status.oldest_pending_s(w.connection, "papers", w.at(50).now) is None
    w.add("new")
    assert job_status.oldest_pending_s(w.connection, "papers", w.at(80).now) == 30


_ENDS = st.sampled_from(
    [None, Skipped("short"), Failed("permanent", "404"), Failed("transient", "503"), Snoozed(5), Cancelled()]
)


def test_an_item_that_changed_waits_since_then(world):
    w = world(plan("fetch"))
    w.add("a")
    w.drain()
    w.at(100).show(seen("a", "new"))
    assert job_status.oldest_pending_s(w.connection, "papers", w.at(130).now) == 30


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.lists(_ENDS, max_size=6)), max_size=5))
def test_the_counts_equal_a_recount_of_the_items(tmp_path_factory, rounds):
    connection = opened(tmp_path_factory.mktemp("ledger"))
    w = World(connection, plan("fetch", "extract", "score"))
    for number, (new, ends) in enumerate(rounds):
        w.at(number * 20).add(*(f"{number}-{n}" for n in range(new)))
        for claim, end in zip(w.claim(), ends, strict=False):
            w.finish(claim, end)
    found = job_status.tally(connection, today(w.job))
    view = w.rows("SELECT derived_status AS word, count(*) AS n FROM item_derived_status GROUP BY 1")
    assert {status: n for status, n in found.items.items() if n} == {row["word"]: row["n"] for row in view}
    recount = w.rows("SELECT stage, status, count(*) AS n FROM item_stages GROUP BY 1, 2")
    assert {
        (stage, status, n) for stage, counts in found.stages.items() for status, n in counts.items() if n
    } == {(row["stage"], row["status"], row["n"]) for row in recount}
    connection.close()
