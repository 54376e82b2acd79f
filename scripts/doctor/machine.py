"""This machine: Python and the locked packages, folders and the disks they lie on."""

import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from resources.ledger.file_systems import NETWORK_FILE_SYSTEMS, file_system_of
from scripts.doctor.findings import Finding, ok, problem, warning

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = "requirements/runtime.txt"

_TESTED: Final = (3, 11)
_PIN: Final = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
_SHOWN: Final = 3
_LITTLE_BYTES: Final = 2 * 1024**3
"""A day of dwh or a case of beams takes hundreds of megabytes on its way."""


def python_and_packages(root: Path = ROOT) -> Iterator[Finding]:
    """Whether Python and the packages are the ones that were tested together."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] == _TESTED:
        yield ok("Python", f"{found}, {sys.executable}")
    else:
        yield warning("Python", f"{found}, {sys.executable}; the tested one is 3.11", "use Python 3.11")
    try:
        pins = dict(_PIN.findall((root / LOCK).read_text("utf-8")))
    except OSError:
        remedy = "run the doctor of a checkout to compare them"
        yield warning("packages", f"there is no {LOCK} here, so versions cannot be compared", remedy)
        return
    yield _compared(pins)


def _compared(pins: Mapping[str, str]) -> Finding:
    differing = [
        f"{name} {installed or 'is missing'} instead of {locked}"
        for name, locked in pins.items()
        if (installed := _installed(name)) != locked
    ]
    if not differing:
        return ok("packages", f"{len(pins)} as locked in {LOCK}")
    shown = ", ".join(differing[:_SHOWN])
    more = f" and {len(differing) - _SHOWN} more" if len(differing) > _SHOWN else ""
    remedy = f"install the lock: make check, or pip install --require-hashes -r {LOCK}"
    return problem("packages", f"{shown}{more}", remedy)


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def folder(matter: str, path: Path, *, absent: Callable[[str, str], Finding] = ok) -> Iterator[Finding]:
    """Whether a folder is there, ours to write to, on a disk of this machine with room, and not everybody's.

    One that is not there yet is no problem where it can be made: `absent` is what it is then.
    """
    kind = file_system_of(path)
    if kind in NETWORK_FILE_SYSTEMS:
        remedy = "choose a folder on a disk of this machine"
        yield problem(
            matter, f"{path} is on a network file system ({kind}): SQLite cannot lock there", remedy
        )
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if refused := _refusal_to_write(nearest):
        remedy = "give this user the right to write there, or name another folder"
        yield problem(matter, f"{nearest} cannot be written to: {refused}", remedy)
        return
    if nearest != path:
        yield absent(matter, f"{path} is not there yet; what needs it first makes it")
        return
    if path.stat().st_mode & stat.S_IWOTH:
        yield warning(matter, f"everybody on this machine may change {path}", f"chmod o-w {path}")
    free = shutil.disk_usage(path).free
    room = f"{free / 1024**3:.1f} GiB free on {kind or 'its disk'}"
    if free < _LITTLE_BYTES:
        yield warning(matter, f"{path} has little room: {room}", "make room before large runs")
    else:
        yield ok(matter, f"{path}, writable, {room}")


def _refusal_to_write(place: Path) -> str | None:
    """Why nothing can be written in a folder; None where a file was, and is gone again."""
    try:
        with tempfile.TemporaryFile(dir=place, prefix=".quintet-doctor-") as probe:
            probe.write(b"?")
            probe.flush()
    except OSError as error:
        return error.strerror or str(error)
    return None
