"""Cases and beams on their way: what changes together, what may not, and what never falls."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.beams.failures import PendingBeamFailure, beam_failure
from assets.beams.progress import engine_progress
from assets.beams.registry import beams, cancelling, cases, checks, failing, leases
from assets.beams.registry.beams import BeamWork
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.checks import CheckEnd
from assets.beams.registry.rows import Unregistered, all_cases, beam_of, beams_of, case_of, find_case
from assets.beams.states import BeamState, CheckState, IllegalTransition
from tests.assets.beams.registry.registry_worlds import (
    CASE,
    PHYSICIST,
    WAY,
    at,
    beam,
    brought,
    interpreted,
    made,
    opened,
    planned,
    rows,
)


def pending(code: str) -> PendingBeamFailure:
    failure = beam_failure(code, "not yet", category="pending")
    assert isinstance(failure, PendingBeamFailure)
    return failure


def status(connection) -> str:
    return case_of(connection, CASE).status


def test_a_scan_writes_a_case_and_no_beam(connection):
    case = cases.see(connection, CASE, "G2", "G2/QA0001", at(0))
    assert (case.status, case.attempt, case.retry_count, case.progress) == ("new", 1, 0, 0)
    assert beams_of(connection, CASE) == []
    assert all_cases(connection) == [case]
    again = cases.see(connection, CASE, "G2", "G2/QA0001", at(9))
    assert again == case
    assert cases.see(connection, CASE, None, "QA0001", at(9)).case_path == "QA0001"
    assert find_case(connection, "other") is None
    with pytest.raises(Unregistered):
        case_of(connection, "other")


def test_a_case_waits_with_its_reason_and_forgets_it_once_ready(connection):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.wait(connection, CASE, pending("missing_rtplan"), at(1))
    cases.wait(connection, CASE, pending("fraction_window_open"), at(2))
    case = case_of(connection, CASE)
    assert (case.status, case.failure_code) == ("waiting", "fraction_window_open")
    assert (case.failure_category, case.failure_phase) == ("pending", "preparation")
    case = cases.make_ready(connection, CASE, "f1", at(3))
    assert (case.status, case.fingerprint, case.failure_code) == ("ready", "f1", None)


def test_a_manifest_writes_case_beams_deliveries_and_step_together(connection):
    interpreted(connection, 1, 2, 3)
    assert status(connection) == "interpreting"
    found = [(row.beam_id, row.status, row.attempt, row.progress) for row in beams_of(connection, CASE)]
    assert found == [(f"QA0001_beam_{n}", "pending", 1, 0) for n in (1, 2, 3)]
    assert [row.dicom_number for row in beams_of(connection, CASE)] == [9, 8, 7]
    delivered = checks.deliveries_of(connection, CASE)
    assert {(row.beam_id, row.dicom_number, row.ptn_status) for row in delivered} == {
        (beam(n), 10 - n, "none") for n in (1, 2, 3)
    }
    (step,) = rows(connection, "SELECT * FROM workflow_steps")
    assert (step["step"], step["status"], step["run_id"], step["attempt"]) == (
        "case_manifest",
        "completed",
        "m1",
        1,
    )


def test_a_manifest_that_cannot_be_kept_whole_is_not_kept_at_all(connection):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    work = cases.begin_manifest(connection, CASE, "m1", at(0))
    with pytest.raises(Unregistered):
        cases.publish_manifest(connection, work, planned(1), [made(1), made(2)], [], at(1))
    assert status(connection) == "ready"
    assert beams_of(connection, CASE) == []
    assert checks.deliveries_of(connection, CASE) == []
    assert rows(connection, "SELECT status FROM workflow_steps") == [{"status": "started"}]


def test_a_refused_manifest_leaves_a_failed_case_without_beams(connection):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    work = cases.begin_manifest(connection, CASE, "m1", at(0))
    failing.fail_case(connection, work, beam_failure("unknown_beam", "no such beam"), at(5))
    case = case_of(connection, CASE)
    assert (case.status, case.failure_code, case.failure_category) == ("failed", "unknown_beam", "permanent")
    assert rows(connection, "SELECT * FROM beams") == rows(connection, "SELECT * FROM deliveries") == []
    (step,) = rows(connection, "SELECT status, completed_at, metadata FROM workflow_steps")
    assert (step["status"], step["completed_at"]) == ("failed", "2026-03-20T13:00:05.000000Z")
    assert json.loads(step["metadata"])["code"] == "unknown_beam"


def test_a_manifest_begins_only_for_a_case_that_is_ready(connection):
    interpreted(connection, 1)
    with pytest.raises(IllegalTransition):
        cases.begin_manifest(connection, CASE, "m2", at(1))


def test_a_manifest_that_another_run_has_taken_over_keeps_nothing_of_the_first(connection):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    first = cases.begin_manifest(connection, CASE, "m1", at(0))
    cases.begin_manifest(connection, CASE, "m2", at(1))
    with pytest.raises(StaleWorker):
        cases.publish_manifest(connection, first, planned(1), [], [], at(2))
    assert beams_of(connection, CASE) == []


def test_beams_go_their_way_and_the_case_with_them_to_its_report(connection):
    interpreted(connection, 1, 2)
    seen = []
    work = beams.take(connection, beam(1), "r1", at(1))
    for state in WAY:
        row = beams.move(connection, work, state, at(2), engine="mcsquare")
        seen.append((row.progress, case_of(connection, CASE).progress, status(connection)))
    assert seen == [
        (10, 5, "interpreting"),
        (15, 7.5, "simulating"),
        (25, 12.5, "simulating"),
        (25, 12.5, "simulating"),
        (92, 46, "simulating"),
        (100, 50, "simulating"),
    ]
    assert beam_of(connection, beam(1)).engine == "mcsquare"
    with pytest.raises(IllegalTransition, match=beam(2)):
        cases.begin_report(connection, CASE, "p1", at(3))
    brought(connection, 2, BeamState.COMPLETED)
    report = cases.begin_report(connection, CASE, "p1", at(4))
    assert status(connection) == "reporting"
    case = cases.complete(connection, report, [], at(5))
    assert (case.status, case.progress, case.completed_at) == (
        "completed",
        100,
        "2026-03-20T13:00:05.000000Z",
    )


@pytest.mark.parametrize(
    ("of_manifest", "of_report", "end", "kept"),
    [
        ([], [], "completed", []),
        (["no_beam_meterset"], [], "completed_with_warnings", ["no_beam_meterset"]),
        (["a"], ["b", "a", "b"], "completed_with_warnings", ["a", "b"]),
    ],
)
def test_any_warning_makes_it_completed_with_warnings(connection, of_manifest, of_report, end, kept):
    cases.see(connection, CASE, "G2", "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    work = cases.begin_manifest(connection, CASE, "m1", at(0))
    cases.publish_manifest(connection, work, planned(1), [made(1)], of_manifest, at(0))
    brought(connection, 1, BeamState.COMPLETED)
    case = cases.complete(connection, cases.begin_report(connection, CASE, "p", at(2)), of_report, at(3))
    assert (case.status, json.loads(case.warnings or "")) == (end, kept)


def test_an_illegal_move_raises_and_changes_nothing(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.PREPARED)
    beams.begin_step(connection, work, "dose", at(2))
    before = rows(connection, "SELECT * FROM beams"), rows(connection, "SELECT * FROM cases")
    with pytest.raises(IllegalTransition, match="prepared to collecting"):
        beams.end_step(connection, work, "dose", at(3), to=BeamState.COLLECTING)
    assert (rows(connection, "SELECT * FROM beams"), rows(connection, "SELECT * FROM cases")) == before
    assert rows(connection, "SELECT status FROM workflow_steps WHERE step = 'dose'") == [
        {"status": "started"}
    ]


def test_a_step_has_one_row_for_each_attempt_that_is_closed_in_place(connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    for seconds in (2, 4):
        beams.begin_step(connection, work, "log_csv", at(seconds))
    beams.end_step(connection, work, "log_csv", at(9), to=BeamState.PREPARED, metadata={"layers": 2})
    (step,) = rows(connection, "SELECT * FROM workflow_steps WHERE step = 'log_csv'")
    assert (step["status"], step["started_at"], step["completed_at"]) == (
        "completed",
        "2026-03-20T13:00:04.000000Z",
        "2026-03-20T13:00:09.000000Z",
    )
    assert json.loads(step["metadata"]) == {"layers": 2}
    assert beam_of(connection, beam(1)).status == "prepared"


def test_only_rises_of_one_percent_are_stored(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.RUNNING)
    stored = [
        progress
        for progress in (engine_progress(k, 200) for k in range(1, 6))
        if beams.advance(connection, work, progress, at(2))
    ]
    assert stored == [40.25, 41.25]
    assert beam_of(connection, beam(1)).progress == 41.25


@settings(max_examples=40)  # Each opens a registry of its own.
@given(st.lists(st.floats(0, 100), max_size=20))
def test_progress_never_falls_whatever_is_told(tmp_path_factory, told):
    connection = opened(tmp_path_factory.mktemp("ledger"))
    try:
        interpreted(connection, 1, 2)
        work = brought(connection, 1, BeamState.RUNNING)
        seen = []
        for progress in told:
            beams.advance(connection, work, progress, at(2))
            seen.append((beam_of(connection, beam(1)).progress, case_of(connection, CASE).progress))
        beams.move(connection, work, BeamState.COLLECTING, at(3))
        seen.append((beam_of(connection, beam(1)).progress, case_of(connection, CASE).progress))
        assert seen == sorted(seen)
        assert [case for _, case in seen] == sorted(case for _, case in seen)
    finally:
        connection.close()


def test_a_second_run_cannot_take_the_attempt_of_a_beam(connection):
    interpreted(connection, 1)
    first = beams.take(connection, beam(1), "r1", at(1))
    assert beams.take(connection, beam(1), "r1", at(2)) == first
    with pytest.raises(StaleWorker, match="r1"):
        beams.take(connection, beam(1), "r2", at(3))
    with pytest.raises(StaleWorker):
        beams.move(connection, BeamWork(beam(1), 1, "r2"), BeamState.PREPARED, at(4))
    with pytest.raises(StaleWorker):
        beams.move(connection, BeamWork(beam(1), 2, "r1"), BeamState.PREPARED, at(4))


def test_a_beam_that_finds_no_gpu_is_queued_again_and_nothing_failed(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.QUEUED)
    beams.begin_step(connection, work, "dose", at(2))
    beams.wait_for_gpu(connection, work, pending("no_gpu"), at(600))
    row = beam_of(connection, beam(1))
    assert (row.status, row.attempt, row.retry_count, row.run_id) == ("queued", 2, 0, None)
    assert (row.failure_code, row.failure_category, row.progress) == ("no_gpu", "pending", 15)
    assert status(connection) == "simulating"
    (step,) = rows(connection, "SELECT status FROM workflow_steps WHERE step = 'dose'")
    assert step == {"status": "failed"}
    with pytest.raises(StaleWorker):
        beams.move(connection, work, BeamState.RUNNING, at(601))
    again = beams.take(connection, beam(1), "r2", at(700))
    assert (again.attempt, beam_of(connection, beam(1)).failure_code) == (2, None)
    beams.move(connection, again, BeamState.RUNNING, at(701))


def test_a_cancelled_case_ends_when_its_last_run_has_stopped(connection):
    interpreted(connection, 1, 2)
    work = brought(connection, 1, BeamState.RUNNING)
    case = cancelling.cancel_case(connection, CASE, PHYSICIST, at(5))
    assert case.status == "cancelling"
    assert [row.status for row in beams_of(connection, CASE)] == ["running", "cancelled"]
    cancelling.cancel_beam(connection, beam(1), at(6))
    assert status(connection) == "cancelled"
    with pytest.raises(StaleWorker):
        beams.advance(connection, work, 90, at(7))
    (note,) = rows(connection, "SELECT actor, reason FROM workflow_steps WHERE step = 'cancel'")
    assert note == {"actor": "physicist", "reason": "looked at it"}


def test_a_check_runs_ends_and_may_run_again(connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    name = made(1).delivery_id
    passed = CheckEnd(CheckState.PASSED, 98.76543210987, 0.3, 1.2, 81, "Daily_PTN/x.html")
    with pytest.raises(IllegalTransition):
        checks.end(connection, work, name, passed, at(2))
    checks.begin(connection, work, name, at(2))
    checks.end(connection, work, name, passed, at(3))
    (row,) = checks.deliveries_of(connection, CASE)
    assert (row.ptn_status, row.gamma_pass_rate, row.evaluated_points) == ("passed", 98.76543210987, 81)
    with pytest.raises(IllegalTransition):
        checks.end(connection, work, name, passed, at(4))
    checks.begin(connection, work, name, at(5))
    checks.begin(connection, work, name, at(5))
    (row,) = checks.deliveries_of(connection, CASE)
    assert (row.ptn_status, row.gamma_pass_rate, row.report_path) == ("running", None, None)
    error = CheckEnd(CheckState.ERROR, failure=beam_failure("ptn_length", "cut"))
    checks.end(connection, work, name, error, at(6))
    (row,) = checks.deliveries_of(connection, CASE)
    assert (row.ptn_status, row.failure_code, row.failure_message) == ("error", "ptn_length", "cut")
    with pytest.raises(Unregistered):
        checks.begin(connection, work, "other", at(7))
    stale = BeamWork(beam(1), 1, "another run")
    for write in (
        lambda: checks.begin(connection, stale, name, at(8)),
        lambda: checks.end(connection, stale, name, passed, at(8)),
    ):
        with pytest.raises(StaleWorker):
            write()


def test_writes_with_leases_that_are_held_pass(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.RUNNING)
    assert leases.held_by_beam(connection, beam(1)) == ()
    assert beams.move(connection, work, BeamState.COLLECTING, at(3)).status == "collecting"
