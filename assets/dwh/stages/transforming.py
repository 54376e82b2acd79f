"""One transform run: a window of raw objects becomes rows by category and day, dropped records, a manifest.

A run writes into folders of its own id only, and its manifest last; until that is there, no reader sees any
of it. Not here: the rule for a line (`raw_records`), the engine's part (`transformed_lines`), who is told.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from assets.dwh.coverage import missing_prefixes
from assets.dwh.days import INTERVAL_MINUTES, format_instant, interval_start, zone_of
from assets.dwh.decryptor import Base64Json, Decryptor, SqlFunction
from assets.dwh.frames.raw_lines import DROPPED, LineRule
from assets.dwh.intervals import Interval
from assets.dwh.job_events import Artifact, transform_artifacts
from assets.dwh.metrics import Counts, JobRun, Metrics, PhaseClock, TransformPayload, job_status, metrics_of
from assets.dwh.paths import Location, RawImages, TransformedImages
from assets.dwh.quality import Quality, QualityRules
from assets.dwh.run_ids import check_run_id
from assets.dwh.stages.raw_objects import RawListing, list_raw
from assets.dwh.stages.site import CODE_VERSION, Site
from assets.dwh.stages.transform_publication import publish, read_manifests
from assets.dwh.stages.transformed_lines import Lines, PrefixCount, TextFiles, work_out, write_files
from assets.dwh.transform_manifests import (
    Approval,
    DroppedRecords,
    PrefixCoverage,
    TransformManifest,
    TransformOutput,
    TransformQuality,
    partly_overlapping,
)

MAX_RECORDS_PER_FILE: Final = 262_000
RAW_IMAGES: Final = Location("dwh-data", "raw_images")
TRANSFORMED_IMAGES: Final = Location("dwh-data", "transformed_images")


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """Who lets the rows of a run pass that the quality gate would stop, and why.

    Raises:
        ValueError: there is no reason.
    """

    reason: str
    by: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ValueError("approve_quality needs a reason; say in approve_reason why the rows may pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformRequest:
    """What one run is asked for.

    Raises:
        ValueError: a zone, an interval, a run id or a number of records is not allowed.
    """

    run: JobRun
    """Its `job_run_id` names the folders of the run, its `start_time` decides which run is the later one."""
    day: date
    """The run day."""
    window: Interval
    timezone: str
    raw: Location = RAW_IMAGES
    transformed: Location = TRANSFORMED_IMAGES
    decryptor: Decryptor | SqlFunction = field(default_factory=Base64Json)
    prefix_minutes: int = INTERVAL_MINUTES
    """The interval of the prefixes."""
    row_minutes: int = INTERVAL_MINUTES
    """The interval of the column `5min`."""
    max_records_per_file: int = MAX_RECORDS_PER_FILE
    rules: QualityRules = field(default_factory=QualityRules)
    clean_sink: bool = True
    approval: ApprovalGiven | None = None

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        check_run_id(self.run.job_run_id)
        for minutes in (self.prefix_minutes, self.row_minutes):
            interval_start(self.window.start, minutes)
        if self.max_records_per_file < 1:
            raise ValueError(
                f"max_records_per_file {self.max_records_per_file} leaves no place for any; give 1 or more"
            )


@dataclass(frozen=True, slots=True)
class RawRead:
    """What a run found to read."""

    objects: int
    bytes: int
    """As they are stored."""
    prefixes: int
    empty_prefixes: int


@dataclass(frozen=True, slots=True)
class TransformOutcome:
    """What came of a run whose rows and manifest are published."""

    manifest: TransformManifest
    manifest_path: Location
    quality: Quality
    metrics: Metrics
    artifacts: Mapping[str, Artifact]
    raw: RawRead
    dropped: Mapping[str, int]
    """By reason; those that occurred."""
    late: Mapping[date, int]
    """Rows by row day, of days before the run day."""
    early: Mapping[date, int]
    """Rows by row day, of days after the run day."""
    by_prefix: tuple[PrefixCount, ...]
    """Records by prefix and reason, for the pictures."""
    overlaps: tuple[TransformManifest, ...]
    """Successful runs of the run day whose windows cross this one's."""
    warnings: tuple[str, ...]


def transform_images(site: Site, request: TransformRequest) -> TransformOutcome:
    """Transform a window, and publish its rows, dropped records, late pointers and manifest, in this order.

    A run that is RED and not approved publishes too; its manifest waits for approval, and nobody reads it.
    A run that fails leaves no manifest.

    Raises:
        PermanentFailure: an object cannot be read, a manifest of the run day is unreadable, or a run of this
            id has written before.
        TransientFailure: the store did not answer a worker.
        LinesUnaccounted: the counts do not add up.
        Exception: what the store and the engine raise.
    """
    clock = PhaseClock(site.now)
    places = TransformedImages(request.transformed, request.timezone)
    with clock.phase("extract"):
        listing = list_raw(site.store, RawImages(request.raw), request.window, request.prefix_minutes)
        site.log(_found(listing, request))
    with clock.phase("transform"):
        lines = work_out(site, listing.objects, _rule(site, request))
        files = write_files(site, lines, request.max_records_per_file)
        site.log(f"{lines.records_read} records read, {sum(lines.dropped.values())} of them dropped")
    quality = request.rules.judge(
        records_read=lines.records_read,
        records_dropped=sum(lines.dropped.values()),
        records_written=_written(lines),
    )
    with clock.phase("load"):
        others = read_manifests(site.store, places.manifests(request.day))
        manifest = publish(
            site, places, _manifest(site, request, listing, lines, files, quality), files, others
        )
    return _outcome(site, request, _Work(clock, listing, lines, quality, manifest, others))


def _rule(site: Site, request: TransformRequest) -> LineRule:
    return LineRule(site.store, request.decryptor, request.timezone, request.row_minutes, request.day)


def _manifest(
    site: Site,
    request: TransformRequest,
    listing: RawListing,
    lines: Lines,
    files: TextFiles,
    quality: Quality,
) -> TransformManifest:
    """The manifest of a run whose files are ready to be published."""
    run_id = request.run.job_run_id
    places = TransformedImages(request.transformed, request.timezone)
    waits = quality.status == "RED"
    approval = (
        Approval(reason=request.approval.reason, by=request.approval.by, at=site.now())
        if request.approval and waits
        else None
    )
    outputs = tuple(
        TransformOutput(
            category=category,
            day=output.day,
            path=places.rows(category, output.day, run_id).uri(site.scheme),
            records=records,
            files=len(files.parts[output]),
            bytes=lines.sizes[output],
        )
        for output, records in lines.records.items()
        if (category := output.category) != "_dropped"
    )
    dropped = Counts(dropped=lines.dropped)
    return TransformManifest(
        run_id=run_id,
        status=job_status(quality, approved=approval is not None),
        day=request.day,
        timezone=request.timezone,
        created_at=request.run.start_time,
        created_by=request.run.created_by or "",
        code_version=CODE_VERSION,
        window=request.window,
        source_timestamp=request.window.end,
        outputs=outputs,
        dropped=DroppedRecords(
            path=places.dropped(request.day, run_id).uri(site.scheme),
            records=dropped.records_dropped,
            reasons=dropped.drop_reasons,
        ),
        records_read=lines.records_read,
        records_written=_written(lines),
        late_records=sum(output.records for output in outputs if output.day < request.day),
        early_records=sum(output.records for output in outputs if output.day > request.day),
        quality=TransformQuality(status=quality.status, drop_rate=quality.shown_drop_rate),
        approval=approval,
        coverage=PrefixCoverage(gaps=missing_prefixes(listing.empty, request.prefix_minutes, request.window)),
        clean_sink=request.clean_sink,
    )


@dataclass(frozen=True, slots=True)
class _Work:
    """What a run did, step by step."""

    clock: PhaseClock
    listing: RawListing
    lines: Lines
    quality: Quality
    manifest: TransformManifest
    others: tuple[TransformManifest, ...]


def _outcome(site: Site, request: TransformRequest, work: _Work) -> TransformOutcome:
    manifest, lines, listing = work.manifest, work.lines, work.listing
    overlaps = partly_overlapping(manifest, work.others)
    warnings = tuple(_warnings(request, listing, overlaps))
    for warning in warnings:
        site.log(warning)
    written_bytes = sum(output.bytes for output in manifest.outputs)
    return TransformOutcome(
        manifest=manifest,
        manifest_path=TransformedImages(request.transformed, request.timezone).manifest(
            manifest.day, manifest.run_id
        ),
        quality=work.quality,
        metrics=metrics_of(
            request.run,
            job_status(work.quality, approved=manifest.approval is not None),
            site.now(),
            counts=Counts(lines.records_read, manifest.records_written, written_bytes, lines.dropped),
            phases=work.clock.phases(),
            quality=work.quality,
            payload=TransformPayload.of(manifest),
        ),
        artifacts=transform_artifacts(manifest.outputs, site.scheme),
        raw=RawRead(len(listing.objects), lines.bytes_read, listing.prefixes, len(listing.empty)),
        dropped=lines.dropped,
        late=_by_day(output for output in manifest.outputs if output.day < request.day),
        early=_by_day(output for output in manifest.outputs if output.day > request.day),
        by_prefix=lines.by_prefix,
        overlaps=overlaps,
        warnings=warnings,
    )


def _written(lines: Lines) -> int:
    return sum(records for output, records in lines.records.items() if output.category != DROPPED)


def _by_day(outputs: Iterable[TransformOutput]) -> dict[date, int]:
    days: Counter[date] = Counter()
    for output in outputs:
        days[output.day] += output.records
    return dict(sorted(days.items()))


def _found(listing: RawListing, request: TransformRequest) -> str:
    window = request.window
    return (
        f"{len(listing.objects)} raw objects in {listing.prefixes - len(listing.empty)} of "
        f"{listing.prefixes} prefixes from {format_instant(window.start)} to {format_instant(window.end)}"
    )


def _warnings(
    request: TransformRequest, listing: RawListing, overlaps: Iterable[TransformManifest]
) -> Iterator[str]:
    if listing.outside:
        yield (
            f"{len(listing.outside)} raw objects such as {listing.outside[0]} lie in no prefix of "
            f"{request.prefix_minutes} minutes and are not read; set partition_interval_minutes to theirs"
        )
    for other in overlaps:
        if other.window is not None:
            yield (
                f"The window of run {other.run_id}, {format_instant(other.window.start)} to "
                f"{format_instant(other.window.end)}, partly overlaps this one; rows of both are read"
            )
