"""The loop of a drain: claim, start, end, until nothing is claimable, in one thread with one connection.

Handlers run in threads of their own (`attempts`); all that they leave behind comes back through one queue and
is written here. A row is claimed only where a slot, a rate, a budget and a breaker let it go, and given back
unstarted when one of them changes its mind.

Not here: the turns at the gates (`turns`), writing ends (`ends`), what a run does before and after (`run`).
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from threading import Event
from typing import Final

from assets.discovery.engine.attempts import Assignment, Attempt
from assets.discovery.engine.context import Stopped
from assets.discovery.engine.drain_plans import DrainPlan
from assets.discovery.engine.ends import Drained, Ends
from assets.discovery.engine.leases import Leases
from assets.discovery.engine.registry import ResourceRegistry
from assets.discovery.engine.turns import Turns
from assets.discovery.ledger import (
    budgets,
    claims,
    costs,
    finishing,
    items,
    pauses,
    reconciliation,
    results,
    waiting,
)
from assets.discovery.ledger.claims import Claim, Refusal, Worker
from assets.discovery.ledger.finishing import Ended
from assets.discovery.ledger.outcomes import Outcome, Released
from assets.discovery.ledger.owners import Owner
from assets.discovery.ledger.plans import JobPlan
from assets.discovery.ledger.reaping import holders

_LOOK_S: Final = 0.5
"""How long the loop sleeps at most: stopping, pausing and lost leases are noticed that soon."""
_AGAIN_MS: Final = 1000
"""How soon to ask again for money that another process has reserved."""

_log = logging.getLogger("quintet.discovery")


class Drain:
    """One drain of one job. To be made and run once, in the thread that opened the connection.

    Args:
        connection: the ledger, to write.
        plan: what to work on.
        resources: the clock, the request to stop, the run's id and the other jobs, for reconciliation.
    """

    def __init__(self, connection: sqlite3.Connection, plan: DrainPlan, resources: ResourceRegistry) -> None:
        self._connection, self._plan, self._resources = connection, plan, resources
        self._job, self._runner, self._clock = plan.job, plan.runner, resources.clock
        run_id, lease_ms = resources.run_id, plan.runner.lease_s * 1000
        self._worker = Worker(str(Owner.of_this_process(run_id)), run_id, lease_ms)
        self._leases = Leases(self._open_db, lease_ms, resources.clock)
        self._ends = Ends(connection, plan.job, self._leases, resources.clock)
        self._turns = Turns(
            connection, {name: post.gate for name, post in plan.posts.items() if post.gate is not None}
        )
        self._plans = resources.plans
        self._deadline = 0
        self._reconciled_at: int | None = None
        self._ended: SimpleQueue[tuple[Attempt, Outcome]] = SimpleQueue()
        self._is_closed = Event()
        """Nobody reads `_ended` any more."""
        self._waiting: list[Claim] = []
        self._working: dict[int, Attempt] = {}
        self._overdue: dict[int, Attempt] = {}
        """Handlers that go on although their attempt is over: they keep their slots."""
        self._refusals: list[Refusal] = []
        self._found_nothing = False
        """The last look found nothing to claim, and nothing was held; `_refusals` say why not."""
        self._look_at = 0
        """When to look again after a look that found nothing, if nothing changes before."""
        self._chosen: set[int] = set()

    def run(self) -> Drained:
        """Work until there is nothing left to do now, the time is up, or somebody stops it.

        Errors of the ledger pass through, after what can be given back was given back.
        """
        self._deadline = self._clock() + round(self._runner.drain_max_s * 1000)
        with self._leases:
            try:
                while not self._is_over():
                    self._reconcile_when_due()
                    self._end_late()
                    self._claim()
                    self._start()
                    self._take_ends(self._nap())
                self._let_finish()
            except BaseException:
                with suppress(Exception):  # It is in the log; the error that led here is the one to raise.
                    self._give_back()
                raise
            self._give_back()
        return self._ends.drained

    # When it is over.

    def _is_over(self) -> bool:
        now = self._clock()
        if self._resources.stop.is_set():
            return self._stop("signal", "The run was asked to stop.")
        if now >= self._deadline:
            self._release(self._waiting, "the time of the run is up")
            text = f"The run has taken its drain_max_s of {self._runner.drain_max_s:g} s."
            return not self._working and self._stop("time", text)
        if not self._working and self._free() <= 0:
            self._look_from_outside(now)
        return self._found_nothing and not self._working and self._has_nothing_left(now)

    def _look_from_outside(self, now: int) -> None:
        """See whether anything could be claimed while handlers whose attempts are over keep every slot."""
        self._release(self._waiting, "handlers that take too long keep all slots")
        refusal = claims.standing(self._connection, self._job.job_id, now)
        self._refusals = [] if refusal is None else [refusal]
        self._found_nothing = refusal is not None or not any(self._claimable(now).values())

    def _has_nothing_left(self, now: int) -> bool:
        """Whether to end, now that nothing is held and nothing was claimable; else a while has passed."""
        for refusal in self._refusals:
            if refusal.stage is None:
                return self._stop("over_budget" if refusal.code == "over_budget" else "paused", refusal.text)
        due = self._next_due(now)
        if not self._plan.single_pass and due is not None and due < self._deadline:
            self._resources.stop.wait(min(max(due - now, 1) / 1000, self._runner.reconcile_every_s))
            return False
        soon = self._claimable(self._deadline)
        shut = [each for each in self._refusals if each.code == "breaker_open" and soon.get(each.stage or "")]
        if shut:
            return self._stop("breaker", shut[0].text)
        if self._is_limited and any(self._claimable(now, without=self._chosen).values()):
            return self._stop("limit", f"The run has worked on {len(self._chosen)} items, its limit.")
        is_left = due is not None or any(self._claimable(now).values())
        return self._stop("drained", "What is left waits for later." if is_left else "")

    def _stop(self, stopped: Stopped, reason: str) -> bool:
        self._ends.drained.stopped, self._ends.drained.reason = stopped, reason
        return True

    @property
    def _is_limited(self) -> bool:
        return self._plan.most_items is not None and len(self._chosen) >= self._plan.most_items

    @property
    def _active_items(self) -> Collection[int] | None:
        return self._chosen if self._is_limited else self._plan.active_items

    def _claimable(self, now: int, without: Collection[int] | None = None) -> dict[str, int]:
        """How many rows wait for nothing but a gate, a breaker or money, by stage; also beyond the limit."""
        active = self._active_items if without is None else self._plan.active_items
        rows = waiting.claimable(self._connection, self._job, now, active_items=active, without=without or ())
        return {name: rows.get(name, 0) for name in self._plan.posts}

    def _next_due(self, now: int) -> int | None:
        """When something that waits for a timer, a gate or other processes' money may be claimable."""
        due = waiting.next_due(
            self._connection, self._job, now, stages=self._plan.posts, active_items=self._active_items
        )
        instants = [] if due is None else [due]
        if any(refusal.code == "budget_reserved" for refusal in self._refusals):
            instants.append(now + _AGAIN_MS)
        if openings := self._turns.openings(now):
            rows = self._claimable(now)
            instants.extend(until for name, until in openings.items() if rows[name])
        return min(instants, default=None)

    # Reconcile, claim, start.

    def _reconcile_when_due(self) -> None:
        now, every = self._clock(), round(self._runner.reconcile_every_s * 1000)
        if self._reconciled_at is None or now - self._reconciled_at >= every:
            self._reconciled_at = now
            reconcile_ledger(self._connection, self._plans, self._resources)

    def _free(self) -> int:
        return self._runner.concurrency - len(self._working) - len(self._overdue)

    def _wants_more(self, now: int) -> bool:
        """Whether more could start than waits; what waits for its turn keeps no other away."""
        ready = sum(not self._turns.is_awaited(claim.stage) for claim in self._waiting)
        return self._look_at <= now < self._deadline and self._free() > ready

    def _claim(self) -> None:
        """Claim a batch if there is use for one."""
        now = self._clock()
        if not self._wants_more(now):
            return
        most = self._runner.claim_batch
        if self._plan.most_items is not None and not self._is_limited:
            most = min(most, self._plan.most_items - len(self._chosen))
        claimed = claims.claim(
            self._connection,
            self._job,
            self._worker,
            most,
            now,
            room=self._room(now),
            active_items=self._active_items,
        )
        self._leases.hold(claimed.claims)
        self._waiting.extend(claimed.claims)
        self._chosen.update(claim.item_id for claim in claimed.claims)
        self._refusals, self._found_nothing = claimed.refusals, not self._waiting
        if not claimed.claims:
            # Finding nothing takes a look at every row that waits; only time or somebody else adds any now.
            latest = now + round(self._runner.reconcile_every_s * 1000)
            self._look_at = min(latest, self._next_due(now) or latest)

    def _room(self, now: int) -> dict[str, int]:
        """The most rows to claim of each stage: of one with a bound of its own, what could start."""
        held = Counter(claim.stage for claim in self._waiting)
        for attempt in (*self._working.values(), *self._overdue.values()):
            held[attempt.claim.stage] += 1
        waiting_rows = Counter(claim.stage for claim in self._waiting)
        free, patience = self._free(), self._patience(now)
        room: dict[str, int] = {}
        for name, post in self._plan.posts.items():
            most = self._runner.claim_batch
            if post.concurrency is not None:
                most = min(most, post.concurrency - held[name])
            through = self._turns.room(name, now, patience, free=free, held=waiting_rows[name])
            room[name] = max(most if through is None else min(most, through), 0)
        return room

    def _patience(self, now: int) -> int:
        """How long a row may wait for its turn: not longer than its heartbeat, and not past the end."""
        return min(self._worker.lease_ms // 3, self._deadline - now)

    def _start(self) -> None:
        """Start what may start, in order; release what may not any more."""
        if not self._waiting:
            return
        self._release_refused()
        patience = self._patience(self._clock())
        for claim in list(self._waiting):
            if self._free() <= 0:
                break
            now = self._clock()
            if not claims.is_held(self._connection, claim, now):
                self._release([claim], "its lease ended before it was started")
            elif self._turns.has_come(claim.stage, now, patience):
                self._begin(claim)
        for stage in self._turns.openings(self._clock()):
            self._release([each for each in self._waiting if each.stage == stage], "its rate is used up")
        self._turns.keep({claim.stage for claim in self._waiting})

    def _release_refused(self) -> None:
        """Give back what a pause, a budget or a breaker would not let be claimed any more."""
        now, name = self._clock(), self._job.job_id
        for stage in {claim.stage for claim in self._waiting}:
            if (refusal := claims.standing(self._connection, name, now, stage)) is not None:
                self._release([each for each in self._waiting if each.stage == stage], refusal.text)
        if self._ends.has_cost and self._waiting:
            self._ends.has_cost = False
            if budgets.is_overdrawn(self._connection, self._job, now):
                self._release(self._waiting, "what was spent since leaves no money for it")

    def _begin(self, claim: Claim) -> None:
        post, connection = self._plan.posts[claim.stage], self._connection
        spent = 0
        if post.station.item_budget_micros is not None:
            spent = costs.item_totals(connection, claim.item_id).spent
        assignment = Assignment(
            claim,
            items.content_of(connection, claim.item_id),
            results.inputs(connection, claim.item_id, post.needs),
            spent,
        )
        attempt = Attempt(post.station, assignment, self._on_end)
        attempt.start()
        self._waiting.remove(claim)
        self._working[claim.claim_id] = attempt
        self._look_at = 0
        self._ends.drained.item_ids.add(claim.item_id)

    # Ends.

    def _end_late(self) -> None:
        """End the attempts that took too long; tell those whose lease was lost, or that a pause stops."""
        self._take_ends(0)  # Who ended in time is not late because the ledger was busy.
        now, lost = self._clock(), self._leases.lost()
        late = [attempt for attempt in self._working.values() if attempt.deadline <= now]
        for attempt in late:
            attempt.end()
            self._overdue[attempt.claim.claim_id] = self._working.pop(attempt.claim.claim_id)
        self._end([Ended(each.claim, each.timed_out(), each.take_costs()) for each in late])
        if self._working and pauses.stops_at_once(self._connection, self._job.job_id):
            lost = set(self._working)
        for claim_id in lost & self._working.keys():
            self._working[claim_id].end()

    def _nap(self) -> float:
        """Seconds until something may be due beside the ends of attempts."""
        now = self._clock()
        if self._wants_more(now) or not (self._working or self._overdue or self._waiting):
            return 0.0
        instants = [attempt.deadline for attempt in self._working.values()]
        if self._free() > 0:
            instants.extend(self._turns.instants())
        return min([_LOOK_S, *(max(instant - now, 1) / 1000 for instant in instants)])

    def _take_ends(self, seconds: float) -> None:
        """Write what has ended, waiting up to so many seconds for the first."""
        ended: list[Ended] = []
        late: list[Attempt] = []
        with suppress(Empty):
            attempt, outcome = self._ended.get(timeout=seconds) if seconds else self._ended.get_nowait()
            while True:
                if self._working.pop(attempt.claim.claim_id, None) is not None:
                    ended.append(Ended(attempt.claim, outcome, attempt.take_costs()))
                else:
                    late.append(attempt)
                attempt, outcome = self._ended.get_nowait()
        self._end(ended)
        for attempt in late:
            self._overdue.pop(attempt.claim.claim_id, None)
            self._ends.book(attempt.claim, attempt.take_costs())

    def _release(self, rows: Sequence[Claim], reason: str) -> None:
        rows = list(rows)
        self._waiting = [claim for claim in self._waiting if claim not in rows]
        self._end([Ended(claim, Released(reason)) for claim in rows])

    def _end(self, ended: list[Ended]) -> None:
        self._ends.write(ended)
        if ended:
            self._found_nothing, self._look_at = False, 0

    def _let_finish(self) -> None:
        """Give what is still running its grace: what was asked to stop, and what took too long."""
        self._release(self._waiting, "the run is stopping")
        until = self._clock() + round(self._runner.grace_s * 1000)
        while (self._working or self._overdue) and (left := until - self._clock()) > 0:
            self._take_ends(min(left / 1000, _LOOK_S))

    def _give_back(self) -> None:
        """Give back all that is still held, started or not; what it spends from now on is booked late."""
        running, self._working = list(self._working.values()), {}
        for attempt in (*running, *self._overdue.values()):
            attempt.end()
        self._is_closed.set()
        ended = [Ended(claim, Released("the run has ended")) for claim in self._waiting]
        reason = "the run ended before its handler did"
        ended += [Ended(each.claim, Released(reason), each.take_costs()) for each in running]
        self._ends.write_what_goes(ended)
        self._take_ends(0)

    def _on_end(self, attempt: Attempt, outcome: Outcome) -> None:
        """Take the end of an attempt, in its thread."""
        self._ended.put((attempt, outcome))
        if self._is_closed.is_set():
            self._book_late()

    def _book_late(self) -> None:
        """Write what handlers spent that outlived the drain: nothing else of theirs counts any more."""
        try:
            with closing(self._open_db()) as connection, suppress(Empty):
                while True:
                    attempt, _ = self._ended.get_nowait()
                    finishing.book(connection, self._job, attempt.claim, attempt.take_costs(), self._clock())
        except Exception as error:  # noqa: BLE001 - nobody is there to take it but the log.
            _log.error("what a handler of %s spent late could not be booked: %s", self._job.job_id, error)

    def _open_db(self) -> sqlite3.Connection:
        return self._resources.ledgers.open_db(self._resources.ledger)


def reconcile_ledger(
    connection: sqlite3.Connection, plans: Mapping[str, JobPlan], resources: ResourceRegistry
) -> None:
    """One pass over the whole ledger, with what Dagster says of the runs that hold leases."""
    _, runs = holders(connection)
    ended: Collection[str] = ()
    try:
        ended = resources.ended_runs(runs - {resources.run_id})
    except Exception as error:  # noqa: BLE001 - leases end by themselves; work that was paid for goes on.
        _log.warning("which runs have ended could not be asked: %s", error)
    reconciliation.reconcile(connection, plans, resources.clock(), ended_runs=ended)
