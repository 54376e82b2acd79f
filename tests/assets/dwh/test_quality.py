"""Whether a run is good enough: the worked examples, what is rounded, and violation rules. Defect 23."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.quality import Quality, QualityRules, Threshold, evaluate


def judged(read, dropped, rules=None):
    rules = rules or QualityRules()
    return rules.judge(records_read=read, records_dropped=dropped, records_written=read - dropped)


@pytest.mark.parametrize(
    ("read", "dropped", "status"),
    [
        (100, 0, "GREEN"),
        (100, 4, "GREEN"),
        (100, 5, "YELLOW"),
        (100, 9, "YELLOW"),
        (100, 10, "RED"),
        (100, 100, "RED"),
        (0, 0, "GREEN"),
        (1_000_000, 49_999, "GREEN"),
        (1_000_000, 99_999, "YELLOW"),
    ],
)
def test_the_share_of_dropped_records_decides(read, dropped, status):
    assert judged(read, dropped).status == status


@pytest.mark.parametrize(
    ("read", "dropped", "status", "shown"), [(10**6, 49_999, "GREEN", 0.05), (3, 1, "RED", 0.3333)]
)
def test_the_share_is_judged_unrounded_and_shown_with_four_places(read, dropped, status, shown):
    quality = judged(read, dropped)
    assert quality.drop_rate == dropped / read
    assert quality.shown_drop_rate == shown
    assert quality.document() == {"status": status, "drop_rate": shown, "reasons": list(quality.reasons)}


@pytest.mark.parametrize(
    ("min_records", "written", "status"),
    [(1001, 1000, "RED"), (1000, 1000, "GREEN"), (0, 0, "GREEN"), (1, 0, "RED")],
)
def test_too_few_records_are_red(min_records, written, status):
    assert judged(written, 0, QualityRules(min_records=min_records)).status == status


def test_the_worst_sign_decides_and_every_one_is_a_reason():
    quality = judged(100, 5, QualityRules(min_records=96))
    assert quality.status == "RED"
    assert quality.reasons == (
        "5 of 100 records were dropped, a rate of 0.0500; from 0.05 on a run is YELLOW",
        "95 records were written; at least 96 must be",
    )


def test_a_good_run_has_no_reasons():
    assert judged(100, 4) == Quality("GREEN", 0.04, ())


def test_thresholds_can_be_set():
    rules = QualityRules(drop_rate_yellow=0.2, drop_rate_red=0.5)
    assert [judged(10, dropped, rules).status for dropped in (1, 2, 4, 5)] == [
        "GREEN",
        "YELLOW",
        "YELLOW",
        "RED",
    ]


def test_a_red_threshold_below_the_yellow_one_is_red():
    assert judged(100, 3, QualityRules(drop_rate_red=0.02)).status == "RED"


@given(st.integers(0, 1000), st.data())
def test_more_dropped_records_never_make_a_run_better(read, data):
    fewer, more = sorted(data.draw(st.tuples(st.integers(0, read), st.integers(0, read))))
    order = ("GREEN", "YELLOW", "RED")
    assert order.index(judged(read, fewer).status) <= order.index(judged(read, more).status)


@pytest.mark.parametrize(
    "rule",
    [
        Threshold(">", 100, should_throw=True),
        (">", 100, True),
        {"operator": ">", "value": 100, "should_throw": True},
    ],
)
def test_a_rule_that_throws_is_raised_with_the_numbers(rule):
    with pytest.raises(ValueError, match=r"^test_check failed: test_check: 150 > 100$"):
        evaluate("test_check", 150, [rule])


@pytest.mark.parametrize(
    ("operator", "met"),
    [
        ("==", [False, True, False]),
        (">", [False, False, True]),
        (">=", [False, True, True]),
        ("<", [True, False, False]),
        ("<=", [True, True, False]),
    ],
)
def test_a_rule_is_met_when_the_comparison_holds(operator, met):
    assert [bool(evaluate("check", value, [Threshold(operator, 5)])) for value in (4, 5, 6)] == met


def test_rules_that_are_met_are_returned_in_their_order():
    rules = [Threshold(">", 1), Threshold("<", 1), Threshold(">=", 0.5)]
    assert evaluate("check", 2, rules) == ["check: 2 > 1", "check: 2 >= 0.5"]


@pytest.mark.parametrize("rules", [[], [Threshold(">", 100, should_throw=True), Threshold("==", 0)]])
def test_nothing_met_is_nothing_to_tell(rules):
    """Defect 23: a healthy run notified on every green threshold."""
    assert evaluate("check", 50, rules) == []


def test_rules_met_before_the_one_that_throws_are_notes_of_its_error():
    rules = [Threshold(">", 1), Threshold(">", 2, should_throw=True), Threshold(">", 3, should_throw=True)]
    with pytest.raises(ValueError, match="check: 5 > 2") as violated:
        evaluate("check", 5, rules)
    assert violated.value.__notes__ == ["check: 5 > 1"]


@pytest.mark.parametrize("operator", ["!=", "=", "", "gt"])
def test_an_unknown_operator_is_refused(operator):
    with pytest.raises(ValueError, match="Unknown threshold operator") as refused:
        evaluate("check", 5, [Threshold(operator, 1)])
    assert repr(operator) in str(refused.value)
