"""Money: limits that are reached, calls without a price, reservations that nobody settled."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import groupby
from typing import Final

from assets.discovery.doctor.case import Case
from assets.discovery.doctor.findings import Finding, found, to_fix
from assets.discovery.doctor.wording import counted, dollars, instant, span
from assets.discovery.ledger import budgets, costs
from assets.discovery.ledger.budgets import Limit

UNPRICED_DAYS: Final = 31
"""An unknown price is told of for as long as it may miss in a monthly budget."""
_PERIODS: Final = {"job_day": "day", "job_month": "month", "global_day": "day over all jobs"}


def over_budget(case: Case) -> Iterator[Finding]:
    """Limits of days and months that are spent, and jobs that one of them has stopped."""
    overall: Limit | None = None
    for job in case.jobs:
        limits = budgets.limits_of(case.connection, job.plan, case.now, also_warned=True)
        spent = [limit for limit in limits if limit.spent >= limit.micros]
        overall = next((limit for limit in spent if limit.scope == "global_day"), overall)
        own = [limit for limit in spent if limit.scope != "global_day"]
        stopped = case.rows(
            "SELECT over_budget_until FROM job_state WHERE job_id = ? AND over_budget_until > ?",
            job.name,
            case.now,
        )
        if own or stopped:
            facts = [_spent(limit) for limit in own] or ["its next call would pass a limit"]
            until = f"; nothing of it runs before {instant(stopped[0][0])}" if stopped else ""
            evidence = f"{job.name} is over its budget: {' and '.join(facts)}{until}."
            yield found("over_budget", job.name, evidence, f"inv jobs.costs -j {job.name}")
    if overall is not None:
        evidence = f"The budget over all jobs is used up: {_spent(overall)}."
        yield found("over_budget", None, evidence, "inv jobs.costs --by job")


def _spent(limit: Limit) -> str:
    return f"{dollars(limit.spent)} of {dollars(limit.micros)} spent this {_PERIODS[limit.scope]}"


def unpriced_cost(case: Case) -> Iterator[Finding]:
    """Calls of the last days whose price is not known, so that no budget counts them."""
    rows = case.rows(
        "SELECT job_id, provider, model, count(*) FROM costs "
        "WHERE day_local >= ? AND micros IS NULL AND state = 'settled' "
        "GROUP BY job_id, provider, model ORDER BY job_id, count(*) DESC, provider, model",
        (costs.local_day(case.now, "UTC") - timedelta(days=UNPRICED_DAYS)).isoformat(),
    )
    for job, group in groupby(rows, lambda row: row[0]):
        calls = list(group)
        most = calls[0]
        name = " ".join(filter(None, most[1:3])) or "an unnamed provider"
        yield found(
            "unpriced_cost",
            job,
            f"No price is known of {counted(sum(row[3] for row in calls), 'call')} of {job} in "
            f"{UNPRICED_DAYS} days, {most[3]:,} of them to {name}; no budget counts them.",
            f"inv jobs.costs -j {job} --by model",
        )


def expired_reservation(case: Case) -> Iterator[Finding]:
    """Reservations past their time whose attempt has ended: they hold money that nobody will spend."""
    rows = case.rows(
        "SELECT job_id, count(*), sum(micros), min(expires_at) FROM costs AS c "
        "WHERE state = 'reserved' AND expires_at <= ? AND NOT EXISTS "
        "(SELECT 1 FROM attempts AS a WHERE a.id = c.attempt_id AND a.outcome IS NULL) "
        "GROUP BY job_id ORDER BY job_id",
        case.now,
    )
    for job, n, micros, oldest in rows:
        yield to_fix(
            "expired_reservation",
            job,
            f"{dollars(micros or 0)} of {job} are held by {counted(n, 'reservation')} without a running "
            f"attempt; the oldest expired {span(case.now - oldest)} ago.",
        )
