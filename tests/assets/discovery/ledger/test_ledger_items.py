"""Upserts, revisions, absent items and suspicious listings."""

import dataclasses
import json
import sqlite3
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.discovery.keys import partition_key
from assets.discovery.ledger import events, items, listings
from assets.discovery.ledger.items import Checkpoint, Sighting
from assets.discovery.ledger.listings import Past, Report, is_anomalous
from assets.discovery.ledger.plans import DiscoveryPlan
from assets.discovery.ledger.revisions import Content
from tests.assets.discovery.ledger.ledger_worlds import START, World, opened, plan, seen

COMPLETE = Report(complete=True)


def with_policy(w, on_change):
    w.job = dataclasses.replace(w.job, discovery=DiscoveryPlan(on_change))
    return w


def test_a_new_key_gets_its_item_its_stages_and_an_event_with_its_sequence(world):
    w = world(plan("fetch", "score"))
    counts = w.show(seen("x", priority=7))
    assert (counts.n_read, counts.n_new, counts.new_keys) == (1, 1, ["x"])
    (event,) = w.events("discovered")
    item = w.item("x")
    assert (item["seq"], item["revision"], item["partition_key"]) == (event["seq"], 1, partition_key("x"))
    assert [(row["status"], row["priority"]) for row in w.rows("SELECT * FROM item_stages")] == [
        ("pending", 7)
    ] * 2


def test_an_unchanged_source_moves_nothing_but_the_time_it_was_seen(world):
    w = world(plan("fetch"))
    w.show(seen("x"), seen("y"), Checkpoint('{"page": 2}'))
    stages, before = w.rows("SELECT * FROM item_stages"), w.rows("SELECT * FROM work_items")
    counts = w.at(9).show(seen("x"), seen("y"), Checkpoint('{"page": 2}'))
    assert (counts.n_unchanged, counts.n_new, counts.n_changed) == (2, 0, 0)
    assert w.rows("SELECT * FROM item_stages") == stages
    assert w.rows("SELECT * FROM work_items") == [{**row, "last_seen_at": w.now} for row in before]
    assert len(w.events()) == 2
    assert w.job_row()["cursor_json"] == '{"page": 2}'


def test_new_content_begins_a_new_revision(world):
    w = with_policy(world(plan("fetch", "score")), "reprocess")
    w.show(seen("x", "a"))
    w.drain()
    assert w.show(seen("x", "b")).n_changed == 1
    item = w.item("x")
    assert (item["revision"], item["content_hash"]) == (2, "b")
    assert w.statuses("x") == ["pending", "pending"]
    assert {row["revision"] for row in w.rows("SELECT revision FROM item_stages")} == {2}
    assert w.events("changed")[0]["seq"] == item["seq"]
    w.drain()
    assert len(w.rows("SELECT * FROM results WHERE superseded_at IS NULL")) == 2
    assert len(w.rows("SELECT * FROM results")) == 4


def test_new_content_that_is_ignored_leaves_revision_and_stages(world):
    w = with_policy(world(plan("fetch")), "ignore")
    w.show(seen("x", "a"))
    w.drain()
    before = w.stage("x")
    assert w.show(seen("x", "b")).n_changed == 1
    assert (w.item("x")["revision"], w.item("x")["content_hash"]) == (1, "b")
    assert w.stage("x") == before
    assert w.events("changed")[0]["payload"] == {"ignored": True}


def test_new_content_as_a_new_item_keeps_the_old_one(world):
    w = with_policy(world(plan("fetch")), "new_item")
    for content in ("a", "b", "b", "c"):
        w.show(seen("x", content), complete=True)
    keys = [row["key"] for row in w.rows("SELECT key FROM work_items ORDER BY id")]
    assert keys == ["x", "x@r2", "x@r3"]
    assert w.item("x")["content_hash"] == "a"
    assert w.rows("SELECT * FROM work_items WHERE missing_since IS NOT NULL") == []


def test_a_later_item_of_a_very_long_key_still_fits(world):
    w = with_policy(world(plan("fetch")), "new_item")
    for content in ("a", "b", "b", "c"):
        w.show(seen("k" * 200, content))
    lengths = [len(row["key"]) for row in w.rows("SELECT key FROM work_items ORDER BY id")]
    assert lengths == [200, 20, 20]


def test_new_content_waits_while_a_stage_runs_and_nothing_more_of_the_item_is_claimed(world):
    w = world(plan("fetch", "score"))
    w.show(seen("x", "a"))
    (claim,) = w.claim()
    w.show(seen("x", "b"))
    w.show(seen("x", "c"))
    assert w.show(seen("x", "c")).n_unchanged == 1
    assert (w.item("x")["revision"], w.item("x")["content_hash"]) == (1, "a")
    assert w.claim() == []
    w.finish(claim)
    assert (w.item("x")["revision"], w.item("x")["content_hash"]) == (2, "c")
    assert w.statuses("x") == ["pending", "pending"]
    assert len(w.events("changed")) == 1


@pytest.mark.parametrize("column", ["pending_revision_json = '{}'", "cancelled_at = 1"])
def test_no_stage_of_an_item_that_is_cancelled_or_about_to_change_is_claimed(world, column):
    w = world(plan("fetch"))
    w.add("x", "y")
    w.connection.execute(f"UPDATE work_items SET {column} WHERE key = 'x'")
    assert [claim.item_id for claim in w.claim()] == [w.item("y")["id"]]


def test_the_first_of_two_equal_keys_wins_also_across_batches(world):
    w = world(plan("fetch"))
    listing = listings.begin(w.connection, "papers", w.now)
    batches = [[seen("x", "a"), seen("x", "b")], [seen("x", "c"), seen("y")]]
    found = [items.upsert(w.connection, w.job, listing, batch, w.now) for batch in batches]
    assert [(counts.n_new, counts.n_duplicate) for counts in found] == [(1, 1), (1, 1)]
    assert w.item("x")["content_hash"] == "a"
    listings.close(w.connection, w.job, listing, COMPLETE, w.now)
    # At the very same instant of the clock a second listing still sees each of them once.
    assert w.show(seen("x", "a"), seen("y")).n_unchanged == 2


def test_a_limit_leaves_the_rest_unread_and_the_cursor_before_it(world):
    w = world(plan("fetch"))
    rows = [seen("1"), Checkpoint("1"), seen("2"), Checkpoint("2"), seen("3"), Checkpoint("3")]
    for run, (fresh, cursor) in enumerate([(["1"], "1"), (["2"], "2"), (["3"], "3"), ([], "3")]):
        start = int(w.job_row()["cursor_json"] or 0)
        counts = w.show(*rows[2 * start :], new_limit=1)
        assert (counts.new_keys, w.job_row()["cursor_json"], counts.cut) == (fresh, cursor, run < 2)
    assert [row["cursor_before_json"] for row in w.rows("SELECT * FROM discoveries")] == [None, "1", "2", "3"]


def test_known_items_do_not_count_towards_the_limit(world):
    w = world(plan("fetch"))
    w.show(seen("a"), seen("b"))
    counts = w.show(seen("a"), seen("c"), seen("b"), seen("d"), new_limit=1)
    assert (counts.n_read, counts.n_new, counts.n_unchanged, counts.cut) == (3, 1, 2, True)


def test_the_cursor_is_stored_with_the_items_or_not_at_all(world):
    w = world(plan("fetch"))
    broken = Sighting("b", Content("{}", "b", published_at=cast(Any, "not a time")))
    listing = listings.begin(w.connection, "papers", w.now)
    with pytest.raises(sqlite3.IntegrityError):
        items.upsert(w.connection, w.job, listing, [seen("a"), Checkpoint("1"), broken], w.now)
    assert w.job_row()["cursor_json"] is None
    assert w.rows("SELECT * FROM work_items") == []
    assert not items.is_known(w.connection, "papers", "a")


def test_only_a_complete_listing_marks_what_it_does_not_show(world):
    w = world(plan("fetch"))
    keys = [f"k{n}" for n in range(100)]
    w.show(*(seen(key) for key in keys), complete=True)
    w.show(*(seen(key) for key in keys[:97]))
    assert w.events("missing") == []
    _, closed = w.discover(*(seen(key) for key in keys[:97]), report=COMPLETE)
    assert (closed.n_missing, closed.n_gone) == (3, 0)
    assert [
        row["key"] for row in w.rows("SELECT key FROM work_items WHERE missing_since IS NOT NULL")
    ] == keys[97:]
    assert w.events("gone") == []


def test_an_item_is_gone_after_three_complete_listings_in_a_row_without_it(world):
    w = world(plan("fetch"))
    w.show(seen("x"), seen("y"), complete=True)
    gone = [w.discover(seen("x"), report=COMPLETE)[1].n_gone for _ in range(4)]
    assert gone == [0, 0, 1, 0]
    assert len(w.events("missing")) == len(w.events("gone")) == 1
    assert w.statuses("y") == ["pending"]
    assert w.show(seen("x"), seen("y"), complete=True).n_unchanged == 2
    item = w.item("y")
    assert (item["missing_since"], item["missing_count"], item["gone_at"]) == (None, 0, None)
    assert len(w.events("returned")) == 1


def test_an_item_that_was_away_once_begins_to_count_anew(world):
    w = world(plan("fetch"))
    w.show(seen("x"), seen("y"), complete=True)
    for shown in ("x", "x", "xy", "x", "x"):
        w.show(*map(seen, shown), complete=True)
    assert w.events("gone") == []
    assert w.item("y")["missing_count"] == 2


def test_a_deleted_item_is_gone_at_once_and_its_unfinished_stages_are_cancelled(world):
    w = world(plan("fetch", "score"))
    w.show(seen("x"))
    (claim,) = w.claim()
    w.finish(claim)
    counts = w.show(seen("x", deleted=True), seen("never seen", deleted=True))
    assert (counts.n_read, counts.n_deleted, counts.n_gone, counts.n_new) == (2, 2, 1, 0)
    assert w.statuses("x") == ["done", "cancelled"]
    assert w.item("x")["gone_at"] is not None
    assert w.show(seen("x", deleted=True)).n_gone == 0
    assert w.claim() == []
    w.show(seen("x", "new"))
    assert w.statuses("x") == ["pending", "pending"]
    assert w.item("x")["gone_at"] is None
    assert len(w.claim()) == 1


def test_new_content_that_waits_is_dropped_when_the_source_deletes_the_item(world):
    w = world(plan("fetch", "score"))
    w.show(seen("x", "a"))
    (claim,) = w.claim()
    w.show(seen("x", "b"))
    w.show(seen("x", deleted=True))
    w.finish(claim)
    assert w.statuses("x") == ["done", "cancelled"]
    assert w.item("x")["revision"] == 1


@pytest.mark.parametrize(
    ("n_read", "past", "anomalous"),
    [
        (0, [], False),
        (0, [4] * 10, False),
        (0, [5], True),
        (19, [100] * 10, True),
        (20, [100] * 10, False),
        (1, [100, 1, 1], False),
        (1, [5] * 10 + [1000] * 10, False),
        (1, ["short", 100], True),
        (1, ["short", "short", 100], False),
        # The third short one was believed: what came before it no longer counts.
        (1, [1, "short", "short", 100, 100, 100], False),
        (1, [10, 1, "short", "short", 100, 100, 100], True),  # less than a fifth of 5.5
    ],
)
def test_a_listing_much_shorter_than_usual_is_anomalous_until_the_third(n_read, past, anomalous):
    listed = [Past("anomalous", 1) if each == "short" else Past("ok", each) for each in past]
    assert is_anomalous(n_read, listed) is anomalous


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30), st.integers(0, 1000))
def test_at_most_two_listings_in_a_row_are_anomalous(history, n_read):
    past = [Past("ok", n) for n in history]
    streak = 0
    while is_anomalous(n_read, past):
        past.insert(0, Past("anomalous", n_read))
        streak += 1
    assert streak in (0, 2)


def test_a_suspicious_listing_takes_what_is_new_and_marks_nothing(world):
    w = world(plan("fetch"))
    w.show(*(seen(f"k{n}") for n in range(20)), complete=True)
    for expected in ("anomalous", "anomalous", "ok"):
        counts, closed = w.discover(seen(f"new {w.now}"), report=COMPLETE)
        w.now += 1000
        assert (closed.outcome, counts.n_new) == (expected, 1)
    assert len(w.events("discovery_anomalous")) == 2
    assert closed.n_missing == 22


@pytest.mark.parametrize("report", [Report(), Report(not_modified=True)])
def test_a_feed_or_an_unmodified_source_is_never_judged(world, report):
    w = world(plan("fetch"))
    w.show(*(seen(f"k{n}") for n in range(20)), complete=True)
    _, closed = w.discover(report=report)
    assert closed.outcome == ("not_modified" if report.not_modified else "ok")
    assert w.events("missing") == []


def test_a_failed_discovery_keeps_its_earlier_cursor_and_says_why(world):
    w = world(plan("fetch"))
    counts, closed = w.discover(
        seen("a"), Checkpoint("1"), seen("b"), report=Report(True, error_text="page 2: cut")
    )
    assert (closed.outcome, counts.n_new) == ("failed", 2)
    assert w.job_row()["cursor_json"] == "1"
    (row,) = w.rows("SELECT * FROM discoveries")
    assert (row["error_text"], row["complete"], row["n_read"]) == ("page 2: cut", 0, 2)
    assert w.events("discovery_failed")[0]["payload"] == {"error": "page 2: cut"}


def test_an_empty_source_is_an_error_where_the_job_says_so(world):
    w = world(plan("fetch"))
    assert w.discover(report=COMPLETE)[1].outcome == "ok"
    w.job = dataclasses.replace(w.job, discovery=DiscoveryPlan(empty_is_error=True))
    assert w.discover(report=COMPLETE)[1].outcome == "failed"
    assert w.discover(report=Report(not_modified=True))[1].outcome == "not_modified"


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("12"), st.booleans()), max_size=8),
        max_size=4,
    ),
    st.one_of(st.none(), st.integers(0, 3)),
)
def test_every_candidate_that_was_read_is_counted_exactly_once(tmp_path_factory, runs, limit):
    w = World(opened(tmp_path_factory.mktemp("ledger")), plan("fetch"))
    for run in runs:
        counts = w.show(*(seen(key, content, deleted=gone) for key, content, gone in run), new_limit=limit)
        parts = counts.n_new + counts.n_changed + counts.n_unchanged + counts.n_duplicate + counts.n_deleted
        assert counts.n_read == parts
        assert counts.cut or counts.n_read == len(run)
    w.connection.close()


def test_events_of_an_unknown_type_are_refused(world):
    w = world(plan("fetch"))
    with pytest.raises(ValueError, match="'finnished' is no event type"):
        events.write(w.connection, "finnished", events.Subject("papers"), START)


def test_pruning_removes_old_events_and_nothing_else(world):
    w = world(plan("fetch"))
    w.add("x")
    w.drain()
    w.at(100).add("y")
    results = w.rows("SELECT * FROM results")
    last = events.last_seq(w.connection, "papers")
    assert events.prune(w.connection, "papers", START + 50_000) == 2
    assert [event["type"] for event in w.events()] == ["discovered"]
    assert w.rows("SELECT * FROM results") == results
    assert w.rows("SELECT count(*) AS n FROM attempts") == [{"n": 1}]
    assert events.write(w.connection, "woken", events.Subject("papers"), w.now) == last + 1
    assert json.loads(w.events("woken")[0]["payload_json"]) == {}
