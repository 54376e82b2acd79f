"""What holds of labels for any bars: they equal the plain loop, and they keep the documented symmetries."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.market.brackets import BRACKETS, HORIZON_ROWS, TARGET
from assets.market.kernels import resolve_brackets
from assets.market.labels import Labels, label_rows
from assets.market.selection import TICK
from assets.market.session_bars import MonthBars
from tests.assets.market.bars import month_bars, stretch
from tests.assets.market.plain_labels import plain_labels
from tests.assets.market.random_bars import months, stretches, walks

PRICES = ("open", "high", "low", "close")


def assert_equal(found: Labels, expected: Labels) -> None:
    np.testing.assert_array_equal(found.outcome, expected.outcome)
    np.testing.assert_array_equal(found.mae_ticks, expected.mae_ticks)
    np.testing.assert_array_equal(found.exit_seconds, expected.exit_seconds)


def select(labels: Labels, brackets: list[int] | slice, rows: slice) -> Labels:
    return Labels(
        labels.outcome[brackets, rows], labels.mae_ticks[brackets, rows], labels.exit_seconds[brackets, rows]
    )


def winners(bars: MonthBars, *, horizon: int = HORIZON_ROWS, wider: int = 0) -> np.ndarray:
    """Who wins with another horizon, or with stops that lie some ticks farther off."""
    units = TICK // bars.unit
    outcome, _, _ = resolve_brackets(
        bars.open,
        bars.high,
        bars.low,
        bars.seconds,
        np.array([rows.start for rows in bars.windows]),
        np.array([rows.stop for rows in bars.windows]),
        np.array([bracket.direction for bracket in BRACKETS]),
        np.array([bracket.stop_ticks + wider for bracket in BRACKETS]) * units,
        np.array([bracket.target_ticks for bracket in BRACKETS]) * units,
        horizon,
    )
    return outcome == TARGET


def only_traded(bars: MonthBars) -> MonthBars:
    """A session without its filled rows."""
    columns = {
        name: getattr(bars, name)[~bars.is_filled] for name in ("seconds", *PRICES, "volume", "is_filled")
    }
    session = replace(bars.summary.sessions[0], rows=int((~bars.is_filled).sum()))
    return replace(bars, **columns, summary=replace(bars.summary, sessions=(session,)))


@given(months())
@settings(max_examples=150, deadline=None)
def test_labels_equal_those_of_the_plain_loop(bars):
    assert_equal(label_rows(bars), plain_labels(bars))


@given(months(max_sessions=1, max_rows=1801))
@settings(max_examples=30, deadline=None)
def test_labels_of_long_sessions_equal_those_of_the_plain_loop(bars):
    assert_equal(label_rows(bars), plain_labels(bars))


@given(months())
@settings(max_examples=50, deadline=None)
def test_no_row_wins_both_long_and_short(bars):
    is_winner = label_rows(bars).is_winner
    assert not (is_winner[:3] & is_winner[3:]).any()


@given(months(), st.integers(-26_000, 100_000))
@settings(max_examples=50, deadline=None)
def test_adding_ticks_to_every_price_changes_no_label(bars, ticks):
    moved = replace(bars, **{name: getattr(bars, name) + ticks for name in PRICES})
    assert_equal(label_rows(moved), label_rows(bars))


@given(months())
@settings(max_examples=50, deadline=None)
def test_mirroring_prices_exchanges_long_and_short_exactly(bars):
    mirrored = replace(bars, open=-bars.open, high=-bars.low, low=-bars.high, close=-bars.close)
    every = slice(None)
    assert_equal(label_rows(mirrored), select(label_rows(bars), [3, 4, 5, 0, 1, 2], every))


@given(stretches(max_sessions=3))
@settings(max_examples=50, deadline=None)
def test_other_sessions_change_no_label_of_a_session(parts):
    bars = month_bars(*parts)
    together = label_rows(bars)
    for part, rows in zip(parts, bars.windows, strict=True):
        assert_equal(select(together, slice(None), rows), label_rows(month_bars(part)))


@given(walks(max_rows=1801), st.data())
@settings(max_examples=50, deadline=None)
def test_a_label_depends_only_on_the_900_rows_after_its_own(walk, data):
    row = data.draw(st.integers(0, len(walk) - 1))
    changed = walk.copy()
    changed[: row + 1, :4] += data.draw(st.integers(-500, 500))
    changed[row + 1 + HORIZON_ROWS :, :4] += data.draw(st.integers(-500, 500))
    before, after = (label_rows(month_bars(stretch(bars))) for bars in (walk, changed))
    own = slice(row, row + 1)
    assert_equal(select(after, slice(None), own), select(before, slice(None), own))


@given(walks(max_rows=1801), st.integers(1, HORIZON_ROWS))
@settings(max_examples=30, deadline=None)
def test_cutting_a_session_off_keeps_every_label_whose_window_was_whole(walk, cut):
    kept = max(1, len(walk) - cut)
    whole, part = label_rows(month_bars(stretch(walk))), label_rows(month_bars(stretch(walk[:kept])))
    # A timeout also needs the row that shows the market was still open 900 seconds after the entry.
    safe = slice(0, max(0, kept - HORIZON_ROWS - 1))
    assert_equal(select(part, slice(None), safe), select(whole, slice(None), safe))


@given(months(), st.integers(1, HORIZON_ROWS), st.integers(0, 600))
@settings(max_examples=50, deadline=None)
def test_raising_the_horizon_never_removes_a_winner(bars, horizon, more):
    assert (winners(bars, horizon=horizon) <= winners(bars, horizon=horizon + more)).all()


@given(months(), st.integers(0, 40))
@settings(max_examples=50, deadline=None)
def test_widening_the_stop_never_removes_a_winner(bars, ticks):
    assert (winners(bars) <= winners(bars, wider=ticks)).all()


@given(months())
@settings(max_examples=50, deadline=None)
def test_a_touch_has_its_excursion_and_seconds_in_range_and_nothing_else_has_any(bars):
    labels = label_rows(bars)
    for number, bracket in enumerate(BRACKETS):
        outcome = labels.outcome[number]
        mae, seconds = labels.mae_ticks[number], labels.exit_seconds[number]
        is_touched = outcome <= 2
        np.testing.assert_array_equal(is_touched, mae >= 0)
        np.testing.assert_array_equal(is_touched, seconds >= 0)
        assert (mae[outcome == TARGET] < bracket.stop_ticks).all()
        assert (mae[is_touched & (outcome != TARGET)] >= bracket.stop_ticks).all()
        if bars.rules == "strict":
            assert (seconds < HORIZON_ROWS).all()


@given(walks())
@settings(max_examples=50, deadline=None)
def test_the_touch_of_a_trade_in_real_rows_does_not_depend_on_filled_rows(walk):
    bars = month_bars(stretch(walk))
    traded = np.flatnonzero(~bars.is_filled)
    with_filled, without = label_rows(bars), plain_labels(only_traded(bars))
    entries = traded[1:]  # each is the row after its signal, with and without the filled rows between
    touched = with_filled.exit_seconds[:, entries - 1] >= 0
    np.testing.assert_array_equal(touched, without.exit_seconds[:, :-1] >= 0)
    for name in ("outcome", "mae_ticks", "exit_seconds"):
        found, expected = getattr(with_filled, name)[:, entries - 1], getattr(without, name)[:, :-1]
        np.testing.assert_array_equal(found[touched], expected[touched])


def test_more_levels_than_the_rows_reach_are_never_looked_up():
    cliff = [(0, 0, 0, 0), (0, 0, 0, 0), (100_000, 100_000, 100_000, 100_000), (0, 0, 0, 0)]
    bars = month_bars(stretch(cliff))
    assert_equal(label_rows(bars), plain_labels(bars))


@pytest.mark.parametrize("rows", [1, 2, 899, 900, 901, 902])
def test_a_session_of_any_length_is_labelled(rows):
    bars = month_bars(stretch([(0, 1, -1, 0)] * rows), stretch([(0, 0, 0, 0)], "2025-10-16T07:30:00"))
    assert_equal(label_rows(bars), plain_labels(bars))
