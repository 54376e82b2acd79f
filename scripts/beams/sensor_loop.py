"""The processes of the watcher: Dagster's daemon, which evaluates sensors and launches runs.

The daemon is in a session of its own, so that Ctrl-C in a terminal reaches the watcher alone. Its code server
outlives it for as long as runs are at work in it, which is what a drain relies on.

Not here: what becomes of runs and beams when the loop ends (`drain`).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Event
from typing import Final

from assets.failures import QuintetFailure
from scripts.process_groups import end_group

SENSORS: Final = ("beam_case_sensor", "beam_orphan_sensor")

_TURN_ON_TIMEOUT_S: Final = 300
_GROUP_GRACE_S: Final = 1.0
_PR_SET_PDEATHSIG: Final = 1
_C_LIBRARY: Final = ctypes.CDLL(None)
_ANSWER: Final = "{ __typename ... on SensorNotFoundError { message } ... on PythonError { message } }"


class LoopFailed(QuintetFailure):
    """The sensors cannot be evaluated; what Dagster said of it has been printed."""


def turn_on_sensors(workspace: Path, environ: Mapping[str, str], stop: Event) -> None:
    """Turn the sensors of beams on in the instance of `DAGSTER_HOME`; no other sensor changes.

    Returns at once when `stop` is set.

    Raises:
        LoopFailed: the location does not load, or has no such sensor.
    """
    query = f"mutation {{ {' '.join(map(_start_of, SENSORS))} }}"
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as answer:
        command = [_beside_python("dagster-graphql"), "-w", str(workspace), "-t", query, "-o", answer.name]
        asking = subprocess.Popen(command, env=environ, stdout=sys.stderr, start_new_session=True)
        deadline = time.monotonic() + _TURN_ON_TIMEOUT_S
        while asking.poll() is None and time.monotonic() < deadline and not stop.wait(0.1):
            pass
        end_group(asking, 0)
        if stop.is_set():
            return
        text = answer.read()
    if asking.returncode != 0 or not text:
        raise LoopFailed(f"No sensor can be turned on: {workspace} does not load; mend what stands above.")
    told = json.loads(text)
    refused = [
        f"{name}: {answer.get('message', answer['__typename'])}"
        for name, answer in (told.get("data") or {}).items()
        if answer["__typename"] != "Sensor"
    ]
    if refused or told.get("errors"):
        reasons = "; ".join(refused) or json.dumps(told["errors"])
        raise LoopFailed(f"No sensor can be turned on with {workspace}: {reasons}")


def _start_of(name: str) -> str:
    selector = f'repositoryLocationName: "quintet", repositoryName: "__repository__", sensorName: "{name}"'
    return f"{name}: startSensor(sensorSelector: {{{selector}}}) {_ANSWER}"


class Daemon:
    """Dagster's daemon, with the processes that come from it."""

    def __init__(self, workspace: Path, environ: Mapping[str, str]) -> None:
        watcher = os.getpid()
        self._process = subprocess.Popen(
            [_beside_python("dagster-daemon"), "run", "-w", str(workspace)],
            env=environ,
            stdout=sys.stderr,
            start_new_session=True,
            preexec_fn=lambda: _die_with(watcher),  # noqa: PLW1509 - no other thread is there to hold a lock.
        )

    @property
    def exit_code(self) -> int | None:
        """None while it is at work. Its code server may outlive it, for runs that are at work there."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Let it end: no sensor is evaluated and no run is launched any more; runs at work go on."""
        self._process.terminate()

    def end(self) -> None:
        """End whatever is left of it and its code server, in which no run is at work any more."""
        end_group(self._process, _GROUP_GRACE_S)

    def kill(self) -> None:
        """Kill it and all runs in its code server; engines are in groups of their own."""
        end_group(self._process, 0)


def _die_with(watcher: int) -> None:
    """Have the kernel send SIGTERM to the daemon, about to be, when the watcher is killed.

    Two daemons would work on one instance once the next watcher starts. Elsewhere than on Linux the code
    server and the daemon of a killed watcher have to be ended by hand.
    """
    if sys.platform == "linux":
        _C_LIBRARY.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != watcher:
            os.kill(os.getpid(), signal.SIGTERM)


def _beside_python(command: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).with_name(command))
