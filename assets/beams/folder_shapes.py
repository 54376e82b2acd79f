"""What a folder of the scan root is by the names in it: a case, a patient with studies, or nothing.

Names alone decide, nothing is opened. Links are not followed, and ignored names are passed over.

Not here: keys that two folders share, markers and fingerprints (`listing`).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from assets.beams.deliveries import is_delivery_file
from assets.beams.failures import BeamFailure, beam_failure, one_line
from assets.beams.keys import case_key, is_ignored_name, shown

MARKER: Final = "_CASE_READY"


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A folder without a marker, or a marker that counts for nothing."""

    path: str
    code: Literal["no_marker", "misplaced_marker"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A folder that cannot be a case, or cannot be read and has to wait (then the failure is pending)."""

    path: str
    """Relative to the scan root, escaped where the name could break a line."""
    key: str | None
    """What its key would be; None where no key can be made of the name."""
    room: str | None
    failure: BeamFailure


class Top(NamedTuple):
    """A folder directly in the scan root or in a room folder."""

    room: str | None
    name: str

    @property
    def path(self) -> str:
        """Relative to the scan root."""
        return f"{self.room}/{self.name}" if self.room else self.name


class Candidate(NamedTuple):
    """A folder that is a case as far as its place goes."""

    room: str | None
    names: tuple[str, ...]
    """The case folder, or patient and study folder."""
    markers: tuple[os.stat_result, ...]
    links: tuple[str, ...]
    """What lies directly inside, is a link and may stand for a delivery."""

    @property
    def path(self) -> str:
        """Relative to the scan root."""
        return "/".join((self.room, *self.names) if self.room else self.names)


class Folder(NamedTuple):
    """The names in a folder that decide what it is, sorted; ignored names are none of them."""

    folders: tuple[str, ...]
    links: tuple[str, ...]
    """Links to folders or to nothing."""
    marker: os.stat_result | None
    has_dicom: bool
    is_delivery: bool

    @classmethod
    def listed(cls, folder: Path) -> "Folder":
        """List a folder. Raises OSError."""
        folders: list[str] = []
        links: list[str] = []
        marker = None
        has_dicom = is_delivery = False
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name == MARKER:
                    marker = entry.stat(follow_symlinks=False)
                elif is_ignored_name(name):
                    continue
                elif entry.is_dir(follow_symlinks=False):
                    folders.append(name)
                elif entry.is_symlink():
                    if not entry.is_file():
                        links.append(name)
                else:
                    has_dicom = has_dicom or name.casefold().endswith(".dcm")
                    is_delivery = is_delivery or is_delivery_file(name)
        return cls(tuple(sorted(folders)), tuple(sorted(links)), marker, has_dicom, is_delivery)

    def is_case_shaped(self, folder: Path) -> bool:
        """Whether it holds a DICOM file or a delivery folder directly. Raises OSError."""
        return self.has_dicom or any(Folder.listed(folder / name).is_delivery for name in self.folders)


def shape_of(folder: Path, top: Top) -> Iterator[Candidate | PassedOver | Refused]:
    """What a folder of the first level is: a case, a patient with studies, or nothing. Raises OSError."""
    listed = Folder.listed(folder)
    own = () if listed.marker is None else (listed.marker,)
    if listed.is_delivery:  # Never a case itself, even with a plan inside.
        yield PassedOver(one_line(top.path), "misplaced_marker" if own else "no_marker")
    elif own and listed.is_case_shaped(folder):
        yield Candidate(top.room, (top.name,), own, listed.links)
    elif listed.has_dicom:
        yield PassedOver(one_line(top.path), "no_marker")
    elif studies := _studies(folder, top, listed, own):
        yield from studies
    elif own and listed.links:  # They may stand for studies.
        yield from (linked(top.room, (top.name, name)) for name in listed.links)
    elif own:
        yield Candidate(top.room, (top.name,), own, ())
    else:
        yield PassedOver(one_line(top.path), "no_marker")


def _studies(
    folder: Path, top: Top, listed: Folder, patients: tuple[os.stat_result, ...]
) -> list[Candidate | PassedOver | Refused]:
    """What lies in a patient folder; nothing where no child makes it one."""
    found: list[Candidate | PassedOver | Refused] = []
    is_patient = False
    for name in listed.folders:
        names, path = (top.name, name), f"{top.path}/{name}"
        try:
            child = Folder.listed(folder / name)
            if child.is_delivery:  # The parent is a case without a marker, and this is no study.
                return []
            own = () if child.marker is None else (child.marker,)
            if own or (patients and child.is_case_shaped(folder / name)):
                found.append(Candidate(top.room, names, (*own, *patients), child.links))
                is_patient = True
            else:
                found.append(PassedOver(one_line(path), "no_marker"))
        except OSError as error:
            found.append(unreadable(path, key_or_none(*names), top.room, error))
            is_patient = True
    return [*found, *(linked(top.room, (top.name, name)) for name in listed.links)] if is_patient else []


def key_or_none(*names: str) -> str | None:
    """The key of a case, None where its names can be none."""
    try:
        return case_key(*names)
    except BeamFailure:
        return None


def linked(room: str | None, names: tuple[str, ...], link: str | None = None) -> Refused:
    """The refusal of a folder that is a link, or of a case with a link inside."""
    path = "/".join((room, *names) if room else names)
    what = f"{shown(link)} in the case {shown(path)}" if link else shown(path)
    failure = beam_failure(
        "symlinked_case", f"{what} is a link, which is never followed; copy what it points to, or remove it."
    )
    return Refused(one_line(path), key_or_none(*names), room, failure)


def unreadable(path: str, key: str | None, room: str | None, error: OSError) -> Refused:
    """What is said of a folder that cannot be read; it waits."""
    what = error.filename if isinstance(error.filename, str) else path
    failure = beam_failure(
        "unreadable_dir",
        f"{shown(what)} cannot be read ({error.strerror}); what lies there waits until it can: check"
        " permissions and the network share.",
    )
    return Refused(one_line(path), key, room, failure)
