"""Circuit breakers, one per stage of a job: a stage that keeps failing is left alone for a while.

The state lies in `limiters` as `breaker:JOB/STAGE`, so all processes share it. `window_json` holds the last
outcomes (1 is a failure), `tokens_json` the probe that is out and the items that failed by a defect of the
handler since its last success. The functions here join the caller's transaction.
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from assets.discovery.ledger import events
from assets.discovery.ledger.events import Subject
from assets.discovery.ledger.plans import BreakerPolicy

State = Literal["closed", "open", "half_open"]
Outcome = Literal["success", "failure", "refusal"]
"""How a call ended for the machinery. A refusal (404, a broken document) is the source's answer: the
machinery worked, but the handler has not shown that it can succeed."""

CODE_FAILURES_THAT_PAUSE: Final = 3


@dataclass(slots=True)
class Breaker:
    """The state of one breaker. Times are milliseconds UTC, `open_for_s` is seconds."""

    state: State = "closed"
    window: list[int] = field(default_factory=list)
    cooldown_until: int = 0
    opened_at: int | None = None
    open_for_s: int | None = None
    probe: int | None = None
    code_items: list[int] = field(default_factory=list)

    def room(self, now: int, *, probing: bool) -> int | None:
        """How many rows of the stage may be claimed: `None` is any number, 1 is a probe."""
        if self.state == "closed":
            return None
        if self.state == "open" and now < self.cooldown_until:
            return 0
        return 0 if probing else 1

    def send_probe(self, claim_id: int) -> bool:
        """A row was claimed; while not closed it is the probe. Returns whether the state became half open."""
        if self.state == "closed":
            return False
        became, self.state, self.probe = self.state == "open", "half_open", claim_id
        return became

    def record(self, policy: BreakerPolicy, claim_id: int, failed: bool, now: int) -> State | None:
        """Take an outcome; returns the state that it led to, if it changed anything."""
        if self.state == "closed":
            self.window = [*self.window, int(failed)][-policy.window :]
            if len(self.window) >= policy.min_calls and sum(self.window) >= policy.failure_ratio * len(
                self.window
            ):
                self._open(policy.cool_down_s, now)
                return "open"
        elif self.state == "half_open" and claim_id == self.probe:
            if failed:
                self._open(min(2 * (self.open_for_s or policy.cool_down_s), policy.cap_s), now)
                return "open"
            self.close()
            return "closed"
        return None  # Rows that were claimed before it opened decide nothing.

    def _open(self, seconds: int, now: int) -> None:
        self.state, self.opened_at, self.open_for_s, self.probe = "open", now, seconds, None
        self.cooldown_until = now + seconds * 1000

    def close(self) -> None:
        """Forget what led to opening."""
        self.state, self.window, self.probe = "closed", [], None
        self.cooldown_until, self.opened_at, self.open_for_s = 0, None, None


def name_of(job_id: str, stage: str) -> str:
    """The name of a breaker's row."""
    return f"breaker:{job_id}/{stage}"


def load_open(connection: sqlite3.Connection, job_id: str) -> dict[str, Breaker]:
    """The breakers of a job that are open or half open, by stage."""
    rows = connection.execute(
        "SELECT name, state, window_json, tokens_json, cooldown_until, opened_at, open_for_s FROM limiters "
        "WHERE name >= ? AND name < ? AND state <> 'closed'",
        (f"breaker:{job_id}/", f"breaker:{job_id}0"),  # `0` is the character behind `/`.
    )
    return {name.partition("/")[2]: _read(values) for name, *values in rows}


def load(connection: sqlite3.Connection, job_id: str, stage: str) -> Breaker:
    """The breaker of a stage; closed and empty without a row."""
    row = connection.execute(
        "SELECT state, window_json, tokens_json, cooldown_until, opened_at, open_for_s FROM limiters "
        "WHERE name = ?",
        (name_of(job_id, stage),),
    ).fetchone()
    return _read(row) if row else Breaker()


def _read(row: list | tuple) -> Breaker:
    state, window, tokens, cooldown_until, opened_at, open_for_s = row
    more: Mapping = json.loads(tokens) or {}
    return Breaker(
        state,
        json.loads(window),
        cooldown_until,
        opened_at,
        open_for_s,
        more.get("probe"),
        more.get("code", []),
    )


def save(connection: sqlite3.Connection, job_id: str, stage: str, breaker: Breaker, now: int) -> None:
    """Store the breaker of a stage."""
    connection.execute(
        "INSERT INTO limiters (name, kind, state, window_json, tokens_json, updated_at, cooldown_until, "
        "opened_at, open_for_s) VALUES (?, 'breaker', ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "state = excluded.state, window_json = excluded.window_json, tokens_json = excluded.tokens_json, "
        "updated_at = excluded.updated_at, cooldown_until = excluded.cooldown_until, "
        "opened_at = excluded.opened_at, open_for_s = excluded.open_for_s",
        (
            name_of(job_id, stage),
            breaker.state,
            json.dumps(breaker.window),
            json.dumps({"probe": breaker.probe, "code": breaker.code_items}),
            now,
            breaker.cooldown_until,
            breaker.opened_at,
            breaker.open_for_s,
        ),
    )


def is_probing(connection: sqlite3.Connection, breaker: Breaker) -> bool:
    """Whether a probe is out: one that was released or snoozed without a verdict makes room for the next."""
    if breaker.state != "half_open" or breaker.probe is None:
        return False
    query = "SELECT 1 FROM attempts WHERE id = ? AND outcome IS NULL"
    return connection.execute(query, (breaker.probe,)).fetchone() is not None


def record(
    connection: sqlite3.Connection,
    subject: Subject,
    policy: BreakerPolicy,
    claim_id: int,
    outcome: Outcome,
    now: int,
    *,
    code_failure: bool = False,
) -> bool:
    """Take the outcome of an attempt of the subject's stage, and write an event if that opened or closed it.

    Returns whether three distinct items have now failed by a defect without a success between.
    """
    stage = subject.stage or ""
    breaker = load(connection, subject.job_id, stage)
    before = replace(breaker)
    if outcome == "success":
        breaker.code_items = []
    elif code_failure and subject.item_id is not None and subject.item_id not in breaker.code_items:
        breaker.code_items = [*breaker.code_items, subject.item_id][-CODE_FAILURES_THAT_PAUSE:]
    changed = breaker.record(policy, claim_id, outcome == "failure", now)
    if breaker != before:  # A window full of successes takes another one without a write.
        save(connection, subject.job_id, stage, breaker, now)
    if changed == "open":
        payload = {"until": breaker.cooldown_until, "open_for_s": breaker.open_for_s}
        events.write(connection, "breaker_open", subject, now, payload, "warn")
    elif changed == "closed":
        events.write(connection, "breaker_closed", subject, now)
    return code_failure and len(breaker.code_items) >= CODE_FAILURES_THAT_PAUSE


def clear(connection: sqlite3.Connection, job_id: str) -> None:
    """Forget the breakers and failure counters of a job."""
    connection.execute(
        "DELETE FROM limiters WHERE kind = 'breaker' AND name >= ? AND name < ?",
        (f"breaker:{job_id}/", f"breaker:{job_id}0"),
    )
