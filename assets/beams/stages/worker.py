"""Who works on a beam: a run in one attempt, with all that it needs to be told from outside.

Not here: the orchestrator. Its runs, its clock and its signals come as functions.
"""

import sqlite3
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from assets.beams.failures import BeamFailure
from assets.beams.registry.beams import BeamWork

Stop = Literal["drain", "detach", "cancel"]
"""`drain`: no engine is started any more, those that run go on. `detach`: the drain is over; a
remote engine goes on alone, one on this machine is stopped. `cancel`: it is stopped wherever it runs."""

_LONGEST_SLEEP_S: Final = 1.0
"""How long a request to stop may go unnoticed."""

Ending = Literal["drained", "detached", "cancelled"]


class Stopped(Exception):
    """The work on a beam ended because it was asked to; nothing failed."""

    def __init__(self, how: Ending, message: str) -> None:
        self.how = how
        """`drained`: nothing runs, go on later. `detached`: the engine runs on, re-attach to it later.
        `cancelled`: nothing runs, and nothing is to."""
        super().__init__(message)


def _no_stop() -> Stop | None:
    return None


def _nothing_to_do(_failure: BeamFailure, _work: BeamWork) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A run that works on a beam."""

    work: BeamWork
    """As `beams.take` gave it."""
    connect: Callable[[], sqlite3.Connection]
    """A new connection to the registry, which the caller closes; every thread opens its own."""
    clock: Callable[[], datetime]
    """With a zone."""
    active_runs: Callable[[Collection[str]], Collection[str]]
    """Which of these runs are queued or at work; a run that is not known is not."""
    log: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    """Seconds; whoever gives another clock gives this one, too."""
    stop_requested: Callable[[], Stop | None] = _no_stop
    on_failure: Callable[[BeamFailure, BeamWork], None] = _nothing_to_do
    """Fails the beam; called once, with the leases that the beam holds, before any of them is released."""

    def wait(self, for_how_long: timedelta, notice: Callable[[], None]) -> None:
        """Wait, and meanwhile let `notice` raise what ends the waiting, at least once a second."""
        left = for_how_long.total_seconds()
        while left > 0:
            notice()
            self.sleep(min(left, _LONGEST_SLEEP_S))
            left -= _LONGEST_SLEEP_S

    def require_no_stop(self) -> None:
        """Raise `Stopped`, where the work is asked to end, before an engine has been started."""
        if (stop := self.stop_requested()) is not None:
            how: Ending = "cancelled" if stop == "cancel" else "drained"
            raise Stopped(how, f"Beam {self.work.beam_id} was {how} before its engine was started.")
