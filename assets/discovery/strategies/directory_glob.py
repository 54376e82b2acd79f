"""`directory_glob`: the files of a folder."""

import errno
import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from hashlib import file_digest, sha256
from pathlib import Path
from typing import ClassVar, Final

from assets.discovery.contract import Ask, Candidate, Mark
from assets.discovery.keys import storable_key
from assets.discovery.strategies.base import BaseDiscovery
from assets.discovery.strategies.params import DirectoryGlobParams
from assets.failures import PermanentFailure

_LEADS_NOWHERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
"""What has gone meanwhile, and links to nothing or to themselves."""
_UNFINISHED: Final = (".tmp", ".part")


class DirectoryGlob(BaseDiscovery):
    """The files under a folder, known by their path in it; links are followed, but not in a circle.

    Names that begin with a dot or end with `.tmp` or `.part` are unfinished or private, and so is a file that
    changed less than `settle_s` ago. The listing is complete unless a folder could not be read, or a file
    that is known already is left out because it is just being written: neither is missing.
    """

    name: ClassVar[str] = "directory_glob"

    def fetch_items(self, ask: Ask) -> Iterator[Candidate | Mark]:
        """Yield the files, folder by folder, in the order of their names.

        Raises:
            PermanentFailure: the root is no folder that can be read.
        """
        params = DirectoryGlobParams.model_validate(ask.params)
        walk = _Walk(ask, params)
        for file in walk.files():
            if candidate := walk.candidate(file):
                yield candidate
        yield Mark(page=1, complete=walk.is_complete)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file: its path in the root as the disk writes it, and what the disk says of it."""

    path: str
    status: os.stat_result

    @property
    def key(self) -> str:
        """A path in NFC, for a disk may store names decomposed."""
        return unicodedata.normalize("NFC", self.path)


@dataclass(slots=True)
class _Walk:
    """One listing of a folder."""

    ask: Ask
    params: DirectoryGlobParams
    is_complete: bool = True
    _root: Path = field(init=False)

    def __post_init__(self) -> None:
        self._root = Path(self.params.root)
        if not self._root.is_dir():
            raise PermanentFailure(f"The root {self._root} is no folder; create it, or mount its disk.")

    def files(self) -> Iterator[_Found]:
        """The files that the patterns ask for."""
        status = self._root.stat()
        return self._within("", ((status.st_dev, status.st_ino),))

    def candidate(self, file: _Found) -> Candidate | None:
        """The file as a thing; none if it is not settled, has gone meanwhile, or cannot be named or read."""
        if not _is_utf8(file.path):
            self.ask.reject(repr(file.path), "its name is no UTF-8; rename it")
            return None
        if self._is_settling(file):
            self.is_complete &= not self.ask.is_known(storable_key(file.key)[0])
            return None
        path, status = self._root / file.path, file.status
        try:
            change = (
                _content_hash(path) if self.params.content_hash else f"{status.st_size}-{status.st_mtime_ns}"
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            self.is_complete = False
            self.ask.reject(file.path, f"it cannot be read ({error.strerror}); correct its permissions")
            return None
        data = {
            "path": file.path,
            "name": path.name,
            "bytes": status.st_size,
            "modified": datetime.fromtimestamp(status.st_mtime_ns // 1_000_000_000, UTC).isoformat(),
        }
        return Candidate(file.key, data, url=path.absolute().as_uri(), title=path.name, content_hash=change)

    def _within(self, folder: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[_Found]:
        for name in self._names(folder):
            if name.startswith(".") or name.lower().endswith(_UNFINISHED):
                continue
            path = f"{folder}{name}"
            if _matches_any(path, self.params.exclude):
                continue
            try:
                status = (self._root / path).stat()
            except OSError as error:
                if error.errno not in _LEADS_NOWHERE:
                    self._leave_out(path, error)
                continue
            identity = (status.st_dev, status.st_ino)
            if stat.S_ISDIR(status.st_mode):
                if identity not in ancestors:
                    yield from self._within(f"{path}/", (*ancestors, identity))
            elif stat.S_ISREG(status.st_mode) and _matches_any(path, self.params.patterns):
                yield _Found(path, status)

    def _names(self, folder: str) -> list[str]:
        try:
            with os.scandir(self._root / folder) as entries:
                return sorted(entry.name for entry in entries)
        except FileNotFoundError:
            return []  # It has gone meanwhile.
        except OSError as error:
            if not folder:
                raise PermanentFailure(
                    f"The root {self._root} cannot be read ({error.strerror}); correct its permissions."
                ) from None
            self.is_complete = False
            self.ask.warn(
                f"The folder {self._root / folder} cannot be read ({error.strerror}): nothing in it is found."
            )
            return []

    def _leave_out(self, path: str, error: OSError) -> None:
        self.is_complete = False
        self.ask.warn(
            f"{self._root / path} cannot be read ({error.strerror}), so nothing there is found; "
            "correct its permissions."
        )

    def _is_settling(self, file: _Found) -> bool:
        """Whether it changed just now. A time far in the future is a wrong clock, which never gets old."""
        age_ms = self.ask.clock() - file.status.st_mtime_ns // 1_000_000
        return abs(age_ms) < self.params.settle_s * 1000


def _matches_any(path: str, patterns: tuple[str, ...]) -> bool:
    parts = unicodedata.normalize("NFC", path).split("/")
    return any(_matches(parts, unicodedata.normalize("NFC", glob).split("/")) for glob in patterns)


def _matches(parts: list[str], globs: list[str]) -> bool:
    """Whether a path is what a pattern means, in which `**` is any number of folders."""
    if not globs:
        return not parts
    if globs[0] == "**":
        return any(_matches(parts[start:], globs[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], globs[0]) and _matches(parts[1:], globs[1:])


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _content_hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, sha256).hexdigest()
