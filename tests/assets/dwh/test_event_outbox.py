"""The outbox of dwh's events on a disk: its order, its limits, and publishers that die. Defect 18."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assets.dwh.job_settings import EventPublisherConfig
from assets.dwh.paths import Location
from assets.dwh.stages.events import MOST_AT_ONCE, Retried, outbox_for, retry_waiting
from resources.notifier import Topics
from resources.object_store import LocalObjectStore
from tests.assets.dwh.published_events import ARN, SNS, Recipient, event, outbox_later, outbox_now

BUCKET = "dwh-data"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def objects(tmp_path) -> LocalObjectStore:
    return LocalObjectStore(root=str(tmp_path / "storage"))


@pytest.fixture
def recipient() -> Recipient:
    return Recipient()


def publish_in_vain(objects, recipient, *run_ids: str) -> None:
    recipient.is_down = True
    for run_id in run_ids:
        assert outbox_now(objects, BUCKET, recipient).publish(event(run_id), SNS) == "waiting"
    recipient.is_down = False


def test_a_file_is_one_object_in_the_folder_of_its_publisher(objects):
    config = EventPublisherConfig(publisher_type="FILE", path="s3://jobs/events/")
    assert outbox_for(objects, Location(BUCKET, "_events")).publish(event(), config) == "delivered"
    assert objects.list_keys("jobs") == ["events/load_promos-promos-1-SUCCESS.json"]
    assert objects.read_bytes("jobs", "events/load_promos-promos-1-SUCCESS.json") == event().content()


class NotedTopics(Topics):
    """Topics that write down with what they are asked to publish."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def publish(self, *message: str, **options: Any) -> None:
        self.asked.append((message, options))


def test_a_message_is_sent_with_its_subject_region_and_attributes(objects):
    config = EventPublisherConfig(publisher_type="SNS", topic_arn=ARN, region="eu-west-2")
    topics = NotedTopics()
    assert outbox_for(objects, topics=topics).publish(event(), config) == "delivered"
    assert topics.asked == [
        (
            (ARN, "Job Event: load_promos - SUCCESS", event().line()),
            {
                "region": "eu-west-2",
                "attributes": {"status": "SUCCESS", "job_name": "load_promos"},
            },
        )
    ]


def test_the_entries_that_were_left_alone_for_longest_come_first_and_few_at_once(objects, recipient):
    runs = [f"r{number}" for number in range(MOST_AT_ONCE + 2)]
    publish_in_vain(objects, recipient, *reversed(runs))
    for age, run in enumerate(reversed(runs)):
        os.utime(objects.uri(BUCKET, f"_events/waiting/_{run}-SUCCESS.json"), (age, age))
    later = outbox_later(objects, BUCKET, recipient)
    assert len(retry_waiting(later).delivered) == MOST_AT_ONCE
    assert recipient.runs == runs[:1:-1]
    retry_waiting(later)
    assert recipient.runs == runs[::-1]


def test_entries_that_fail_again_and_again_do_not_keep_others_from_their_turn(objects, recipient):
    stuck = [f"r{number}" for number in range(MOST_AT_ONCE)]
    publish_in_vain(objects, recipient, *stuck, "the-last")
    recipient.is_down = True
    assert len(retry_waiting(outbox_later(objects, BUCKET, recipient)).waiting) == MOST_AT_ONCE
    recipient.is_down = False
    retry_waiting(outbox_later(objects, BUCKET, recipient))
    assert recipient.runs[0] == "the-last"


def test_an_event_whose_publisher_is_killed_while_it_sends_is_delivered_later_once(objects, recipient):
    command = [sys.executable, "-m", "tests.assets.dwh.interrupted_publisher", objects.root, BUCKET]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "sending\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    later = outbox_later(objects, BUCKET, recipient)
    assert retry_waiting(later) == Retried(("promos-1-SUCCESS",), ())
    assert retry_waiting(later) == Retried((), ())
    assert recipient.runs == ["promos-1"]


class Killed(BaseException):
    """Ends a publisher as a signal would: nothing in it can hold this up."""


class DyingStore:
    """An object store whose process dies just before the call with a given number."""

    def __init__(self, objects: LocalObjectStore, calls: int) -> None:
        self.objects = objects
        self.calls_left = calls

    def __getattr__(self, name: str) -> Any:
        if not self.calls_left:
            raise Killed
        self.calls_left -= 1
        return getattr(self.objects, name)


def calls_of_a_publication(tmp_path: Path) -> int:
    many = 1_000
    store: Any = DyingStore(LocalObjectStore(root=str(tmp_path / "rehearsal")), many)
    outbox_now(store, BUCKET, Recipient()).publish(event(), SNS)
    return many - store.calls_left


def test_wherever_a_publisher_dies_an_event_that_it_took_is_delivered(tmp_path):
    """Only a process that dies between a delivery and its mark makes it be delivered twice."""
    deliveries = []
    for calls in range(calls_of_a_publication(tmp_path)):
        objects, recipient = LocalObjectStore(root=str(tmp_path / str(calls))), Recipient()
        dying: Any = DyingStore(objects, calls)
        with pytest.raises(Killed):
            outbox_now(dying, BUCKET, recipient).publish(event(), SNS)
        later = outbox_later(objects, BUCKET, recipient)
        retry_waiting(later)
        deliveries.append(len(recipient.messages))
        assert retry_waiting(later) == Retried((), ())
        # Had the process died before the outbox took it, nobody would know of the event.
        assert later.publish(event(), SNS) == ("known" if calls else "delivered")
    # The calls: put the entry, look for the mark, (send), put the mark, delete the entry.
    assert deliveries == [0, 1, 2, 1]


@pytest.mark.parametrize(
    ("retried", "sentence"),
    [
        (Retried((), ()), "No event is due."),
        (Retried(("a", "b"), ()), "Delivered: a, b."),
        (Retried(("a",), ("b",)), "Delivered: a. Not delivered, and tried again later: b."),
    ],
)
def test_what_became_of_events_is_told_in_a_sentence(retried, sentence):
    assert str(retried) == sentence
