"""The pictures of a job for people: how far its items have come, and what its discoveries found.

Each is markdown text of at most 40 kB. Not here: where the numbers come from (`readers`, `ledger.history`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from assets.discovery.ledger.history import PastDiscovery
from assets.pictures import markdown_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DISCOVERIES_SHOWN: Final = 60

# From what is over to what is yet to come. Apart from each other also in grey and for the colour-blind.
_STATUSES: Final[Mapping[str, str]] = {
    "done": "#2c7fb8",
    "skipped": "#a6bddb",
    "in_progress": "#fecc5c",
    "pending": "#e0e0e0",
    "failed": "#bd0026",
    "cancelled": "#737373",
}
_FOUND: Final[Mapping[str, str]] = {"new": "#2c7fb8", "changed": "#fecc5c", "gone": "#737373"}
_TROUBLE: Final[Mapping[str, tuple[str, str]]] = {"failed": ("x", "#bd0026"), "anomalous": ("v", "#f03b20")}


def funnel(job: str, stages: Mapping[str, Mapping[str, int]]) -> str:
    """The items of a job by stage and status, the first stage on top.

    Args:
        job: the job's name.
        stages: how many items have which status, by stage, in the job's order.
    """
    size = (8.0, 1.4 + 0.45 * max(len(stages), 1))
    return markdown_picture(
        partial(_draw_funnel, job=job, stages=stages), alt=f"Items of {job} by stage and status", size=size
    )


def discovery_history(job: str, discoveries: Sequence[PastDiscovery], zone: str) -> str:
    """What the last discoveries of a job found, with those that failed or were not believed.

    Args:
        job: the job's name.
        discoveries: oldest first; the last `DISCOVERIES_SHOWN` are drawn.
        zone: the time zone of the dates.
    """
    draw = partial(_draw_history, job=job, discoveries=discoveries[-DISCOVERIES_SHOWN:], zone=ZoneInfo(zone))
    return markdown_picture(draw, alt=f"What the last discoveries of {job} found", size=(8.0, 3.6))


def _draw_funnel(figure: "Figure", job: str, stages: Mapping[str, Mapping[str, int]]) -> None:
    axes = figure.subplots()
    names = list(stages)
    left = [0] * len(names)
    for status, colour in _STATUSES.items():
        counts = [stages[name].get(status, 0) for name in names]
        if any(counts):
            axes.barh(names, counts, left=left, color=colour, label=status.replace("_", " "))
            left = [before + count for before, count in zip(left, counts, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("items")
    axes.set_title(f"{job}: items by stage")
    _finish(axes)


def _draw_history(figure: "Figure", job: str, discoveries: Sequence[PastDiscovery], zone: ZoneInfo) -> None:
    # Of what is read hardly anything is new: on one axis the bars would be flat.
    read, found = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    places = range(len(discoveries))
    read.plot(places, [each.n_read for each in discoveries], color="#525252", linewidth=1, label="read")
    for outcome, (marker, colour) in _TROUBLE.items():
        where = [place for place, each in zip(places, discoveries, strict=True) if each.outcome == outcome]
        if where:
            values = [discoveries[place].n_read for place in where]
            read.scatter(where, values, marker=marker, color=colour, label=outcome, zorder=3)
    read.set_ylim(bottom=0)
    read.set_title(f"{job}: what discoveries found")
    below = [0] * len(discoveries)
    for name, colour in _FOUND.items():
        counts = [getattr(each, f"n_{name}") for each in discoveries]
        if any(counts):
            found.bar(places, counts, bottom=below, color=colour, label=name)
            below = [before + count for before, count in zip(below, counts, strict=True)]
    shown = list(places)[:: max(len(discoveries) // 8, 1)]
    found.set_xticks(shown, [_day(discoveries[place], zone) for place in shown])
    found.set_ylabel("items")
    _finish(read)
    _finish(found)


def _day(discovery: PastDiscovery, zone: ZoneInfo) -> str:
    return (
        datetime.fromtimestamp(discovery.started_at / 1000, tz=UTC).astimezone(zone).strftime("%d %b\n%H:%M")
    )


def _finish(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="small", frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
