"""What a run is asked to do, and what it says it did.

Not here: what it uses for that (`registry`), doing it (`run`).
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from assets.discovery.config_problems import ConfigurationError, unknown_word
from assets.discovery.job_model import Job

Mode = Literal["production", "test", "dry_run"]
Stopped = Literal[
    "drained", "limit", "time", "paused", "over_budget", "breaker", "signal", "discovery_failed"
]


@dataclass
class RunContext:
    """How one run differs from the usual one.

    `limit` is the most new items that are discovered, and the most items that are processed. `active_items`
    are ledger ids: nothing else is claimed, and nothing is discovered. `single_pass` does not wait for what
    falls due later. `test_stage`, `test_item` (a key, an id or a partition key) and `no_reset` say what a
    test works on.
    """

    mode: Mode = "production"
    limit: int | None = None
    test_stage: str | None = None
    test_item: str | None = None
    no_reset: bool = False
    discover_only: bool = False
    single_pass: bool = False
    active_items: set[int] | None = None


@dataclass(frozen=True, slots=True)
class DiscoverySummary:
    """How a discovery ended. The counters are those of the ledger's `discoveries`.

    `interrupted`: the run was asked to stop, and the ledger's row has no outcome.
    """

    outcome: Literal["ok", "not_modified", "anomalous", "failed", "interrupted"]
    n_read: int = 0
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_duplicate: int = 0
    n_rejected: int = 0
    n_missing: int = 0
    n_gone: int = 0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    new_keys: tuple[str, ...] = ()
    """The first hundred."""
    discovery_id: int | None = None


@dataclass(slots=True)
class StageCounts:
    """How attempts ended in this run; `retried` are those that will be tried again."""

    done: int = 0
    failed: int = 0
    skipped: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage of an item came to in a test."""

    key: str
    stage: str
    status: str
    payload: Any
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did. `stopped` is why it ended; `stopped_reason` says it in words."""

    job: str
    mode: Mode
    run_id: str
    discovery: DiscoverySummary | None = None
    items_done: int = 0
    items_failed: int = 0
    stages: StageCounts = field(default_factory=StageCounts)
    cost_micros: int = 0
    stopped: Stopped = "drained"
    stopped_reason: str = ""
    item_ids: frozenset[int] = frozenset()
    """The items that had an attempt in this run."""
    results: tuple[StageResult, ...] = ()
    """In a test: every stage of every item that was worked on."""
    claims: dict[str, int] = field(default_factory=dict)
    """In a dry run: how many rows of each stage the next run would claim, if all goes well."""
    cost_estimate_micros: int = 0


def require_legal(context: RunContext, job: Job) -> None:
    """Refuse what cannot be meant, before anything is read or written.

    Raises:
        ConfigurationError: names the flags that do not go together, or the value that is wrong.
    """
    is_test = context.mode == "test"
    problems: list[str] = []
    if context.no_reset and not is_test:
        problems.append("no_reset is for tests only; a production run never resets a stage")
    if (context.test_stage or context.test_item) and not is_test:
        problems.append("a stage or an item can be chosen in a test only; use the verb test")
    if context.discover_only and (context.test_stage or context.test_item):
        problems.append("discover_only does not go with a stage or an item: nothing would be run")
    if context.limit is not None and context.limit < 1:
        problems.append(f"limit {context.limit} is below 1; leave it out for no limit")
    if context.test_stage and job.stage(context.test_stage) is None:
        names = [stage.name for stage in job.chain]
        problems.append(f"{unknown_word(context.test_stage, 'stage', names)} (job {job.name})")
    if problems:
        raise ConfigurationError(problems)
