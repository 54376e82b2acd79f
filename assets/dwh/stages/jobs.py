"""The three jobs, and the factory that makes them out of the arguments of a command line.

A step of Dagster, a process on a platform and a Python user run the same objects. Not here: how a job is
told of (`hooks`), what it does (`transforming`, `filtering`, `promoting`), what it shows (`reports`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from assets.dwh.adoption import Trigger
from assets.dwh.arguments import UsageError, require_spark
from assets.dwh.days import command_line_day, local_day
from assets.dwh.job_events import UNKNOWN_RUN, Artifact, FailurePhase
from assets.dwh.job_settings import (
    FilterImagesConfig,
    JobArguments,
    JobConfig,
    LoadPromosConfig,
    TransformImagesConfig,
    readable_publisher,
)
from assets.dwh.metrics import JobRun, Metrics
from assets.dwh.paths import Location, RawPromotions
from assets.dwh.publishers import FailureEvents
from assets.dwh.registry import RegisteredJob
from assets.dwh.reports import Report
from assets.dwh.run_ids import Kind, check_run_id, is_run_id, new_run_id
from assets.dwh.stages.events import outbox_for
from assets.dwh.stages.filter_request import FilterRequest
from assets.dwh.stages.filtering import filter_images
from assets.dwh.stages.hooks import PublishingFactory, PublishingJob
from assets.dwh.stages.promoting import PromotionsLoad, PromotionsSite, load_promotions
from assets.dwh.stages.reports import filter_report, promotions_report, transform_report
from assets.dwh.stages.transforming import ApprovalGiven, TransformRequest, transform_images
from assets.dwh.stages.workplace import Workplace
from resources.object_store import ObjectStore

_Config = TypeVar("_Config", bound=JobConfig)


@dataclass(frozen=True, slots=True)
class Finished:
    """What a job returns that did its work, good or not good enough."""

    report: Report
    artifacts: Mapping[str, Artifact]

    @property
    def metrics(self) -> Metrics:
        """The metrics document."""
        return self.report.metrics


def run_job(job: RegisteredJob, workplace: Workplace, arguments: Mapping[str, Any]) -> Report:
    """Make a job out of the arguments of a command line, run it, and return what it shows.

    Raises:
        UsageError: the arguments or the configuration are not allowed; nothing was done.
        QuintetFailure: the work failed, and nothing that a reader sees has changed.
    """
    finished: Finished = JobFactory(job, workplace).run(**arguments)
    return finished.report


@contextmanager
def failure_told(
    job: RegisteredJob,
    store: ObjectStore,
    publisher: Mapping[str, Any],
    run_id: str | None,
    phase: FailurePhase = "create",
) -> Iterator[None]:
    """Publish that the body fails, where no job of this process tells of its end; the error goes on.

    What a job elsewhere has told under the same run id is not told again.

    Args:
        job: the job that is to be made.
        store: where the outbox is.
        publisher: `event_publisher_config`; where it cannot be read, nobody is told.
        run_id: the id of the run, if it has one.
        phase: whether the job could not be made, or failed elsewhere.
    """
    try:
        yield
    except Exception as error:
        config = readable_publisher(job.config, {job.config_key: {"event_publisher_config": publisher}})
        if config is not None:
            name = run_id if run_id and is_run_id(run_id) else UNKNOWN_RUN
            events = FailureEvents(outbox_for(store), config, lambda: datetime.now(UTC), job.name, name)
            message = f"{job.name} {phase} failed: {error}"
            events.publish_failure(phase=phase, message=message, error=error)
        raise


class DwhJob(PublishingJob, Generic[_Config]):
    """A job of dwh: its configuration, where it works, and under which run id."""

    def __init__(self, config: _Config, workplace: Workplace, events: FailureEvents) -> None:
        super().__init__(events, strict_hooks=config.strict_hooks)
        self.config = config
        self.workplace = workplace

    def job_run(self, arguments: Mapping[str, Any], *, source: str, sink: str) -> JobRun:
        """What is known of the run before it reads anything."""
        names = ("service_provider", "environment", "region", "created_by", "start_date", "end_date")
        return JobRun(
            job_name=self.events.job_name,
            job_run_id=self.events.job_run_id,
            start_time=self.workplace.now(),
            source_base_path=source,
            sink_base_path=sink,
            **{name: _text(arguments.get(name)) for name in names},
        )


class TransformImagesJob(DwhJob[TransformImagesConfig]):
    """Transforms the raw images of a window."""

    def execute_job(self, **arguments: Any) -> Finished:
        """Do it for the window from `start_date` to `end_date`.

        Raises:
            UsageError: an argument is missing or not allowed.
        """
        config = self.config
        given = JobArguments.read(arguments)
        window, day = given.window(config.timezone)
        base = Location.parse(config.loader_config.path)
        source = config.extractor_config.path
        approval = ApprovalGiven(config.approve_reason, given.created_by) if config.approve_quality else None
        request = TransformRequest(
            run=self.job_run(arguments, source=source, sink=config.loader_config.path),
            day=day,
            window=window,
            timezone=config.timezone,
            raw=Location.parse(source),
            transformed=base,
            decryptor=self.workplace.decryptor,
            prefix_minutes=config.extractor_config.partition_interval_minutes,
            row_minutes=config.loader_config.partition_interval_minutes,
            max_records_per_file=config.loader_config.max_records_per_file,
            rules=config.quality_checker_config.rules,
            clean_sink=given.clean_sink,
            approval=approval,
        )
        with self.workplace.site(base, self.events.job_run_id) as site:
            outcome = transform_images(site, request)
        return Finished(transform_report(outcome), outcome.artifacts)


class FilterImagesJob(DwhJob[FilterImagesConfig]):
    """Deduplicates a day."""

    def execute_job(self, **arguments: Any) -> Finished:
        """Do it for the day of `year`, `month` and `day`, else of `end_date`, else of now.

        Raises:
            UsageError: an argument is missing or not allowed.
        """
        config = self.config
        base = Location.parse(config.base_path)
        run = self.job_run(arguments, source=config.transform_output_path, sink=config.base_path)
        with usage_errors():
            dates = {name: arguments.get(name) for name in ("year", "month", "day", "end_date")}
            request = FilterRequest(
                run=run,
                day=command_line_day(dates, config.timezone, self.workplace.now()),
                timezone=config.timezone,
                base=base,
                mode=config.mode,
                dedup_key_columns=config.dedup_key_columns,
                dedup_order_column=config.dedup_order_column,
                time_column=config.time_column,
                null_keys=config.null_keys,
                max_records_per_file=config.max_records_per_file,
                latest_copy=config.latest_copy,
                previous_run_id=config.previous_run_id,
                trigger=Trigger(
                    config.transform_output_path,
                    config.triggered_by_job,
                    config.triggered_by_run_id,
                    config.source_timestamp,
                    run.end_date,
                ),
            )
        with self.workplace.site(base, self.events.job_run_id) as site:
            outcome = filter_images(site, request)
        return Finished(filter_report(outcome), outcome.artifacts)


class LoadPromosJob(DwhJob[LoadPromosConfig]):
    """Loads the promotions of ingress days."""

    def execute_job(self, **arguments: Any) -> Finished:
        """Do it for the days that the window from `start_date` to `end_date` touches.

        Raises:
            UsageError: an argument is missing or not allowed.
        """
        config = self.config
        given = JobArguments.read(arguments)
        window, day = given.window(config.timezone)
        first = local_day(window.start, config.timezone)
        days = [first + timedelta(days=number) for number in range((day - first).days + 1)]
        source = config.extractor_config.source_path
        run = self.job_run(arguments, source=source, sink=config.warehouse_config.table)
        load = PromotionsLoad(
            RawPromotions(Location.parse(source)), days, given.created_by, config.warehouse_config.table
        )
        with self.workplace.site(Location.parse(source).parent, run.job_run_id) as site:
            promotions_site = PromotionsSite(
                site.session, site.files, site.store, self.workplace.warehouse, site.now
            )
            outcome = load_promotions(load, promotions_site, run)
        return Finished(promotions_report(outcome, days), {})


JOBS: Final[Mapping[str, tuple[type[DwhJob[Any]], Kind]]] = {
    "filter_images": (FilterImagesJob, "filter"),
    "transform_images": (TransformImagesJob, "transform"),
    "load_promos": (LoadPromosJob, "promos"),
}
"""The jobs by name, and how their run ids begin."""


class JobFactory(PublishingFactory):
    """Makes one of the registered jobs."""

    def __init__(self, job: RegisteredJob, workplace: Workplace, **kwargs: Any) -> None:
        super().__init__(job, workplace.outbox, now=workplace.now, **kwargs)
        self.workplace = workplace

    def create_job(self, **kwargs: Any) -> DwhJob[Any]:
        """Make the job out of the arguments of a command line.

        `job_run_id` is optional: the id that whoever started the run has given to it.

        Raises:
            UsageError: Spark was not granted, or the configuration or the run id is not allowed.
        """
        require_spark(self.job.config_key, kwargs.get("has_spark"))
        config = self.job.config.read(kwargs)
        job, kind = JOBS[self.job.name]
        given = kwargs.get("job_run_id")
        with usage_errors():
            run_id = check_run_id(given) if isinstance(given, str) else new_run_id(kind, self.now())
        events = FailureEvents(self.outbox, config.event_publisher_config, self.now, self.job.name, run_id)
        return job(config, self.workplace, events)


@contextmanager
def usage_errors() -> Iterator[None]:
    """A value that a command line gave and that cannot be read, as wrong usage."""
    try:
        yield
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(str(error)) from error


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
