"""What lies beside an engine's job on its host, so that a later run knows whose it is and what it computes.

    <workdir>/<case>/<beam folder>/<job>/launch.json    a `JobRecord`, before the engine starts
                                        /judged         its result was looked at, or it was stopped: not again

A job that is not judged and computes the same is gone on with, by whichever run comes to the beam next.

Not here: the engine's own files in that folder (`resources.dose_engine`).
"""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

from resources.compute_host import HostSession

RECORD: Final = "launch.json"
_JUDGED: Final = "judged"
_LONGEST: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """A job, as the run that started it, or took it over, wrote it down."""

    run_id: str
    attempt: int
    """Of the run that started it."""
    lease_tokens: dict[str, int]
    """By GPU; empty for an engine that needs none."""
    launched_at: float
    """Unix seconds by the worker's clock, by which its time runs out."""
    computes: str
    """The digest of all that decides its result."""
    command_digest: str
    input_digests: dict[str, str]
    """SHA-256 of each input, by its name."""


def digest_of(**deciding: Any) -> str:
    """The SHA-256, in hex, of values that JSON can hold: equal values, equal digest."""
    return sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def write(session: HostSession, record: JobRecord, folder: PurePosixPath, draft: Path) -> None:
    """Put a record into the folder of its job; `draft` is a file of this machine that may be overwritten."""
    draft.write_text(json.dumps(asdict(record)), "utf-8")
    session.put(draft, folder / RECORD)


def read(session: HostSession, folder: PurePosixPath) -> JobRecord | None:
    """The record in the folder of a job; None where there is none that can be read, so no job either."""
    content = session.read(folder / RECORD, 0, _LONGEST)
    try:
        return JobRecord(**json.loads(content))
    except (ValueError, TypeError):  # Absent, or of another version: nothing can be said of that job.
        return None


def mark_judged(session: HostSession, folder: PurePosixPath, draft: Path) -> None:
    """Say that nobody is to go on with a job any more."""
    draft.write_text("judged\n", "utf-8")
    session.put(draft, folder / _JUDGED)


def is_judged(session: HostSession, folder: PurePosixPath) -> bool:
    """Whether `mark_judged` was there."""
    return any(file.name == _JUDGED for file in session.list_files(folder))
