"""The rates that stages keep, by the names under which all processes share them.

A stage waits for a limiter of the jobs file, for a rate of its own (`pace:JOB/STAGE`) or for its job's
(`pace:JOB`). Not here: the buckets (`ledger.limiters`), and the waiting (`draining`).
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from assets.discovery.job_model import Job, JobsFile
from assets.discovery.job_settings import Limiter, Pace
from assets.discovery.ledger import limiters
from assets.discovery.ledger.limiters import Rate


@dataclass(frozen=True, slots=True)
class Gate:
    """What a stage passes before each attempt: a limiter's name and rates, and how much a call weighs."""

    limiter: str
    rates: tuple[Rate, ...]
    weight: float = 1

    def wait(self, connection: sqlite3.Connection, now: int) -> int:
        """The milliseconds until a turn is free; nothing is taken."""
        return limiters.next_turn(connection, self.limiter, self.rates, now, self.weight)

    def take(self, connection: sqlite3.Connection, now: int, patience: int) -> int:
        """The milliseconds until the turn that was taken; none was if they are more than `patience`."""
        return limiters.take_turn(connection, self.limiter, self.rates, now, self.weight, patience=patience)


class Pacer:
    """The gates of all jobs of a file. It keeps no state: that is in the ledger."""

    def __init__(self, named: Mapping[str, tuple[Rate, ...]]) -> None:
        self._named = named

    @classmethod
    def of(cls, jobs_file: JobsFile) -> Self:
        """The limiters of a jobs file."""
        return cls({name: _rates(limiter) for name, limiter in jobs_file.limiters.items()})

    def gate(self, job: Job, stage: str | None = None) -> Gate | None:
        """The gate of a stage, or of what the job itself does (`stage=None`); `None`: it need not wait."""
        pace, own = job.pace, f"pace:{job.name}"
        stages = {each.name: each.pace for each in job.stages or ()}
        if stage is not None and stages.get(stage) is not None:
            pace, own = stages[stage], f"pace:{job.name}/{stage}"
        return None if pace is None else self._gate(pace, own)

    def _gate(self, pace: Pace, own: str) -> Gate:
        if pace.limiter is not None:
            return Gate(pace.limiter, self._named[pace.limiter], pace.weight)
        assert pace.rate is not None and pace.per_s is not None  # noqa: S101, PT018 - the jobs file has both.
        return Gate(own, (Rate(pace.rate, pace.per_s, pace.burst),), pace.weight)


def _rates(limiter: Limiter) -> tuple[Rate, ...]:
    return tuple(Rate(each.rate, each.per_s, each.burst) for each in limiter)
