"""Listing items, and finding the one that a person means."""

import dataclasses

import pytest

from assets.discovery.ledger import by_hand
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.discovery.ledger.revisions import Content
from assets.discovery.readers.item_list import ItemFilter, UnknownItem, find_item, items
from tests.assets.discovery.ledger.ledger_worlds import World, plan, seen


def keys(w: World, **chosen) -> list[str]:
    return [item["key"] for item in items(w.connection, w.job, ItemFilter(**chosen))["items"]]


@pytest.fixture
def w(world) -> World:
    """Item d is done, f failed at score, r is tried again, p waits; b failed at fetch, so score waits."""
    w = world(plan("fetch", "extract", "score"))
    w.add("d")
    w.drain()
    w.add("f")
    for outcome in ("fetch", "extract", "score"):
        (claim,) = w.claim()
        if outcome == "score":
            w.fail(claim, "permanent")
        else:
            w.finish(claim)
    w.add("r")
    w.fail(w.claim()[0])
    w.add("b")
    w.fail(w.claim()[0], "permanent")
    w.add("p")
    return w


def test_the_document_has_exactly_its_keys_newest_first(w):
    url = "https://a.example/?token=hunter2"
    sighting = seen("n")
    content = Content(sighting.content.data_json, "n", url=url, title=f"see {url}")
    w.show(dataclasses.replace(sighting, content=content))
    w.claim(1, active_items={w.item("n")["id"]})
    first, *others = items(w.connection, w.job, ItemFilter())["items"]
    assert first == {
        "id": w.item("n")["id"],
        "key": "n",
        "partition_key": w.item("n")["partition_key"],
        "derived_status": "in_progress",
        "revision": 1,
        "title": "see https://a.example/?token=***",
        "url": "https://a.example/?token=***",
        "n_running": 1,
        "retrying": False,
        "blocked": False,
    }
    assert [other["key"] for other in others] == ["p", "b", "r", "f", "d"]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({"status": "failed"}, "bf"),
        ({"status": "done"}, "d"),
        ({"status": "pending"}, "pr"),
        ({"stage": "fetch"}, "pbr"),
        ({"stage": "score"}, "f"),
        ({"stage": "fetch", "status": "failed"}, "b"),
        ({"retrying": True}, "r"),
        ({"retrying": False}, "pbfd"),
        ({"blocked": True}, "b"),
        ({"blocked": False, "limit": 2}, "pr"),
        ({"limit": 2}, "pb"),
        ({"search": "D"}, "d"),
        ({"search": "%"}, ""),
        ({"search": "_"}, ""),
    ],
)
def test_filters_hold_together(w, chosen, found):
    assert keys(w, **chosen) == list(found)


def test_a_search_looks_into_title_and_url_too(w):
    sighting = seen("n")
    content = Content("{}", "n", url="https://a.example/Path_1", title="Weekly 100% note")
    w.show(dataclasses.replace(sighting, content=content))
    assert keys(w, search="path_1") == keys(w, search="100% NOTE") == ["n"]


def test_an_item_is_blocked_only_behind_what_failed(world):
    stages = (StagePlan("left"), StagePlan("right"), StagePlan("last", needs=("left",)))
    w = world(JobPlan("papers", stages))
    w.add("a")
    left, right = w.claim()
    w.fail(right, "permanent")
    assert keys(w, blocked=True) == []
    w.fail(left, "permanent")
    assert keys(w, blocked=True) == ["a"]


def test_an_item_is_blocked_through_others_but_only_if_something_of_it_waits(world):
    w = world(plan("fetch", "extract", "score"))
    (item_id,) = w.add("a")
    w.fail(w.claim()[0], "permanent")
    by_hand.set_aside(w.connection, item_id, "cancelled", "no", w.now, stage="extract")
    assert keys(w, blocked=True) == ["a"]
    by_hand.set_aside(w.connection, item_id, "cancelled", "no", w.now, stage="score")
    assert keys(w, blocked=True) == []


def test_a_key_is_shown_without_secrets(world):
    w = world(plan("fetch"))
    w.add("https://a.example/?token=hunter2")
    assert keys(w) == ["https://a.example/?token=***"]


def test_an_item_is_found_by_key_then_partition_key_then_id(world):
    w = world(plan("fetch"))
    first, second = w.add("a", "1")
    assert (first, second) == (1, 2)
    partition = w.item("a")["partition_key"]
    assert find_item(w.connection, "papers", "1") == second
    assert find_item(w.connection, "papers", "2") == second
    assert find_item(w.connection, "papers", partition) == first
    w.add(partition)
    assert find_item(w.connection, "papers", f" {partition} ") == 3


@pytest.mark.parametrize("text", ["x", "9", "0", str(2**70), "", "https://a.example/?token=hunter2"])
def test_an_unknown_item_is_refused_with_the_way_to_find_one(world, text):
    w = world(plan("fetch"))
    w.add("a")
    with pytest.raises(UnknownItem, match=r"papers has no item .*`inv jobs.items -j papers") as refused:
        find_item(w.connection, "papers", text)
    assert "hunter2" not in str(refused.value)


def test_an_item_of_another_job_is_unknown(world):
    w, other = world(plan("fetch")), plan("fetch", job_id="others")
    w.sync(other)
    World(w.connection, other).add("a")
    with pytest.raises(UnknownItem):
        find_item(w.connection, "papers", "a")
