"""Costs and budgets: days, reservations, refusals."""

import dataclasses
from datetime import UTC, datetime

import pytest

from assets.discovery.ledger import costs
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Failed, Released
from assets.discovery.ledger.plans import Budget
from tests.assets.discovery.ledger.ledger_worlds import START, World, done, plan

DOLLAR = 1_000_000
DAY = 86_400


def priced(estimate: int, budget: Budget | None = None, *names: str, **more):
    job = plan(*(names or ("fetch",)), budget=budget or Budget(), **more)
    stages = tuple(dataclasses.replace(stage, estimate_micros=estimate) for stage in job.stages)
    return dataclasses.replace(job, stages=stages)


def totals(w, state="settled") -> int:
    return w.rows("SELECT coalesce(sum(micros), 0) AS n FROM costs WHERE state = ?", state)[0]["n"]


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-03-08T04:59:59", "2026-03-07"),
        ("2026-03-08T05:00:00", "2026-03-08"),
        ("2026-03-09T03:59:59", "2026-03-08"),
        ("2026-03-09T04:00:00", "2026-03-09"),
    ],
)
def test_a_cost_belongs_to_the_local_day_of_its_job(instant, day):
    now = round(datetime.fromisoformat(instant).replace(tzinfo=UTC).timestamp() * 1000)
    assert costs.local_day(now, "America/New_York").isoformat() == day


def test_the_next_day_of_a_zone_that_changes_its_clock_is_23_hours_away():
    start = costs.midnight(costs.local_day(START, "UTC").replace(day=8), "America/New_York")
    assert costs.next_day(start, "America/New_York") - start == 23 * 3_600_000
    december = costs.midnight(costs.local_day(START, "UTC").replace(month=12, day=31), "UTC")
    assert costs.local_day(costs.next_month(december, "UTC"), "UTC").isoformat() == "2027-01-01"


@pytest.mark.parametrize("estimate", [DOLLAR // 10, 0])
def test_ten_entries_of_a_tenth_make_exactly_the_limit_and_the_eleventh_is_refused(world, estimate):
    w = world(priced(estimate, Budget(daily_micros=DOLLAR)))
    w.add(*map(str, range(11)))
    for _ in range(10):
        (claim,) = w.claim(1)
        w.finish(claim, costs=[Cost(DOLLAR // 10)])
    assert totals(w) == DOLLAR
    asked = w.ask()
    assert asked.claims == []
    assert asked.refusals[0].code == "over_budget"
    assert w.job_row()["over_budget_until"] == START + DAY * 1000
    assert w.ask().claims == []
    (event,) = w.events("budget_hard")
    assert (event["payload"]["scope"], event["payload"]["spent_micros"]) == ("job_day", DOLLAR)
    assert len(w.at(DAY).claim()) == 1


def test_a_claim_waits_for_the_reservation_of_another_and_nobody_hears_of_it(world):
    w = world(priced(150_000, Budget(daily_micros=DOLLAR)))
    w.add("paid", "a", "b")
    (claim,) = w.claim(1)
    w.finish(claim, costs=[Cost(800_000)])
    events = w.events()
    asked = w.ask()
    (first,) = asked.claims
    assert [refusal.code for refusal in asked.refusals] == ["budget_reserved"]
    assert w.claim() == []
    assert w.events() == events
    assert w.job_row()["over_budget_until"] is None
    w.finish(first, costs=[Cost(50_000)])
    (second,) = w.claim()
    assert second.item_id != first.item_id
    assert totals(w) + totals(w, "reserved") == DOLLAR


def test_a_stage_that_waits_for_money_does_not_keep_a_free_one_waiting(world):
    job = priced(0, Budget(daily_micros=100), "dear", "free")
    dear, free = job.stages
    stages = (dataclasses.replace(dear, estimate_micros=60), dataclasses.replace(free, needs=()))
    w = world(dataclasses.replace(job, stages=stages))
    w.add(*map(str, range(5)))
    found = w.claim(3)
    assert [claim.stage for claim in found] == ["dear", "free", "free"]
    assert [claim.stage for claim in w.claim()] == ["free"] * 3


@pytest.mark.parametrize(
    ("budget", "overall", "scope", "until"),
    [
        (Budget(daily_micros=10), Budget(), "job_day", START + DAY * 1000),
        (Budget(monthly_micros=10), Budget(), "job_month", START + 31 * DAY * 1000),
        (Budget(), Budget(daily_micros=10), "global_day", START + DAY * 1000),
        (
            Budget(daily_micros=11, monthly_micros=10),
            Budget(daily_micros=12),
            "job_month",
            START + 31 * DAY * 1000,
        ),
    ],
)
def test_the_tightest_limit_names_itself_and_says_until_when(world, budget, overall, scope, until):
    w = world(priced(0, budget, overall=overall))
    w.add("a", "b")
    (claim, _) = w.claim()
    w.finish(claim, costs=[Cost(20)])
    w.add("c")
    assert w.claim() == []
    assert w.events("budget_hard")[0]["payload"]["scope"] == scope
    assert w.job_row()["over_budget_until"] == until


def test_the_day_of_all_jobs_counts_what_other_jobs_spent(connection):
    overall = Budget(daily_micros=10)
    first = World(connection, priced(0, overall=overall, job_id="first"))
    second = World(connection, priced(0, overall=overall, job_id="second", timezone="Pacific/Auckland"))
    first.sync(second.job)
    first.add("a")
    second.add("b")
    first.finish(first.claim()[0], costs=[Cost(10)])
    assert second.claim() == []


def test_an_item_over_its_own_limit_is_put_off_and_the_others_go_on(world):
    w = world(priced(0, Budget(per_item_micros=10), "fetch", "score"))
    w.add("dear", "cheap", "third")
    for claim, micros in zip(w.claim(), (10, 1, 1), strict=True):
        w.finish(claim, costs=[Cost(micros)])
    found = w.claim(2)
    assert [claim.item_id for claim in found] == [w.item("cheap")["id"], w.item("third")["id"]]
    assert w.stage("dear", "score")["status"] == "pending"
    assert w.claim() == []
    assert len(w.events("budget_hard")) == 1
    assert w.job_row()["over_budget_until"] is None


def test_an_item_whose_money_is_reserved_waits_alone(world):
    job = priced(60, Budget(per_item_micros=100), "fetch", "score")
    w = world(dataclasses.replace(job, stages=tuple(dataclasses.replace(s, needs=()) for s in job.stages)))
    w.add("a", "b")
    assert [(claim.item_id, claim.stage) for claim in w.claim()] == [
        (w.item("a")["id"], "fetch"),
        (w.item("b")["id"], "fetch"),
    ]
    assert w.claim() == []
    assert w.events("budget_hard") == []


def test_a_soft_limit_is_told_of_once(world):
    w = world(priced(0, Budget(daily_micros=100, soft_ratio=0.5)))
    w.add(*map(str, range(6)))
    for claim in w.claim(4):
        w.finish(claim, costs=[Cost(20)])
    (event,) = w.events("budget_soft")
    assert event["payload"]["spent_micros"] == 60


def test_a_limit_that_only_warns_writes_one_event_and_goes_on(world):
    w = world(priced(0, Budget(daily_micros=10, on_exceed="warn")))
    w.add(*map(str, range(5)))
    for _ in range(5):
        w.finish(w.claim(1)[0], costs=[Cost(6)])
    assert len(w.events("budget_hard")) == 1
    assert totals(w) == 30


def test_a_call_without_a_price_is_a_row_without_an_amount(world):
    w = world(priced(0, Budget(daily_micros=10)))
    w.add("x")
    w.finish(w.claim()[0], costs=[Cost(None, "speech", "large", {"seconds": 60})])
    (row,) = w.rows("SELECT * FROM costs")
    assert (row["micros"], row["provider"], row["units_json"]) == (None, "speech", '{"seconds": 60}')
    assert len(w.events("unpriced")) == 1
    assert w.job_row()["paused"] == 0


def test_a_job_that_asks_for_prices_is_paused_by_a_call_without_one(world):
    w = world(priced(0, Budget(require_price=True)))
    w.add("x", "y")
    w.finish(w.claim(1)[0], costs=[Cost(None)])
    assert w.job_row()["pause_kind"] == "code"
    assert w.claim() == []


@pytest.mark.parametrize(
    "outcome", [done(), Failed("permanent", "404"), Failed("transient", "busy"), Released()]
)
def test_however_an_attempt_ends_its_reservation_is_released_and_its_costs_stay(world, outcome):
    w = world(priced(100, Budget(daily_micros=DOLLAR)))
    w.add("x")
    (claim,) = w.claim()
    assert totals(w, "reserved") == 100
    w.finish(claim, outcome, [Cost(7)])
    assert (totals(w, "reserved"), totals(w)) == (0, 7)
    assert w.rows("SELECT attempt_id FROM costs WHERE state = 'settled'") == [{"attempt_id": claim.claim_id}]


def test_what_a_worker_spent_is_kept_when_its_lease_was_lost(world):
    w = world(priced(100))
    w.add("x")
    (claim,) = w.claim()
    w.at(60).reap()
    assert totals(w, "reserved") == 0
    w.finish(claim, costs=[Cost(7)])
    assert totals(w) == 7


def test_reservations_that_nobody_settled_are_released_but_not_those_of_running_attempts(world):
    w = world(priced(100))
    w.add("x")
    w.claim()
    costs.reserve(w.connection, costs.Spender("papers", mode="test"), 5, "UTC", w.now, w.now + 60_000)
    assert not costs.has_expired(w.connection, w.now + 59_999)
    assert costs.has_expired(w.connection, w.now + 60_000)
    assert costs.release_expired(w.connection, w.now + 60_000) == 1
    assert totals(w, "reserved") == 100


def test_the_forecast_is_the_median_of_the_last_twenty_attempts(world):
    w = world(priced(0))
    assert costs.forecast(w.connection, "papers", "fetch") == 0
    w.add(*map(str, range(25)))
    for n, claim in enumerate(w.claim()):
        w.finish(claim, costs=[Cost(1000 if n < 5 else n), Cost(1)])
    assert costs.forecast(w.connection, "papers", "fetch") == 16
