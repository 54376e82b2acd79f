"""Where events of finished jobs wait, and how they reach their receivers: the ports of `publishers` filled.

    <folder>/waiting/_<event id>.json    an event that waits, and for whom
    <folder>/delivered/_<event id>       an empty object: the id was delivered

All names begin with `_`, so no reader takes them for data. Not here: the events (`job_events`), and what
becomes of one that fails (`publishers`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from assets.dwh.paths import Location
from assets.dwh.publishers import Outbox, OutboxEntry, Topic
from resources.notifier import Topics
from resources.object_store import ObjectInfo, ObjectNotFound, ObjectStore, PreconditionFailed

EVENTS: Final = Location("dwh-data", "_events")
"""The outbox of the deployed jobs."""

REST: Final = timedelta(minutes=5)
"""How long an entry is left to whoever wrote it: `Topics` may need 3 minutes for a delivery."""

MOST_AT_ONCE: Final = 5
"""How many entries are tried again at once, so that a tick of a sensor ends in time (60 s)."""


@dataclass(frozen=True, slots=True)
class ObjectOutbox:
    """An `OutboxStore` in a folder of the object store, shared by any number of processes.

    The mark of a delivery is written before its entry goes, and where both lie the mark counts. So an id that
    was delivered does not come back, wherever a process dies.
    """

    objects: ObjectStore
    folder: Location
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def add(self, entry: OutboxEntry) -> bool:
        """Keep an entry; False, and nothing is changed, if its id waits or was delivered."""
        place = self._entry(entry.event_id)
        try:
            self.objects.put_bytes(place.bucket, place.key, entry.content(), if_absent=True)
        except PreconditionFailed:
            return False
        # The mark is looked for last: an id that another publisher delivers meanwhile has it by now.
        return not self._is_settled(entry.event_id)

    def waiting(self) -> list[str]:
        """The ids that are due, the one first that was left alone for longest, and 5 at most.

        Due is what nobody has written for 5 minutes: an entry that is younger may be on its way just now.
        """
        before = self.now() - REST
        due = sorted(
            (info for info in self._listed() if info.modified <= before),
            key=lambda info: (info.modified, info.key),
        )
        ids = (_id_of(info.key) for info in due)
        return list(islice((event_id for event_id in ids if not self._is_settled(event_id)), MOST_AT_ONCE))

    def read(self, event_id: str) -> OutboxEntry:
        """The entry of an id that waits.

        Raises:
            UnreadableDocument: the object is none.
            ObjectNotFound: the id does not wait.
        """
        place = self._entry(event_id)
        content = self.objects.read_bytes(place.bucket, place.key)
        return OutboxEntry.read(self.objects.uri(place.bucket, place.key), content)

    def replace(self, entry: OutboxEntry) -> None:
        """Keep an entry instead of the one of its id, which is due again 5 minutes later."""
        place = self._entry(entry.event_id)
        self.objects.put_bytes(place.bucket, place.key, entry.content())

    def delivered(self, event_id: str) -> None:
        """Let go of an entry, and remember its id."""
        mark = self._mark(event_id)
        self.objects.put_bytes(mark.bucket, mark.key, b"")
        self._remove(event_id)

    def _is_settled(self, event_id: str) -> bool:
        """Whether the id was delivered; if so, what is left of its entry goes."""
        mark = self._mark(event_id)
        if self.objects.head(mark.bucket, mark.key) is None:
            return False
        self._remove(event_id)
        return True

    def _remove(self, event_id: str) -> None:
        place = self._entry(event_id)
        self.objects.delete(place.bucket, place.key)

    def _listed(self) -> list[ObjectInfo]:
        start = self.folder / "waiting/_"
        try:
            found = self.objects.list(start.bucket, start.key)
        except ObjectNotFound:  # Without a bucket nothing was ever published.
            return []
        return [info for info in found if info.key == self._entry(_id_of(info.key)).key]

    def _entry(self, event_id: str) -> Location:
        return self.folder / f"waiting/_{event_id}.json"

    def _mark(self, event_id: str) -> Location:
        return self.folder / f"delivered/_{event_id}"


@dataclass(frozen=True, slots=True)
class Receivers:
    """An `EventClient` over the object store and SNS."""

    objects: ObjectStore
    topics: Topics

    def write(self, location: Location, content: bytes) -> None:
        """Write an object, over one that is there."""
        self.objects.put_bytes(location.bucket, location.key, content)

    def send(self, topic: Topic, subject: str, message: str, attributes: Mapping[str, str]) -> None:
        """Send a message to a topic."""
        self.topics.publish(topic.arn, subject, message, region=topic.region, attributes=attributes)


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of the events that were due, by their ids."""

    delivered: tuple[str, ...]
    waiting: tuple[str, ...]

    def __str__(self) -> str:
        if not self.delivered and not self.waiting:
            return "No event is due."
        parts = (("Delivered", self.delivered), ("Not delivered, and tried again later", self.waiting))
        return " ".join(f"{what}: {', '.join(ids)}." for what, ids in parts if ids)


def outbox_for(objects: ObjectStore, folder: Location = EVENTS, *, topics: Topics | None = None) -> Outbox:
    """The outbox in a folder of an object store, with everybody whom its events can reach."""
    return Outbox(ObjectOutbox(objects, folder), Receivers(objects, topics or Topics()))


def retry_waiting(outbox: Outbox) -> Retried:
    """Try once more what is due.

    Raises:
        Exception: the outbox cannot be listed.
    """
    outcomes = outbox.retry()
    return Retried(
        delivered=tuple(event_id for event_id, outcome in outcomes.items() if outcome == "delivered"),
        waiting=tuple(event_id for event_id, outcome in outcomes.items() if outcome == "waiting"),
    )


def _id_of(key: str) -> str:
    return key.rpartition("/")[2].removeprefix("_").removesuffix(".json")
