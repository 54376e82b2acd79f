"""What each job can be told: the keys of its JSON configuration with their defaults, and its arguments.

Not here: the JSON itself (`job_config`), what is said of keys that are unknown or wrong (`config_keys`), the
command line (`arguments`), and which window the dates of a command line mean (`days`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StrictFloat, StrictInt, model_validator

from assets.dwh.arguments import UsageError, flag_value, parse_flag
from assets.dwh.config_keys import Keys, read_keys
from assets.dwh.days import command_line_window, parse_instant, run_day, zone_of
from assets.dwh.intervals import Interval
from assets.dwh.job_config import parse_job_config, shown
from assets.dwh.paths import StoredPath
from assets.dwh.quality import QualityRules
from assets.dwh.run_ids import RunId

_UNKNOWN: Final = "unknown"
_TABLE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*\.)?[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*")
_OF_CONFIG_OR_ARGUMENTS: Final = ("transform_output_path", "triggered_by_job", "triggered_by_run_id")


def _divisor_of_an_hour(minutes: int) -> int:
    if minutes < 1 or 60 % minutes:
        raise ValueError("it must divide an hour: 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60 minutes")
    return minutes


def _zone_name(name: str) -> str:
    return zone_of(name).key


def _instant(text: str) -> str:
    if parse_instant(text) is None:
        raise ValueError("it is no instant; write for example 2025-01-16T08:00:00Z")
    return text


def _table_name(name: str) -> str:
    if not _TABLE.fullmatch(name):
        raise ValueError("it is no name of a table; write dataset.table or project.dataset.table")
    return name


def _without_repeats(columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(columns)) < len(columns):
        raise ValueError("a column is named twice")
    return columns


Flag = Annotated[bool, BeforeValidator(flag_value)]
IntervalMinutes = Annotated[StrictInt, AfterValidator(_divisor_of_an_hour)]
Rate = Annotated[StrictFloat, Field(ge=0, le=1)]
Column = Annotated[str, Field(min_length=1)]


class EventPublisherConfig(Keys):
    """Where the event of a finished job goes; the keys of another publisher have no effect."""

    publisher_type: Literal["NOOP", "LOG", "FILE", "SNS"] = "NOOP"
    path: StoredPath | None = None
    topic_arn: str | None = None
    region: str | None = None

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.publisher_type == "FILE" and self.path is None:
            raise ValueError("publisher_type FILE needs path, the folder for the events")
        if self.publisher_type == "SNS" and self.topic_arn is None:
            raise ValueError("publisher_type SNS needs topic_arn, the topic for the events")
        return self


class JobConfig(Keys):
    """What all jobs can be told. A subclass is the configuration of one job."""

    config_key: ClassVar[str]

    event_publisher_config: EventPublisherConfig = EventPublisherConfig()
    strict_hooks: Flag = False
    timezone: Annotated[str, AfterValidator(_zone_name)] = "America/Los_Angeles"

    @classmethod
    def read(cls, arguments: Mapping[str, object]) -> Self:
        """Read the configuration of this job among the arguments of its entry.

        Raises:
            UsageError: a ValueError. The configuration is missing or cannot be read (`parse_job_config`); it
                has keys that are not known (reported first); a key is missing, or its value is not allowed.
        """
        config = parse_job_config(cls.config_key, arguments.get(cls.config_key))
        return read_keys(cls, cls.config_key, config, cls._from_arguments(arguments))

    @classmethod
    def _from_arguments(cls, _arguments: Mapping[str, object]) -> dict[str, Any]:
        """Return values for keys that are not given, which come before the defaults."""
        return {}


class FilterImagesConfig(JobConfig):
    """`filter_images_job`. Where a key is not given, the argument of the same name counts for some."""

    config_key = "filter_images_job"

    base_path: StoredPath
    transform_output_path: StoredPath
    triggered_by_job: str = _UNKNOWN
    triggered_by_run_id: str = _UNKNOWN
    source_timestamp: Annotated[str, AfterValidator(_instant)] | None = None
    dedup_key_columns: Annotated[
        tuple[Column, ...], Field(min_length=1), AfterValidator(_without_repeats)
    ] = ("data.mediaid",)
    dedup_order_column: Column = "data.updated"
    time_column: Column = "data.updated"
    null_keys: Literal["keep", "quarantine"] = "keep"
    max_records_per_file: Annotated[StrictInt, Field(ge=1)] = 500_000
    latest_copy: Flag = False
    mode: Literal["recompute", "incremental"] = "recompute"
    previous_run_id: RunId | None = None

    @classmethod
    def _from_arguments(cls, arguments: Mapping[str, object]) -> dict[str, Any]:
        return {name: arguments.get(name) for name in _OF_CONFIG_OR_ARGUMENTS}


class ImageExtractorConfig(Keys):
    """Where raw images are read."""

    path: StoredPath = "s3://dwh-data/raw_images"
    partition_interval_minutes: IntervalMinutes = 5


class ImageLoaderConfig(Keys):
    """Where transformed images are written, and into how large files."""

    path: StoredPath = "s3://dwh-data/transformed_images"
    partition_interval_minutes: IntervalMinutes = 5
    max_records_per_file: Annotated[StrictInt, Field(ge=1)] = 262_000


class QualityCheckerConfig(Keys):
    """When a run counts as bad: see `quality.QualityRules`."""

    drop_rate_yellow: Rate = 0.05
    drop_rate_red: Rate = 0.10
    min_records: Annotated[StrictInt, Field(ge=0)] = 0

    @property
    def rules(self) -> QualityRules:
        """The rules that judge a run."""
        return QualityRules(self.drop_rate_yellow, self.drop_rate_red, self.min_records)


class TransformImagesConfig(JobConfig):
    """`transform_images_job`: `{}` is enough."""

    config_key = "transform_images_job"

    extractor_config: ImageExtractorConfig = ImageExtractorConfig()
    loader_config: ImageLoaderConfig = ImageLoaderConfig()
    quality_checker_config: QualityCheckerConfig = QualityCheckerConfig()
    approve_quality: Flag = False
    approve_reason: str = ""

    @model_validator(mode="after")
    def _approval_has_a_reason(self) -> Self:
        if self.approve_quality and not self.approve_reason:
            raise ValueError("approve_quality needs a non-empty approve_reason")
        return self


class PromotionsExtractorConfig(Keys):
    """Where the promotions are read."""

    source_path: StoredPath = "s3://dwh-data/promotions_raw"


class WarehouseConfig(Keys):
    """Which table the promotions are merged into: a plain name, as it becomes part of statements."""

    table: Annotated[str, AfterValidator(_table_name)] = "dw_core.d_promotion_3_0"


class LoadPromosConfig(JobConfig):
    """`load_promos_job`: `{}` is enough."""

    config_key = "load_promos_job"

    extractor_config: PromotionsExtractorConfig = PromotionsExtractorConfig()
    warehouse_config: WarehouseConfig = WarehouseConfig()


@dataclass(frozen=True, slots=True)
class JobArguments:
    """The arguments beside the configuration of `transform_images` and `load_promos`."""

    created_by: str
    start_date: str | None = None
    end_date: str | None = None
    clean_sink: bool = True

    @classmethod
    def read(cls, arguments: Mapping[str, object]) -> Self:
        """Read them among the arguments of an entry.

        Raises:
            UsageError: a ValueError. `created_by` is missing, a value is no text, or `clean_sink` no flag.
        """
        created_by = text_argument(arguments, "created_by")
        if created_by is None:
            raise UsageError("created_by parameter is required")
        clean_sink = arguments.get("clean_sink")
        return cls(
            created_by,
            text_argument(arguments, "start_date"),
            text_argument(arguments, "end_date"),
            clean_sink is None or parse_flag("clean_sink", clean_sink),
        )

    def window(self, timezone: str) -> tuple[Interval, date]:
        """The window from `start_date` to `end_date`, and its run day.

        Raises:
            UsageError: a ValueError. One of them is missing or neither a date nor an instant, or there is no
                time between them.
        """
        missing = [name for name in ("start_date", "end_date") if getattr(self, name) is None]
        if self.start_date is None or self.end_date is None:
            raise UsageError(f"{' and '.join(missing)} parameter is required; write for example 2025-01-15")
        try:
            start, end = command_line_window(self.start_date, self.end_date, timezone)
            day = run_day(self.end_date, timezone)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if start == end:
            raise UsageError(
                f"start_date {self.start_date!r} and end_date {self.end_date!r} leave no time between them; "
                "give a later end"
            )
        return Interval(start=start, end=end), day


def readable_publisher(job: type[JobConfig], arguments: Mapping[str, object]) -> EventPublisherConfig | None:
    """Read where the event of a job goes that cannot be made, if that much can be read; never raises."""
    try:
        config = parse_job_config(job.config_key, arguments.get(job.config_key))
        return EventPublisherConfig.model_validate(config.get("event_publisher_config") or {})
    except ValueError:
        return None


def text_argument(arguments: Mapping[str, object], name: str) -> str | None:
    """The text of an argument, trimmed; None if it is blank or not given.

    Raises:
        UsageError: a ValueError; it is no text, as an option without a value is none.
    """
    value = arguments.get(name)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, str):
        raise UsageError(f"{name} needs a value, got {shown(value)}; write for example --{name} VALUE")
    return value.strip()
