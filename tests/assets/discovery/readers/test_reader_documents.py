"""The documents of list, show, stale, costs, events and export, key by key."""

import dataclasses
import json
from datetime import date

import pytest

from assets.discovery.job_model import JobsFile
from assets.discovery.ledger import costs, pauses, pruning
from assets.discovery.ledger.costs import Cost, Spender
from assets.discovery.ledger.outcomes import Failed
from assets.discovery.ledger.revisions import Content
from assets.discovery.readers.cost_report import cost_report
from assets.discovery.readers.event_log import EventFilter, UnknownEventType
from assets.discovery.readers.event_log import events as event_log
from assets.discovery.readers.export import JobExport
from assets.discovery.readers.item_story import show
from assets.discovery.readers.jobs_today import jobs_today, listed
from assets.discovery.readers.stale_plan import stale_plan
from tests.assets.discovery.ledger.ledger_worlds import START, World, done, plan, seen
from tests.assets.discovery.readers.reader_worlds import today

SECRET = "https://a.example/x?token=hunter2"
DAY_S = 86_400


def at_version(job, version):
    stages = tuple(dataclasses.replace(stage, handler_version=version) for stage in job.stages)
    return dataclasses.replace(job, stages=stages)


def told_secrets(w: World) -> None:
    """An item whose source, handler and error all tell a secret."""
    content = Content(json.dumps({"link": SECRET, "password": "hunter2"}), "h", url=SECRET, title=SECRET)
    w.show(dataclasses.replace(seen("a"), content=content))
    w.finish(w.claim()[0], done({"link": SECRET}), [Cost(5, "p", "m", {"link": SECRET})])
    if len(w.job.stages) > 1:
        w.finish(w.claim()[0], Failed("permanent", f"404 for {SECRET}", "404"))


def with_another_job(w: World) -> list[int]:
    """A second job in the same ledger, with one item; returns the numbers of its `discovered` events."""
    other = World(w.connection, plan("fetch", job_id="others"))
    other.add("not ours")
    w.sync(other.job)
    return [event["seq"] for event in w.events("discovered") if event["job_id"] == "others"]


def test_list_says_what_the_jobs_file_says(world):
    job = today(plan("fetch", "score"), kind="backfill", enabled=False).job
    assert job is not None
    assert listed([job]) == {
        "jobs": [
            {
                "job": "papers",
                "kind": "backfill",
                "enabled": False,
                "strategy": "static_list",
                "stages": ["fetch", "score"],
            }
        ]
    }


def test_jobs_are_read_with_the_limiters_that_their_stages_wait_for():
    discovery = {"strategy": "static_list", "params": {"values": ["a"]}}
    own = {"rate": 1, "per_s": 1}
    stages = [
        {"name": "one", "handler": "fetch", "pace": {"limiter": "sec.gov"}},
        {"name": "two", "handler": "fetch", "pace": own},
        {"name": "three", "handler": "fetch"},
    ]
    entry = {"name": "papers", "discovery": discovery, "stages": stages}
    jobs_file = JobsFile.model_validate(
        {"version": 1, "limiters": {"sec.gov": [{"rate": 1, "per_s": 1}]}, "jobs": [entry]}
    )
    (found,) = jobs_today(jobs_file, {"papers": plan("one", "two", "three")})
    assert found.limiters == {"one": "sec.gov", "two": "pace:papers/two"}


def test_show_tells_everything_of_an_item_in_the_zone_of_its_job(world):
    w = world(plan("fetch", "score", timezone="America/New_York"))
    told_secrets(w)
    story = show(w.connection, today(w.job), w.item("a")["id"], w.now)
    assert list(story) == ["item", "stages", "attempts", "results", "costs", "events", "why"]
    item = story["item"]
    assert (item["key"], item["derived_status"], item["revision"]) == ("a", "failed", 1)
    assert item["data"] == {"link": "https://a.example/x?token=***", "password": "***"}
    assert item["discovered_at"] == "2026-02-28T19:00:00-05:00"
    statuses = {row["stage"]: row["status"] for row in story["stages"]}
    assert statuses == {"fetch": "done", "score": "failed"}
    assert story["stages"][0]["not_before"] is None
    assert [row["outcome"] for row in story["attempts"]] == ["done", "failed"]
    assert story["results"][0]["payload"] == {"link": "https://a.example/x?token=***"}
    assert [(row["micros"], row["model"]) for row in story["costs"]] == [(5, "m")]
    assert [row["type"] for row in story["events"]] == ["discovered", "stage_done", "stage_failed"]
    assert set(story["why"]) == {"code", "text"}
    text = json.dumps(story)
    assert "hunter2" not in text
    assert str(START) not in text


def test_content_that_waits_is_shown_without_secrets_too(world):
    w = world(plan("fetch"))
    w.add("a")
    w.claim()
    content = Content(json.dumps({"password": "hunter2"}), "new", url=SECRET)
    w.show(dataclasses.replace(seen("a"), content=content))
    story = show(w.connection, today(w.job), w.item("a")["id"], w.now)
    waiting = story["item"]["pending_revision"]
    assert (waiting["content_hash"], waiting["data_json"]) == ("new", {"password": "***"})
    assert "hunter2" not in json.dumps(story)
    assert "hunter2" not in "".join(JobExport(w.connection, "papers"))


def test_show_tells_old_results_and_only_of_this_item(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    w.drain()
    w.show(seen("a", "new"))
    w.drain(done("newer"))
    story = show(w.connection, today(w.job), w.item("a")["id"], w.now)
    assert [(row["revision"], row["superseded_at"] is None) for row in story["results"]] == [
        (1, False),
        (2, True),
    ]
    assert len(story["attempts"]) == 2
    assert "changed" in {row["type"] for row in story["events"]}


def test_stale_says_what_why_and_what_it_would_cost(world):
    w = world(plan("fetch", "score"))
    w.add("a", "b")
    for claim in w.claim():
        w.finish(claim, costs=[Cost(30)])
    for claim, micros in zip(w.claim(), (10, 20), strict=True):
        w.finish(claim, dataclasses.replace(done(), logic_hash="before"), [Cost(micros)])
    assert stale_plan(w.connection, w.job) == {
        "job": "papers",
        "stale": 0,
        "by_stage": {},
        "by_reason": {},
        "advisory_logic": 0,
        "cost_estimate_micros": 0,
    }
    first, score = w.job.stages
    edited = (first, dataclasses.replace(score, logic_hash="after"))
    assert stale_plan(w.connection, dataclasses.replace(w.job, stages=edited))["advisory_logic"] == 2
    assert stale_plan(w.connection, at_version(w.job, "2")) == {
        "job": "papers",
        "stale": 2,
        "by_stage": {"fetch": 2, "score": 2},
        "by_reason": {"version": 4},
        "advisory_logic": 0,
        "cost_estimate_micros": 2 * 30 + 2 * 20,
    }


@pytest.fixture
def spent(world) -> World:
    """Two days of costs of a job in New York, one of them unpriced, one reserved, one released."""
    w = world(plan("fetch", timezone="America/New_York"))
    w.add("a")
    pay = Spender("papers", w.item("a")["id"], "fetch")
    costs.settle(w.connection, pay, [Cost(5, "p", "m"), Cost(None, "p", "m")], "America/New_York", w.now)
    costs.settle(w.connection, pay, [Cost(7, "p", "n")], "America/New_York", w.at(DAY_S).now)
    costs.reserve(w.connection, pay, 3, "America/New_York", w.now, w.now + 1)
    kept = dataclasses.replace(pay, attempt_id=None, mode="test")
    costs.settle(w.connection, kept, [Cost(1)], "America/New_York", w.now)
    return w


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("job", [("papers", 13, 3, 4, 1)]),
        ("stage", [("fetch", 13, 3, 4, 1)]),
        ("model", [("n", 7, 0, 1, 0), ("m", 5, 0, 2, 1), ("-", 1, 3, 1, 0)]),
        ("day", [("2026-02-28", 5, 0, 2, 1), ("2026-03-01", 8, 3, 2, 0)]),
    ],
)
def test_costs_are_summed_by_what_is_asked(spent, by, rows):
    found = cost_report(spent.connection, by)
    names = ["group", "micros", "reserved_micros", "calls", "unpriced"]
    assert found == {"rows": [dict(zip(names, row, strict=True)) for row in rows], "total_micros": 13}


def test_costs_of_one_day_and_of_one_job(spent):
    other = plan("fetch", job_id="others")
    spent.sync(other)
    costs.settle(spent.connection, Spender("others"), [Cost(100)], "UTC", spent.now)
    assert cost_report(spent.connection, "job", day=date(2026, 2, 28))["total_micros"] == 5
    assert cost_report(spent.connection, "job", job_id="papers")["total_micros"] == 13
    assert [row["group"] for row in cost_report(spent.connection)["rows"]] == ["others", "papers"]


def test_what_was_released_costs_nothing(spent):
    costs.release_expired(spent.connection, spent.now + 10)
    assert cost_report(spent.connection)["rows"][0]["reserved_micros"] == 0
    other = plan("fetch", job_id="others")
    spent.sync(other)
    costs.reserve(spent.connection, Spender("others"), 3, "UTC", spent.now, spent.now + 1)
    costs.release_expired(spent.connection, spent.now + 10)
    assert [row["group"] for row in cost_report(spent.connection)["rows"]] == ["papers"]


def test_events_have_exactly_their_keys_and_no_secrets(world):
    w = world(plan("fetch"))
    w.add("a")
    pauses.pause(w.connection, "papers", f"see {SECRET}", w.at(1).now)
    found = event_log(w.connection, EventFilter(job_id="papers"))
    assert found == {
        "events": [
            {
                "seq": 1,
                "at": START,
                "job": "papers",
                "item_id": 1,
                "key": "a",
                "stage": None,
                "type": "discovered",
                "level": "info",
                "run_id": None,
                "payload": {},
            },
            {
                "seq": 2,
                "at": START + 1000,
                "job": "papers",
                "item_id": None,
                "key": None,
                "stage": None,
                "type": "paused",
                "level": "info",
                "run_id": None,
                "payload": {
                    "kind": "manual",
                    "reason": "see https://a.example/x?token=***",
                    "until": None,
                },
            },
        ]
    }


def seqs(w: World, **chosen) -> list[int]:
    return [event["seq"] for event in event_log(w.connection, EventFilter(**chosen))["events"]]


def test_events_are_the_newest_or_those_behind_where_a_follower_was(world):
    w = world(plan("fetch"))
    for second in range(5):
        w.at(second).add(f"k{second}")
    assert seqs(w, limit=2) == [4, 5]
    assert seqs(w, limit=2, after=1) == [2, 3]
    assert seqs(w, after=5) == []
    assert seqs(w, since=START + 3000) == [4, 5]
    assert seqs(w, type="gone") == []
    assert seqs(w, type="discovered", limit=1) == [5]
    assert seqs(w, job_id="others") == []


def test_an_unknown_type_of_event_is_refused_with_those_that_there_are(connection):
    with pytest.raises(UnknownEventType, match=r"'done' is no type of event; use one of .*stage_done"):
        event_log(connection, EventFilter(type="done"))


def test_an_export_holds_every_row_of_its_job_without_secrets(world):
    w = world(plan("fetch", "score"))
    with_another_job(w)
    told_secrets(w)
    export = JobExport(w.connection, "papers")
    lines = [json.loads(line) for line in export]
    (events_,) = w.rows("SELECT count(*) AS n FROM events WHERE job_id = 'papers'")
    counts = {"item": 1, "stage": 2, "attempt": 2, "result": 1, "cost": 1, "event": events_["n"]}
    assert export.counts == counts
    assert [line["record"] for line in lines] == [name for name, n in counts.items() for _ in range(n)]
    assert lines[0]["discovered_at"] == START
    assert lines[0]["data"]["link"] == "https://a.example/x?token=***"
    assert "hunter2" not in json.dumps(lines)
    assert "not ours" not in json.dumps(lines)
    assert export.last_event_seq == lines[-1]["seq"]
    assert not w.connection.in_transaction


def test_an_export_that_is_left_half_way_ends_its_transaction(world):
    w = world(plan("fetch"))
    w.add("a", "b")
    lines = iter(JobExport(w.connection, "papers"))
    next(lines)
    assert w.connection.in_transaction
    lines.close()  # pyright: ignore[reportAttributeAccessIssue] - it is a generator.
    assert not w.connection.in_transaction


def test_only_old_events_that_were_exported_are_pruned(world):
    w = world(plan("fetch"))
    w.add("a")
    w.drain()
    others = with_another_job(w)
    w.at(DAY_S).add("b")
    export = JobExport(w.connection, "papers")
    assert list(export)
    pauses.pause(w.connection, "papers", "old, but not exported", w.at(DAY_S - 1).now)
    now, up_to = w.at(3 * DAY_S).now, export.last_event_seq
    assert pruning.prune_exported(w.connection, "papers", 4, up_to, now) == 0
    assert pruning.prune_exported(w.connection, "papers", 2, up_to, now) == export.counts["event"] - 1
    kept = w.events()
    assert [event["type"] for event in kept if event["job_id"] == "papers"] == ["discovered", "paused"]
    assert {event["seq"] for event in kept if event["type"] == "discovered"} >= set(others)
    assert len(w.rows("SELECT * FROM attempts")) == len(w.rows("SELECT * FROM results")) == 1
