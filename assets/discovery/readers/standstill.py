"""Why an item does not move: one code and one sentence, the first that holds.

    finished, failed, cancelled                                       nothing of it waits or runs
    orphaned, disabled, paused, over_budget                           its job
    breaker_open, leased, pending_revision, blocked_by_failed,
    waiting_upstream, waiting_retry, limiter_cooled, claimable        its stages

A stage is *next* when it is pending and everything that it needs is done or skipped. An item may have several
next stages: it waits for time or a limiter only if all of them do.
"""

import sqlite3
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypedDict

from assets.discovery.credentials import shown
from assets.discovery.ledger import breakers, jobs
from assets.discovery.ledger.transitions import Status
from assets.discovery.readers.instants import in_zone
from assets.discovery.readers.item_list import needs_of
from assets.discovery.readers.job_status import paused_reason
from assets.discovery.readers.jobs_today import JobToday

Code = Literal[
    "finished",
    "failed",
    "cancelled",
    "orphaned",
    "disabled",
    "paused",
    "over_budget",
    "breaker_open",
    "leased",
    "pending_revision",
    "blocked_by_failed",
    "waiting_upstream",
    "waiting_retry",
    "limiter_cooled",
    "claimable",
]


class Why(TypedDict):
    """The code, and a sentence that names the stage, the error or the time."""

    code: Code
    text: str


class _Stage(NamedTuple):
    stage: str
    status: Status
    attempt: int
    max_attempts: int
    not_before: int
    owner: str | None
    lease_until: int | None
    error_class: str | None
    error_text: str | None
    skip_reason: str | None


def why(connection: sqlite3.Connection, today: JobToday, item_id: int, now: int) -> Why:
    """Why the item does not move, or that it may. Times are in the job's time zone."""
    return _Item(connection, today, item_id, now).why()


class _Item:
    """One item at one time."""

    def __init__(self, connection: sqlite3.Connection, today: JobToday, item_id: int, now: int) -> None:
        self._connection, self._today, self._now = connection, today, now
        self._cancelled_at, self._has_revision = connection.execute(
            "SELECT cancelled_at, pending_revision_json IS NOT NULL FROM work_items WHERE id = ?", (item_id,)
        ).fetchone()
        rows = connection.execute(
            "SELECT stage, status, attempt, max_attempts, not_before, owner, lease_until, error_class, "
            "error_text, skip_reason FROM item_stages WHERE item_id = ? ORDER BY ord",
            (item_id,),
        )
        self._stages = [_Stage._make(row) for row in rows]
        self._by_name = {row.stage: row for row in self._stages}
        plans = today.plan.stages
        self._needs: Mapping[str, frozenset[str]] = needs_of(plans)
        self._direct = {plan.name: plan.needs for plan in plans}
        self._pending = [row for row in self._stages if row.status == "pending"]

    def why(self) -> Why:
        return self._ended() or self._job() or self._busy() or self._held() or self._waiting()

    def _ended(self) -> Why | None:
        """Nothing of the item waits or runs."""
        if not self._stages or any(row.status == "in_progress" for row in self._stages):
            return None
        failed = [row for row in self._stages if row.status == "failed"]
        if self._pending and self._cancelled_at is None:
            return None
        if failed:
            return _why("failed", f"{_failure(failed[0])}, and nothing of the item is left to do.")
        cancelled = [row for row in self._stages if row.status == "cancelled"]
        if cancelled or self._pending:
            reason = cancelled[0].skip_reason if cancelled else None
            return _why("cancelled", f"It was cancelled: {shown(reason or 'no reason given').rstrip('.')}.")
        return _why("finished", "Every stage of it is done or skipped.")

    def _job(self) -> Why | None:
        row, name = jobs.standing(self._connection, self._today.name), self._today.name
        if self._today.job is None or (row is not None and row.orphaned_at is not None):
            return _why("orphaned", f"The job {name} is no longer in the jobs file.")
        if not self._today.job.enabled or (row is not None and not row.enabled):
            return _why("disabled", f"The job {name} is disabled in the jobs file.")
        if row is not None and row.paused:
            return _why("paused", f"The job {name} stands still. {paused_reason(row, self._today.zone)}")
        if row is not None and row.over_budget_until is not None and row.over_budget_until > self._now:
            until = self._at(row.over_budget_until)
            return _why("over_budget", f"The budget of the job {name} is spent; it goes on at {until}.")
        return None

    def _busy(self) -> Why | None:
        """A breaker keeps a next stage, a worker has the item, or new content waits for it."""
        ready = {row.stage for row in self._next()}
        for stage, breaker in breakers.load_open(self._connection, self._today.name).items():
            if stage in ready and breakers.is_probing(self._connection, breaker):
                text = f"Too many attempts at stage {stage} failed; one is trying whether it works again."
                return _why("breaker_open", text)
            if stage in ready and breaker.state == "open" and breaker.cooldown_until > self._now:
                until = self._at(breaker.cooldown_until)
                text = f"Too many attempts at stage {stage} failed; it rests until {until}."
                return _why("breaker_open", text)
        for row in self._stages:
            if row.status == "in_progress":
                return _why("leased", self._lease(row))
        if self._has_revision:
            return _why("pending_revision", "New content of it waits; the next run applies it.")
        return None

    def _held(self) -> Why | None:
        """A stage waits for another one that does not end by itself."""
        for row in self._pending:
            for need in (each for each in self._stages if each.stage in self._needs.get(row.stage, ())):
                if need.status == "failed":
                    return _why("blocked_by_failed", f"Stage {row.stage} waits. {_failure(need)}.")
        if self._next():
            return None
        if not self._pending:
            return _why("waiting_upstream", "It has no rows of stages yet; the next run makes them.")
        first = self._pending[0]
        needs = [f"{need} ({self._word(need)})" for need in self._direct.get(first.stage, ())]
        text = f"Stage {first.stage} waits for {', '.join(needs) or 'the next run'}."
        return _why("waiting_upstream", text)

    def _waiting(self) -> Why:
        """The next stages wait for time or a limiter, or may go."""
        ready = self._next()
        due = [row for row in ready if row.not_before <= self._now]
        if not due:
            return _why("waiting_retry", self._retry(min(ready, key=lambda row: row.not_before)))
        cooled = [self._cooled(row) for row in due]
        if all(cooled):
            name, until = min((entry for entry in cooled if entry), key=lambda entry: entry[1])
            text = f"The limiter {name} of stage {due[0].stage} rests until {self._at(until)}."
            return _why("limiter_cooled", text)
        free = next(row for row, entry in zip(due, cooled, strict=True) if entry is None)
        return _why("claimable", f"Stage {free.stage} may be worked on; the next run of the job takes it.")

    def _next(self) -> list[_Stage]:
        return [
            row
            for row in self._pending
            if row.stage in self._direct
            and all(self._word(need) in ("done", "skipped") for need in self._direct[row.stage])
        ]

    def _word(self, stage: str) -> str:
        return self._by_name[stage].status if stage in self._by_name else "no row yet"

    def _cooled(self, row: _Stage) -> tuple[str, int] | None:
        name = self._today.limiters.get(row.stage)
        query = "SELECT cooldown_until FROM limiters WHERE name = ? AND cooldown_until > ?"
        found = self._connection.execute(query, (name, self._now)).fetchone()
        return None if name is None or found is None else (name, found[0])

    def _lease(self, row: _Stage) -> str:
        until = row.lease_until or 0
        if until > self._now:
            return f"Stage {row.stage} runs: {row.owner} holds the lease, to {self._at(until)}."
        expired = f"The lease of {row.owner} on stage {row.stage} expired at {self._at(until)}"
        return f"{expired}; the next run takes it back."

    def _retry(self, row: _Stage) -> str:
        at = self._at(row.not_before)
        if row.error_class == "rate_limited":
            return f"The source asked stage {row.stage} to wait until {at}."
        if row.attempt == 0:
            return f"Stage {row.stage} was put off until {at}."
        left = f"attempt {row.attempt + 1} of {row.max_attempts}"
        return f"Stage {row.stage} is tried again at {at} ({left}): {_error(row)}."

    def _at(self, at: int) -> str:
        return in_zone(at, self._today.zone)


def _why(code: Code, text: str) -> Why:
    return {"code": code, "text": text}


def _failure(row: _Stage) -> str:
    return f"Stage {row.stage} failed ({row.error_class or 'no class'}): {_error(row)}"


def _error(row: _Stage) -> str:
    return shown(" ".join((row.error_text or "no error was told").split())).rstrip(".")
