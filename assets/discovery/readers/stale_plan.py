"""`stale`: what of a job is out of date, why, and what running it again would cost."""

import sqlite3
from typing import TypedDict

from assets.discovery.ledger import costs, staleness
from assets.discovery.ledger.plans import JobPlan


class StalePlan(TypedDict):
    """The document of `stale`.

    `stale` counts items, `by_stage` and `by_reason` count stages. `advisory_logic`: items with a result whose
    handler's source has changed since, at an equal version; nothing of them runs again.
    """

    job: str
    stale: int
    by_stage: dict[str, int]
    by_reason: dict[str, int]
    advisory_logic: int
    cost_estimate_micros: int


def stale_plan(connection: sqlite3.Connection, job: JobPlan) -> StalePlan:
    """The document of `stale`. The estimate is, for each stage, the median of its last 20 costs."""
    found = staleness.count_stale(connection, job)
    by_stage = {stage.name: found.by_stage[stage.name] for stage in job.stages}
    estimate = sum(
        count * costs.forecast(connection, job.job_id, stage) for stage, count in by_stage.items() if count
    )
    return StalePlan(
        job=job.job_id,
        stale=found.items,
        by_stage={stage: count for stage, count in by_stage.items() if count},
        by_reason=dict(sorted(found.by_reason.items())),
        advisory_logic=found.advisory_logic,
        cost_estimate_micros=estimate,
    )
