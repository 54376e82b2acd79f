"""The root cause of a failure stays, whatever fails after it."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from assets.beams.failure_records import MOST_LATER, FailureRecord, LaterFailure, recorded
from assets.beams.failures import CODES, BeamFailure, FailureDetails, beam_failure

START = datetime(2026, 3, 20, 10, tzinfo=UTC)


def record_of(*failures: BeamFailure) -> FailureRecord:
    """The record of failures that come second by second."""
    record: FailureRecord | None = None
    for second, failure in enumerate(failures):
        record = recorded(record, failure, START + timedelta(seconds=second))
    assert record is not None
    return record


def test_the_first_failure_is_the_record() -> None:
    failure = beam_failure("nonzero_exit", "It ended with 3.", details=FailureDetails(exit_code=3))
    assert record_of(failure) == FailureRecord(
        "simulate", "permanent", "nonzero_exit", "It ended with 3.", {"exit_code": 3}, START, START
    )


def test_a_general_failure_after_a_data_error_does_not_make_it_retryable() -> None:
    root, general = beam_failure("layer_word", "Swapped."), beam_failure("disk_full", "Conversion failed.")
    record = record_of(root, general)
    assert (record.code, record.category, record.phase) == ("layer_word", "permanent", "csv")
    assert (record.message, record.first_seen) == ("Swapped.", START)
    later = START + timedelta(seconds=1)
    assert record.later == (LaterFailure("disk_full", "Conversion failed.", later),)
    assert record.last_seen == later


def test_a_failure_that_repeats_itself_is_only_seen_again() -> None:
    root, other = beam_failure("layer_word", "Swapped."), beam_failure("disk_full", "Full.")
    record = record_of(root, root, other, other, root)
    assert [later.code for later in record.later] == ["disk_full"]
    assert record.last_seen == START + timedelta(seconds=4)


def test_a_failure_that_goes_on_for_ever_keeps_the_root_cause_and_the_last_ones() -> None:
    endless = [beam_failure("ssh_timeout", f"Attempt {number}.") for number in range(100)]
    record = record_of(beam_failure("empty_dose", "Empty."), *endless)
    assert (record.code, len(record.later)) == ("empty_dose", MOST_LATER)
    assert record.later[-1].message == "Attempt 99."


@given(codes=st.lists(st.sampled_from(sorted(CODES)), min_size=1, max_size=40))
def test_the_root_cause_is_the_first_failure_whatever_follows(codes: list[str]) -> None:
    record = record_of(*(beam_failure(code, f"{code} at {place}.") for place, code in enumerate(codes)))
    assert (record.code, record.message) == (codes[0], f"{codes[0]} at 0.")
    assert record.category == CODES[codes[0]].categories[0]
    assert [later.code for later in record.later] == codes[1:][-MOST_LATER:]
