"""The package that platforms run the jobs of dwh from: one zip of our code, and the entries beside it.

    dist/quintet-dwh-<version>.zip            for --py-files, --extra-py-files or PYTHONPATH
    dist/<platform>/generic_entry.py          the script to start

The same code gives the same bytes. The zip holds everything that `definitions` imports, since a job that no
step waits for is a run of Dagster there too. Not here: the libraries of `requirements/runtime.txt`, which the
platform installs.
"""

import argparse
import shutil
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, get_args
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from assets.dwh.arguments import Platform

ROOT: Final = Path(__file__).resolve().parents[1]

_PACKAGES: Final = ("assets", "jobs", "resources", "scripts", "sensors")
# Inputs, timings and demonstrations of a developer.
_LEFT_OUT: Final = ("scripts/sample_data/", "scripts/benchmarks/", "scripts/demos/")
_ALSO: Final = ("definitions.py", "deploy/dagster.yaml")
_KINDS: Final = (".py", ".sql")
# Times and permissions of files say nothing of their content.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_READABLE: Final = 0o644 << 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the package, print the path of the zip, and return 0."""
    parser = argparse.ArgumentParser(
        prog="dwh_package", description="Build the package of the jobs of dwh.", allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist/")
    print(build(parser.parse_args(arguments).out))
    return 0


def build(folder: Path) -> Path:
    """Build the package in a folder, over one that is there, and return the path of its zip.

    Raises:
        OSError: a file could not be read or written.
    """
    for platform in get_args(Platform):
        script = Path(platform, "generic_entry.py")
        (folder / platform).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "scripts" / script, folder / script)
    package = folder / f"quintet-dwh-{_version()}.zip"
    unfinished = package.with_suffix(".part")
    with ZipFile(unfinished, "w", ZIP_DEFLATED) as archive:
        for name in sorted(_names()):
            entry = ZipInfo(name, _TIME)
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = _READABLE
            archive.writestr(entry, (ROOT / name).read_bytes())
    unfinished.replace(package)
    return package


def _names() -> Iterator[str]:
    """The files of the package, relative to the root."""
    yield from _ALSO
    for package in _PACKAGES:
        for path in (ROOT / package).rglob("*"):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in _KINDS and not name.startswith(_LEFT_OUT):
                yield name


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["project"]["version"]


if __name__ == "__main__":
    sys.exit(main())
