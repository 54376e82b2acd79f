"""Items: what a listing shows is upserted in batches, each with its cursor in one transaction.

A crash repeats reading and never skips: the cursor that is stored lies behind nothing that was not taken. Not
here: the beginning and end of a listing, and what it did not show (`listings`).
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from assets.discovery.keys import partition_key, revised_key
from assets.discovery.ledger import events, revisions, stage_rows
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.ledger.revisions import Content
from assets.transactions import transaction

_EDITIONS_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Sighting:
    """One candidate, by the key that it is stored under. `deleted`: the source says that it is no more."""

    key: str
    content: Content
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything before it in the batch may count as read: this cursor is safe to store."""

    cursor_json: str | None
    validators_json: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A discovery under way. What was seen at or after `started_at` was seen by it."""

    discovery_id: int
    started_at: int
    cursor_json: str | None
    validators_json: str | None
    run_id: str | None = None


@dataclass(slots=True)
class Counts:
    """What became of the candidates of a batch. `cut`: the limit left the rest of the batch unread."""

    n_read: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_duplicate: int = 0
    n_rejected: int = 0
    n_deleted: int = 0
    n_gone: int = 0
    cut: bool = False
    new_keys: list[str] = field(default_factory=list)


class Known(NamedTuple):
    """An item as a listing meets it again."""

    key: str
    item_id: int
    content_hash: str
    pending: str | None
    last_seen_at: int
    missing_since: int | None
    gone_at: int | None

    @property
    def is_marked(self) -> bool:
        """Whether it was missing or gone."""
        return self.missing_since is not None or self.gone_at is not None

    @property
    def waiting_hash(self) -> str | None:
        """The content hash of the revision that waits while a stage runs."""
        return json.loads(self.pending)["content_hash"] if self.pending else None


_KNOWN: Final = (
    "SELECT key, id, content_hash, pending_revision_json, last_seen_at, missing_since, gone_at "
    "FROM work_items WHERE job_id = ? AND key IN (SELECT value FROM json_each(?))"
)


def upsert(
    connection: sqlite3.Connection,
    job: JobPlan,
    listing: Listing,
    batch: Sequence[Sighting | Checkpoint],
    now: int,
    *,
    new_limit: int | None = None,
    n_rejected: int = 0,
) -> Counts:
    """Take a batch (about 1,000 candidates) in one transaction, and store the last cursor that it passed.

    `new_limit` bounds how many of the batch may be new; at the first one too many the rest is left unread,
    checkpoints included. `n_rejected` counts candidates of this stretch that never got a key.
    """
    with transaction(connection):
        return _Batch(connection, job, listing, now).take(batch, new_limit, n_rejected)


def known_items(connection: sqlite3.Connection, job_id: str, keys: Sequence[str]) -> dict[str, Known]:
    """Those of the keys that are items of the job."""
    rows = connection.execute(_KNOWN, (job_id, json.dumps(keys)))
    return {row[0]: Known._make(row) for row in rows}


def editions_of(connection: sqlite3.Connection, job_id: str, row: Known) -> list[Known]:
    """The item and the later ones made of its key, oldest first."""
    editions = [row]
    while True:
        first = len(editions) + 1
        keys = [revised_key(row.key, n) for n in range(first, first + _EDITIONS_AT_ONCE)]
        found = known_items(connection, job_id, keys)
        for key in keys:
            if key not in found:
                return editions
            editions.append(found[key])


class _Batch:
    """One batch within its transaction."""

    def __init__(self, connection: sqlite3.Connection, job: JobPlan, listing: Listing, now: int) -> None:
        self._connection, self._job, self._listing = connection, job, listing
        self._now = max(now, listing.started_at)
        self._counts = Counts()
        self._seen: set[str] = set()
        self._touched: list[int] = []

    def take(self, batch: Sequence[Sighting | Checkpoint], new_limit: int | None, n_rejected: int) -> Counts:
        counts, checkpoint = self._counts, None
        keys = [entry.key for entry in batch if isinstance(entry, Sighting)]
        known = known_items(self._connection, self._job.job_id, keys)
        for entry in batch:
            if isinstance(entry, Checkpoint):
                checkpoint = entry
                continue
            row = known.get(entry.key)
            is_new = row is None and entry.key not in self._seen and not entry.deleted
            if is_new and new_limit is not None and counts.n_new >= new_limit:
                counts.cut = True
                break
            counts.n_read += 1
            self._take(entry, row)
        counts.n_rejected = n_rejected
        counts.n_read += n_rejected
        self._touch()
        self._count()
        if checkpoint is not None:
            self._store(checkpoint)
        return counts

    def _take(self, entry: Sighting, row: Known | None) -> None:
        counts = self._counts
        if entry.deleted:
            counts.n_deleted += 1
            if row is not None and row.gone_at is None:
                self._delete(row)
        elif entry.key in self._seen or (row is not None and row.last_seen_at >= self._listing.started_at):
            counts.n_duplicate += 1
        elif row is None:
            self._seen.add(entry.key)
            self._create(entry.key, entry.content)
            counts.n_new += 1
        else:
            self._seen.add(entry.key)
            self._see_again(row, entry.content)

    def _create(self, key: str, content: Content) -> int:
        job, now = self._job, self._now
        (item_id,) = self._connection.execute(
            "INSERT INTO work_items (job_id, key, partition_key, data_json, content_hash, url, title, "
            "published_at, priority, discovery_id, discovered_at, last_seen_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                job.job_id,
                key,
                partition_key(key),
                content.data_json,
                content.content_hash,
                content.url,
                content.title,
                content.published_at,
                content.priority,
                self._listing.discovery_id,
                now,
                now,
            ),
        ).fetchone()
        self._connection.executemany(
            "INSERT INTO item_stages (item_id, job_id, stage, ord, priority, max_attempts) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [
                (item_id, job.job_id, stage.name, ord_, content.priority, stage.retry.max_attempts)
                for ord_, stage in enumerate(job.stages)
            ],
        )
        seq = self._event("discovered", item_id)
        self._connection.execute("UPDATE work_items SET seq = ? WHERE id = ?", (seq, item_id))
        self._counts.new_keys.append(key)
        return item_id

    def _see_again(self, row: Known, content: Content) -> None:
        editions = [row]
        if self._job.discovery.on_change == "new_item":
            editions = editions_of(self._connection, self._job.job_id, row)
        for edition in editions:
            self._touched.append(edition.item_id)
            if edition.is_marked:
                self._return(edition)
        newest = editions[-1]
        if content.content_hash == (newest.waiting_hash or newest.content_hash):
            self._counts.n_unchanged += 1
            return
        self._counts.n_changed += 1
        match self._job.discovery.on_change:
            case "reprocess":
                self._revise(newest, content)
            case "ignore":
                revisions.set_content(self._connection, newest.item_id, content)
                seq = self._event("changed", newest.item_id, {"ignored": True})
                self._connection.execute("UPDATE work_items SET seq = ? WHERE id = ?", (seq, newest.item_id))
            case "new_item":
                self._create(revised_key(row.key, len(editions) + 1), content)

    def _revise(self, row: Known, content: Content) -> None:
        """A new revision now, or when nothing of the item runs; content that came back needs none."""
        if content.content_hash == row.content_hash:
            revisions.set_waiting(self._connection, row.item_id, None)
        elif revisions.is_running(self._connection, row.item_id):
            revisions.set_waiting(self._connection, row.item_id, content)
        else:
            revisions.apply(self._connection, self._job, row.item_id, content, self._now)

    def _return(self, row: Known) -> None:
        # Deletion at the source gave both marks the same time; a person's cancellation stays.
        self._connection.execute(
            "UPDATE work_items SET missing_since = NULL, missing_count = 0, gone_at = NULL, "
            "cancelled_at = CASE WHEN cancelled_at = gone_at THEN NULL ELSE cancelled_at END WHERE id = ?",
            (row.item_id,),
        )
        self._event("returned", row.item_id)

    def _delete(self, row: Known) -> None:
        self._counts.n_gone += 1
        self._connection.execute(
            "UPDATE work_items SET gone_at = ?, cancelled_at = coalesce(cancelled_at, ?), "
            "pending_revision_json = NULL WHERE id = ?",
            (self._now, self._now, row.item_id),
        )
        seq = self._event("gone", row.item_id, {"deleted": True})
        unfinished = self._connection.execute(
            "SELECT id FROM item_stages WHERE item_id = ? AND status IN ('pending', 'failed')", (row.item_id,)
        ).fetchall()
        for (stage_id,) in unfinished:
            reason = "The source deleted the item."
            stage_rows.set_aside(self._connection, stage_id, "cancelled", self._now, reason, seq)

    def _touch(self) -> None:
        self._connection.execute(
            "UPDATE work_items SET last_seen_at = ? WHERE id IN (SELECT value FROM json_each(?))",
            (self._now, json.dumps(self._touched)),
        )

    def _count(self) -> None:
        counts = self._counts
        self._connection.execute(
            "UPDATE discoveries SET n_read = n_read + ?, n_new = n_new + ?, n_changed = n_changed + ?, "
            "n_unchanged = n_unchanged + ?, n_duplicate = n_duplicate + ?, n_rejected = n_rejected + ?, "
            "n_gone = n_gone + ? WHERE id = ?",
            (
                counts.n_read,
                counts.n_new,
                counts.n_changed,
                counts.n_unchanged,
                counts.n_duplicate,
                counts.n_rejected,
                counts.n_gone,
                self._listing.discovery_id,
            ),
        )

    def _store(self, checkpoint: Checkpoint) -> None:
        self._connection.execute(
            "UPDATE job_state SET cursor_json = ?, validators_json = coalesce(?, validators_json) "
            "WHERE job_id = ?",
            (checkpoint.cursor_json, checkpoint.validators_json, self._job.job_id),
        )
        self._connection.execute(
            "UPDATE discoveries SET cursor_after_json = ? WHERE id = ?",
            (checkpoint.cursor_json, self._listing.discovery_id),
        )

    def _event(self, type_: str, item_id: int, payload: dict[str, object] | None = None) -> int:
        subject = Subject(self._job.job_id, item_id, run_id=self._listing.run_id)
        return events.write(self._connection, type_, subject, self._now, payload)


def is_known(connection: sqlite3.Connection, job_id: str, key: str) -> bool:
    """Whether the job has an item under this key."""
    query = "SELECT 1 FROM work_items WHERE job_id = ? AND key = ?"
    return connection.execute(query, (job_id, key)).fetchone() is not None


class ItemContent(NamedTuple):
    """What a handler gets of an item. `published_at` is milliseconds UTC."""

    key: str
    data_json: str
    url: str | None
    title: str | None
    published_at: int | None


def content_of(connection: sqlite3.Connection, item_id: int) -> ItemContent:
    """The content of an item; while one of its stages runs, no other takes its place."""
    row = connection.execute(
        "SELECT key, data_json, url, title, published_at FROM work_items WHERE id = ?", (item_id,)
    ).fetchone()
    return ItemContent._make(row)
