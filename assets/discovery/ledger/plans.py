"""What the ledger needs to know of a job, as plain values: the jobs file is mapped to them elsewhere.

Times are milliseconds, money is micro-USD.
"""

from dataclasses import dataclass, field
from typing import Final, Literal

OnChange = Literal["reprocess", "ignore", "new_item"]

LONGEST_DOUBLING: Final = (
    40  # 2 ** 40 ms is 34 years: doubling further changes nothing and overflows in the end.
)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a stage is tried, and how long it waits in between."""

    max_attempts: int = 5
    base_ms: int = 30_000
    cap_ms: int = 3_600_000
    jitter: float = 0.2

    def backoff_ms(self, attempts: int, chance: float = 0.5) -> int:
        """The wait after so many attempts since the last manual retry; `chance` in [0, 1) is the jitter."""
        plain = min(self.base_ms * 2 ** min(max(attempts, 1) - 1, LONGEST_DOUBLING), self.cap_ms)
        return round(plain * (1 + self.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a stage that keeps failing is left alone, and for how long."""

    min_calls: int = 10
    window: int = 20
    failure_ratio: float = 0.5
    cool_down_s: int = 60
    cap_s: int = 3600


@dataclass(frozen=True, slots=True)
class Budget:
    """The most a job may spend; `None` is no limit."""

    daily_micros: int | None = None
    monthly_micros: int | None = None
    per_item_micros: int | None = None
    soft_ratio: float = 0.8
    on_exceed: Literal["pause", "warn"] = "pause"
    require_price: bool = False


@dataclass(frozen=True, slots=True)
class DiscoveryPlan:
    """What becomes of items whose content changed, and of those that a complete listing does not show."""

    on_change: OnChange = "reprocess"
    gone_after: int = 3
    empty_is_error: bool = False


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage as it is configured today."""

    name: str
    needs: tuple[str, ...] = ()
    handler_version: str = "1"
    logic_hash: str = ""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    estimate_micros: int = 0


@dataclass(frozen=True, slots=True)
class JobPlan:
    """One job as it is configured today. The position of a stage is its `ord`."""

    job_id: str
    stages: tuple[StagePlan, ...]
    discovery: DiscoveryPlan = field(default_factory=DiscoveryPlan)
    timezone: str = "UTC"
    budget: Budget = field(default_factory=Budget)
    overall: Budget = field(default_factory=Budget)
    """The budget over all jobs; of it only `daily_micros`, `soft_ratio` and `on_exceed` are read."""

    def stage(self, name: str) -> StagePlan | None:
        """The stage of that name; `None` if the jobs file no longer has it."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def dependents(self, name: str) -> list[StagePlan]:
        """The stages that need `name` directly."""
        return [stage for stage in self.stages if name in stage.needs]
