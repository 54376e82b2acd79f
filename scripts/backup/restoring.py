"""From a backup to a home, and whether it could be."""

import os
from pathlib import Path
from typing import BinaryIO

from assets.failures import PermanentFailure
from scripts.backup import containers
from scripts.backup.containers import Digest
from scripts.backup.manifest import Manifest, StoredFile, UnusableBackup, is_inside
from scripts.backup.unfinished import AlreadyThere, publish, unfinished


def verify(source: Path) -> Manifest:
    """Read a whole backup and hold every file against the manifest, which is returned.

    Raises:
        UnusableBackup: it is damaged; the sentence names the file.
    """
    found: dict[str, tuple[int, str]] = {}

    def take(path: str, file: BinaryIO, _: int) -> None:
        digest = Digest(file)
        digest.exhaust()
        found[path] = digest.size, digest.sha256

    manifest = containers.read(source, take)
    _compare(source, manifest, found)
    return manifest


def restore(source: Path, target: Path) -> Manifest:
    """Make a home from a backup; it has its name when every file in it was held against the manifest.

    Raises:
        UnusableBackup: the backup is damaged; the sentence names the file.
        PermanentFailure: there is something at the target.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise AlreadyThere(f"{target} is not empty; a backup is restored into a new or an empty folder only.")
    if target.resolve().is_relative_to(source.resolve()):
        raise PermanentFailure(f"{target} lies in the backup {source}; choose a place outside.")
    with unfinished(target) as folder:
        content = folder / "home"
        content.mkdir(mode=0o700)
        found: dict[str, tuple[int, str]] = {}

        def take(path: str, file: BinaryIO, size: int) -> None:
            if not is_inside(path):
                raise UnusableBackup(f"{source} has a file {path!r}, which would lie outside of the home.")
            written = containers.write_file(content / path, file, size, 0o600, 0.0)
            found[path] = written.size, written.sha256

        manifest = containers.read(source, take)
        _compare(source, manifest, found)
        _set_properties(content, manifest)
        publish(content, target)
    return manifest


def _compare(source: Path, manifest: Manifest, found: dict[str, tuple[int, str]]) -> None:
    by_path = {file.path: file for file in manifest.files}
    _refuse_first(source, sorted(by_path.keys() - found.keys()), "is not there")
    _refuse_first(source, sorted(found.keys() - by_path.keys()), "is not in the manifest")
    damaged = [path for path, state in found.items() if state != _state(by_path[path])]
    _refuse_first(source, sorted(damaged), "is not what was backed up: its SHA-256 is another")


def _state(file: StoredFile) -> tuple[int, str]:
    return file.size, file.sha256


def _refuse_first(source: Path, paths: list[str], what: str) -> None:
    if paths:
        others = f", nor are {len(paths) - 1} more files right" if len(paths) > 1 else ""
        raise UnusableBackup(
            f"{source} is damaged: {paths[0]} {what}{others}. Nothing of it is used; take another backup."
        )


def _set_properties(content: Path, manifest: Manifest) -> None:
    """Give files and folders the permissions and times that they had; folders last, deepest first."""
    for file in manifest.files:
        path = content / file.path
        path.chmod(file.mode)
        os.utime(path, (file.modified, file.modified))
    for folder in sorted(manifest.folders, reverse=True):
        path = content / folder
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(manifest.folders[folder])
    os.sync()
