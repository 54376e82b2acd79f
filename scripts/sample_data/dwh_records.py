"""The raw records of a day of the dwh samples, as arrays: where each lies, when it was, what is wrong.

Records are planned before anything of them is written, so what a reader should find is known without reading
(`dwh_expected`). Not here: their texts (`dwh_lines`, `dwh_variants`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from assets.dwh.days import EPOCH, INTERVAL_MINUTES, MICROSECOND, day_window, prefix_starts
from scripts.sample_data.dwh_variants import DROPPED, ODDITIES, PICTURES, PROCESSORS, Pieces

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]

TIMEZONE: Final = "America/Los_Angeles"

DROPPED_SHARE: Final = 0.045
"""Below the 5 % from which on the quality of a run is no longer green."""

_ODD_SHARE: Final = 0.1
_LATE_SHARE: Final = 0.03
_EARLY_SHARE: Final = 0.005
_REDELIVERED_SHARE: Final = 0.01
# So many pictures for a record: one is placed 1.4 times a day.
_MEDIA_SHARE: Final = 0.7

_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_HOUR: Final = 60 * _MINUTE
_INTERVAL: Final = INTERVAL_MINUTES * _MINUTE
_STREAM: Final = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """What is special about a record: the pieces that differ, and the reason to drop it, if there is one."""

    reason: str | None
    pieces: Pieces


def _dropped_kinds() -> Sequence[Kind]:
    """All ways to be dropped. Reasons take turns, so those with few ways have each of them more often."""
    turns = range(max(map(len, DROPPED.values())))
    return [Kind(reason, ways[turn % len(ways)]) for turn in turns for reason, ways in DROPPED.items()]


KINDS: Final = (Kind(None, {}), *_dropped_kinds(), *(Kind(None, pieces) for pieces in ODDITIES))
"""The ordinary kind, those that are dropped, those that are odd."""


@dataclass(frozen=True, slots=True)
class Slots:
    """The prefixes of a day: when they begin, and the positions of those without records.

    `missing` are not there, `empty` has a marker but no data, `quiet` has an object without a line. The first
    two are gaps.
    """

    begins: list[datetime]
    missing: list[int]
    empty: int
    quiet: int


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a day in the order in which they lie, as arrays of equal length.

    `number` is equal in records that were delivered twice, and says all that is not here: their lines are
    equal. `slot` is a position in `Slots.begins`, `kind` in `KINDS`, `processor` in `PROCESSORS`, `picture`
    in `PICTURES`. `updated` is in microseconds UTC since 1970, `media` the picture's number, -1 without one.
    """

    slots: Slots
    number: Ints
    slot: Ints
    kind: Ints
    updated: Ints
    processor: Ints
    picture: Ints
    media: Ints


def records_of(day: date, rows: int, seed: int) -> Records:
    """The records of a local day.

    Raises:
        ValueError: `rows` or `seed` is negative.
    """
    if rows < 0 or seed < 0:
        raise ValueError(f"{rows} records with seed {seed} cannot be made; give numbers from 0 on")
    rng = np.random.default_rng([seed, _STREAM, day.toordinal()])
    slots = _slots(rng, day)
    slot = np.repeat(np.arange(len(slots.begins)), rng.multinomial(rows, _weights(slots)))
    kind = _kinds(rng, rows)
    picture = rng.integers(0, len(PICTURES), rows)
    media = rng.integers(0, max(1, round(_MEDIA_SHARE * rows)), rows)
    named = np.array([picture.has_media_id for picture in PICTURES])[picture]
    edges = rng.permutation(np.flatnonzero(kind == 0))[:4]
    source = _sources(rng, kind, edges)
    return Records(
        slots=slots,
        number=(day.toordinal() * 2**32 + np.arange(rows))[source],
        slot=slot,
        kind=kind[source],
        updated=_updated(rng, slots, slot, day, edges)[source],
        processor=rng.integers(0, len(PROCESSORS), rows)[source],
        picture=picture[source],
        media=np.where(named, media, -1)[source],
    )


def _slots(rng: np.random.Generator, day: date) -> Slots:
    begins = list(prefix_starts(*day_window(day, TIMEZONE)))
    # Half an hour between them, so that two gaps never make one.
    first, second, empty, quiet = rng.choice(np.arange(6, len(begins) - 6, 6), 4, replace=False).tolist()
    return Slots(begins, sorted([first, first + 1, second]), empty, quiet)


def _weights(slots: Slots) -> NDArray[np.float64]:
    """How busy the prefixes are: most so at eight in the evening, three times as much as after midnight."""
    weights = 1 + 2 * np.sin(2.25 * np.linspace(0, 1, len(slots.begins)) ** 2)
    weights[[*slots.missing, slots.empty, slots.quiet]] = 0
    return weights / weights.sum()


def _kinds(rng: np.random.Generator, rows: int) -> Ints:
    dropped, odd = round(DROPPED_SHARE * rows), round(_ODD_SHARE * rows)
    first_odd = len(KINDS) - len(ODDITIES)
    kinds = np.zeros(rows, dtype=np.int64)
    kinds[:dropped] = 1 + np.arange(dropped) % (first_odd - 1)
    kinds[dropped : dropped + odd] = first_odd + np.arange(odd) % len(ODDITIES)
    return rng.permutation(kinds)


def _sources(rng: np.random.Generator, kind: Ints, edges: Ints) -> Ints:
    """Where each record comes from: from itself, or from the one before where that is delivered again."""
    again = (rng.random(len(kind)) < _REDELIVERED_SHARE) & (kind == 0)
    again[:1] = again[edges] = False
    return np.arange(len(kind)) - again


def _updated(rng: np.random.Generator, slots: Slots, slot: Ints, day: date, edges: Ints) -> Ints:
    """Shortly before delivery, but for late ones, early ones, and those at the edges of the day."""
    updated = np.array([_microseconds(begin) for begin in slots.begins])[slot]
    updated += rng.integers(-8 * _MINUTE, _INTERVAL, len(slot))
    drawn = rng.random(len(slot))
    late, early = drawn < _LATE_SHARE, drawn > 1 - _EARLY_SHARE
    updated[late] -= rng.integers(_HOUR, 72 * _HOUR, np.count_nonzero(late))
    updated[early] += rng.integers(_HOUR, 20 * _HOUR, np.count_nonzero(early))
    start, end = (_microseconds(bound) for bound in day_window(day, TIMEZONE))
    updated[edges] = [start - 1, start, end - 1, end][: len(edges)]
    return updated


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND
