"""The CPU engine's program and data: where they come from, and a copy that works.

The package has text files with CR LF, with which every proton starts outside of the geometry: the dose is 0,
the exit code too. Its program cannot be executed. So a copy is staged, once per content, with LF ends.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from resources.dose_engine.errors import EngineError

PROGRAM: Final = "MCsquare_linux"
MATERIALS: Final = "Materials"
HU_TO_DENSITY: Final = "Scanners/UCL_Toshiba/HU_Density_Conversion.txt"
HU_TO_MATERIAL: Final = "Scanners/UCL_Toshiba/HU_Material_Conversion.txt"
MACHINE: Final = "BDL/BDL_default_DN_RangeShifter.txt"

_DATA: Final = (MATERIALS, "BDL", "Scanners")
_IN_PACKAGE: Final = "opentps/core/processing/doseCalculation/protons/MCsquare"
_INSTALL: Final = "install requirements/engines.txt, or let BEAMS_MCSQUARE_HOME name a folder that has it"
_LONGEST_MATERIALS_PATH: Final = 170
"""The program keeps the path in a buffer that is too short for more, and dies of it (measured: 180)."""


def engine_home(named: str | None) -> Path:
    """The folder with the engine: the one that is named, else that of the installed package.

    Raises:
        EngineError: it has no engine, or there is no package.
    """
    home = Path(named) if named else _package_home()
    for part in (PROGRAM, MATERIALS, HU_TO_DENSITY, HU_TO_MATERIAL, MACHINE):
        if not (home / part).exists():
            raise EngineError(f"The folder of the CPU engine '{home}' has no '{part}'; {_INSTALL}.")
    return home


def engine_digest(home: Path) -> str:
    """The SHA-256, in hex, of the engine in a folder; a copy with other line ends has the same."""
    digest = sha256()
    for relative, content in _files(home):
        digest.update(f"{relative.as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def staged(home: Path, root: Path) -> Path:
    """A copy of the engine that works, below a folder; made once for each content, also by two at once.

    Raises:
        EngineError: the engine could not read its data there, since the path is too long.
    """
    digest = engine_digest(home)
    target = root / f"mcsquare-{digest[:16]}"
    if len(os.fspath(target / MATERIALS)) > _LONGEST_MATERIALS_PATH:
        raise EngineError(
            f"The path '{target / MATERIALS}' is too long: the CPU engine reads its data from one of at most"
            f" {_LONGEST_MATERIALS_PATH} characters; choose a shorter QUINTET_HOME."
        )
    if not _is_whole(target, digest):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=root) as draft:
            _write(home, Path(draft) / "new")
            _put_in_place(Path(draft), target, digest)
    return target


def _put_in_place(draft: Path, target: Path, digest: str) -> None:
    """Rename a complete copy to its name; one that another process put there in the meantime is as good."""
    if target.exists() and not _is_whole(target, digest):
        with suppress(FileNotFoundError):
            target.rename(draft / "broken")
    try:
        (draft / "new").rename(target)
    except OSError:
        if not _is_whole(target, digest):
            raise


def _is_whole(target: Path, digest: str) -> bool:
    return os.access(target / PROGRAM, os.X_OK) and engine_digest(target) == digest


def _write(home: Path, target: Path) -> None:
    for relative, content in _files(home):
        path = target / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (target / PROGRAM).chmod(0o755)


def _files(home: Path) -> Iterator[tuple[Path, bytes]]:
    """The files of the engine by their relative path, in its order, as the engine has to read them."""
    yield Path(PROGRAM), (home / PROGRAM).read_bytes()
    for folder in _DATA:
        for path in sorted((home / folder).rglob("*")):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path.relative_to(home), path.read_bytes().replace(b"\r\n", b"\n")


def _package_home() -> Path:
    try:
        located = distribution("opentps-core").locate_file(_IN_PACKAGE)
    except PackageNotFoundError:
        raise EngineError(f"The CPU engine is not installed; {_INSTALL}.") from None
    return Path(str(located))
