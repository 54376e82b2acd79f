"""What an outbox in the object store promises, on a disk, on moto's S3 and on the GCS emulator."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from assets.dwh.documents import UnreadableDocument
from assets.dwh.job_events import JobError, failed_event
from assets.dwh.paths import Location, is_data
from assets.dwh.publishers import OutboxEntry
from assets.dwh.stages.events import ObjectOutbox, Retried, retry_waiting
from resources.object_store import ObjectNotFound, ObjectStore
from tests.assets.dwh.published_events import NOW, SNS, Recipient, event, outbox_later, outbox_now

BUCKET = "quintet-contract"
ID = "promos-1-SUCCESS"
ENTRY = OutboxEntry(event=event(), publisher=SNS)

VARIANTS = [
    "local",
    pytest.param("s3", marks=pytest.mark.services),
    pytest.param("gcs", marks=pytest.mark.services),
]


@pytest.fixture(params=VARIANTS)
def objects(request: pytest.FixtureRequest) -> ObjectStore:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture
def recipient() -> Recipient:
    return Recipient()


@pytest.fixture
def outbox(objects, recipient):
    return outbox_now(objects, BUCKET, recipient)


@pytest.fixture
def later(objects, recipient):
    return outbox_later(objects, BUCKET, recipient)


def test_what_is_added_waits_and_reads_as_it_was_added(outbox, later):
    assert outbox.store.add(ENTRY)
    assert later.store.waiting() == [ID]
    assert outbox.store.read(ID) == ENTRY


def test_an_entry_is_due_only_when_nobody_has_touched_it_for_a_while(outbox, later):
    outbox.store.add(ENTRY)
    assert outbox.store.waiting() == []
    assert later.store.waiting() == [ID]


def test_an_id_that_waits_or_was_delivered_is_not_added_again(objects, outbox, later):
    other = ENTRY.model_copy(update={"attempts": 7})
    assert outbox.store.add(ENTRY)
    assert not outbox.store.add(other)
    assert outbox.store.read(ID) == ENTRY
    outbox.store.delivered(ID)
    assert not outbox.store.add(other)
    assert later.store.waiting() == []
    assert objects.list_keys(BUCKET) == [f"_events/delivered/_{ID}"]


def test_what_is_replaced_is_read(outbox):
    outbox.store.add(ENTRY)
    tried = ENTRY.model_copy(update={"attempts": 1, "last_error": "no route"})
    outbox.store.replace(tried)
    assert outbox.store.read(ID) == tried


def test_an_entry_that_outlived_its_delivery_is_not_delivered_again(objects, outbox, later, recipient):
    """A process was killed, or another one noted a failure, after the mark was written."""
    outbox.store.add(ENTRY)
    outbox.store.delivered(ID)
    outbox.store.replace(ENTRY)
    assert retry_waiting(later) == Retried((), ())
    assert recipient.messages == []
    assert objects.list_keys(BUCKET) == [f"_events/delivered/_{ID}"]


def test_of_publishers_of_one_id_at_once_exactly_one_delivers(objects, recipient):
    publishers = 6
    start = Barrier(publishers)

    def publish(_: int) -> str:
        start.wait(30)
        return outbox_now(objects, BUCKET, recipient).publish(event(), SNS)

    with ThreadPoolExecutor(publishers) as pool:
        outcomes = sorted(pool.map(publish, range(publishers)))
    assert outcomes == ["delivered", *["known"] * (publishers - 1)]
    assert recipient.runs == ["promos-1"]


def test_a_delivery_that_failed_is_made_later_once(outbox, later, recipient):
    recipient.is_down = True
    assert outbox.publish(event(), SNS) == "waiting"
    assert retry_waiting(later) == Retried((), (ID,))
    waiting = outbox.store.read(ID)
    assert (waiting.attempts, waiting.last_error) == (2, "ConnectionError: no route, password=***")
    recipient.is_down = False
    assert retry_waiting(later) == Retried((ID,), ())
    assert retry_waiting(later) == Retried((), ())
    assert outbox.publish(event(), SNS) == "known"
    assert recipient.runs == ["promos-1"]


def test_each_failure_of_a_job_without_a_run_id_waits_for_itself(outbox, later, recipient):
    recipient.is_down = True
    error = JobError(type="ValueError", message="x", phase="create", stack_trace="…")
    for second in range(2):
        outbox.publish(failed_event("load_promos", error, NOW + timedelta(seconds=second)), SNS)
    recipient.is_down = False
    retry_waiting(later)
    assert recipient.runs == ["unknown", "unknown"]


def test_nothing_in_the_outbox_is_ever_taken_for_data(objects, outbox, recipient):
    outbox.publish(event("r1"), SNS)
    recipient.is_down = True
    outbox.publish(event("r2"), SNS)
    keys = objects.list_keys(BUCKET)
    assert keys == ["_events/delivered/_r1-SUCCESS", "_events/waiting/_r2-SUCCESS.json"]
    assert not any(is_data(key) for key in keys)


def test_objects_that_are_no_entries_are_left_alone(objects, outbox, later, recipient):
    foreign = ["_events/waiting/_notes.txt", "_events/waiting/r1.json", "_events/waiting/_old/_r2.json"]
    for key in foreign:
        objects.put_bytes(BUCKET, key, b"x")
    assert retry_waiting(later) == Retried((), ())
    assert objects.list_keys(BUCKET) == sorted(foreign)


def test_an_entry_that_cannot_be_read_is_named_and_does_not_hold_up_others(objects, outbox, later, recipient):
    objects.put_bytes(BUCKET, "_events/waiting/_promos-0-SUCCESS.json", b"{")
    recipient.is_down = True
    outbox.publish(event(), SNS)
    recipient.is_down = False
    assert retry_waiting(later) == Retried((ID,), ("promos-0-SUCCESS",))
    with pytest.raises(UnreadableDocument, match=r"_promos-0-SUCCESS\.json cannot be read"):
        outbox.store.read("promos-0-SUCCESS")


def test_an_id_that_does_not_wait_cannot_be_read(outbox):
    with pytest.raises(ObjectNotFound, match=ID):
        outbox.store.read(ID)


def test_nothing_waits_where_there_is_no_bucket(objects):
    assert ObjectOutbox(objects, Location("quintet-absent", "_events")).waiting() == []
