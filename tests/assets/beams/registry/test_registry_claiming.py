"""How a run gets its attempt: what the sensor asked for, a rerun by hand, and what is another run's."""

import sqlite3

import pytest

from assets.beams.failures import PendingBeamFailure, beam_failure
from assets.beams.registry import beams, cancelling, cases, failing
from assets.beams.registry.cases import StaleWorker
from assets.beams.registry.claiming import Run, claim_beam, claim_check, claim_manifest, claim_report
from assets.beams.registry.reopening import NoAttempt
from assets.beams.registry.rows import beam_of, case_of
from assets.beams.states import BeamState, IllegalTransition
from tests.assets.beams.registry.registry_worlds import CASE, PHYSICIST, at, beam, brought, interpreted, rows


def by_hand(run: str = "h1", *active: str) -> Run:
    return Run(run, None, frozenset(active), "physicist")


def asked_for(attempt: int, run: str = "s1", *active: str) -> Run:
    return Run(run, attempt, frozenset(active))


def seen(connection: sqlite3.Connection) -> None:
    cases.see(connection, CASE, "G2", "G2/QA0001", at(0))


def reported(connection: sqlite3.Connection) -> None:
    """A case of one beam that is completed, with its report."""
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    cases.complete(connection, cases.begin_report(connection, CASE, "p1", at(2)), [], at(3))


@pytest.mark.parametrize("run", [by_hand(), asked_for(1)])
def test_the_first_manifest_is_attempt_one_whoever_launched_it(connection, run):
    seen(connection)
    assert claim_manifest(connection, CASE, "f1", run, at(1)).attempt == 1
    assert case_of(connection, CASE).fingerprint == "f1"


def test_a_manifest_by_hand_is_another_attempt_in_which_all_beams_begin_anew(connection):
    reported(connection)
    work = claim_manifest(connection, CASE, "f1", by_hand(), at(5))
    assert work.attempt == 2
    assert (beam_of(connection, beam(1)).status, beam_of(connection, beam(1)).attempt) == ("pending", 2)
    (note,) = rows(connection, "SELECT actor FROM workflow_steps WHERE step = 'reopened' AND beam_id IS NULL")
    assert note == {"actor": "physicist"}


def test_another_fingerprint_starts_the_count_of_retries_anew(connection):
    interpreted(connection, 1)
    connection.execute("UPDATE cases SET retry_count = 2")
    claim_manifest(connection, CASE, "f2", by_hand(), at(5))
    case = case_of(connection, CASE)
    assert (case.fingerprint, case.retry_count, case.attempt) == ("f2", 0, 2)


def test_a_ready_case_whose_input_changed_takes_the_new_fingerprint(connection):
    seen(connection)
    cases.make_ready(connection, CASE, "f1", at(0))
    claim_manifest(connection, CASE, "f2", by_hand(), at(5))
    assert case_of(connection, CASE).fingerprint == "f2"


def test_no_manifest_begins_beside_a_run_of_the_case(connection):
    seen(connection)
    claim_manifest(connection, CASE, "f1", by_hand("h1"), at(1))
    with pytest.raises(NoAttempt, match="h1"):
        claim_manifest(connection, CASE, "f1", by_hand("h2", "h1"), at(2))


def test_a_run_that_was_asked_for_an_attempt_that_is_over_does_nothing(connection):
    reported(connection)
    claim_manifest(connection, CASE, "f1", by_hand(), at(5))
    before = rows(connection, "SELECT * FROM cases")
    for claim in (
        lambda: claim_report(connection, CASE, asked_for(1), at(6)),
        lambda: claim_manifest(connection, CASE, "f1", asked_for(1), at(6)),
    ):
        with pytest.raises(StaleWorker, match="attempt 1 of case QA0001, which is at attempt 2"):
            claim()
    assert rows(connection, "SELECT * FROM cases") == before


def test_the_steps_of_one_run_go_on_where_the_one_before_left_the_beam(connection):
    interpreted(connection, 1)
    work = claim_beam(connection, beam(1), asked_for(1), BeamState.PENDING, at(1))
    beams.move(connection, work, BeamState.PREPARED, at(2))
    again = claim_beam(connection, beam(1), asked_for(1), BeamState.PREPARED, at(3))
    assert (again, beam_of(connection, beam(1)).status) == (work, "prepared")


def test_a_beam_that_nobody_has_begun_is_taken_by_hand_without_another_attempt(connection):
    interpreted(connection, 1)
    assert claim_beam(connection, beam(1), by_hand(), BeamState.PENDING, at(1)).attempt == 1


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (BeamState.PENDING, "pending"),
        (BeamState.PREPARED, "prepared"),
        (BeamState.VALIDATING, "validating"),
    ],
)
def test_by_hand_a_completed_beam_is_reset_to_where_the_asset_starts(connection, start, status):
    reported(connection)
    work = claim_beam(connection, beam(1), by_hand(), start, at(5))
    row = beam_of(connection, beam(1))
    assert (work.attempt, row.attempt, row.run_id, row.status) == (2, 2, "h1", status)
    assert row.retry_count == 0
    wanted = "simulating" if start is BeamState.VALIDATING else "interpreting"
    assert case_of(connection, CASE).status == wanted


def test_by_hand_needs_no_free_retry(connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    failing.fail_beam(connection, work, beam_failure("layer_word", "it broke"), at(2))
    connection.execute("UPDATE beams SET retry_count = 99")
    assert claim_beam(connection, beam(1), by_hand(), BeamState.PENDING, at(3)).attempt == 2


def test_by_hand_nothing_begins_beside_a_run_of_the_beam(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.RUNNING, run="r1")
    with pytest.raises(NoAttempt, match="r1"):
        claim_beam(connection, beam(1), by_hand("h1", "r1"), BeamState.PENDING, at(3))
    with pytest.raises(NoAttempt, match="r1"):
        claim_check(connection, beam(1), by_hand("h1", "r1"), at(3))
    assert beam_of(connection, beam(1)).status == "running"


def test_a_run_the_sensor_asked_for_does_not_take_an_attempt_that_another_run_has(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.RUNNING, run="r1")
    with pytest.raises(StaleWorker, match="r1"):
        claim_beam(connection, beam(1), asked_for(1), BeamState.PENDING, at(3))


def test_a_beam_that_was_cancelled_while_its_run_was_queued_stays_cancelled(connection):
    interpreted(connection, 1)
    cancelling.cancel_case(connection, CASE, PHYSICIST, at(1))
    for claim in (
        lambda: claim_beam(connection, beam(1), asked_for(1), BeamState.PENDING, at(2)),
        lambda: claim_check(connection, beam(1), asked_for(1), at(2)),
    ):
        with pytest.raises(StaleWorker, match="cancelled since"):
            claim()
    assert beam_of(connection, beam(1)).status == "cancelled"


def test_a_beam_that_gave_up_waiting_for_a_gpu_begins_its_next_attempt_at_the_start(connection):
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.QUEUED)
    reason = beam_failure("no_gpu", "none became idle")
    assert isinstance(reason, PendingBeamFailure)
    beams.wait_for_gpu(connection, work, reason, at(2))
    again = claim_beam(connection, beam(1), asked_for(2), BeamState.PENDING, at(3))
    row = beam_of(connection, beam(1))
    assert (again.attempt, row.status, row.failure_code) == (2, "pending", None)


def test_a_check_by_hand_leaves_the_status_of_its_beam_alone(connection):
    reported(connection)
    work = claim_check(connection, beam(1), by_hand(), at(5))
    row = beam_of(connection, beam(1))
    assert (work.attempt, row.status, row.progress) == (2, "completed", 100)
    assert case_of(connection, CASE).status == "completed"


def test_a_run_by_hand_that_checks_deliveries_first_opens_one_attempt_for_all_of_its_steps(connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    failing.fail_beam(connection, work, beam_failure("layer_word", "it broke"), at(2))
    assert case_of(connection, CASE).status == "failed"
    claim_check(connection, beam(1), by_hand(), at(3))
    assert claim_beam(connection, beam(1), by_hand(), BeamState.PENDING, at(4)).attempt == 2
    row = beam_of(connection, beam(1))
    assert (row.status, row.failure_code, row.progress) == ("pending", None, 0)
    assert case_of(connection, CASE).status == "interpreting"


def test_the_check_of_a_run_that_has_the_beam_is_its_own_attempt(connection):
    interpreted(connection, 1)
    work = claim_beam(connection, beam(1), asked_for(1), BeamState.PENDING, at(1))
    failing.fail_beam(connection, work, beam_failure("layer_word", "it broke"), at(2))
    assert claim_check(connection, beam(1), asked_for(1), at(3)).attempt == 1


def test_a_completed_case_is_reported_again_by_hand_without_touching_its_beams(connection):
    reported(connection)
    work = claim_report(connection, CASE, by_hand(), at(5))
    cases.complete(connection, work, ["monitor_disagreement"], at(6))
    case = case_of(connection, CASE)
    assert (case.attempt, case.status) == (2, "completed_with_warnings")
    assert beam_of(connection, beam(1)).attempt == 1


def test_no_report_begins_while_a_beam_is_active(connection):
    interpreted(connection, 1, 2)
    brought(connection, 1, BeamState.COMPLETED)
    with pytest.raises(IllegalTransition, match=beam(2)):
        claim_report(connection, CASE, by_hand(), at(5))


def test_a_case_whose_last_beam_was_cancelled_is_cancelled_and_its_report_leaves_it_so(connection):
    interpreted(connection, 1, 2)
    brought(connection, 1, BeamState.COMPLETED)
    brought(connection, 2, BeamState.RUNNING)
    cancelling.cancel_beam(connection, beam(2), at(3))
    assert case_of(connection, CASE).status == "cancelled"
    cases.complete(connection, claim_report(connection, CASE, by_hand(), at(4)), [], at(5))
    assert case_of(connection, CASE).status == "cancelled"
