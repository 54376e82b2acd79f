"""`cancel`: what no run has begun ends at once, what runs ends by itself, and both say who asked."""

import pytest

from assets.beams.registry.rows import beams_of, case_of
from assets.beams.states import BeamState
from tests.assets.beams.registry.registry_worlds import CASE, brought, interpreted, rows
from tests.scripts.beams_desks import beams, registry


def statuses() -> tuple[str, list[str]]:
    with registry() as connection:
        return case_of(connection, CASE).status, [beam.status for beam in beams_of(connection, CASE)]


def test_a_case_that_no_run_has_begun_is_cancelled_at_once() -> None:
    with registry() as connection:
        interpreted(connection, 1, 2)
    ended = beams("cancel", CASE, "--json", "--reason", "wrong plan")
    assert (ended.code, ended.document["status"], ended.document["reason"]) == (0, "cancelled", "wrong plan")
    assert statuses() == ("cancelled", ["cancelled", "cancelled"])
    with registry() as connection:
        (note,) = rows(connection, "SELECT reason FROM workflow_steps WHERE step = 'cancel'")
    assert note == {"reason": "wrong plan"}


def test_a_beam_at_work_is_left_to_its_run() -> None:
    with registry() as connection:
        interpreted(connection, 1, 2)
        brought(connection, 1, BeamState.RUNNING)
    ended = beams("cancel", CASE)
    assert ended.code == 0
    assert "1 of its beams are being stopped" in ended.out
    assert statuses() == ("cancelling", ["running", "cancelled"])


@pytest.mark.parametrize(
    ("words", "code"), [(("cancel", "../x"), 2), (("cancel", "QA0009"), 2), (("cancel",), 2)]
)
def test_an_unsafe_or_unknown_case_is_wrong_usage(words: tuple[str, ...], code: int) -> None:
    assert beams(*words).code == code


def test_a_case_that_has_ended_cannot_be_cancelled() -> None:
    with registry() as connection:
        interpreted(connection, 1)
    beams("cancel", CASE)
    again = beams("cancel", CASE)
    assert again.code == 1
    assert "cancelled" in again.err
