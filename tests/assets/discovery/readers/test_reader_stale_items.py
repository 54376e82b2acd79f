"""The fast count of stale items says what the exact one says."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.discovery.ledger import by_hand, results, stale_items, staleness
from assets.discovery.ledger.outcomes import Failed, Skipped
from assets.discovery.ledger.plans import DiscoveryPlan, JobPlan, StagePlan
from tests.assets.discovery.ledger.ledger_worlds import EXACT, World, done, opened, plan, seen


def both(w: World) -> tuple[int, int]:
    """The fast count and the exact one."""
    return (
        stale_items.count_stale_items(w.connection, w.job),
        staleness.count_stale(w.connection, w.job).items,
    )


def at_version(job, version, *names):
    stages = tuple(
        dataclasses.replace(stage, handler_version=version) if stage.name in names else stage
        for stage in job.stages
    )
    return dataclasses.replace(job, stages=stages)


def worked(w: World, *keys: str) -> None:
    """Items of these keys with every stage done, each stage a second after the one before."""
    w.add(*keys)
    while found := w.at((w.now - 1_772_323_200_000) / 1000 + 1).claim():
        for claim in found:
            w.finish(claim)


def test_fresh_items_are_told_without_hashing_their_inputs(world, monkeypatch):
    w = world(plan("fetch", "extract", "score"))
    worked(w, "a", "b")
    hashed = []
    real = results.input_hash
    monkeypatch.setattr(results, "input_hash", lambda *all_: hashed.append(1) or real(*all_))
    assert stale_items.count_stale_items(w.connection, w.job) == 0
    assert len(hashed) == 3 * 3  # The item that each stage did first is looked at, with all its stages.


def test_another_version_of_a_stage_makes_its_items_stale(world):
    w = world(plan("fetch", "score"))
    worked(w, "a", "b")
    w.job = at_version(w.job, "2", "score")
    assert both(w) == (2, 2)


def test_other_needs_of_a_stage_make_what_was_done_before_stale(world):
    w = world(plan("fetch", "extract", "score"))
    worked(w, "a", "b")
    *first, score = w.job.stages
    wider = dataclasses.replace(score, needs=("fetch", "extract"))
    w.job = dataclasses.replace(w.job, stages=(*first, wider))
    worked(w, "c")
    assert both(w) == (2, 2)


def test_one_of_two_needs_that_changed_is_enough(world):
    stages = (StagePlan("left", retry=EXACT), StagePlan("right", retry=EXACT))
    w = world(JobPlan("papers", (*stages, StagePlan("last", needs=("left", "right"), retry=EXACT))))
    worked(w, "fresh")
    (item_id,) = w.at(10).add("a")
    for claim in w.at(11).claim():
        w.finish(claim)
    (running,) = w.at(12).claim()
    by_hand.retry_item(w.connection, w.job, item_id, w.now)
    left, right = w.at(13).claim()
    w.finish(left, done("other"))
    w.finish(right)
    w.at(14).finish(running)
    # Only a clock that jumped makes this: the other need seems to be older than the claim.
    w.connection.execute(
        "UPDATE item_stages SET finished_at = started_at - 9000 WHERE id = ?", (right.stage_id,)
    )
    assert both(w) == (1, 1)


def ignoring(world) -> World:
    """A job that ignores changes; its first item is fresh and stays so."""
    w = world(plan("fetch", "score", discovery=DiscoveryPlan(on_change="ignore")))
    worked(w, "fresh")
    return w


def test_content_that_was_replaced_without_a_new_revision_is_an_input_too(world):
    w = ignoring(world)
    worked(w, "a", "b")
    w.show(seen("a", "edited"))
    assert both(w) == (1, 1)


def test_an_ignored_change_stays_noticed_when_changes_are_no_longer_ignored(world):
    w = ignoring(world)
    worked(w, "a")
    w.show(seen("a", "edited"))
    w.job = dataclasses.replace(w.job, discovery=DiscoveryPlan(on_change="reprocess"))
    assert both(w) == (1, 1)


def test_content_that_was_replaced_while_a_stage_ran_is_noticed(world):
    w = ignoring(world)
    w.at(10).add("a")
    (claim,) = w.at(11).claim()
    w.at(12).show(seen("a", "edited"))
    w.at(13).finish(claim)
    assert both(w) == (1, 1)


def test_content_that_was_replaced_after_its_first_stage_was_skipped_is_noticed(world):
    w = ignoring(world)
    w.at(10).add("a")
    w.finish(w.at(11).claim()[0], Skipped("short"))
    w.finish(w.at(12).claim()[0])
    w.at(13).show(seen("a", "edited"))
    assert both(w) == (1, 1)


@pytest.mark.parametrize("tick", [0, 1])
@pytest.mark.parametrize("outcome", [done("other"), Skipped("short")])
def test_an_input_that_was_renewed_while_a_stage_ran_is_noticed(world, outcome, tick):
    w = world(plan("fetch", "score"))
    worked(w, "fresh")
    (item_id,) = w.at(10).add("a")
    w.finish(w.at(11).claim()[0])
    (running,) = w.at(12).claim()
    by_hand.retry_item(w.connection, w.job, item_id, w.now)
    w.finish(w.at(12 + tick).claim()[0], outcome)
    w.at(14).finish(running)
    assert both(w) == (1, 1)


_STEPS = st.one_of(
    st.tuples(st.just("work"), st.integers(1, 5), st.sampled_from(["out", "other", "skip", "fail"])),
    st.tuples(st.just("show"), st.integers(0, 3), st.sampled_from("ab")),
    st.tuples(st.just("retry"), st.integers(0, 3), st.none()),
    st.tuples(st.just("version"), st.integers(0, 2), st.sampled_from("12")),
    st.tuples(st.just("reprocess"), st.none(), st.none()),
    st.tuples(st.just("needs"), st.none(), st.none()),
)


@settings(max_examples=120, deadline=None)
@given(
    st.lists(_STEPS, max_size=25),
    st.sampled_from(["ignore", "reprocess"]),
    st.sampled_from([0, 1, 1000]),
)
def test_both_counts_agree_whatever_happens(tmp_path_factory, steps, on_change, tick):
    connection = opened(tmp_path_factory.mktemp("ledger"))
    w = World(connection, plan("fetch", "extract", "score", discovery=DiscoveryPlan(on_change=on_change)))
    worked(w, "fresh")  # What was done first is looked at exactly, so that it must not be all there is.
    for what, which, how in steps:
        w.now += tick
        match what:
            case "work":
                for claim in w.claim(which):
                    w.now += tick
                    outcome = {"skip": Skipped("short"), "fail": Failed("permanent", "404")}.get(how)
                    versions = {stage.name: stage.handler_version for stage in w.job.stages}
                    w.finish(claim, outcome or done(how, versions[claim.stage]))
            case "show":
                w.show(seen(f"k{which}", how))
            case "retry":
                for row in w.rows("SELECT id FROM work_items WHERE key = ?", f"k{which}"):
                    by_hand.retry_item(connection, w.job, row["id"], w.now)
            case "version":
                w.job = at_version(w.job, how, w.job.stages[which].name)
            case "reprocess":
                staleness.reprocess(connection, w.job, w.now, limit=1)
            case "needs":  # Only once: what was changed and changed back escapes the fast count.
                *first, score = w.job.stages
                score = dataclasses.replace(score, needs=("fetch", "extract"))
                w.job = dataclasses.replace(w.job, stages=(*first, score))
    fast, exact = both(w)
    connection.close()
    assert fast == exact
