"""The jobs file as objects: every key with its default.

    JobsFile ── runner, budget, limiters
       └─ Job ── discovery, budget, runner, pace, retry, breaker
             └─ Stage ── pace, retry, breaker        `Job.chain` fills in what a stage has from its job

Not here: settings that jobs and stages share (`job_settings`), reading the file (`jobs_file`), what holds
between jobs and between stages (`job_rules`), and the parameters of each strategy (`strategies.params`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from assets.discovery.config_problems import inner_error, unknown_word
from assets.discovery.config_values import (
    Count,
    Cron,
    FileVersion,
    FilledText,
    FreeForm,
    Keys,
    LimiterName,
    LoneModule,
    Micros,
    Module,
    Name,
    OnChange,
    Positive,
    StageName,
    Zone,
)
from assets.discovery.credentials import resolved, shown_config
from assets.discovery.job_settings import (
    Breaker,
    JobBudget,
    KeepDays,
    Limiter,
    OverallBudget,
    Pace,
    Retry,
    RunnerConfig,
)
from assets.discovery.keys import canonical_json
from assets.discovery.strategies.params import Params
from assets.discovery.strategies.registry import STRATEGIES

OWN_HANDLERS = "assets.discovery.handlers"
"""Where a handler with a bare name is."""


def module_of(handler: str) -> str:
    """The module that a handler's name in the jobs file means."""
    return handler if "." in handler else f"{OWN_HANDLERS}.{handler}"


class Discovery(Keys):
    """Where a job looks, and when."""

    strategy: str
    params: SerializeAsAny[Params] = Field(default_factory=dict, validate_default=True)  # pyright: ignore[reportAssignmentType] # the validator makes the strategy's own object of it
    every_s: Positive | None = None
    cron: Cron | None = None
    limit: Count | None = None
    max_pages: Count = 50
    stop_when_seen: bool = False
    on_change: OnChange | None = Field(default=None, validate_default=True)
    empty_is_error: bool = False
    gone_after: Count = 3
    key_field: FilledText | None = None

    @field_validator("strategy")
    @classmethod
    def _is_a_strategy(cls, name: str) -> str:
        if name not in STRATEGIES:
            raise ValueError(unknown_word(name, "strategy", STRATEGIES))
        return name

    @field_validator("params", mode="before")
    @classmethod
    def _suit_the_strategy(cls, values: Any, info: ValidationInfo) -> Any:
        strategy = STRATEGIES.get(info.data.get("strategy", ""))
        if strategy is None:
            return Params()
        try:
            return strategy.params.model_validate(values)
        except ValidationError as error:
            raise inner_error(error, strategy.params) from None

    @field_validator("on_change")
    @classmethod
    def _as_the_strategy_does(cls, on_change: OnChange | None, info: ValidationInfo) -> OnChange | None:
        strategy = STRATEGIES.get(info.data.get("strategy", ""))
        return on_change or (strategy.on_change if strategy else None)

    @model_validator(mode="after")
    def _has_one_clock(self) -> Self:
        if self.every_s is not None and self.cron is not None:
            raise ValueError("give every_s or cron, not both")
        return self


class Stage(Keys):
    """One step of an item. What is `None` comes from the job, in `Job.chain`."""

    name: StageName
    handler: Module
    needs: tuple[str, ...] | None = None
    params: FreeForm = Field(default_factory=dict)
    concurrency: Count | None = None
    """The most attempts at this stage at once; `None` is the runner's."""
    pace: Pace | None = None
    timeout_s: Positive = 300
    retry: Retry | None = None
    breaker: Breaker | None = None
    estimate_micros: Micros = Field(default=0, alias="cost_estimate_usd")


@dataclass(frozen=True, slots=True)
class ChainStage:
    """A stage as it runs: everything that its job says of it is filled in."""

    name: str
    handler: str
    """The module of the handler, in full."""
    needs: tuple[str, ...]
    params: Mapping[str, Any]
    concurrency: int | None
    pace: Pace | None
    timeout_s: float
    retry: Retry
    breaker: Breaker
    estimate_micros: int


class Job(Keys):
    """One discovery and what is done with everything that it finds."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    name: Name
    description: str = ""
    enabled: bool = True
    kind: Literal["pipeline", "backfill"] = "pipeline"
    timezone: Zone = "UTC"
    owner: str = ""
    tags: tuple[FilledText, ...] = ()
    replay: FilledText | None = None
    discovery: Discovery
    handler: LoneModule | None = None
    stages: tuple[Stage, ...] | None = None
    params: FreeForm = Field(default_factory=dict)
    pace: Pace | None = None
    priority: int = 100
    retry: Retry = Retry()
    breaker: Breaker = Breaker()
    budget: JobBudget = JobBudget()
    runner: RunnerConfig = RunnerConfig()
    mirror_limit: int = Field(default=5000, ge=0)
    pause_discovery: bool = True
    keep_days: KeepDays = KeepDays()

    _folder: Path = PrivateAttr(Path())

    def model_post_init(self, context: Any, /) -> None:
        """Keep the folder of the jobs file, which relative paths are meant from."""
        self._folder = (context or {}).get("folder", Path())

    @model_validator(mode="after")
    def _breakers_can_open(self) -> Self:
        for stage in self.chain:
            calls, window = stage.breaker.min_calls, stage.breaker.window
            if calls > window:
                raise ValueError(
                    f"the breaker of {stage.name} cannot open: min_calls {calls} is over window {window}"
                )
        return self

    @cached_property
    def chain(self) -> tuple[ChainStage, ...]:
        """The stages in the order of the file; a job with a `handler` has one, named after its module."""
        stages = self.stages or ()
        if self.handler is not None:
            name = self.handler.rpartition(".")[2]
            stages = (Stage.model_construct(name=name, handler=self.handler),)
        before: tuple[str, ...] = ()
        chain: list[ChainStage] = []
        for stage in stages:
            chain.append(self._complete(stage, before))
            before = (stage.name,)
        return tuple(chain)

    def stage(self, name: str) -> ChainStage | None:
        """The stage of that name."""
        return next((stage for stage in self.chain if stage.name == name), None)

    @property
    def replay_folder(self) -> Path | None:
        """The folder of recorded responses, if requests are answered from one."""
        return None if self.replay is None else self._folder / self.replay

    def discovery_params(self, environment: Mapping[str, str]) -> dict[str, Any]:
        """What the strategy gets, see `Params.at_use`."""
        return self.discovery.params.at_use(self._folder, environment)

    def stage_params(self, stage: ChainStage, environment: Mapping[str, str]) -> dict[str, Any]:
        """What the handler of a stage gets: references to secrets resolved.

        Raises:
            PermanentFailure: a variable that is referred to is not set.
        """
        return resolved(stage.params, environment)

    @cached_property
    def config_json(self) -> str:
        """The canonical configuration: every key with its value, secrets hidden, paths as written."""
        return canonical_json(shown_config(self.model_dump(mode="json", by_alias=False)))

    @property
    def config_hash(self) -> str:
        """The SHA-256 of `config_json`, 64 hex digits."""
        return sha256(self.config_json.encode()).hexdigest()

    def _complete(self, stage: Stage, before: tuple[str, ...]) -> ChainStage:
        return ChainStage(
            name=stage.name,
            handler=module_of(stage.handler),
            needs=before if stage.needs is None else stage.needs,
            params={**self.params, **stage.params},
            concurrency=stage.concurrency,
            pace=stage.pace or self.pace,
            timeout_s=stage.timeout_s,
            retry=(stage.retry or Retry()).over(self.retry),
            breaker=(stage.breaker or Breaker()).over(self.breaker),
            estimate_micros=stage.estimate_micros,
        )


class JobsFile(Keys):
    """A whole jobs file."""

    version: FileVersion
    runner: RunnerConfig = RunnerConfig()
    budget: OverallBudget = OverallBudget()
    limiters: Mapping[LimiterName, Limiter] = Field(default_factory=dict)
    jobs: tuple[Job, ...] = ()

    def job(self, name: str) -> Job | None:
        """The job of that name."""
        return next((job for job in self.jobs if job.name == name), None)

    def runner_of(self, job: Job) -> RunnerConfig:
        """How a job runs: as it says itself, else as the file says."""
        return job.runner.over(self.runner)
