"""Who is told of a finished job, and the outbox that keeps an event until they are.

Publishing never fails a job: what cannot be delivered stays in the outbox and is tried again. An event may
reach its receiver twice, where a process dies between delivery and its note; its id tells. Not here: the
clients of stores and topics, the store of the outbox, and the event (`job_events`).
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, Protocol

from pydantic import NonNegativeInt

from assets.dwh.documents import Document
from assets.dwh.job_events import UNKNOWN_RUN, FailurePhase, JobCompleted, failed_event, job_error
from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.paths import Location
from assets.dwh.redaction import without_secrets

MAX_MESSAGE_BYTES: Final = 256 * 1024
"""What SNS takes as one message; attributes count, for which 1 KiB is set aside."""

_log = logging.getLogger("quintet.dwh.events")


@dataclass(frozen=True, slots=True)
class Nobody:
    """NOOP: nobody is told."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """LOG: a line of the log."""


@dataclass(frozen=True, slots=True)
class Folder:
    """FILE: an object of its own in a folder."""

    location: Location


@dataclass(frozen=True, slots=True)
class Topic:
    """SNS: a message to a topic."""

    arn: str
    region: str | None
    """None for the region in the ARN."""


Destination = Nobody | LogLine | Folder | Topic


class EventClient(Protocol):
    """Reaches stores and topics. Whatever it raises counts as not delivered."""

    def write(self, location: Location, content: bytes) -> None:
        """Write an object, over one that is there."""
        ...

    def send(self, topic: Topic, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        """Send a message to a topic."""
        ...


class OutboxEntry(Document):
    """An event that waits, and for whom."""

    event: JobCompleted
    publisher: EventPublisherConfig
    attempts: NonNegativeInt = 0
    last_error: str | None = None

    @property
    def event_id(self) -> str:
        """The id of the event."""
        return self.event.event_id


class OutboxStore(Protocol):
    """Keeps entries by the id of their event, and remembers the ids of those delivered."""

    def add(self, entry: OutboxEntry) -> bool:
        """Keep an entry; False, and nothing is changed, if its id waits or was delivered."""
        ...

    def waiting(self) -> Iterable[str]:
        """The ids that wait, the oldest first."""
        ...

    def read(self, event_id: str) -> OutboxEntry:
        """The entry of an id that waits."""
        ...

    def replace(self, entry: OutboxEntry) -> None:
        """Keep an entry instead of the one of its id."""
        ...

    def delivered(self, event_id: str) -> None:
        """Let go of an entry, and remember its id."""
        ...


Delivery = Literal["delivered", "waiting", "known", "lost", "nobody"]
"""What became of an event.

`known`: its id was published before. `lost`: neither the outbox nor the receiver took it; the log has it.
"""


def destination_of(config: EventPublisherConfig) -> Destination:
    """Whom a configuration means.

    Raises:
        ValueError: it has no place for its publisher; none that was read lacks one.
    """
    match config:
        case EventPublisherConfig(publisher_type="NOOP"):
            return Nobody()
        case EventPublisherConfig(publisher_type="LOG"):
            return LogLine()
        case EventPublisherConfig(publisher_type="FILE", path=str(path)):
            return Folder(Location.parse(path))
        case EventPublisherConfig(publisher_type="SNS", topic_arn=str(arn), region=region):
            return Topic(arn, region)
    raise ValueError(f"publisher_type {config.publisher_type} has no place for its events; give one")


def deliver(event: JobCompleted, destination: Destination, client: EventClient) -> None:
    """Tell them; whatever the client raises comes out."""
    match destination:
        case Nobody():
            return
        case LogLine():
            _log.info("%s: %s", event.subject, event.line())
        case Folder(location):
            client.write(location / event.file_name, event.content())
        case Topic():
            client.send(destination, event.subject, message_of(event), event.attributes)


def message_of(event: JobCompleted) -> str:
    """The event as a message: without its metrics if it were too long with them."""
    message = event.line()
    if len(message.encode()) <= MAX_MESSAGE_BYTES - 1024:
        return message
    return event.model_copy(update={"metrics": None}).line()


@dataclass(frozen=True, slots=True)
class Outbox:
    """Publishes events, each id once, and keeps those that did not reach anybody."""

    store: OutboxStore
    client: EventClient

    def publish(self, event: JobCompleted, config: EventPublisherConfig) -> Delivery:
        """Deliver an event, or keep it to be tried again; never raises."""
        if config.publisher_type == "NOOP":
            return "nobody"
        entry = OutboxEntry(event=event, publisher=config)
        try:
            if not self.store.add(entry):
                return "known"
        except Exception as error:  # noqa: BLE001 (whatever a store raises, the job goes on)
            _log.error("The outbox did not take event %s: %s", entry.event_id, _reason(error))
            return self._deliver_unkept(entry)
        return self._try(entry)

    def retry(self) -> dict[str, Delivery]:
        """Try every event that waits once more, the oldest first; what fails goes on waiting.

        Returns:
            By event id, whether it was `delivered` or is `waiting`.

        Raises:
            Exception: the store cannot list what waits.
        """
        return {event_id: self._try_again(event_id) for event_id in list(self.store.waiting())}

    def _try_again(self, event_id: str) -> Delivery:
        try:
            entry = self.store.read(event_id)
        except Exception as error:  # noqa: BLE001 (one entry that cannot be read does not hold up the others)
            _log.error("Event %s cannot be read in the outbox: %s", event_id, _reason(error))
            return "waiting"
        return self._try(entry)

    def _try(self, entry: OutboxEntry) -> Delivery:
        """Deliver an entry that the store keeps, and note there what became of it."""
        failure = self._failure_of(entry)
        try:
            if failure is None:
                self.store.delivered(entry.event_id)
            else:
                tried = {"attempts": entry.attempts + 1, "last_error": failure}
                self.store.replace(entry.model_copy(update=tried))
        except Exception as error:  # noqa: BLE001 (the entry is still there and is tried again)
            _log.error("The outbox took no note of event %s: %s", entry.event_id, _reason(error))
        return "waiting" if failure else "delivered"

    def _deliver_unkept(self, entry: OutboxEntry) -> Delivery:
        if self._failure_of(entry) is None:
            return "delivered"
        _log.error("Event %s reached nobody: %s", entry.event_id, entry.event.line())
        return "lost"

    def _failure_of(self, entry: OutboxEntry) -> str | None:
        """Deliver it; the reason if that failed."""
        try:
            deliver(entry.event, destination_of(entry.publisher), self.client)
        except Exception as error:  # noqa: BLE001 (whatever a client raises, the job goes on)
            reason = _reason(error)
            _log.warning(
                "Event %s was not delivered, attempt %d: %s", entry.event_id, entry.attempts + 1, reason
            )
            return reason
        return None


@dataclass(frozen=True, slots=True)
class FailureEvents:
    """The publisher of a factory or a job: an event for each failure, through an outbox."""

    outbox: Outbox
    config: EventPublisherConfig
    now: Callable[[], datetime]
    job_name: str
    job_run_id: str = UNKNOWN_RUN

    def publish_failure(self, *, phase: FailurePhase, message: str, error: BaseException) -> None:
        """Publish a failure: what is told to people, and the error itself."""
        event = failed_event(
            self.job_name, job_error(phase, message, error), self.now(), job_run_id=self.job_run_id
        )
        self.outbox.publish(event, self.config)


def _reason(error: Exception) -> str:
    try:
        return without_secrets(f"{type(error).__name__}: {error}")
    except Exception:  # noqa: BLE001 (the text of a foreign error may itself raise)
        return type(error).__name__
