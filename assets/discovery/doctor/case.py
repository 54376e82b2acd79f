"""What is examined: a ledger, the jobs of the jobs file, an instant and the surroundings."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from assets.discovery.contract import Work
from assets.discovery.doctor.surroundings import Surroundings
from assets.discovery.handler_modules import Handler, import_handler
from assets.discovery.job_model import Job, JobsFile
from assets.discovery.job_plans import job_plan
from assets.discovery.ledger.plans import JobPlan


@dataclass(frozen=True, slots=True)
class StandingJob:
    """A job of the jobs file: as it is written, and as the ledger needs it."""

    job: Job
    plan: JobPlan
    faults: Mapping[str, str] = field(default_factory=dict)
    """Why the handler of a stage cannot be used, by the name of the stage."""

    @property
    def name(self) -> str:
        """The name of the job, `job_id` in the ledger."""
        return self.job.name


def standing_jobs(jobs_file: JobsFile) -> list[StandingJob]:
    """The jobs of a file, disabled ones too; a handler that cannot be imported is a fault and no error."""
    handlers: dict[str, Handler] = {}
    faults: dict[str, str] = {}
    for module in {stage.handler for job in jobs_file.jobs for stage in job.chain}:
        try:
            handlers[module] = import_handler(module)
        except ValueError as error:
            handlers[module] = Handler(module, _refuse, "", "")
            faults[module] = str(error)
    return [
        StandingJob(
            job,
            job_plan(job, jobs_file, handlers),
            {stage.name: faults[stage.handler] for stage in job.chain if stage.handler in faults},
        )
        for job in jobs_file.jobs
    ]


def _refuse(work: Work) -> NoReturn:
    raise ValueError(f"the handler of stage {work.stage} cannot be used")


@dataclass(frozen=True, slots=True)
class Case:
    """One examination. `now` is milliseconds UTC; the connection may be read-only."""

    connection: sqlite3.Connection
    jobs: Sequence[StandingJob]
    now: int
    surroundings: Surroundings

    @property
    def plans(self) -> dict[str, JobPlan]:
        """The jobs of the jobs file by name."""
        return {job.name: job.plan for job in self.jobs}

    def rows(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        return self.connection.execute(query, values).fetchall()

    def key_of(self, item_id: int) -> str:
        """The key of an item, as evidence names it."""
        ((key,),) = self.rows("SELECT key FROM work_items WHERE id = ?", item_id)
        return key
