"""Claims hold of every valid month, however odd, and a verdict tells what breaks one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.market.blocking_claims import BLOCKING_CLAIMS
from assets.market.brackets import MODES
from assets.market.claims import Claim, JudgedMonth, judge
from assets.market.informing_claims import INFORMING_CLAIMS
from assets.market.selection import TICK
from tests.assets.market.bars import Stretch, flat, month_bars, stretch, wave
from tests.assets.market.months_of_bars import EARLY_CLOSE, judged, judged_wave, until_close
from tests.assets.market.random_bars import walks

DAYS = ("2025-04-15", "2025-04-16", EARLY_CLOSE)


def broken(month: JudgedMonth) -> dict[str, object]:
    return {verdict.claim: verdict.breaches for verdict in judge(BLOCKING_CLAIMS, month) if not verdict.holds}


def compat_day(bars: np.ndarray | list, day: str, base: int = 26_800) -> Stretch:
    """A session of 27,000 rows, the last price of which is carried on to 15:00."""
    rows = np.array(bars)
    last = rows[-1, 3]
    return stretch([*rows, *flat(last, 27_000 - len(rows), volume=0)], f"{day}T07:30:00", base=base)


def test_the_documented_claims_are_there():
    assert [(claim.name, claim.on) for claim in BLOCKING_CLAIMS] == [
        ("every_session_second_is_present_once", "session_bars"),
        ("one_contract_per_session_and_no_roll_back", "session_bars"),
        ("prices_are_whole_ticks_in_order", "session_bars"),
        ("volume_is_the_contracts_own", "session_bars"),
        ("columns_and_types_are_as_documented", "training_table"),
        ("labels_agree_with_outcomes", "training_table"),
        ("no_row_wins_both_long_and_short", "training_table"),
        ("weights_lie_in_their_bounds", "training_table"),
        ("nulls_are_exactly_the_warm_up", "training_table"),
        ("statistics_match_the_table", "month_statistics"),
    ]
    assert all(claim.is_blocking for claim in BLOCKING_CLAIMS)
    assert not any(claim.is_blocking for claim in INFORMING_CLAIMS)
    assert [claim.name for claim in INFORMING_CLAIMS] == [
        "every_calendar_session_is_present",
        "every_session_trades_until_its_close",
        "no_bar_lies_after_the_close_or_on_a_closed_day",
        "filled_share_is_plausible",
        "no_silence_is_longer_than_300_seconds",
        "no_second_moves_more_than_20_points",
        "long_and_short_win_rates_are_near_each_other",
        "win_rates_sum_below_two_thirds",
        "win_rates_follow_the_neighbouring_months",
    ]


@pytest.mark.parametrize("claim", [*BLOCKING_CLAIMS, *INFORMING_CLAIMS], ids=lambda claim: claim.name)
def test_a_claim_says_what_it_claims_in_one_sentence(claim):
    assert claim.description.endswith(".")


@pytest.mark.parametrize("rules", ["strict", "compat"])
def test_blocking_claims_hold_of_a_month(rules):
    assert broken(judged_wave(rules)) == {}


ODD_SESSIONS = {
    "a single second": flat(0, 1),
    "two seconds": flat(0, 2),
    "29 seconds": flat(0, 29),
    "30 seconds": flat(0, 30),
    "31 seconds": flat(0, 31),
    "328 seconds": flat(0, 328),
    "exactly 900 seconds": flat(0, 900),
    "one trade and then silence to the early close": [*flat(0, 1), *flat(0, 2699, volume=0)],
    "volume without movement": flat(0, 2700),
    "a jump over every level in each second": [(k % 2 * 200,) * 4 for k in range(2000)],
    "both sides in every row": [(0, 30, -30, 0)] * 2000,
}


@pytest.mark.parametrize("session", ODD_SESSIONS)
def test_blocking_claims_hold_of_an_odd_session(session):
    bars = month_bars(until_close(stretch(ODD_SESSIONS[session]).bars, EARLY_CLOSE))
    assert broken(judged(bars)) == {}


@given(st.lists(walks(max_rows=1801), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_blocking_claims_hold_of_any_sessions(sessions):
    parts = [until_close(stretch(walk).bars, day) for walk, day in zip(sessions, DAYS, strict=False)]
    assert broken(judged(month_bars(*parts))) == {}


@given(walks(max_rows=1801), walks(max_rows=1801), st.sampled_from([(26_800, TICK), (0, TICK // 5)]))
@settings(max_examples=8, deadline=None)
def test_blocking_claims_hold_of_any_sessions_of_compat(one, other, scale):
    base, unit = scale
    parts = [compat_day(one, DAYS[0], base), compat_day(other, DAYS[1], base)]
    assert broken(judged(month_bars(*parts, rules="compat", unit=unit))) == {}


def test_blocking_claims_hold_of_a_spread_that_trades_at_zero():
    around_zero = [(k % 3 - 1, k % 3 - 1, k % 3 - 1, k % 3 - 1, 5) for k in range(27_000)]
    bars = month_bars(compat_day(around_zero, DAYS[0], base=0), rules="compat", unit=50_000_000)
    assert broken(judged(bars)) == {}


def test_blocking_claims_hold_of_a_spread_that_never_leaves_zero():
    bars = month_bars(compat_day(flat(0, 1), DAYS[0], base=0), rules="compat", unit=50_000_000)
    assert broken(judged(bars)) == {}


def test_blocking_claims_hold_of_the_duplicate_rows_that_compat_keeps():
    rows = stretch(flat(0, 27_000)).bars
    day = stretch(np.concatenate([rows[:1], rows]), "2025-04-16T07:30:00", base=0)
    bars = month_bars(day, rules="compat")
    bars.seconds[1:] -= 1
    assert len(bars) == 27_001
    assert broken(judged(bars)) == {}


def test_compat_which_has_no_memory_may_go_back_to_an_earlier_contract():
    later, earlier = (replace(compat_day(flat(0, 50), day), contract=contract)
                      for day, contract in ((DAYS[0], "ES-2025-06"), (DAYS[1], "ES-2025-03")))  # fmt: skip
    assert broken(judged(month_bars(later, earlier, rules="compat"))) == {}


@pytest.mark.parametrize("reference", ["2010-07", "2025-04", "2025-10", "2040-01"])
def test_blocking_claims_hold_for_any_decay_reference(reference):
    assert broken(judged(month_bars(until_close(wave(2000).bars, DAYS[0])), reference=reference)) == {}


def test_a_verdict_counts_every_breach_and_shows_the_first():
    def everything_is_wrong(month: JudgedMonth) -> list:
        """Nothing is right."""
        return [{"row": row} for row in range(5000)]

    (verdict,) = judge([Claim("session_bars", True, everything_is_wrong)], judged_wave())
    assert (verdict.claim, verdict.breach_count, verdict.holds) == ("everything_is_wrong", 5000, False)
    assert verdict.breaches == tuple({"row": row} for row in range(20))


def test_a_month_that_lacks_a_column_breaks_the_claims_on_it_and_is_not_an_error():
    month = judged_wave()
    lacking = replace(month, table=month.training_table.drop("mae_ticks_low_vol_long", "vwap"))
    found = broken(lacking)
    assert {"columns_and_types_are_as_documented", "labels_agree_with_outcomes"} <= set(found)
    assert "cannot be judged" in str(found["labels_agree_with_outcomes"])


def test_statistics_of_another_layout_in_a_neighbouring_month_are_told_and_stop_nothing():
    month = replace(judged_wave(), neighbours={"2025-03": {"input": {}}})
    (verdict,) = (v for v in judge(INFORMING_CLAIMS, month) if not v.holds and "neighbouring" in v.claim)
    assert not verdict.is_blocking


def test_a_month_judged_before_its_tables_are_made_says_so():
    month = replace(judged_wave(), table=None, statistics=None)
    with pytest.raises(ValueError, match="the training table of 2025-04 has not been made"):
        _ = month.training_table
    with pytest.raises(ValueError, match="the statistics of 2025-04 have not been made"):
        _ = month.month_statistics


def test_win_rates_of_a_quiet_year_and_missing_volume_break_nothing():
    """Gates of the predecessor threw good months away: win rates of 5 %, feature ranges, a score."""
    month = judged(month_bars(until_close(stretch(flat(0, 2700)).bars, EARLY_CLOSE)))
    assert month.training_table.select(f"label_{mode}" for mode in MODES).sum().row(0) == (0,) * 6
    assert broken(month) == {}
