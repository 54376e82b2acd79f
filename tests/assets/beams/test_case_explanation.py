"""What is said of a case: from its judgement alone, and together with its row in the registry."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from assets.beams.explanation import Explanation, explanation, unjudged
from assets.beams.failures import BeamFailure, beam_failure, first_of
from assets.beams.registry import beams, cases, failing
from assets.beams.registry.cancelling import cancel_case
from assets.beams.registry.rows import Case, case_of
from assets.beams.states import BeamState
from tests.assets.beams.delivered_cases import CASE, LATER, case_folder, deliver, deliver_all, judged, moment
from tests.assets.beams.registry.registry_worlds import PHYSICIST, at, beam, brought, interpreted, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A case with one complete fraction, delivered in the order 9, 5, 3."""
    made = case_folder(tmp_path)
    deliver_all(made)
    return made


@pytest.fixture
def connection(tmp_path: Path):
    with opened(tmp_path / "ledger") as connection:
        yield connection
    connection.close()


def explained(
    folder: Path, *, case: Case | None = None, is_unchanged: bool = True, now: datetime = LATER
) -> Explanation:
    judgement = judged(folder, now=now)
    return explanation(CASE, judgement, room="G2", case=case, is_unchanged=is_unchanged, most_retries=3)


def row(connection) -> Case:
    return case_of(connection, CASE)


def test_a_ready_case_is_told_whole(folder):
    told = explained(folder)
    assert told == {
        "case": CASE,
        "state": "ready",
        "code": None,
        "category": None,
        "phase": None,
        "message": None,
        "problems": [],
        "room": "G2",
        "gantry": 2,
        "fractions": [
            {
                "index": 1,
                "status": "complete",
                "deliveries": ["2026032010000000", "2026032010050000", "2026032010100000"],
                "missing": [],
                "duplicate": [],
            }
        ],
        "reference": {
            "1": {"delivery": "2026032010050000", "fraction_index": 1},
            "2": {"delivery": "2026032010100000", "fraction_index": 1},
            "3": {"delivery": "2026032010000000", "fraction_index": 1},
        },
        "beams": [
            {
                "treatment_index": 1,
                "dicom_number": 5,
                "plan_position": 2,
                "name": "F2 A/P",
                "folder": "002_F2_A_P",
                "layers": 2,
            },
            {
                "treatment_index": 2,
                "dicom_number": 3,
                "plan_position": 3,
                "name": "F3",
                "folder": "003_F3",
                "layers": 1,
            },
            {
                "treatment_index": 3,
                "dicom_number": 9,
                "plan_position": 4,
                "name": "F4",
                "folder": "004_F4",
                "layers": 1,
            },
        ],
        "warnings": [],
        "next": "Its manifest is asked for by the next scan of beam_case_sensor.",
    }
    assert json.loads(json.dumps(told)) == told


def test_an_open_window_is_told_with_its_end_and_what_is_missing(folder):
    deliver(folder, "12:00", 5)
    told = explained(folder, now=moment("12:30:00"))
    assert (told["state"], told["code"], told["category"]) == ("waiting", "fraction_window_open", "pending")
    assert told["fractions"][1]["missing"] == [3, 9]
    assert told["reference"] == {}
    assert told["next"] == "It is judged again after 2026-03-20T13:00:00Z, when its last window closes."


def test_every_problem_of_a_refused_case_is_told_and_the_first_gives_the_code(folder):
    for delivery in folder.glob("2026*"):
        next(delivery.glob("*.ptn")).unlink()
    told = explained(folder)
    assert (told["state"], told["code"], told["phase"]) == ("failed", "ptn_missing", "preparation")
    assert [problem["code"] for problem in told["problems"]] == 3 * ["ptn_missing"] + 3 * ["layer_count"]
    assert told["message"] == told["problems"][0]["message"]
    assert told["next"].endswith("then renew the marker _CASE_READY.")


def test_what_a_case_waits_for_comes_before_what_it_would_fail_with(folder):
    (folder / "plan.dcm").unlink()
    judgement = judged(folder)
    for code, listed in (
        ("no_marker", ["no_marker", "missing_rtplan"]),
        ("missing_rtplan", ["missing_rtplan"]),
    ):
        reason = beam_failure(code, "not yet", category="pending")
        told = explanation(
            CASE, judgement, room="G2", case=None, is_unchanged=False, most_retries=3, waits_for=reason
        )
        assert (told["state"], told["code"], told["message"]) == ("waiting", code, "not yet")
        assert [problem["code"] for problem in told["problems"]] == listed


def test_a_single_problem_is_listed_too(folder):
    (folder / "plan.dcm").unlink()
    told = explained(folder)
    assert [problem["code"] for problem in told["problems"]] == ["missing_rtplan"]
    assert (told["gantry"], told["beams"]) == (None, [])


def test_a_retryable_refusal_says_that_it_is_tried_again(tmp_path):
    folder = case_folder(tmp_path)
    deliver(folder, "10:00", 5, info={"DICOM_BEAM_NUMBER": None})
    told = explained(folder)
    assert (told["code"], told["category"]) == ("unresolved_folders", "retryable")
    assert "3 times at most" in told["next"]


@pytest.mark.parametrize(
    ("code", "category", "state", "words"),
    [
        ("no_marker", None, "waiting", "create _CASE_READY"),
        ("unreadable_dir", None, "waiting", "with every scan"),
        ("missing_rtplan", "pending", "waiting", "with every scan"),
        ("missing_rtplan", "permanent", "failed", "renew the marker"),
        ("symlinked_case", None, "failed", "It is no case"),
    ],
)
def test_a_folder_that_is_not_judged_is_told_with_its_reason(code, category, state, words):
    failure = beam_failure(code, "that is so", category=category)
    told = unjudged(CASE, failure, room=None, most_retries=3)
    assert (told["state"], told["code"], told["message"]) == (state, code, "that is so")
    assert told["problems"] == [{"code": code, "message": "that is so"}]
    assert words in told["next"]


def test_once_work_on_this_input_has_begun_the_state_is_that_of_the_registry(folder, connection):
    interpreted(connection, 1)
    assert explained(folder, case=row(connection))["state"] == "interpreting"
    brought(connection, 1, BeamState.QUEUED)
    assert explained(folder, case=row(connection))["state"] == "simulating"
    changed = explained(folder, case=row(connection), is_unchanged=False)
    assert (changed["state"], changed["code"]) == ("ready", None)
    assert "once its marker is renewed" in changed["next"]
    deliver(folder, "12:00", 5)
    waiting = explained(folder, case=row(connection), is_unchanged=False, now=moment("12:30:00"))
    assert waiting["next"].startswith("It is judged again after")


def test_a_case_that_was_only_seen_is_told_as_it_lies_there(folder, connection):
    cases.see(connection, CASE, "G2", "G2/QA0001", at(0))
    assert explained(folder, case=row(connection), is_unchanged=False) == explained(folder)
    cases.make_ready(connection, CASE, "f1", at(1))
    deliver(folder, "12:00", 5)
    assert explained(folder, case=row(connection), now=moment("12:30:00"))["state"] == "waiting"


def test_the_failure_of_a_beam_is_that_of_its_case_though_the_input_is_sound(folder, connection):
    interpreted(connection, 1)
    work = beams.take(connection, beam(1), "r1", at(1))
    failing.fail_beam(connection, work, beam_failure("timeout", "the engine took too long"), at(2))
    told = explained(folder, case=row(connection))
    assert (told["state"], told["code"], told["phase"]) == ("failed", "timeout", "simulate")
    assert told["problems"] == [{"code": "timeout", "message": "the engine took too long"}]
    assert told["gantry"] == 2
    assert told["next"] == "It is tried again by itself after a pause; so far it was 0 times."


def failed_manifest(connection, failure: BeamFailure) -> Case:
    cases.see(connection, CASE, "G2", "G2/QA0001", at(0))
    cases.make_ready(connection, CASE, "f1", at(0))
    failing.fail_case(connection, cases.begin_manifest(connection, CASE, "m1", at(0)), failure, at(1))
    return row(connection)


def test_the_problems_of_a_failed_manifest_are_those_that_were_recorded(folder, connection):
    problems = [beam_failure("ptn_missing", "one"), beam_failure("ptn_unlisted", "two")]
    told = explained(folder, case=failed_manifest(connection, first_of(problems)))
    assert (told["code"], told["message"]) == ("ptn_missing", "one")
    assert told["problems"] == [
        {"code": "ptn_missing", "message": "one"},
        {"code": "ptn_unlisted", "message": "two"},
    ]
    assert told["next"].endswith("with `python -m scripts.beams rerun QA0001`.")


def test_a_retryable_failure_without_retries_left_names_the_option_that_lifts_the_limit(folder, connection):
    case = failed_manifest(connection, beam_failure("unresolved_folders", "which beam?"))
    told = explained(folder, case=case._replace(retry_count=3))
    assert told["next"].endswith("then `python -m scripts.beams rerun QA0001 --force`.")


def test_a_completed_case_has_its_warnings_once_and_those_of_its_report(folder, connection):
    deliver(folder, "10:20", 3)
    interpreted(connection, 1)
    brought(connection, 1, BeamState.COMPLETED)
    report = cases.begin_report(connection, CASE, "p1", at(2))
    cases.complete(connection, report, ["duplicate_delivery", "monitor_disagreement"], at(3))
    told = explained(folder, case=row(connection))
    assert told["state"] == "completed_with_warnings"
    assert (told["code"], told["problems"]) == (None, [])
    assert told["warnings"] == ["duplicate_delivery", "monitor_disagreement"]


def test_a_cancelled_case_says_how_it_begins_anew(folder, connection):
    interpreted(connection, 1)
    cancel_case(connection, CASE, PHYSICIST, at(1))
    told = explained(folder, case=row(connection))
    assert (told["state"], "rerun" in told["next"]) == ("cancelled", True)
