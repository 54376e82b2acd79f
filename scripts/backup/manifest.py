"""What is in a backup: every file with its size and SHA-256, and where it came from."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from assets.failures import PermanentFailure

FORMAT: Final = 1
NAME: Final = "MANIFEST.json"
CONTENT: Final = "home"
"""The folder of a backup in which the files lie."""


class UnusableBackup(PermanentFailure):
    """A backup is damaged, incomplete or none at all."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the home."""

    path: str
    """Relative to the home, with `/`."""
    size: int
    sha256: str
    mode: int
    """Its permission bits."""
    modified: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Of a whole backup."""

    created_at: str
    """ISO 8601, UTC: when the first file was copied."""
    quintet_home: str
    """Where it was taken. Records of runs may name this folder in their metadata."""
    files: tuple[StoredFile, ...]
    folders: Mapping[str, int]
    """Of every folder its permission bits."""
    notes: tuple[str, ...] = ()
    """What is not in the backup."""

    def content(self) -> bytes:
        """As it is stored."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode()

    @classmethod
    def read(cls, where: str, content: bytes) -> "Manifest":
        """Read what `content` wrote.

        Raises:
            UnusableBackup: it is none, is of a newer version, or a path leads out of the home.
        """
        try:
            document: dict[str, Any] = json.loads(content)
            if document.pop("format") != FORMAT:
                raise ValueError(f"only format {FORMAT} is known")
            files = tuple(StoredFile(**entry) for entry in document.pop("files"))
            manifest = cls(
                files=files,
                notes=tuple(document.pop("notes")),
                folders=dict(document.pop("folders")),
                **document,
            )
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UnusableBackup(f"{NAME} of {where} cannot be read: {error}; take another backup.") from None
        for path in (*(file.path for file in files), *manifest.folders):
            if not is_inside(path):
                raise UnusableBackup(f"{where} names a file {path!r}, which would lie outside of the home.")
        return manifest


def is_inside(path: str) -> bool:
    """Whether a relative path stays in the folder that it begins in."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and "\0" not in path
