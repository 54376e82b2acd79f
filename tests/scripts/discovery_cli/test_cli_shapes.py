"""Every verb prints exactly one JSON document of exactly the keys that its readers know."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.scripts.discovery_cli.cli_worlds import VERBS, Desk, inv, words

STATUSES = {"pending", "in_progress", "done", "failed", "skipped", "cancelled"}
DISCOVERY = {
    *("outcome", "n_read", "n_new", "n_changed", "n_unchanged", "n_duplicate", "n_rejected"),
    *("n_missing", "n_gone", "warnings"),
}
RUN = {"job", "mode", "run_id", "discovery", "items", "stages", "cost_micros", "stopped"}

# What each verb prints after a run of two items, one of which failed.
SHAPES: Mapping[str, tuple[tuple[str, ...], set[str]]] = {
    "list": ((), {"jobs"}),
    "status": ((), {"jobs"}),
    "run": (("-j", "words"), RUN),
    "test": (("-j", "words"), {*RUN, "results"}),
    "dry-run": (("-j", "words"), {"job", "mode", "discovery", "claims", "cost_estimate_micros"}),
    "items": (("-j", "words"), {"items"}),
    "show": (
        ("-j", "words", "-k", "good"),
        {"item", "stages", "attempts", "results", "costs", "events", "why"},
    ),
    "retry": (("-j", "words", "--all"), {"retried"}),
    "skip": (("-j", "words", "-k", "bad"), {"changed"}),
    "pause": (("-j", "words"), {"job", "paused", "changed"}),
    "unpause": (("-j", "words"), {"job", "paused", "changed"}),
    "wake": (("-j", "words"), {"job", "paused", "changed"}),
    "stale": (
        ("-j", "words"),
        {"job", "stale", "by_stage", "by_reason", "advisory_logic", "cost_estimate_micros"},
    ),
    "reprocess": (("-j", "words"), {"queued", "already_waiting", "skipped_running", "remaining"}),
    "costs": ((), {"rows", "total_micros"}),
    "events": ((), {"events"}),
    "doctor": ((), {"findings"}),
    "migrate": ((), {"version", "applied"}),
    "export": (("--to", "TMP"), {"path", "lines", "pruned"}),
    "report": ((), {"path"}),
}


@pytest.fixture
def worked(desk: Desk) -> Desk:
    desk.jobs(words("good", {"value": "bad", "does": "fail"}))
    assert inv("jobs.run", "-j", "words", "--json").code == 1
    return desk


def document_of(verb: str, desk: Desk) -> dict[str, Any]:
    options = [str(desk.folder / "out.jsonl") if word == "TMP" else word for word in SHAPES[verb][0]]
    return inv(f"jobs.{verb}", *options, "--json").document


def test_the_table_of_shapes_has_every_verb():
    assert set(SHAPES) == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_prints_one_document_with_exactly_its_keys(worked: Desk, verb: str):
    assert set(document_of(verb, worked)) == SHAPES[verb][1]


def test_list_names_strategy_and_stages(worked: Desk):
    (job,) = document_of("list", worked)["jobs"]

    assert job == {
        "job": "words",
        "kind": "pipeline",
        "enabled": True,
        "strategy": "static_list",
        "stages": ["fetch", "score"],
    }


def test_status_counts_items_and_stages_by_status(worked: Desk):
    (job,) = document_of("status", worked)["jobs"]

    assert set(job) == {
        *("job", "state", "items", "stages", "stale", "cost_today_micros", "next_wake_at"),
        "oldest_pending_s",
    }
    assert (job["items"]["done"], job["items"]["failed"]) == (1, 1)
    assert set(job["stages"]) == {"fetch", "score"}
    assert set(job["stages"]["fetch"]) == STATUSES
    assert (job["stages"]["fetch"]["failed"], job["stages"]["score"]["pending"]) == (1, 1)


def test_run_counts_its_discovery_its_items_and_its_stages(desk: Desk):
    desk.jobs(words("good", {"value": "bad", "does": "fail"}, "good"))

    ran = inv("jobs.run", "-j", "words", "--json").document

    assert set(ran["discovery"]) == DISCOVERY
    assert (ran["job"], ran["mode"], ran["stopped"]) == ("words", "production", "drained")
    assert (ran["discovery"]["n_read"], ran["discovery"]["n_new"], ran["discovery"]["n_duplicate"]) == (
        3,
        2,
        1,
    )
    assert ran["items"] == {"done": 1, "failed": 1}
    assert ran["stages"] == {"done": 2, "failed": 1, "skipped": 0, "retried": 0}


def test_a_paused_run_has_no_discovery(worked: Desk):
    inv("jobs.pause", "-j", "words")

    assert document_of("run", worked)["discovery"] is None


def test_test_tells_what_each_stage_of_each_item_came_to(worked: Desk):
    tested = document_of("test", worked)

    assert tested["mode"] == "test"
    assert {"key": "good", "stage": "score", "status": "done", "payload": {"word": "good"}} in tested[
        "results"
    ]
    assert {(result["key"], result["stage"]): result["status"] for result in tested["results"]} == {
        ("good", "fetch"): "done",
        ("good", "score"): "done",
        ("bad", "fetch"): "failed",
        ("bad", "score"): "pending",
    }


def test_dry_run_tells_what_it_would_insert_and_claim(desk: Desk):
    desk.jobs(words(*(f"w{number:03}" for number in range(120)), stages=[{"name": "fetch"}]))

    forecast = inv("jobs.dry-run", "-j", "words", "--json").document

    discovery = forecast["discovery"]
    counters = {"n_read", "n_new", "n_changed", "n_unchanged", "n_duplicate", "n_rejected"}
    assert set(discovery) == {*counters, "new_keys"}
    assert discovery["n_new"] == 120
    assert discovery["new_keys"] == [f"w{number:03}" for number in range(100)]
    assert (forecast["mode"], forecast["claims"]) == ("dry_run", {"fetch": 120})


def test_items_say_what_runs_what_is_tried_again_and_what_is_blocked(worked: Desk):
    good, bad = sorted(document_of("items", worked)["items"], key=lambda item: item["id"])

    assert set(good) == {
        *("id", "key", "partition_key", "derived_status", "revision", "title", "url"),
        *("n_running", "retrying", "blocked"),
    }
    assert (good["key"], good["derived_status"], good["blocked"]) == ("good", "done", False)
    assert (bad["key"], bad["derived_status"], bad["blocked"]) == ("bad", "failed", True)


def test_show_tells_why_an_item_does_not_move(worked: Desk):
    shown = inv("jobs.show", "-j", "words", "-k", "bad", "--json").document

    assert set(shown["why"]) == {"code", "text"}
    assert "fetch" in shown["why"]["text"]
    assert [attempt["outcome"] for attempt in shown["attempts"]] == ["failed"]


def test_costs_are_rows_of_groups_and_a_total(desk: Desk):
    desk.jobs(words("a", stages=[{"name": "fetch", "params": {"does": "pay"}}]))
    inv("jobs.run", "-j", "words")

    assert inv("jobs.costs", "--by", "model", "--json").document == {
        "rows": [{"group": "large", "micros": 300_000, "reserved_micros": 0, "calls": 1, "unpriced": 0}],
        "total_micros": 300_000,
    }


def test_findings_name_the_next_command(worked: Desk):
    with_stale = inv("jobs.doctor", "--json").document["findings"]

    for finding in with_stale:
        assert set(finding) == {"id", "severity", "job", "evidence", "command", "fixable"}


def test_messages_go_to_standard_error(worked: Desk):
    ended = inv("jobs.pause", "-j", "words", "--json")
    again = inv("jobs.pause", "-j", "words", "--json")

    assert (ended.err, ended.document["changed"]) == ("", True)
    assert "was paused before" in again.err
    assert again.document == {"job": "words", "paused": True, "changed": False}
