"""Claims: the right to work on rows for a while, given in one transaction and kept by heartbeats.

A claim's id is the id of its attempt and the fencing token of its row: ids only rise, so what a worker that
lost its lease writes later matches nothing. Not here: how claims end (`finishing`, `reaping`).
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from assets.discovery.ledger import breakers, budgets, costs, events, results
from assets.discovery.ledger.breakers import Breaker
from assets.discovery.ledger.budgets import Purse
from assets.discovery.ledger.costs import Spender
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import JobPlan, StagePlan
from assets.transactions import transaction

_NO_BOUND: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Worker:
    """Who claims: `owner` is `host:pid:process_start:run_id` (see `owners`)."""

    owner: str
    run_id: str | None = None
    lease_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class Claim:
    """One row that a worker holds. `attempt` counts from 1 within the row's revision."""

    claim_id: int
    stage_id: int
    item_id: int
    job_id: str
    stage: str
    revision: int
    attempt: int
    max_attempts: int
    input_hash: str
    owner: str
    run_id: str | None
    started_at: int
    lease_until: int
    has_reservation: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why rows that wait were not claimed, of one stage or of the whole job (`stage=None`)."""

    code: Literal[
        "unknown", "orphaned", "disabled", "paused", "over_budget", "budget_reserved", "breaker_open"
    ]
    text: str
    stage: str | None = None
    until: int | None = None


class Claimed(NamedTuple):
    """The rows claimed, in the order in which to work on them, and what was refused."""

    claims: list[Claim]
    refusals: list[Refusal]


class _Row(NamedTuple):
    priority: int
    item_id: int
    ord: int
    stage_id: int
    revision: int
    attempt: int
    max_attempts: int
    content_hash: str


def claim(
    connection: sqlite3.Connection,
    job: JobPlan,
    worker: Worker,
    limit: int,
    now: int,
    *,
    room: Mapping[str, int] | None = None,
    active_items: Collection[int] | None = None,
) -> Claimed:
    """Claim up to `limit` rows of a job, small priority numbers first, then old items, then early stages.

    `room` names the stages to claim for, and the most rows of each; `active_items` restricts the items. What
    a pause, a budget or a breaker would refuse is not claimed, and no row of it is touched. Where nothing is
    claimable, which takes a look at every waiting row, no write lock is taken.
    """
    refused = _refused(connection, job, now)
    if refused is None:
        look = _Round(connection, job, worker, now, active_items)
        if not look.finds_any(room):
            return Claimed([], look.refusals)
        with transaction(connection):
            refused = _refused(connection, job, now)
            if refused is None:
                return _Round(connection, job, worker, now, active_items).run(limit, room)
    return refused


def _refused(connection: sqlite3.Connection, job: JobPlan, now: int) -> Claimed | None:
    refusal = standing(connection, job.job_id, now)
    return None if refusal is None else Claimed([], [refusal])


def standing(
    connection: sqlite3.Connection, job_id: str, now: int, stage: str | None = None
) -> Refusal | None:
    """Why nothing of the job may start now, or nothing of `stage`; `None` if it may.

    To be asked again before a claimed row is started: what is refused by then is released unstarted.
    """
    refusal = _of_job(connection, job_id, now)
    if refusal is None and stage is not None:
        breaker = breakers.load(connection, job_id, stage)
        if breaker.state == "open":
            text = f"The breaker of stage {stage} is open."
            return Refusal("breaker_open", text, stage, breaker.cooldown_until)
    return refusal


def _of_job(connection: sqlite3.Connection, job_id: str, now: int) -> Refusal | None:
    row = connection.execute(
        "SELECT enabled, orphaned_at, paused, paused_reason, resume_at, over_budget_until FROM job_state "
        "WHERE job_id = ?",
        (job_id,),
    ).fetchone()
    if row is None:
        return Refusal("unknown", f"The ledger does not know the job {job_id}; run it once.")
    enabled, orphaned_at, paused, reason, resume_at, over_budget_until = row
    refusal = None
    if orphaned_at is not None:
        refusal = Refusal("orphaned", f"The job {job_id} is no longer in the jobs file.")
    elif not enabled:
        refusal = Refusal("disabled", f"The job {job_id} is disabled in the jobs file.")
    elif paused:
        text = f"The job {job_id} is paused: {(reason or 'no reason given').rstrip('.')}."
        refusal = Refusal("paused", text, until=resume_at)
    elif over_budget_until is not None and over_budget_until > now:
        refusal = Refusal("over_budget", f"The job {job_id} is over its budget.", until=over_budget_until)
    return refusal


def heartbeat(connection: sqlite3.Connection, claims: Sequence[Claim], lease_ms: int, now: int) -> set[int]:
    """Extend the leases of all claims to `now + lease_ms`; return the ids of those that were lost.

    It writes no event for them: the worker ends each claim once, and that tells of the loss.
    """
    lost: set[int] = set()
    with transaction(connection):
        for held in claims:
            changed = connection.execute(
                "UPDATE item_stages SET lease_until = ? "
                "WHERE id = ? AND claim_id = ? AND status = 'in_progress'",
                (now + lease_ms, held.stage_id, held.claim_id),
            ).rowcount
            if not changed:
                lost.add(held.claim_id)
    return lost


def is_held(connection: sqlite3.Connection, claim: Claim, now: int) -> bool:
    """Whether a claim still holds its row, and will for a while: to be asked before its work begins."""
    row = connection.execute(
        "SELECT lease_until FROM item_stages WHERE id = ? AND claim_id = ? AND status = 'in_progress'",
        (claim.stage_id, claim.claim_id),
    ).fetchone()
    return row is not None and row[0] > now


class _Round:
    """One claim within its transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        job: JobPlan,
        worker: Worker,
        now: int,
        active_items: Collection[int] | None,
    ) -> None:
        self._connection, self._job, self._worker, self._now = connection, job, worker, now
        self._items = None if active_items is None else json.dumps(sorted(active_items))
        self._breakers = breakers.load_open(connection, job.job_id)
        self.refusals: list[Refusal] = []
        self._over_budget = False
        self._look_again = False

    def finds_any(self, room: Mapping[str, int] | None) -> bool:
        """Whether any row is claimable, as far as that can be seen without the budgets."""
        return bool(self._waiting({stage.name: self._room(stage, 1, room) for stage in self._job.stages}, 1))

    def run(self, limit: int, room: Mapping[str, int] | None) -> Claimed:
        self._purse = Purse(self._connection, self._job, self._now)
        left = {stage.name: self._room(stage, limit, room) for stage in self._job.stages}
        claims: list[Claim] = []
        while len(claims) < limit:
            rows = self._waiting(left, limit - len(claims))
            self._look_again = False
            claims += self._take(list(self._allowed(rows, left)))
            # Rows of a stage that waits for money, or of items put off, leave their places to others.
            if self._over_budget or not self._look_again:
                break
        return Claimed(claims, self.refusals)

    def _room(self, stage: StagePlan, limit: int, room: Mapping[str, int] | None) -> int:
        asked = limit if room is None else min(limit, room.get(stage.name, 0))
        breaker = self._breakers.get(stage.name, Breaker())
        probing = breakers.is_probing(self._connection, breaker)
        most = breaker.room(self._now, probing=probing)
        if most == 0 and asked > 0:
            text = f"The breaker of stage {stage.name} is {breaker.state.replace('_', ' ')}."
            self.refusals.append(Refusal("breaker_open", text, stage.name, breaker.cooldown_until))
        return asked if most is None else min(asked, most)

    def _waiting(self, left: Mapping[str, int], limit: int) -> list[_Row]:
        """The next claimable rows of all stages, in order.

        Each stage is read only as far as the rows found so far reach: behind them lie thousands that wait
        for the stage before, and reading those would cost every claim.
        """
        found: list[_Row] = []
        for ord_, stage in enumerate(self._job.stages):
            if left[stage.name] <= 0:
                continue
            full = len(found) == limit
            found += self._of_stage(ord_, stage, min(limit, left[stage.name]), found[-1] if full else None)
            found = sorted(found)[:limit]
        return found

    def _of_stage(self, ord_: int, stage: StagePlan, limit: int, last: _Row | None) -> Iterator[_Row]:
        query = (
            "SELECT s.priority, s.item_id, :ord, s.id, s.revision, s.attempt, s.max_attempts, w.content_hash "
            "FROM item_stages AS s INDEXED BY idx_item_stages_claim "
            "CROSS JOIN work_items AS w ON w.id = s.item_id "
            "WHERE s.job_id = :job AND s.stage = :stage AND s.status = 'pending' AND s.not_before <= :now "
            "AND (s.priority, s.item_id) < (:priority, :item) "
            "AND w.cancelled_at IS NULL AND w.pending_revision_json IS NULL "
            "AND (:items IS NULL OR s.item_id IN (SELECT value FROM json_each(:items))) "
            "AND (:n = 0 OR :n = (SELECT count(*) FROM item_stages AS n WHERE n.item_id = s.item_id "
            "AND n.status IN ('done', 'skipped') AND n.stage IN (SELECT value FROM json_each(:needs)))) "
            "ORDER BY s.priority, s.item_id LIMIT :limit"
        )
        values = {
            "ord": ord_,
            "job": self._job.job_id,
            "stage": stage.name,
            "now": self._now,
            "priority": last.priority if last else _NO_BOUND,
            "item": last.item_id if last else _NO_BOUND,
            "items": self._items,
            "needs": json.dumps(stage.needs),
            "n": len(set(stage.needs)),
            "limit": limit,
        }
        return map(_Row._make, self._connection.execute(query, values).fetchall())

    def _allowed(self, rows: Sequence[_Row], left: dict[str, int]) -> Iterator[_Row]:
        """The rows that the budgets let go; what they reserve is counted as they are taken."""
        for row in rows:
            stage = self._job.stages[row.ord]
            verdict, limit = self._purse.ask(stage.estimate_micros)
            if verdict == "open":
                if self._item_may_spend(row, stage):
                    self._purse.hold(row.item_id, stage.estimate_micros)
                    left[stage.name] -= 1
                    yield row
            elif verdict == "over" and limit is not None:
                budgets.stop(self._connection, self._job, limit, self._now, self._worker.run_id)
                text = f"The job {self._job.job_id} is over its limit ({limit.scope})."
                self.refusals.append(Refusal("over_budget", text, None, limit.ends_at))
                self._over_budget = True
                return
            elif left[stage.name]:
                text = f"Stage {stage.name} waits for money that running calls have reserved."
                self.refusals.append(Refusal("budget_reserved", text, stage.name))
                left[stage.name], self._look_again = 0, True

    def _item_may_spend(self, row: _Row, stage: StagePlan) -> bool:
        """Whether the budget per item allows it; an item that is over is put off until the next local day."""
        verdict, limit = self._purse.ask_item(row.item_id, stage.estimate_micros)
        if verdict == "over" and limit is not None:
            self._look_again = True
            self._connection.execute(
                "UPDATE item_stages SET not_before = ? WHERE id = ?", (limit.ends_at, row.stage_id)
            )
            subject = Subject(self._job.job_id, row.item_id, stage.name, self._worker.run_id)
            budgets.tell_hard(self._connection, subject, limit, self._now)
        return verdict == "open"

    def _take(self, rows: Sequence[_Row]) -> list[Claim]:
        outputs = results.output_hashes(self._connection, [row.item_id for row in rows]) if rows else {}
        return [self._take_one(row, outputs[row.item_id]) for row in rows]

    def _take_one(self, row: _Row, outputs: Mapping[str, str | None]) -> Claim:
        stage, worker, now = self._job.stages[row.ord], self._worker, self._now
        inputs = results.input_hash(row.content_hash, stage.needs, outputs)
        lease_until = now + worker.lease_ms
        (claim_id,) = self._connection.execute(
            "INSERT INTO attempts (stage_id, item_id, job_id, stage, revision, attempt, owner, run_id, "
            "started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                row.stage_id,
                row.item_id,
                self._job.job_id,
                stage.name,
                row.revision,
                row.attempt + 1,
                worker.owner,
                worker.run_id,
                now,
            ),
        ).fetchone()
        self._connection.execute(
            "UPDATE item_stages SET status = 'in_progress', claim_id = ?, owner = ?, run_id = ?, "
            "lease_until = ?, started_at = ?, attempt = attempt + 1, input_hash = ? "
            "WHERE id = ? AND status = 'pending'",
            (claim_id, worker.owner, worker.run_id, lease_until, now, inputs, row.stage_id),
        )
        if stage.estimate_micros:
            spender = Spender(self._job.job_id, row.item_id, stage.name, claim_id)
            costs.reserve(
                self._connection, spender, stage.estimate_micros, self._job.timezone, now, lease_until
            )
        self._send_probe(stage, claim_id, row.item_id)
        return Claim(
            claim_id,
            row.stage_id,
            row.item_id,
            self._job.job_id,
            stage.name,
            row.revision,
            row.attempt + 1,
            row.max_attempts,
            inputs,
            worker.owner,
            worker.run_id,
            now,
            lease_until,
            stage.estimate_micros > 0,
        )

    def _send_probe(self, stage: StagePlan, claim_id: int, item_id: int) -> None:
        breaker = self._breakers.get(stage.name)
        if breaker is None:
            return
        if breaker.send_probe(claim_id):
            subject = Subject(self._job.job_id, item_id, stage.name, self._worker.run_id)
            events.write(self._connection, "breaker_half_open", subject, self._now)
        breakers.save(self._connection, self._job.job_id, stage.name, breaker, self._now)
