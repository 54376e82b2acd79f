"""Stretches of time, and what is left of them when others are joined, cut to a frame or taken away.

An interval is half open in UTC. The functions give maximal intervals in order of time: none is empty, and no
two overlap or touch.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Self

from pydantic import model_validator

from assets.dwh.documents import Instant, Part


class Interval(Part):
    """A half-open stretch of time, `start` included and `end` not; empty where they are equal."""

    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _must_not_be_reversed(self) -> Self:
        if self.end < self.start:
            raise ValueError("end is before start")
        return self

    def holds(self, other: "Interval") -> bool:
        """Whether the other one lies inside this one, bounds included."""
        return self.start <= other.start and other.end <= self.end


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """What any of the intervals covers."""
    joined: list[Interval] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        if interval.start == interval.end:
            continue
        if joined and interval.start <= joined[-1].end:
            last = joined.pop()
            interval = Interval(start=last.start, end=max(last.end, interval.end))  # noqa: PLW2901
        joined.append(interval)
    return joined


def clipped(intervals: Iterable[Interval], frame: Interval) -> list[Interval]:
    """What any of the intervals covers inside the frame."""
    return union(
        Interval(start=max(interval.start, frame.start), end=min(interval.end, frame.end))
        for interval in intervals
        if interval.start < frame.end and frame.start < interval.end
    )


def difference(intervals: Iterable[Interval], removed: Iterable[Interval]) -> list[Interval]:
    """What any of the intervals covers and none of the removed ones does."""
    cuts = union(removed)
    return [piece for interval in union(intervals) for piece in _pieces(interval, cuts)]


def _pieces(interval: Interval, cuts: list[Interval]) -> list[Interval]:
    """What cuts, in order, leave of an interval."""
    inside = clipped(cuts, interval)
    bounds = [interval.start, *(bound for cut in inside for bound in (cut.start, cut.end)), interval.end]
    # Bounds alternate: a piece begins at every second one, a cut at the others.
    return [Interval(start=start, end=end) for start, end in list(pairwise(bounds))[::2] if start < end]
