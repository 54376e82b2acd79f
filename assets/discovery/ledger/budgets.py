"""What a budget lets go: of an item, of a job's day and month, and of the day over all jobs.

`spent + reserved + estimate` never passes a limit. Whether the job is over its budget or only waits for
others' reservations is told apart, for only the first is a stop that a person hears of.
"""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from assets.discovery.ledger import costs, events
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import Budget, JobPlan

Verdict = Literal["open", "wait", "over"]


@dataclass(slots=True)
class Limit:
    """One limit in force, with what has been used of it."""

    scope: Literal["item", "job_day", "job_month", "global_day"]
    micros: int
    spent: int
    reserved: int
    ends_at: int
    """When the limit begins anew: the next midnight or month; for an item, when it is asked again."""

    def verdict(self, estimate: int) -> Verdict:
        """Whether one more call with this estimate may go, must wait for reservations, or never fits."""
        if self.spent + estimate > self.micros or (estimate == 0 and self.spent >= self.micros):
            return "over"
        return "wait" if self.spent + self.reserved + estimate > self.micros else "open"

    def hold(self, estimate: int) -> None:
        """Count an estimate that was reserved."""
        self.reserved += estimate


def limits_of(
    connection: sqlite3.Connection, job: JobPlan, now: int, *, also_warned: bool = False
) -> list[Limit]:
    """The limits of a job's day and month and of the day of all jobs, those that only warn left out."""
    today = costs.local_day(now, job.timezone)
    limits: list[Limit] = []

    def add(scope: Literal["job_day", "job_month", "global_day"], micros: int | None, budget: Budget) -> None:
        if micros is None or (budget.on_exceed == "warn" and not also_warned):
            return
        if scope == "global_day":
            used, ends_at = costs.overall_totals(connection, now), costs.next_day(now, "UTC")
        elif scope == "job_day":
            used = costs.job_totals(connection, job.job_id, today, today)
            ends_at = costs.next_day(now, job.timezone)
        else:
            used = costs.job_totals(connection, job.job_id, today.replace(day=1), today)
            ends_at = costs.next_month(now, job.timezone)
        limits.append(Limit(scope, micros, used.spent, used.reserved, ends_at))

    add("job_day", job.budget.daily_micros, job.budget)
    add("job_month", job.budget.monthly_micros, job.budget)
    add("global_day", job.overall.daily_micros, job.overall)
    return limits


def is_overdrawn(connection: sqlite3.Connection, job: JobPlan, now: int) -> bool:
    """Whether a limit is used up, or would be passed by what is reserved: claimed rows are not to start then.

    To be asked when calls have cost something since the claim, for they may cost more than was reserved.
    """
    return any(
        limit.spent >= limit.micros or limit.spent + limit.reserved > limit.micros
        for limit in limits_of(connection, job, now)
    )


class Purse:
    """The limits of one job within one transaction: it answers for each row and counts what it lets go."""

    def __init__(self, connection: sqlite3.Connection, job: JobPlan, now: int) -> None:
        self._connection, self._job, self._now = connection, job, now
        self._limits = limits_of(connection, job, now)
        self._items: dict[int, Limit] = {}

    def ask(self, estimate: int) -> tuple[Verdict, Limit | None]:
        """What the job's limits say to one more call; the tightest of those that refuse it names itself."""
        for verdict in ("over", "wait"):
            refusing = [limit for limit in self._limits if limit.verdict(estimate) == verdict]
            if refusing:
                return verdict, min(refusing, key=lambda limit: limit.micros - limit.spent - limit.reserved)
        return "open", None

    def ask_item(self, item_id: int, estimate: int) -> tuple[Verdict, Limit | None]:
        """What the limit per item says to one more call for this item."""
        micros = self._job.budget.per_item_micros
        if micros is None or self._job.budget.on_exceed == "warn":
            return "open", None
        if item_id not in self._items:
            self._items[item_id] = _of_item(self._connection, self._job, item_id, micros, self._now)
        limit = self._items[item_id]
        return limit.verdict(estimate), limit

    def hold(self, item_id: int, estimate: int) -> None:
        """Count an estimate that was reserved for an item."""
        for limit in (*self._limits, *([self._items[item_id]] if item_id in self._items else [])):
            limit.hold(estimate)


def report_crossings(
    connection: sqlite3.Connection, job: JobPlan, subject: Subject, micros: int, now: int
) -> None:
    """Write an event for every soft limit, and for every limit that only warns, that `micros` just passed.

    To be called after the rows were written, in the same transaction. A passed mark stays passed until the
    limit begins anew, so each is told of once a day, or once a month.
    """
    if micros <= 0:
        return
    limits = limits_of(connection, job, now, also_warned=True)
    if job.budget.per_item_micros is not None and subject.item_id is not None:
        limits.append(_of_item(connection, job, subject.item_id, job.budget.per_item_micros, now))
    for limit in limits:
        budget = job.overall if limit.scope == "global_day" else job.budget
        payload = {"scope": limit.scope, "limit_micros": limit.micros, "spent_micros": limit.spent}
        soft = round(limit.micros * budget.soft_ratio)
        if limit.scope != "item" and limit.spent - micros < soft <= limit.spent:
            events.write(connection, "budget_soft", subject, now, payload, "warn")
        if budget.on_exceed == "warn" and limit.spent - micros < limit.micros <= limit.spent:
            events.write(connection, "budget_hard", subject, now, payload, "warn")


def _of_item(connection: sqlite3.Connection, job: JobPlan, item_id: int, micros: int, now: int) -> Limit:
    used = costs.item_totals(connection, item_id)
    return Limit("item", micros, used.spent, used.reserved, costs.next_day(now, job.timezone))


def stop(connection: sqlite3.Connection, job: JobPlan, limit: Limit, now: int, run_id: str | None) -> None:
    """Stop a job until its limit begins anew: one event, and no claim before then."""
    connection.execute(
        "UPDATE job_state SET over_budget_until = ? WHERE job_id = ?", (limit.ends_at, job.job_id)
    )
    tell_hard(connection, Subject(job.job_id, run_id=run_id), limit, now)


def tell_hard(connection: sqlite3.Connection, subject: Subject, limit: Limit, now: int) -> None:
    """Write the event of a limit that refuses more."""
    payload = {
        "scope": limit.scope,
        "limit_micros": limit.micros,
        "spent_micros": limit.spent,
        "until": limit.ends_at,
    }
    events.write(connection, "budget_hard", subject, now, payload, "error")
