"""What a job is, what a backend promises, and the course that every remote job takes.

A platform (`glue`, `emr`, `container`, `databricks`) implements the few verbs of `RemoteBackend`; starting
or adopting, watching, stopping and reading the report are here, once. Not here: which backend a run takes
(`resource`), how often a platform is asked (`polling`), what the job itself does (`payload`).
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final

import dagster as dg
from dagster_pipes import PipesContextData, PipesParams

from resources.compute.errors import (
    JobFailed,
    JobOverdue,
    PlatformRefused,
    PlatformUnavailable,
    ReportMissing,
)
from resources.compute.polling import Polling

INTERRUPTS: Final = (dg.DagsterExecutionInterruptedError, KeyboardInterrupt)
"""What a terminated run raises in its step; neither is an `Exception`."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One job to run.

    `entry` is the script of the platform, relative to the repository (`scripts/glue/generic_entry.py`);
    `arguments` is its command line behind the script's name; `token` says which step of which run asks
    (`launch_token`), the same on every attempt of that step.
    """

    entry: str
    arguments: tuple[str, ...]
    token: str


class ComputeBackend(ABC):
    """Runs a job somewhere and brings back what it reported."""

    name: ClassVar[str]

    @property
    def is_in_process(self) -> bool:
        """Whether the step does the work itself; `run` is then not to be called."""
        return False

    @abstractmethod
    def run(
        self, context: dg.AssetExecutionContext, submission: Submission
    ) -> dg.PipesClientCompletedInvocation:
        """Run the job to its end. Its report is complete, but may be empty of results: see `results`.

        Raises:
            ComputeMisconfigured: a setting is missing; nothing was started.
            PlatformRefused: the platform does not let us.
            PlatformUnavailable: it cannot be reached; the job may still run, and the next attempt adopts it.
            JobFailed: the job ended badly.
            ReportMissing: the job ended well, but its report is not there or breaks off.
        """


class Phase(Enum):
    """How far a job is. A platform's own words are in `Sighting.text`."""

    RUNNING = "running"
    """Also queued, and waiting for its cluster, however long that takes."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"
    EXPIRED = "expired"
    """The platform ended it because a time of its own ran out."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a platform says of a job: the phase, and in its own words why."""

    phase: Phase
    text: str = ""


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A job that an earlier attempt started: its id, and where it was told to write its messages."""

    id: str
    messages: Mapping[str, Any] = field(default_factory=dict)


class RemoteBackend(ComputeBackend):
    """A platform that starts a job for us and is then asked how it is.

    A platform client's own exceptions do not leave these verbs: they raise the errors of `errors`.
    """

    def __init__(self, polling: Polling | None = None) -> None:
        self.polling = polling or Polling()

    @abstractmethod
    def find(self, token: str) -> RunningJob | None:
        """The job of this token that is queued or running, if there is one."""

    @abstractmethod
    def start(self, submission: Submission, session: dg.PipesSession) -> str:
        """Start the job with the parameters of the session, and return its id on the platform."""

    @abstractmethod
    def look(self, job_id: str) -> Sighting:
        """Ask how the job is."""

    @abstractmethod
    def stop(self, job_id: str) -> None:
        """Ask the platform to stop the job; one that has ended is no error."""

    @abstractmethod
    def context_injector(self, submission: Submission) -> dg.PipesContextInjector:
        """Where a new job reads its context. An adopted job has read, or will read, that of its start."""

    @abstractmethod
    def message_reader(self, submission: Submission, adopted: RunningJob | None) -> dg.PipesMessageReader:
        """Where the job writes its messages: for an adopted job `adopted.messages`, else a place of its own.

        A new job never shares its place with an earlier one of the same token, or the report of a failed
        attempt would count for the next.
        """

    def describe(self, job_id: str) -> Mapping[str, Any]:
        """Metadata of the job for everything it reported: its id, and as `platform_link` the URL of its page.

        Raises nothing: a page that is not known is left out.
        """
        return {"job_id": job_id}

    def run(
        self, context: dg.AssetExecutionContext, submission: Submission
    ) -> dg.PipesClientCompletedInvocation:
        """Adopt the job of this token or start one, watch it to its end, and stop it if we are stopped."""
        adopted = self.find(submission.token)
        with dg.open_pipes_session(
            context=context,
            context_injector=_NoContext() if adopted else self.context_injector(submission),
            message_reader=self.message_reader(submission, adopted),
        ) as session:
            job_id = self._run_to_end(context, submission, session, adopted)
        return completed(session, {"compute": self.name, **self.describe(job_id)})

    def _run_to_end(
        self,
        context: dg.AssetExecutionContext,
        submission: Submission,
        session: dg.PipesSession,
        adopted: RunningJob | None,
    ) -> str:
        """Return the id of a job that ended well; the session, still open, reads its last messages."""
        job_id = adopted.id if adopted else None
        try:
            job_id = job_id or self.start(submission, session)
            link = self.describe(job_id).get("platform_link")
            where = f"{self.name}: {link.value}" if isinstance(link, dg.UrlMetadataValue) else self.name
            context.log.info("%s the job %s on %s", "Adopted" if adopted else "Started", job_id, where)
            ended = self.polling.until_ended(lambda: self._end_of(job_id))
        except (*INTERRUPTS, JobOverdue):
            self._stop(context, submission.token, job_id)
            raise
        except PlatformUnavailable:
            job = f"The job {job_id}" if job_id else "A job"
            context.log.error("%s may run on %s; the next attempt of this step looks for it.", job, self.name)
            raise
        if ended.phase is not Phase.SUCCEEDED:
            why = ended.text or "the platform gives no reason"
            raise JobFailed(f"The job {job_id} on {self.name} {_ENDINGS[ended.phase]}: {why}")
        return job_id

    def _end_of(self, job_id: str) -> Sighting | None:
        sighting = self.look(job_id)
        return None if sighting.phase is Phase.RUNNING else sighting

    def _stop(self, context: dg.AssetExecutionContext, token: str, job_id: str | None) -> None:
        """Stop the job, also one whose id is not known since its start was cut short; never hide why."""
        try:
            job = job_id or ((found := self.find(token)) and found.id)
            if job:
                self.stop(job)
                context.log.warning("Stopped the job %s on %s.", job, self.name)
        except (PlatformRefused, PlatformUnavailable) as error:
            context.log.error("The job %s on %s may still run: %s", job_id, self.name, error)


class _NoContext(dg.PipesContextInjector):
    """For an adopted job, which got its context when it was started."""

    @contextmanager
    def inject_context(self, context_data: PipesContextData) -> Iterator[PipesParams]:
        yield {}

    def no_messages_debug_text(self) -> str:
        return "The job was adopted; it got its context from the attempt that started it."


_ENDINGS: Final = {
    Phase.FAILED: "failed",
    Phase.STOPPED: "was stopped from outside",
    Phase.EXPIRED: "ran out of time",
}


def launch_token(context: dg.AssetExecutionContext) -> str:
    """Name this step of this run and partition, the same on every attempt.

    49 characters of letters, digits and hyphens, which every platform takes as a name, a label or an
    idempotency token.
    """
    partitions = ()
    if context.has_partition_key or context.has_partition_key_range:
        partitions = context.partition_key_range
    identity = "\n".join((context.run.run_id, str(context.op_execution_context.op_handle), *partitions))
    return f"quintet-{context.run.run_id[:8]}-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


def completed(session: dg.PipesSession, metadata: Mapping[str, Any]) -> dg.PipesClientCompletedInvocation:
    """Take the report of a job that ended well; the session is closed.

    Raises:
        ReportMissing: the job never opened its report, or did not close it, so that its end may be missing.
    """
    handler = session.message_handler
    if not handler.received_opened_message:
        raise ReportMissing(
            "The job ended well but reported nothing at all; look at its own log, and where its messages go."
        )
    if not handler.received_closed_message:
        raise ReportMissing(
            "The job ended well but its report breaks off, so what it did is not known; look at its own log."
        )
    return dg.PipesClientCompletedInvocation(session, metadata=metadata)


def results(invocation: dg.PipesClientCompletedInvocation) -> Sequence[dg.PipesExecutionResult]:
    """Return what the job reported: materialisations and checks, and nothing that it did not say.

    Raises:
        ReportMissing: no materialisation, no check and no custom message.
    """
    reported = invocation.get_results(implicit_materializations=False)
    if not reported and not invocation.get_custom_messages():
        raise ReportMissing("The job ended well but reported no result; look at its own log.")
    return reported
