"""The planner of the filtered days: which days the new transform manifests touch. Pure.

A manifest is written once, as a whole, and last. So one look is enough, and a manifest is new if its name and
version were not seen. It touches its run day, the days of its outputs, and the days of the outputs of the
runs that it replaces, whose rows have to go there. Late pointers say nothing more: each is written before the
manifest that it leads to. Of all that is new at once a day is asked for one time, since its run reads
everything there is of it.

Two memories: the cursor holds 20 bytes for each manifest of the days that it keeps, and the run key is
remembered by Dagster with the runs, for a tick that died before its cursor was saved.

Not here: clocks and clients, and which days are listed (the sensor sees to that).
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from assets.dwh.documents import UnreadableDocument
from assets.dwh.filter_manifests import is_manifest_name
from assets.dwh.transform_manifests import TransformManifest
from sensors.planning import NAMES_IN_A_REASON, SourceFile

MOST_READ: Final = 200
"""Manifests that a tick looks into, at 30 ms each on S3; the others come next."""

MOST_DAYS: Final = 20
"""Days that a tick asks for, unless one manifest alone touches more."""

_CURSOR_FORMAT: Final = 1

Read = Callable[[str], bytes | None]
"""The content of an object by its name; None where it is gone."""

_Folders = Mapping[date, Mapping[str, SourceFile]]


@dataclass(frozen=True, slots=True)
class FilterRequest:
    """A day to filter, and the newest of the runs that ask for it; `version` is a digest of all of these."""

    day: date
    run_id: str
    version: str

    @property
    def run_key(self) -> str:
        """The key by which Dagster starts a run for these manifests and this day once and never again."""
        return f"{self.run_id}:{self.day}:{self.version}"


@dataclass(frozen=True, slots=True)
class FilterPlan:
    """What one look leads to; `warnings` are sentences for the log."""

    requests: tuple[FilterRequest, ...]
    new_cursor: str
    skip_reason: str | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the cursor keeps of the last look."""

    seen: Mapping[date, frozenset[str]]
    """Digests of manifests, by the day they are filed under."""
    unreadable: frozenset[str]
    mark: int | None
    """A number that the sensor gave."""

    @classmethod
    def read(cls, cursor: str | None) -> "Remembered":
        """What a cursor holds; nothing if it is none of ours, which the run keys make safe."""
        try:
            content = json.loads(cursor or "")
            if content["format"] != _CURSOR_FORMAT:
                return cls({}, frozenset(), None)
            mark = content["mark"]
            seen = {
                date.fromisoformat(day): frozenset(map(str, files)) for day, files in content["seen"].items()
            }
            unreadable = frozenset(map(str, content["unreadable"]))
            return cls(seen, unreadable, None if mark is None else int(mark))
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
            return cls({}, frozenset(), None)

    def write(self) -> str:
        """The cursor."""
        seen = {day.isoformat(): sorted(files) for day, files in sorted(self.seen.items())}
        content = {
            "format": _CURSOR_FORMAT,
            "mark": self.mark,
            "seen": seen,
            "unreadable": sorted(self.unreadable),
        }
        return json.dumps(content, separators=(",", ":"))


@dataclass(slots=True)
class _Harvest:
    """What the new manifests come to, one after the other."""

    asking: dict[date, list[tuple[TransformManifest, str]]]
    seen: dict[date, set[str]]
    unreadable: set[str]
    warnings: list[str]


def plan_filters(
    listed: Mapping[date, Sequence[SourceFile]],
    kept: Collection[date],
    cursor: str | None,
    read: Read,
    *,
    is_partition: Callable[[date], bool],
    mark: int | None = None,
) -> FilterPlan:
    """Compare the folders of manifests with the last look, and decide which days to ask for.

    Args:
        listed: the objects by run day, in any order: the days in `kept`, those of the cursor, and any others.
            Names that are not those of manifests are ignored.
        kept: the days whose manifests the cursor remembers. Of another day every manifest is new whenever it
            is listed, and it is remembered only until all of them were looked into.
        cursor: `new_cursor` of the last plan. None, or a text that is no cursor of ours, starts afresh.
        read: reads a manifest.
        is_partition: whether a day can be asked for.
        mark: a number to be kept in the cursor.
    """
    before, folders = Remembered.read(cursor), _manifests(listed)
    there = frozenset().union(*folders.values())
    harvest = _Harvest(
        asking={},
        seen={day: set(before.seen.get(day, ())) & files.keys() for day, files in folders.items()},
        unreadable=set(before.unreadable & there),
        warnings=[],
    )
    new = sorted(
        (file.name, digest, day)
        for day, files in folders.items()
        for digest, file in files.items()
        if digest not in harvest.seen[day]
    )
    for name, digest, day in new[:MOST_READ]:
        if not _harvested(harvest, name, digest, day, read, is_partition):
            break
    requests = tuple(_request(day, asking) for day, asking in sorted(harvest.asking.items()))
    names = {digest: file.name for files in folders.values() for digest, file in files.items()}
    unreadable = sorted(names[digest] for digest in harvest.unreadable)
    return FilterPlan(
        requests=requests,
        new_cursor=_remembered(folders, harvest, kept, mark).write(),
        skip_reason=None if requests else _reason(len(there), len(new), unreadable),
        warnings=tuple(harvest.warnings),
    )


def _manifests(listed: Mapping[date, Sequence[SourceFile]]) -> _Folders:
    """The manifests among the objects, by run day and by the digest of their name and version."""
    return {
        day: {_digest([file.name, file.version]): file for file in files if _is_manifest(file)}
        for day, files in sorted(listed.items())
    }


def _remembered(folders: _Folders, harvest: _Harvest, kept: Collection[date], mark: int | None) -> Remembered:
    """What the next look is to know: the kept days, and those of which not every manifest was looked into."""
    seen = {
        day: frozenset(harvest.seen[day])
        for day, files in folders.items()
        if files.keys() - harvest.seen[day] or (harvest.seen[day] and day in kept)
    }
    return Remembered(seen=seen, unreadable=frozenset(harvest.unreadable), mark=mark)


def _harvested(
    harvest: _Harvest,
    name: str,
    digest: str,
    day: date,
    read: Read,
    is_partition: Callable[[date], bool],
) -> bool:
    """Add what one manifest asks for; False, and nothing is added, if that is too much for this tick."""
    try:
        manifest = _manifest(name, read)
        days = _touched_days(manifest, name.rpartition("/")[0], read) if manifest else set()
    except UnreadableDocument as error:
        harvest.unreadable.add(digest)
        harvest.warnings.append(str(error))
        manifest, days = None, set[date]()
    partitions = {touched for touched in days if is_partition(touched)}
    if harvest.asking and len(harvest.asking.keys() | partitions) > MOST_DAYS:
        return False
    if manifest is not None:
        for touched in partitions:
            harvest.asking.setdefault(touched, []).append((manifest, digest))
    if others := sorted(map(str, days - partitions)):
        harvest.warnings.append(
            f"{name} has rows of {_some(others)}: no partition, or not yet, so nothing is filtered there."
        )
    harvest.seen[day].add(digest)
    return True


def _manifest(name: str, read: Read) -> TransformManifest | None:
    """The manifest of an object; None where there is none."""
    content = read(name)
    return None if content is None else TransformManifest.read(name, content)


def _touched_days(manifest: TransformManifest, folder: str, read: Read) -> set[date]:
    """The days whose rows a manifest changes: none unless it is a success."""
    if manifest.status != "SUCCESS":
        return set()
    days = {manifest.day, *(output.day for output in manifest.outputs)}
    for run_id in manifest.supersedes:
        try:
            replaced = _manifest(f"{folder}/manifest-{run_id}.json", read)
        except UnreadableDocument:
            continue  # It is reported by its own name.
        if replaced is not None:
            days |= {output.day for output in replaced.outputs}
    return days


def _request(day: date, asking: Sequence[tuple[TransformManifest, str]]) -> FilterRequest:
    newest = max((manifest.created_at, manifest.run_id) for manifest, _ in asking)
    return FilterRequest(day, newest[1], _digest(sorted(digest for _, digest in asking)))


def _reason(count: int, new: int, unreadable: Sequence[str]) -> str:
    """Why nothing is asked for."""
    if not count:
        return "No transform manifest is listed."
    said = f"Each of the {count} listed transform manifests was looked into before"
    if new:
        said = f"None of the {new} new transform manifests is a success that touches a partition"
    return f"{said}; these cannot be read: {_some(unreadable)}." if unreadable else f"{said}."


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMES_IN_A_REASON
    return ", ".join(names[:NAMES_IN_A_REASON]) + (f" and {more} more" if more > 0 else "")


def _is_manifest(file: SourceFile) -> bool:
    return is_manifest_name(file.name.rpartition("/")[2])


def _digest(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
