"""The jobs of the jobs file as the ledger needs them: plain values, in milliseconds and micro-USD.

Not here: reading the jobs file (`jobs_file`), what the values mean (`ledger.plans`).
"""

from collections.abc import Mapping

from assets.discovery.handler_modules import Handler
from assets.discovery.job_model import ChainStage, Job, JobsFile
from assets.discovery.ledger.jobs import JobEntry
from assets.discovery.ledger.plans import (
    BreakerPolicy,
    Budget,
    DiscoveryPlan,
    JobPlan,
    RetryPolicy,
    StagePlan,
)


def job_plans(jobs_file: JobsFile, handlers: Mapping[str, Handler]) -> dict[str, JobPlan]:
    """All jobs of a file, disabled ones too, by name.

    Args:
        jobs_file: the jobs.
        handlers: the handlers of all stages, by the names of their modules (`import_handlers`).
    """
    return {job.name: job_plan(job, jobs_file, handlers) for job in jobs_file.jobs}


def job_plan(job: Job, jobs_file: JobsFile, handlers: Mapping[str, Handler]) -> JobPlan:
    """One job of a file."""
    budget, overall = job.budget, jobs_file.budget
    return JobPlan(
        job_id=job.name,
        stages=tuple(_stage_plan(stage, handlers[stage.handler]) for stage in job.chain),
        discovery=DiscoveryPlan(
            on_change=job.discovery.on_change or "reprocess",
            gone_after=job.discovery.gone_after,
            empty_is_error=job.discovery.empty_is_error,
        ),
        timezone=job.timezone,
        budget=Budget(
            daily_micros=budget.daily_micros,
            monthly_micros=budget.monthly_micros,
            per_item_micros=budget.per_item_micros,
            soft_ratio=budget.soft_ratio,
            on_exceed=budget.on_exceed,
            require_price=budget.require_price,
        ),
        overall=Budget(
            daily_micros=overall.daily_micros, soft_ratio=overall.soft_ratio, on_exceed=overall.on_exceed
        ),
    )


def job_entries(jobs_file: JobsFile) -> list[JobEntry]:
    """All jobs of a file, as `ledger.jobs.sync` takes them."""
    return [job_entry(job) for job in jobs_file.jobs]


def job_entry(job: Job) -> JobEntry:
    """One job, as `ledger.jobs.sync` takes it."""
    return JobEntry(job.name, job.config_json, job.config_hash, job.enabled)


def _stage_plan(stage: ChainStage, handler: Handler) -> StagePlan:
    retry, breaker = stage.retry, stage.breaker
    return StagePlan(
        name=stage.name,
        needs=stage.needs,
        handler_version=handler.version,
        logic_hash=handler.logic_hash,
        retry=RetryPolicy(
            max_attempts=retry.max_attempts,
            base_ms=round(retry.base_s * 1000),
            cap_ms=round(retry.cap_s * 1000),
            jitter=retry.jitter,
        ),
        breaker=BreakerPolicy(
            min_calls=breaker.min_calls,
            window=breaker.window,
            failure_ratio=breaker.failure_ratio,
            cool_down_s=max(round(breaker.cool_down_s), 1),
            cap_s=max(round(breaker.cap_s), 1),
        ),
        estimate_micros=stage.estimate_micros,
    )
