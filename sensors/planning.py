"""The planner behind every file sensor: which new and replaced files to ask runs for. Pure.

A file is asked for once per name and version, and only after two looks in a row found the same version and
size: while it is being written they differ. Two memories keep it at once:

- The cursor knows what the last look saw. It holds an entry of at most 60 bytes for each listed file and
  nothing else, so it cannot outgrow the listing.
- The run key, `name:version`, is remembered by Dagster with the runs. If a tick dies after its requests and
  before its cursor was saved, or if the cursor is lost, the same requests come again and Dagster drops them.

Hence what a sensor cannot do. A file that gets back a version it had before (deleted and restored, or
replaced and put back) is asked for again, and Dagster drops the request. So it does when the run had failed:
a file that was refused runs again in a new version, or when a person launches it.

Not here: clocks and clients, partitions, what is already done (each sensor sees to them).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

CURSOR_FORMAT = 1
NAMES_IN_A_REASON = 5


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as a listing shows it: its name, what changes with its content (an etag), its size in bytes."""

    name: str
    version: str
    size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look at a listing leads to: either requests, or the reason why there are none."""

    requests: tuple[SourceFile, ...]
    new_cursor: str
    skip_reason: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the cursor keeps of a file: a digest of version and size, and since when it has been waiting.

    `since` is in whole seconds since the epoch; None means that this version was asked for.
    """

    state: str
    since: int | None


def run_key(file: SourceFile) -> str:
    """Return the key by which Dagster starts a run for this version of the file once and never again."""
    return f"{file.name}:{file.version}"


def plan(listing: Sequence[SourceFile], cursor: str | None, now: float, *, limit: int = 100) -> Plan:
    """Compare a listing with the last look, and decide which files to ask for, the longest waiting first.

    Args:
        listing: every file there is, in any order.
        cursor: `new_cursor` of the last plan. None, or a text that is no cursor of ours, starts afresh: every
            file waits for its second look again.
        now: seconds since the epoch, for the order and for telling how long a file has been waiting.
        limit: the most requests of one tick, which has to end before Dagster kills it. The others come next.

    Raises:
        ValueError: a name is listed twice, or the limit is below 1.
    """
    if limit < 1:
        raise ValueError(f"The limit is {limit}: a tick has to be allowed one request at least.")
    files = _by_digest(listing)
    before = _read(cursor)
    entries = {key: _look(before.get(key), file, int(now)) for key, file in files.items()}
    waiting = [key for key, entry in entries.items() if entry.since is not None]
    settled = [key for key in waiting if entries[key] == before.get(key)]
    asked = sorted(settled, key=lambda key: entries[key].since or 0)[:limit]
    reason = None
    if not asked:
        waits = [(files[key].name, int(now) - (entries[key].since or 0)) for key in waiting]
        reason = _reason(len(listing), waits)
    for key in asked:
        entries[key] = replace(entries[key], since=None)
    return Plan(tuple(files[key] for key in asked), _write(entries), reason)


def _look(before: _Entry | None, file: SourceFile, now: int) -> _Entry:
    """Return the entry of a file after this look; a file that changes again goes on waiting since then."""
    state = _digest(f"{file.size} {file.version}")
    if before is None:
        return _Entry(state, now)
    if before.state == state:
        return before
    return _Entry(state, now if before.since is None else before.since)


def _reason(count: int, waits: Sequence[tuple[str, int]]) -> str:
    """Word in one sentence why nothing is asked for, given each waiting file with its seconds."""
    if not count:
        return "No file is listed."
    if not waits:
        return f"Each of the {count} listed files was asked for before, in its present version."
    names = ", ".join(f"{name} (for {seconds} s)" for name, seconds in waits[:NAMES_IN_A_REASON])
    if len(waits) > NAMES_IN_A_REASON:
        names += f" and {len(waits) - NAMES_IN_A_REASON} more"
    return f"Waiting until two looks find the same version and size of {names}."


def _by_digest(listing: Sequence[SourceFile]) -> dict[str, SourceFile]:
    """Return the files by the digest of their name, in the order of the names."""
    files: dict[str, SourceFile] = {}
    for file in sorted(listing, key=lambda file: file.name):
        if files.setdefault(_digest(file.name), file) is not file:
            raise ValueError(f"{file.name!r} is listed twice: a name has to stand for one file.")
    return files


def _digest(text: str) -> str:
    """Return 64 bits as hexadecimal digits. Two of a million files share them by 3 chances in 100 million."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _write(entries: Mapping[str, _Entry]) -> str:
    files = {
        key: entry.state if entry.since is None else [entry.state, entry.since]
        for key, entry in entries.items()
    }
    return json.dumps({"format": CURSOR_FORMAT, "files": files}, separators=(",", ":"))


def _read(cursor: str | None) -> dict[str, _Entry]:
    """Return what the last look saw; nothing if this is no cursor of ours, which the run keys make safe."""
    try:
        content = json.loads(cursor or "")
        if content["format"] != CURSOR_FORMAT:
            return {}
        return {
            key: _Entry(entry, None) if isinstance(entry, str) else _Entry(entry[0], int(entry[1]))
            for key, entry in content["files"].items()
        }
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return {}


def stretches(keys: Iterable[str], ordered_keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Group keys into unbroken stretches of `ordered_keys`, in that order: each can be one run over a range.

    Raises:
        ValueError: a key is none of `ordered_keys`.
    """
    positions = {key: position for position, key in enumerate(ordered_keys)}
    wanted = set(keys)
    unknown = sorted(wanted - positions.keys())
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: not among the {len(positions)} keys that exist.")
    # Within a stretch the position grows in step with the count, so their difference stays.
    counted = enumerate(sorted(positions[key] for key in wanted))
    return [
        tuple(ordered_keys[position] for _, position in stretch)
        for _, stretch in groupby(counted, key=lambda pair: pair[1] - pair[0])
    ]
