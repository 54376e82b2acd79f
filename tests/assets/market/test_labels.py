"""Labels: the documented examples under both rules, the window's borders, and what must not come back."""

import numpy as np
import pytest

from assets.market.brackets import BRACKETS, MODES, OUTCOMES, bracket_of
from assets.market.labels import Labels, label_rows
from assets.market.weights import weigh
from tests.assets.market.bars import flat, month_bars, one_session, stretch, wave

BOTH_RULES = pytest.mark.parametrize("rules", ["strict", "compat"])

STILL = (0, 0, 0, 0)
LL, NL, HL, LS = "low_vol_long", "normal_vol_long", "high_vol_long", "low_vol_short"


def result(labels: Labels, mode: str, row: int = 0) -> tuple:
    """Outcome, MAE, seconds and weight of one label, None for what is missing."""
    number = MODES.index(mode)
    mae, seconds = (
        None if values[number, row] < 0 else int(values[number, row])
        for values in (labels.mae_ticks, labels.exit_seconds)
    )
    return OUTCOMES[labels.outcome[number, row]], mae, seconds, float(weigh(labels, 1.0)[number, row])


def won(mae: int, seconds: int, weight: float) -> tuple:
    return "target", mae, seconds, pytest.approx(weight, rel=1e-6)


def lost(outcome: str, mae: int | None = None, seconds: int | None = None) -> tuple:
    return outcome, mae, seconds, 1.0


def quiet_until(seconds: int) -> list:
    """A signal row, then a target that is first touched so many seconds after the entry."""
    return [STILL] * (1 + seconds) + [(0, 12, 0, 12)] + [(12, 12, 12, 12)] * 5


def nearly_stopped(stop: int) -> list:
    return [STILL, (0, 0, 1 - stop, 0), (0, 2 * stop, 0, 2 * stop)]


EXAMPLES = {
    "L01": (
        [STILL, (0, 1, -2, 0), (0, 12, 0, 12), *flat(12, 5)],
        {LL: won(2, 1, 3.0), LS: lost("stop", 12, 1)},
    ),
    "L02": ([STILL, (0, 12, 0, 10)], {LL: won(0, 0, 4.0)}),
    "L03": ([STILL, (0, 0, -6, -4), (-4, 12, -4, 12)], {LL: lost("stop", 6, 0)}),
    "L04": ([STILL, STILL, (0, 12, -6, 0)], {LL: lost("both", 6, 1), LS: lost("stop", 12, 1)}),
    "L06": ([STILL, (4, 4, 4, 4), (4, 15, 4, 15), *flat(15, 5)], {LL: lost("session_end")}),
    "L07": ([STILL] + [(0, 11, 0, 0)] * 1000, {LL: lost("timeout")}),
    "L08": ([STILL] * 900 + [(0, 12, 0, 12), *flat(12, 5)], {LL: won(0, 899, 1.005)}),
    "L10, 300 s": (quiet_until(300), {LL: won(0, 300, 4.0)}),
    "L10, 301 s": (quiet_until(301), {LL: won(0, 301, 3.995)}),
    "L10, 600 s": (quiet_until(600), {LL: won(0, 600, 2.5)}),
    "L11, low": (nearly_stopped(6), {LL: won(5, 1, 1.5)}),
    "L11, normal": (nearly_stopped(8), {NL: won(7, 1, 1.375)}),
    "L11, high": (nearly_stopped(10), {HL: won(9, 1, 1.3)}),
    "L25": ([STILL, (0, 1, -1, 0), (16, 16, 16, 16)], {LL: won(1, 1, 3.5)}),
    "L27": ([STILL] + [(0, 5, -5, 0)] * 951, {LL: lost("timeout"), LS: lost("timeout")}),
}  # fmt: skip


@BOTH_RULES
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_documented_example_is_labelled_as_it_says(example, rules):
    bars, expected = EXAMPLES[example]
    labels = label_rows(one_session(bars, rules=rules))
    assert {mode: result(labels, mode) for mode in expected} == expected


@BOTH_RULES
def test_the_last_row_has_no_entry(rules):  # L15
    labels = label_rows(one_session([STILL] * 5, at="2025-10-15T14:59:55", rules=rules))
    assert {mode: result(labels, mode, row=4) for mode in MODES} == dict.fromkeys(MODES, lost("no_entry"))


@BOTH_RULES
def test_the_only_row_of_a_month_has_no_entry(rules):
    assert (label_rows(one_session([STILL], rules=rules)).outcome == OUTCOMES.index("no_entry")).all()


@BOTH_RULES
@pytest.mark.parametrize(("last_row", "expected"), [(900, "session_end"), (901, "timeout")])
def test_a_session_times_out_only_with_a_row_900_seconds_after_the_entry(last_row, expected, rules):
    labels = label_rows(one_session([STILL] * (last_row + 1), rules=rules))
    assert result(labels, LL) == lost(expected)


@BOTH_RULES
def test_a_touch_900_seconds_after_the_entry_comes_too_late(rules):
    labels = label_rows(one_session(quiet_until(900), rules=rules))
    assert result(labels, LL) == lost("timeout")
    assert result(labels, LL, row=1) == won(0, 899, 1.005)


@BOTH_RULES
@pytest.mark.parametrize(
    ("bars", "long", "short"),
    [
        ([STILL, (0, 12, -6, 0)], lost("both", 6, 0), lost("stop", 12, 0)),
        ([STILL, (0, 6, -12, 0)], lost("stop", 12, 0), lost("both", 6, 0)),
        ([STILL, (0, 12, -12, 0)], lost("both", 12, 0), lost("both", 12, 0)),
        ([STILL, (0, 0, 0, 0), (-40, -40, -40, -40)], lost("stop", 40, 1), won(0, 1, 4.0)),
        ([STILL, (0, 0, 0, 0), (-40, 20, -40, 0)], lost("both", 40, 1), lost("both", 20, 1)),
    ],
)
def test_both_sides_in_one_row_count_as_the_stop(bars, long, short, rules):
    labels = label_rows(one_session(bars, rules=rules))
    assert (result(labels, LL), result(labels, LS)) == (long, short)


@BOTH_RULES
def test_the_entry_is_the_open_of_the_next_row_also_when_nobody_traded_in_it(rules):
    signal, filled_entry = (0, 30, -30, 2), (2, 2, 2, 2, 0)
    bars = one_session([signal, filled_entry, (2, 14, -3, 14)], rules=rules)
    assert bars.is_filled[1]
    assert result(label_rows(bars), LL) == won(5, 1, 1.5)


def test_a_label_does_not_run_into_the_next_session():  # L24
    friday = stretch([STILL] * 5, "2025-10-31T14:59:55")
    monday = stretch([(-16, -16, -16, -16)] * 5, "2025-11-03T07:30:00")
    alone, together = label_rows(month_bars(friday)), label_rows(month_bars(friday, monday))
    assert result(alone, LS) == result(together, LS) == lost("session_end")
    assert result(together, LS, row=4) == lost("no_entry")
    np.testing.assert_array_equal(alone.outcome, together.outcome[:, :5])


def test_compat_runs_a_label_across_a_weekend_in_rows_and_counts_its_seconds():
    friday = stretch([STILL] * 5, "2025-10-31T14:59:55")
    monday = stretch([(-16, -16, -16, -16)] * 5, "2025-11-03T07:30:00")
    labels = label_rows(month_bars(friday, monday, rules="compat"))
    clock_change_weekend = 235_800
    assert result(labels, LS) == won(0, 4 + clock_change_weekend, 1.0)
    assert result(labels, LS, row=4) == lost("session_end")  # the entry is Monday's open
    assert result(labels, LS, row=9) == lost("no_entry")


def test_compat_watches_900_rows_whatever_the_seconds_between_them():
    evening = stretch([STILL] * 900, "2025-10-15T14:45:00")
    morning = stretch([(0, 12, 0, 12)], "2025-10-16T07:30:00")
    labels = label_rows(month_bars(evening, morning, rules="compat"))
    night = 59_400
    assert result(labels, LL) == won(0, 899 + night, 1.0)


def test_a_duplicate_row_of_compat_is_a_row_of_the_window():
    bars = month_bars(stretch([STILL] * 3), stretch([(0, 12, 0, 12)], "2025-10-15T09:00:02"), rules="compat")
    assert result(label_rows(bars), LL) == won(0, 1, 4.0)


def test_a_spread_between_two_ticks_is_compared_exactly():
    fifths = [STILL, STILL, (0, 59, -29, 0), *flat(0, 3)]  # 0.05 points: the target is 60, the stop 30
    labels = label_rows(month_bars(stretch(fifths, base=0), rules="compat", unit=50_000_000))
    assert result(labels, LL) == lost("session_end")
    fifths[3] = (0, 60, -29, 0)
    labels = label_rows(month_bars(stretch(fifths, base=0), rules="compat", unit=50_000_000))
    assert result(labels, LL) == won(5, 2, 0.75 * 2)  # 29 fifths are five whole ticks


def test_negative_prices_are_labelled_like_any_other():
    bars = [STILL, (0, 1, -2, 0), (0, 12, 0, 12)]
    below, above = (month_bars(stretch(bars, base=base), rules="compat") for base in (-20, 26_800))
    np.testing.assert_array_equal(label_rows(below).outcome, label_rows(above).outcome)


@BOTH_RULES
def test_a_jump_of_more_than_20_points_is_neither_skipped_nor_cut(rules):  # L20
    labels = label_rows(one_session(flat(0, 10) + flat(-84, 30), rules=rules))
    assert result(labels, LS, row=5) == won(0, 4, 4.0)
    assert result(labels, LL, row=5) == lost("stop", 84, 4)


def test_prices_are_never_segmented_at_jumps_so_every_row_has_its_labels():
    sawtooth = [(0, 0, 0, 0), (24, 24, 24, 24)] * 500  # a 6-point move every second
    labels = label_rows(one_session(sawtooth))
    assert labels.outcome.shape == (6, 1000)
    assert [int((labels.outcome[number] == OUTCOMES.index("no_entry")).sum()) for number in range(6)] == [
        1
    ] * 6
    assert result(labels, LL, row=1) == won(0, 1, 4.0)


def test_a_month_above_500_000_rows_means_the_same_as_a_session_of_it():
    one = wave(27_000)
    days = [
        f"2025-10-{day:02d}T07:30:00"
        for day in (*range(1, 4), *range(6, 11), *range(13, 18), *range(20, 25), 27)
    ]
    many = month_bars(*(stretch(one.bars, day, base=0) for day in days))
    assert len(many) > 500_000
    alone, together = label_rows(month_bars(one)), label_rows(many)
    for rows in many.windows:
        np.testing.assert_array_equal(together.outcome[:, rows], alone.outcome)
        np.testing.assert_array_equal(together.mae_ticks[:, rows], alone.mae_ticks)
        np.testing.assert_array_equal(together.exit_seconds[:, rows], alone.exit_seconds)


def test_brackets_are_the_documented_six():
    assert [(b.mode, b.stop_ticks, b.target_ticks, b.direction) for b in BRACKETS] == [
        ("low_vol_long", 6, 12, 1),
        ("normal_vol_long", 8, 16, 1),
        ("high_vol_long", 10, 20, 1),
        ("low_vol_short", 6, 12, -1),
        ("normal_vol_short", 8, 16, -1),
        ("high_vol_short", 10, 20, -1),
    ]
    assert bracket_of("high_vol_short") is BRACKETS[5]


def test_an_unknown_mode_is_refused_with_the_modes_there_are():
    with pytest.raises(
        ValueError, match=r"'medium_vol_long' is no mode; choose one of low_vol_long, .*high_vol_short"
    ):
        bracket_of("medium_vol_long")
