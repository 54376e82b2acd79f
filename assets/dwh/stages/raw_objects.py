"""Which raw objects a window has, and which of its prefixes have none.

Not here: reading the objects (`frames.raw_lines`), and which windows a day has (`days`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from assets.dwh.days import prefix_of, prefix_starts
from assets.dwh.frames.raw_lines import RawObject
from assets.dwh.intervals import Interval
from assets.dwh.paths import RawImages, day_folder, is_data
from resources.object_store import ObjectStore

_MINUTES_OF_A_DAY: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class RawListing:
    """What a window has."""

    objects: tuple[RawObject, ...]
    """By prefix, then by key."""
    prefixes: int
    empty: tuple[datetime, ...]
    """When the prefixes without a data object begin."""
    outside: tuple[str, ...]
    """Keys of data objects that lie in no prefix, because their minute is not one of the interval."""


def list_raw(store: ObjectStore, raw: RawImages, window: Interval, interval_minutes: int) -> RawListing:
    """List the raw objects of a window: a prefix that does not exist is empty, any other error is raised."""
    starts = list(prefix_starts(window.start, window.end, interval_minutes))
    keys = [key for folder in _folders(starts, interval_minutes) for key in _data_keys(store, raw, folder)]
    by_folder = {raw.prefix(prefix_of(start, interval_minutes)).key: start for start in starts}
    objects = [
        RawObject(raw.base.bucket, key, by_folder[folder])
        for key in keys
        if (folder := key.rpartition("/")[0]) in by_folder
    ]
    found = {found.begins for found in objects}
    return RawListing(
        objects=tuple(sorted(objects, key=lambda found: (found.begins, found.key))),
        prefixes=len(starts),
        empty=tuple(start for start in starts if start not in found),
        outside=tuple(sorted(key for key in keys if _is_between(key, interval_minutes))),
    )


def _folders(starts: Sequence[datetime], interval_minutes: int) -> Iterator[str]:
    """The folders to list for these prefixes: a UTC day in one call, or its hours; 288 calls become 25."""
    for day, of_day in groupby(starts, key=lambda start: start.date()):
        begins = list(of_day)
        if len(begins) * interval_minutes == _MINUTES_OF_A_DAY:
            yield day_folder(day)
        else:
            yield from dict.fromkeys(prefix_of(begin).rpartition("/")[0] for begin in begins)


def _data_keys(store: ObjectStore, raw: RawImages, folder: str) -> Iterator[str]:
    place = raw.prefix(folder)
    return filter(is_data, store.list_keys(place.bucket, f"{place.key}/"))


def _is_between(key: str, interval_minutes: int) -> bool:
    """Whether the key lies in the folder of a minute at which no prefix of the interval begins."""
    minute = key.split("/")[-2].removeprefix("min=")
    return minute.isdecimal() and int(minute) % interval_minutes != 0
