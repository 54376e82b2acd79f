"""Which part of a day the filtered rows come from, and which part nobody read.

A transform run reads its window but for the prefixes that it found missing. Where one run missed a prefix and
another one read it, nothing is missing. Not here: which runs contribute (`inputs`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Literal

from assets.dwh.documents import Instant, Part
from assets.dwh.intervals import Interval, clipped, difference, union

GapReason = Literal["missing_prefix", "not_transformed", "pending_approval"]


class Gap(Part):
    """A stretch for which no raw data was read, and why."""

    start: Instant
    end: Instant
    reason: GapReason


class Coverage(Part):
    """What a filter manifest says of its day."""

    cumulative_range: Interval | None = None
    """From the first start to the last end of all contributing windows inside the day; None without one."""
    this_run_added: tuple[Interval, ...] = ()
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a transform run read: its window, but for what it found missing there."""

    run_id: str
    window: Interval
    missing: tuple[Interval, ...] = ()


def missing_prefixes(starts: Iterable[datetime], interval_minutes: int, window: Interval) -> tuple[Gap, ...]:
    """The gaps of a run that found no object in the prefixes which begin then, in order of time."""
    interval = timedelta(minutes=interval_minutes)
    stretches = clipped((Interval(start=start, end=start + interval) for start in starts), window)
    return _gaps(stretches, "missing_prefix")


def day_coverage(
    day: Interval,
    created_at: datetime,
    contributing: Iterable[Reading],
    pending: Iterable[Reading],
    previous_run_ids: Iterable[str],
) -> Coverage:
    """The coverage of a day's output.

    Args:
        day: the window of the day.
        created_at: when the filter run began; of the running day, what comes later is no gap.
        contributing: what the runs read whose rows are in the output.
        pending: what the runs read that wait for approval.
        previous_run_ids: the transform runs of the output that was current before.
    """
    contributing, known = tuple(contributing), frozenset(previous_run_ids)
    windows = clipped((reading.window for reading in contributing), day)
    added = (reading.window for reading in contributing if reading.run_id not in known)
    return Coverage(
        cumulative_range=Interval(start=windows[0].start, end=windows[-1].end) if windows else None,
        this_run_added=tuple(clipped(added, day)),
        gaps=_day_gaps(_elapsed(day, created_at), contributing, tuple(pending)),
    )


def _elapsed(day: Interval, now: datetime) -> Interval:
    return Interval(start=day.start, end=max(day.start, min(day.end, now)))


def _day_gaps(
    elapsed: Interval, contributing: tuple[Reading, ...], pending: tuple[Reading, ...]
) -> tuple[Gap, ...]:
    """Every stretch of the time that nobody read, for the first reason that holds.

    What a waiting run read waits with it. What no run read although it was in the window of one is missing at
    its source. The rest was never asked for.
    """
    unread = difference([elapsed], _read(contributing))
    waiting = difference(unread, difference(unread, _read(pending)))
    asked = union(reading.window for reading in chain(contributing, pending))
    not_asked = difference(unread, asked)
    missing = difference(unread, chain(waiting, not_asked))
    gaps = (
        _gaps(waiting, "pending_approval")
        + _gaps(missing, "missing_prefix")
        + _gaps(not_asked, "not_transformed")
    )
    return tuple(sorted(gaps, key=lambda gap: gap.start))


def _read(readings: Iterable[Reading]) -> list[Interval]:
    """What was read by any of them; what one missed, another one may have read."""
    return union(chain.from_iterable(difference([reading.window], reading.missing) for reading in readings))


def _gaps(stretches: Iterable[Interval], reason: GapReason) -> tuple[Gap, ...]:
    return tuple(Gap(start=stretch.start, end=stretch.end, reason=reason) for stretch in stretches)
