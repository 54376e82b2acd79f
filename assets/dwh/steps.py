"""A job as a step of Dagster: done in the step or on a platform, and what is recorded of it.

Either way it is the same job with the same arguments, those of a command line. Not here: the assets
(`assets`), the jobs (`stages.jobs`), and the platforms (`resources.compute`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, ClassVar, Final, Protocol

import dagster as dg

from assets.dwh.inputs import WaitsForApproval
from assets.dwh.registry import RegisteredJob
from assets.dwh.reports import OTHER_PARTITIONS, Claim, Report
from assets.dwh.run_ids import new_run_id
from assets.dwh.stages.hooks import EventLost
from assets.dwh.stages.jobs import JOBS, failure_told, run_job, usage_errors
from assets.dwh.stages.workplace import Workplace
from assets.failures import PermanentFailure
from assets.metadata import metadata
from assets.retries import translated_failures
from resources.compute import (
    Compute,
    ComputeBackend,
    ComputeMisconfigured,
    JobFailed,
    ReportMissing,
    Submission,
    launch_token,
    results,
)
from resources.object_store import ObjectStore
from resources.spark import ENGINE_TAG, Spark, SparkMissing
from resources.warehouse import Warehouse

Results = Iterator[dg.MaterializeResult | dg.AssetCheckResult]

TAGS: Final = "dwh/"
"""Before the names of run tags that belong to dwh."""

_PARENT: Final = "dagster/parent_run_id"
_RUN_ID: Final = "job_run_id"
# Who started a run and where it runs: said by an entry with tags, shown in the metrics.
_PROVENANCE: Final = ("service_provider", "environment", "region", _RUN_ID)
_APPROVAL: Final = ("approve_quality", "approve_reason")
_FOR_PEOPLE: Final = (
    ComputeMisconfigured,
    EventLost,
    JobFailed,
    ReportMissing,
    SparkMissing,
    WaitsForApproval,
)
_WITH_OWN_ENTRY: Final = ("glue", "emr", "databricks")
"""The backends with an entry of their name; a process of this machine has that of a container."""


@dataclass(frozen=True, slots=True)
class Resources:
    """The resources of a step."""

    store: ObjectStore
    spark: Spark
    warehouse: Warehouse
    compute: Compute


@dataclass(frozen=True, slots=True)
class JobLaunch:
    """A job with its configuration and the other arguments, as a command line gives them."""

    job: RegisteredJob
    config: Mapping[str, Any]
    arguments: Mapping[str, Any]

    def with_tags(self, tags: Mapping[str, str]) -> "JobLaunch":
        """The same with what the run's tags say: who started it, the engine, and an approval."""
        config, arguments = dict(self.config), dict(self.arguments)
        arguments |= {name: tags[TAGS + name] for name in _PROVENANCE if tags.get(TAGS + name)}
        if tags.get(ENGINE_TAG):
            arguments[ENGINE_TAG] = tags[ENGINE_TAG]
        if self.job.name == "transform_images":
            config |= {name: tags[TAGS + name] for name in _APPROVAL if tags.get(TAGS + name)}
        return JobLaunch(self.job, config, arguments)

    def with_run_id(self, now: datetime) -> "JobLaunch":
        """The same with a run id, a new one unless it has one."""
        _, kind = JOBS[self.job.name]
        run_id = self.arguments.get(_RUN_ID) or new_run_id(kind, now)
        return JobLaunch(self.job, self.config, {**self.arguments, _RUN_ID: run_id})

    @property
    def keywords(self) -> dict[str, Any]:
        """What the job's factory is given."""
        return {self.job.config_key: dict(self.config), "has_spark": True, **self.arguments}

    @property
    def command_line(self) -> tuple[str, ...]:
        """What an entry is given: `--name=value`, as a value may begin with `--`; not what is not said."""
        words = [f"--module_name={self.job.name}"]
        for name, value in self.keywords.items():
            match value:
                case None:
                    continue
                case dict():
                    text = json.dumps(value)
                case bool():
                    text = str(value).lower()
                case _:
                    text = str(value)
            words.append(f"--{name}={text}")
        return tuple(words)


class LaunchConfig(Protocol):
    """What an asset can be told in a launch."""

    job: ClassVar[RegisteredJob]
    event_publisher_config: dict[str, Any]

    def launch(self, day: date) -> JobLaunch:
        """The job of this config for a day.

        Raises:
            ValueError: the config is not allowed.
        """
        ...


def perform(context: dg.AssetExecutionContext, config: LaunchConfig, resources: Resources) -> Results:
    """Do the work of the step, here or on the platform that the run or the deployment chose.

    Args:
        context: the step; its partition is the day.
        config: with what it was launched.
        resources: where it is done.
    """
    with translated_failures(context), _known_failures():
        launch, backend, workplace = _prepared(context, config, resources)
        if backend.is_in_process:
            yield from recorded(context, run_job(launch.job, workplace, launch.keywords))
        else:
            yield from reported(context, _done_elsewhere(context, config, launch, backend, resources.store))


def _done_elsewhere(
    context: dg.AssetExecutionContext,
    config: LaunchConfig,
    launch: JobLaunch,
    backend: ComputeBackend,
    store: ObjectStore,
) -> dg.PipesClientCompletedInvocation:
    """Run the job on a platform, under a run id of ours: one that dies there is told of from here."""
    launch = launch.with_run_id(datetime.now(UTC))
    platform = backend.name if backend.name in _WITH_OWN_ENTRY else "container"
    submission = Submission(
        f"scripts/{platform}/generic_entry.py", launch.command_line, launch_token(context)
    )
    run_id = launch.arguments[_RUN_ID]
    with failure_told(config.job, store, config.event_publisher_config, run_id, "execute"):
        return backend.run(context, submission)


def _prepared(
    context: dg.AssetExecutionContext, config: LaunchConfig, resources: Resources
) -> tuple[JobLaunch, ComputeBackend, Workplace]:
    """What to run, and on what. If that cannot be, whom the config names is told: no job does it yet."""
    tags = _tags(context)
    with failure_told(config.job, resources.store, config.event_publisher_config, tags.get(TAGS + _RUN_ID)):
        with usage_errors():
            launch = config.launch(date.fromisoformat(context.partition_key)).with_tags(tags)
            spark = resources.spark.for_run(tags)
            workplace = Workplace(resources.store, spark, resources.warehouse, log=context.log.info)
        return launch, resources.compute.for_run(tags), workplace


def _tags(context: dg.AssetExecutionContext) -> dict[str, str]:
    """The run's tags. A run id from outside is that of the first attempt: no two write to one folder.

    A run that is launched again keeps the tags of its parent.
    """
    tags = dict(context.run.tags)
    if context.retry_number or _PARENT in tags:
        tags.pop(TAGS + _RUN_ID, None)
    return tags


@contextmanager
def _known_failures() -> Iterator[None]:
    """What a person has to mend, in the words of whoever found it.

    An approval is a person's matter too: no step sleeps until there is one. When the day is approved,
    `dwh_transform_sensor` asks for it anew.
    """
    try:
        yield
    except _FOR_PEOPLE as failure:
        raise PermanentFailure(str(failure)) from failure


def recorded(context: dg.AssetExecutionContext, report: Report) -> Results:
    """The report of a job as Dagster stores it."""
    shown = metadata(report.all_facts)
    _record_others(context, report.other_partitions, shown)
    yield dg.MaterializeResult(metadata=shown)
    for claim in report.claims:
        yield check_result(claim)


def reported(context: dg.AssetExecutionContext, invocation: dg.PipesClientCompletedInvocation) -> Results:
    """What a job on a platform has reported, as `recorded` has it of one that was done here."""
    found = results(invocation)
    made = [result for result in found if isinstance(result, dg.MaterializeResult)]
    for message in invocation.get_custom_messages():
        if isinstance(message, Mapping) and made:
            _record_others(context, message.get(OTHER_PARTITIONS, ()), made[0].metadata)
    yield from made
    for result in found:
        if isinstance(result, dg.AssetCheckResult):
            yield _described(result)


def _record_others(
    context: dg.AssetExecutionContext, partitions: Sequence[str], metadata: Mapping[str, Any] | None
) -> None:
    """Record the further partitions that a run has made beside that of its step."""
    for partition in partitions:
        context.log_event(
            dg.AssetMaterialization(context.assets_def.key, partition=partition, metadata=metadata)
        )


def _described(result: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """A check with its description in its place; a message of Pipes has it among the metadata only."""
    metadata = dict(result.metadata or {})
    description = metadata.pop("description", None)
    if not isinstance(description, dg.TextMetadataValue):
        return result
    return result._replace(description=description.text, metadata=metadata)


def check_result(claim: Claim) -> dg.AssetCheckResult:
    """A claim as the result of its check."""
    return dg.AssetCheckResult(
        check_name=claim.name,
        passed=claim.holds,
        severity=dg.AssetCheckSeverity[claim.severity],
        description=claim.description,
        metadata=metadata(claim.facts),
    )
