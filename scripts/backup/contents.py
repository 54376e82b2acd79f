"""What of a home belongs into a backup, and in which order it is copied.

The order makes a copy that takes minutes read as if it were of one moment. What refers to something is copied
before what it refers to, which was there first:

1. cursors of sensors: older than the runs, they ask again, and the runs' keys answer
2. ledgers: older than the runs and the files, they try again what is done, which changes nothing
3. the event log, then the events of each run, then the list of runs: no event of a run that is not listed
4. other databases, then warehouses
5. files, among them the objects that events, ledgers and tables speak of. They are replaced as a whole or not
   at all, so each is one version. A manifest that came during the copy may speak of a file that came, too:
   so the home is listed again until nothing new is found.
"""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import Final

DAGSTER: Final = "dagster"
"""The folder of the instance in a backup, wherever it lay."""

_EXCLUDED: Final = frozenset({"work", "storage/.tmp", "storage/.locks", "storage/.etags"})
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_DUCKDB_MAGIC: Final = b"DUCK"
_DUCKDB_MAGIC_AT: Final = 8
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
WAREHOUSE_LOG: Final = ".wal"
"""What DuckDB appends to the name of a file for its write-ahead log."""


class Turn(IntEnum):
    """When a file is copied."""

    CURSORS = 1
    LEDGER = 2
    EVENT_INDEX = 3
    RUN_EVENTS = 4
    RUNS = 5
    DATABASE = 6
    WAREHOUSE = 7
    FILE = 8


@dataclass(frozen=True, slots=True)
class Source:
    """A file to copy."""

    path: str
    """In the backup, relative to the home."""
    file: Path
    turn: Turn


def sources(home: Path, dagster_home: Path) -> list[Source]:
    """Everything to copy, in that order; files that vanish meanwhile are left out.

    Args:
        home: Quintet's home.
        dagster_home: the folder of the instance; outside of the home it is taken as its `dagster`.
    """
    found = [Source(path, file, _turn(path, file)) for path, file in _files(home, dagster_home)]
    databases = {source.path for source in found if source.turn < Turn.WAREHOUSE}
    warehouses = {source.path for source in found if source.turn is Turn.WAREHOUSE}
    kept = (source for source in found if not _is_side_file(source.path, databases, warehouses))
    return sorted(kept, key=lambda source: (source.turn, source.path))


def folders(home: Path, dagster_home: Path) -> dict[str, int]:
    """The folders of a backup, each with its permission bits."""
    found = {}
    for path, _, folder in _walk(home, dagster_home):
        if path:
            found[path] = folder.stat().st_mode & 0o777
    return found


def links(home: Path, dagster_home: Path) -> list[str]:
    """What is a link: a backup has none, for nobody knows what lies behind it on another machine."""
    return [path for path, file in _entries(home, dagster_home) if file.is_symlink()]


def _turn(path: str, file: Path) -> Turn:
    kind = _kind(file)
    if kind == "duckdb":
        return Turn.WAREHOUSE
    if kind != "sqlite":
        return Turn.FILE
    folder, _, name = path.rpartition("/")
    if folder == "ledger":
        return Turn.LEDGER
    if path == f"{DAGSTER}/schedules/schedules.db":
        return Turn.CURSORS
    if folder == f"{DAGSTER}/history/runs":
        return Turn.EVENT_INDEX if name == "index.db" else Turn.RUN_EVENTS
    return Turn.RUNS if path == f"{DAGSTER}/history/runs.db" else Turn.DATABASE


def _kind(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_SQLITE_MAGIC))
    except OSError:
        return "file"  # What cannot be opened is told of when it is copied.
    if head == _SQLITE_MAGIC:
        return "sqlite"
    return "duckdb" if head[_DUCKDB_MAGIC_AT:].startswith(_DUCKDB_MAGIC) else "file"


def _is_side_file(path: str, databases: Collection[str], warehouses: Collection[str]) -> bool:
    """Whether a file is the log or the index of a database beside it, which is copied with that."""
    of_databases = any(path.endswith(end) and path.removesuffix(end) in databases for end in _SIDE_FILES)
    end = WAREHOUSE_LOG
    return of_databases or (path.endswith(end) and path.removesuffix(end) in warehouses)


def _files(home: Path, dagster_home: Path) -> Iterator[tuple[str, Path]]:
    for path, file in _entries(home, dagster_home):
        if file.is_file() and not file.is_symlink():
            yield path, file


def _entries(home: Path, dagster_home: Path) -> Iterator[tuple[str, Path]]:
    for path, names, folder in _walk(home, dagster_home):
        for name in names:
            yield str(PurePosixPath(path) / name), folder / name


def _walk(home: Path, dagster_home: Path) -> Iterator[tuple[str, list[str], Path]]:
    """Of each folder its path in the backup, the names of what is no folder in it, and itself."""
    instance, usual = dagster_home.resolve(), (home / DAGSTER).resolve()
    if instance == usual:
        yield from _walk_below(home, "", ())
    else:
        # A `dagster` in the home is not the instance in use then, and nothing is taken twice.
        yield from _walk_below(home, "", (instance, usual))
        yield from _walk_below(dagster_home, DAGSTER, ())


def _walk_below(root: Path, prefix: str, left_out: Collection[Path]) -> Iterator[tuple[str, list[str], Path]]:
    for current, below, names in os.walk(root):
        folder = Path(current)
        path = PurePosixPath(prefix) / folder.relative_to(root).as_posix()
        linked = [name for name in below if (folder / name).is_symlink()]
        below[:] = sorted(
            name
            for name in below
            if name not in linked
            and str(path / name) not in _EXCLUDED
            and (folder / name).resolve() not in left_out
        )
        yield "" if path == PurePosixPath() else str(path), sorted([*names, *linked]), folder
