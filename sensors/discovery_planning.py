"""The planner behind the sensors of discovery: what to start for a job now, or why nothing. Pure.

A discovery is asked for when it is due, a drain when something is claimable or Dagster was not yet told of a
done item, and never a second one while the first is queued or works.

The key of a run names where the ledger stood: `NAME:discover:<discoveries so far>.<n>` and
`NAME:items:<ledger sequence>.<n>`. A run leaves a trace there, so the next key is another. If a tick dies
after its request, the same key comes again and Dagster drops it. A request without any trace (its run was
deleted, or ended before it could work) is made again with the next n, later and later: after a minute at
first, at last once an hour. The cursor remembers the last request of each kind.

Not here: clocks, the ledger and Dagster (`sensors.discovery`).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

Kind = Literal["discover", "items"]
Fate = Literal["live", "ended", "unknown"]

CURSOR_FORMAT: Final = 1
FIRST_WAIT_MS: Final = 60_000
LONGEST_WAIT_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Situation:
    """How a job stands. Times are milliseconds UTC."""

    job: str
    now: int
    is_enabled: bool = True
    is_complete: bool = False
    """A backfill with nothing left: its clock no longer counts."""
    paused: str | None = None
    """Why the job is paused."""
    pause_keeps_discovery: bool = False
    over_budget_until: int | None = None
    discovery_due_at: int | None = None
    """`None`: only on request."""
    is_woken: bool = False
    discoveries: int = 0
    sequence: int = 0
    has_work: bool = False
    """Something is claimable, or a lease has nobody."""
    unknown_config: str | None = None
    """The digest of the job's configuration, if the ledger knows another one."""
    has_untold: bool = False
    """An item is done that Dagster was not told of."""
    next_retry_at: int | None = None
    shut_stages: tuple[str, ...] = ()
    """The stages whose breaker is open."""
    is_discovering: bool = False
    """A run that discovers is queued or works."""
    is_draining: bool = False
    """A run that drains is queued or works, or another run of Dagster works on the items."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The last request of a kind: where the ledger stood, the n of its key, and when it was made."""

    position: int
    n: int
    at: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What the cursor keeps.

    `registered` is the ledger sequence up to which keys were registered. `config` is the configuration that
    a drain was last asked to make known: only once, for the runs may know a newer jobs file than the sensor,
    which keeps the one that its code location was loaded with.
    """

    discover: Asked | None = None
    items: Asked | None = None
    registered: int = -1
    config: str = ""

    @classmethod
    def read(cls, cursor: str | None) -> "Memory":
        """Read a cursor; one that is none of ours is empty, which the run keys make safe."""
        try:
            content = json.loads(cursor or "")
            if content["format"] != CURSOR_FORMAT:
                return cls()
            asked = {
                kind: Asked(**content[kind]) if content[kind] else None for kind in ("discover", "items")
            }
            return cls(registered=int(content["registered"]), config=str(content["config"]), **asked)
        except (ValueError, TypeError, LookupError):
            return cls()

    def write(self) -> str:
        """The cursor."""
        return json.dumps({"format": CURSOR_FORMAT, **asdict(self)}, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Request:
    """A run to ask for."""

    kind: Kind
    run_key: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a look leads to: either requests, or the reason why there are none."""

    requests: tuple[Request, ...]
    memory: Memory
    skip_reason: str | None


def run_key(job: str, kind: Kind, asked: Asked) -> str:
    """The key by which Dagster starts a run for a request once and never again."""
    return f"{job}:{kind}:{asked.position}.{asked.n}"


def plan(
    situation: Situation,
    memory: Memory,
    fate_of: Callable[[str], Fate],
    word_of: Callable[[int], str],
) -> Plan:
    """Decide what to ask for.

    Args:
        situation: how the job stands.
        memory: what the last plan left.
        fate_of: what became of the run with a key: queued or at work, ended, or not known at all.
        word_of: an instant as people read it.
    """
    if not situation.is_enabled:
        return Plan((), memory, "disabled in the jobs file")
    asked: dict[Kind, Asked | None] = {"discover": memory.discover, "items": memory.items}
    wanted: Mapping[Kind, tuple[bool, int]] = {
        "discover": (_wants_discovery(situation), situation.discoveries),
        "items": (_wants_drain(situation, memory), situation.sequence),
    }
    requests: list[Request] = []
    waits: list[str] = []
    for kind, (is_wanted, position) in wanted.items():
        if not is_wanted:
            continue
        if (again := _ask(situation, kind, position, asked[kind], fate_of)) is None:
            waits.append(_in_progress(kind))
        elif again.at > situation.now:
            waits.append(f"the last request left no trace; asked again at {word_of(again.at)}")
        else:
            asked[kind] = again
            if kind == "items" and situation.unknown_config is not None:
                memory = replace(memory, config=situation.unknown_config)
            requests.append(Request(kind, run_key(situation.job, kind, again)))
    reason = None if requests else _reason(situation, waits, word_of)
    return Plan(tuple(requests), replace(memory, **asked), reason)


def _wants_discovery(situation: Situation) -> bool:
    if situation.paused is not None and not situation.pause_keeps_discovery:
        return False
    due_at = None if situation.is_complete else situation.discovery_due_at
    return situation.is_woken or (due_at is not None and due_at <= situation.now)


def _wants_drain(situation: Situation, memory: Memory) -> bool:
    may_work = situation.paused is None and situation.over_budget_until is None
    has_changed = situation.unknown_config not in (None, memory.config)
    return situation.has_untold or (may_work and (situation.has_work or has_changed))


def _ask(
    situation: Situation, kind: Kind, position: int, last: Asked | None, fate_of: Callable[[str], Fate]
) -> Asked | None:
    """The request to make, with when it may be made; `None` while a run of the kind is queued or works."""
    if situation.is_discovering if kind == "discover" else situation.is_draining:
        return None
    if last is None or last.position != position:
        return Asked(position, 0, situation.now)
    if fate_of(run_key(situation.job, kind, last)) == "live":
        return None
    wait = min(FIRST_WAIT_MS << min(last.n, 10), LONGEST_WAIT_MS)
    return Asked(position, last.n + 1, max(last.at + wait, situation.now))


def _in_progress(kind: Kind) -> str:
    return "discovery in progress" if kind == "discover" else "drain in progress"


def _reason(situation: Situation, waits: list[str], word_of: Callable[[int], str]) -> str:
    """Why nothing is asked for; the first that holds."""
    if situation.paused is not None:
        return f"paused: {situation.paused}"
    if situation.over_budget_until is not None:
        return f"over budget until {word_of(situation.over_budget_until)}"
    if waits:
        return "; ".join(waits)
    if situation.is_draining:
        return _in_progress("items")
    if situation.is_complete:
        return "complete: everything is listed, and nothing of it waits"
    return _nothing_claimable(situation, word_of)


def _nothing_claimable(situation: Situation, word_of: Callable[[int], str]) -> str:
    reason = "nothing claimable"
    if situation.next_retry_at is not None:
        reason += f", next retry at {word_of(situation.next_retry_at)}"
    if situation.discovery_due_at is not None:
        reason += f", next discovery at {word_of(situation.discovery_due_at)}"
    if situation.shut_stages:
        reason += f" (the breaker of {', '.join(situation.shut_stages)} is open)"
    return reason
