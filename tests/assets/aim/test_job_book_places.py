"""Several processes of one run, and other runs in the same place."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from assets.aim.job_files import JOB_STATUS, RUN_MANIFEST
from assets.failures import NotReady, PermanentFailure
from tests.assets.aim.book_places import (
    LOAD,
    OTHER_RUN,
    REPORT,
    RUN,
    SCORE,
    STATUS_KEYS,
    Clock,
    FolderPlace,
    Place,
    book_in,
    started,
)

REPOSITORY = Path(__file__).parents[3]


def test_the_next_process_of_a_run_goes_on_with_its_files():
    place, clock = Place(), Clock()
    first = book_in(place, RUN, clock)
    first.start()
    with first.stage(*LOAD) as stage:
        stage.rows = 3
    first.progress(4, 3)
    began = place.status["started_at"]
    second = book_in(place, RUN, clock, continues=True)
    second.start()
    with second.stage(*SCORE) as stage:
        stage.rows = 8
    second.finish()
    assert place.status["started_at"] == began
    assert place.status["progress"]["attempted"] == 4
    assert [(stage["stage"], stage["rows"]) for stage in place.manifest["stages"]] == [(1, 3), (3, 8)]


def test_the_next_process_knows_which_stages_are_done():
    place = Place()
    first = started(place)
    with first.stage(*LOAD):
        pass
    with pytest.raises(ValueError, match="no"), first.stage(*SCORE):
        raise ValueError("no")
    assert book_in(place, RUN, continues=True).done_stages == {LOAD[0]}


def test_who_holds_a_lock_need_not_wait_for_the_heartbeat_of_a_killed_run():
    place, clock = Place(), Clock()
    started(place)
    with pytest.raises(NotReady):
        book_in(place, OTHER_RUN, clock)
    book_in(place, OTHER_RUN, clock, is_alone=True).start()
    assert place.status["run_id"] == OTHER_RUN


def test_a_run_goes_on_after_it_had_ended():
    place = Place()
    started(place).finish()
    again = book_in(place, RUN, continues=True)
    again.start()
    assert (place.status["state"], place.status["ended_at"]) == ("running", None)


def test_a_stage_that_is_tried_again_replaces_its_own_entry():
    place = Place()
    book = started(place)
    with pytest.raises(ValueError, match="no"), book.stage(*LOAD):
        raise ValueError("no")
    with book.stage(*SCORE):
        pass
    book.fail("no")
    again = book_in(place, RUN)
    again.start()
    with again.stage(*LOAD) as stage:
        stage.rows = 6
    again.finish()
    assert [(stage["stage"], stage["outcome"], stage["rows"]) for stage in place.manifest["stages"]] == [
        (1, "success", 6),
        (3, "success", 0),
    ]
    assert (place.status["state"], place.status["error_summary"]) == ("success", None)


def test_a_run_in_which_a_stage_failed_does_not_become_a_success():
    place = Place()
    book = started(place)
    with pytest.raises(ValueError, match="no"), book.stage(*LOAD):
        raise ValueError("no")
    book.fail("The feed is cut.")
    sibling = book_in(place, RUN, continues=True)
    sibling.start()
    with sibling.stage(*SCORE):
        pass
    sibling.finish()
    assert place.status["state"] == "failed"
    assert place.status["error_summary"] == "The feed is cut."
    assert place.status["last_log_line"] == "Failed at Stage 1: Load Data"


def test_a_run_that_was_killed_leaves_the_stages_that_had_started(tmp_path):
    command = [sys.executable, "-m", "tests.assets.aim.book_places", str(tmp_path), RUN]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in stage 3\n"
        process.kill()
    place = FolderPlace(tmp_path)
    manifest = json.loads((tmp_path / RUN_MANIFEST).read_bytes())
    assert [(stage["stage"], stage["outcome"]) for stage in manifest["stages"]] == [(1, "success"), (3, None)]
    assert json.loads((tmp_path / JOB_STATUS).read_bytes())["state"] == "running"

    after = book_in(place, RUN, continues=True)
    after.fail("The process was killed.")
    manifest = json.loads((tmp_path / RUN_MANIFEST).read_bytes())
    assert [stage["outcome"] for stage in manifest["stages"]] == ["success", "failed"]
    assert manifest["stages"][1]["ended_at"] is not None
    status = json.loads((tmp_path / JOB_STATUS).read_bytes())
    assert status["last_log_line"] == "Failed at Stage 3: TyreScore"


def test_a_stage_that_was_killed_keeps_the_run_from_becoming_a_success():
    place = Place()
    killed = started(place).stage(*LOAD)  # Kept, for its disposal would end it.
    killed.__enter__()
    again = book_in(place, RUN)
    again.start()
    assert place.manifest["stages"][0]["outcome"] is None
    again.finish()
    assert place.status["state"] == "failed"
    assert place.status["error_summary"] == "Stage 1: Load Data did not end"


def after(place: Place, seconds: float) -> Clock:
    """A clock whose next look is so long after the last heartbeat."""
    heartbeat = datetime.fromisoformat(place.status["heartbeat_ts"])
    return Clock(heartbeat + timedelta(seconds=seconds - 1))


@pytest.mark.parametrize("seconds", [0, 59, -59])
def test_beside_a_run_that_lives_no_other_starts(seconds):
    place = Place()
    started(place, OTHER_RUN)
    before = dict(place.files)
    with pytest.raises(
        NotReady, match=f"{OTHER_RUN} has been working .* since 2025-06-10T05:00:01"
    ) as refusal:
        book_in(place, RUN, after(place, seconds))
    assert "wait until it ends" in str(refusal.value)
    assert place.files == before


@pytest.mark.parametrize("seconds", [60, 3600, -60])
def test_a_run_without_heartbeat_for_a_minute_is_replaced(seconds):
    place = Place()
    other = started(place, OTHER_RUN)
    with other.stage(*LOAD):
        pass
    other.report(REPORT)
    other.progress(3, 1)
    book_in(place, RUN, after(place, seconds)).start()
    assert (place.status["run_id"], place.manifest["run_id"]) == (RUN, RUN)
    assert (place.status["progress"]["attempted"], place.manifest["stages"]) == (0, [])
    assert "report" not in place.status


@pytest.mark.parametrize("end", [lambda book: book.finish(), lambda book: book.fail("no")])
def test_a_run_that_has_ended_is_replaced_at_once(end):
    place = Place()
    end(started(place, OTHER_RUN))
    book_in(place, RUN, after(place, 1)).start()
    assert place.status["run_id"] == RUN


@pytest.mark.parametrize("seconds", [1, 3600])
def test_a_run_does_not_continue_where_another_has_worked_in_between(seconds):
    place = Place()
    started(place, RUN).finish()
    book_in(place, OTHER_RUN).start()
    with pytest.raises(PermanentFailure, match=f"Run {OTHER_RUN} has worked in this place") as refusal:
        book_in(place, RUN, after(place, seconds), continues=True)
    assert "launch the run again" in str(refusal.value)
    assert place.status["run_id"] == OTHER_RUN


def test_the_status_tells_who_was_here_last_when_the_manifest_is_older():
    place = Place()
    book = started(place, RUN)
    with book.stage(*LOAD):
        pass
    book.finish()
    manifest = place.files[RUN_MANIFEST]
    book_in(place, OTHER_RUN).start()
    place.files[RUN_MANIFEST] = manifest
    status = place.files[JOB_STATUS]
    with pytest.raises(PermanentFailure, match=OTHER_RUN):
        book_in(place, RUN, after(place, 60), continues=True)
    book_in(place, RUN, after(place, 60)).start()
    assert place.manifest["stages"] == []
    place.files = {JOB_STATUS: status, RUN_MANIFEST: manifest}
    book_in(place, OTHER_RUN, continues=True).start()
    assert (place.manifest["run_id"], place.manifest["stages"]) == (OTHER_RUN, [])


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"running"',
        b"[" * 100_000,
        json.dumps({"run_id": OTHER_RUN, "state": "running"}).encode(),
        json.dumps(dict.fromkeys(STATUS_KEYS)).encode(),
    ],
)
def test_files_that_are_not_ours_count_as_none(content):
    place = Place()
    if content is not None:
        place.files = {JOB_STATUS: content, RUN_MANIFEST: content}
    with pytest.raises(PermanentFailure, match=f"do not show the earlier stages of run {RUN}"):
        book_in(place, RUN, continues=True)
    book_in(place, RUN).start()
    assert (place.status["run_id"], place.manifest["run_id"]) == (RUN, RUN)


@pytest.mark.parametrize(
    "change",
    [
        {"colour": "red"},
        {"started_at": "2025-06-10T05:00:01"},
        {"state": "done"},
        {"progress": {"attempted": 3, "succeeded": 1, "failed": 1}},
    ],
)
def test_a_status_against_the_contract_is_not_ours(change):
    place = Place()
    started(place, OTHER_RUN)
    place.files[JOB_STATUS] = json.dumps(place.status | change).encode()
    del place.files[RUN_MANIFEST]
    book_in(place, RUN).start()
    assert place.status["run_id"] == RUN
