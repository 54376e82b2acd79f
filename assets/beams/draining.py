"""The word by which the watcher tells the runs to come to an end: one small file with a deadline.

Runs are processes of a code server that knows no watcher, so they look at this file between two looks at
their engine. Until the deadline a running engine goes on and no other is launched; after it a remote job is
left to itself and a local engine is stopped.

A drain outlives its deadline by `STALE_AFTER` only: a watcher that was killed before it could take its word
back must not stop the engines of the next one.

Not here: stopping engines (the step of the dose), sensors and the queue (the watcher).
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from assets.beams.durable_files import write_whole
from assets.beams.timestamps import iso_utc

STOP_GRACE_S: Final = 2.0
"""How long a local engine may take to end after SIGTERM: the longest drain, 25 s, ends within 30 s so."""
STALE_AFTER: Final = timedelta(seconds=60)

_NAME: Final = "draining"


def request_drain(folder: Path, deadline: datetime) -> None:
    """Ask every run for its end by the deadline, a moment with a zone; a later call replaces it.

    Args:
        folder: where the beams of this machine work, `work/beams` of Quintet's home; made when absent.
        deadline: until when running engines may go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / _NAME, iso_utc(deadline).encode())


def drain_deadline(folder: Path, now: datetime) -> datetime | None:
    """The deadline of the drain that is asked for, in UTC; None where none is, or it is stale."""
    try:
        deadline = datetime.fromisoformat((folder / _NAME).read_text("ascii")).astimezone(UTC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # No watcher wrote this.
        return None
    return None if now > deadline + STALE_AFTER else deadline


def stop_requested(folder: Path, now: datetime) -> Literal["drain", "detach"] | None:
    """What a run has to do: launch no engine any more (`drain`), or let go of its engine now (`detach`)."""
    deadline = drain_deadline(folder, now)
    if deadline is None:
        return None
    return "drain" if now < deadline else "detach"


def clear(folder: Path) -> None:
    """Take the word back."""
    (folder / _NAME).unlink(missing_ok=True)
