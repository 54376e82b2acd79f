"""A ledger with one job on a clock of its own, and short words for what workers and sources do to it."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from assets.discovery.keys import digest
from assets.discovery.ledger import claims, finishing, items, jobs, listings, reaping, schema
from assets.discovery.ledger.claims import Claim, Claimed, Worker
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.finishing import Ended, Finished
from assets.discovery.ledger.items import Checkpoint, Sighting
from assets.discovery.ledger.jobs import JobEntry
from assets.discovery.ledger.listings import Report
from assets.discovery.ledger.outcomes import Done, Failed, Outcome
from assets.discovery.ledger.plans import JobPlan, RetryPolicy, StagePlan
from assets.discovery.ledger.revisions import Content
from resources.ledger import Ledger

START = 1_772_323_200_000  # 2026-03-01T00:00:00Z
EXACT = RetryPolicy(base_ms=10_000, jitter=0.0)


def plan(*names: str, job_id: str = "papers", retry: RetryPolicy = EXACT, **more: Any) -> JobPlan:
    """A job whose stages need each other in a row."""
    stages = tuple(
        StagePlan(name, needs=names[n - 1 : n] if n else (), retry=retry) for n, name in enumerate(names)
    )
    return JobPlan(job_id, stages, **more)


def opened(folder: Path, name: str = "discovery") -> sqlite3.Connection:
    """A connection to the ledger of this folder, which is made if it is not there."""
    connection = Ledger(folder=str(folder)).open_db(name)
    schema.migrate(connection, START)
    return connection


def seen(key: str, content: str = "a", *, deleted: bool = False, priority: int = 100) -> Sighting:
    data = json.dumps({"key": key, "content": content})
    return Sighting(key, Content(data, content, priority=priority), deleted=deleted)


def done(payload: object = "out", version: str = "1") -> Done:
    text = json.dumps(payload)
    return Done(version, digest(payload), text, size=len(text))


class World:
    """One job in a ledger. Times are seconds since the start of the clock."""

    def __init__(self, connection: sqlite3.Connection, job: JobPlan) -> None:
        self.connection, self.job = connection, job
        self.now = START
        self.sync()

    def sync(self, *others: JobPlan) -> None:
        entries = [JobEntry(job.job_id, "{}", "hash") for job in (self.job, *others)]
        jobs.sync(self.connection, entries, self.now)

    def at(self, seconds: float) -> "World":
        self.now = START + round(seconds * 1000)
        return self

    def show(self, *sightings: Sighting | Checkpoint, complete: bool = False, **more: Any) -> items.Counts:
        """One discovery that shows these candidates."""
        counts, _ = self.discover(*sightings, report=Report(complete=complete), **more)
        return counts

    def discover(
        self, *sightings: Sighting | Checkpoint, report: Report, new_limit: int | None = None
    ) -> tuple[items.Counts, listings.Closed]:
        listing = listings.begin(self.connection, self.job.job_id, self.now)
        counts = items.upsert(self.connection, self.job, listing, sightings, self.now, new_limit=new_limit)
        return counts, listings.close(self.connection, self.job, listing, report, self.now)

    def add(self, *keys: str) -> list[int]:
        """Items of these keys; returns their ids."""
        self.show(*(seen(key) for key in keys))
        return [self.item(key)["id"] for key in keys]

    def ask(self, limit: int = 100, owner: str = "a", lease_s: int = 60, **more: Any) -> Claimed:
        worker = Worker(f"host:1:1:{owner}", owner, lease_s * 1000)
        return claims.claim(self.connection, self.job, worker, limit, self.now, **more)

    def claim(self, limit: int = 100, owner: str = "a", lease_s: int = 60, **more: Any) -> list[Claim]:
        return self.ask(limit, owner, lease_s, **more).claims

    def finish(self, claim: Claim, outcome: Outcome | None = None, costs: Sequence[Cost] = ()) -> Finished:
        ended = Ended(claim, outcome or done(), costs)
        return finishing.finish(self.connection, self.job, [ended], self.now, lambda: 0.5)[0]

    def drain(self, outcome: Outcome | None = None) -> None:
        """Claim and finish until nothing is claimable."""
        while found := self.claim():
            for claim in found:
                self.finish(claim, outcome)

    def fail(self, claim: Claim, error_class: Any = "transient") -> Finished:
        return self.finish(claim, Failed(error_class, "it broke"))

    def reap(self, **more: Any) -> int:
        return reaping.reap(
            self.connection, {self.job.job_id: self.job}, self.now, chance=lambda: 0.5, **more
        )

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with closing(self.connection.cursor()) as cursor:
            cursor.row_factory = sqlite3.Row
            return [dict(row) for row in cursor.execute(query, values)]

    def item(self, key: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM work_items WHERE job_id = ? AND key = ?", self.job.job_id, key)
        return row

    def stage(self, key: str, name: str | None = None) -> dict[str, Any]:
        (row,) = self.rows(
            "SELECT s.* FROM item_stages s JOIN work_items w ON w.id = s.item_id "
            "WHERE s.job_id = ? AND w.key = ? AND s.stage = ?",
            self.job.job_id,
            key,
            name or self.job.stages[0].name,
        )
        return row

    def statuses(self, key: str) -> list[str]:
        query = "SELECT status FROM item_stages WHERE item_id = ? ORDER BY ord"
        return [row["status"] for row in self.rows(query, self.item(key)["id"])]

    def derived(self, key: str) -> dict[str, Any]:
        (row,) = self.rows("SELECT * FROM item_derived_status WHERE item_id = ?", self.item(key)["id"])
        return row

    def attempts(self, key: str) -> list[dict[str, Any]]:
        return self.rows("SELECT * FROM attempts WHERE item_id = ? ORDER BY id", self.item(key)["id"])

    def events(self, *types: str) -> list[dict[str, Any]]:
        rows = self.rows("SELECT * FROM events ORDER BY seq")
        chosen = [row for row in rows if not types or row["type"] in types]
        return [{**row, "payload": json.loads(row["payload_json"])} for row in chosen]

    def job_row(self) -> dict[str, Any]:
        return self.rows("SELECT * FROM job_state WHERE job_id = ?", self.job.job_id)[0]
