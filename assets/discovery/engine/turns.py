"""The turns of one drain at the gates of its stages: taken for the next row, waited for, or shut for long.

A turn is taken once a row of the stage could start, and kept until one does: first come, first served. Not
here: what a rate allows (`pacer`), the rows (`draining`).
"""

import sqlite3
from collections.abc import Collection, Mapping

from assets.discovery.engine.pacer import Gate


class Turns:
    """What a drain knows of the gates before its stages, by stage. Times are milliseconds UTC.

    `patience` is how many milliseconds a row may be held for its turn; a gate that opens later is shut.
    """

    def __init__(self, connection: sqlite3.Connection, gates: Mapping[str, Gate]) -> None:
        self._connection, self._gates = connection, gates
        self._taken: dict[str, int] = {}
        self._shut: dict[str, int] = {}

    def room(self, stage: str, now: int, patience: int, *, free: int, held: int) -> int | None:
        """The most rows to claim of a stage for its gate; `None` without one."""
        gate = self._gates.get(stage)
        if gate is None:
            return None
        if stage in self._taken:
            return 0
        wait = gate.wait(self._connection, now)
        if wait > patience:
            self._shut[stage] = now + wait
            return 0
        self._shut.pop(stage, None)
        return free if wait == 0 else 1 - held

    def has_come(self, stage: str, now: int, patience: int) -> bool:
        """Whether a row of the stage may start now: its turn is used up then. One is taken if none was."""
        gate = self._gates.get(stage)
        if gate is None:
            return True
        if stage not in self._taken:
            if self._shut.get(stage, 0) > now:
                return False
            wait = gate.take(self._connection, now, patience)
            if wait > patience:
                self._shut[stage] = now + wait
                return False
            self._taken[stage] = now + wait
        if self._taken[stage] > now:
            return False
        del self._taken[stage]
        return True

    def is_awaited(self, stage: str) -> bool:
        """Whether the next row of the stage has a turn that has not come."""
        return stage in self._taken

    def keep(self, stages: Collection[str]) -> None:
        """Forget the turns of all other stages: they have no row left that could use them."""
        self._taken = {stage: at for stage, at in self._taken.items() if stage in stages}

    def instants(self) -> Collection[int]:
        """When the turns that were taken come."""
        return self._taken.values()

    def openings(self, now: int) -> dict[str, int]:
        """When the gates that are shut open again, by stage."""
        return {stage: until for stage, until in self._shut.items() if until > now}
