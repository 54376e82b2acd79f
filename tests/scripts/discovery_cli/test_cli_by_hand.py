"""What a person does to items and jobs, and what a later command makes of it."""

import json
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.scripts.discovery_cli import scripted_handler
from tests.scripts.discovery_cli.cli_worlds import Desk, inv, ledger, rows, words

FAILING = {"value": "bad", "does": "fail"}


def statuses() -> dict[tuple[str, str], str]:
    found = rows("SELECT w.key, s.stage, s.status FROM item_stages s JOIN work_items w ON w.id = s.item_id")
    return {(key, stage): status for key, stage, status in found}


def event_types() -> list[str]:
    return [type_ for (type_,) in rows("SELECT type FROM events ORDER BY seq")]


@pytest.fixture
def worked(desk: Desk) -> Desk:
    """One item that is done, one that failed in its first stage."""
    desk.jobs(words("good", FAILING))
    inv("jobs.run", "-j", "words")
    return desk


def names_of_the_failed_item() -> list[str]:
    ((id_, partition_key),) = rows("SELECT id, partition_key FROM work_items WHERE key = 'bad'")
    return ["bad", str(id_), partition_key]


def test_an_item_is_meant_by_its_key_its_id_or_its_partition_key(worked: Desk):
    for name in names_of_the_failed_item():
        assert inv("jobs.show", "-j", "words", "-k", name, "--json").document["item"]["key"] == "bad"
        assert inv("jobs.retry", "-j", "words", "--key", name, "--json").document == {"retried": 1}
        inv("jobs.run", "-j", "words")


@pytest.mark.parametrize(
    ("how", "retried"),
    [(("--all",), 1), (("--class", "permanent"), 1), (("--class", "code"), 0), (("-k", "bad"), 1)],
)
def test_retry_sets_failed_stages_pending(worked: Desk, how: tuple[str, ...], retried: int):
    assert inv("jobs.retry", "-j", "words", *how, "--json").document == {"retried": retried}
    assert statuses()["bad", "fetch"] == ("pending" if retried else "failed")
    assert statuses()["good", "fetch"] == "done"


def test_skip_lets_what_comes_after_go_on_and_keeps_the_reason(worked: Desk):
    ended = inv(
        "jobs.skip", "-j", "words", "-k", "bad", "--stage", "fetch", "--reason", "it is gone", "--json"
    )
    run = inv("jobs.run", "-j", "words", "--json").document

    assert ended.document == {"changed": 1}
    assert statuses()["bad", "fetch"] == "skipped"
    assert rows("SELECT skip_reason FROM item_stages WHERE status = 'skipped'") == [("it is gone",)]
    assert run["stages"]["failed"] == 1  # The stage behind it was claimable.


def test_cancel_ends_the_whole_item(worked: Desk):
    assert inv("jobs.skip", "-j", "words", "-k", "bad", "--cancel", "--json").document == {"changed": 2}

    ended = inv("jobs.items", "-j", "words", "--status", "cancelled", "--json")

    assert [item["key"] for item in ended.document["items"]] == ["bad"]
    assert inv("jobs.run", "-j", "words", "--json").document["stages"]["done"] == 0


def test_a_second_pause_keeps_the_first(worked: Desk):
    first = inv("jobs.pause", "-j", "words", "--reason", "one", "--json")
    second = inv("jobs.pause", "-j", "words", "--reason", "two", "--until", "+60", "--json")

    assert (first.document["changed"], second.document["changed"], second.code) == (True, False, 0)
    assert rows("SELECT paused_reason, resume_at FROM job_state") == [("one", None)]
    assert event_types().count("paused") == 1


def test_unpause_ends_a_pause_once_and_leaves_failures(worked: Desk):
    inv("jobs.pause", "-j", "words")

    first, second = (inv("jobs.unpause", "-j", "words", "--json") for _ in range(2))

    assert first.document == {"job": "words", "paused": False, "changed": True}
    assert second.document == {"job": "words", "paused": False, "changed": False}
    assert "was not paused" in second.err
    assert statuses()["bad", "fetch"] == "failed"


def test_a_pause_until_a_time_of_the_job_ends_then(desk: Desk):
    desk.jobs(words("a", timezone="Asia/Tokyo"))
    tomorrow = (datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(days=1)).replace(microsecond=0)

    inv("jobs.pause", "-j", "words", "--until", tomorrow.replace(tzinfo=None).isoformat())

    assert rows("SELECT resume_at FROM job_state") == [(int(tomorrow.timestamp()) * 1000,)]


def test_a_pause_for_seconds_ends_then(desk: Desk):
    desk.jobs(words("a"))
    before = time.time()

    inv("jobs.pause", "-j", "words", "--until", "+3600")

    ((resume_at,),) = rows("SELECT resume_at FROM job_state")
    assert before + 3600 <= resume_at / 1000 + 0.001 <= time.time() + 3600
    with ledger() as connection:
        connection.execute("UPDATE job_state SET resume_at = 1")
    assert inv("jobs.run", "-j", "words", "--json").code == 0


def test_pause_now_also_tells_what_is_running(worked: Desk):
    inv("jobs.pause", "-j", "words", "--now")

    ((payload,),) = rows("SELECT payload_json FROM events WHERE type = 'paused'")
    assert json.loads(payload)["at_once"] is True


def test_wake_makes_a_job_due_and_waits_for_no_retry(desk: Desk):
    desk.jobs(words({"value": "a", "does": "try again"}))
    inv("jobs.run", "-j", "words", "--single-pass")

    woken = inv("jobs.wake", "-j", "words", "--json")

    assert woken.document == {"job": "words", "paused": False, "changed": True}
    assert rows("SELECT not_before FROM item_stages WHERE stage = 'fetch'") == [(0,)]
    assert rows("SELECT wake_at IS NOT NULL FROM job_state") == [(1,)]


def test_reprocess_bounds_how_many_items_wait_and_a_second_call_adds_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.jobs(words(*(f"w{number}" for number in range(10)), stages=[{"name": "fetch"}]))
    inv("jobs.run", "-j", "words")
    assert inv("jobs.stale", "-j", "words", "--json").document["stale"] == 0
    monkeypatch.setattr(scripted_handler, "HANDLER_VERSION", "2")

    stale = inv("jobs.stale", "-j", "words", "--json").document
    first = inv("jobs.reprocess", "-j", "words", "--limit", "4", "--json").document
    second = inv("jobs.reprocess", "-j", "words", "--limit", "4", "--stage", "fetch", "--json").document

    assert (stale["stale"], stale["by_stage"], stale["by_reason"]) == (10, {"fetch": 10}, {"version": 10})
    assert first == {"queued": 4, "already_waiting": 0, "skipped_running": 0, "remaining": 6}
    assert second == {"queued": 0, "already_waiting": 4, "skipped_running": 0, "remaining": 6}
    newest = rows(
        "SELECT w.key FROM item_stages s JOIN work_items w ON w.id = s.item_id WHERE s.status = 'pending'"
    )
    assert {key for (key,) in newest} == {"w6", "w7", "w8", "w9"}


def test_a_test_leaves_nothing_but_its_cost_in_the_ledger(desk: Desk):
    desk.jobs(words("a", "b", "c", "d", stages=[{"name": "fetch", "params": {"does": "pay"}}]))

    tested = inv("jobs.test", "-j", "words", "--json").document

    assert (tested["items"]["done"], tested["cost_micros"]) == (3, 900_000)
    assert rows("SELECT count(*) FROM work_items") == [(0,)]
    assert rows("SELECT DISTINCT mode FROM costs") == [("test",)]
    assert inv("jobs.costs", "-j", "words", "--json").document["total_micros"] == 900_000


def test_one_item_is_tested_by_any_of_its_names(worked: Desk):
    for name in names_of_the_failed_item():
        tested = inv("jobs.test", "-j", "words", "--item", name, "--json")
        assert {result["key"] for result in tested.document["results"]} == {"bad"}
        assert tested.code == 1


def test_a_test_of_a_done_stage_runs_it_unless_told_not_to_reset(worked: Desk):
    options = ("-j", "words", "--item", "good", "--stage", "score", "--json")

    assert inv("jobs.test", *options).document["stages"]["done"] == 1
    assert inv("jobs.test", *options, "--no-reset").document["stages"]["done"] == 0


def test_a_limit_bounds_what_is_discovered_and_done(desk: Desk):
    desk.jobs(words("a", "b", "c"))

    ran = inv("jobs.run", "-j", "words", "--limit", "2", "--json").document

    assert (ran["discovery"]["n_new"], ran["items"]["done"]) == (2, 2)


def test_discovery_alone_works_on_nothing(desk: Desk):
    desk.jobs(words("a", "b"))

    ran = inv("jobs.run", "-j", "words", "--discover-only", "--json").document

    assert (ran["discovery"]["n_new"], ran["stages"]["done"]) == (2, 0)
    assert rows("SELECT count(*) FROM attempts") == [(0,)]


def test_items_are_found_by_status_stage_and_a_part_of_their_key(worked: Desk):
    def keys(*options: str) -> list[str]:
        found = inv("jobs.items", "-j", "words", *options, "--json").document["items"]
        return [item["key"] for item in found]

    assert keys() == ["bad", "good"]
    assert keys("--limit", "1") == ["bad"]
    assert keys("--status", "done") == ["good"]
    assert keys("--stage", "fetch") == ["bad"]
    assert keys("--search", "OO") == ["good"]


def test_costs_are_of_one_day_or_all_by_job_stage_model_or_day(desk: Desk):
    desk.jobs(words("a", stages=[{"name": "fetch", "params": {"does": "pay"}}]))
    inv("jobs.run", "-j", "words")
    today = datetime.now(UTC).date().isoformat()

    def groups(*options: str) -> list[str]:
        return [row["group"] for row in inv("jobs.costs", *options, "--json").document["rows"]]

    assert groups() == ["words"]
    assert groups("--by", "stage", "--day", today) == ["fetch"]
    assert groups("--by", "day") == [today]
    assert groups("--day", "2020-01-01") == []


def test_events_are_the_newest_those_of_a_type_or_those_behind_one(worked: Desk):
    def found(*options: str) -> list[dict[str, object]]:
        return inv("jobs.events", "-j", "words", *options, "--json").document["events"]

    everything = found()
    assert [event["type"] for event in everything[-1:]] == ["run_finished"]
    assert found("--limit", "2") == everything[-2:]
    assert found("--since", str(everything[1]["seq"]), "--limit", "2") == everything[2:4]
    assert {event["type"] for event in found("--type", "stage_failed")} == {"stage_failed"}
    assert found("--since", "2099-01-01") == []
    assert found("--since", "2020-01-01T00:00:00+09:00") == everything


def test_export_writes_every_record_and_prunes_only_old_events(worked: Desk):
    path = worked.folder / "deep" / "words.jsonl"
    with ledger() as connection:
        connection.execute("UPDATE events SET at = 0 WHERE seq <= 3")
    count = len(event_types())

    ended = inv("jobs.export", "-j", "words", "--to", str(path), "--prune", "--json").document

    records = [json.loads(line)["record"] for line in path.read_text().splitlines()]
    assert ended["path"] == str(path)
    assert ended["pruned"] == 3
    assert len(event_types()) == count - 3
    assert {f"{record}s": records.count(record) for record in dict.fromkeys(records)} == {
        name: lines for name, lines in ended["lines"].items() if lines
    }
    assert ended["lines"]["events"] == count
    assert [each.name for each in path.parent.iterdir()] == ["words.jsonl"]


def test_export_without_prune_removes_nothing(worked: Desk):
    with ledger() as connection:
        connection.execute("UPDATE events SET at = 0")

    ended = inv("jobs.export", "--to", str(worked.folder / "all.jsonl"), "--json").document

    assert ended["pruned"] == 0
    assert len(event_types()) == ended["lines"]["events"]


def test_a_file_that_is_there_is_replaced_only_by_a_whole_one(worked: Desk):
    path = worked.folder / "all.jsonl"
    path.write_text("what was there\n")
    with ledger() as connection:
        connection.execute("UPDATE events SET payload_json = 'no json' WHERE seq = 3")

    with pytest.raises(json.JSONDecodeError):
        inv("jobs.export", "--to", str(path), "--json")

    assert path.read_text() == "what was there\n"
    assert list(worked.folder.glob(".*.part")) == []


def test_the_report_is_a_page_in_the_home_of_quintet(worked: Desk):
    ended = inv("jobs.report", "--json")

    path = worked.folder / "quintet_home" / "work" / "discovery.html"
    assert ended.document == {"path": str(path)}
    assert "words" in path.read_text()


def test_the_doctor_puts_right_what_is_safe_to_says_so_and_does_it_once(worked: Desk):
    with ledger() as connection:
        connection.execute("DELETE FROM item_stages WHERE stage = 'score' AND status = 'pending'")
    found = inv("jobs.doctor", "--json")
    assert "missing_stage_rows" in [finding["id"] for finding in found.document["findings"]]

    fixed, again = inv("jobs.doctor", "--fix", "--json"), inv("jobs.doctor", "--fix", "--json")

    assert "missing_stage_rows" not in [finding["id"] for finding in fixed.document["findings"]]
    assert "Fixed: " in fixed.err
    assert "Fixed: " not in again.err
    assert event_types().count("doctor_fixed") == 1


def test_the_doctor_tells_of_one_job_if_asked_for_one(desk: Desk):
    desk.jobs(words("a"), words("b", name="others"))
    for job in ("words", "others"):
        inv("jobs.run", "-j", job)
    with ledger() as connection:
        connection.execute("DELETE FROM item_stages WHERE stage = 'score'")

    findings = inv("jobs.doctor", "-j", "others", "--json").document["findings"]

    assert {finding["job"] for finding in findings} == {"others"}
