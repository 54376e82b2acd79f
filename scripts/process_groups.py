"""A command and all the processes that come from it, ended together.

They are one group when the command was started with `start_new_session`. Not here: engines and jobs on
compute hosts, which outlive whoever started them (`resources.compute_host`).
"""

import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import Any, Final

GRACE_S: Final = 10.0
"""Within it Dagster ends the runs that are at work in a process that it was asked to end."""


def end_group(leader: "subprocess.Popen[Any]", grace_s: float = GRACE_S) -> None:
    """End what is left of a command's group: asked first if there is a grace, killed when that is over."""
    deadline = time.monotonic() + grace_s
    with suppress(ProcessLookupError):
        if grace_s > 0:
            os.killpg(leader.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            leader.poll()
            os.killpg(leader.pid, 0)
            time.sleep(0.05)
        os.killpg(leader.pid, signal.SIGKILL)
    leader.wait()
