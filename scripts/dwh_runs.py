"""A job of dwh as a run of Dagster: its asset's partition is made in this process, and the UI shows it.

What a factory module's `main` does. Not here: what a command line asks for (`dwh_launches`), a job that a
step has sent to a platform (`dwh_payload`), exit codes (`dwh_entry`).
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import dagster as dg

from assets.dwh.arguments import UsageError
from assets.dwh.job_events import UNKNOWN_RUN
from assets.dwh.job_settings import readable_publisher
from assets.dwh.registry import RegisteredJob
from assets.failures import PermanentFailure

if TYPE_CHECKING:
    from scripts.dwh_launches import AssetLaunch

_METRICS: Final = "metrics"
_RUN_ID_TAG: Final = "dwh/job_run_id"

_log = logging.getLogger("quintet.dwh")


class ChecksFailed(PermanentFailure):
    """The work was done, and its result is not to be read: a blocking check failed that no approval opens."""


def run_as_asset(job: RegisteredJob, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Make the partition of a job's asset that the arguments of an entry ask for, and return its metrics.

    The run is recorded in the Dagster instance of `DAGSTER_HOME`. A run whose quality is not good enough
    returns too, with `job_status` `PENDING_APPROVAL`. A failure is published as the job would do it, if the
    job did not get so far and the configuration says readably to whom.

    Args:
        job: the job.
        arguments: what `assets.dwh.arguments.entry_arguments` gives, or the same from a Python caller:
            the configuration as text or dict, dates, `created_by`, `has_spark` (needed), `job_run_id`
            (optional), and the run tags `compute` and `spark_engine` (optional).

    Returns:
        The metrics document as JSON types.

    Raises:
        UsageError: the arguments or the configuration are not allowed; nothing was done.
        ChecksFailed: another blocking check than that of quality failed.
        Exception: what the job raised, the same object.
    """
    with failures_published(job, arguments) as told:
        launch = _launch(job, arguments)
        told.run_id = launch.tags[_RUN_ID_TAG]
        definition = _definition(job)
        return _run(definition, launch, told)


@dataclass(slots=True)
class Told:
    """Under which run id, and as of which phase, a failure is published that the job itself did not see."""

    run_id: str = UNKNOWN_RUN
    phase: Literal["create", "execute"] = "create"
    is_done: bool = False
    """Whether the job has told of its end itself."""


@contextmanager
def failures_published(job: RegisteredJob, arguments: Mapping[str, Any]) -> Iterator[Told]:
    """Publish that the body fails, unless the job has told of its end; the error goes on.

    An event of the same run id and status is published once, whoever comes first.
    """
    told = Told()
    try:
        yield told
    except BaseException as error:
        if not told.is_done:
            _publish(job, arguments, told, error)
        raise


def _publish(job: RegisteredJob, arguments: Mapping[str, Any], told: Told, failure: BaseException) -> None:
    config = readable_publisher(job.config, arguments)
    if config is None or config.publisher_type == "NOOP":
        return
    try:
        from assets.dwh.publishers import FailureEvents
        from assets.dwh.stages.events import outbox_for
        from resources.deployments import resources_for
        from resources.object_store import ObjectStore

        outbox = outbox_for(cast("ObjectStore", resources_for()["object_store"]))
        events = FailureEvents(outbox, config, lambda: datetime.now(UTC), job.name, told.run_id)
        events.publish_failure(
            phase=told.phase, message=f"{job.name} {told.phase} failed: {failure}", error=failure
        )
    except Exception as error:  # noqa: BLE001 (whoever called is to see why the job failed, not why nobody heard)
        _log.error("The failure of %s was not published: %s", job.name, error)


def _launch(job: RegisteredJob, arguments: Mapping[str, Any]) -> "AssetLaunch":
    """The launch that the arguments ask for, of a partition that exists, with a run id."""
    from assets.dwh.run_ids import check_run_id, new_run_id
    from assets.dwh.stages.jobs import JOBS, usage_errors
    from scripts.dwh_launches import asset_launch

    with usage_errors():
        from assets.dwh.partitions import TIMEZONE, local_days
    now = datetime.now(UTC)
    launch = asset_launch(job, arguments, timezone=TIMEZONE, now=now)
    key = launch.day.isoformat()
    if not local_days.has_partition_key(key):
        first, last = local_days.get_first_partition_key(), local_days.get_last_partition_key()
        raise UsageError(f"The run day {key} is no partition: those are {first} to {last} in {TIMEZONE}")
    given = arguments.get("job_run_id")
    with usage_errors():
        run_id = check_run_id(given) if isinstance(given, str) else new_run_id(JOBS[job.name][1], now)
    return launch.tagged(_RUN_ID_TAG, run_id)


def _definition(job: RegisteredJob) -> dg.JobDefinition:
    """The job of the definitions, with the instance's folder made."""
    from assets.dwh.stages.jobs import usage_errors
    from scripts.dagster_home import prepare_dagster_home

    with usage_errors():  # A deployment or an engine that does not exist is a word of the command line too.
        os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(os.environ))
        from definitions import build_defs

        return build_defs().resolve_job_def(job.name)


def _run(definition: dg.JobDefinition, launch: "AssetLaunch", told: Told) -> dict[str, Any]:
    errors: list[BaseException] = []

    @dg.failure_hook
    def kept_error(context: dg.HookContext) -> None:
        """Keep the error object of the step, which the event log has as text only."""
        if context.op_exception is not None:
            errors.append(context.op_exception)

    with dg.DagsterInstance.get() as instance:
        # A failed step must be a failure of the step, not of the run: the instance starts crashed runs again.
        result = definition.with_hooks({kept_error}).execute_in_process(
            run_config={"ops": {launch.op_name: {"config": dict(launch.config)}}, "loggers": {"plain": {}}},
            partition_key=launch.day.isoformat(),
            tags=dict(launch.tags),
            instance=instance,
            raise_on_error=False,
        )
    metrics = _metrics_of(result)
    told.is_done = metrics is not None
    if metrics is not None and (result.success or metrics["job_status"] == "PENDING_APPROVAL"):
        return metrics
    if _is_interrupted(result):
        errors.append(KeyboardInterrupt())
    told.phase = "execute" if errors else "create"
    raise _original(errors[-1]) if errors else _failed_before_work(result)


def _is_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether somebody stopped the step; Dagster records that, and calls no hook."""
    failures = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    return any(failure.error_source and failure.error_source.name == "INTERRUPT" for failure in failures)


def _metrics_of(result: dg.ExecuteInProcessResult) -> dict[str, Any] | None:
    """The metrics that the run itself has recorded with what it made."""
    for event in reversed(result.get_asset_materialization_events()):
        if value := event.materialization.metadata.get(_METRICS):
            return cast("dict[str, Any]", value.value)
    return None


def _original(error: BaseException) -> BaseException:
    """What the job raised, without the failure of Dagster's around it."""
    if isinstance(error, dg.Failure):
        return error.__cause__ or PermanentFailure(error.description)
    if type(error).__name__ == "DagsterAssetCheckFailedError":  # A name that Dagster does not export.
        return ChecksFailed(" ".join(str(error).split()))
    return error


def _failed_before_work(result: dg.ExecuteInProcessResult) -> RuntimeError:
    """A run that ended without metrics and without a failed step."""
    messages = [event.message for event in result.all_events if event.is_failure and event.message]
    why = " ".join(" ".join(messages).split()) or "it recorded no metrics"
    return RuntimeError(f"Run {result.run_id} did no work: {why}")
