"""Another attempt: who may ask for it, what it resets, and what it never does beside a run at work."""

import json

import pytest

from assets.beams.failures import beam_failure
from assets.beams.registry import beams, cancelling, cases, failing, leases
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.reopening import NoAttempt, may_retry, reopen_beam, reopen_case
from assets.beams.registry.rows import beam_of, beams_of, case_of
from assets.beams.states import BeamState
from tests.assets.beams.registry.registry_worlds import (
    CASE,
    HOST,
    PHYSICIST,
    asked,
    at,
    beam,
    brought,
    interpreted,
    poll,
    rows,
)


def failed(connection, index: int, code: str, run: str = "") -> None:
    work = beams.take(connection, beam(index), run or f"r{index}", at(1))
    failing.fail_beam(connection, work, beam_failure(code, "it broke"), at(2))


def completed(connection, *indexes: int) -> None:
    for index in indexes:
        brought(connection, index, BeamState.COMPLETED)
    cases.complete(connection, cases.begin_report(connection, CASE, "p1", at(2)), [], at(3))


def statuses(connection) -> tuple[str, list[str]]:
    return case_of(connection, CASE).status, [row.status for row in beams_of(connection, CASE)]


def test_a_failed_case_is_not_reset_while_another_of_its_beams_runs(connection):
    interpreted(connection, 1, 2)
    brought(connection, 2, BeamState.RUNNING)
    failed(connection, 1, "timeout")
    with pytest.raises(NoAttempt, match="r2"):
        reopen_case(connection, CASE, asked("forced_rerun", "r2"), at(3))
    assert statuses(connection) == ("simulating", ["failed", "running"])


@pytest.mark.parametrize(
    "occasion", ["retry", "rerun", "forced_rerun", "by_hand", "resume", "new_fingerprint"]
)
def test_no_attempt_of_a_beam_begins_beside_a_run_that_works_on_it(connection, occasion):
    interpreted(connection, 1, 2)
    brought(connection, 1, BeamState.RUNNING)
    before = rows(connection, "SELECT * FROM beams")
    with pytest.raises(NoAttempt, match="r1"):
        reopen_beam(connection, beam(1), asked(occasion, "r1"), at(3))
    assert rows(connection, "SELECT * FROM beams") == before


def test_a_run_that_still_holds_a_gpu_of_the_beam_is_at_work(connection):
    interpreted(connection, 1, 2)
    poll(connection, 1, 0)
    leases.acquire(connection, beam(1), "r1", HOST, 1, at(0))
    failed(connection, 1, "timeout")
    with pytest.raises(NoAttempt, match="r1"):
        reopen_beam(connection, beam(1), asked("retry", "r1"), at(3))


def test_a_run_at_the_report_is_at_work_on_all_beams(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    cases.begin_report(connection, CASE, "p1", at(2))
    with pytest.raises(NoAttempt, match="p1"):
        reopen_beam(connection, beam(1), asked("by_hand", "p1"), at(3))


def test_another_beam_at_work_does_not_hinder_the_retry_of_one(connection):
    interpreted(connection, 1, 2)
    brought(connection, 2, BeamState.RUNNING)
    failed(connection, 1, "timeout")
    row = reopen_beam(connection, beam(1), asked("retry", "r2"), at(3))
    assert (row.status, row.attempt, row.retry_count, row.run_id, row.progress) == ("pending", 2, 1, None, 0)
    assert (row.failure_code, row.failure_details) == (None, None)
    assert statuses(connection) == ("simulating", ["pending", "running"])


def test_the_progress_of_a_case_does_not_fall_when_a_beam_begins_anew(connection):
    interpreted(connection, 1, 2)
    failing.fail_beam(
        connection, brought(connection, 1, BeamState.VALIDATING), beam_failure("timeout", "x"), at(2)
    )
    work = brought(connection, 2, BeamState.QUEUED)
    before = case_of(connection, CASE).progress
    reopen_beam(connection, beam(1), asked("retry", "r2"), at(3))
    beams.move(connection, work, BeamState.RUNNING, at(4))
    assert case_of(connection, CASE).progress == before == (92 + 15) / 2


def test_a_run_of_the_attempt_before_can_write_no_more(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.RUNNING)
    reopen_beam(connection, beam(1), asked("resume"), at(3))
    with pytest.raises(StaleWorker):
        beams.advance(connection, work, 90, at(4))
    assert beam_of(connection, beam(1)).progress == 0


def test_a_beam_of_a_dead_run_goes_on_without_using_up_a_retry(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.RUNNING)
    beams.begin_step(connection, work, "dose", at(2))
    row = reopen_beam(connection, beam(1), asked("resume", "other"), at(3))
    assert (row.status, row.attempt, row.retry_count) == ("pending", 2, 0)
    (step,) = rows(connection, "SELECT status, metadata FROM workflow_steps WHERE step = 'dose'")
    assert (step["status"], json.loads(step["metadata"])) == ("failed", {"reason": "its run is gone"})
    again = brought(connection, 1, BeamState.COMPLETED, run="r9")
    assert again.attempt == 2


@pytest.mark.parametrize(
    ("code", "retries"),
    [("killed_by_signal", 3), ("timeout", 1), ("layer_word", 0), ("checksum_mismatch", 3)],
)
def test_a_failure_is_retried_as_often_as_its_kind_allows(connection, code, retries):
    interpreted(connection, 1)
    done = 0
    failed(connection, 1, code, "r0")
    while may_retry(beam_of(connection, beam(1)), 3):
        done += 1
        reopen_beam(connection, beam(1), asked("retry"), at(10 * done))
        failed(connection, 1, code, f"r{done}")
    assert done == retries
    with pytest.raises(NoAttempt, match="rerun"):
        reopen_beam(connection, beam(1), asked("retry"), at(100))
    assert beam_of(connection, beam(1)).attempt == retries + 1


def test_a_person_is_bound_by_the_limit_unless_it_is_lifted(connection):
    interpreted(connection, 1)
    failed(connection, 1, "layer_word")
    reopen_beam(connection, beam(1), asked("rerun", most_retries=1), at(3))
    failed(connection, 1, "layer_word", "r9")
    with pytest.raises(NoAttempt, match="--force"):
        reopen_beam(connection, beam(1), asked("rerun", most_retries=1), at(4))
    reopen_beam(connection, beam(1), asked("forced_rerun", most_retries=1), at(5))
    failed(connection, 1, "layer_word", "r10")
    row = reopen_beam(connection, beam(1), asked("by_hand", most_retries=0), at(6))
    assert (row.attempt, row.retry_count) == (4, 1)


def test_who_asked_and_why_is_kept(connection):
    interpreted(connection, 1)
    completed(connection, 1)
    reopen_case(connection, CASE, asked("rerun"), at(4))
    found = rows(connection, "SELECT * FROM workflow_steps WHERE step = 'reopened' ORDER BY beam_id")
    assert [(row["beam_id"], row["attempt"], row["actor"], row["reason"]) for row in found] == [
        (None, 2, *PHYSICIST),
        (beam(1), 2, *PHYSICIST),
    ]
    assert json.loads(found[0]["metadata"]) == {"occasion": "rerun"}


def test_a_rerun_case_begins_anew_with_all_its_beams(connection):
    interpreted(connection, 1, 2)
    completed(connection, 1, 2)
    case = reopen_case(connection, CASE, asked("rerun"), at(4))
    assert (case.status, case.attempt, case.retry_count, case.progress) == ("ready", 2, 1, 0)
    assert (case.completed_at, case.fingerprint) == (None, "f1")
    assert statuses(connection)[1] == ["pending", "pending"]
    interpreted(connection, 1, 2, run="m2", seconds=5)
    assert [row.attempt for row in beams_of(connection, CASE)] == [2, 2]


def test_a_new_fingerprint_counts_retries_anew_and_its_manifest_says_which_beams_there_are(connection):
    interpreted(connection, 1, 2)
    failed(connection, 1, "timeout")
    reopen_beam(connection, beam(1), asked("retry"), at(3))
    failed(connection, 1, "timeout", "r8")
    failed(connection, 2, "timeout")
    case = reopen_case(connection, CASE, asked("new_fingerprint"), at(4), fingerprint="f2")
    assert (case.status, case.attempt, case.retry_count, case.fingerprint) == ("ready", 2, 0, "f2")
    assert [row.retry_count for row in beams_of(connection, CASE)] == [0, 0]
    interpreted(connection, 2, 3, run="m2", seconds=5)
    assert [(row.treatment_index, row.attempt) for row in beams_of(connection, CASE)] == [(2, 2), (3, 1)]
    assert {row["beam_id"] for row in rows(connection, "SELECT beam_id FROM deliveries")} == {
        beam(2),
        beam(3),
    }


def test_the_retry_of_a_case_keeps_its_completed_beams(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    report = cases.begin_report(connection, CASE, "p1", at(2))
    failing.fail_case(connection, report, beam_failure("render_failed", "x"), at(3))
    assert may_retry(case_of(connection, CASE), 3)
    reopen_case(connection, CASE, asked("retry"), at(4))
    interpreted(connection, 1, run="m2", seconds=5)
    assert statuses(connection) == ("interpreting", ["completed"])
    case = cases.complete(connection, cases.begin_report(connection, CASE, "p2", at(6)), [], at(7))
    assert (case.status, case.attempt, case.retry_count) == ("completed", 2, 1)


def test_a_beam_of_an_ended_case_is_run_again_under_the_same_manifest(connection):
    interpreted(connection, 1, 2)
    completed(connection, 1, 2)
    reopen_beam(connection, beam(2), asked("by_hand"), at(4))
    case = case_of(connection, CASE)
    assert (case.status, case.attempt, case.progress) == ("interpreting", 2, 50)
    assert statuses(connection)[1] == ["completed", "pending"]
    brought(connection, 2, BeamState.COMPLETED, run="r7")
    case = cases.complete(connection, cases.begin_report(connection, CASE, "p2", at(6)), [], at(7))
    assert case.status == "completed"


def test_no_beam_is_run_again_before_the_manifest_of_the_present_input(connection):
    interpreted(connection, 1)
    completed(connection, 1)
    reopen_case(connection, CASE, asked("new_fingerprint"), at(4), fingerprint="f2")
    with pytest.raises(NoAttempt, match="manifest"):
        reopen_beam(connection, beam(1), asked("by_hand"), at(5))
    work = cases.begin_manifest(connection, CASE, "m2", at(6))
    failing.fail_case(connection, work, beam_failure("unknown_beam", "x"), at(7))
    with pytest.raises(NoAttempt, match="manifest"):
        reopen_beam(connection, beam(1), asked("by_hand"), at(8))


@pytest.mark.parametrize("to", [BeamState.PREPARED, BeamState.RUNNING, BeamState.COMPLETED])
def test_a_case_under_way_whose_runs_are_dead_may_begin_anew(connection, to):
    interpreted(connection, 1)
    brought(connection, 1, to)
    case = reopen_case(connection, CASE, asked("new_fingerprint"), at(4), fingerprint="f2")
    assert (case.status, beam_of(connection, beam(1)).status) == ("ready", "pending")


def test_a_report_whose_run_died_gives_way_to_a_beam_and_can_write_no_more(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    dead = cases.begin_report(connection, CASE, "p1", at(2))
    reopen_beam(connection, beam(1), asked("by_hand", "other"), at(3))
    assert statuses(connection) == ("interpreting", ["pending"])
    with pytest.raises(StaleWorker):
        cases.complete(connection, dead, [], at(4))
    with pytest.raises(StaleWorker):
        failing.fail_case(connection, dead, beam_failure("render_failed", "x"), at(5))
    assert statuses(connection) == ("interpreting", ["pending"])


def test_a_cancelled_case_begins_anew_by_hand(connection):
    interpreted(connection, 1)
    cancelling.cancel_case(connection, CASE, PHYSICIST, at(2))
    assert statuses(connection) == ("cancelled", ["cancelled"])
    reopen_case(connection, CASE, asked("by_hand"), at(3))
    assert statuses(connection) == ("ready", ["pending"])


def test_a_manifest_whose_run_died_is_asked_for_again(connection):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    dead = cases.begin_manifest(connection, CASE, "m1", at(1))
    case = reopen_case(connection, CASE, asked("resume", "other"), at(2))
    assert (case.status, case.attempt, case.retry_count) == ("ready", 2, 0)
    with pytest.raises(StaleWorker):
        cases.publish_manifest(connection, dead, [], [], [], at(3))
    interpreted(connection, 1, run="m2", seconds=4)
    assert case_of(connection, CASE).status == "interpreting"
