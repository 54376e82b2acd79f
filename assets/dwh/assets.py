"""The assets of dwh: each day's transformed and filtered images, and its promotions.

A launch config says what a command line can say, under the same names; what only a command line says is
at the end of each. The step turns it into the arguments of the job (`steps`), which does the work here or on
a platform.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar, Final, Literal

import dagster as dg
from pydantic import Field

from assets.dwh.arguments import UsageError
from assets.dwh.checks import (
    FILTER_CHECKS,
    FILTERED_IMAGES,
    PROMOTION_CHECKS,
    PROMOTIONS,
    TRANSFORM_CHECKS,
    TRANSFORMED_IMAGES,
)
from assets.dwh.config_keys import refuse_unknown_keys
from assets.dwh.days import run_day
from assets.dwh.frames.schemas import FILTERED_FIELDS, TRANSFORMED_FIELDS
from assets.dwh.partitions import TIMEZONE, local_days
from assets.dwh.paths import FilteredImages, Location
from assets.dwh.promotion_tables import PROMOTIONS as PROMOTIONS_TABLE
from assets.dwh.promotion_tables import SCHEMAS
from assets.dwh.registry import REGISTRY, RegisteredJob
from assets.dwh.stages.site import CODE_VERSION
from assets.dwh.steps import JobLaunch, Resources, Results, perform
from resources.compute import Compute
from resources.object_store import ObjectStore
from resources.spark import Spark
from resources.warehouse import Warehouse

GROUP: Final = "dwh"

# A run a day, each with a Spark session of its own, which ends with it.
_ONE_DAY_A_RUN: Final = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)
# Analysts read a complete day in the morning.
_BY_MORNING: Final = dg.FreshnessPolicy.cron("0 6 * * *", timedelta(days=1), TIMEZONE)
_NOBODY: Final = {"publisher_type": "NOOP"}
_FILTER_KEYS: Final = (
    "triggered_by_job",
    "triggered_by_run_id",
    "source_timestamp",
    "dedup_key_columns",
    "dedup_order_column",
    "time_column",
    "null_keys",
    "max_records_per_file",
    "latest_copy",
    "mode",
    "previous_run_id",
)


class JobLaunchConfig(dg.PermissiveConfig):
    """What all jobs can be told.

    Keys that are not known come through here, so that the step can refuse them in words that name the nearest
    known one.
    """

    job: ClassVar[RegisteredJob]

    event_publisher_config: dict[str, Any] = Field(
        default=_NOBODY, description="Who is told how the job ended: NOOP, LOG, FILE {path}, SNS {topic_arn}."
    )
    strict_hooks: bool = Field(default=False, description="Whether an event that nobody got fails the run.")

    def _shared_keys(self) -> dict[str, Any]:
        """The keys of every job, once all keys are known."""
        refuse_unknown_keys(self.job.asset_key, self.model_extra or (), type(self).model_fields)
        return {
            "event_publisher_config": self.event_publisher_config,
            "strict_hooks": self.strict_hooks,
            "timezone": TIMEZONE,
        }


class TransformedImagesConfig(JobLaunchConfig):
    """How to transform the raw images of a window; one that ends in the partition."""

    job: ClassVar[RegisteredJob] = REGISTRY["transform_images"]

    drop_rate_yellow: float = Field(default=0.05, description="From this drop rate on the check warns.")
    drop_rate_red: float = Field(default=0.10, description="From this drop rate on the run needs approval.")
    min_records: int = Field(default=0, description="Fewer written records need approval; 0 is no minimum.")
    partition_interval_minutes: int = Field(default=5, description="Width of a raw prefix; divides an hour.")
    max_records_per_file: int = 262_000
    window_start: str | None = Field(default=None, description="ISO text; by default the day's start.")
    window_end: str | None = Field(
        default=None, description="ISO text; by default the day's end. It lies in the partition."
    )
    created_by: str = "dagster"
    clean_sink: bool = Field(default=True, description="Whether retention may remove runs that it replaces.")
    approve_quality: bool = Field(default=False, description="Publish although the drop rate is too high.")
    approve_reason: str = Field(default="", description="Why; needed with approve_quality.")
    source_path: str = "s3://dwh-data/raw_images"
    base_path: str = "s3://dwh-data/transformed_images"
    row_interval_minutes: int | None = Field(
        default=None, description="Interval of the column 5min; by default that of the prefixes."
    )

    def launch(self, day: date) -> JobLaunch:
        """The job of this config for a day."""
        config = {
            **self._shared_keys(),
            "extractor_config": {
                "path": self.source_path,
                "partition_interval_minutes": self.partition_interval_minutes,
            },
            "loader_config": {
                "path": self.base_path,
                "partition_interval_minutes": self.partition_interval_minutes
                if self.row_interval_minutes is None
                else self.row_interval_minutes,
                "max_records_per_file": self.max_records_per_file,
            },
            "quality_checker_config": {
                "drop_rate_yellow": self.drop_rate_yellow,
                "drop_rate_red": self.drop_rate_red,
                "min_records": self.min_records,
            },
            "approve_quality": self.approve_quality,
            "approve_reason": self.approve_reason,
        }
        arguments = {
            "start_date": self.window_start or day.isoformat(),
            "end_date": _end_in(day, "window_end", self.window_end),
            "created_by": self.created_by,
            "clean_sink": self.clean_sink,
        }
        return JobLaunch(self.job, config, arguments)


class FilteredImagesConfig(JobLaunchConfig):
    """How to deduplicate a day."""

    job: ClassVar[RegisteredJob] = REGISTRY["filter_images"]

    mode: Literal["recompute", "incremental"] = "recompute"
    dedup_key_columns: list[str] = Field(default=["data.mediaid"], description="A row per value of these.")
    dedup_order_column: str = "data.updated"
    time_column: str = Field(default="data.updated", description="By which the picture counts rows.")
    null_keys: Literal["keep", "quarantine"] = Field(
        default="keep", description="Rows without a key: in the output, or under _quarantine."
    )
    max_records_per_file: int = 500_000
    latest_copy: bool = Field(default=False, description="Also copy to latest/, for readers of old.")
    previous_run_id: str | None = Field(
        default=None, description="The run to build on where manifests cannot be read."
    )
    base_path: str = "s3://dwh-data/filtered_images"
    transform_output_path: str | None = Field(
        default=None, description="A folder of rows to adopt, unless a known run wrote it."
    )
    triggered_by_job: str = "unknown"
    triggered_by_run_id: str = "unknown"
    source_timestamp: str | None = Field(default=None, description="With what instant adopted rows count.")
    start_date: str | None = None
    end_date: str | None = Field(default=None, description="The end of what was adopted.")
    created_by: str = "dagster"

    def launch(self, day: date) -> JobLaunch:
        """The job of this config for a day."""
        base = FilteredImages(Location.parse(self.base_path), TIMEZONE)
        config = {
            **self._shared_keys(),
            "base_path": self.base_path,
            # The folder of all transform outputs is what a run reads anyway: nothing is adopted.
            "transform_output_path": self.transform_output_path or base.transformed_images().base.uri("s3"),
            **{name: getattr(self, name) for name in _FILTER_KEYS},
        }
        arguments = {
            "year": f"{day.year:04}",
            "month": f"{day.month:02}",
            "day": f"{day.day:02}",
            "start_date": self.start_date,
            "end_date": self.end_date,
            "created_by": self.created_by,
        }
        return JobLaunch(self.job, config, arguments)


class PromotionsConfig(JobLaunchConfig):
    """Which promotions to load."""

    job: ClassVar[RegisteredJob] = REGISTRY["load_promos"]

    source_path: str = "s3://dwh-data/promotions_raw"
    created_by: str = "dagster"
    table: str = "dw_core.d_promotion_3_0"
    start_date: str | None = Field(default=None, description="First ingress day; by default the partition.")
    end_date: str | None = Field(default=None, description="Last ingress day; by default the partition.")

    def launch(self, day: date) -> JobLaunch:
        """The job of this config for a day."""
        config = {
            **self._shared_keys(),
            "extractor_config": {"source_path": self.source_path},
            "warehouse_config": {"table": self.table},
        }
        arguments = {
            "start_date": self.start_date or day.isoformat(),
            "end_date": _end_in(day, "end_date", self.end_date),
            "created_by": self.created_by,
        }
        return JobLaunch(self.job, config, arguments)


def _end_in(day: date, key: str, end: str | None) -> str:
    """The end of what a run reads, by default that of the day; a run makes the partition that it ends in.

    Raises:
        UsageError: it is neither a date nor an instant, or the run would make another partition.
    """
    end = end or day.isoformat()
    try:
        ends_in = run_day(end, TIMEZONE)
    except ValueError as error:
        raise UsageError(f"{key}: {error}") from error
    if ends_in != day:
        raise UsageError(
            f"{key} {end!r} ends in the day {ends_in}, but the partition is {day}; launch the partition "
            f"{ends_in}, or give an end in {day}"
        )
    return end


raw_images = dg.AssetSpec(
    ["dwh", "raw_images"],
    description=(
        "What the editors wrote: a JSON record per placed image, in five-minute folders in UTC. "
        "Observed by `dwh_raw_sensor`, never written by us."
    ),
    group_name=GROUP,
    kinds={"json"},
    partitions_def=local_days,
)


def _schema(columns: Mapping[str, str]) -> dg.TableSchema:
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])


def _day_asset(
    spec: dg.AssetSpec, checks: Sequence[dg.AssetCheckSpec]
) -> Callable[[Callable[..., Results]], dg.AssetsDefinition]:
    """One asset of a day and its checks, made by one op, of which one runs at a time."""
    op_name = "__".join(spec.key.path)
    return dg.multi_asset(
        name=op_name,
        specs=[
            spec.replace_attributes(group_name=GROUP, partitions_def=local_days, code_version=CODE_VERSION)
        ],
        check_specs=checks,
        partitions_def=local_days,
        backfill_policy=_ONE_DAY_A_RUN,
        pool=op_name,
    )


@_day_asset(
    dg.AssetSpec(
        TRANSFORMED_IMAGES,
        deps=[raw_images],
        description="The day's images, decrypted and flattened, and the dropped records with their reason.",
        kinds={"spark", "json"},
        metadata={"dagster/column_schema": _schema(TRANSFORMED_FIELDS)},
    ),
    TRANSFORM_CHECKS,
)
def transformed_images(
    context: dg.AssetExecutionContext,
    config: TransformedImagesConfig,
    object_store: ObjectStore,
    spark: Spark,
    warehouse: Warehouse,
    compute: Compute,
) -> Results:
    """Transform the raw images of the window, which by default is the day."""
    yield from perform(context, config, Resources(object_store, spark, warehouse, compute))


@_day_asset(
    dg.AssetSpec(
        FILTERED_IMAGES,
        deps=[TRANSFORMED_IMAGES],
        description="The day's images, one row per media id: what analysts read, by the pointer of the day.",
        kinds={"spark", "parquet"},
        freshness_policy=_BY_MORNING,
        metadata={"dagster/column_schema": _schema(FILTERED_FIELDS)},
    ),
    FILTER_CHECKS,
)
def filtered_images(
    context: dg.AssetExecutionContext,
    config: FilteredImagesConfig,
    object_store: ObjectStore,
    spark: Spark,
    warehouse: Warehouse,
    compute: Compute,
) -> Results:
    """Deduplicate all transform outputs of the day, and swap the pointer of the day."""
    yield from perform(context, config, Resources(object_store, spark, warehouse, compute))


@_day_asset(
    dg.AssetSpec(
        PROMOTIONS,
        description="The promotions that came in on the day, merged into the warehouse.",
        kinds={"spark", "googlesql"},
        metadata={
            "dagster/column_schema": _schema(SCHEMAS[PROMOTIONS_TABLE]),
            "dagster/table_name": PROMOTIONS_TABLE,
        },
    ),
    PROMOTION_CHECKS,
)
def promotions(
    context: dg.AssetExecutionContext,
    config: PromotionsConfig,
    object_store: ObjectStore,
    spark: Spark,
    warehouse: Warehouse,
    compute: Compute,
) -> Results:
    """Load the promotions of the day, or of the days that the config names."""
    yield from perform(context, config, Resources(object_store, spark, warehouse, compute))


ASSETS: Final = (raw_images, transformed_images, filtered_images, promotions)
