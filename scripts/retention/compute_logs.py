"""What steps and ticks printed, as the instance keeps it on this machine: `$DAGSTER_HOME/storage` unless set.

    <run id>/compute_logs/                    of a run: its steps, and the process around them
    <repository>/<sensor or schedule>/<n>.*   of a tick that logged something; Dagster never removes these

Other things lie there too, such as what an I/O manager wrote: only these two shapes are touched.
"""

import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager

_RUN_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_RUN_LOGS: Final = "compute_logs"
_TICK_LOG: Final = re.compile(r"[0-9]+\.(out|err|complete)")
_REPOSITORY: Final = re.compile(r"__repository__.*")


@dataclass(frozen=True, slots=True)
class OldLogs:
    """Logs that may go: a folder of a run, or a file of a tick."""

    path: Path
    size: int
    """Bytes."""


def log_folder(instance: dg.DagsterInstance) -> Path | None:
    """Where logs lie; None where they go to another system, which has rules of its own."""
    logs = instance.compute_log_manager
    if not isinstance(logs, LocalComputeLogManager):
        return None
    return Path(logs.get_captured_local_path(["any"], "out")).parent


def listed(folder: Path) -> list[Path]:
    """What lies in the folder of `log_folder`, in order.

    To be taken before the runs are listed: a run is there before its logs, so the logs of a run that is
    launched meanwhile are not taken for those of one that is gone.
    """
    return sorted(folder.iterdir()) if folder.is_dir() else []


def old_logs(
    entries: Iterable[Path], live_runs: Collection[str], known_runs: Collection[str], before: float
) -> Iterator[OldLogs]:
    """The logs that may go.

    Args:
        entries: those of `listed`.
        live_runs: runs that have not ended; theirs stay.
        known_runs: all runs that stay in the instance. Logs of others go, whatever their age.
        before: logs of runs and ticks that were last written to at this instant, in seconds since the epoch,
            or later stay.
    """
    for entry in entries:
        if _RUN_ID.fullmatch(entry.name):
            logs = entry / _RUN_LOGS
            if entry.name not in live_runs and logs.is_dir():
                newest, size = _newest_and_size(logs)
                if newest < before or entry.name not in known_runs:
                    yield OldLogs(logs, size)
        elif _REPOSITORY.fullmatch(entry.name):
            yield from _old_tick_logs(entry, before)


def remove(logs: OldLogs) -> None:
    """Remove logs, and the folder that they leave empty."""
    if logs.path.is_dir():
        shutil.rmtree(logs.path)
    else:
        logs.path.unlink(missing_ok=True)
    with suppress(OSError):  # Something else lies there.
        logs.path.parent.rmdir()


def _old_tick_logs(repository: Path, before: float) -> Iterator[OldLogs]:
    for path in sorted(repository.glob("*/*")):
        if _TICK_LOG.fullmatch(path.name) and path.is_file():
            status = path.stat()
            if status.st_mtime < before:
                yield OldLogs(path, status.st_size)


def _newest_and_size(folder: Path) -> tuple[float, int]:
    """When something in a folder was last written, and its bytes; an empty one counts by itself."""
    statuses = [path.stat() for path in folder.rglob("*") if path.is_file()]
    newest = max((status.st_mtime for status in statuses), default=folder.stat().st_mtime)
    return newest, sum(status.st_size for status in statuses)
