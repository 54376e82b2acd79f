"""Jobs on AWS Glue.

The Glue job itself (script, role, workers, time-out) is defined once, on AWS, with MaxRetries 0, since
retries are Dagster's; a run only gives it arguments. dagster-aws' PipesGlueClient (0.29.27) is not used: it
changes the parameters that it is given, sleeps 5 s between looks for ever, cannot adopt, and lets a job run
on that was interrupted while it started.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Final, Self

import dagster as dg
from dagster_pipes import DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT

from resources.compute.aws_clients import aws_client, aws_errors
from resources.compute.base import Phase, RemoteBackend, RunningJob, Sighting, Submission
from resources.compute.errors import ComputeMisconfigured, PlatformRefused
from resources.compute.polling import Polling
from resources.compute.s3_messages import S3Messages
from resources.compute.settings import Settings

# https://docs.aws.amazon.com/glue/latest/dg/job-run-statuses.html; every other state goes on.
_ENDED: Final = {
    "SUCCEEDED": Phase.SUCCEEDED,
    "FAILED": Phase.FAILED,
    "ERROR": Phase.FAILED,
    "STOPPED": Phase.STOPPED,
    "TIMEOUT": Phase.EXPIRED,
    "EXPIRED": Phase.EXPIRED,
}
_ALIVE: Final = ("STARTING", "RUNNING", "WAITING")

# Glue lists the newest runs first, so those that still run are on the first of these pages of 200.
_PAGES: Final = 5


class GlueBackend(RemoteBackend):
    """Runs one job definition of AWS Glue, with the arguments of the submission."""

    name = "glue"

    def __init__(
        self,
        job: str,
        messages: S3Messages,
        *,
        py_files: str | None = None,
        polling: Polling | None = None,
    ) -> None:
        super().__init__(polling)
        self._job = job
        self._messages = messages
        self._py_files = py_files
        self._client = aws_client("glue")
        self._starter = aws_client("glue", attempts=1)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Read QUINTET_GLUE_JOB, QUINTET_GLUE_PY_FILES and the bucket of the messages.

        Credentials, region and endpoint come from boto's own chain.
        """
        job = settings.required("QUINTET_GLUE_JOB", "the name of the Glue job")
        py_files = settings.optional("QUINTET_GLUE_PY_FILES")
        return cls(job, S3Messages.from_settings(settings), py_files=py_files)

    def find(self, token: str) -> RunningJob | None:
        """The newest run of the job that is alive and was told to report below this token."""
        with self._errors():
            pages = self._client.get_paginator("get_job_runs").paginate(
                JobName=self._job, PaginationConfig={"PageSize": 200}
            )
            for page in islice(pages, _PAGES):
                for run in page["JobRuns"]:
                    encoded = run.get("Arguments", {}).get(DAGSTER_PIPES_MESSAGES_CLI_ARGUMENT)
                    told = self._messages.told(token, encoded)
                    if told and run["JobRunState"] in _ALIVE:
                        return RunningJob(run["Id"], told)
        return None

    def start(self, submission: Submission, session: dg.PipesSession) -> str:
        """Start a run of the job."""
        arguments = {**as_glue_arguments(submission.arguments), **session.get_bootstrap_cli_arguments()}
        if self._py_files:
            arguments["--extra-py-files"] = self._py_files
        with self._errors():
            return self._starter.start_job_run(JobName=self._job, Arguments=arguments)["JobRunId"]

    def look(self, job_id: str) -> Sighting:
        """The state of the run, and its error message."""
        with self._errors():
            run = self._client.get_job_run(JobName=self._job, RunId=job_id)["JobRun"]
        state = run["JobRunState"]
        text = ": ".join(part for part in (state, run.get("ErrorMessage")) if part)
        return Sighting(_ENDED.get(state, Phase.RUNNING), text)

    def stop(self, job_id: str) -> None:
        """Ask Glue to stop the run."""
        with self._errors():
            answer = self._client.batch_stop_job_run(JobName=self._job, JobRunIds=[job_id])
        if answer.get("Errors") and self.look(job_id).phase is Phase.RUNNING:
            reason = answer["Errors"][0].get("ErrorDetail", {}).get("ErrorMessage", "no reason is given")
            raise PlatformRefused(f"Glue does not stop the run {job_id} of the job {self._job}: {reason}")

    def context_injector(self, submission: Submission) -> dg.PipesContextInjector:
        """In S3: an argument of Glue has no room for it."""
        return self._messages.context_injector(submission.token)

    def message_reader(self, submission: Submission, adopted: RunningJob | None) -> dg.PipesMessageReader:
        """From S3, where the messages of a run that failed are too."""
        return self._messages.message_reader(submission.token, adopted.messages if adopted else None)

    def describe(self, job_id: str) -> Mapping[str, Any]:
        """The job, the run, and its page in the console."""
        region = self._client.meta.region_name
        console = f"https://{region}.console.aws.amazon.com/gluestudio/home?region={region}"
        link = dg.MetadataValue.url(f"{console}#/job/{self._job}/run/{job_id}")
        return {"glue_job": self._job, "glue_run_id": job_id, "platform_link": link}

    def _errors(self) -> AbstractContextManager[None]:
        return aws_errors(f"Glue, asked about the job {self._job},")


def as_glue_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Write a command line as Glue takes it: by name, each with a value. A flag becomes `true`.

    Raises:
        ComputeMisconfigured: Glue cannot hand it on: a value that belongs to no name, or begins with `--`.
    """
    given: dict[str, str] = {}
    open_name: str | None = None
    for token in arguments:
        if token.startswith("--"):
            open_name, separator, value = token.partition("=")
            if value.startswith("--"):
                raise ComputeMisconfigured(f"Glue cannot hand on {token!r}: a value must not begin with --.")
            given[open_name] = value if separator else "true"
            open_name = None if separator else open_name
        elif open_name is None:
            raise ComputeMisconfigured(f"Glue cannot hand on {token!r}: it follows no --name.")
        else:
            given[open_name], open_name = token, None
    return given
