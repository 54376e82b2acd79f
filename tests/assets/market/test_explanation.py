"""How one label came about: the documented lines to the letter, and what is refused."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest

from assets.market.explanation import explain_label, month_of
from assets.market.weights import decay
from tests.assets.market.bars import Bar, flat, month_bars, one_session, stretch
from tests.assets.market.months_of_bars import table_of

STILL = (0, 0, 0, 0)
CDT = timezone(timedelta(hours=-5))
NINE = datetime(2025, 10, 15, 9, tzinfo=CDT)


def explained(
    bars: Sequence[Bar], mode: str = "low_vol_long", row: int = 0, reference: str = "2025-10"
) -> list[str]:
    table = table_of(one_session(bars), decay("2025-10", reference))
    return explain_label(table.lazy(), reference, NINE + timedelta(seconds=row), mode)


def test_a_winner_is_told_in_the_documented_lines():
    assert explained([STILL, (0, 1, -2, 0), (0, 12, 0, 12), *flat(12, 5)]) == [
        "signal   2025-10-15 09:00:00 CDT, ES-2025-12",
        "entry    6700.00 at 09:00:01 (traded)",
        "target   6703.00 (+12 ticks)",
        "stop     6698.50 (-6 ticks)",
        "touch    target at 09:00:02, 1 s after entry",
        "mae      2 ticks",
        "weight   3.000000 = quality 1.500000 * velocity 2.000000 * decay 1.000000",
        "label    1 (target)",
    ]


def test_a_short_loser_is_told_with_the_signs_of_its_side():
    bars = [STILL, (4, 4, 4, 4, 0), *flat(4, 10), (4, 15, 4, 15)]
    assert explained(bars, "high_vol_short") == [
        "signal   2025-10-15 09:00:00 CDT, ES-2025-12",
        "entry    6701.00 at 09:00:01 (filled, no trade)",
        "target   6696.00 (-20 ticks)",
        "stop     6703.50 (+10 ticks)",
        "touch    stop at 09:00:12, 11 s after entry",
        "mae      11 ticks",
        "weight   1.000000 = decay 1.000000",
        "label    0 (stop)",
    ]


def test_a_row_that_touches_both_sides_says_so():
    assert explained([STILL, STILL, (0, 12, -6, 0)])[4:] == [
        "touch    target and stop at 09:00:02, 1 s after entry",
        "mae      6 ticks",
        "weight   1.000000 = decay 1.000000",
        "label    0 (both)",
    ]


@pytest.mark.parametrize(("rows", "outcome"), [(950, "timeout"), (100, "session_end")])
def test_a_trade_without_a_touch_has_none(rows, outcome):
    assert explained([STILL] * rows)[1:] == [
        "entry    6700.00 at 09:00:01 (traded)",
        "target   6703.00 (+12 ticks)",
        "stop     6698.50 (-6 ticks)",
        f"touch    none ({outcome})",
        "mae      -",
        "weight   1.000000 = decay 1.000000",
        f"label    0 ({outcome})",
    ]


def test_a_signal_without_an_entry_has_nothing_from_entry_to_mae():
    assert explained([STILL] * 3, row=2) == [
        "signal   2025-10-15 09:00:02 CDT, ES-2025-12",
        "entry    -",
        "target   -",
        "stop     -",
        "touch    -",
        "mae      -",
        "weight   1.000000 = decay 1.000000",
        "label    0 (no_entry)",
    ]


def test_the_last_signal_of_a_session_is_not_entered_at_the_next_sessions_open():
    bars = month_bars(
        stretch([STILL] * 2, "2025-10-15T14:59:58"), stretch([STILL] * 5, "2025-10-16T07:30:00")
    )
    at = datetime(2025, 10, 15, 14, 59, 59, tzinfo=CDT)
    assert explain_label(table_of(bars).lazy(), "2025-10", at, "low_vol_long")[1] == "entry    -"


def test_the_weight_is_the_product_of_its_factors():
    weight = explained([STILL, (0, 1, -2, 0), (0, 12, 0, 12)], reference="2026-04")[6]
    assert weight == "weight   2.222455 = quality 1.500000 * velocity 2.000000 * decay 0.740818"


def test_any_offset_names_the_same_second_and_winter_is_told_as_cst():
    bars = month_bars(stretch([STILL] * 5, "2025-11-03T09:00:00"))
    table = table_of(bars).lazy()
    at = datetime(2025, 11, 3, 15, tzinfo=UTC)
    lines = explain_label(table, "2025-11", at, "low_vol_long")
    assert lines[0] == "signal   2025-11-03 09:00:00 CST, ES-2025-12"
    assert explain_label(table, "2025-11", at.astimezone(CDT), "low_vol_long") == lines


def test_compat_tells_a_trade_that_runs_into_the_next_morning():
    bars = month_bars(
        stretch([STILL] * 2, "2025-10-15T14:59:58"),
        stretch([(0, 12, 0, 12)], "2025-10-16T07:30:00"),
        rules="compat",
    )
    at = datetime(2025, 10, 15, 14, 59, 58, tzinfo=CDT)
    lines = explain_label(table_of(bars).lazy(), "2025-10", at, "low_vol_long")
    assert lines[4] == "touch    target at 07:30:00, 59401 s after entry"


def test_a_time_without_an_offset_is_refused():
    naive = NINE.replace(tzinfo=None)
    with pytest.raises(ValueError, match="'2025-10-15T09:00:00' has no UTC offset; write for example"):
        month_of(naive)
    with pytest.raises(ValueError, match="no UTC offset"):
        explain_label(table_of(one_session([STILL])).lazy(), "2025-10", naive, "low_vol_long")


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'mid_vol_long' is no mode; choose one of"):
        explained([STILL], "mid_vol_long")


@pytest.mark.parametrize("seconds", [-1, 5, 0.5, 86_400])
def test_a_time_without_a_row_is_refused(seconds):
    table = table_of(one_session([STILL] * 5)).lazy()
    with pytest.raises(ValueError, match="has no row in the training table of 2025-10"):
        explain_label(table, "2025-10", NINE + timedelta(seconds=seconds), "low_vol_long")


@pytest.mark.parametrize(
    ("at", "month"),
    [
        ("2025-10-31T23:30:00-05:00", "2025-10"),
        ("2025-11-01T03:30:00+00:00", "2025-10"),
        ("2025-11-01T05:00:00+00:00", "2025-11"),
    ],
)
def test_the_month_of_an_instant_is_that_of_the_chicago_date(at, month):
    assert month_of(datetime.fromisoformat(at)) == month
