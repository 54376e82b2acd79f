"""The engine's part of a filter run: from the plan of what to read to output files in a scratch folder.

Not here: the frames (`frames.batches`, `frames.dedup`), the plan itself, and publishing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from assets.dwh.filter_manifests import FilterManifest
from assets.dwh.frames.batches import Batch, PreviousRows, input_rows
from assets.dwh.frames.dedup import (
    DedupRule,
    Kept,
    Tally,
    count_kept,
    count_rows,
    different_keys,
    write_kept,
    write_output,
    write_rows,
)
from assets.dwh.inputs import DayInputs, FilterPlan, Source
from assets.dwh.paths import Location
from assets.dwh.stages.day_reading import concurrently, data_objects, describe_parquet
from assets.dwh.stages.publishing import ScratchFiles, scratch_files
from assets.dwh.stages.site import Site
from assets.failures import PermanentFailure

# What engines say of a file that is not what it should be. Anything else may be their own trouble.
_UNREADABLE: Final = ("Json error", "Parquet error", "FAILED_READ_FILE", "MALFORMED_RECORD", "invalid utf")


@dataclass(frozen=True, slots=True)
class RowsRead:
    """The rows of all inputs, in a scratch folder."""

    folder: str
    read: Tally
    from_inputs: int
    """Without those of the previous output."""


@dataclass(frozen=True, slots=True)
class RowsKept:
    """Which of the rows stay, in scratch folders."""

    folders: tuple[str, ...]
    kept: Kept
    different_keys: int


def read_rows(site: Site, day: date, inputs: DayInputs, plan: FilterPlan, rule: DedupRule) -> RowsRead:
    """Read everything that the plan names, once.

    Raises:
        PermanentFailure: an input or the previous output cannot be read, or holds other rows than its
            manifest says.
    """
    objects = concurrently(lambda source: data_objects(site.store, source.path), plan.sources)
    _check_present(site, day, inputs, plan.sources, objects)
    batches = _batches(site, plan.sources, objects)
    previous = _previous_rows(site, plan)
    folder = site.files.scratch("rows")
    if not batches and (previous is None or not previous.paths):
        return RowsRead(folder, Tally({}), 0)
    with _unreadable_inputs_named(day, batches):
        write_rows(input_rows(site.session, batches, previous), rule, folder)
    # Of no row an engine may write no file, and then there is nothing to count.
    read = count_rows(site.session, folder) if site.files.written(folder) else Tally({})
    by_run_id = read.by_run_id()
    _check_counts(day, inputs, plan.sources, by_run_id)
    return RowsRead(folder, read, sum(by_run_id.get(batch.run_id, 0) for batch in batches))


def keep_rows(site: Site, rows: RowsRead, rule: DedupRule) -> RowsKept:
    """Decide which rows stay."""
    folders = (site.files.scratch("kept"), site.files.scratch("kept"))
    written = write_kept(site.session, rows.folder, rule, folders)
    return RowsKept(written, count_kept(site.session, written), different_keys(site.session, written, rule))


def write_files(
    site: Site, rows: RowsRead, kept: RowsKept, *, keyed: bool | None, max_records_per_file: int
) -> tuple[ScratchFiles, int]:
    """Write the rows that stay, or only those with or without a key; return the files and their rows."""
    counts = {True: kept.kept.keyed.total, False: kept.kept.unkeyed.total}
    count = sum(counts.values()) if keyed is None else counts[keyed]
    folder = site.files.scratch("output")
    if count:
        write_output(
            site.session,
            rows.folder,
            kept.folders,
            folder,
            keyed=keyed,
            count=count,
            max_records_per_file=max_records_per_file,
        )
    return scratch_files(site, folder), count


def _check_present(
    site: Site, day: date, inputs: DayInputs, sources: Sequence[Source], objects: Sequence[list[Location]]
) -> None:
    records = {
        Location.parse(output.path): output.records for run in inputs.runs for output in run.outputs_of(day)
    }
    for source, found in zip(sources, objects, strict=True):
        if source.layout == "adopted" and not found:
            # It had rows when it was adopted. Without them, those in the previous output would vanish too.
            raise PermanentFailure(
                f"{source.path.uri(site.scheme)} has no data, but {day} has adopted it as {source.run_id}; "
                "restore it, or delete its document in _inputs, and those of the previous output stay"
            )
        if records.get(source.path, 0) and not found:
            raise PermanentFailure(
                f"{source.path.uri(site.scheme)} has no data, but transform run {source.run_id} has written "
                f"{records[source.path]} rows there; restore them, or transform the window of that run again"
            )


def _check_counts(day: date, inputs: DayInputs, sources: Sequence[Source], rows: Mapping[str, int]) -> None:
    read = {source.run_id for source in sources}
    for run in inputs.runs:
        expected = sum(output.records for output in run.outputs_of(day))
        if run.run_id in read and rows.get(run.run_id, 0) != expected:
            raise PermanentFailure(
                f"The output of transform run {run.run_id} has {rows.get(run.run_id, 0)} rows of {day}, but "
                f"its manifest says {expected}; restore it, or transform the window of that run again"
            )


def _batches(site: Site, sources: Sequence[Source], objects: Sequence[list[Location]]) -> list[Batch]:
    """One for each run, which may have a folder for each category."""
    places: dict[tuple[str, datetime, str], list[Location]] = defaultdict(list)
    layouts = {}
    for source, found in zip(sources, objects, strict=True):
        key = (source.run_id, source.source_timestamp, source.layout)
        layouts[key] = source.layout
        places[key] += found
    return [
        Batch(key[0], key[1], layouts[key], _readable(site, found)) for key, found in places.items() if found
    ]


def _previous_rows(site: Site, plan: FilterPlan) -> PreviousRows | None:
    if plan.previous is None or plan.previous.output is None:
        return None
    folder = Location.parse(plan.previous.output.path)
    files = describe_parquet(site.store, data_objects(site.store, folder))
    _check_previous(site, plan.previous, folder, sum(found.rows for found in files))
    # A run that is read again gives its rows itself.
    left_out = plan.replaced_run_ids | {source.run_id for source in plan.sources}
    return PreviousRows(_readable(site, [found.place for found in files]), left_out)


def _check_previous(site: Site, manifest: FilterManifest, folder: Location, rows: int) -> None:
    expected = manifest.output.record_count if manifest.output else 0
    if rows != expected:
        raise PermanentFailure(
            f"The previous output {folder.uri(site.scheme)} has {rows} rows, but the manifest of run "
            f"{manifest.run_id} says {expected}; {manifest.remedy}"
        )


def _readable(site: Site, places: Sequence[Location]) -> tuple[str, ...]:
    return tuple(site.files.readable([(place.bucket, place.key) for place in places]))


@contextmanager
def _unreadable_inputs_named(day: date, batches: Sequence[Batch]) -> Iterator[None]:
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        reason = next((line for line in text.splitlines() if any(mark in line for mark in _UNREADABLE)), None)
        if reason is None:
            raise
        runs = ", ".join(batch.run_id for batch in batches) or "the previous output"
        raise PermanentFailure(
            f"An input of {day} cannot be read: {reason.strip()[:300]}; restore the output of the run, one "
            f"of: {runs}"
        ) from error
