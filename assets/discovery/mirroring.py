"""What a catalogue outside of the ledger is told of a job's items: which there are, and which are done.

The ledger is the truth; the catalogue (Dagster, seen through `Catalogue`) follows. Each done item is told
once for each time that it was done: what the catalogue recorded of it last says which. The mark in the ledger
up to which was told is moved after the catalogue was written to; what a crash in between leaves is known
there and not told twice. No transaction is open while the catalogue is written to.

Not here: the catalogue itself (`steps`), the queries (`ledger.mirror`).
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from assets.discovery.job_model import Job
from assets.discovery.ledger import events, jobs, mirror
from assets.discovery.ledger.mirror import DoneItem

EVENTS_A_RUN: Final = 500
"""At 8 ms an event, 4 s of a run."""

_AT_ONCE: Final = 50
"""Items between two marks: what a second run at the same moment might tell twice."""


class Catalogue(Protocol):
    """Whoever is told of a job's items, by their partition keys."""

    def registered(self) -> Sequence[str]:
        """The keys that there are, the first registered first."""
        ...

    def register(self, keys: Sequence[str]) -> None:
        """Add keys."""
        ...

    def remove(self, keys: Sequence[str]) -> None:
        """Take keys away; what was recorded under them stays."""
        ...

    def recorded(self, keys: Collection[str]) -> Mapping[str, int]:
        """The sequence that was last recorded under each key; keys without any are left out."""
        ...

    def record(self, item: DoneItem) -> None:
        """Record that an item is done."""
        ...


class Registration(NamedTuple):
    """How the registered keys become those of the newest live items."""

    add: list[str]
    remove: list[str]


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was told in one go. `is_behind`: there may be more, for the next one."""

    recorded: int = 0
    known_before: int = 0
    is_behind: bool = False


def registration(newest: Sequence[str], registered: Sequence[str], limit: int) -> Registration:
    """Which keys to add, oldest item first, and which to remove so that there are never more than `limit`.

    Keys of items that are no longer among the newest stay while there is room for them: their history is
    looked up by them.

    Args:
        newest: the keys of the newest live items, at most `limit`, newest first.
        registered: the keys that there are, the first registered first.
        limit: the most keys (`mirror_limit`).
    """
    known, wanted = set(registered), set(newest)
    add = [key for key in reversed(newest) if key not in known]
    surplus = max(len(known) + len(add) - limit, 0)
    return Registration(add, [key for key in registered if key not in wanted][:surplus])


def register(connection: sqlite3.Connection, job: Job, catalogue: Catalogue) -> int:
    """Let the catalogue have the newest live items of a job; return how many live items it does not have."""
    population = mirror.population(connection, job.name, job.mirror_limit)
    change = registration(population.newest, catalogue.registered(), job.mirror_limit)
    if change.remove:
        catalogue.remove(change.remove)
    if change.add:
        catalogue.register(change.add)
    return population.live - len(population.newest)


def tell(
    connection: sqlite3.Connection, job: Job, catalogue: Catalogue, *, at_most: int = EVENTS_A_RUN
) -> Mirrored:
    """Tell the catalogue of the items that were done since it was told last, at most so many.

    Items beyond `mirror_limit`, and those that are gone or cancelled, are passed over.
    """
    standing = jobs.standing(connection, job.name)
    if standing is None:
        return Mirrored()
    # Read first: what is done from now on gets a later number.
    last_seq = events.last_seq(connection, job.name)
    population = mirror.population(connection, job.name, job.mirror_limit)
    stages = [stage.name for stage in job.chain]
    found = mirror.done_since(
        connection, job.name, stages, standing.mirror_seq, at_most, first_id=population.first_id
    )
    recorded = 0
    for start in range(0, len(found), _AT_ONCE):
        some = found[start : start + _AT_ONCE]
        items = mirror.done_items(connection, [item_id for _, item_id in some])
        before = catalogue.recorded([item.partition_key for item in items])
        for item in items:
            if before.get(item.partition_key, -1) < item.sequence:
                catalogue.record(item)
                recorded += 1
        jobs.set_mirrored(connection, job.name, some[-1][0])
    if len(found) < at_most:
        jobs.set_mirrored(connection, job.name, last_seq)
    return Mirrored(recorded, len(found) - recorded, is_behind=len(found) == at_most)
