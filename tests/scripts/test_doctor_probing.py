"""Probes: none ends the doctor or keeps it, and what one has found before is kept."""

from threading import Event

import pytest

from scripts.doctor.findings import ok, sentence_of
from scripts.doctor.probing import Probe, examine


@pytest.fixture
def released():
    event = Event()
    yield event
    event.set()


def test_findings_come_in_the_order_of_the_probes(released):
    def waits_for_the_second():
        assert released.wait(60)
        yield ok("first", "found")

    def lets_the_first_go():
        released.set()
        yield ok("second", "found")

    probes = [Probe("first", waits_for_the_second), Probe("second", lets_the_first_go)]
    findings, has_ended = examine(probes, 60)
    assert [finding.matter for finding in findings] == ["first", "second"]
    assert has_ended


def test_a_probe_that_raises_is_a_problem_in_one_line_and_keeps_what_it_found():
    def breaks():
        yield ok("a matter", "found before")
        raise LookupError("it is\n  not there")

    findings, has_ended = examine([Probe("a matter", breaks)], 60)
    assert [(finding.state, finding.found) for finding in findings] == [
        ("ok", "found before"),
        ("problem", "LookupError: it is not there"),
    ]
    assert has_ended


def test_a_probe_that_never_answers_is_a_problem_and_keeps_what_it_found(released):
    def hangs():
        yield ok("a matter", "found before")
        released.wait(60)
        yield ok("a matter", "found too late")

    findings, has_ended = examine([Probe("a matter", hangs)], 0.05)
    assert [(finding.state, finding.found) for finding in findings] == [
        ("ok", "found before"),
        ("problem", "gave no answer within 0.05 s"),
    ]
    assert not has_ended


def test_a_probe_may_have_more_patience_than_others(released):
    def waits():
        released.wait(0.2)
        yield ok("patient", "found")

    findings, _ = examine([Probe("patient", waits, patience=100_000)], 0.001)
    assert [finding.found for finding in findings] == ["found"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("it is\nnot so"), "it is not so"),
        (ValueError(), "ValueError"),
        (OSError("it is\nnot so"), "OSError: it is not so"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("x" * 600), "KeyError: '" + "x" * 489 + "…"),
    ],
)
def test_an_error_is_one_line_with_its_kind(error, sentence):
    assert sentence_of(error) == sentence


def test_our_own_errors_are_sentences_as_they_are():
    from resources.ledger import LedgerUnusable

    assert sentence_of(LedgerUnusable("It cannot be kept here.")) == "It cannot be kept here."
