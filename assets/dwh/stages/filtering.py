"""One filter run: all transform outputs of a day become its rows, one for each key, and the pointer says so.

A run writes into folders of its own id only, its manifest after its rows, and the pointer last, on condition
that it is still the one that the run began from. A run that another one overtook marks its own manifest
FAILED and starts again from the new pointer, so rows of both are in the output that ends up current. A run
that fails, or is killed anywhere, leaves the pointer and what it names as they were.

Not here: the rule (`frames.dedup`), reading documents (`day_reading`), the engine's part (`deduplicating`),
writing objects (`publishing`).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from assets.dwh.adoption import AdoptedInput
from assets.dwh.coverage import Coverage, day_coverage
from assets.dwh.filter_manifests import (
    Context,
    FilterInput,
    FilterManifest,
    FilterOutput,
    FilterStatus,
    Timing,
    TriggeredBy,
)
from assets.dwh.frames.dedup import Tally
from assets.dwh.inputs import DayInputs, FilterPlan, filter_plan, refusal
from assets.dwh.job_events import filter_artifacts
from assets.dwh.lineage import contributing_readings, lineage, pending_readings
from assets.dwh.metrics import Counts, FilterPayload, PhaseClock, metrics_of
from assets.dwh.paths import Location
from assets.dwh.run_ids import new_run_id
from assets.dwh.stages.day_reading import Current, Parquet, data_objects, read_current, read_inputs
from assets.dwh.stages.deduplicating import RowsKept, RowsRead, keep_rows, read_rows, write_files
from assets.dwh.stages.filter_request import FilterOutcome, FilterRequest, InputRead, Quarantined
from assets.dwh.stages.publishing import (
    DayChanged,
    ScratchFiles,
    adopt,
    check_unused,
    copy_to_latest,
    publish_manifest,
    publish_rows,
    swap_pointer,
)
from assets.dwh.stages.site import CODE_VERSION, Site
from assets.failures import TransientFailure

MOST_ATTEMPTS: Final = 5
"""How often a run begins because others were faster. Each of those has published, so the day gets on."""

DUPLICATE: Final = "duplicate"
NULL_KEY: Final = "null_key"
"""The reasons for which rows that were read are not in the output, in the metrics."""

_Group = TypeVar("_Group", bound=Hashable)


def filter_images(site: Site, request: FilterRequest) -> FilterOutcome:
    """Deduplicate a day and make the result current.

    Raises:
        NoDataFound: a ValueError; no input of the day has a row, or none lies where the trigger leads.
        WaitsForApproval: the day has only runs that wait for approval.
        UnreadableDocument: a manifest or another document of the day is there and cannot be read.
        PermanentFailure: an input or the previous output is incomplete, or ids contradict each other.
        TransientFailure: other runs of the day were faster every time, or a write went wrong.
        Exception: what the store and the engine raise.
    """
    run = _Run(site, request, request.run.job_run_id, request.run.start_time)
    for attempt in range(1, MOST_ATTEMPTS + 1):
        try:
            done = run.make_current()
        except DayChanged as error:
            site.log(f"{run.run_id} starts again, because {error}")
            started = site.now()
            run = _Run(site, request, new_run_id("filter", started), started)
            continue
        if request.latest_copy:
            copy_to_latest(site, request.places, request.day, done.manifest, done.files)
        return run.outcome(done, attempt)
    raise TransientFailure(
        f"Other runs of {request.day} were faster {MOST_ATTEMPTS} times; their output is current, so launch "
        "this run again when they are done, and one run of a day at a time"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """What is there when a run begins, and what it reads of that."""

    current: Current
    inputs: DayInputs
    plan: FilterPlan
    adopted: AdoptedInput | None
    """Its document is still to be written."""


@dataclass(frozen=True, slots=True)
class _Published:
    """What a run has made current."""

    found: _Found
    rows: RowsRead
    kept: RowsKept
    manifest: FilterManifest
    output: FilterOutput
    files: ScratchFiles
    quarantined: Quarantined | None


class _Run:
    """One try under one run id."""

    def __init__(self, site: Site, request: FilterRequest, run_id: str, started: datetime) -> None:
        self.run_id = run_id
        self._site = site
        self._request = request
        self._started = started
        self._clock = PhaseClock(site.now)

    def make_current(self) -> _Published:
        """Do it all, up to the swap. What fails leaves a manifest that says so, if that can be written."""
        check_unused(self._site, self._request.places, self._request.day, self.run_id)
        try:
            return self._publish()
        except Exception:
            self._leave_failed_manifest()
            raise

    def outcome(self, done: _Published, attempt: int) -> FilterOutcome:
        """What people and other jobs are told."""
        request, manifest, output = self._request, done.manifest, done.output
        metrics = metrics_of(
            replace(request.run, job_run_id=self.run_id),
            "SUCCESS",
            self._site.now(),
            counts=_counts(done),
            phases=self._clock.phases(),
            payload=FilterPayload.of(manifest, output),
        )
        return FilterOutcome(
            manifest=manifest,
            output=output,
            manifest_path=request.places.manifest(request.day, self.run_id),
            metrics=metrics,
            artifacts=filter_artifacts(output),
            inputs=_inputs_read(done),
            expected_run_ids=frozenset(
                entry.run_id for entry in (*done.found.inputs.runs, *done.found.inputs.adopted)
            ),
            different_keys=done.kept.different_keys,
            read_by_slot=self._by_slot(done.rows.read),
            kept_by_slot=self._by_slot(*_written(done.kept, done.quarantined)),
            quarantined=done.quarantined,
            attempts=attempt,
        )

    def _publish(self) -> _Published:
        site, request = self._site, self._request
        with self._clock.phase("extract"):
            found = self._find()
            rows = read_rows(site, request.day, found.inputs, found.plan, request.rule)
            self._refuse_nothing(found, rows)
            site.log(f"{rows.read.total} rows read of {len(found.plan.sources)} folders ({found.plan.mode})")
        with self._clock.phase("transform"):
            kept = keep_rows(site, rows, request.rule)
            files, count = self._write(rows, kept, keyed=None if request.null_keys == "keep" else True)
        with self._clock.phase("load"):
            if found.adopted is not None:
                adopt(site, request.places, request.day, found.adopted)
            published = publish_rows(site, files, request.places.rows(request.day, self.run_id), count)
            quarantined = self._quarantine(rows, kept)
            output = self._output(rows, kept, published, count)
            manifest = self._success(found, rows, _written(kept, quarantined), output)
            publish_manifest(site.store, request.places, request.day, manifest)
            swap_pointer(site.store, request.places, request.day, manifest, found.current.pointer_etag)
        site.log(f"{output.record_count} rows are current, {output.duplicates_removed} fewer than were read")
        return _Published(found, rows, kept, manifest, output, files, quarantined)

    def _find(self) -> _Found:
        site, request = self._site, self._request
        current = read_current(site.store, request.places, request.day, request.previous_run_id)
        inputs, adopted = read_inputs(
            site.store,
            request.places,
            request.day,
            timezone=request.timezone,
            trigger=request.trigger,
            scheme=site.scheme,
        )
        plan = filter_plan(inputs, current.manifest, request.mode)
        if plan.mode == "incremental" and not self._made_alike(current.manifest):
            plan = filter_plan(inputs, current.manifest, "recompute")
        return _Found(current, inputs, plan, adopted)

    def _made_alike(self, manifest: FilterManifest | None) -> bool:
        """Whether an output was made by this rule, and has its null-key rows where this run keeps them."""
        if manifest is None or manifest.code_version.partition("+")[2] != self._request.rule_version:
            return False
        aside = self._request.places.quarantine(self._request.day, manifest.run_id)
        return self._request.null_keys == "quarantine" or not data_objects(self._site.store, aside)

    def _refuse_nothing(self, found: _Found, rows: RowsRead) -> None:
        """Raise if there is nothing to publish: no row at all, or none where the trigger leads."""
        adopted = found.adopted
        if adopted is not None and not rows.read.by_run_id().get(adopted.run_id):
            raise refusal(replace(found.inputs, pending=()), [adopted.path])
        if not rows.read.total:
            scheme, request = self._site.scheme, self._request
            looked_at = [source.path.uri(scheme) for source in found.plan.sources]
            raise refusal(found.inputs, looked_at or [request.places.transformed_images().base.uri(scheme)])

    def _write(self, rows: RowsRead, kept: RowsKept, *, keyed: bool | None) -> tuple[ScratchFiles, int]:
        most = self._request.max_records_per_file
        return write_files(self._site, rows, kept, keyed=keyed, max_records_per_file=most)

    def _quarantine(self, rows: RowsRead, kept: RowsKept) -> Quarantined | None:
        request = self._request
        if request.null_keys == "keep" or not kept.kept.unkeyed.total:
            return None
        files, count = self._write(rows, kept, keyed=False)
        folder = request.places.quarantine(request.day, self.run_id)
        published = publish_rows(self._site, files, folder, count)
        return Quarantined(folder, count, len(published), sum(found.size for found in published))

    def _output(self, rows: RowsRead, kept: RowsKept, files: list[Parquet], count: int) -> FilterOutput:
        request, scheme = self._request, self._site.scheme
        latest = request.places.latest(request.day).uri(scheme) if request.latest_copy else None
        return FilterOutput(
            path=request.places.rows(request.day, self.run_id).uri(scheme),
            latest_path=latest,
            files=len(files),
            record_count=count,
            bytes_written=sum(found.size for found in files),
            # By contract what was read and not written, rows that are set aside included.
            duplicates_removed=rows.read.total - count,
            null_key_records=kept.kept.unkeyed.total,
        )

    def _success(
        self, found: _Found, rows: RowsRead, written: tuple[Tally, ...], output: FilterOutput
    ) -> FilterManifest:
        current, scheme = found.current, self._site.scheme
        previous = current.manifest.output if current.manifest is not None else None
        contributed = _sums(tally.by_run_id() for tally in written)
        return self._manifest(
            "SUCCESS",
            coverage=self._coverage(found),
            input=FilterInput(
                mode=found.plan.mode,
                previous_manifest=None if current.path is None else current.path.uri(scheme),
                previous_output_path=None if previous is None else previous.path,
                previous_record_count=0 if previous is None else previous.record_count,
                transform_record_count=rows.from_inputs,
            ),
            output=output,
            lineage=lineage(found.inputs, found.plan, self.run_id, contributed, scheme),
        )

    def _coverage(self, found: _Found) -> Coverage:
        before = found.current.manifest
        return day_coverage(
            self._request.window,
            self._started,
            contributing_readings(found.inputs, found.plan),
            pending_readings(found.inputs),
            frozenset() if before is None else before.transform_run_ids,
        )

    def _manifest(self, status: FilterStatus, **parts: Any) -> FilterManifest:
        """A manifest that says when and for whom the run was, with those parts."""
        request, now = self._request, self._site.now()
        trigger = request.trigger
        return FilterManifest(
            run_id=self.run_id,
            status=status,
            timing=Timing(
                created_at=self._started,
                completed_at=now,
                processing_duration_seconds=max(0.0, (now - self._started).total_seconds()),
            ),
            context=Context(timezone=request.timezone, day=request.day, day_start_utc=request.window.start),
            triggered_by=TriggeredBy()
            if trigger is None
            else TriggeredBy(
                job_name=trigger.job_name,
                job_run_id=trigger.run_id,
                output_path=Location.parse(trigger.transform_output_path).uri(self._site.scheme),
            ),
            code_version="+".join(filter(None, (CODE_VERSION, request.rule_version))),
            **parts,
        )

    def _leave_failed_manifest(self) -> None:
        request = self._request
        try:
            publish_manifest(self._site.store, request.places, request.day, self._manifest("FAILED"))
        except Exception as error:  # noqa: BLE001 (best effort: the caller is told why the run failed)
            self._site.log(f"{self.run_id} could not leave a manifest: {error}")

    def _by_slot(self, *tallies: Tally) -> dict[datetime, int]:
        rows = _sums(tally.by_slot() for tally in tallies)
        rule = self._request.rule
        return {rule.slot_start(slot): count for slot, count in rows.items() if slot is not None}


def _written(kept: RowsKept, quarantined: Quarantined | None) -> tuple[Tally, ...]:
    """The rows of the output."""
    return (kept.kept.keyed,) if quarantined is not None else (kept.kept.keyed, kept.kept.unkeyed)


def _counts(done: _Published) -> Counts:
    read, written = done.rows.read.total, done.output.record_count
    aside = 0 if done.quarantined is None else done.quarantined.records
    dropped = {DUPLICATE: read - written - aside, NULL_KEY: aside}
    return Counts(read, written, done.output.bytes_written, dropped)


def _inputs_read(done: _Published) -> tuple[InputRead, ...]:
    read = done.rows.read.by_run_id()
    runs = {run.run_id for run in done.found.inputs.runs}
    adopted = {entry.run_id for entry in done.found.inputs.adopted}
    return tuple(
        InputRead(
            run_id=entry.transform_run_id,
            kind="transformed"
            if entry.transform_run_id in runs
            else "adopted"
            if entry.transform_run_id in adopted
            else "previous",
            path=entry.path,
            source_timestamp=entry.source_timestamp,
            records_read=read.get(entry.transform_run_id, 0),
            records_contributed=entry.records_contributed,
        )
        for entry in done.manifest.lineage
    )


def _sums(parts: Iterable[Mapping[_Group, int]]) -> dict[_Group, int]:
    total: Counter[_Group] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)
