"""Jobs and factories whose hooks publish how they ended, through an outbox.

What cannot be delivered waits in the outbox and fails nobody. Not here: the jobs and what they do, and what a
hook may do to a run (`job_contract`).
"""

import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from assets.dwh.job_contract import AbstractJob, AbstractJobFactory
from assets.dwh.job_events import Artifact, completed_event
from assets.dwh.job_settings import readable_publisher
from assets.dwh.metrics import Metrics
from assets.dwh.publishers import FailureEvents, Outbox
from assets.dwh.registry import RegisteredJob


class JobResults(Protocol):
    """What a job returns that did its work, good or not good enough."""

    @property
    def metrics(self) -> Metrics:
        """The metrics document; RED is `PENDING_APPROVAL` in it, and no error."""
        ...

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """What was written, by category."""
        ...


class EventLost(RuntimeError):
    """Neither the receiver nor the outbox took an event; the log has it."""


class PublishingJob(AbstractJob):
    """A job that publishes how its run ended, once. Subclasses do the work and return `JobResults`."""

    def __init__(self, events: FailureEvents, *, strict_hooks: bool = False) -> None:
        """A job whose events go out under the name and the run id of `events`."""
        self.events = events
        self.strict_hooks = strict_hooks

    def on_success(self, results: JobResults) -> None:
        """Publish that the work was done.

        Raises:
            EventLost: nobody has the event; that fails the run with `strict_hooks` only.
        """
        event = completed_event(results.metrics, results.artifacts, self.events.now())
        if self.events.outbox.publish(event, self.events.config) == "lost":
            raise EventLost(
                f"Event {event.event_id} reached neither its receiver nor the outbox; take it from the log"
            )

    def on_failure(self, error_message: str) -> None:
        """Publish the error that is being handled; called inside its `except`."""
        error = sys.exception()
        if error is not None:
            self.events.publish_failure(phase="execute", message=error_message, error=error)


class PublishingFactory(AbstractJobFactory):
    """A factory of one registered job that publishes if the job cannot be made, under run id `unknown`.

    It can where its arguments say readably to whom, whatever else is wrong with them.
    """

    def __init__(
        self,
        job: RegisteredJob,
        outbox: Outbox,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.job = job
        self.outbox = outbox
        self.now = now

    def run(self, /, **kwargs: Any) -> Any:
        """Make the job, run it, and return its results; raises what `AbstractJobFactory.run` does."""
        config = readable_publisher(self.job.config, {**self.arguments, **kwargs})
        self.publisher = (
            None if config is None else FailureEvents(self.outbox, config, self.now, self.job.name)
        )
        return super().run(**kwargs)
