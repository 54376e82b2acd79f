"""Cases whose input is gone: the days count from the first miss, and a case at work is never archived."""

import pytest

from assets.beams.registry.archiving import StillAtWork, archive, is_archived, note_presence
from assets.beams.registry.claiming import Run, claim_manifest
from assets.beams.states import BeamState
from tests.assets.beams.registry.registry_worlds import CASE, PHYSICIST, at, brought, interpreted, rows


def looked(connection, seconds: float, *, is_there: bool):
    return note_presence(connection, CASE, is_there=is_there, by=PHYSICIST, now=at(seconds))


def test_an_input_is_gone_since_it_was_first_missed(connection):
    interpreted(connection, 1)
    assert looked(connection, 10, is_there=True) is None
    assert [looked(connection, seconds, is_there=False) for seconds in (20, 30, 40)] == [at(20)] * 3


def test_an_input_that_came_back_is_missed_anew(connection):
    interpreted(connection, 1)
    looked(connection, 20, is_there=False)
    assert looked(connection, 30, is_there=True) is None
    assert looked(connection, 40, is_there=False) == at(40)


def test_an_archived_case_keeps_its_rows_and_says_who_archived_it(connection):
    interpreted(connection, 1, 2)
    looked(connection, 20, is_there=False)
    assert archive(connection, CASE, (), PHYSICIST, at(30)) == [1, 2]
    assert is_archived(connection, CASE)
    assert looked(connection, 40, is_there=False) is None
    assert rows(connection, "SELECT actor FROM workflow_steps WHERE step = 'archived'") == [
        {"actor": "physicist"}
    ]
    assert len(rows(connection, "SELECT * FROM beams")) == 2


def test_a_case_whose_input_is_there_again_is_archived_no_more(connection):
    interpreted(connection, 1)
    looked(connection, 20, is_there=False)
    archive(connection, CASE, (), PHYSICIST, at(30))
    looked(connection, 40, is_there=True)
    assert not is_archived(connection, CASE)


def test_a_new_manifest_ends_the_archive_too(connection):
    interpreted(connection, 1)
    archive(connection, CASE, (), PHYSICIST, at(30))
    claim_manifest(connection, CASE, "f2", Run("h1", None, frozenset()), at(40))
    assert not is_archived(connection, CASE)


def test_a_case_at_work_is_not_archived(connection):
    interpreted(connection, 1)
    brought(connection, 1, BeamState.RUNNING, run="r1")
    with pytest.raises(StillAtWork, match="r1"):
        archive(connection, CASE, ("r1",), PHYSICIST, at(30))
    assert not is_archived(connection, CASE)
    assert archive(connection, CASE, ("r2",), PHYSICIST, at(50)) == [1]
