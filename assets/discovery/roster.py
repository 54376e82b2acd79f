"""The jobs of a process that lives long: read once, when it starts, with their handlers imported.

A jobs file with mistakes must not take down what else the process does, so it makes an empty roster that says
what is wrong. Not here: reading the file (`jobs_file`), importing handlers (`handler_modules`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from assets.discovery.config_problems import ConfigurationError
from assets.discovery.engine.pacer import Pacer
from assets.discovery.handler_modules import Handler, import_handlers, with_bad_handlers
from assets.discovery.job_model import Job, JobsFile
from assets.discovery.job_plans import job_plan
from assets.discovery.jobs_file import SHIPPED, jobs_path, load_jobs
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.readers.jobs_today import JobToday


@dataclass(frozen=True)
class Roster:
    """The jobs file with the handlers of its stages, by the names of their modules.

    `problem` is set if the file or a handler has mistakes; there are no jobs then.
    """

    path: Path
    jobs_file: JobsFile = field(default_factory=lambda: JobsFile(version=1))
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    problem: ConfigurationError | None = None

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Read a jobs file, by default the one of `jobs_path`; neither network nor ledger is touched.

        Without its shipped file (the package of another pipeline leaves it out) there are no jobs.
        """
        path = path or jobs_path()
        if path == SHIPPED and not path.exists():
            return cls(path)
        try:
            jobs = load_jobs(path)
        except ConfigurationError as problem:
            return cls(path, problem=with_bad_handlers(problem, path))
        try:
            return cls(path, jobs, import_handlers(jobs))
        except ConfigurationError as problem:
            return cls(path, problem=problem)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs in the order of the file, disabled ones too."""
        return self.jobs_file.jobs

    @property
    def pacer(self) -> Pacer:
        """The rates of all stages."""
        return Pacer.of(self.jobs_file)

    def plan(self, job: Job) -> JobPlan:
        """A job as the ledger needs it."""
        return job_plan(job, self.jobs_file, self.handlers)

    def today(self, job: Job) -> JobToday:
        """A job as its readers need it."""
        pacer = self.pacer
        gates = {stage.name: pacer.gate(job, stage.name) for stage in job.chain}
        limiters = {stage: gate.limiter for stage, gate in gates.items() if gate is not None}
        return JobToday(self.plan(job), job, limiters)
