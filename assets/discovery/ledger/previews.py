"""What upserting a listing would count, and what a run would claim after it; nothing is written.

Both follow the rules of `items.upsert` and `claims.claim`, which do it. Not here: reading the source.
"""

import heapq
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Final, NamedTuple

from assets.discovery.keys import revised_key
from assets.discovery.ledger import breakers, items, jobs
from assets.discovery.ledger.items import Checkpoint, Counts, Known, Sighting
from assets.discovery.ledger.plans import JobPlan, StagePlan

_BEHIND_ALL: Final = 2**63
"""Above every id: new items come after those that are known."""


class Preview:
    """One listing, counted as if it were taken. `connection=None` is a ledger without items."""

    def __init__(self, connection: sqlite3.Connection | None, job: JobPlan) -> None:
        self._connection, self._job = connection, job
        self._seen: set[str] = set()
        self.created: list[int] = []
        """The priorities of the items that would be created, in the order of the listing."""
        self.renewed: dict[int, int] = {}
        """The items that would get a new revision, by id, with the priority of that."""

    def is_known(self, key: str) -> bool:
        """Whether the job has an item under this key."""
        return self._connection is not None and items.is_known(self._connection, self._job.job_id, key)

    def take(
        self, batch: Sequence[Sighting | Checkpoint], *, new_limit: int | None, n_rejected: int
    ) -> Counts:
        """Count a batch, as `items.upsert` would."""
        counts = Counts(n_read=n_rejected, n_rejected=n_rejected)
        sightings = [entry for entry in batch if isinstance(entry, Sighting)]
        known = self._known([sighting.key for sighting in sightings])
        for sighting in sightings:
            row, is_seen = known.get(sighting.key), sighting.key in self._seen
            is_new = row is None and not is_seen and not sighting.deleted
            if is_new and new_limit is not None and counts.n_new >= new_limit:
                counts.cut = True
                break
            counts.n_read += 1
            if sighting.deleted:
                counts.n_deleted += 1
            elif is_seen:
                counts.n_duplicate += 1
            else:
                self._seen.add(sighting.key)
                self._meet(sighting, row, counts)
        return counts

    def _known(self, keys: list[str]) -> Mapping[str, Known]:
        if self._connection is None:
            return {}
        return items.known_items(self._connection, self._job.job_id, keys)

    def _meet(self, sighting: Sighting, row: Known | None, counts: Counts) -> None:
        content = sighting.content
        if row is None or self._connection is None:
            counts.n_new += 1
            counts.new_keys.append(sighting.key)
            self.created.append(content.priority)
            return
        editions, policy = [row], self._job.discovery.on_change
        if policy == "new_item":
            editions = items.editions_of(self._connection, self._job.job_id, row)
        newest = editions[-1]
        if content.content_hash == (newest.waiting_hash or newest.content_hash):
            counts.n_unchanged += 1
            return
        counts.n_changed += 1
        if policy == "new_item":
            counts.new_keys.append(revised_key(row.key, len(editions) + 1))
            self.created.append(content.priority)
        elif policy == "reprocess" and content.content_hash != row.content_hash:
            self.renewed[row.item_id] = content.priority


@dataclass(frozen=True, slots=True)
class Scope:
    """What a run would claim of: rows that fall due by `until`, of so many items, of those alone."""

    until: int
    most_items: int | None = None
    active_items: Collection[int] | None = None


class _Row(NamedTuple):
    item_id: int
    item_priority: int
    is_cancelled: int
    is_gone: int
    has_waiting_revision: int
    stage: str | None
    status: str
    priority: int
    not_before: int
    lease_until: int | None
    has_attempts_left: int


class _Claimed(NamedTuple):
    """An item that would be worked on, in the order of claims, and the stages of it."""

    priority: int
    place: int
    stages: tuple[str, ...]


def claims_ahead(
    connection: sqlite3.Connection | None, job: JobPlan, preview: Preview, scope: Scope, now: int
) -> Counter[str]:
    """How many rows of each stage the next run would claim, if every stage succeeds.

    That is what waits and falls due, what follows from it, and all stages of what the listing created or
    renewed. Behind a stage that failed or was cancelled nothing is counted; nor is what a new output may make
    stale. Budgets are not asked. None of a job that is paused or over its budget.
    """
    closed: Collection[str] = ()
    rows: Iterator[_Claimed] = iter(())
    if connection is not None:
        standing = jobs.standing(connection, job.job_id)
        if standing is not None and _is_stopped(standing, now):
            return Counter()
        closed = _closed(connection, job, scope.until)
        rows = _of_items(connection, job, preview, scope, closed, now)
    fresh = _reached(job, {}, closed)
    created = (
        _Claimed(priority, _BEHIND_ALL + number, fresh)
        for number, priority in enumerate(preview.created)
        if fresh and scope.active_items is None
    )
    chosen: Iterator[_Claimed] | list[_Claimed] = chain(rows, created)
    if scope.most_items is not None:
        chosen = heapq.nsmallest(scope.most_items, chosen)
    return Counter(stage for item in chosen for stage in item.stages)


def _is_stopped(standing: jobs.Standing, now: int) -> bool:
    """Whether nothing is claimed; a pause whose time has come ends at the start of a run."""
    is_due = standing.pause_kind == "manual" and (standing.resume_at or now + 1) <= now
    is_over = standing.over_budget_until is not None and standing.over_budget_until > now
    return bool(standing.paused and not is_due) or is_over


def _closed(connection: sqlite3.Connection, job: JobPlan, until: int) -> Collection[str]:
    """The stages whose breaker stays open for all of the run."""
    found = breakers.load_open(connection, job.job_id)
    return {name for name, each in found.items() if each.state == "open" and each.cooldown_until > until}


def _of_items(
    connection: sqlite3.Connection,
    job: JobPlan,
    preview: Preview,
    scope: Scope,
    closed: Collection[str],
    now: int,
) -> Iterator[_Claimed]:
    rows = connection.execute(
        "SELECT w.id, w.priority, w.cancelled_at IS NOT NULL, w.gone_at IS NOT NULL, "
        "w.pending_revision_json IS NOT NULL, s.stage, coalesce(s.status, ''), coalesce(s.priority, 0), "
        "coalesce(s.not_before, 0), s.lease_until, coalesce(s.attempt < s.max_attempts, 0) "
        "FROM work_items AS w LEFT JOIN item_stages AS s ON s.item_id = w.id "
        "WHERE w.job_id = ? ORDER BY w.id",
        (job.job_id,),
    )
    for item_id, group in groupby(map(_Row._make, rows), key=lambda row: row.item_id):
        if scope.active_items is not None and item_id not in scope.active_items:
            continue
        found = list(group)
        if item_id in preview.renewed:
            stages, priority = _reached(job, {}, closed), preview.renewed[item_id]
        else:
            stages, priority = _of_item(job, found, scope.until, closed, now)
        if stages:
            yield _Claimed(priority, item_id, stages)


def _of_item(
    job: JobPlan, rows: list[_Row], until: int, closed: Collection[str], now: int
) -> tuple[tuple[str, ...], int]:
    """The stages of an item that would be claimed, and the priority of the first."""
    first, by_stage = rows[0], {row.stage: row for row in rows if row.stage is not None}
    statuses = {name: _status(row, until, now) for name, row in by_stage.items()}
    if first.has_waiting_revision:
        if "in_progress" in statuses.values():
            return (), 0
        return _reached(job, {}, closed), first.item_priority
    if first.is_cancelled:
        return (), 0
    if first.is_gone:  # It gets no rows of stages that are new in the jobs file.
        statuses = {stage.name: "absent" for stage in job.stages} | statuses
    stages = _reached(job, statuses, closed)
    priorities = [by_stage[name].priority if name in by_stage else first.item_priority for name in stages]
    return stages, priorities[0] if priorities else 0


def _status(row: _Row, until: int, now: int) -> str:
    """The status of a row as a run would find it: expired leases are freed, what is due too late waits."""
    if row.status == "in_progress" and row.lease_until is not None and row.lease_until <= now:
        return "pending" if row.has_attempts_left else "failed"
    if row.status == "pending" and row.not_before > until:
        return "later"
    return row.status


def _reached(job: JobPlan, statuses: Mapping[str, str], closed: Collection[str]) -> tuple[str, ...]:
    """The pending stages that are claimed one after the other; a stage without a status is pending."""
    ended = {name for name, status in statuses.items() if status in ("done", "skipped")}
    waiting: list[StagePlan] = [
        stage
        for stage in job.stages
        if statuses.get(stage.name, "pending") == "pending" and stage.name not in closed
    ]
    reached: list[str] = []
    while ready := [stage for stage in waiting if ended.issuperset(stage.needs)]:
        reached += [stage.name for stage in ready]
        ended.update(stage.name for stage in ready)
        waiting = [stage for stage in waiting if stage.name not in ended]
    return tuple(reached)
