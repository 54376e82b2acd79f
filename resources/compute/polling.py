"""How a job that runs elsewhere is watched: how often, how long, and what a lost connection means.

Pure but for the clock and the sleep, which are injected. Not here: what a platform answers, and stopping the
job (`base`).
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from resources.compute.errors import JobOverdue, PlatformUnavailable

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """When to look at a job again. All times are seconds.

    The pauses grow from `first` by `factor` up to `cap`. A cluster may take as long to start as it needs:
    only `longest` ends the watch, far beyond any start. A platform that cannot be asked is asked again for
    `patience`, since the job goes on without us.
    """

    first: float = 2.0
    factor: float = 1.5
    cap: float = 30.0
    longest: float = 48 * 3600.0
    """What AWS Glue itself gives a job; a platform with a shorter limit ends the job itself."""
    patience: float = 600.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def until_ended(self, look: Callable[[], T | None]) -> T:
        """Look until the answer is not None, and return it.

        Raises:
            JobOverdue: no answer within `longest`.
            PlatformUnavailable: `look` raised it for longer than `patience`.
        """
        pause = self.first
        started = heard = self.clock()
        while True:
            try:
                ended = look()
                heard = self.clock()
                if ended is not None:
                    return ended
            except PlatformUnavailable as error:
                if self.clock() - heard > self.patience:
                    raise
                _log.warning("Looking at the job again: %s", error)
            if self.clock() - started > self.longest:
                raise JobOverdue(f"The job has not ended within {self.longest / 3600:g} hours.")
            self.sleep(pause)
            pause = min(pause * self.factor, self.cap)
