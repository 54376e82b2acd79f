"""What a changed handler or input makes stale, and running exactly that again."""

import dataclasses
import json

import pytest

from assets.discovery.ledger import results, staleness
from assets.discovery.ledger.outcomes import Failed, Skipped
from tests.assets.discovery.ledger.ledger_worlds import done, plan, seen


def at_version(job, version, *names, logic=""):
    """The job with its stages, or the named ones, at another version."""
    stages = tuple(
        dataclasses.replace(stage, handler_version=version, logic_hash=logic)
        if not names or stage.name in names
        else stage
        for stage in job.stages
    )
    return dataclasses.replace(job, stages=stages)


def payloads(w, key):
    """What reads as the current results of an item."""
    found = results.current(w.connection, w.item(key)["id"])
    return {stage: json.loads(result.payload_json or "") for stage, result in found.items()}


def test_a_new_version_makes_all_ten_stale_and_a_limit_queues_the_four_newest(world):
    w = world(plan("fetch"))
    keys = [f"k{n}" for n in range(10)]
    w.add(*keys)
    w.drain()
    assert staleness.count_stale(w.connection, w.job).items == 0
    w.job = at_version(w.job, "2")
    stale = staleness.count_stale(w.connection, w.job)
    assert (stale.items, stale.by_stage, stale.by_reason) == (10, {"fetch": 10}, {"version": 10})

    first = staleness.reprocess(w.connection, w.job, w.now, limit=4)
    assert (first.queued, first.already_waiting, first.remaining) == (4, 0, 6)
    assert [key for key in keys if w.stage(key)["status"] == "pending"] == keys[6:]
    assert staleness.count_stale(w.connection, w.job).items == 6
    second = staleness.reprocess(w.connection, w.job, w.now, limit=4)
    assert (second.queued, second.already_waiting, second.remaining) == (0, 4, 6)
    assert payloads(w, "k9") == {"fetch": "out"}

    w.drain(done("new", "2"))
    assert payloads(w, "k9") == {"fetch": "new"}
    assert len(w.rows("SELECT * FROM results WHERE superseded_at IS NOT NULL")) == 4
    assert staleness.count_stale(w.connection, w.job).items == 6
    assert staleness.reprocess(w.connection, w.job, w.now).queued == 6


def test_stale_work_comes_after_new_work_and_starts_at_attempt_one(world):
    w = world(plan("fetch"))
    w.show(seen("old", priority=7))
    w.drain()
    w.job = at_version(w.job, "2")
    staleness.reprocess(w.connection, w.job, w.now)
    w.show(seen("new", priority=50))
    first, second = w.claim()
    assert (first.item_id, second.item_id) == (w.item("new")["id"], w.item("old")["id"])
    assert second.attempt == 1
    row = w.stage("old")
    assert (row["priority"], row["stale_reason"]) == (107, "version")


def test_an_edit_of_comments_only_advises(world):
    w = world(at_version(plan("fetch"), "1", logic="before"))
    w.add("x")
    (claim,) = w.claim()
    w.finish(claim, dataclasses.replace(done(), logic_hash="before"))
    assert staleness.count_stale(w.connection, w.job).advisory_logic == 0
    w.job = at_version(w.job, "1", logic="after")
    stale = staleness.count_stale(w.connection, w.job)
    assert (stale.items, stale.advisory_logic) == (0, 1)


@pytest.mark.parametrize("outcome", [Failed("permanent", "404"), Skipped("too short")])
def test_stages_that_are_not_done_are_never_stale(world, outcome):
    w = world(plan("fetch"))
    w.add("x")
    w.drain(outcome)
    w.job = at_version(w.job, "2")
    assert staleness.count_stale(w.connection, w.job).items == 0


def test_going_back_to_an_older_version_is_a_change_too_and_revives_its_row(world):
    w = world(plan("fetch"))
    w.add("x")
    w.drain(done("one", "1"))
    for version, payload in (("2", "two"), ("1", "one again")):
        w.job = at_version(w.job, version)
        assert staleness.reprocess(w.connection, w.job, w.now).queued == 1
        w.drain(done(payload, version))
        assert payloads(w, "x") == {"fetch": payload}
    assert len(w.rows("SELECT * FROM results")) == 2


@pytest.mark.parametrize(
    ("output", "after"), [("out", ["done", "done", "done"]), ("other", ["done", "pending", "done"])]
)
def test_what_follows_runs_again_only_if_the_new_output_differs(world, output, after):
    w = world(plan("fetch", "extract", "score"))
    w.add("x")
    w.drain()
    w.job = at_version(w.job, "2", "fetch")
    staleness.reprocess(w.connection, w.job, w.now)
    assert w.statuses("x") == ["pending", "done", "done"]
    (claim,) = w.claim()
    w.finish(claim, done(output, "2"))
    assert w.statuses("x") == after
    assert staleness.count_stale(w.connection, w.job).items == 0
    if output == "other":
        assert w.stage("x", "extract")["stale_reason"] == "upstream"
        w.finish(w.claim()[0])  # The same output as before: score stays.
        assert w.statuses("x") == ["done", "done", "done"]


def test_a_changed_input_and_a_missing_result_are_told_apart(world):
    w = world(plan("fetch", "score"))
    w.add("x", "y")
    w.drain()
    w.connection.execute("UPDATE work_items SET content_hash = 'edited' WHERE key = 'x'")
    w.connection.execute("DELETE FROM results WHERE stage = 'score' AND item_id = ?", (w.item("y")["id"],))
    stale = staleness.count_stale(w.connection, w.job)
    assert stale.by_reason == {"input": 2, "missing": 1}
    assert stale.items == 2
    assert staleness.reprocess(w.connection, w.job, w.now, stage="fetch").queued == 1
    assert w.statuses("x") == ["pending", "done"]


def test_items_with_a_running_stage_are_left_alone_and_counted(world):
    w = world(plan("fetch", "score"))
    w.add("x", "y")
    for claim in w.claim():
        w.finish(claim)
    w.claim(1)
    w.job = at_version(w.job, "2", "fetch")
    done_ = staleness.reprocess(w.connection, w.job, w.now)
    assert (done_.queued, done_.skipped_running, done_.remaining) == (1, 1, 0)
    assert w.statuses("x") == ["done", "in_progress"]


def test_a_result_of_inputs_that_changed_meanwhile_is_seen_as_stale(world):
    w = world(plan("fetch", "score"))
    w.add("x")
    w.finish(w.claim()[0])
    (running,) = w.claim()
    w.connection.execute("UPDATE item_stages SET output_hash = 'newer' WHERE stage = 'fetch'")
    w.finish(running)
    assert staleness.count_stale(w.connection, w.job).by_reason == {"input": 1}


def test_a_stage_that_is_skipped_anew_has_no_result_and_gives_none_to_what_follows(world):
    w = world(plan("fetch", "score"))
    w.add("x")
    w.drain()
    item_id = w.item("x")["id"]
    assert set(results.inputs(w.connection, item_id, ["fetch"])) == {"fetch"}
    w.job = at_version(w.job, "2", "fetch")
    staleness.reprocess(w.connection, w.job, w.now)
    assert results.inputs(w.connection, item_id, ["fetch"]) == {}
    assert set(payloads(w, "x")) == {"fetch", "score"}
    w.finish(w.claim()[0], Skipped("too short"))
    assert set(payloads(w, "x")) == {"score"}
    assert w.statuses("x") == ["skipped", "pending"]


def test_a_stale_stage_that_fails_keeps_its_old_result_readable(world):
    w = world(plan("fetch"))
    w.add("x")
    w.drain()
    w.job = at_version(w.job, "2")
    staleness.reprocess(w.connection, w.job, w.now)
    w.finish(w.claim()[0], Failed("permanent", "404"))
    assert payloads(w, "x") == {"fetch": "out"}


def test_another_job_reads_what_was_done_in_order_and_again_when_it_was_done_anew(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b", "c")
    first, second, third = w.claim()
    w.finish(second, done("b"))
    w.finish(first, done("a"))
    w.finish(third, Failed("permanent", "404"))
    found = results.finished_since(w.connection, "papers", "fetch", 0, 10)
    assert [each.key for each in found] == ["b", "a"]
    cursor = found[-1].seq
    assert results.finished_since(w.connection, "papers", "fetch", cursor, 10) == []
    w.show(seen("b", "edited"))
    w.finish(w.claim(room={"fetch": 1})[0], done("b again"))
    (again,) = results.finished_since(w.connection, "papers", "fetch", cursor, 10)
    assert (again.key, again.revision, again.payload_json) == ("b", 2, '"b again"')
    assert again.output_hash != found[0].output_hash
