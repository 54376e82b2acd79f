"""What a drain works on, made of a job by who runs it (`run`)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from assets.discovery.engine.attempts import Station
from assets.discovery.engine.pacer import Gate
from assets.discovery.job_settings import RunnerConfig
from assets.discovery.ledger.plans import JobPlan


@dataclass(frozen=True, slots=True)
class Post:
    """One stage in a drain: where its attempts work, the gate before it, and how many may work at once."""

    station: Station
    needs: tuple[str, ...]
    gate: Gate | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """What a drain works on. `posts` are the stages that it works at, by name."""

    job: JobPlan
    posts: Mapping[str, Post]
    runner: RunnerConfig
    most_items: int | None = None
    active_items: Collection[int] | None = None
    single_pass: bool = False
