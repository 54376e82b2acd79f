"""What the doctor is told by its caller: files, environment, processes, and what Dagster knows."""

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assets.discovery.ledger import owners


def free_bytes(folder: Path) -> int:
    """How many bytes are free where `folder` lies; it, or its parents, may still be missing."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def _on_this_machine(_folder: Path) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world around a ledger. What is left out is not examined."""

    ledger: Path | None = None
    """The file of the ledger."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment variables; values that the jobs refer to as `env:NAME` must not be in the ledger."""
    free_bytes: Callable[[Path], int] = free_bytes
    network_file_system: Callable[[Path], str | None] = _on_this_machine
    """The kind of network file system that a folder lies on, `None` for a local disk."""
    is_dead: Callable[[str], bool] = owners.is_dead
    """Whether the owner of a lease is a process of this host that no longer exists."""
    ended_runs: Collection[str] = ()
    """Which of the runs that hold leases (`ledger.reaping.holders`) have ended, as Dagster knows them."""
    is_stored: Callable[[str], bool] | None = None
    """Whether the file of a big payload exists, by the `blob_path` of its result."""
    mirrored: Callable[[str], Collection[str]] | None = None
    """The partitions of a job's items that Dagster has recorded as materialised, by the name of the job."""
