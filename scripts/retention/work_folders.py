"""What killed runs left in Quintet's work folder, `$QUINTET_HOME/work`.

    spark-<random>/               files of a Spark engine of this machine; a run that ends removes them
    beams/<case>/<beam>/<job>/    an engine's job on this machine; removed once its result is in place

A folder goes only when nothing in it was written for long and no run that may own it is left: for a job that
is the run that its record names, for files of Spark, which name none, every run that had begun by then.

Not here: the staged engine (`mcsquare/`), which is of no run and is used again; locks and marks, which are
empty files; work folders of other machines, which belong to them.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_JOB_RECORD: Final = "launch.json"


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder that may go."""

    path: Path
    size: int
    """Bytes."""


def leftovers(
    work: Path, live_runs: Mapping[str, float], before: float, engine_runs: Callable[[Path], bool]
) -> Iterator[Leftover]:
    """The folders that may go.

    Args:
        work: the work folder; it need not exist.
        live_runs: runs that have not ended, with when they were made, in seconds since the epoch.
        before: a folder that was written to at this instant or later stays.
        engine_runs: whether the engine of a job folder is at work.
    """
    oldest_run = min(live_runs.values(), default=float("inf"))
    for folder in sorted(work.glob("spark-*")):
        if folder.is_dir() and not folder.is_symlink():
            newest, size = _newest_and_size(folder)
            if newest < min(before, oldest_run):
                yield Leftover(folder, size)
    for record in sorted(work.glob(f"beams/*/*/*/{_JOB_RECORD}")):
        folder = record.parent
        newest, size = _newest_and_size(folder)
        owner = _owner(record)
        if newest < before and owner is not None and owner not in live_runs and not engine_runs(folder):
            yield Leftover(folder, size)


def remove(leftover: Leftover) -> None:
    """Remove a folder."""
    shutil.rmtree(leftover.path)


def _owner(record: Path) -> str | None:
    """The run that a job belongs to; None where its record cannot be read, so that nothing is known of it."""
    try:
        owner = json.loads(record.read_bytes())["run_id"]
    except (ValueError, LookupError, TypeError, OSError):
        return None
    return owner if isinstance(owner, str) else None


def _newest_and_size(folder: Path) -> tuple[float, int]:
    statuses = [folder.stat(), *(path.lstat() for path in folder.rglob("*"))]
    return max(status.st_mtime for status in statuses), sum(status.st_size for status in statuses)
