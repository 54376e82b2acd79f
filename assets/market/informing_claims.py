"""Informing claims: what a person should be told about a month. They warn and never stop one.

Wide bounds on purpose: quiet years have win rates of 2-3 % in the high_vol modes, correctly.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from assets.market.brackets import BRACKETS, MODES
from assets.market.claims import Breach, Claim, JudgedMonth
from assets.market.months import Month
from assets.market.session_calendar import sessions_of_month

_LAST_TRADE_WITHIN_SECONDS: Final = 60
_LONGEST_SILENCE_SECONDS: Final = 300
_LARGEST_MOVE_POINTS: Final = 20
_FILLED_SHARE: Final = (0.01, 0.60)
_SIDES_WITHIN: Final = 0.10
_NEIGHBOURS_WITHIN: Final = 0.15
_SIZES: Final = tuple(dict.fromkeys(bracket.size for bracket in BRACKETS))


def every_calendar_session_is_present(month: JudgedMonth) -> Sequence[Breach]:
    """The month holds every session of the calendar; an open or partial month does not."""
    calendar = Month.parse(month.month)
    present = {summary.session_date for summary, _ in month.bars.sessions}
    return [
        {"session": str(session.date), "found": "no bar of an outright in the file"}
        for session in sessions_of_month(calendar.year, calendar.month)
        if str(session.date) not in present
    ]


def every_session_trades_until_its_close(month: JudgedMonth) -> Sequence[Breach]:
    """The last trade of each session lies within a minute of its close."""
    breaches: list[Breach] = []
    for summary, rows in month.bars.sessions:
        traded = np.flatnonzero(~month.bars.is_filled[rows])
        silence = summary.rows - 1 - int(traded.max(initial=-1))
        if silence > _LAST_TRADE_WITHIN_SECONDS:
            breaches.append(
                {
                    "session": summary.session_date,
                    "found": f"no trade in the last {silence:,} s before {summary.close_ct} CT",
                }
            )
    return breaches


def no_bar_lies_after_the_close_or_on_a_closed_day(month: JudgedMonth) -> Sequence[Breach]:
    """No bar lies between an early close and 15:00, or in those hours of a closed day."""
    after_close: list[Breach] = [
        {
            "session": summary.session_date,
            "found": f"{summary.bars_after_close:,} bars between {summary.close_ct} and 15:00 CT",
        }
        for summary, _ in month.bars.sessions
        if summary.bars_after_close
    ]
    return after_close + [
        {"session": day, "found": f"{count:,} bars on a closed day"}
        for day, count in month.bars.summary.bars_on_closed_days.items()
    ]


def filled_share_is_plausible(month: JudgedMonth) -> Sequence[Breach]:
    """Between 1 % and 60 % of the month's seconds had no trade."""
    share = float(month.bars.is_filled.mean())
    lowest, highest = _FILLED_SHARE
    return (
        []
        if lowest <= share <= highest
        else [{"month": month.month, "found": f"{share:.1%} of the seconds are filled"}]
    )


def no_silence_is_longer_than_300_seconds(month: JudgedMonth) -> Sequence[Breach]:
    """No session has more than 300 seconds in a row without a trade."""
    breaches: list[Breach] = []
    for summary, rows in month.bars.sessions:
        is_filled = np.concatenate([[False], month.bars.is_filled[rows], [False]])
        starts, ends = np.flatnonzero(np.diff(is_filled)).reshape(-1, 2).T
        breaches += [
            {
                "session": summary.session_date,
                "second": _utc(int(month.bars.seconds[rows][starts[silence]])),
                "found": f"{ends[silence] - starts[silence]:,} s without a trade",
            }
            for silence in np.flatnonzero(ends - starts > _LONGEST_SILENCE_SECONDS)
        ]
    return breaches


def no_second_moves_more_than_20_points(month: JudgedMonth) -> Sequence[Breach]:
    """No second's true range, the close before included, is more than 20 points."""
    breaches: list[Breach] = []
    for _, rows in month.bars.sessions:
        close, high, low = month.bars.close[rows], month.bars.high[rows], month.bars.low[rows]
        previous = np.concatenate([close[:1], close[:-1]])
        points = (np.maximum(high, previous) - np.minimum(low, previous)) * month.bars.point_value
        breaches += [
            {"second": _utc(int(month.bars.seconds[rows][row])), "found": f"{points[row]:g} points"}
            for row in np.flatnonzero(points > _LARGEST_MOVE_POINTS)
        ]
    return breaches


def long_and_short_win_rates_are_near_each_other(month: JudgedMonth) -> Sequence[Breach]:
    """For each bracket size the two sides' win rates differ by at most 10 percentage points."""
    rates = _win_rates(month)
    return [
        {"bracket": size, "found": f"long {rates[f'{size}_long']:.1%}, short {rates[f'{size}_short']:.1%}"}
        for size in _SIZES
        if abs(rates[f"{size}_long"] - rates[f"{size}_short"]) > _SIDES_WITHIN
    ]


def win_rates_sum_below_two_thirds(month: JudgedMonth) -> Sequence[Breach]:
    """For each bracket size the two sides' win rates sum to less than the 2/3 of a driftless walk."""
    rates = _win_rates(month)
    return [
        {
            "bracket": size,
            "found": f"long and short win {rates[f'{size}_long'] + rates[f'{size}_short']:.1%} together",
        }
        for size in _SIZES
        if rates[f"{size}_long"] + rates[f"{size}_short"] >= 2 / 3
    ]


def win_rates_follow_the_neighbouring_months(month: JudgedMonth) -> Sequence[Breach]:
    """Each win rate lies within 15 percentage points of the published months before and after."""
    breaches: list[Breach] = []
    for neighbour, statistics in month.neighbours.items():
        for mode in MODES:
            own, other = (
                _published_win_rate(month.month_statistics, mode),
                _published_win_rate(statistics, mode),
            )
            if abs(own - other) > _NEIGHBOURS_WITHIN:
                breaches.append({"mode": mode, "found": f"{own:.1%}, {neighbour} has {other:.1%}"})
    return breaches


INFORMING_CLAIMS: Final = (
    Claim("session_bars", False, every_calendar_session_is_present),
    Claim("session_bars", False, every_session_trades_until_its_close),
    Claim("session_bars", False, no_bar_lies_after_the_close_or_on_a_closed_day),
    Claim("session_bars", False, filled_share_is_plausible),
    Claim("session_bars", False, no_silence_is_longer_than_300_seconds),
    Claim("session_bars", False, no_second_moves_more_than_20_points),
    Claim("training_table", False, long_and_short_win_rates_are_near_each_other),
    Claim("training_table", False, win_rates_sum_below_two_thirds),
    Claim("month_statistics", False, win_rates_follow_the_neighbouring_months),
)


def _win_rates(month: JudgedMonth) -> dict[str, float]:
    return {mode: float(month.training_table[f"label_{mode}"].to_numpy().mean()) for mode in MODES}


def _published_win_rate(statistics: Mapping[str, Any], mode: str) -> float:
    return statistics["pipeline_statistics"]["labeling"]["modes"][mode]["win_rate"]


def _utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat()
