#!/usr/bin/env python3
"""Watch for cases and work on them without a web UI: the predecessor's process, over Dagster's daemon.

It turns the two sensors of beams on in the Dagster instance of this home, where they stay on, and runs the
daemon with them. A run that is at work when the watcher is killed goes on, and the next watcher finds it.

Exit 0 after SIGTERM or SIGINT, within 30 s; 1 when the loop cannot be started or ended by itself; 2 for wrong
usage, a wrong setting, or when another copy works on this home.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import Final

from assets.beams import draining
from assets.failures import PermanentFailure
from resources.compute_host import ComputeHost
from scripts.beams.desk import Desk
from scripts.beams.drain import drain, work_folder
from scripts.beams.sensor_loop import Daemon, LoopFailed, turn_on_sensors
from scripts.dagster_home import ROOT
from scripts.single_copy import only_copy

_PID_FILE: Final = "watcher.pid"
_LOOK_EVERY_S: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Watch until a signal comes, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="beam_watcher.py",
        description="Watch for cases and work on them, until SIGTERM or Ctrl-C. Research use only.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "-w",
        "--workspace",
        type=Path,
        default=ROOT / "workspace.yaml",
        metavar="FILE",
        help="where Dagster finds the sensors (default: that of the repository)",
    )
    workspace: Path = parser.parse_args(arguments).workspace.absolute()
    desk = Desk()
    for sentence in desk.unknown_variables:
        _say(sentence)
    try:
        scan_root, host = desk.settings.scan_root, desk.compute_host
        with only_copy(work_folder(desk.home) / _PID_FILE, "beam_watcher"):
            _say(f"Process {os.getpid()} watches {scan_root}; research use only.")
            return _watch(desk, host, workspace)
    except PermanentFailure as failure:
        _say(str(failure))
        return 2


def _watch(desk: Desk, host: ComputeHost, workspace: Path) -> int:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    draining.clear(work_folder(desk.home))  # Of a watcher that was killed in its drain.
    with desk.instance() as instance:
        environ = dict(os.environ)  # With the DAGSTER_HOME of the instance.
        try:
            turn_on_sensors(workspace, environ, stop)
        except LoopFailed as failure:
            _say(str(failure))
            return 1
        if stop.is_set():
            return 0
        daemon = Daemon(workspace, environ)
        while daemon.exit_code is None and not stop.wait(_LOOK_EVERY_S):
            pass
        if stop.is_set():
            _say(f"Stopping; running engines get {desk.settings.drain_seconds:g} s.")
        else:
            _say(f"Dagster's daemon ended by itself, with {daemon.exit_code}; see its last lines.")
        drain(desk, instance, host, daemon, _say)
    return 0 if stop.is_set() else 1


def _say(sentence: str) -> None:
    print(f"beam_watcher: {sentence}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
