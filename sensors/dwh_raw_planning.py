"""The planner of the raw images: which windows of which days to ask transform runs for. Pure.

A prefix is asked for once it was the same for one interval. What is asked for is a window, whose run replaces
every earlier run of the day with a window inside its own. Hence three rules:

- What was never in a window gets one: from the end of what is before it (a window, a prefix that is still
  written, midnight) to the last prefix that is quiet, empty ones included: so the run can say that they are.
- A prefix that is replaced, or comes late, inside a window has the whole window asked for again. A narrower
  one would leave the older rows standing, which even win: their window ends later.
- Unless a run read a prefix there that is gone by now. Then only what changed is asked for, since replacing
  that run would lose rows that exist nowhere else.

The cursor holds the prefixes and windows of the days that are looked at, at most 60 bytes each. If it is
lost, or a tick dies before it was saved, windows may be cut differently and a prefix is read by two runs; the
rule of replacement, or the run key, leaves one of them. A window that gets back what it held before makes a
run key that was used, which Dagster drops.

Not here: clocks and listings, and what the runs of a day have read already (the sensor tells).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any, Final

from assets.dwh.coverage import Reading
from assets.dwh.days import INTERVAL_MINUTES, day_window, interval_start
from assets.dwh.intervals import Interval, difference
from assets.dwh.paths import is_data
from sensors.planning import NAMES_IN_A_REASON, SourceFile

LATE_DAYS: Final = 3
"""Days before the newest one that are looked at again and again, for late and replaced prefixes."""

MOST_DAYS: Final = 14
"""Days before today beyond which nothing is looked at, also after a long stop; a person launches those."""

_INTERVAL: Final = timedelta(minutes=INTERVAL_MINUTES)
_CURSOR_FORMAT: Final = 1
_PREFIX: Final = re.compile(r"/year=(\d{4})/month=(\d{2})/day=(\d{2})/hour=(\d{2})/min=(\d{2})/[^/]+$")

_Range = tuple[int, int]
"""Prefixes of a day by number, half open."""


@dataclass(frozen=True, slots=True)
class RawPrefix:
    """What one prefix holds: a digest of its objects, their number, and their bytes."""

    version: str
    objects: int
    size: int


Look = Mapping[datetime, RawPrefix]
"""The prefixes of a day that hold an object, by the instant at which they begin."""


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window to transform, all of it in one day; `version` is a digest of what it holds."""

    day: date
    window: Interval
    version: str

    @property
    def run_key(self) -> str:
        """The key by which Dagster starts a run for this window and content once and never again."""
        return f"{self.day}:{self.version}"


@dataclass(frozen=True, slots=True)
class DayCounts:
    """What a day holds by now. Prefixes that are not over yet are not counted as empty."""

    day: date
    objects: int
    size: int
    empty_prefixes: int


@dataclass(frozen=True, slots=True)
class RawPlan:
    """What one look leads to; `observed` are the days of the requests, `warnings` sentences for the log."""

    requests: tuple[WindowRequest, ...]
    observed: tuple[DayCounts, ...]
    new_cursor: str
    skip_reason: str | None
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Day:
    """What the cursor keeps of a day.

    `prefixes`: by number a digest and since when it is so, in seconds since the epoch; None if asked for.
    `windows`: what was asked for.
    """

    prefixes: dict[int, tuple[str, int | None]]
    windows: list[_Range]


def raw_prefixes(listed: Iterable[SourceFile], window: Interval) -> dict[datetime, RawPrefix]:
    """The prefixes that begin in a window, from a listing by keys; what is no data in a prefix is ignored."""
    found: dict[datetime, list[SourceFile]] = {}
    for file in listed:
        start = _prefix_start(file.name) if is_data(file.name) else None
        if start is not None and window.start <= start < window.end:
            found.setdefault(start, []).append(file)
    return {
        start: RawPrefix(
            version=_digest(f"{file.name} {file.version} {file.size}" for file in sorted(files, key=_name)),
            objects=len(files),
            size=sum(file.size for file in files),
        )
        for start, files in sorted(found.items())
    }


def days_to_look_at(cursor: str | None, today: date, first_day: date) -> list[date]:
    """The days to list, in the order in which to list them; whatever does not fit in a tick comes next time.

    That is `LATE_DAYS` before the newest day that was looked at, older ones with prefixes that still wait,
    and all days since; never more than `MOST_DAYS` before today, nor one before `first_day`.
    """
    days, resume = _read(cursor)
    waiting = (day for day, state in days.items() if any(since for _, since in state.prefixes.values()))
    newest = min(max(days, default=today), today)
    oldest = min((newest - timedelta(days=LATE_DAYS), *waiting))
    first = max(oldest, today - timedelta(days=MOST_DAYS), first_day)
    every = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    split = next((place for place, day in enumerate(every) if resume is not None and day >= resume), 0)
    return every[split:] + every[:split]


def plan_windows(
    days: Sequence[date],
    looks: Mapping[date, Look],
    cursor: str | None,
    now: datetime,
    readings: Callable[[date], Iterable[Reading]],
    *,
    timezone: str,
    limit: int = 5,
) -> RawPlan:
    """Compare what the days hold with the looks before, and decide which windows to ask for, oldest first.

    Args:
        days: what `days_to_look_at` said. The cursor forgets all others.
        looks: of these days, the prefixes of those that were listed; of the others the cursor is kept.
        cursor: `new_cursor` of the last plan. None, or a text that is no cursor of ours, starts afresh.
        now: when the listing was made.
        readings: what the standing runs of a run day have read. It is called for days with requests only.
        timezone: the zone of the days.
        limit: the most requests. The others come next.
    """
    before, _ = _read(cursor)
    states = {day: before.get(day) or _Day({}, []) for day in days if day in before or day in looks}
    requests: list[WindowRequest] = []
    warnings: list[str] = []
    for day in sorted(looks):
        start, end = day_window(day, timezone)
        frame = _Frame(day, start, -((start - end) // _INTERVAL))
        look = {frame.number(begin): prefix for begin, prefix in looks[day].items()}
        state = states[day] = _looked(states[day], look, int(now.timestamp()))
        quiet = _quiet(state, int(now.timestamp()))
        if len(requests) == limit or not quiet:
            continue
        read = [reading for reading in readings(day) if frame.holds(reading.window)]
        known = [*state.windows, *(frame.range_of(reading.window) for reading in read)]
        gone = {number for reading in read for number in frame.numbers(reading)} - look.keys()
        asked, narrowed = _ranges(state, quiet, known, gone, frame.count)
        if narrowed:
            warnings.append(_narrowed(day, len(gone)))
        for wanted in asked[: limit - len(requests)]:
            requests.append(_request(frame, wanted, look))
            _ask(state, wanted)
    return RawPlan(
        requests=tuple(requests),
        observed=tuple(
            _counts(day, looks[day], now, timezone) for day in sorted({each.day for each in requests})
        ),
        new_cursor=_write(states, next((day for day in days if day not in looks), None)),
        skip_reason=None if requests else _reason(states, days, timezone),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The prefixes of a day, numbered from its first instant on."""

    day: date
    start: datetime
    count: int

    def number(self, instant: datetime) -> int:
        return (instant - self.start) // _INTERVAL

    def window(self, wanted: _Range) -> Interval:
        first, last = wanted
        return Interval(start=self.start + first * _INTERVAL, end=self.start + last * _INTERVAL)

    def holds(self, window: Interval) -> bool:
        return window.start < window.end and self.window((0, self.count)).holds(window)

    def range_of(self, window: Interval) -> _Range:
        """The prefixes that a run with this window reads: each that has any of it."""
        return self.number(window.start), -((self.start - window.end) // _INTERVAL)

    def numbers(self, reading: Reading) -> set[int]:
        """The prefixes in which a run found something."""
        pieces = difference([reading.window], reading.missing)
        return set(chain.from_iterable(range(*self.range_of(piece)) for piece in pieces))


def _looked(before: _Day, look: Mapping[int, RawPrefix], now: int) -> _Day:
    """The state of a day after this look; what is no longer there is forgotten, what changed waits anew."""
    prefixes = {}
    for number, prefix in look.items():
        known = before.prefixes.get(number)
        same = known is not None and known[0] == prefix.version
        prefixes[number] = known if same else (prefix.version, now)
    return _Day(prefixes, list(before.windows))


def _quiet(state: _Day, now: int) -> set[int]:
    """The prefixes that are to be asked for and were the same for one interval."""
    return {
        number
        for number, (_, since) in state.prefixes.items()
        if since is not None and now - since >= _INTERVAL.total_seconds()
    }


def _ranges(
    state: _Day, quiet: set[int], known: Iterable[_Range], gone: set[int], count: int
) -> tuple[list[_Range], bool]:
    """What to ask for in order of time, and whether a part is narrower since something is gone."""
    restless = {number for number, (_, since) in state.prefixes.items() if since is not None} - quiet
    asked: list[_Range] = []
    narrowed = False
    groups = _joined(known)
    for first, last in groups:
        inside = set(range(first, last))
        if not quiet & inside or restless & inside:
            continue
        if gone & inside:
            narrowed = True
            asked.extend((number, number + 1) for number in quiet & inside)
        else:
            asked.append((first, last))
    # Between the windows there are, and what is still written, everything up to the last quiet prefix.
    barriers = _joined([*groups, *((number, number + 1) for number in restless)])
    begin = 0
    for first, last in (*barriers, (count, count)):
        if new := [number for number in quiet if begin <= number < first]:
            asked.append((begin, max(new) + 1))
        begin = last
    return _joined(asked, touching=True), narrowed


def _joined(ranges: Iterable[_Range], *, touching: bool = False) -> list[_Range]:
    """The ranges in order, those that have a prefix in common as one, or also those that only touch."""
    joined: list[_Range] = []
    for first, last in sorted(ranges):
        if joined and first < joined[-1][1] + touching:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _ask(state: _Day, wanted: _Range) -> None:
    """Note that a range is asked for: it stands for the windows inside it, and none of its prefixes waits."""
    first, last = wanted
    state.windows = [window for window in state.windows if not (first <= window[0] and window[1] <= last)] + [
        wanted
    ]
    for number in state.prefixes.keys() & set(range(first, last)):
        state.prefixes[number] = (state.prefixes[number][0], None)


def _request(frame: _Frame, wanted: _Range, look: Mapping[int, RawPrefix]) -> WindowRequest:
    held = (f"{number} {look[number].version}" for number in range(*wanted) if number in look)
    return WindowRequest(frame.day, frame.window(wanted), _digest(chain([str(wanted)], held)))


def _counts(day: date, look: Look, now: datetime, timezone: str) -> DayCounts:
    start, end = day_window(day, timezone)
    over = max(0, (min(now, end) - start) // _INTERVAL)
    held = sum(begin < start + over * _INTERVAL for begin in look)
    return DayCounts(
        day=day,
        objects=sum(prefix.objects for prefix in look.values()),
        size=sum(prefix.size for prefix in look.values()),
        empty_prefixes=over - held,
    )


def _reason(states: Mapping[date, _Day], days: Sequence[date], timezone: str) -> str:
    """Why nothing is asked for."""
    waiting = [
        day_window(day, timezone)[0] + number * _INTERVAL
        for day in sorted(states)
        for number, (_, since) in sorted(states[day].prefixes.items())
        if since is not None
    ]
    if waiting:
        names = ", ".join(f"{start:%Y-%m-%d %H:%M}" for start in waiting[:NAMES_IN_A_REASON])
        more = len(waiting) - NAMES_IN_A_REASON
        return (
            f"Waiting until these prefixes (UTC), or others of their windows, are unchanged for "
            f"{INTERVAL_MINUTES} minutes: {names}{f' and {more} more' if more > 0 else ''}."
        )
    frame = f"the days {min(days)} to {max(days)}" if days else "any day"
    if not any(state.prefixes for state in states.values()):
        return f"No raw image lies in {frame}."
    return f"Every prefix of {frame} was asked for before, in its present state."


def _narrowed(day: date, gone: int) -> str:
    return (
        f"{day}: {gone} prefixes that a run read are gone by now, so that only what changed is transformed; "
        "rows of the older state stay. Launch the day by hand if it is to be made from what is left."
    )


def _prefix_start(key: str) -> datetime | None:
    match = _PREFIX.search(key)
    if match is None:
        return None
    try:
        start = datetime(*map(int, match.groups()), tzinfo=UTC)
    except ValueError:
        return None
    return start if start == interval_start(start) else None


def _name(file: SourceFile) -> str:
    return file.name


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _write(states: Mapping[date, _Day], resume: date | None) -> str:
    days = {
        day.isoformat(): {
            "prefixes": {
                str(number): digest if since is None else [digest, since]
                for number, (digest, since) in sorted(state.prefixes.items())
            },
            "windows": [list(window) for window in sorted(state.windows)],
        }
        for day, state in sorted(states.items())
    }
    content = {"format": _CURSOR_FORMAT, "resume": resume and resume.isoformat(), "days": days}
    return json.dumps(content, separators=(",", ":"))


def _read(cursor: str | None) -> tuple[dict[date, _Day], date | None]:
    """What the last look left, and the day to begin with; nothing if this is no cursor of ours."""
    try:
        content = json.loads(cursor or "")
        if content["format"] != _CURSOR_FORMAT:
            return {}, None
        resume = date.fromisoformat(content["resume"]) if content["resume"] else None
        return {date.fromisoformat(day): _day(state) for day, state in content["days"].items()}, resume
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return {}, None


def _day(state: dict[str, Any]) -> _Day:
    return _Day(
        {
            int(number): (entry, None) if isinstance(entry, str) else (str(entry[0]), int(entry[1]))
            for number, entry in state["prefixes"].items()
        },
        [(int(first), int(last)) for first, last in state["windows"]],
    )
