"""The status and the manifest of a run: their keys, every outcome, what is refused."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.aim.job_book import JobBook
from assets.aim.job_files import JOB_STATUS, LONGEST_TEXT, RUN_MANIFEST
from tests.assets.aim.book_places import (
    LOAD,
    MANIFEST_KEYS,
    RECOMMEND,
    REPORT,
    RUN,
    SCORE,
    SHA,
    STAGE_KEYS,
    START,
    STATUS_KEYS,
    Place,
    book_in,
    started,
)


def test_a_run_that_ends_well_leaves_these_two_files():
    place = Place()
    book = started(place)
    with book.stage(*LOAD) as stage:
        book.ran_sql("assets/aim/sql/a.sql", 10, SHA)
        stage.rows = 12
    with book.stage(*RECOMMEND) as stage:
        book.progress(10, 9, line="Processing batch 1/1")
        book.output_file(f"output/results_{RUN}.csv")
        book.report(REPORT)
        book.http_requests([{"method": "POST", "path": "/login", "status": 200, "count": 1}])
        stage.rows = 9
    book.finish()

    status, manifest = place.status, place.manifest
    heartbeat, ended_at = status.pop("heartbeat_ts"), status.pop("ended_at")
    assert START < datetime.fromisoformat(ended_at) < datetime.fromisoformat(heartbeat)
    assert status == {
        "state": "success",
        "run_id": RUN,
        "started_at": "2025-06-10T05:00:01.000+00:00",
        "last_log_line": "Job Completed Successfully",
        "output_file": f"results_{RUN}.csv",
        "error_summary": None,
        "progress": {"attempted": 10, "succeeded": 9, "failed": 1},
        "report": REPORT,
    }
    times = [(stage.pop("started_at"), stage.pop("ended_at")) for stage in manifest["stages"]]
    assert sorted(sum(times, ())) == list(sum(times, ()))
    assert all(time.endswith("+00:00") for pair in times for time in pair)
    assert manifest == {
        "mode": "local",
        "dry_run": False,
        "run_id": RUN,
        "stages": [
            {"stage": 1, "name": LOAD[1], "outcome": "success", "rows": 12},
            {"stage": 4, "name": RECOMMEND[1], "outcome": "success", "rows": 9},
        ],
        "sql_files": [{"file": "assets/aim/sql/a.sql", "size": 10, "sha256": SHA}],
        "http_requests": [{"method": "POST", "path": "/login", "status": 200, "count": 1}],
    }


def test_the_files_are_json_indented_by_two_with_the_keys_in_order():
    place = Place()
    book = started(place)
    with book.stage(*LOAD):
        pass
    for path in (JOB_STATUS, RUN_MANIFEST):
        content = place.files[path].decode()
        assert content == json.dumps(json.loads(content), indent=2) + "\n"
    assert list(place.status) == STATUS_KEYS
    assert list(place.manifest) == MANIFEST_KEYS
    assert list(place.manifest["stages"][0]) == STAGE_KEYS


def test_opening_a_book_writes_nothing_and_starting_writes_both_files():
    place = Place()
    book = book_in(place, RUN)
    assert place.tried == 0
    book.start()
    assert (place.status["state"], place.status["last_log_line"]) == ("running", "Job Initialized")
    assert place.status["heartbeat_ts"] >= place.status["started_at"]
    assert place.manifest["stages"] == []


def test_a_stage_is_in_the_files_while_it_runs():
    place = Place()
    book = started(place)
    with book.stage(*LOAD):
        (entry,) = place.manifest["stages"]
        assert (entry["stage"], entry["ended_at"], entry["outcome"], entry["rows"]) == (1, None, None, 0)
        assert place.status["last_log_line"] == "Starting Stage 1: Load Data"
        assert place.status["state"] == "running"


@pytest.mark.parametrize("end", [ValueError("bad feed"), KeyboardInterrupt(), SystemExit(1)])
def test_a_stage_that_fails_is_named_and_its_exception_goes_on(end):
    place = Place()
    book = started(place)

    def load() -> None:
        with book.stage(*LOAD) as stage:
            stage.rows = 5
            raise end

    with pytest.raises(type(end)):
        load()
    (entry,) = place.manifest["stages"]
    assert (entry["outcome"], entry["rows"]) == ("failed", 0)
    assert entry["ended_at"] is not None
    book.fail("The feed is cut; deliver it again.")
    assert place.status["state"] == "failed"
    assert place.status["last_log_line"] == "Failed at Stage 1: Load Data"
    assert place.status["error_summary"] == "The feed is cut; deliver it again."
    assert place.status["ended_at"] is not None


def test_the_stage_that_failed_is_named_and_not_one_that_did_well():
    place = Place()
    book = started(place)
    with book.stage(*LOAD):
        pass
    with pytest.raises(ValueError, match="no"), book.stage(*SCORE):
        raise ValueError("no")
    with book.stage(*RECOMMEND):
        pass
    book.fail("no")
    assert place.status["last_log_line"] == "Failed at Stage 3: TyreScore"


def test_a_failure_outside_the_stages_names_the_last_one_or_the_start():
    place = Place()
    book = started(place)
    book.fail("no configuration")
    assert place.status["last_log_line"] == "Failed at start-up"
    book.start()
    with book.stage(*SCORE):
        pass
    with book.stage(*LOAD):
        pass
    book.fail("the warehouse did not close")
    assert place.status["last_log_line"] == "Failed at Stage 1: Load Data"


def test_a_success_can_still_become_a_failure_but_not_the_other_way_round():
    place = Place()
    book = started(place)
    book.finish()
    book.fail("the warehouse did not close")
    assert place.status["state"] == "failed"
    with pytest.raises(ValueError, match="is not running but failed"):
        book.finish()
    assert place.status["state"] == "failed"


def test_a_stage_of_a_run_that_was_ended_from_outside_has_failed_even_if_it_ends_well():
    place = Place()
    book = started(place)
    with book.stage(*LOAD) as stage:
        stage.rows = 3
        book.fail("The run was stopped.")
    (entry,) = place.manifest["stages"]
    assert (entry["outcome"], entry["rows"], entry["ended_at"]) == ("failed", 0, place.status["ended_at"])
    assert place.status["state"] == "failed"


def test_a_dry_run_ends_as_a_success():
    place = Place()
    book = started(place, dry_run=True)
    with book.stage(*LOAD):
        pass
    book.finish()
    assert (place.status["state"], place.status["error_summary"]) == ("success", None)


def test_a_dry_run_publishes_no_rows_and_has_no_report():
    place = Place()
    book = started(place, dry_run=True)
    with book.stage(*LOAD) as stage:
        stage.rows = 12
    with pytest.raises(ValueError, match="cannot have a cost report"):
        book.report(REPORT)
    with pytest.raises(ValueError, match="no runlist"), book.stage(*RECOMMEND):
        raise ValueError("no runlist")
    book.fail("no runlist")
    assert place.manifest["dry_run"] is True
    assert [(stage["outcome"], stage["rows"]) for stage in place.manifest["stages"]] == [
        ("dry_run", 0),
        ("failed", 0),
    ]
    assert list(place.status) == STATUS_KEYS


@pytest.mark.parametrize(
    "call",
    [
        lambda book: book.stage(*LOAD).__enter__(),
        lambda book: book.progress(1, 1),
        lambda book: book.ran_sql("a.sql", 1, SHA),
        lambda book: book.http_requests([]),
        lambda book: book.output_file("output/a.csv"),
        lambda book: book.report(REPORT),
        lambda book: book.finish(),
    ],
)
def test_nothing_is_written_before_the_start_and_after_the_end(call):
    place = Place()
    book = book_in(place, RUN)
    with pytest.raises(ValueError, match=f"Run {RUN} is not running but idle"):
        call(book)
    assert place.tried == 0
    book.start()
    book.finish()
    before = dict(place.files)
    with pytest.raises(ValueError, match=f"Run {RUN} is not running but success"):
        call(book)
    assert place.files == before


def test_a_run_that_has_not_started_cannot_fail():
    place = Place()
    with pytest.raises(ValueError, match="has not started"):
        book_in(place, RUN).fail("no")
    assert place.tried == 0


@pytest.mark.parametrize(("attempted", "succeeded"), [(1, 2), (-1, -1), (0, -1)])
def test_more_cams_than_were_attempted_cannot_succeed(attempted, succeeded):
    place = Place()
    book = started(place)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        book.progress(attempted, succeeded)
    assert place.status["progress"] == {"attempted": 0, "succeeded": 0, "failed": 0}


def test_progress_without_a_line_keeps_the_line():
    place = Place()
    book = started(place)
    book.progress(5, 4, line="Processing batch 1/2")
    book.progress(10, 8)
    assert place.status["last_log_line"] == "Processing batch 1/2"
    assert place.status["progress"] == {"attempted": 10, "succeeded": 8, "failed": 2}


def test_a_clock_without_a_zone_is_refused():
    place = Place()
    naive = START.replace(tzinfo=None)
    book = JobBook.open(RUN, mode="local", dry_run=False, files=place, now=lambda: naive)
    with pytest.raises(ValueError, match="timezone"):
        book.start()
    assert place.tried == 0


def test_a_sql_file_is_listed_once_in_the_order_of_execution():
    place = Place()
    book = started(place)
    for name in ("b", "a", "b"):
        book.ran_sql(f"assets/aim/sql/{name}.sql", 10, SHA)
    assert [file["file"][-5:] for file in place.manifest["sql_files"]] == ["b.sql", "a.sql"]
    book.ran_sql("assets/aim/sql/a.sql", 11, SHA.replace("b", "c"))
    assert [file["size"] for file in place.manifest["sql_files"]] == [10, 10, 11]


def test_requests_are_sorted_and_those_of_earlier_processes_are_added():
    def counted(method: str, path: str, status: int | None, count: int) -> dict[str, object]:
        return {"method": method, "path": path, "status": status, "count": count}

    place, batch = Place(), "/api/recommendations/batch"
    book = started(place)
    book.http_requests([counted("POST", batch, None, 1), counted("POST", batch, 200, 1)])
    book.http_requests([counted("POST", batch, None, 2), counted("POST", batch, 200, 3)])
    again = book_in(place, RUN)
    again.start()
    for _ in range(2):
        again.http_requests([counted("POST", batch, 503, 1), counted("GET", "/app", 200, 1)])
    again.http_requests([counted("POST", batch, 200, 4), counted("GET", "/app", 200, 1)])
    assert place.manifest["http_requests"] == [
        counted("GET", "/app", 200, 1),
        counted("POST", batch, 200, 7),
        counted("POST", batch, None, 2),
    ]


@given(st.text(max_size=60) | st.text(min_size=LONGEST_TEXT - 2, max_size=LONGEST_TEXT + 60))
def test_texts_are_one_line_of_at_most_2000_characters(text):
    place = Place()
    book = started(place)
    book.progress(0, 0, line=text)
    book.fail(text)
    summary = place.status["error_summary"]
    assert len(summary) <= LONGEST_TEXT == 2000
    assert len(summary.splitlines()) <= 1
    assert summary.removesuffix("…") in " ".join(text.split())


def test_text_that_utf_8_cannot_hold_is_replaced():
    place = Place()
    started(place).fail("bad \ud800 byte\r\n\tin\u2028a file")
    assert place.status["error_summary"] == "bad ? byte in a file"
