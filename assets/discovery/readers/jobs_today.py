"""A job as its readers need it: the entry of the jobs file, its plan, and its stages' limiters."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

from assets.discovery.engine.pacer import Pacer
from assets.discovery.job_model import Job, JobsFile
from assets.discovery.ledger.plans import JobPlan


@dataclass(frozen=True, slots=True)
class JobToday:
    """One job. `job` is `None` for one that is no longer in the jobs file: its plan then has no stages."""

    plan: JobPlan
    job: Job | None
    limiters: Mapping[str, str] = field(default_factory=dict)
    """The names of the limiters that stages wait for, by stage."""

    @property
    def name(self) -> str:
        """The job's name, which is its `job_id` in the ledger."""
        return self.plan.job_id

    @property
    def zone(self) -> str:
        """The job's time zone."""
        return self.plan.timezone

    @property
    def is_backfill(self) -> bool:
        """Whether the job comes to an end."""
        return self.job is not None and self.job.kind == "backfill"


class ListedJob(TypedDict):
    """One job of `list`."""

    job: str
    kind: str
    enabled: bool
    strategy: str
    stages: list[str]


def jobs_today(jobs_file: JobsFile, plans: Mapping[str, JobPlan]) -> list[JobToday]:
    """The jobs of the jobs file, in its order. `plans` are those of `job_plans`."""
    pacer = Pacer.of(jobs_file)
    today: list[JobToday] = []
    for job in jobs_file.jobs:
        gates = {stage.name: pacer.gate(job, stage.name) for stage in job.chain}
        limiters = {stage: gate.limiter for stage, gate in gates.items() if gate is not None}
        today.append(JobToday(plans[job.name], job, limiters))
    return today


def with_orphans(connection: sqlite3.Connection, jobs: Sequence[JobToday]) -> list[JobToday]:
    """The jobs, and behind them those that only the ledger still knows, by name."""
    known = {job.name for job in jobs}
    rows = connection.execute("SELECT job_id, config_json FROM job_state ORDER BY job_id")
    orphans = [
        JobToday(JobPlan(job_id, (), timezone=json.loads(config).get("timezone", "UTC")), None)
        for job_id, config in rows
        if job_id not in known
    ]
    return [*jobs, *orphans]


def listed(jobs: Sequence[Job]) -> dict[str, list[ListedJob]]:
    """The document of `list`: what the jobs file says. It asks no ledger."""
    return {
        "jobs": [
            ListedJob(
                job=job.name,
                kind=job.kind,
                enabled=job.enabled,
                strategy=job.discovery.strategy,
                stages=[stage.name for stage in job.chain],
            )
            for job in jobs
        ]
    }
