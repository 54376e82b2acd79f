"""The metrics document: what a run read, wrote and dropped, how long it took, how good it was.

It is the one line that a command line prints, and a part of the event of a finished job. Keys are written in
the order of their declaration. Not here: judging (`quality`), the event (`job_events`).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt

from assets.dwh.coverage import Coverage
from assets.dwh.days import in_utc
from assets.dwh.documents import Document, Instant, Part
from assets.dwh.filter_manifests import (
    Context,
    FilterInput,
    FilterManifest,
    FilterOutput,
    LineageEntry,
    TriggeredBy,
)
from assets.dwh.intervals import Interval
from assets.dwh.paths import StoredPath
from assets.dwh.quality import Quality, Status
from assets.dwh.run_ids import RunId
from assets.dwh.transform_manifests import (
    Approval,
    PrefixCoverage,
    ReasonCount,
    TransformManifest,
    TransformOutput,
)

JobStatus = Literal["SUCCESS", "PENDING_APPROVAL", "FAILED"]
PhaseName = Literal["extract", "transform", "load"]


class Phase(Part):
    """When a phase ran; its times are null if the run did not get there."""

    start_time: Instant | None = None
    end_time: Instant | None = None
    duration_seconds: NonNegativeFloat | None = None

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Self:
        """A phase that ran."""
        return cls(start_time=start, end_time=end, duration_seconds=_seconds(start, end))


class Phases(Part):
    """The phases of a run."""

    extract: Phase = Phase()
    transform: Phase = Phase()
    load: Phase = Phase()


class QualityMetrics(Part):
    """A judgement; the drop rate is rounded to 4 decimal places."""

    status: Status
    drop_rate: NonNegativeFloat
    reasons: tuple[str, ...] = ()

    @classmethod
    def of(cls, quality: Quality) -> Self:
        """The judgement as documents show it."""
        return cls(status=quality.status, drop_rate=quality.shown_drop_rate, reasons=quality.reasons)


class Deduplication(Part):
    """What became of the rows that a filter run read, those of the previous output included."""

    records_before_dedup: NonNegativeInt
    duplicates_removed: NonNegativeInt
    null_key_records: NonNegativeInt


class OutputFiles(Part):
    """Where a filter run wrote."""

    path: StoredPath
    latest_path: StoredPath | None
    files: NonNegativeInt


class FilterPayload(Part):
    """What only `filter_images` says."""

    context: Context
    triggered_by: TriggeredBy
    input: FilterInput
    coverage: Coverage
    deduplication: Deduplication
    output: OutputFiles
    lineage: tuple[LineageEntry, ...]

    @classmethod
    def of(cls, manifest: FilterManifest, output: FilterOutput) -> Self:
        """The payload of a run with that manifest, whose output it is."""
        return cls(
            context=manifest.context,
            triggered_by=manifest.triggered_by,
            input=manifest.input,
            coverage=manifest.coverage,
            deduplication=Deduplication(
                records_before_dedup=output.record_count + output.duplicates_removed,
                duplicates_removed=output.duplicates_removed,
                null_key_records=output.null_key_records,
            ),
            output=OutputFiles(path=output.path, latest_path=output.latest_path, files=output.files),
            lineage=manifest.lineage,
        )


class TransformPayload(Part):
    """What only `transform_images` says."""

    day: date
    timezone: str
    window: Interval | None
    source_timestamp: Instant
    outputs: tuple[TransformOutput, ...]
    late_records: NonNegativeInt
    early_records: NonNegativeInt
    coverage: PrefixCoverage
    approval: Approval | None
    supersedes: tuple[RunId, ...]

    @classmethod
    def of(cls, manifest: TransformManifest) -> Self:
        """The payload of a run with that manifest."""
        return cls(**{name: getattr(manifest, name) for name in cls.model_fields})


class LoadPromosPayload(Part):
    """What only `load_promos` says."""

    message: Literal["LoadPromosJob completed successfully"]


PROMOTIONS_LOADED: Final = LoadPromosPayload(message="LoadPromosJob completed successfully")
"""The payload of every run that loaded promotions."""

Payload = FilterPayload | TransformPayload | LoadPromosPayload


@dataclass(frozen=True, slots=True)
class JobRun:
    """What is known of a run before it reads anything."""

    job_name: str
    """The name in the registry."""
    job_run_id: str
    start_time: datetime
    service_provider: str | None = None
    environment: str | None = None
    region: str | None = None
    created_by: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    source_base_path: str | None = None
    sink_base_path: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run counted. Each dropped record has one reason, so their sum is derived."""

    records_read: int = 0
    records_written: int = 0
    bytes_written: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """The number of dropped records by reason."""

    @property
    def records_dropped(self) -> int:
        """All dropped records."""
        return sum(self.dropped.values())

    @property
    def unaccounted(self) -> int:
        """Records that were read but neither written nor dropped; less than 0 if they were counted twice."""
        return self.records_read - self.records_written - self.records_dropped

    @property
    def drop_reasons(self) -> tuple[ReasonCount, ...]:
        """The reasons that occurred, by name."""
        return tuple(
            ReasonCount(reason=reason, count=count)
            for reason, count in sorted(self.dropped.items())
            if count > 0
        )


class Metrics(Document):
    """The metrics document of one run of a job."""

    job_name: str
    job_run_id: RunId
    job_status: JobStatus
    start_time: Instant
    end_time: Instant
    duration_seconds: NonNegativeFloat
    service_provider: str | None
    environment: str | None
    region: str | None
    created_by: str | None
    start_date: str | None
    end_date: str | None
    source_base_path: str | None
    sink_base_path: str | None
    records_read: NonNegativeInt
    records_written: NonNegativeInt
    records_dropped: NonNegativeInt
    bytes_written: NonNegativeInt
    phases: Phases
    drop_reasons: tuple[ReasonCount, ...]
    quality: QualityMetrics | None
    """None for a run that nobody judged."""
    payload: Payload | None
    """None for a run that failed."""

    def line(self) -> str:
        """The document as one line, without its end."""
        return self.model_dump_json()


class PhaseClock:
    """Takes the times of the phases of one run."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._phases: dict[PhaseName, Phase] = {}

    @contextmanager
    def phase(self, name: PhaseName) -> Iterator[None]:
        """Time a phase, which may fail."""
        start = self._now()
        try:
            yield
        finally:
            self._phases[name] = Phase.between(start, self._now())

    def phases(self) -> Phases:
        """The phases so far."""
        return Phases(**self._phases)


def job_status(quality: Quality | None, *, approved: bool = False) -> JobStatus:
    """The status of a run that did its work: one that is RED waits until somebody approves it."""
    is_red = quality is not None and quality.status == "RED"
    return "PENDING_APPROVAL" if is_red and not approved else "SUCCESS"


def metrics_of(
    run: JobRun,
    status: JobStatus,
    end_time: datetime,
    *,
    counts: Counts | None = None,
    phases: Phases | None = None,
    quality: Quality | None = None,
    payload: Payload | None = None,
) -> Metrics:
    """The metrics of a run that ended then; what a failed run did not get to is zero or null.

    Raises:
        ValueError: a time has no zone, a count is negative, or the run id cannot name a run.
    """
    counts = counts or Counts()
    return Metrics(
        job_name=run.job_name,
        job_run_id=run.job_run_id,
        job_status=status,
        start_time=run.start_time,
        end_time=end_time,
        duration_seconds=_seconds(run.start_time, end_time),
        service_provider=run.service_provider,
        environment=run.environment,
        region=run.region,
        created_by=run.created_by,
        start_date=run.start_date,
        end_date=run.end_date,
        source_base_path=run.source_base_path,
        sink_base_path=run.sink_base_path,
        records_read=counts.records_read,
        records_written=counts.records_written,
        records_dropped=counts.records_dropped,
        bytes_written=counts.bytes_written,
        phases=phases or Phases(),
        drop_reasons=counts.drop_reasons,
        quality=None if quality is None else QualityMetrics.of(quality),
        payload=payload,
    )


def _seconds(start: datetime, end: datetime) -> float:
    # A clock that was set back in between gives no negative time.
    return max(0.0, (in_utc(end) - in_utc(start)).total_seconds())
