"""Codes, kinds and messages of the failures of beams."""

import pickle

import pytest

from assets.beams.failures import (
    CODES,
    FailureDetails,
    PendingBeamFailure,
    PermanentBeamFailure,
    RetryableBeamFailure,
    beam_failure,
    first_of,
)
from assets.failures import NotReady, PermanentFailure, TransientFailure

CONTRACT = {
    ("detection", "pending"): "no_marker, content_changing, unreadable_dir",
    ("detection", "permanent"): "bad_case_id, symlinked_case, duplicate_case_key",
    ("preparation", "pending"): "fraction_window_open, missing_rtplan",
    ("preparation", "retryable"): "unresolved_folders",
    ("preparation", "permanent"): (
        "missing_rtplan, multiple_rtplan, not_an_ion_plan, rtplan_parse_failed, map_length, map_conflict,"
        " zero_expected_beams, gantry_unknown, gantry_ambiguous, gantry_mixed, room_mismatch,"
        " missing_deliveries, missing_planinfo, planinfo_invalid, missing_planrange, planrange_invalid,"
        " missing_delivery_timestamp, timestamp_mismatch, patient_id_mismatch, unknown_beam,"
        " setup_beam_delivered, field_number_conflict, delivery_overlap, missing_beams, ptn_missing,"
        " ptn_unlisted, layer_number, layer_count, layer_energy, range_code, ptn_length, ptn_empty"
    ),
    ("csv", "retryable"): "disk_full",
    ("csv", "permanent"): "layer_word, dose_saturated, position_out_of_range, csv_mismatch",
    ("tps", "permanent"): "tps_invalid",
    ("transfer", "retryable"): "ssh_connect, ssh_timeout, sftp_eof, checksum_mismatch, remote_disk_full",
    ("transfer", "permanent"): "host_key_unknown, host_key_changed, ssh_auth",
    ("simulate", "pending"): "no_gpu",
    ("simulate", "retryable"): "gpu_unknown, lease_lost, killed_by_signal, timeout",
    ("simulate", "permanent"): "engine_failure_line, nonzero_exit, no_evidence",
    ("result", "permanent"): "missing_output, stale_output, dose_size, non_finite_dose, empty_dose",
    ("report", "retryable"): "render_failed",
}


def test_the_codes_are_those_of_the_contract_with_their_phase_and_category() -> None:
    ours = {(code, rule.phase, category) for code, rule in CODES.items() for category in rule.categories}
    theirs = {
        (code, phase, category) for (phase, category), codes in CONTRACT.items() for code in codes.split(", ")
    }
    assert ours == theirs


@pytest.mark.parametrize(
    ("code", "beam_kind", "kind", "category"),
    [
        ("ptn_missing", PermanentBeamFailure, PermanentFailure, "permanent"),
        ("unresolved_folders", RetryableBeamFailure, TransientFailure, "retryable"),
        ("no_gpu", PendingBeamFailure, NotReady, "pending"),
    ],
)
def test_a_category_is_one_of_the_three_kinds(code: str, beam_kind: type, kind: type, category: str) -> None:
    failure = beam_failure(code, "why")
    assert isinstance(failure, beam_kind)
    assert isinstance(failure, kind)
    assert (failure.category, failure.phase) == (category, CODES[code].phase)


def test_a_missing_plan_is_permanent_unless_its_marker_is_young() -> None:
    assert isinstance(beam_failure("missing_rtplan", "why"), PermanentBeamFailure)
    assert isinstance(beam_failure("missing_rtplan", "why", category="pending"), PendingBeamFailure)


def test_a_code_takes_no_category_but_its_own_and_an_unknown_code_is_a_defect() -> None:
    with pytest.raises(ValueError, match="ptn_missing is permanent, never retryable"):
        beam_failure("ptn_missing", "why", category="retryable")
    with pytest.raises(KeyError):
        beam_failure("ptn_mising", "why")


def test_only_a_timeout_is_retried_just_once() -> None:
    assert {code for code, rule in CODES.items() if rule.most_retries == 1} == {"timeout"}


def test_a_failure_survives_the_way_out_of_a_worker_process() -> None:
    first = beam_failure("ptn_missing", "no log", details=FailureDetails(exit_code=3))
    failure = first_of([first, beam_failure("ptn_unlisted", "a log too many")])
    copy = pickle.loads(pickle.dumps(failure))
    assert type(copy) is PermanentBeamFailure
    assert (copy.code, copy.phase, copy.message, copy.details) == (
        "ptn_missing",
        "preparation",
        "no log",
        FailureDetails(exit_code=3),
    )
    assert [problem.code for problem in copy.problems] == ["ptn_missing", "ptn_unlisted"]


def test_several_problems_are_listed_and_the_first_gives_code_and_category() -> None:
    failure = first_of([beam_failure("unresolved_folders", "a"), beam_failure("unknown_beam", "b")])
    assert isinstance(failure, RetryableBeamFailure)
    assert (failure.code, str(failure)) == ("unresolved_folders", "a")
    assert [(problem.code, problem.message) for problem in failure.problems] == [
        ("unresolved_folders", "a"),
        ("unknown_beam", "b"),
    ]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("a\nb", r"a\nb"),
        ("a\x00\x1b[2J", r"a\x00\x1b[2J"),
        ("a\u2028b", r"a\u2028b"),
        ("Müller …", "Müller …"),
    ],
)
def test_a_message_is_one_line_whatever_a_name_brings(raw: str, line: str) -> None:
    failure = beam_failure("bad_case_id", raw)
    assert failure.message == str(failure) == line


def test_of_stderr_the_last_4_kib_are_kept_and_no_half_character() -> None:
    tail = FailureDetails(stderr_tail="x" + "é" * 4000).stderr_tail
    assert tail == "é" * 2048
    assert FailureDetails(stderr_tail="é" * 2048 + "b").stderr_tail == "é" * 2047 + "b"


def test_details_that_are_not_known_are_left_out() -> None:
    assert FailureDetails(exit_code=0, host="gpu-1").as_dict() == {"exit_code": 0, "host": "gpu-1"}
