"""A test's scratch ledger: what comes along, what is run again, and the one thing that goes back."""

from contextlib import closing

import pytest

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.engine import reading, trial
from assets.discovery.engine.context import RunContext
from assets.discovery.engine.payloads import payload_of, store_payload
from assets.discovery.engine.trial import Trial
from assets.discovery.keys import partition_key
from assets.discovery.ledger import claims, pauses, results
from assets.discovery.ledger.claims import Worker
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Done, Failed, Skipped
from assets.discovery.strategies.registry import strategy_class
from tests.assets.discovery.engine.source_runs import STAGES, SourceRun, dump, one_job, returned, seen
from tests.assets.discovery.engine.test_discovering import listing

SCRATCH = "discovery-test-papers"
LISTED = "{strategy: static_list, params: {values: [x]}}"


@pytest.fixture
def run(tmp_path, play) -> SourceRun:
    """Four items: `a` is done, `b` failed in score, `c` was skipped in fetch, `d` waits."""
    run = SourceRun(tmp_path, one_job(LISTED))
    play(listing(*map(seen, "abcd")))
    run.discover()
    ends = {
        (1, "fetch"): returned({"n": 1}),
        (1, "score"): returned({"n": 2}),
        (2, "fetch"): returned({"n": 3}),
        (2, "score"): Failed("permanent", "no text"),
        (3, "fetch"): Skipped("too short", "1"),
    }

    def end(claim):
        return ends.get((claim.item_id, claim.stage), returned({}))

    run.drain(end, most_items=3, costs=lambda claim: [Cost(claim.item_id)])
    run.write("UPDATE item_stages SET status = 'pending', finished_at = NULL WHERE item_id = 3 AND ord = 1")
    return run


def prepare(run: SourceRun, **context) -> Trial:
    return trial.prepare(run.job, run.plan, run.resources, RunContext(mode="test", **context))


def settle(run: SourceRun, tried: Trial) -> int:
    return trial.settle(run.job, run.plan, run.resources, tried)


def scratch_of(run: SourceRun, tried: Trial) -> SourceRun:
    scratch = SourceRun(run.folder, run.text, now=run.now + 1000)
    scratch.resources = tried.resources
    scratch.with_resources(clock=lambda: scratch.now)
    return scratch


def stages(run: SourceRun) -> dict[tuple[str, str], str]:
    rows = run.rows(
        "SELECT w.key, s.stage, s.status FROM item_stages s JOIN work_items w ON w.id = s.item_id",
        ledger=SCRATCH,
    )
    return {(row["key"], row["stage"]): row["status"] for row in rows}


@pytest.mark.parametrize("word", ["b", "2", partition_key("b"), " b "])
def test_an_item_is_chosen_by_its_key_its_id_or_its_partition(run, word):
    tried = prepare(run, test_item=word)
    assert tried.context.active_items == {2}
    assert stages(run) == {("b", "fetch"): "pending", ("b", "score"): "pending"}


def test_a_key_that_looks_like_an_id_is_a_key(run, play):
    play(listing(seen("2")))
    run.discover()
    assert prepare(run, test_item="2").context.active_items == {5}


@pytest.mark.parametrize("word", ["z", "99", ""])
def test_an_unknown_item_is_refused_and_the_last_scratch_stays(run, word):
    prepare(run, test_item="a")
    with pytest.raises(ConfigurationError, match="the job papers has no item"):
        prepare(run, test_item=word)
    assert set(stages(run)) == {("a", "fetch"), ("a", "score")}


def test_an_item_of_another_job_is_unknown(run, play):
    other = run.text + "\n  - {name: other, discovery: " + LISTED + f", {STAGES}}}"
    run.configure(other)
    play(listing(seen("theirs")))
    run.discover()
    papers = run.resources.jobs.jobs[0]
    plan = run.resources.plans["papers"]
    for word in ("theirs", "5"):
        with pytest.raises(ConfigurationError, match="the job papers has no item"):
            trial.prepare(papers, plan, run.resources, RunContext(mode="test", test_item=word))


def test_without_a_ledger_every_item_is_unknown_and_none_is_made(tmp_path):
    run = SourceRun(tmp_path, one_job(LISTED))
    with pytest.raises(ConfigurationError, match="has no item 'a'"):
        prepare(run, test_item="a")
    with pytest.raises(ConfigurationError, match="needs stages that are done for none of its items: fetch"):
        prepare(run, test_stage="score")
    assert not (tmp_path / "ledger").exists()


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (
            {"test_item": "d", "test_stage": "score"},
            r"stage score of d needs stages that are not done: fetch \(pending\)",
        ),
        ({"test_stage": "report"}, "stage report of papers needs stages .* none of its items: score"),
    ],
)
def test_a_stage_whose_needs_are_not_done_is_refused_with_what_is_missing(run, context, sentence):
    run.write("UPDATE item_stages SET status = 'failed' WHERE stage = 'score' AND item_id = 1")
    if "report" in context.values():
        run.configure(one_job(LISTED, stages=STAGES.replace("]", ", {name: report, handler: report}]")))
    with pytest.raises(ConfigurationError, match=sentence):
        prepare(run, **context)
    assert not run.resources.ledgers.path(SCRATCH).exists()


def test_a_job_without_items_has_no_stage_to_test(tmp_path):
    run = SourceRun(tmp_path, one_job(LISTED))
    run.open().close()
    with pytest.raises(ConfigurationError, match="papers has no item yet"):
        prepare(run, test_stage="fetch")


def test_a_stage_alone_is_tried_on_the_newest_items_that_are_ready(run):
    tried = prepare(run, test_stage="score", limit=2)
    assert (tried.context.active_items, tried.context.limit) == ({2, 3}, 2)
    assert stages(run) == {
        ("b", "fetch"): "done",
        ("b", "score"): "pending",
        ("c", "fetch"): "skipped",
        ("c", "score"): "pending",
    }
    assert prepare(run, test_stage="score").context.active_items == {1, 2, 3}
    assert prepare(run, test_stage="fetch").context.active_items == {2, 3, 4}


def test_without_reset_only_what_waits_is_run(run):
    prepare(run, test_item="b", no_reset=True)
    assert stages(run) == {("b", "fetch"): "done", ("b", "score"): "failed"}


def test_results_come_along_also_those_in_files_and_are_inputs_of_the_stage(run, tmp_path):
    ledger_path = run.resources.ledgers.path("discovery")
    stored = store_payload(ledger_path, {"text": "x" * 200_000})
    run.drain(
        lambda claim: Done("1", stored.output_hash, blob_path=stored.blob_path, size=stored.size),
        most_items=1,
    )
    run.write("UPDATE item_stages SET status = 'done', finished_at = 1 WHERE status = 'pending'")
    tried = prepare(run, test_item="c", test_stage="score")
    with closing(tried.resources.ledgers.open_raw_db(SCRATCH)) as connection:
        assert results.inputs(connection, 3, ["fetch"]) == {}  # It was skipped.
        (result,) = results.current(connection, 3).values()
    assert payload_of(tried.resources.ledgers.path(SCRATCH), result) == {"text": "x" * 200_000}
    tried = prepare(run, test_item="b", test_stage="score")
    with closing(tried.resources.ledgers.open_raw_db(SCRATCH)) as connection:
        inputs = results.inputs(connection, 2, ["fetch"])
    assert payload_of(tried.resources.ledgers.path(SCRATCH), inputs["fetch"]) == {"n": 3}


def test_an_item_that_is_busy_gone_or_waits_for_a_revision_may_be_tried(run):
    with closing(run.open()) as connection:
        claims.claim(connection, run.plan, Worker("host:1:1:a", "a", 60_000), 9, run.now)
    run.write("UPDATE work_items SET gone_at = 1, cancelled_at = 1, missing_since = 1, missing_count = 3")
    run.write("UPDATE work_items SET pending_revision_json = '{}'")
    tried = prepare(run, test_item="d", no_reset=True)
    assert stages(run) == {("d", "fetch"): "pending", ("d", "score"): "pending"}
    assert scratch_of(run, tried).drain() == [(4, "fetch"), (4, "score")]


@pytest.mark.parametrize("state", ["disabled", "paused", "over"])
def test_a_job_that_may_not_run_may_be_tested(run, state):
    with closing(run.open()) as connection:
        if state == "paused":
            pauses.pause(connection, "papers", "lunch", run.now)
        elif state == "over":
            connection.execute("UPDATE job_state SET over_budget_until = ?", (run.now + 10**9,))
    if state == "disabled":
        run.configure(one_job(LISTED, "enabled: false"))
    tried = prepare(run, test_item="a")
    assert scratch_of(run, tried).drain() == [(1, "fetch"), (1, "score")]


def test_a_stage_that_is_new_in_the_jobs_file_can_be_tested(run):
    run.configure(one_job(LISTED, stages=STAGES.replace("]", ", {name: report, handler: report}]")))
    tried = prepare(run, test_stage="report")
    assert tried.context.active_items == {1}
    assert stages(run)["a", "report"] == "pending"


def test_without_item_and_stage_the_scratch_is_empty_and_is_discovered_into(run, play):
    tried = prepare(run)
    assert (tried.context.active_items, tried.context.limit) == (None, 3)
    scratch = scratch_of(run, tried)
    assert (scratch.keys, scratch.state["cursor_json"]) == ([], None)
    play(listing(*map(seen, "dcba")))
    assert scratch.discover(limit=tried.context.limit).new_keys == ("d", "c", "b")


def test_the_live_ledger_gets_the_costs_of_a_test_and_nothing_else(run):
    path = run.resources.ledgers.path("discovery")
    before = dump(path)
    tried = prepare(run, test_item="b")
    scratch = scratch_of(run, tried)
    scratch.drain(costs=lambda claim: [Cost(1000, "openai", "small", {"tokens": 5}), Cost(None)])
    assert dump(path) == before
    assert settle(run, tried) == 2000
    added = [line for line in dump(path) if line not in before]
    assert all("INTO costs" in line or 'INTO "costs"' in line or "sqlite_sequence" in line for line in added)
    rows = run.rows("SELECT * FROM costs WHERE mode = 'test' ORDER BY id")
    shown = [(row["item_id"], row["stage"], row["state"], row["attempt_id"], row["micros"]) for row in rows]
    assert shown == [
        (2, "fetch", "settled", None, 1000),
        (2, "fetch", "settled", None, None),
        (2, "score", "settled", None, 1000),
        (2, "score", "settled", None, None),
    ]
    assert (rows[0]["provider"], rows[0]["units_json"]) == ("openai", '{"tokens": 5}')
    assert settle(run, tried) == 0
    assert len(run.rows("SELECT 1 FROM costs WHERE mode = 'test'")) == 4


def test_a_test_that_costs_nothing_leaves_the_live_ledger_as_it_is(run):
    path = run.resources.ledgers.path("discovery")
    before = dump(path)
    tried = prepare(run, test_item="b")
    scratch_of(run, tried).drain()
    assert settle(run, tried) == 0
    assert dump(path) == before


def test_costs_of_items_that_a_test_discovered_go_to_the_items_with_their_keys(run, play):
    tried = prepare(run)
    scratch = scratch_of(run, tried)
    play(listing(seen("unknown"), seen("b")))
    scratch.discover()
    scratch.drain(costs=lambda claim: [Cost(claim.item_id)] if claim.stage == "fetch" else [])
    settle(run, tried)
    rows = run.rows("SELECT item_id, micros FROM costs WHERE mode = 'test' ORDER BY id")
    assert rows == [{"item_id": None, "micros": 1}, {"item_id": 2, "micros": 2}]


def test_costs_of_a_test_that_was_killed_are_settled_by_the_next_one(run):
    scratch_of(run, prepare(run, test_item="b")).drain(costs=lambda claim: [Cost(7)])
    prepare(run, test_item="a")
    assert run.rows("SELECT sum(micros) AS micros FROM costs WHERE mode = 'test'") == [{"micros": 14}]


def test_a_test_on_a_machine_without_a_ledger_makes_one_for_its_costs(tmp_path, play):
    run = SourceRun(tmp_path, one_job(LISTED))
    tried = prepare(run)
    scratch = scratch_of(run, tried)
    play(listing(seen("a")))
    scratch.discover()
    scratch.drain(costs=lambda claim: [Cost(5)])
    assert not run.resources.ledgers.path("discovery").exists()
    assert settle(run, tried) == 10
    assert [row["mode"] for row in run.rows("SELECT mode FROM costs")] == ["test", "test"]


@pytest.mark.parametrize(
    ("budget", "attempts"),
    [
        ("daily_usd: '0.000014'", 2),
        ("daily_usd: '0.000013'", 1),
        ("monthly_usd: '0.000013'", 1),
        ("monthly_usd: '0.000012'", 0),
        ("per_item_usd: '0.000003'", 1),
        ("per_item_usd: '0.000002'", 0),
    ],
)
def test_what_was_spent_counts_in_the_test(run, budget, attempts):
    """12 micros were spent in six attempts: 2 of them on `a`, 4 on `b`, 6 on `c`."""
    run.configure(one_job(LISTED, f"budget: {{{budget}}}"))
    tried = prepare(run, test_item="a")
    assert len(scratch_of(run, tried).drain(costs=lambda claim: [Cost(1)])) == attempts


def test_spending_of_other_months_and_days_is_left_behind(run):
    run.write("UPDATE costs SET day_local = '2026-02-28', at = at - 172800000")
    prepare(run, test_item="a")
    rows = run.rows("SELECT item_id, attempt_id, mode FROM costs", ledger=SCRATCH)
    assert rows == [{"item_id": 1, "attempt_id": None, "mode": "test"}] * 2


def test_a_rate_that_rests_rests_in_the_test_as_well(run):
    insert = "INSERT INTO limiters (name, kind, updated_at, cooldown_until) VALUES (?, ?, 0, 9)"
    run.write(insert, "arxiv", "rate")
    run.write(insert, "breaker:papers/report", "breaker")
    prepare(run, test_item="a")
    assert run.rows("SELECT name FROM limiters", ledger=SCRATCH) == [{"name": "arxiv"}]


def test_results_of_other_jobs_are_read_from_the_live_ledger(run, monkeypatch):
    monkeypatch.setattr(reading, "strategy_class", strategy_class)
    follower = "{strategy: upstream_results, params: {job: papers, stage: score}}"
    run.configure(f"{run.text}\n  - {{name: follower, discovery: {follower}, handler: report}}")
    tried = prepare(run)
    scratch = scratch_of(run, tried)
    assert scratch.job.name == "follower"
    assert scratch.discover().new_keys == ("a",)
