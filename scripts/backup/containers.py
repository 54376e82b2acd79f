"""The two forms of a backup: a `.tar.zst` file, and a folder. Both have the manifest beside `home`.

In a file the manifest comes last, so it is written in one go and read in one go.
"""

import hashlib
import io
import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from scripts.backup.manifest import CONTENT, NAME, Manifest, StoredFile, UnusableBackup

ARCHIVE_SUFFIX: Final = ".tar.zst"
_BLOCK: Final = 1 << 20
_LEVEL: Final = 3
_PRIVATE: Final = 0o700


class Digest:
    """A file that is read through, and what was read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        block = self._file.read(size)
        self._hash.update(block)
        self.size += len(block)
        return block

    def exhaust(self) -> None:
        """Read what is left."""
        while self.read(_BLOCK):
            pass

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._hash.hexdigest()


class Writer(ABC):
    """Takes the files of a backup, and its manifest in the end."""

    @abstractmethod
    def add(self, path: str, file: BinaryIO, status: os.stat_result) -> StoredFile:
        """Take a file as long as it is now; what is written to its end from now on is not in the backup."""

    @abstractmethod
    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, and have everything on the disk."""


@contextmanager
def writer(target: Path) -> Iterator[Writer]:
    """Write a backup at a path: a file if that ends in `.tar.zst`, else a folder."""
    if not target.name.endswith(ARCHIVE_SUFFIX):
        for folder in (target, target / CONTENT):
            folder.mkdir(mode=_PRIVATE)
        yield _FolderWriter(target)
        return
    compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with (
        os.fdopen(descriptor, "wb") as file,
        compressor.stream_writer(file, closefd=False) as compressed,
        tarfile.open(fileobj=compressed, mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        yield _ArchiveWriter(archive)
    _sync(target)


class _ArchiveWriter(Writer):
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive

    def add(self, path: str, file: BinaryIO, status: os.stat_result) -> StoredFile:
        entry = tarfile.TarInfo(f"{CONTENT}/{path}")
        entry.size, entry.mtime, entry.mode = status.st_size, status.st_mtime, status.st_mode & 0o777
        digest = Digest(file)
        self._archive.addfile(entry, digest)  # pyright: ignore[reportArgumentType]  # It only reads.
        return StoredFile(path, digest.size, digest.sha256, entry.mode, status.st_mtime)

    def finish(self, manifest: Manifest) -> None:
        content = manifest.content()
        entry = tarfile.TarInfo(NAME)
        entry.size, entry.mode = len(content), 0o600
        self._archive.addfile(entry, io.BytesIO(content))


class _FolderWriter(Writer):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, path: str, file: BinaryIO, status: os.stat_result) -> StoredFile:
        target = self._folder / CONTENT / path
        written = write_file(target, file, status.st_size, status.st_mode, status.st_mtime)
        return replace(written, path=path)

    def finish(self, manifest: Manifest) -> None:
        (self._folder / NAME).write_bytes(manifest.content())
        os.sync()


def write_file(target: Path, file: BinaryIO, size: int, mode: int, modified: float) -> StoredFile:
    """Write as many bytes of a file to a new one, and say what it was; its path is the name alone."""
    target.parent.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    digest = Digest(file)
    with target.open("xb") as copy:
        left = size
        while left and (block := digest.read(min(left, _BLOCK))):
            copy.write(block)
            left -= len(block)
    target.chmod(mode & 0o777)
    os.utime(target, (modified, modified))
    return StoredFile(target.name, digest.size, digest.sha256, mode & 0o777, modified)


def read(source: Path, take: Callable[[str, BinaryIO, int], None]) -> Manifest:
    """Read a backup from its first file to its last, and return its manifest.

    Args:
        source: the backup.
        take: called with each file: its path in the home, its content, its size. It need not read all of it.

    Raises:
        UnusableBackup: it is none, or it is damaged; the sentence names the file at which that shows.
    """
    if source.is_dir():
        return _read_folder(source, take)
    if source.is_file():
        return _read_archive(source, take)
    raise UnusableBackup(f"There is no backup at {source}.")


def _read_folder(source: Path, take: Callable[[str, BinaryIO, int], None]) -> Manifest:
    try:
        manifest = Manifest.read(str(source), (source / NAME).read_bytes())
    except FileNotFoundError:
        raise UnusableBackup(f"{source} is no backup: it has no {NAME}.") from None
    content = source / CONTENT
    for path in sorted(content.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                take(path.relative_to(content).as_posix(), file, path.stat().st_size)
    return manifest


def _read_archive(source: Path, take: Callable[[str, BinaryIO, int], None]) -> Manifest:
    at = "its beginning"
    try:
        with (
            source.open("rb") as file,
            zstandard.ZstdDecompressor().stream_reader(file) as plain,
            tarfile.open(fileobj=plain, mode="r|") as archive,
        ):
            for entry in archive:
                at = entry.name
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise UnusableBackup(f"{source} has {entry.name!r}, which is no plain file.")
                if entry.name == NAME:
                    manifest = Manifest.read(str(source), content.read())
                    # To the end, where the checksum of the whole is.
                    while plain.read(_BLOCK):
                        pass
                    return manifest
                take(entry.name.removeprefix(f"{CONTENT}/"), content, entry.size)  # pyright: ignore[reportArgumentType]
    except (tarfile.TarError, zstandard.ZstdError, EOFError) as error:
        raise UnusableBackup(f"{source} is damaged at {at}: {error}; take another backup.") from None
    raise UnusableBackup(f"{source} ends at {at} without a {NAME}: it is cut; take another backup.")


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
