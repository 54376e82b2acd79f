"""Random interleavings of workers, reapers and people against a model that is a dictionary."""

import sqlite3
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    precondition,
    rule,
)

from assets.discovery.ledger import by_hand, claims, pauses, revisions, staleness
from assets.discovery.ledger.claims import Claim
from assets.discovery.ledger.costs import Cost
from assets.discovery.ledger.outcomes import Cancelled, Failed, RateLimited, Released, Skipped, Snoozed
from tests.assets.discovery.ledger.item_model import (
    ATTEMPTS,
    JOB,
    KEYS,
    RETRY,
    STAGES,
    TERMINAL,
    Item,
    Row,
)
from tests.assets.discovery.ledger.ledger_worlds import World, done, opened, seen

LEASE_S = 60
PAUSES = st.sampled_from([0, 1, 10, 30, 61])
"""Seconds: within a lease and behind it, before and behind a retry."""


class Interleavings(RuleBasedStateMachine):
    """Every rule is done to the ledger and to the model; after each they must say the same."""

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.connection: sqlite3.Connection = opened(Path(self.folder.name))
        self.world = World(self.connection, JOB)
        self.model = {key: Item() for key in KEYS}
        self.world.show(*(seen(key, "0") for key in KEYS))
        self.ids = {self.world.item(key)["id"]: key for key in KEYS}
        self.paused = False
        self.tokens: list[int] = []
        self.spent = 0
        self.content = 0
        self.version = 1

    def teardown(self) -> None:
        self.connection.close()
        self.folder.cleanup()

    def row(self, claim: Claim) -> tuple[Item, Row]:
        item = self.model[self.ids[claim.item_id]]
        return item, item.rows[claim.stage]

    def rows(self) -> list[Row]:
        return [row for item in self.model.values() for row in item.rows.values()]

    def any(self, *statuses: str) -> bool:
        return any(row.status in statuses for row in self.rows())

    @rule(
        target=held,
        seconds=PAUSES,
        limit=st.integers(2, 6),
        owner=st.sampled_from("ab"),
        resume=st.booleans(),
    )
    def claim(self, seconds: int, limit: int, owner: str, resume: bool):
        self.world.now += seconds * 1000
        if resume:
            assert pauses.unpause(self.connection, "papers", self.world.now) is self.paused
            self.paused = False
        expected = [] if self.paused else self.claimable()[:limit]
        found = self.world.claim(limit, owner, LEASE_S)
        assert [(self.ids[claim.item_id], claim.stage) for claim in found] == expected
        for claim in found:
            item, row = self.row(claim)
            assert claim.claim_id > max(self.tokens, default=0)
            self.tokens.append(claim.claim_id)
            row.status, row.token, row.attempt = "in_progress", claim.claim_id, row.attempt + 1
            row.lease_until = self.world.now + LEASE_S * 1000
            row.inputs = item.inputs_of(next(stage for stage in STAGES if stage.name == claim.stage))
            assert (claim.attempt, claim.revision) == (row.attempt, item.revision)
        return multiple(*found)

    def claimable(self) -> list[tuple[str, str]]:
        """What may be claimed, in order: rows that run again because they are stale come last."""
        found = [
            (item.rows[stage.name].priority, key, stage.name)
            for key, item in self.model.items()
            for stage in STAGES
            if not item.cancelled
            and item.waiting is None
            and item.rows[stage.name].status == "pending"
            and item.rows[stage.name].not_before <= self.world.now
            and all(item.rows[need].status in ("done", "skipped") for need in stage.needs)
        ]
        return [(key, name) for _, key, name in sorted(found, key=lambda each: each[:2])]

    @rule(claim=held)
    def beat(self, claim: Claim) -> None:
        _, row = self.row(claim)
        lost = claims.heartbeat(self.connection, [claim], LEASE_S * 1000, self.world.now)
        assert lost == ({claim.claim_id} if row.token != claim.claim_id else set())
        if not lost:
            row.lease_until = self.world.now + LEASE_S * 1000

    @rule(claim=consumes(held), payload=st.integers(0, 1), micros=st.integers(0, 3))
    def finish(self, claim: Claim, payload: int, micros: int) -> None:
        self.spent += micros
        finished = self.world.finish(
            claim, done(payload, str(self.version)), [Cost(micros)] if micros else []
        )
        self.ended(claim, "done", finished.status, output=payload)

    @rule(claim=consumes(held))
    def skip(self, claim: Claim) -> None:
        self.ended(claim, "skipped", self.world.finish(claim, Skipped("short")).status)

    @rule(claim=consumes(held), error=st.sampled_from(["transient", "permanent", "budget"]))
    def fail(self, claim: Claim, error) -> None:
        item, row = self.row(claim)
        final = error != "transient" or row.attempt >= row.most
        status = "failed" if final else "cancelled" if item.cancelled else "pending"
        wait = RETRY.backoff_ms(row.attempt - max(row.most - ATTEMPTS, 0))
        finished = self.world.finish(claim, Failed(error, "it broke"))
        self.ended(claim, status, finished.status, self.world.now + wait)

    @rule(claim=consumes(held), outcome=st.sampled_from(["snoozed", "rate_limited", "released"]))
    def give_back(self, claim: Claim, outcome: str) -> None:
        item, row = self.row(claim)
        until = self.world.now + {"snoozed": 30_000, "rate_limited": 5_000, "released": 0}[outcome]
        said = {"snoozed": Snoozed(30_000), "rate_limited": RateLimited(until), "released": Released()}[
            outcome
        ]
        status = "cancelled" if item.cancelled else "pending"
        ours = row.token == claim.claim_id
        self.ended(claim, status, self.world.finish(claim, said).status, until)
        if ours and status == "pending":
            item, row = self.row(claim)
            row.attempt = max(row.attempt - 1, 0)

    @rule(claim=consumes(held))
    def stop(self, claim: Claim) -> None:
        self.ended(claim, "cancelled", self.world.finish(claim, Cancelled()).status)

    def ended(
        self, claim: Claim, status: str, found: str | None, not_before: int = 0, output: object = None
    ) -> None:
        item, row = self.row(claim)
        if row.token != claim.claim_id:
            assert found is None
            return
        assert found == status
        row.status, row.token = status, None
        if status == "pending":
            row.not_before = not_before
        if status in ("done", "skipped"):
            row.output, row.version = output, str(self.version)
            item.reconsider(claim.stage)
        item.settle()

    @precondition(lambda self: self.any("in_progress"))
    @rule(seconds=PAUSES)
    def reap(self, seconds: int) -> None:
        self.world.now += seconds * 1000
        expected = 0
        for item in self.model.values():
            for row in item.rows.values():
                if row.status == "in_progress" and row.lease_until <= self.world.now:
                    expected += 1
                    wait = min(RETRY.backoff_ms(row.attempt - max(row.most - ATTEMPTS, 0)), 10_000)
                    row.token = None
                    if item.cancelled:
                        row.status = "cancelled"
                    elif row.attempt >= row.most:
                        row.status = "failed"
                    else:
                        row.status, row.not_before = "pending", self.world.now + wait
        for item in self.model.values():
            item.settle()
        assert self.world.reap() == expected

    @precondition(lambda self: self.any("in_progress", *TERMINAL))
    @rule(key=st.sampled_from(KEYS))
    def the_source_changes(self, key: str) -> None:
        item = self.model[key]
        self.content += 1
        content = str(self.content)
        self.world.show(seen(key, content))
        if item.runs():
            item.waiting = content
        else:
            item.renew(content)

    @precondition(lambda self: any(item.waiting for item in self.model.values()))
    @rule(key=st.sampled_from(KEYS))
    def the_source_takes_a_change_back(self, key: str) -> None:
        item = self.model[key]
        self.world.show(seen(key, item.content))
        item.waiting = None

    @precondition(lambda self: not self.paused and self.any("in_progress"))
    @rule(twice=st.booleans())
    def pause(self, twice: bool) -> None:
        assert pauses.pause(self.connection, "papers", "lunch", self.world.now)
        assert not twice or not pauses.pause(self.connection, "papers", "dinner", self.world.now)
        self.paused = True

    @precondition(lambda self: any(row.not_before > self.world.now for row in self.rows()))
    @rule()
    def wake(self) -> None:
        assert pauses.wake(self.connection, "papers", self.world.now) is not self.paused
        for row in self.rows():
            if not self.paused and row.status == "pending" and row.not_before > self.world.now:
                row.not_before = 0

    @precondition(lambda self: self.any(*TERMINAL))
    @rule(key=st.sampled_from(KEYS))
    def retry_by_hand(self, key: str) -> None:
        item = self.model[key]
        rows = list(item.rows.values())
        for statuses in (("failed",), ("cancelled",), ("done", "skipped")):
            chosen = [row for row in rows if row.status in statuses]
            if chosen:
                break
        if chosen:
            item.cancelled = False
        for row in chosen:
            row.status, row.most, row.not_before = "pending", row.attempt + ATTEMPTS, 0
        item_id = next(item_id for item_id, name in self.ids.items() if name == key)
        assert by_hand.retry_item(self.connection, self.world.job, item_id, self.world.now) == len(chosen)

    @precondition(lambda self: self.any("in_progress"))
    @rule(key=st.sampled_from(KEYS), to=st.sampled_from(["skipped", "cancelled"]))
    def set_aside_by_hand(self, key: str, to) -> None:
        item = self.model[key]
        chosen = [row for row in item.rows.values() if row.status in ("pending", "failed")]
        for row in chosen:
            row.status = to
        if to == "cancelled":
            item.cancelled, item.waiting = True, None
        item_id = next(item_id for item_id, name in self.ids.items() if name == key)
        assert by_hand.set_aside(self.connection, item_id, to, "enough", self.world.now) == len(chosen)

    @precondition(lambda self: self.any("done"))
    @rule(limit=st.sampled_from([None, 1, 2]), changed=st.booleans())
    def reprocess(self, limit: int | None, changed: bool) -> None:
        self.version += changed
        stages = tuple(replace(stage, handler_version=str(self.version)) for stage in STAGES)
        self.world.job = replace(JOB, stages=stages)
        waiting = {
            row["item_id"]
            for row in self.world.rows(
                "SELECT item_id FROM item_stages WHERE status = 'pending' AND stale_reason IS NOT NULL"
            )
        }
        room = len(KEYS) if limit is None else max(limit - len(waiting), 0)
        queued = skipped = 0
        for item_id, key in sorted(self.ids.items(), reverse=True):
            item = self.model[key]
            stale = [
                row
                for stage in STAGES
                if (row := item.rows[stage.name]).status == "done"
                and (row.version != str(self.version) or row.inputs != item.inputs_of(stage))
            ]
            if stale and item.runs():
                skipped += 1
                continue
            fresh = item_id not in waiting
            if stale and (queued < room if fresh else room):
                queued += fresh
                for row in stale:
                    row.run_again()
        did = staleness.reprocess(self.connection, self.world.job, self.world.now, limit=limit)
        assert (did.queued, did.already_waiting, did.skipped_running) == (queued, len(waiting), skipped)

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        for row in self.world.rows(
            "SELECT s.*, w.key FROM item_stages s JOIN work_items w ON w.id = s.item_id"
        ):
            item = self.model[row["key"]]
            expected = item.rows[row["stage"]]
            assert (row["status"], row["attempt"], row["max_attempts"], row["revision"], row["claim_id"]) == (
                expected.status,
                expected.attempt,
                expected.most,
                item.revision,
                expected.token,
            ), (row["key"], row["stage"])
            if expected.status == "pending":
                assert row["not_before"] == expected.not_before
        for row in self.world.rows("SELECT * FROM work_items"):
            item = self.model[row["key"]]
            assert row["content_hash"] == item.content
            assert (row["pending_revision_json"] is not None) == (item.waiting is not None)

    @invariant()
    def a_stage_in_progress_has_exactly_one_open_attempt_and_no_other_has_any(self) -> None:
        open_attempts = self.world.rows("SELECT stage_id, id FROM attempts WHERE outcome IS NULL ORDER BY id")
        running = self.world.rows(
            "SELECT id AS stage_id, claim_id AS id FROM item_stages "
            "WHERE status = 'in_progress' ORDER BY claim_id"
        )
        assert open_attempts == running

    @invariant()
    def every_done_stage_has_a_current_result_of_its_revision(self) -> None:
        assert not self.world.rows(
            "SELECT s.id FROM item_stages s WHERE s.status = 'done' AND 1 <> (SELECT count(*) FROM results r "
            "WHERE r.item_id = s.item_id AND r.stage = s.stage AND r.superseded_at IS NULL "
            "AND r.revision = s.revision AND r.output_hash = s.output_hash)"
        )

    @invariant()
    def the_derived_status_is_a_recount_of_the_stages(self) -> None:
        for row in self.world.rows(
            "SELECT d.*, w.key FROM item_derived_status d JOIN work_items w ON w.id = d.item_id"
        ):
            statuses = [each.status for each in self.model[row["key"]].rows.values()]
            assert row["derived_status"] == derived(statuses)
            assert (row["n_pending"], row["n_running"]) == (
                statuses.count("pending"),
                statuses.count("in_progress"),
            )

    @invariant()
    def money_is_counted_once_and_held_only_for_running_attempts(self) -> None:
        (row,) = self.world.rows(
            "SELECT coalesce(sum(micros) FILTER (WHERE state = 'settled'), 0) AS spent, "
            "coalesce(sum(micros) FILTER (WHERE state = 'reserved'), 0) AS reserved FROM costs"
        )
        running = sum(
            row.status == "in_progress" for item in self.model.values() for row in item.rows.values()
        )
        assert row == {"spent": self.spent, "reserved": 5 * running}

    @invariant()
    def seq_is_kept_of_done_and_skipped_stages_only(self) -> None:
        assert not self.world.rows(
            "SELECT id FROM item_stages WHERE (seq IS NOT NULL) <> (status IN ('done', 'skipped'))"
        )


def derived(statuses: list[str]) -> str:
    """The status of an item, told in another way than the view tells it."""
    if "failed" in statuses:
        return "failed"
    if all(status in TERMINAL for status in statuses):
        return "cancelled" if "cancelled" in statuses else "done"
    return "in_progress" if "in_progress" in statuses else "pending"


Interleavings.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestInterleavings = Interleavings.TestCase


def test_a_waiting_revision_is_applied_by_the_next_pass_if_its_worker_died(connection):
    world = World(connection, JOB)
    world.add("a")
    claim, _ = world.claim()
    world.show(seen("a", "b"))
    assert world.item("a")["pending_revision_json"] is not None
    assert revisions.apply_all_waiting(connection, JOB, world.now) == 0
    world.at(61).reap()
    row = world.item("a")
    assert (row["revision"], row["content_hash"], row["pending_revision_json"]) == (2, "b", None)
    assert world.finish(claim).status is None
