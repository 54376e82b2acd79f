"""Files to and from a compute host: whole and proved, or not there at all.

A file is written as `<name>.part`, its size and SHA-256 are compared with the other side's, and only then it
gets its name. What a broken transfer left is overwritten by the next. A file that is there already with the
right digest is not sent again. The digest on the host is that of its own `sha256sum`.
"""

import hashlib
import os
import re
import stat
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Final

from resources.compute_host.connection import Connection
from resources.compute_host.errors import HostError

_SHA256_LINE: Final = re.compile(rb"(?:.*\n)*\\?([0-9a-f]{64}) ")
"""The last line; `sha256sum` begins the line with a backslash when it had to escape the name."""

_HASHED_PER_SECOND: Final = 20e6
"""What the slowest disk of a host reads; the digest of a large file may take longer than other commands."""


def send(connection: Connection, source: Path, target: PurePosixPath, command_s: float) -> None:
    """Copy a file of this machine to the host, and make its folders; a command there may take `command_s`.

    Raises:
        FileNotFoundError: the source is no regular file.
        HostError: `checksum_mismatch` also when the source changes meanwhile.
    """
    with _regular_file(source) as content:
        size, digest = os.fstat(content.fileno()).st_size, hashlib.file_digest(content, "sha256").hexdigest()
        if _is_there(connection, target, size, digest, command_s):
            return
        if connection.look(target.parent) is None:
            connection.make_folders(target.parent, command_s)
        content.seek(0)
        part = target.with_name(target.name + ".part")
        connection.write_new(part, content)
    if not _is_there(connection, part, size, digest, command_s):
        raise _mismatch(f"{target.name!r} did not arrive on {connection.name} as it was sent")
    connection.replace(part, target)


def fetch(connection: Connection, source: PurePosixPath, target: Path, command_s: float) -> None:
    """Copy a file of the host to this machine, and make its folders; a command there may take `command_s`.

    Raises:
        FileNotFoundError: the source is no regular file.
        HostError: `checksum_mismatch` also when the source changes meanwhile.
    """
    found = connection.look(source)
    if found is None or found.is_folder:
        raise FileNotFoundError(
            f"There is no file {str(source)!r} on {connection.name}; a link counts as none."
        )
    digest = _digest_there(connection, source, found.size, command_s)
    if _is_here(target, found.size, digest):
        return
    part = target.with_name(target.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)
    with part.open("xb") as file:
        for piece in connection.read(source, 0, found.size):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    if not _is_here(part, found.size, digest):
        raise _mismatch(f"{source.name!r} did not arrive from {connection.name} as it was sent")
    part.replace(target)


def _regular_file(path: Path) -> BufferedReader:
    """Open a file, but neither a link nor what blocks or never ends."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise FileNotFoundError(f"{str(path)!r} is no regular file; links and folders are not copied.")
    return path.open("rb")


def _is_there(connection: Connection, path: PurePosixPath, size: int, digest: str, command_s: float) -> bool:
    found = connection.look(path)
    return (
        found is not None
        and not found.is_folder
        and found.size == size
        and _digest_there(connection, path, size, command_s) == digest
    )


def _digest_there(connection: Connection, path: PurePosixPath, size: int, command_s: float) -> str:
    line, limit = ("sha256sum", "--", str(path)), command_s + size / _HASHED_PER_SECOND
    found = _SHA256_LINE.match(connection.ask(f"read {str(path)!r}", line, limit))
    if not found:
        raise HostError(
            "ssh_connect", f"{connection.name} has no sha256sum that says a SHA-256; install coreutils."
        )
    return found[1].decode()


def _is_here(path: Path, size: int, digest: str) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == digest


def _mismatch(what: str) -> HostError:
    return HostError("checksum_mismatch", f"{what}: size or SHA-256 differ. It is sent anew at the next try.")
