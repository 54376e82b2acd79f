"""Informing claims: what each one warns of and where, and that good months pass without one."""

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest

from assets.market.claims import JudgedMonth, Verdict, judge
from assets.market.informing_claims import INFORMING_CLAIMS
from assets.market.session_calendar import sessions_of_month
from tests.assets.market.bars import flat, month_bars, stretch, wave
from tests.assets.market.months_of_bars import EARLY_CLOSE, judged, until_close

BY_NAME = {claim.name: claim for claim in INFORMING_CLAIMS}


@cache
def whole_month() -> JudgedMonth:
    """Every session of April 2025, each with its last quarter of an hour, and neighbours like itself."""
    days = [str(session.date) for session in sessions_of_month(2025, 4)]
    month = judged(month_bars(*(until_close(wave(900).bars, day) for day in days)))
    return replace(month, neighbours={"2025-03": month.month_statistics, "2025-05": month.month_statistics})


def verdict_on(claim: str, month: JudgedMonth) -> Verdict:
    (verdict,) = judge([BY_NAME[claim]], month)
    assert not verdict.is_blocking
    return verdict


def session(bars: list | np.ndarray) -> JudgedMonth:
    return judged(month_bars(until_close(stretch(bars).bars, EARLY_CLOSE)))


def with_labels(month: JudgedMonth, **share_of_ones: float) -> JudgedMonth:
    """A month with another share of winners per mode, the first rows winning."""
    table = month.training_table
    labels = [
        (pl.int_range(pl.len()) < share * table.height).cast(pl.Int8).alias(f"label_{mode}")
        for mode, share in share_of_ones.items()
    ]
    return replace(month, table=table.with_columns(labels))


def with_summary(month: JudgedMonth, **values: object) -> JudgedMonth:
    return replace(month, bars=replace(month.bars, summary=replace(month.bars.summary, **values)))


@pytest.mark.parametrize("claim", [name for name in BY_NAME if "win_rates" not in name])
def test_a_good_month_raises_no_warning(claim):
    assert verdict_on(claim, whole_month()).breaches == ()


def test_a_missing_session_is_named():
    verdict = verdict_on("every_calendar_session_is_present", session(flat(0, 100)))
    assert verdict.breach_count == 21
    assert verdict.breaches[0]["session"] == "2025-04-01"


@pytest.mark.parametrize(("silence", "holds"), [(60, True), (61, False)])
def test_a_session_that_falls_silent_before_its_close_is_named(silence, holds):
    verdict = verdict_on(
        "every_session_trades_until_its_close", session(flat(0, 100) + flat(0, silence, volume=0))
    )
    assert verdict.holds is holds
    if not holds:
        found = "no trade in the last 61 s before 08:15 CT"
        assert verdict.breaches == ({"session": EARLY_CLOSE, "found": found},)


def test_bars_after_an_early_close_and_on_a_closed_day_are_counted_and_never_hidden():
    month = whole_month()
    last = month.bars.summary.sessions[-1]
    sessions = (*month.bars.summary.sessions[:-1], replace(last, bars_after_close=7))
    month = with_summary(month, sessions=sessions, bars_on_closed_days={"2025-04-19": 1200})
    assert verdict_on("no_bar_lies_after_the_close_or_on_a_closed_day", month).breaches == (
        {"session": "2025-04-30", "found": "7 bars between 15:00 and 15:00 CT"},
        {"session": "2025-04-19", "found": "1,200 bars on a closed day"},
    )


@pytest.mark.parametrize(("filled", "holds"), [(9, False), (10, True), (600, True), (601, False)])
def test_an_implausible_share_of_filled_seconds_is_told(filled, holds):
    month = session(flat(0, 1000 - filled) + flat(0, filled, volume=0))
    assert verdict_on("filled_share_is_plausible", month).holds is holds


@pytest.mark.parametrize(("silence", "holds"), [(300, True), (301, False)])
def test_a_long_silence_is_named_with_its_second(silence, holds):
    month = session(flat(0, 20) + flat(0, silence, volume=0) + flat(0, 20))
    verdict = verdict_on("no_silence_is_longer_than_300_seconds", month)
    assert verdict.holds is holds
    if not holds:
        first = str(month.session_bars["timestamp"][20]).replace(" ", "T")
        assert verdict.breaches == (
            {"session": EARLY_CLOSE, "second": first, "found": "301 s without a trade"},
        )


def test_each_of_several_silences_is_named_also_at_the_end_of_a_session():
    bars = flat(0, 1) + flat(0, 301, volume=0) + flat(0, 1) + flat(0, 400, volume=0)
    verdict = verdict_on("no_silence_is_longer_than_300_seconds", session(bars))
    assert [breach["found"] for breach in verdict.breaches] == [
        "301 s without a trade",
        "400 s without a trade",
    ]


@pytest.mark.parametrize(("ticks", "holds"), [(80, True), (81, False), (-80, True), (-81, False)])
def test_a_second_that_moves_more_than_20_points_is_named(ticks, holds):
    month = session(flat(0, 20) + flat(ticks, 20))
    verdict = verdict_on("no_second_moves_more_than_20_points", month)
    assert verdict.holds is holds
    if not holds:
        assert [breach["found"] for breach in verdict.breaches] == ["20.25 points"]


def test_win_rates_of_the_two_sides_far_apart_are_told():
    month = with_labels(whole_month(), high_vol_long=0.40, high_vol_short=0.25)
    verdict = verdict_on("long_and_short_win_rates_are_near_each_other", month)
    assert {"bracket": "high_vol", "found": "long 40.0%, short 25.0%"} in verdict.breaches


def test_win_rates_that_no_driftless_walk_gives_are_told():
    month = with_labels(whole_month(), high_vol_long=0.40, high_vol_short=0.30)
    verdict = verdict_on("win_rates_sum_below_two_thirds", month)
    assert {"bracket": "high_vol", "found": "long and short win 70.0% together"} in verdict.breaches


def test_win_rates_unlike_the_neighbouring_months_are_told():
    quiet = session(flat(0, 2700))
    month = replace(whole_month(), neighbours={"2025-03": quiet.month_statistics})
    own = whole_month().month_statistics["pipeline_statistics"]["labeling"]["modes"]
    breaches = verdict_on("win_rates_follow_the_neighbouring_months", month).breaches
    assert {breach["mode"] for breach in breaches} == {mode for mode in own if own[mode]["win_rate"] > 0.15}
    assert all(str(breach["found"]).endswith("2025-03 has 0.0%") for breach in breaches)


def test_a_month_without_neighbours_raises_no_warning():
    month = replace(whole_month(), neighbours={})
    assert verdict_on("win_rates_follow_the_neighbouring_months", month).holds
    assert verdict_on("win_rates_follow_the_neighbouring_months", whole_month()).holds
