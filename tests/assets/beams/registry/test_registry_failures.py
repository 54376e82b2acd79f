"""Failures: the root cause once, the case by its beams, and the same state from every path."""

import json

import pytest

from assets.beams.failures import BeamFailure, FailureDetails, beam_failure, first_of
from assets.beams.registry import beams, cases, failing
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.rows import beam_of, case_of
from assets.beams.states import BeamState, IllegalTransition
from tests.assets.beams.registry.registry_worlds import CASE, at, beam, brought, interpreted, rows


def cause(connection, *, of_beam: int | None = None) -> tuple[str | None, str | None, str | None]:
    row = case_of(connection, CASE) if of_beam is None else beam_of(connection, beam(of_beam))
    return row.failure_code, row.failure_category, row.failure_message


def details(connection, index: int) -> dict[str, object]:
    return json.loads(beam_of(connection, beam(index)).failure_details or "{}")


def test_a_general_failure_that_follows_does_not_hide_the_cause_nor_make_it_retryable(connection):
    interpreted(connection, 1, 2)
    work = beams.take(connection, beam(1), "r1", at(1))
    known = FailureDetails(exit_code=3, host="gpu-host")
    failing.fail_beam(connection, work, beam_failure("layer_word", "layer 2 says 3", details=known), at(2))
    failing.fail_beam(connection, work, beam_failure("disk_full", "conversion failed"), at(3))
    assert cause(connection, of_beam=1) == ("layer_word", "permanent", "layer 2 says 3")
    assert details(connection, 1) == {
        "exit_code": 3,
        "host": "gpu-host",
        "first_seen": "2026-03-20T13:00:02.000000Z",
        "last_seen": "2026-03-20T13:00:03.000000Z",
        "later": [
            {
                "phase": "csv",
                "category": "retryable",
                "code": "disk_full",
                "message": "conversion failed",
                "seen_at": "2026-03-20T13:00:03.000000Z",
            }
        ],
    }


def test_the_same_failure_seen_again_only_moves_its_last_time(connection):
    interpreted(connection, 1, 2)
    work = beams.take(connection, beam(1), "r1", at(1))
    for seconds in (2, 5):
        failing.fail_beam(connection, work, beam_failure("layer_word", "x"), at(seconds))
    assert details(connection, 1) == {
        "first_seen": "2026-03-20T13:00:02.000000Z",
        "last_seen": "2026-03-20T13:00:05.000000Z",
    }


def test_every_problem_of_a_failure_is_kept(connection):
    interpreted(connection, 1, 2)
    problems = [beam_failure("layer_word", "one"), beam_failure("dose_saturated", "two")]
    failing.fail_beam(connection, beams.take(connection, beam(1), "r", at(1)), first_of(problems), at(2))
    assert details(connection, 1)["problems"] == [
        {"code": "layer_word", "message": "one"},
        {"code": "dose_saturated", "message": "two"},
    ]


def test_beam_step_and_case_fail_in_one_transaction(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.RUNNING)
    beams.begin_step(connection, work, "dose", at(2))
    failing.fail_beam(connection, work, beam_failure("no_evidence", "no completion line"), at(3))
    assert beam_of(connection, beam(1)).status == "failed"
    assert cause(connection) == ("no_evidence", "permanent", "no completion line")
    assert case_of(connection, CASE).status == "failed"
    (step,) = rows(connection, "SELECT status, completed_at FROM workflow_steps WHERE step = 'dose'")
    assert step == {"status": "failed", "completed_at": "2026-03-20T13:00:03.000000Z"}


@pytest.mark.parametrize("last", ["completes", "fails"])
def test_a_case_with_a_failed_beam_fails_only_when_no_other_is_active(connection, last):
    interpreted(connection, 1, 2)
    first, second = (brought(connection, index, BeamState.VALIDATING) for index in (1, 2))
    failing.fail_beam(connection, first, beam_failure("empty_dose", "boom"), at(2))
    case = case_of(connection, CASE)
    assert (case.status, case.failure_code) == ("simulating", None)
    if last == "completes":
        beams.move(connection, second, BeamState.COMPLETED, at(3))
        assert cause(connection) == ("empty_dose", "permanent", "boom")
    else:
        failing.fail_beam(connection, second, beam_failure("timeout", "slow"), at(3))
        message = "[PERMANENT] 2 beam(s) failed. First failure: boom"
        assert cause(connection) == ("empty_dose", "permanent", message)
    assert case_of(connection, CASE).status == "failed"


def test_a_case_is_permanent_if_one_of_its_beams_is(connection):
    interpreted(connection, 1, 2)
    for index, code in ((1, "timeout"), (2, "nonzero_exit")):
        work = beams.take(connection, beam(index), f"r{index}", at(1))
        failing.fail_beam(connection, work, beam_failure(code, code), at(2))
    message = "[PERMANENT] 2 beam(s) failed. First failure: timeout"
    assert cause(connection) == ("nonzero_exit", "permanent", message)


def test_retryable_failures_leave_a_retryable_case(connection):
    interpreted(connection, 1, 2)
    for index in (2, 1):
        work = beams.take(connection, beam(index), f"r{index}", at(1))
        failing.fail_beam(connection, work, beam_failure("timeout", f"beam {index}"), at(2))
    message = "[RETRYABLE] 2 beam(s) failed. First failure: beam 1"
    assert cause(connection) == ("timeout", "retryable", message)


def test_a_case_does_not_fail_while_a_beam_is_active(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.RUNNING)
    with pytest.raises(IllegalTransition, match=beam(1)):
        failing.fail_unstarted_case(connection, CASE, beam_failure("missing_rtplan", "gone"), at(3))
    assert cause(connection) == (None, None, None)


def paths_to_a_failed_case(connection, path: str, failure: BeamFailure) -> None:
    if path == "a beam":
        interpreted(connection, 1)
        failing.fail_beam(connection, beams.take(connection, beam(1), "r", at(9)), failure, at(9))
        return
    if path == "the report":
        interpreted(connection, 1)
        brought(connection, 1, BeamState.COMPLETED)
        failing.fail_case(connection, cases.begin_report(connection, CASE, "p", at(9)), failure, at(9))
        return
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    if path == "the manifest":
        failing.fail_case(connection, cases.begin_manifest(connection, CASE, "m", at(9)), failure, at(9))
    else:
        failing.fail_unstarted_case(connection, CASE, failure, at(9))


@pytest.mark.parametrize("path", ["a beam", "the report", "the manifest", "the scan"])
def test_a_failed_case_looks_the_same_from_every_path(connection, path):
    paths_to_a_failed_case(connection, path, beam_failure("render_failed", "no picture"))
    case = case_of(connection, CASE)
    assert (case.status, case.failure_phase, case.failure_category) == ("failed", "report", "retryable")
    assert (case.failure_code, case.failure_message) == ("render_failed", "no picture")
    assert json.loads(case.failure_details or "") == {
        "first_seen": "2026-03-20T13:00:09.000000Z",
        "last_seen": "2026-03-20T13:00:09.000000Z",
    }
    assert (case.attempt, case.retry_count, case.updated_at) == (1, 0, "2026-03-20T13:00:09.000000Z")
    assert rows(connection, "SELECT id FROM workflow_steps WHERE status = 'started'") == []


def test_the_report_of_a_failed_case_leaves_it_failed(connection):
    interpreted(connection, 1)
    failing.fail_beam(
        connection, beams.take(connection, beam(1), "r", at(1)), beam_failure("layer_word", "x"), at(1)
    )
    report = cases.begin_report(connection, CASE, "p", at(2))
    case = cases.complete(connection, report, [], at(3))
    assert (case.status, case.failure_code, case.completed_at) == ("failed", "layer_word", None)
    (step,) = rows(connection, "SELECT status FROM workflow_steps WHERE step = 'case_report'")
    assert step == {"status": "completed"}


def test_a_run_of_an_attempt_that_is_over_fails_nothing(connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    stale = beams.BeamWork(work.beam_id, work.attempt - 1, work.run_id)
    with pytest.raises(StaleWorker):
        failing.fail_beam(connection, stale, beam_failure("layer_word", "x"), at(2))
    assert beam_of(connection, beam(1)).status == "pending"
