"""Who is told of a finished job, and that an event is neither lost nor able to fail a job. Defect 18."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.dwh.filter_manifests import FilterInput, LineageEntry
from assets.dwh.job_contract import AbstractJob, AbstractJobFactory, FailurePublisher
from assets.dwh.job_events import JobCompleted, JobError, completed_event, failed_event
from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.metrics import FilterPayload, JobRun, metrics_of
from assets.dwh.paths import Location
from assets.dwh.publishers import (
    MAX_MESSAGE_BYTES,
    FailureEvents,
    Folder,
    LogLine,
    Nobody,
    Outbox,
    OutboxEntry,
    Topic,
    destination_of,
    message_of,
)
from tests.assets.dwh.filter_runs import FILTER_MANIFEST, FILTERED

NOW = datetime(2025, 1, 16, 8, tzinfo=UTC)
ARN = "arn:aws:sns:us-east-1:123456789012:jobs"
NOOP = EventPublisherConfig()
LOG = EventPublisherConfig(publisher_type="LOG")
FILE = EventPublisherConfig(publisher_type="FILE", path="s3://b/events/")
SNS = EventPublisherConfig(publisher_type="SNS", topic_arn=ARN, region="us-east-1")
ERROR = JobError(type="ValueError", message="x", phase="execute", stack_trace="…")


def event(run_id: str = "promos-1") -> JobCompleted:
    return completed_event(metrics_of(JobRun("load_promos", run_id, NOW), "SUCCESS", NOW), {}, NOW)


class Receiver:
    """Takes what is delivered, unless it is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.refused: set[str] = set()
        self.objects: dict[Location, bytes] = {}
        self.messages: list[tuple[Topic, str, str, dict[str, str]]] = []

    def write(self, location: Location, content: bytes) -> None:
        self._take(location.name)
        self.objects[location] = content

    def send(self, topic: Topic, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        self._take(json.loads(message)["job_run_id"])
        self.messages.append((topic, subject, message, dict(attributes)))

    def _take(self, name: str) -> None:
        if self.is_down or any(refused in name for refused in self.refused):
            raise ConnectionError("no route, password=hunter2")

    @property
    def runs(self) -> list[str]:
        return [json.loads(message)["job_run_id"] for _, _, message, _ in self.messages]


class Store:
    """An outbox in memory that writes its entries as objects; the methods that `broken` names raise."""

    def __init__(self, *broken: str) -> None:
        self.broken = set(broken)
        self.entries: dict[str, bytes] = {}
        self.done: list[str] = []

    def _touch(self, method: str) -> None:
        if method in self.broken:
            raise OSError(f"{method} is broken")

    def add(self, entry: OutboxEntry) -> bool:
        self._touch("add")
        if entry.event_id in self.entries or entry.event_id in self.done:
            return False
        self.entries[entry.event_id] = entry.content()
        return True

    def waiting(self) -> Iterable[str]:
        self._touch("waiting")
        return self.entries.keys()

    def read(self, event_id: str) -> OutboxEntry:
        self._touch("read")
        return OutboxEntry.read(event_id, self.entries[event_id])

    def replace(self, entry: OutboxEntry) -> None:
        self._touch("replace")
        self.entries[entry.event_id] = entry.content()

    def delivered(self, event_id: str) -> None:
        self._touch("delivered")
        del self.entries[event_id]
        self.done.append(event_id)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def outbox(store, receiver) -> Outbox:
    return Outbox(store, receiver)


@pytest.mark.parametrize(
    ("config", "destination"),
    [
        (NOOP, Nobody()),
        (LOG, LogLine()),
        (FILE, Folder(Location("b", "events"))),
        (SNS, Topic(ARN, "us-east-1")),
        (EventPublisherConfig(publisher_type="SNS", topic_arn=ARN), Topic(ARN, None)),
        (EventPublisherConfig(publisher_type="LOG", path="s3://b/x", topic_arn=ARN), LogLine()),
    ],
)
def test_a_configuration_means_one_destination(config, destination):
    assert destination_of(config) == destination


@pytest.mark.parametrize("publisher_type", ["FILE", "SNS"])
def test_a_configuration_that_nobody_checked_and_that_lacks_its_place_is_refused(publisher_type):
    config = EventPublisherConfig.model_construct(publisher_type=publisher_type, path=None, topic_arn=None)
    with pytest.raises(ValueError, match=publisher_type):
        destination_of(config)


def test_noop_tells_nobody_and_keeps_nothing(outbox, store, receiver):
    assert outbox.publish(event(), NOOP) == "nobody"
    assert not store.entries
    assert not store.done
    assert not receiver.objects


def test_log_is_a_line_with_the_event(outbox, caplog):
    with caplog.at_level(logging.INFO, logger="quintet.dwh.events"):
        assert outbox.publish(event(), LOG) == "delivered"
    assert [record.getMessage() for record in caplog.records] == [
        f"Job Event: load_promos - SUCCESS: {event().line()}"
    ]


def test_file_is_one_object_in_the_folder(outbox, store, receiver):
    assert outbox.publish(event(), FILE) == "delivered"
    assert receiver.objects == {
        Location("b", "events/load_promos-promos-1-SUCCESS.json"): event().content(),
    }
    assert store.done == ["promos-1-SUCCESS"]
    assert not store.entries


def test_sns_is_a_message_with_subject_and_attributes(outbox, receiver):
    assert outbox.publish(event(), SNS) == "delivered"
    assert receiver.messages == [
        (
            Topic(ARN, "us-east-1"),
            "Job Event: load_promos - SUCCESS",
            event().line(),
            {"status": "SUCCESS", "job_name": "load_promos"},
        )
    ]


def test_a_message_that_would_be_too_long_comes_without_its_metrics():
    entry = LineageEntry(run_id="f1", transform_run_id="r", source_timestamp=NOW, path="s3://b/" + "é" * 500)
    manifest = FILTER_MANIFEST.model_copy(update={"lineage": (entry,) * 300, "input": FilterInput()})
    payload = FilterPayload.of(manifest, FILTERED)
    metrics = metrics_of(JobRun("filter_images", "f1", NOW), "SUCCESS", NOW, payload=payload)
    long = completed_event(metrics, {}, NOW)
    # The limit is of bytes: in characters it would fit.
    assert len(long.line()) < MAX_MESSAGE_BYTES < len(long.line().encode())
    assert json.loads(message_of(long)) == {**json.loads(long.line()), "metrics": None}
    assert message_of(event()) == event().line()


@pytest.mark.parametrize("config", [FILE, SNS])
def test_an_event_that_is_not_delivered_waits_and_is_delivered_later(outbox, store, receiver, config):
    receiver.is_down = True
    assert outbox.publish(event(), config) == "waiting"
    assert outbox.retry() == {"promos-1-SUCCESS": "waiting"}
    kept = store.read("promos-1-SUCCESS")
    assert (kept.event, kept.publisher, kept.attempts) == (event(), config, 2)
    receiver.is_down = False
    assert outbox.retry() == {"promos-1-SUCCESS": "delivered"}
    assert len(receiver.objects) + len(receiver.messages) == 1
    assert outbox.retry() == {}


def test_the_reason_is_kept_without_secrets(outbox, store, receiver, caplog):
    receiver.is_down = True
    outbox.publish(event(), SNS)
    assert store.read("promos-1-SUCCESS").last_error == "ConnectionError: no route, password=***"
    assert "hunter2" not in caplog.text


def test_an_id_is_published_once(outbox, store, receiver):
    receiver.is_down = True
    outbox.publish(event(), SNS)
    assert outbox.publish(event(), SNS) == "known"
    receiver.is_down = False
    outbox.retry()
    assert outbox.publish(event(), SNS) == "known"
    assert receiver.runs == ["promos-1"]


def test_one_event_that_fails_does_not_hold_up_the_others(outbox, store, receiver):
    receiver.is_down = True
    for run_id in ("r1", "r2", "r3"):
        outbox.publish(event(run_id), SNS)
    receiver.is_down = False
    receiver.refused = {"r1"}
    store.entries["r2-SUCCESS"] = b"{"
    assert outbox.retry() == {"r1-SUCCESS": "waiting", "r2-SUCCESS": "waiting", "r3-SUCCESS": "delivered"}
    assert list(store.entries) == ["r1-SUCCESS", "r2-SUCCESS"]
    assert receiver.runs == ["r3"]


def test_a_broken_outbox_does_not_keep_an_event_from_its_receiver(receiver, caplog):
    assert Outbox(Store("add"), receiver).publish(event(), SNS) == "delivered"
    assert receiver.runs == ["promos-1"]
    assert "add is broken" in caplog.text


def test_an_event_that_nothing_takes_is_in_the_log(receiver, caplog):
    receiver.is_down = True
    assert Outbox(Store("add"), receiver).publish(event(), SNS) == "lost"
    assert event().line() in caplog.text


@pytest.mark.parametrize(("is_down", "broken"), [(False, "delivered"), (True, "replace")])
def test_what_the_outbox_could_not_note_is_tried_again(receiver, is_down, broken):
    store = Store(broken)
    receiver.is_down = is_down
    assert Outbox(store, receiver).publish(event(), SNS) == ("waiting" if is_down else "delivered")
    receiver.is_down = False
    store.broken.clear()
    assert Outbox(store, receiver).retry() == {"promos-1-SUCCESS": "delivered"}


def test_an_outbox_that_cannot_be_listed_is_an_error_of_the_retry(receiver):
    with pytest.raises(OSError, match="waiting is broken"):
        Outbox(Store("waiting"), receiver).retry()


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("the JVM is dead")


def test_an_error_without_a_text_fails_nobody(store, receiver, monkeypatch):
    def refuse(*_: object) -> None:
        raise Unspeakable

    monkeypatch.setattr(receiver, "send", refuse)
    assert Outbox(store, receiver).publish(event(), SNS) == "waiting"
    assert store.read("promos-1-SUCCESS").last_error == "Unspeakable"


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["up", "down", "refused"])), max_size=12),
    st.sampled_from([(), ("replace",)]),
)
def test_whatever_happens_every_event_arrives_once(steps, broken):
    receiver, store = Receiver(), Store(*broken)
    outbox = Outbox(store, receiver)
    published = set()
    for number, state in steps:
        receiver.is_down = state == "down"
        receiver.refused = {f"r{number}"} if state == "refused" else set()
        outbox.publish(event(f"r{number}"), SNS)
        published.add(f"r{number}")
        outbox.retry()
    receiver.is_down, receiver.refused, store.broken = False, set(), set()
    outbox.retry()
    assert sorted(receiver.runs) == sorted(published)
    assert not store.entries


class BrokenFactory(AbstractJobFactory):
    def create_job(self, **kwargs: object) -> AbstractJob:
        raise ModuleNotFoundError("no wiring")


def test_a_job_that_cannot_be_made_is_told_and_its_error_comes_out(outbox, receiver):
    """Defect 18: a failed notification masked the real error, and failures before the job told nobody."""
    factory = BrokenFactory()
    failures: FailurePublisher = FailureEvents(outbox, SNS, lambda: NOW, "load_promos")
    factory.publisher = failures
    receiver.is_down = True
    with pytest.raises(ModuleNotFoundError, match="no wiring"):
        factory.run()
    receiver.is_down = False
    outbox.retry()
    (_, subject, message, _), *others = receiver.messages
    told = json.loads(message)
    assert not others
    assert subject == "Job Event: load_promos - FAILED"
    assert (told["job_run_id"], told["failure_type"], told["error"]["phase"]) == (
        "unknown",
        "CATASTROPHIC",
        "create",
    )
    assert told["error"]["message"] == "BrokenFactory create failed: no wiring"


def test_each_failure_without_a_run_id_is_told(outbox, receiver):
    for second in range(2):
        outbox.publish(failed_event("load_promos", ERROR, NOW + timedelta(seconds=second)), SNS)
    assert receiver.runs == ["unknown", "unknown"]


def test_a_failure_of_a_run_carries_its_id(outbox, receiver):
    failures = FailureEvents(outbox, FILE, lambda: NOW, "load_promos", "promos-1")
    failures.publish_failure(phase="execute", message="J execution failed: x", error=ValueError("x"))
    assert [location.name for location in receiver.objects] == ["load_promos-promos-1-FAILED.json"]
