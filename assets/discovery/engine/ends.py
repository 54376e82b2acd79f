"""The ends of a drain's claims: written to the ledger, told to the heartbeat, counted.

Not here: how a handler comes to its end (`attempts`), when it is asked for (`draining`).
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from assets.discovery.engine.context import StageCounts, Stopped
from assets.discovery.engine.leases import Leases
from assets.discovery.ledger import finishing
from assets.discovery.ledger.claims import Claim
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.finishing import Ended, Finished
from assets.discovery.ledger.outcomes import AuthRefused, Failed
from assets.discovery.ledger.plans import JobPlan

_log = logging.getLogger("quintet.discovery")


@dataclass(slots=True)
class Drained:
    """What a drain did, so far."""

    stages: StageCounts = field(default_factory=StageCounts)
    item_ids: set[int] = field(default_factory=set)
    cost_micros: int = 0
    stopped: Stopped = "drained"
    reason: str = ""


class Ends:
    """Writes how claims ended, several in one transaction, and counts it in `drained`."""

    def __init__(
        self, connection: sqlite3.Connection, job: JobPlan, leases: Leases, clock: Callable[[], int]
    ) -> None:
        self._connection, self._job, self._leases, self._clock = connection, job, leases, clock
        self._unwritten: list[Ended] = []
        """What a transaction that failed left behind."""
        self.drained = Drained()
        self.has_cost = False
        """Something was paid for since this was last set to false."""

    def write(self, ended: Iterable[Ended]) -> None:
        """End claims. If that fails none of them has ended, and `write_what_goes` tries again."""
        self._unwritten.extend(ended)
        if self._unwritten:
            finished = finishing.finish(self._connection, self._job, self._unwritten, self._clock())
            written, self._unwritten = self._unwritten, []
            for each, what in zip(written, finished, strict=True):
                self._count(each, what)

    def write_what_goes(self, ended: Iterable[Ended]) -> None:
        """End claims one by one, past those that cannot be written: their leases will end by themselves.

        Raises what kept the first of them from being written.
        """
        left, self._unwritten = [*self._unwritten, *ended], []
        errors: list[Exception] = []
        for each in left:
            try:
                self.write([each])
            except Exception as error:  # noqa: BLE001 - the others are to be given back nevertheless.
                self._unwritten = []
                _log.error("%s could not be given back: %s", _place(each.claim), error)
                errors.append(error)
        if errors:
            raise errors[0]

    def book(self, claim: Claim, spent: list[Cost]) -> None:
        """Write what an attempt spent after its claim had ended."""
        finishing.book(self._connection, self._job, claim, spent, self._clock())
        self._add(spent)

    def _count(self, ended: Ended, finished: Finished) -> None:
        self._leases.drop([ended.claim])
        self._add(ended.costs)
        counts = self.drained.stages
        match finished.status:
            case "done":
                counts.done += 1
            case "skipped":
                counts.skipped += 1
            case "failed":
                counts.failed += 1
            case "pending" if isinstance(ended.outcome, Failed):
                counts.retried += 1
        self._tell(ended, finished)

    def _tell(self, ended: Ended, finished: Finished) -> None:
        place = _place(ended.claim)
        match finished.status, ended.outcome:
            case None, _:
                _log.warning("%s was taken back by somebody else: its lease had ended", place)
            case "failed", Failed(error_text=text):
                _log.warning("%s failed: %s", place, text)
            case _, Failed(error_text=text):
                _log.warning("%s will be tried again: %s", place, text)
            case _, AuthRefused(error_text=text):
                _log.warning("%s was refused, so the job is paused: %s", place, text)

    def _add(self, spent: Iterable[Cost]) -> None:
        for cost in spent:
            self.drained.cost_micros += cost.micros or 0
            self.has_cost = True


def _place(claim: Claim) -> str:
    return f"{claim.job_id}/{claim.stage}, item {claim.item_id},"
