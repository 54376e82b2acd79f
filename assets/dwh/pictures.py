"""The pictures of a day for people: rows per 5 minutes, drops by hour and reason, duplicates over time.

Each is markdown text of at most 40 kB, over the local day from midnight to midnight: 23 hours where summer
time begins, 25 where it ends. The axis has the hours of the clock on the wall, of which one is then skipped
or comes twice. Not here: where the numbers come from.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from assets.dwh.coverage import Gap, GapReason
from assets.dwh.days import INTERVAL_MINUTES, day_window, in_utc, zone_of
from assets.dwh.intervals import Interval, clipped
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Counts = Mapping[datetime, int]
"""Rows by the instant at which their stretch of time begins; instants may be any, they are put in bins."""

_HOUR: Final = timedelta(hours=1)
_BIN: Final = timedelta(minutes=INTERVAL_MINUTES)

_WRITTEN: Final = "written"
_REASONS: Final[Mapping[str, str]] = {
    "extract_corrupt_json": "#67000d",
    "extract_null_eventtime": "#cb181d",
    "extract_null_data": "#fb6a4a",
    "extract_unknown": "#fcbba1",
    "transform_missing_required": "#7f2704",
    "transform_invalid_updated": "#d94801",
    "transform_decryption_failure": "#fdae6b",
}
_OTHER_REASON: Final = "other"
# Apart from each other also in grey and for the colour-blind: written is blue, dropped is red and orange.
_COLOURS: Final[Mapping[str, str]] = {_WRITTEN: "#2c7fb8", **_REASONS, _OTHER_REASON: "#525252"}
_READ_COLOUR: Final = "#7fcdbb"
_KEPT_COLOUR: Final = "#08306b"
_GAPS: Final[Mapping[GapReason, tuple[str, str]]] = {
    "missing_prefix": ("#bdbdbd", "nothing arrived"),
    "not_transformed": ("#d9d9f3", "not transformed"),
    "pending_approval": ("#fee391", "waits for approval"),
}


@dataclass(frozen=True, slots=True)
class _Axis:
    """The local day as an axis in hours since its midnight, whatever the clock shows."""

    day: date
    timezone: str

    @property
    def window(self) -> Interval:
        start, end = day_window(self.day, self.timezone)
        return Interval(start=start, end=end)

    @property
    def hours(self) -> float:
        return (self.window.end - self.window.start) / _HOUR

    def place(self, instant: datetime) -> float:
        """Hours from the day's first instant."""
        return (in_utc(instant) - self.window.start) / _HOUR

    def starts(self, width: timedelta) -> list[datetime]:
        """When the bins of a width begin, in UTC; the last one may end after the day."""
        start, end = self.window.start, self.window.end
        return [start + number * width for number in range(-((start - end) // width))]

    def edges(self, width: timedelta) -> list[float]:
        """The places where the bins of a width begin, and where the last one ends."""
        return [*(self.place(start) for start in self.starts(width)), self.hours]

    def binned(self, counts: Counts, width: timedelta) -> list[int]:
        """The rows of each bin, in order; what is outside the day is left out."""
        bins = [0] * len(self.starts(width))
        for instant, count in counts.items():
            if self.window.start <= in_utc(instant) < self.window.end:
                bins[(in_utc(instant) - self.window.start) // width] += count
        return bins

    def hour_marks(self) -> list[tuple[float, str]]:
        """Where each hour of the clock begins, and its name: `01 PDT` and `01 PST` if it comes twice."""
        zone = zone_of(self.timezone)
        clock = [(start, start.astimezone(zone)) for start in self.starts(_BIN)]
        times = Counter(local.hour for _, local in clock if local.minute == 0)
        return [
            (self.place(start), f"{local:%H}" + (f"\n{local:%Z}" if times[local.hour] > 1 else ""))
            for start, local in clock
            if local.minute == 0
        ]


def rows_picture(
    day: date, timezone: str, written: Counts, dropped: Mapping[str, Counts], gaps: Iterable[Gap] = ()
) -> str:
    """Rows per 5 minutes over the local day, written and dropped by reason, with gaps shaded.

    Args:
        day: the local day.
        timezone: its zone, an IANA name.
        written: rows by instant.
        dropped: rows by instant for each drop reason. One that is not known is drawn as `other`.
        gaps: the stretches of which nothing was read.
    """
    series = {_WRITTEN: written, **_by_known_reason(dropped)}
    return markdown_picture(
        partial(_draw_rows, _Axis(day, timezone), series, tuple(gaps)),
        alt=f"Rows per 5 minutes of {day} by what became of them",
        size=(8.0, 3.5),
    )


def drops_picture(day: date, timezone: str, dropped: Mapping[str, Counts]) -> str:
    """Dropped rows of each hour of the local day, by reason. The arguments are those of `rows_picture`."""
    return markdown_picture(
        partial(_draw_drops, _Axis(day, timezone), _by_known_reason(dropped)),
        alt=f"Dropped rows of {day} by hour and reason",
        size=(8.0, 3.5),
    )


def duplicates_picture(day: date, timezone: str, read: Counts, kept: Counts, gaps: Iterable[Gap] = ()) -> str:
    """Rows read and rows kept per 5 minutes of the local day, with gaps shaded: between them are duplicates.

    Args:
        day: the local day.
        timezone: its zone, an IANA name.
        read: the rows of all inputs, by instant.
        kept: the rows of the output, by instant.
        gaps: the stretches of which nothing was read.
    """
    return markdown_picture(
        partial(_draw_duplicates, _Axis(day, timezone), read, kept, tuple(gaps)),
        alt=f"Rows read and kept per 5 minutes of {day}",
        size=(8.0, 3.5),
    )


def _by_known_reason(dropped: Mapping[str, Counts]) -> dict[str, Counts]:
    """The reasons in their order, those that are not known together as the last one."""
    known: dict[str, Counter[datetime]] = {reason: Counter() for reason in (*_REASONS, _OTHER_REASON)}
    for reason, counts in dropped.items():
        known[reason if reason in _REASONS else _OTHER_REASON].update(
            {in_utc(instant): count for instant, count in counts.items()}
        )
    return dict(known)


def _draw_rows(axis: _Axis, series: Mapping[str, Counts], gaps: Sequence[Gap], figure: "Figure") -> None:
    axes = _bare(figure.subplots())
    _stack(axes, axis, series, _BIN)
    _shade_gaps(axes, axis, gaps)
    _finish(axes, axis, "rows per 5 minutes")


def _draw_drops(axis: _Axis, series: Mapping[str, Counts], figure: "Figure") -> None:
    axes = _bare(figure.subplots())
    _stack(axes, axis, series, _HOUR)
    _finish(axes, axis, "dropped rows per hour")


def _draw_duplicates(axis: _Axis, read: Counts, kept: Counts, gaps: Sequence[Gap], figure: "Figure") -> None:
    axes = _bare(figure.subplots())
    for counts, label, colour in ((read, "read", _READ_COLOUR), (kept, "kept", _KEPT_COLOUR)):
        rows = axis.binned(counts, _BIN)
        axes.stairs(
            rows,
            axis.edges(_BIN),
            fill=True,
            color=colour,
            linewidth=0,
            antialiased=False,
            label=f"{label} ({sum(rows):,})",
        )
    _shade_gaps(axes, axis, gaps)
    _finish(axes, axis, "rows per 5 minutes")


def _stack(axes: "Axes", axis: _Axis, series: Mapping[str, Counts], width: timedelta) -> None:
    """Steps of a width on top of each other. One patch for each series: 300 bars took ten times as long."""
    bottoms = [0] * len(axis.starts(width))
    for name, counts in series.items():
        rows = axis.binned(counts, width)
        tops = [bottom + count for bottom, count in zip(bottoms, rows, strict=True)]
        if any(rows):
            axes.stairs(
                tops,
                axis.edges(width),
                baseline=bottoms,
                fill=True,
                color=_COLOURS[name],
                linewidth=0,
                antialiased=False,
                label=f"{name.replace('_', ' ')} ({sum(rows):,})",
            )
        bottoms = tops


def _shade_gaps(axes: "Axes", axis: _Axis, gaps: Sequence[Gap]) -> None:
    for reason, (colour, label) in _GAPS.items():
        stretches = clipped(
            (Interval(start=gap.start, end=gap.end) for gap in gaps if gap.reason == reason), axis.window
        )
        for number, stretch in enumerate(stretches):
            axes.axvspan(
                axis.place(stretch.start),
                axis.place(stretch.end),
                color=colour,
                linewidth=0,
                zorder=0,
                label=label if number == 0 else None,
            )


def _finish(axes: "Axes", axis: _Axis, ylabel: str) -> None:
    from matplotlib.ticker import MaxNLocator

    places, names = zip(*axis.hour_marks(), strict=True)
    axes.set(ylabel=ylabel, xlabel=f"{axis.day}, {axis.timezone}", xlim=(0, axis.hours))
    axes.set_ylim(0, max(1, axes.get_ylim()[1]))
    axes.set_xticks(places, names, fontsize=8)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            ncols=3, loc="lower left", bbox_to_anchor=(0, 1), frameon=False, fontsize=7, columnspacing=1
        )


def _bare(axes: "Axes") -> "Axes":
    """The axes without a frame."""
    axes.spines[["top", "right"]].set_visible(False)
    return axes
