"""How a case stands for the planner, as its rows say it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.beams.failures import beam_failure
from assets.beams.registry import beams, cases, failing, reopening
from assets.beams.registry.instants import stamp
from assets.beams.registry.rows import case_of
from assets.beams.registry.standings import Resumes, Standing, standing_of
from assets.beams.states import BeamState
from tests.assets.beams.registry.registry_worlds import CASE, asked, at, beam, brought, interpreted, opened


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = opened(tmp_path)
    yield connection
    connection.close()


def standing(connection: sqlite3.Connection) -> Standing:
    return standing_of(connection, case_of(connection, CASE))


def reported(connection: sqlite3.Connection, run: str, seconds: float) -> None:
    work = cases.begin_report(connection, CASE, run, at(seconds))
    cases.complete(connection, work, [], at(seconds))


def test_a_case_before_and_after_its_work_stands_by_its_status_alone(connection: sqlite3.Connection) -> None:
    cases.see(connection, CASE, None, "p", at(0))
    assert standing(connection) == Standing(case_of(connection, CASE))
    cases.make_ready(connection, CASE, "f1", at(0))
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    reported(connection, "r2", 5)
    assert standing(connection) == Standing(case_of(connection, CASE))


def test_a_case_at_work_stands_with_its_beams_and_its_manifest(connection: sqlite3.Connection) -> None:
    cases.see(connection, CASE, None, "p", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    assert not standing(connection).has_manifest
    interpreted(connection, 1, 2)
    found = standing(connection)
    assert [row.treatment_index for row in found.beams] == [1, 2]
    assert (found.has_manifest, found.report, found.resumes) == (True, None, {})


def test_a_manifest_of_another_content_is_none(connection: sqlite3.Connection) -> None:
    interpreted(connection, 1)
    reopening.reopen_case(connection, CASE, asked("new_fingerprint"), at(5), fingerprint="f2")
    assert not standing(connection).has_manifest


def test_a_report_is_that_of_the_attempt(connection: sqlite3.Connection) -> None:
    interpreted(connection, 1)
    work = brought(connection, 1, BeamState.PREPARED)
    failing.fail_beam(connection, work, beam_failure("layer_word", "x"), at(2))
    assert standing(connection).report is None
    begun = cases.begin_report(connection, CASE, "r2", at(3))
    assert standing(connection).report == "started"
    cases.complete(connection, begun, [], at(4))
    assert standing(connection).report == "completed"
    reopening.reopen_beam(connection, beam(1), asked("forced_rerun"), at(5))
    assert standing(connection).report is None


def test_resumes_are_counted_until_something_is_completed(connection: sqlite3.Connection) -> None:
    interpreted(connection, 1, 2)
    for second in (1, 2, 3):
        reopening.reopen_beam(connection, beam(1), asked("resume"), at(second))
    reopening.reopen_beam(connection, beam(2), asked("resume"), at(4))
    assert standing(connection).resumes == {
        beam(1): Resumes(3, stamp(at(3))),
        beam(2): Resumes(1, stamp(at(4))),
    }
    work = beams.take(connection, beam(1), "r1", at(5))
    beams.begin_step(connection, work, "log_csv", at(5))
    assert standing(connection).resumes[beam(1)].times == 3
    beams.end_step(connection, work, "log_csv", at(6))
    assert standing(connection).resumes == {beam(2): Resumes(1, stamp(at(4)))}
    reopening.reopen_beam(connection, beam(1), asked("resume"), at(7))
    assert standing(connection).resumes[beam(1)] == Resumes(1, stamp(at(7)))


def test_a_rerun_ends_the_count_and_a_case_counts_for_itself(connection: sqlite3.Connection) -> None:
    interpreted(connection, 1)
    reopening.reopen_beam(connection, beam(1), asked("resume"), at(1))
    reopening.reopen_case(connection, CASE, asked("resume"), at(2))
    assert standing(connection).resumes == {beam(1): Resumes(1, stamp(at(1))), None: Resumes(1, stamp(at(2)))}
    reopening.reopen_case(connection, CASE, asked("rerun"), at(3))
    assert standing(connection).resumes == {}
