"""Who holds a lease, so that another process of the same host can tell that it is gone.

An owner is `host:pid:process_start:run_id`: a pid alone would be taken for alive when another process has got
it. Start times are the kernel's ticks since boot, of `/proc`; where that is missing they are 0 and only
processes without a living pid count as gone.
"""

import os
import socket
from pathlib import Path
from typing import NamedTuple

_PROC = Path("/proc")


class Owner(NamedTuple):
    """One worker process of one run."""

    host: str
    pid: int
    process_start: int
    run_id: str

    @classmethod
    def of_this_process(cls, run_id: str) -> "Owner":
        """This process as an owner."""
        pid = os.getpid()
        return cls(socket.gethostname().replace(":", "-"), pid, process_start(pid) or 0, run_id)

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """Read what `str` writes. Raises `ValueError` for anything else."""
        host, pid, start, run_id = text.split(":", 3)
        return cls(host, int(pid), int(start), run_id)

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.process_start}:{self.run_id}"


def is_dead(text: str, host: str | None = None) -> bool:
    """Whether an owner was a process of this host that no longer exists; of other hosts nothing is known."""
    try:
        owner = Owner.parse(text)
    except ValueError:
        return False
    if owner.host != (host or socket.gethostname().replace(":", "-")):
        return False
    if owner.process_start and _PROC.joinpath("self").exists():
        return process_start(owner.pid) != owner.process_start
    return not _lives(owner.pid)


def process_start(pid: int) -> int | None:
    """When a process started, in ticks since boot; `None` if there is none (or no `/proc`)."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # The name, in parentheses, may hold spaces and parentheses.
    return None if fields[0] == "Z" else int(fields[19])  # A zombie does no more work.


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
