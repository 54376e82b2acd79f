"""Jobs as their readers need them, and what several tests do to a ledger."""

from typing import Any

from assets.discovery.job_model import Job
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.readers.jobs_today import JobToday


def today(plan: JobPlan, limiters: dict[str, str] | None = None, **settings: Any) -> JobToday:
    """The plan's job as an entry of a jobs file; `every_s` and `cron` are settings of its discovery."""
    discovery = {"strategy": "static_list", "params": {"values": ["a"]}}
    discovery |= {name: settings.pop(name) for name in ("every_s", "cron") if name in settings}
    stages = [{"name": stage.name, "handler": "fetch", "needs": list(stage.needs)} for stage in plan.stages]
    entry = {"name": plan.job_id, "timezone": plan.timezone, "discovery": discovery, "stages": stages}
    return JobToday(plan, Job.model_validate(entry | settings), limiters or {})


def left_the_file(plan: JobPlan) -> JobToday:
    """A job that is no longer in the jobs file."""
    return JobToday(JobPlan(plan.job_id, (), timezone=plan.timezone), None)
