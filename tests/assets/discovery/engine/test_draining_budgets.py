"""Money in a drain: caps that hold although rows were claimed ahead, and costs that no failure loses."""

import pytest

from assets.failures import PermanentFailure, TransientFailure
from tests.assets.discovery.engine.drain_worlds import Clock, Gathering, World, until

TEN_CENTS = 100_000


def paying(micros, **more):
    """A handler that pays for each call."""

    def handle(work):
        work.add_cost(micros, **more)
        return {}

    return handle


@pytest.mark.parametrize("estimate", ["0", "0.10"])
@pytest.mark.parametrize("runner", ["concurrency: 1", "concurrency: 1, claim_batch: 50", "concurrency: 4"])
def test_ten_entries_fit_a_limit_and_the_eleventh_is_refused(tmp_path, estimate, runner):
    world = World(
        tmp_path,
        {"one": paying(TEN_CENTS)},
        job='budget: {daily_usd: "1.00"}',
        stage={"one": f'cost_estimate_usd: "{estimate}"'},
        runner=runner,
        clock=Clock(),
    )
    world.add(*(f"k{n:02}" for n in range(14)))
    summary = world.drain()
    most = 10 if estimate != "0" or "concurrency: 1" in runner else 10 + 3
    assert 10 <= summary.stages.done <= most
    assert summary.stopped == "over_budget"
    assert world.spent() == summary.cost_micros == summary.stages.done * TEN_CENTS
    assert len(world.events("budget_hard")) == 1
    assert world.value("SELECT count(*) FROM costs WHERE state = 'reserved'") == 0
    assert world.value("SELECT count(*) FROM item_stages WHERE status = 'pending' AND attempt > 0") == 0
    assert world.drain().stages.done == 0


def test_calls_that_cost_more_than_was_reserved_stop_the_rows_claimed_ahead(tmp_path):
    world = World(
        tmp_path,
        {"one": paying(3 * TEN_CENTS)},
        job='budget: {daily_usd: "1.00"}',
        stage={"one": 'cost_estimate_usd: "0.10"'},
        runner="concurrency: 1, claim_batch: 50",
        clock=Clock(),
    )
    world.add(*(f"k{n:02}" for n in range(14)))
    assert world.drain().stopped == "over_budget"
    # After three of 0.30 there is room for one of 0.10, which costs 0.30 as well.
    assert world.spent() == 12 * TEN_CENTS
    assert "leaves no money" in world.events("released")[0]["reason"]


def test_money_that_another_run_has_reserved_is_waited_for(tmp_path):
    gathering = Gathering()

    def one(work):
        if work.key == "a":
            gathering(work)
        work.add_cost(5 * TEN_CENTS // 10)
        return {}

    world = World(
        tmp_path,
        {"one": one},
        job='budget: {daily_usd: "1.00"}',
        stage={"one": 'cost_estimate_usd: "0.15"'},
        runner="concurrency: 2",
    )
    (a, b) = world.add("a", "b")
    now = world.resources.clock()
    world.write(
        "INSERT INTO costs (at, day_local, job_id, micros) "
        "VALUES (?, date(?, 'unixepoch'), 'papers', 800000)",
        now,
        now // 1000,
    )
    first = world.beside(active_items={a})
    gathering.await_workers(1)
    second = world.beside(active_items={b})
    world.stop.pass_by(4)
    assert world.outcomes() == [None]
    assert world.drain(active_items={b}, single_pass=True).stopped == "drained"
    assert world.events("budget_hard") == []
    gathering.open()
    assert first.answer().stages.done == 1
    assert second.answer().stages.done == 1
    assert world.spent() == 900_000


def test_an_item_over_its_budget_fails_with_that_class_and_its_costs_are_kept(tmp_path):
    def one(work):
        for _ in range(5):
            work.add_cost(TEN_CENTS, provider="p", model="m", units={"tokens": 7})
        return {}

    world = World(tmp_path, {"one": one}, job='budget: {per_item_usd: "0.25"}')
    world.add("a")
    summary = world.drain()
    row = world.stage("a")
    assert (row["status"], row["error_class"], row["attempt"]) == ("failed", "budget", 1)
    assert row["error_text"].startswith("a has cost 0.300000 USD, more than the 0.250000 USD of per_item_usd")
    assert (world.spent(), summary.cost_micros) == (3 * TEN_CENTS, 3 * TEN_CENTS)
    assert world.rows("SELECT DISTINCT provider, model, units_json, attempt_id FROM costs") == [
        {"provider": "p", "model": "m", "units_json": '{"tokens": 7}', "attempt_id": 1}
    ]


def test_what_an_item_cost_before_counts_against_its_budget(tmp_path):
    world = World(
        tmp_path,
        {"one": paying(2 * TEN_CENTS), "two": paying(1), "three": paying(TEN_CENTS)},
        job='budget: {per_item_usd: "0.25"}',
    )
    world.add("a")
    world.drain()
    assert world.statuses() == {"a": ["done", "done", "failed"]}
    assert world.stage("a", "three")["error_class"] == "budget"


def test_a_budget_that_only_warns_refuses_nothing(tmp_path):
    world = World(
        tmp_path,
        {"one": paying(TEN_CENTS)},
        job='budget: {per_item_usd: "0.01", daily_usd: "0.15", on_exceed: warn}',
    )
    world.add("a", "b", "c")
    assert world.drain().stages.done == 3


@pytest.mark.parametrize("error", [TransientFailure("503"), PermanentFailure("404"), KeyError("x")])
def test_the_costs_of_a_failed_attempt_are_kept_and_add_up_over_attempts(tmp_path, error):
    def one(work):
        work.add_cost(10 + work.attempt)
        if work.attempt == 1:
            raise error
        return {}

    world = World(tmp_path, {"one": one}, clock=Clock())
    world.add("a")
    summary = world.drain()
    attempts = len(world.outcomes())
    assert world.spent() == summary.cost_micros == {1: 11, 2: 23}[attempts]
    assert world.value("SELECT count(DISTINCT attempt_id) FROM costs") == attempts


def test_a_price_that_is_not_known_is_null_and_told(tmp_path):
    world = World(tmp_path, {"one": paying(None, provider="p")})
    world.add("a")
    assert world.drain().stages.done == 1
    assert world.value("SELECT micros FROM costs") is None
    assert world.events("unpriced")[0]["provider"] == "p"


def test_a_job_that_asks_for_prices_is_paused_by_a_call_without_one(tmp_path):
    world = World(
        tmp_path, {"one": paying(None)}, job="budget: {require_price: true}", runner="concurrency: 1"
    )
    world.add("a", "b")
    assert world.drain().stopped == "paused"
    assert world.state()["pause_kind"] == "code"
    assert world.statuses() == {"a": ["done"], "b": ["pending"]}


@pytest.mark.parametrize(
    ("arguments", "kept", "sentence"),
    [
        ({"micros": 1.5}, 0, "a cost is whole micro-USD"),
        ({"micros": -1}, 0, "a cost is whole micro-USD"),
        ({"micros": True}, 0, "a cost is whole micro-USD"),
        ({"micros": 10**30}, 0, "a cost is whole micro-USD"),
        ({"micros": 5, "units": {"at": {1, 2}}}, 5, "the units of a cost are a JSON object"),
        ({"micros": 5, "units": {"n": float("nan")}}, 5, "the units of a cost are a JSON object"),
        ({"micros": 5, "units": 7}, 5, "the units of a cost are a JSON object"),
    ],
)
def test_a_cost_that_the_ledger_cannot_keep_is_the_handlers_mistake_and_no_money_is_lost(
    tmp_path, arguments, kept, sentence
):
    world = World(tmp_path, {"one": lambda work: work.add_cost(**arguments) or {}}, clock=Clock())
    world.add("a")
    world.drain(single_pass=True)
    row = world.stage("a")
    assert (row["error_class"], world.spent()) == ("code", kept)
    assert sentence in row["error_text"]


def test_names_of_providers_are_kept_as_text_whatever_they_are(tmp_path):
    world = World(tmp_path, {"one": paying(1, provider=None, model="half \ud800")})
    world.add("a")
    assert world.drain().stages.done == 1
    assert world.rows("SELECT provider, model FROM costs") == [{"provider": "None", "model": "half ?"}]


def test_reservations_are_let_go_when_nothing_was_paid(tmp_path):
    gathering = Gathering()
    world = World(
        tmp_path,
        {"one": gathering},
        stage={"one": 'cost_estimate_usd: "0.10"'},
        runner="concurrency: 1, grace_s: 0",
    )
    world.add("a", "b")
    drain = world.beside()
    gathering.await_workers(1)
    reserved = "SELECT sum(micros) FROM costs WHERE state = 'reserved'"
    until(lambda: world.value(reserved) == 2 * TEN_CENTS)
    world.stop.set()
    drain.answer()
    assert world.value(reserved) is None
    gathering.open()
