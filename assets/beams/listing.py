"""What lies under the scan root: cases, folders that are none, and those that are refused.

It is listed, never listened to: file events are lost on network shares. Nothing is opened. Links are not
followed, ignored names are passed over, and one bad folder never keeps the others from being listed.

    [<room>/]<case>/                 flat: has the marker, and a *.dcm or a delivery folder directly inside
    [<room>/]<patient>/<study>/      nested: the marker lies in the study or in the patient folder

Not here: whether a case is due (`planning`), and what is in its files (`case_input`).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from assets.beams.failures import BeamFailure, beam_failure, one_line
from assets.beams.folder_shapes import (
    MARKER,
    Candidate,
    Folder,
    PassedOver,
    Refused,
    Top,
    key_or_none,
    linked,
    shape_of,
    unreadable,
)
from assets.beams.keys import case_key, is_ignored_name, shown
from assets.failures import PermanentFailure

ROOMS: Final = ("G1", "G2")

_KEPT_OF_LONG_KEYS: Final = 47
"""So many characters of a long name are in its key as they are; a digest follows."""


@dataclass(frozen=True, slots=True)
class Marker:
    """The marker of a case: its own, its patient's, or both."""

    digest: str
    """Of inode, size and time: another one after it was renewed. 12 hex digits."""
    modified: datetime
    """In UTC; of the newer one, if there are two."""


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """A folder that is a case."""

    key: str
    folder: Path
    path: str
    """Of the folder, relative to the scan root, with slashes."""
    room: str | None
    """The room folder above it."""
    marker: Marker | None
    """None only where a case was asked for by its key (`find_case`): a scan finds marked ones."""
    fingerprint: str


Found = CaseFolder | PassedOver | Refused


class NoSuchCase(PermanentFailure):
    """No folder under the scan root is the case of a key."""


class ScanRoot:
    """The scan root: its first level is listed at once, each folder there when it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root: Final = root
        tops: list[Top] = []
        aside: list[PassedOver | Refused] = []
        for room in (None, *ROOMS):
            self._list_first_level(room, tops, aside)
        self.tops: Final = tuple(sorted(tops, key=lambda top: top.path))
        self.aside: Final = tuple(aside)
        """What is no folder to look into: misplaced markers, linked folders, rooms that cannot be read."""
        self._tops_by_name: dict[str, list[Top]] = {}
        for top in tops:
            self._tops_by_name.setdefault(top.name, []).append(top)

    def found_in(self, top: Top) -> list[Found]:
        """What a folder of the first level comes to: itself, or the studies in it."""
        return [self._case(one) if isinstance(one, Candidate) else one for one in self._look_into(top)]

    def find(self, key: str) -> CaseFolder:
        """The case of a key. Raises as `find_case` does."""
        tops = [top for top in self.tops if _may_lead_to(top.name, key)]
        seen = [*self.aside, *(one for top in tops for one in self._look_into(top))]
        named = [one for one in seen if _key_of(one) == key]
        for one in named or self._unmarked(tops, key):
            case = self._case(one) if isinstance(one, Candidate) else one
            if isinstance(case, Refused):
                raise case.failure
            if isinstance(case, CaseFolder):
                return case
        raise NoSuchCase(
            f"No folder under the scan root {self.root} is the case {shown(key)}; `scan` lists the cases that"
            " there are."
        )

    def _list_first_level(self, room: str | None, tops: list[Top], aside: list[PassedOver | Refused]) -> None:
        path = self.root / (room or "")
        if room is not None and path.is_symlink():  # Named with the links of the root.
            return
        try:
            folder = Folder.listed(path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            aside.append(unreadable(room or ".", None, room, error))
            return
        if folder.marker is not None:
            aside.append(PassedOver(f"{room}/{MARKER}" if room else MARKER, "misplaced_marker"))
        aside.extend(linked(room, (name,)) for name in folder.links)
        tops.extend(Top(room, name) for name in folder.folders if room is not None or name not in ROOMS)

    def _look_into(self, top: Top) -> list[Candidate | PassedOver | Refused]:
        try:
            return list(shape_of(self.root / top.path, top))
        except OSError as error:
            return [unreadable(top.path, key_or_none(top.name), top.room, error)]

    def _case(self, candidate: Candidate) -> CaseFolder | Refused:
        room, names, path = candidate.room, candidate.names, candidate.path
        try:
            key = case_key(*names)
        except BeamFailure as failure:
            return Refused(one_line(path), None, room, failure)
        if candidate.links:
            return linked(room, names, candidate.links[0])
        if others := self._namesakes(candidate):
            return _doubled(candidate, key, others)
        folder = self.root / path
        try:
            fingerprint = fingerprint_of(folder)
        except OSError as error:
            return unreadable(path, key, room, error)
        return CaseFolder(key, folder, path, room, _marker_of(candidate.markers), fingerprint)

    def _namesakes(self, candidate: Candidate) -> list[str]:
        """The paths of other cases with the key of this one, wherever such a one may lie."""
        whole = ".".join(candidate.names)
        points = [place for place, mark in enumerate(whole) if mark == "."]
        ways = [(whole,), *((whole[:point], whole[point + 1 :]) for point in points)]
        return [
            other.path
            for names in ways
            for top in self._tops_by_name.get(names[0], ())
            if (top.room, names) != (candidate.room, candidate.names)
            for other in self._look_into(top)
            if isinstance(other, Candidate) and other.names == names
        ]

    def _unmarked(self, tops: Sequence[Top], key: str) -> list[Candidate | Refused]:
        """The folders of a key, for want of marked ones; two of them are refused."""
        found: list[Candidate | Refused] = []
        for top in tops:
            try:
                inside = Folder.listed(self.root / top.path)
                for names in ((top.name,), *((top.name, study) for study in inside.folders)):
                    if key_or_none(*names) == key:
                        folder = inside if len(names) == 1 else Folder.listed(self.root / top.path / names[1])
                        found.append(Candidate(top.room, names, (), folder.links))
            except OSError as error:
                found.append(unreadable(top.path, key, top.room, error))
        if len(found) > 1 and isinstance(found[0], Candidate):
            return [_doubled(found[0], key, [other.path for other in found[1:]])]
        return found


def find_case(scan_root: Path, key: str) -> CaseFolder:
    """The case of a key as it lies there now: the marked folder, else one without a marker.

    Raises:
        BeamFailure: `duplicate_case_key`, `symlinked_case` or `unreadable_dir`.
        NoSuchCase: there is none.
    """
    return ScanRoot(scan_root).find(key)


def top_of(case_path: str) -> str:
    """The path of the folder of the first level that a case lies in, or is."""
    parts = case_path.split("/")
    return "/".join(parts[: 2 if parts[0] in ROOMS else 1])


def fingerprint_of(case_folder: Path) -> str:
    r"""The digest of a listing: what changes with any file of a case, but for its marker and ignored names.

    16 hex digits of the SHA-256 over the sorted lines `<relative path>\t<size>\t<mtime_ns>`.

    Raises:
        OSError: a folder cannot be listed, or a file vanished meanwhile.
    """
    lines: list[str] = []
    folders = [("", os.fspath(case_folder))]
    while folders:
        above, folder = folders.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if is_ignored_name(name) or (name == MARKER and not above):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{above}{name}/", entry.path))
                else:
                    status = entry.stat(follow_symlinks=False)
                    lines.append(f"{above}{name}\t{status.st_size}\t{status.st_mtime_ns}")
    lines.sort()
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _may_lead_to(top_name: str, key: str) -> bool:
    """Whether a folder of the first level may be the case of a key, or its patient; long keys are digests."""
    return top_name == key or key.startswith(f"{top_name}."[:_KEPT_OF_LONG_KEYS])


def _key_of(found: Candidate | PassedOver | Refused) -> str | None:
    if isinstance(found, Candidate):
        return key_or_none(*found.names)
    return found.key if isinstance(found, Refused) else None


def _marker_of(markers: Sequence[os.stat_result]) -> Marker | None:
    if not markers:
        return None
    seen = [(marker.st_ino, marker.st_size, marker.st_mtime_ns) for marker in markers]
    newest = max(marker.st_mtime for marker in markers)
    try:
        modified = datetime.fromtimestamp(newest, UTC)
    except (OverflowError, ValueError, OSError):  # A clock gone wild; the marker itself counts all the same.
        modified = datetime.fromtimestamp(0, UTC)
    return Marker(sha256(repr(seen).encode()).hexdigest()[:12], modified)


def _doubled(candidate: Candidate, key: str, others: Sequence[str]) -> Refused:
    paths = sorted((candidate.path, *others))
    failure = beam_failure(
        "duplicate_case_key",
        f"{' and '.join(map(shown, paths))} would both be the case {shown(key)}, so none of them is; rename"
        " or remove all but one.",
    )
    return Refused(one_line(candidate.path), key, candidate.room, failure)
