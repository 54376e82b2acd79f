"""The settings that a job, a stage or the whole file may have: runner, retry, breaker, pace, budget.

Not here: the job itself (`job_model`).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from assets.discovery.config_problems import unknown_word
from assets.discovery.config_values import (
    Count,
    Duration,
    Keys,
    LimiterName,
    Micros,
    NotEmpty,
    Positive,
    Ratio,
)


class Layered(Keys):
    """Settings that may be given at two levels; the inner one counts, key by key."""

    def over(self, outer: Self) -> Self:
        """These settings, and what they leave out from `outer`."""
        return outer.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})


class RunnerConfig(Layered):
    """How a run works: how much at once, and how long."""

    concurrency: Count = 4
    claim_batch: Count = 10
    lease_s: int = Field(default=300, ge=2)
    drain_max_s: Positive = 600
    reconcile_every_s: Positive = 15
    grace_s: Duration = 20


class Retry(Layered):
    """How often a stage is tried, and how long it waits in between."""

    max_attempts: Count = 5
    base_s: Duration = 30
    cap_s: Duration = 3600
    jitter: Ratio = 0.2


class Breaker(Layered):
    """When a stage that keeps failing is left alone, and for how long."""

    min_calls: Count = 10
    window: Count = 20
    failure_ratio: Ratio = 0.5
    cool_down_s: Positive = 60
    cap_s: Positive = 3600


class Rate(Keys):
    """So many calls in so many seconds; `burst` of them at once, by default all."""

    rate: Positive
    per_s: Positive
    burst: Positive | None = None


Limiter = Annotated[tuple[Rate, ...], NotEmpty]
"""Several rates hold at once: 10 in a second and 5,000 in a day."""


class Pace(Keys):
    """How fast a stage may go: a limiter that others use too, or a rate of its own."""

    limiter: LimiterName | None = None
    rate: Positive | None = None
    per_s: Positive | None = None
    burst: Positive | None = None
    weight: Positive = 1

    @field_validator("limiter")
    @classmethod
    def _is_a_limiter(cls, name: str | None, info: ValidationInfo) -> str | None:
        if name is not None and info.context is not None and name not in info.context["limiters"]:
            raise ValueError(unknown_word(name, "limiter", info.context["limiters"]))
        return name

    @model_validator(mode="after")
    def _is_one_of_the_two(self) -> Self:
        if self.limiter is None and (self.rate is None or self.per_s is None):
            raise ValueError("give limiter, or rate and per_s")
        if self.limiter is not None and (self.rate or self.per_s or self.burst):
            raise ValueError("give limiter or a rate, not both; the rates of a limiter are under limiters")
        if self.rate is not None and self.weight > (self.burst or self.rate):
            raise ValueError(f"weight {self.weight} is more than there ever is at once; raise burst")
        return self


class OverallBudget(Keys):
    """The most that all jobs may spend in a day (UTC)."""

    daily_micros: Micros | None = Field(default=None, alias="daily_usd")
    soft_ratio: Ratio = 0.8
    on_exceed: Literal["pause", "warn"] = "pause"


class JobBudget(OverallBudget):
    """The most that a job may spend: in a day and a month of its time zone, and on an item."""

    monthly_micros: Micros | None = Field(default=None, alias="monthly_usd")
    per_item_micros: Micros | None = Field(default=None, alias="per_item_usd")
    require_price: bool = False


class KeepDays(Keys):
    """For how many days what may be pruned is kept."""

    events: Count = 180
