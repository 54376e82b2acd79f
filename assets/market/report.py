"""What a person sees of a finished month: its numbers, its sessions and two pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.market.brackets import MODES, OUTCOMES
from assets.market.claims import JudgedMonth
from assets.market.rolling import Floats
from assets.market.session_bars import MonthBars, SessionSummary
from assets.market.session_calendar import NORMAL_CLOSE, SESSION_OPEN, Session
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PICTURE_SIZE: Final = (8.0, 3.0)
_OPENING_HOUR: Final = SESSION_OPEN.hour + SESSION_OPEN.minute / 60


@dataclass(frozen=True, slots=True)
class MonthReport:
    """Numbers and pictures of a month; pictures are markdown text, at most 40 kB each."""

    rows: int
    filled_share: float
    sessions: tuple[SessionSummary, ...]
    session_picture: str
    win_rates: Mapping[str, float] = field(default_factory=dict)
    label_picture: str | None = None


def report_month(month: JudgedMonth) -> MonthReport:
    """Describe a month as far as it has been made."""
    bars, hours = month.bars, _clock_hours(month.bars)
    report = MonthReport(
        rows=len(bars),
        filled_share=float(bars.is_filled.mean()),
        sessions=bars.summary.sessions,
        session_picture=markdown_picture(
            partial(_draw_session, month, hours),
            alt=f"One session and the filled seconds of {month.month}",
            size=_PICTURE_SIZE,
        ),
    )
    if month.table is None:
        return report
    return replace(
        report,
        win_rates={mode: float(month.table[f"label_{mode}"].to_numpy().mean()) for mode in MODES},
        label_picture=markdown_picture(
            partial(_draw_labels, month, hours), alt=f"Label outcomes of {month.month}", size=_PICTURE_SIZE
        ),
    )


def _draw_session(month: JudgedMonth, hours: Floats, figure: "Figure") -> None:
    """The closes of the month's busiest session, and the share of filled seconds by hour."""
    bars = month.bars
    summary, rows = max(bars.sessions, key=lambda session: session[0].volume)
    closes, filled = _axes(figure, width_ratios=(2, 1), wspace=0.15)
    every = slice(rows.start, rows.stop, 15)
    closes.plot(hours[every], bars.points(bars.close[every]), linewidth=0.8)
    closes.set(
        title=f"{summary.contract}, closes of {summary.session_date}", xlabel="hour, CT", ylabel="points"
    )
    percentages = _percentages_by_hour(hours, {"filled": bars.is_filled})["filled"]
    filled.bar(list(percentages), list(percentages.values()), width=0.9, align="edge")
    filled.set(title="filled seconds, %", xlabel="hour, CT", ylim=(0, 100))


def _draw_labels(month: JudgedMonth, hours: Floats, figure: "Figure") -> None:
    """Winners by hour under each mode, and the outcomes of the month by mode."""
    table = month.training_table
    winners, outcomes = _axes(figure, width_ratios=(1, 1), wspace=0.5)
    labels = {mode: table[f"label_{mode}"].to_numpy() for mode in MODES}
    for mode, percentages in _percentages_by_hour(hours, labels).items():
        middle = [hour + 0.5 for hour in percentages]
        winners.plot(middle, list(percentages.values()), label=mode, marker=".")
    winners.set(ylabel="winners, %", xlabel="hour, CT")
    left = np.zeros(len(MODES))
    shares = {mode: _outcome_shares(table[f"outcome_{mode}"]) for mode in MODES}
    for outcome in OUTCOMES:
        widths = np.array([shares[mode].get(outcome, 0) for mode in MODES])
        outcomes.barh(MODES, widths, left=left, label=outcome)
        left += widths
    outcomes.set(xlabel=f"outcomes of {month.month}, %")
    outcomes.invert_yaxis()
    for axes in (winners, outcomes):
        axes.legend(fontsize=6, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)


def _axes(figure: "Figure", width_ratios: tuple[int, int], wspace: float) -> "tuple[Axes, Axes]":
    """Two axes side by side in fixed margins: measuring every text for a layout would take half the time."""
    figure.set_layout_engine("none")
    margins = {"left": 0.09, "right": 0.98, "bottom": 0.17, "top": 0.87, "wspace": wspace}
    left, right = figure.subplots(1, 2, width_ratios=width_ratios, gridspec_kw=margins)
    return left, right


def _outcome_shares(outcomes: pl.Series) -> dict[str, float]:
    return {outcome: 100 * count / len(outcomes) for outcome, count in outcomes.value_counts().iter_rows()}


def _percentages_by_hour(
    hours: Floats, columns: Mapping[str, npt.NDArray[np.generic]]
) -> dict[str, dict[int, float]]:
    """How often each column is true (or 1) by hour of the Chicago clock, in percent."""
    whole_hours = hours.astype(np.int64)
    counts = np.bincount(whole_hours)
    present = np.flatnonzero(counts).tolist()
    sums = {name: np.bincount(whole_hours, weights=values) for name, values in columns.items()}
    return {
        name: {hour: float(100 * sums[name][hour] / counts[hour]) for hour in present} for name in columns
    }


def _clock_hours(bars: MonthBars) -> Floats:
    """Hours of the Chicago clock, 7.5 at 07:30; no clock change falls into a session."""
    hours = np.empty(len(bars))
    for summary, rows in bars.sessions:
        opens_at = Session(date.fromisoformat(summary.session_date), NORMAL_CLOSE).opens_at
        hours[rows] = (bars.seconds[rows] - opens_at) / 3600 + _OPENING_HOUR
    return hours
