"""Every edge between two statuses, the legal ones and all the others."""

import itertools

import pytest

from assets.discovery.ledger import by_hand
from assets.discovery.ledger.transitions import EDGES, STATUSES, By, IllegalTransition, require_legal
from tests.assets.discovery.ledger.ledger_worlds import plan

LEGAL = {
    ("pending", "in_progress"),
    ("in_progress", "done"), ("in_progress", "skipped"), ("in_progress", "pending"),
    ("in_progress", "failed"), ("in_progress", "cancelled"),
    ("failed", "pending"), ("failed", "skipped"), ("failed", "cancelled"),
    ("done", "pending"), ("skipped", "pending"), ("cancelled", "pending"),
    ("pending", "skipped"), ("pending", "cancelled"),
}  # fmt: skip


def test_the_legal_edges_are_those_of_the_contract():
    assert set(EDGES) == LEGAL


@pytest.mark.parametrize(("before", "after"), sorted(set(itertools.product(STATUSES, STATUSES)) - LEGAL))
def test_every_other_edge_is_refused_and_names_both_states(before, after):
    for by in By:
        with pytest.raises(
            IllegalTransition, match=f"{before} -> {after} is not a legal transition of stage extract"
        ):
            require_legal("extract", before, after, by)


@pytest.mark.parametrize(("before", "after"), sorted(LEGAL))
def test_a_legal_edge_is_open_only_to_those_who_may_go_it(before, after):
    allowed = EDGES[before, after]
    assert allowed
    for by in By:
        if by in allowed:
            require_legal("extract", before, after, by)
        else:
            with pytest.raises(IllegalTransition, match="only by"):
                require_legal("extract", before, after, by)


@pytest.mark.parametrize("to", ["skipped", "cancelled"])
def test_a_person_cannot_set_aside_a_stage_that_runs_or_is_done(world, to):
    w = world(plan("fetch"))
    (item_id,) = w.add("x")
    (claim,) = w.claim()
    with pytest.raises(IllegalTransition, match=f"in_progress -> {to}"):
        by_hand.set_aside(w.connection, item_id, to, "enough", w.now, "fetch")
    w.finish(claim)
    with pytest.raises(IllegalTransition, match=f"done -> {to}"):
        by_hand.set_aside(w.connection, item_id, to, "enough", w.now, "fetch")
    assert w.statuses("x") == ["done"]


def test_skipping_an_item_lets_what_needs_it_go_on_and_leaves_a_sequence_number(world):
    w = world(plan("fetch", "score"))
    (item_id,) = w.add("x")
    assert by_hand.set_aside(w.connection, item_id, "skipped", "not ours", w.now, "fetch") == 1
    assert [claim.stage for claim in w.claim()] == ["score"]
    (event,) = w.events("skipped_by_hand")
    assert w.stage("x")["seq"] == event["seq"]


def test_a_cancelled_item_is_not_claimed_and_what_runs_of_it_is_not_tried_again(world):
    w = world(plan("fetch", "score"))
    (item_id,) = w.add("x")
    (claim,) = w.claim()
    assert by_hand.set_aside(w.connection, item_id, "cancelled", "wrong", w.now) == 1
    assert w.fail(claim).status == "cancelled"
    assert w.statuses("x") == ["cancelled", "cancelled"]
    assert by_hand.retry_item(w.connection, w.job, item_id, w.now) == 2
    assert [claim.stage for claim in w.claim()] == ["fetch"]


def test_a_cancelled_item_whose_worker_died_ends_cancelled(world):
    w = world(plan("fetch"))
    (item_id,) = w.add("x")
    w.claim()
    by_hand.set_aside(w.connection, item_id, "cancelled", "wrong", w.now)
    w.at(61).reap()
    assert w.statuses("x") == ["cancelled"]


def test_retrying_by_class_leaves_the_others_in_the_dead_letter(world):
    w = world(plan("fetch"))
    w.add("a", "b", "c")
    first, second, third = w.claim()
    w.fail(first, "permanent")
    w.fail(second, "budget")
    w.finish(third)
    assert by_hand.retry_failed(w.connection, w.job, w.now, "budget") == 1
    assert [w.statuses(key) for key in "abc"] == [["failed"], ["pending"], ["done"]]
    assert by_hand.retry_failed(w.connection, w.job, w.now) == 1
    assert len(w.events("retried")) == 2


def test_retrying_a_done_item_runs_all_its_stages_again_with_one_result_each(world):
    w = world(plan("fetch", "score"))
    (item_id,) = w.add("x")
    w.drain()
    assert by_hand.retry_item(w.connection, w.job, item_id, w.now) == 2
    w.drain()
    assert w.statuses("x") == ["done", "done"]
    assert len(w.rows("SELECT * FROM results")) == 2
