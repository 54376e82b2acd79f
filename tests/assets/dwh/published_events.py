"""Events, receivers and outboxes for the tests of publishing."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from assets.dwh.job_events import JobCompleted, completed_event
from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.metrics import JobRun, metrics_of
from assets.dwh.paths import Location
from assets.dwh.publishers import EventClient, Outbox, Topic
from assets.dwh.stages.events import REST, ObjectOutbox
from resources.object_store import ObjectStore

NOW = datetime(2025, 1, 16, 8, tzinfo=UTC)
ARN = "arn:aws:sns:us-east-1:123456789012:jobs"
SNS = EventPublisherConfig(publisher_type="SNS", topic_arn=ARN)


def event(run_id: str = "promos-1") -> JobCompleted:
    return completed_event(metrics_of(JobRun("load_promos", run_id, NOW), "SUCCESS", NOW), {}, NOW)


class Recipient:
    """Takes messages, unless it is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.messages: list[str] = []

    def write(self, location: Location, content: bytes) -> None:
        raise AssertionError(f"nobody was to write {location}")

    def send(self, topic: Topic, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        if self.is_down:
            raise ConnectionError("no route, password=hunter2")
        self.messages.append(message)

    @property
    def events(self) -> list[dict]:
        return [json.loads(message) for message in self.messages]

    @property
    def runs(self) -> list[str]:
        return [event["job_run_id"] for event in self.events]


def outbox_now(objects: ObjectStore, bucket: str, client: EventClient) -> Outbox:
    """The outbox of a publisher."""
    return Outbox(ObjectOutbox(objects, Location(bucket, "_events")), client)


def outbox_later(objects: ObjectStore, bucket: str, client: EventClient) -> Outbox:
    """The same outbox, seen when everything that waits in it now has become due."""
    now = datetime.now(UTC) + REST + timedelta(minutes=1)
    return Outbox(ObjectOutbox(objects, Location(bucket, "_events"), lambda: now), client)
