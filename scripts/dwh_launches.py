"""What a command line of dwh asks for, as a launch of the job's asset: the day, the launch config, run tags.

Everything is checked here, before anything runs. The inverse of the launch configs' `launch` in
`assets.dwh.assets`, which makes a job's arguments out of them again. Not here: the run (`dwh_runs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final

from assets.dwh.arguments import UsageError, require_spark
from assets.dwh.days import command_line_day
from assets.dwh.job_config import parse_job_config
from assets.dwh.job_settings import (
    FilterImagesConfig,
    JobArguments,
    JobConfig,
    LoadPromosConfig,
    TransformImagesConfig,
    text_argument,
)
from assets.dwh.registry import RegisteredJob
from assets.dwh.stages.jobs import usage_errors

RUN_TAGS: Final = ("compute", "spark_engine")
"""Arguments that are run tags of the same name: where the run works, and on which engine."""

# Where a run came from: tags `dwh/<name>`, which is also how the job's metrics know of them.
_PROVENANCE: Final = (
    "service_provider",
    "environment",
    "region",
    "emr_cluster_id",
    "JOB_ID",
    "JOB_RUN_ID",
    "JOB_NAME",
)
_DATES: Final = ("year", "month", "day", "end_date")
_SAME_IN_FILTER: Final = (
    "base_path",
    "transform_output_path",
    "triggered_by_job",
    "triggered_by_run_id",
    "source_timestamp",
    "dedup_order_column",
    "time_column",
    "null_keys",
    "max_records_per_file",
    "latest_copy",
    "mode",
    "previous_run_id",
)


@dataclass(frozen=True, slots=True)
class AssetLaunch:
    """One partition of a job's asset, and with what it is made."""

    job: RegisteredJob
    day: date
    """The run day, which is the partition."""
    config: Mapping[str, Any]
    """The launch config of the asset, without what is not said."""
    tags: Mapping[str, str]

    @property
    def op_name(self) -> str:
        """How the step is called in a run config."""
        return self.job.asset_key.replace("/", "__")

    def tagged(self, name: str, value: str) -> "AssetLaunch":
        """The same with one run tag more."""
        return replace(self, tags={**self.tags, name: value})


@dataclass(frozen=True, slots=True)
class _Asked:
    """The part of a launch that differs from job to job."""

    day: date
    config: Mapping[str, Any]


def asset_launch(
    job: RegisteredJob, arguments: Mapping[str, Any], *, timezone: str, now: datetime
) -> AssetLaunch:
    """The launch that the arguments of an entry, or of a factory's `main`, ask for.

    Args:
        job: the job.
        arguments: its configuration as JSON or a dict, dates, `created_by`, what the platform said, and the
            run tags `compute` and `spark_engine`.
        timezone: the zone of the partitions; the day is one of that zone.
        now: the time, for a command line without dates.

    Raises:
        UsageError: Spark was not granted, or something in the arguments is missing or not allowed.
    """
    require_spark(job.config_key, arguments.get("has_spark"))
    config = job.config.read(_in_zone(job, arguments, timezone))
    if config.timezone != timezone:
        raise UsageError(
            f"timezone of '{job.config_key}' is {config.timezone!r}, but the days of this installation are "
            f"those of {timezone!r}; leave it out, or start with DWH_TIMEZONE={config.timezone}"
        )
    with usage_errors():
        asked = _asked(config, arguments, now)
    shared = {
        "event_publisher_config": config.event_publisher_config.model_dump(exclude_none=True),
        "strict_hooks": config.strict_hooks,
    }
    given = {name: value for name, value in asked.config.items() if value is not None}
    return AssetLaunch(job, asked.day, MappingProxyType({**shared, **given}), _tags(arguments))


def _in_zone(job: RegisteredJob, arguments: Mapping[str, Any], timezone: str) -> dict[str, Any]:
    """The arguments with the zone of the partitions, where the configuration names none."""
    config = parse_job_config(job.config_key, arguments.get(job.config_key))
    return {**arguments, job.config_key: {**config, "timezone": config.get("timezone") or timezone}}


def _tags(arguments: Mapping[str, Any]) -> dict[str, str]:
    tags = {name: text_argument(arguments, name) for name in RUN_TAGS}
    tags |= {f"dwh/{name}": text_argument(arguments, name) for name in _PROVENANCE}
    return {name: value for name, value in tags.items() if value is not None}


def _asked(config: JobConfig, arguments: Mapping[str, Any], now: datetime) -> _Asked:
    match config:
        case FilterImagesConfig():
            return _filter_images(config, arguments, now)
        case TransformImagesConfig():
            return _transform_images(config, JobArguments.read(arguments), _day(config, arguments, now))
        case LoadPromosConfig():
            return _load_promos(config, JobArguments.read(arguments), _day(config, arguments, now))
    raise TypeError(f"No asset is launched with a {type(config).__name__}")


def _filter_images(config: FilterImagesConfig, arguments: Mapping[str, Any], now: datetime) -> _Asked:
    dates = {name: arguments.get(name) for name in _DATES}
    day = command_line_day(dates, config.timezone, now)
    return _Asked(
        day,
        {
            **{name: getattr(config, name) for name in _SAME_IN_FILTER},
            "dedup_key_columns": list(config.dedup_key_columns),
            **{name: text_argument(arguments, name) for name in ("start_date", "end_date", "created_by")},
        },
    )


def _day(config: JobConfig, arguments: Mapping[str, Any], now: datetime) -> date:
    """The run day of a job that reads a window; without any date it is today, and its window the day."""
    given = JobArguments.read(arguments)
    if given.start_date is not None or given.end_date is not None:
        given.window(config.timezone)
    dates = {name: arguments.get(name) for name in _DATES}
    return command_line_day(dates, config.timezone, now)


def _transform_images(config: TransformImagesConfig, given: JobArguments, day: date) -> _Asked:
    return _Asked(
        day,
        {
            **config.quality_checker_config.model_dump(),
            "source_path": config.extractor_config.path,
            "partition_interval_minutes": config.extractor_config.partition_interval_minutes,
            "base_path": config.loader_config.path,
            "row_interval_minutes": config.loader_config.partition_interval_minutes,
            "max_records_per_file": config.loader_config.max_records_per_file,
            "window_start": given.start_date,
            "window_end": given.end_date,
            "created_by": given.created_by,
            "clean_sink": given.clean_sink,
            "approve_quality": config.approve_quality,
            "approve_reason": config.approve_reason,
        },
    )


def _load_promos(config: LoadPromosConfig, given: JobArguments, day: date) -> _Asked:
    return _Asked(
        day,
        {
            "source_path": config.extractor_config.source_path,
            "table": config.warehouse_config.table,
            "start_date": given.start_date,
            "end_date": given.end_date,
            "created_by": given.created_by,
        },
    )
