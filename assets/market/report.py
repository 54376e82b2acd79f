"""What a person sees of a finished month: its numbers, its sessions and two pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from assets.market.brackets import MODES, OUTCOMES
from assets.market.claims import JudgedMonth
from assets.market.rolling import Floats, Integers
from assets.market.session_bars import SessionSummary
from assets.market.session_calendar import CHICAGO
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PICTURE_SIZE: Final = (8.0, 3.0)


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
    bars, hours = month.bars, _clock_hours(month.bars.seconds)
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
    by_hour = _by_hour(hours, bars.is_filled)
    filled.bar(list(by_hour), [100 * share for share in by_hour.values()], width=0.9, align="edge")
    filled.set(title="filled seconds, %", xlabel="hour, CT", ylim=(0, 100))


def _draw_labels(month: JudgedMonth, hours: Floats, figure: "Figure") -> None:
    """Winners by hour under each mode, and the outcomes of the month by mode."""
    table = month.training_table
    winners, outcomes = _axes(figure, width_ratios=(1, 1), wspace=0.5)
    for mode in MODES:
        by_hour = _by_hour(hours, table[f"label_{mode}"].to_numpy())
        middle = [hour + 0.5 for hour in by_hour]
        winners.plot(middle, [100 * share for share in by_hour.values()], label=mode, marker=".")
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


def _by_hour(hours: Floats, values: npt.NDArray[np.generic]) -> dict[int, float]:
    """Mean of the values by hour of the Chicago clock."""
    whole_hours = hours.astype(np.int64)
    counts, sums = np.bincount(whole_hours), np.bincount(whole_hours, weights=values)
    return {hour: float(sums[hour] / counts[hour]) for hour in np.flatnonzero(counts).tolist()}


def _clock_hours(seconds: Integers) -> Floats:
    """Hours of the Chicago clock, 7.5 at 07:30."""
    local = pl.from_epoch(pl.Series(seconds)).dt.replace_time_zone("UTC").dt.convert_time_zone(CHICAGO.key)
    return local.dt.hour().to_numpy() + local.dt.minute().to_numpy() / 60
