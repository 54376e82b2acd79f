"""The delivery folders of a case as they lie on the disk, each read into one value that nothing changes.

A delivery folder is a child of the case folder with a `PlanInfo.txt` or a `*.ptn`. Links are not followed and
ignored names are passed over, for folders and for files. Nothing here depends on the order of a listing.

Not here: whether a delivery is what it says it is (`identity`), what is inside a log (`ptn`).
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from assets.beams.failures import BeamFailure, beam_failure, first_of
from assets.beams.keys import is_ignored_name, shown
from assets.beams.plan_info import PlanInfo, read_plan_info
from assets.beams.plan_range import PlanRangeRow, read_plan_range


@dataclass(frozen=True, slots=True)
class _TextFile:
    """One of the two text files, of which a delivery has one each."""

    called: str
    names: tuple[str, ...]
    """In small letters: any letter case is accepted."""
    missing: str
    """The code where there is none."""
    doubled: str
    """The code where there are two."""


_PLAN_INFO: Final = _TextFile("PlanInfo", ("planinfo.txt",), "missing_planinfo", "planinfo_invalid")
_PLAN_RANGE: Final = _TextFile(
    "PlanRange", ("planrange.txt", "planrange.csv"), "missing_planrange", "planrange_invalid"
)


@dataclass(frozen=True, slots=True)
class PtnFile:
    """A log as the folder lists it."""

    name: str
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """What one delivery folder holds, all of it read, nothing of it believed yet."""

    path: Path
    info: PlanInfo
    rows: tuple[PlanRangeRow, ...]
    files: tuple[PtnFile, ...]
    """Every log that lies directly in the folder, by name."""

    @property
    def folder(self) -> str:
        """The name of the folder."""
        return self.path.name


@dataclass(frozen=True, slots=True)
class CaseFolders:
    """The folders in a case folder, by name."""

    deliveries: tuple[Path, ...]
    ignored: tuple[str, ...]
    """Those that are no delivery folders."""
    linked: tuple[str, ...]
    """Links to folders or to nothing: no link is followed, and such a one may stand for a delivery."""


def is_delivery_folder(folder: Path) -> bool:
    """Whether a folder, which is no link, has a PlanInfo or a log directly inside.

    Raises:
        OSError: it cannot be listed.
    """
    return any(is_delivery_file(name) for name, _ in _files(folder))


def is_delivery_file(name: str) -> bool:
    """Whether a file of this name makes the folder that it lies in a delivery folder."""
    return name.casefold() in _PLAN_INFO.names or _is_log(name)


def case_folders(case_folder: Path) -> CaseFolders:
    """The delivery folders of a case, and the folders that are none.

    Raises:
        OSError: a folder cannot be listed.
    """
    with os.scandir(case_folder) as entries:
        children = sorted(
            (entry for entry in entries if not is_ignored_name(entry.name)), key=lambda entry: entry.name
        )
    folders = [Path(entry.path) for entry in children if entry.is_dir(follow_symlinks=False)]
    deliveries = tuple(folder for folder in folders if is_delivery_folder(folder))
    return CaseFolders(
        deliveries=deliveries,
        ignored=tuple(folder.name for folder in folders if folder not in deliveries),
        linked=tuple(entry.name for entry in children if entry.is_symlink() and not entry.is_file()),
    )


def read_delivery(folder: Path) -> DeliveryRecord:
    """Everything that a delivery folder holds, but for the samples.

    Raises:
        BeamFailure: `missing_planinfo`, `planinfo_invalid`, `missing_planrange` or `planrange_invalid`; where
            both files are wrong it is that of PlanInfo and lists both.
        OSError: the folder or a file cannot be read.
    """
    files = _files(folder)
    names = [name for name, _ in files]
    problems: list[BeamFailure] = []
    info = rows = None
    try:
        info = read_plan_info(folder / _only_file(folder.name, names, _PLAN_INFO))
    except BeamFailure as problem:
        problems.append(problem)
    try:
        rows = read_plan_range(folder / _only_file(folder.name, names, _PLAN_RANGE))
    except BeamFailure as problem:
        problems.append(problem)
    if info is None or rows is None:
        raise first_of(problems)
    logs = tuple(PtnFile(name, size) for name, size in files if _is_log(name))
    return DeliveryRecord(folder, info, rows, logs)


def _files(folder: Path) -> list[tuple[str, int]]:
    with os.scandir(folder) as entries:
        return sorted(
            (entry.name, entry.stat(follow_symlinks=False).st_size)
            for entry in entries
            if entry.is_file(follow_symlinks=False) and not is_ignored_name(entry.name)
        )


def _only_file(folder: str, names: Iterable[str], wanted: _TextFile) -> str:
    found = [name for name in names if name.casefold() in wanted.names]
    if not found:
        raise beam_failure(
            wanted.missing,
            f"{shown(folder)} has no {wanted.called} file of its own (links are not followed), so it is not"
            " known what was delivered; copy the folder from the machine again.",
        )
    if len(found) > 1:
        raise beam_failure(
            wanted.doubled,
            f"{shown(folder)} has {len(found)} {wanted.called} files where a delivery has one"
            f" ({', '.join(map(shown, found))}); keep the one that the machine wrote.",
        )
    return found[0]


def _is_log(name: str) -> bool:
    return name.casefold().endswith(".ptn")
