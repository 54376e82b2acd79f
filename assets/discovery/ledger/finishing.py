"""Ending claims: stage, attempt, result, costs, event, descendants and a waiting revision, all or nothing.

Every write matches the fencing token. A worker that lost its lease changes nothing but what it spent. Not
here: leases that nobody ends (`reaping`).
"""

import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from assets.discovery.ledger import (
    breakers,
    budgets,
    costs,
    events,
    limiters,
    pauses,
    results,
    revisions,
    stage_rows,
    staleness,
)
from assets.discovery.ledger.claims import Claim
from assets.discovery.ledger.costs import Cost, Spender
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.outcomes import (
    AuthRefused,
    Cancelled,
    Done,
    Failed,
    Outcome,
    RateLimited,
    Released,
    Skipped,
    Snoozed,
)
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.discovery.ledger.stage_rows import NO_FAILURE, Failure, Held
from assets.discovery.ledger.transitions import IllegalTransition, Status
from assets.transactions import transaction

_WANTED: Final[Mapping[type, Status]] = {
    Done: "done",
    Skipped: "skipped",
    Failed: "failed",
    Cancelled: "cancelled",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A claim that came to its end: how, and what it cost."""

    claim: Claim
    outcome: Outcome
    costs: Sequence[Cost] = ()


class Finished(NamedTuple):
    """What became of the stage. `status=None`: the lease was lost, somebody else has the row."""

    status: Status | None
    retry_at: int | None = None
    """When a pending stage may be claimed again."""


class _Row(NamedTuple):
    status: Status
    claim_id: int | None
    max_attempts: int
    is_cancelled: int
    has_waiting_revision: int


def finish(
    connection: sqlite3.Connection,
    job: JobPlan,
    ended: Sequence[Ended],
    now: int,
    chance: Callable[[], float] = random.random,
) -> list[Finished]:
    """End claims in one transaction; return what became of each, in the same order.

    `chance` places the jitter of retries in [0, 1). Raises `IllegalTransition`, and changes nothing, for a
    claim that the stage never had.
    """
    with transaction(connection):
        return [_Ending(connection, job, each, now, chance).run() for each in ended]


def book(connection: sqlite3.Connection, job: JobPlan, claim: Claim, spent: Sequence[Cost], now: int) -> None:
    """Write what an attempt spent after its claim had ended, in one transaction."""
    if spent:
        with transaction(connection):
            _Ending(connection, job, Ended(claim, Released(), spent), now, random.random).write_costs()


class _Ending:
    """One claim's end within the transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        job: JobPlan,
        ended: Ended,
        now: int,
        chance: Callable[[], float],
    ) -> None:
        self._connection, self._job, self._now, self._chance = connection, job, now, chance
        self._claim, self._outcome, self._costs = ended.claim, ended.outcome, ended.costs
        self._held = Held(ended.claim.stage_id, ended.claim.claim_id)
        self._subject = Subject(job.job_id, ended.claim.item_id, ended.claim.stage, ended.claim.run_id)
        self._stage = job.stage(ended.claim.stage) or StagePlan(ended.claim.stage)

    def run(self) -> Finished:
        row = self._read()
        if row.status != "in_progress" or row.claim_id != self._claim.claim_id:
            self._require_ours(row)
            self.write_costs()
            self._event("lease_lost", {"outcome": type(self._outcome).__name__.lower()}, "warn")
            return Finished(None)
        finished = self._decide(row)
        if self._claim.has_reservation:
            costs.release(self._connection, self._claim.claim_id, self._job.job_id, self._claim.started_at)
        self.write_costs()
        self._inform_breaker()
        if row.has_waiting_revision:
            revisions.apply_waiting(self._connection, self._job, self._claim.item_id, self._now)
        return finished

    def _read(self) -> _Row:
        row = self._connection.execute(
            "SELECT s.status, s.claim_id, s.max_attempts, w.cancelled_at IS NOT NULL, "
            "w.pending_revision_json IS NOT NULL FROM item_stages AS s "
            "JOIN work_items AS w ON w.id = s.item_id WHERE s.id = ?",
            (self._claim.stage_id,),
        ).fetchone()
        if row is None:
            raise IllegalTransition(
                f"The ledger has no row {self._claim.stage_id} of stage {self._claim.stage}."
            )
        return _Row._make(row)

    def _require_ours(self, row: _Row) -> None:
        """Tell a lease that was lost from a claim that never was, which is a mistake of the caller."""
        query = "SELECT 1 FROM attempts WHERE id = ? AND stage_id = ?"
        ours = self._connection.execute(query, (self._claim.claim_id, self._claim.stage_id)).fetchone()
        if ours is None:
            wanted = _WANTED.get(type(self._outcome), "pending")
            raise IllegalTransition(
                f"{row.status} -> {wanted} is not a legal transition of stage {self._claim.stage}: "
                f"claim {self._claim.claim_id} does not hold it."
            )

    def _decide(self, row: _Row) -> Finished:
        match self._outcome:
            case Done() as done:
                finished = self._done(done)
            case Skipped() as skipped:
                finished = self._skipped(skipped)
            case Failed() as failed:
                finished = self._failed(failed, row)
            case RateLimited() as limited:
                finished = self._rate_limited(limited, row)
            case AuthRefused() as refused:
                finished = self._auth_refused(refused, row)
            case Snoozed(delay_ms):
                self._event("snoozed", {"until": self._now + delay_ms})
                finished = self._back(row, "snoozed", self._now + delay_ms, give_back=True)
            case Released(reason):
                self._event("released", {"reason": reason} if reason else {})
                finished = self._back(row, "released", self._now, give_back=True)
            case Cancelled(reason):
                finished = self._cancel("cancelled", Failure(error_text=reason or None))
        return finished

    def _done(self, done: Done) -> Finished:
        seq = self._event("stage_done", self._timing())
        stage_rows.succeed(
            self._connection,
            self._held,
            self._now,
            seq,
            output_hash=done.output_hash,
            handler_version=done.handler_version,
        )
        self._close("done")
        item = (self._claim.item_id, self._job.job_id, self._claim.stage, self._claim.revision)
        results.store(self._connection, item, done, self._claim.input_hash, self._now)
        self._reconsider_dependents()
        return Finished("done")

    def _skipped(self, skipped: Skipped) -> Finished:
        seq = self._event("stage_skipped", {"reason": skipped.reason, **self._timing()})
        stage_rows.succeed(
            self._connection,
            self._held,
            self._now,
            seq,
            handler_version=skipped.handler_version,
            skip_reason=skipped.reason,
        )
        self._close("skipped")
        results.supersede(self._connection, self._claim.item_id, self._claim.stage, self._now)
        self._reconsider_dependents()
        return Finished("skipped")

    def _failed(self, failed: Failed, row: _Row) -> Finished:
        failure = Failure(failed.error_class, failed.error_code, failed.error_text)
        final = failed.error_class in ("permanent", "budget") or self._claim.attempt >= row.max_attempts
        if final:
            payload = {"class": failed.error_class, "code": failed.error_code, "error": failed.error_text}
            self._event("stage_failed", {**payload, **self._timing()}, "error")
            stage_rows.end(self._connection, self._held, "failed", self._now, failure)
            self._close("failed", failure)
            return Finished("failed")
        since_retry = self._claim.attempt - max(row.max_attempts - self._stage.retry.max_attempts, 0)
        retry_at = self._now + self._stage.retry.backoff_ms(since_retry, self._chance())
        payload = {"class": failed.error_class, "error": failed.error_text, "retry_at": retry_at}
        self._event("retry_scheduled", payload, "warn")
        return self._back(row, "retry", retry_at, failure)

    def _rate_limited(self, limited: RateLimited, row: _Row) -> Finished:
        if limited.limiter is not None:
            limiters.cool(self._connection, limited.limiter, limited.until, self._now)
        self._event("rate_limited", {"until": limited.until, "limiter": limited.limiter}, "warn")
        failure = Failure("rate_limited", error_text=limited.error_text or None)
        return self._back(row, "rate_limited", limited.until, failure, give_back=True)

    def _auth_refused(self, refused: AuthRefused, row: _Row) -> Finished:
        failure = Failure("auth", refused.error_code, refused.error_text)
        self._event("released", {"class": "auth", "error": refused.error_text}, "error")
        pauses.set_pause(self._connection, self._job.job_id, "auth", refused.error_text, self._now)
        return self._back(row, "released", self._now, failure, give_back=True)

    def _back(
        self,
        row: _Row,
        outcome: str,
        not_before: int,
        failure: Failure = NO_FAILURE,
        *,
        give_back: bool = False,
    ) -> Finished:
        """Back to pending; but an item that was cancelled meanwhile, or deleted at its source, ends here."""
        if row.is_cancelled:
            return self._cancel(outcome, failure)
        stage_rows.put_back(self._connection, self._held, not_before, failure, give_back=give_back)
        self._close(outcome, failure)
        return Finished("pending", not_before)

    def _cancel(self, outcome: str, failure: Failure) -> Finished:
        self._event("cancelled", {"error": failure.error_text} if failure.error_text else {})
        stage_rows.end(self._connection, self._held, "cancelled", self._now, failure)
        self._close(outcome, failure)
        return Finished("cancelled")

    def _close(self, outcome: str, failure: Failure = NO_FAILURE) -> None:
        stage_rows.close_attempt(self._connection, self._claim.claim_id, outcome, self._now, failure)

    def _reconsider_dependents(self) -> None:
        dependents = self._job.dependents(self._claim.stage)
        if dependents:
            staleness.reconsider(self._connection, self._subject, dependents, self._now)

    def write_costs(self) -> None:
        """Book what was spent, against the attempt, and tell of limits that it passed."""
        if not self._costs:
            return
        claim = self._claim
        spender = Spender(self._job.job_id, claim.item_id, claim.stage, claim.claim_id)
        micros = costs.settle(self._connection, spender, self._costs, self._job.timezone, self._now)
        budgets.report_crossings(self._connection, self._job, self._subject, micros, self._now)
        if self._job.budget.require_price and any(cost.micros is None for cost in self._costs):
            reason = f"A call of stage {claim.stage} has no price, and the job asks for one (require_price)"
            pauses.set_pause(self._connection, self._job.job_id, "code", reason, self._now)

    def _inform_breaker(self) -> None:
        """Tell the breaker how the machinery did; rows given back unworked or waiting say nothing of it."""
        match self._outcome:
            case Done() | Skipped():
                outcome = "success"
            case Failed(error_class="transient" | "code"):
                outcome = "failure"
            case Failed():
                outcome = "refusal"
            case _:
                return
        is_code = isinstance(self._outcome, Failed) and self._outcome.error_class == "code"
        policy, claim_id = self._stage.breaker, self._claim.claim_id
        if breakers.record(
            self._connection, self._subject, policy, claim_id, outcome, self._now, code_failure=is_code
        ):
            reason = f"Three items in a row failed in stage {self._claim.stage} by a defect of its handler"
            pauses.set_pause(self._connection, self._job.job_id, "code", reason, self._now)

    def _timing(self) -> dict[str, object]:
        return {"attempt": self._claim.attempt, "duration_ms": max(self._now - self._claim.started_at, 0)}

    def _event(self, type_: str, payload: dict[str, object], level: events.Level = "info") -> int:
        return events.write(self._connection, type_, self._subject, self._now, payload, level)
