"""The manifest of a filter run, and which manifest of a day is current.

Keys that decide what is read are required of a success. Those that only inform may be missing, so that what
the predecessor wrote can be read.
"""

from collections.abc import Callable, Iterable
from datetime import date
from fnmatch import fnmatchcase
from typing import ClassVar, Final, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, model_validator

from assets.dwh.coverage import Coverage
from assets.dwh.documents import Document, Instant, Part, SchemaVersion
from assets.dwh.intervals import Interval
from assets.dwh.paths import StoredPath
from assets.dwh.run_ids import RunId, check_run_id
from assets.failures import PermanentFailure

FilterStatus = Literal["IN_PROGRESS", "SUCCESS", "FAILED"]
FilterMode = Literal["recompute", "incremental"]

POINTER_NAME: Final = "latest.json"


class Timing(Part):
    """When a run began and ended."""

    created_at: Instant | None = None
    completed_at: Instant | None = None
    processing_duration_seconds: NonNegativeFloat | None = None


class Context(Part):
    """The day of a run."""

    timezone: str | None = None
    day: date | None = None
    day_start_utc: Instant | None = None


class TriggeredBy(Part):
    """The job that started a run, as far as it said."""

    job_name: str | None = "unknown"
    job_run_id: str | None = "unknown"
    output_path: str | None = None


class FilterInput(Part):
    """What a run read; `previous` is the manifest that was current before."""

    mode: FilterMode = "recompute"
    previous_manifest: str | None = None
    previous_output_path: str | None = None
    previous_record_count: NonNegativeInt = 0
    transform_record_count: NonNegativeInt = 0


class FilterOutput(Part):
    """What a run wrote."""

    path: StoredPath
    latest_path: StoredPath | None = None
    files: NonNegativeInt = 0
    record_count: NonNegativeInt
    bytes_written: NonNegativeInt = 0
    duplicates_removed: NonNegativeInt = 0
    null_key_records: NonNegativeInt = 0


class LineageEntry(Part):
    """What one transform run gave to an output."""

    run_id: str
    """The filter run that read it."""
    transform_run_id: str
    """Empty for rows that do not say where they came from."""
    path: str | None = None
    """The folder of its rows of the day; None where it has none."""
    source_timestamp: Instant
    time_range: Interval | None = None
    """Its window; None for an adopted input."""
    records_contributed: NonNegativeInt = 0


class FilterManifest(Document):
    """What a filter run leaves for its readers."""

    remedy: ClassVar[str] = "restore it, or name a good run in previous_run_id"

    schema_version: SchemaVersion = "1.0"
    run_id: RunId
    status: FilterStatus
    timing: Timing = Timing()
    context: Context = Context()
    triggered_by: TriggeredBy = TriggeredBy()
    coverage: Coverage = Coverage()
    input: FilterInput = FilterInput()
    output: FilterOutput | None = None
    """None unless the run wrote one."""
    lineage: tuple[LineageEntry, ...] = ()
    code_version: str = ""

    @model_validator(mode="after")
    def _success_must_have_output(self) -> Self:
        if self.status == "SUCCESS" and self.output is None:
            raise ValueError("a success has an output")
        return self

    @property
    def transform_run_ids(self) -> frozenset[str]:
        """The transform runs that its rows come from."""
        return frozenset(entry.transform_run_id for entry in self.lineage)


def current_manifest(
    folder: str, names: Iterable[str], read: Callable[[str], bytes], previous_run_id: str | None = None
) -> FilterManifest | None:
    """The manifest that says what a reader of a day reads; None where no run of the day succeeded.

    It is the pointer if that is a success, else the success with the greatest name among `manifest-*.json`.
    `previous_run_id` chooses the manifest of that run instead, whatever the others hold.

    Args:
        folder: the address of the manifests, for sentences.
        names: the names of the objects in it, in any order. They are names and no paths: a word in the path
            says nothing.
        read: the content of the object of a name.
        previous_run_id: the run to build on, where the others cannot be read.

    Raises:
        UnreadableDocument: a manifest that had to be read cannot be.
        PermanentFailure: there is no success of the run `previous_run_id`.
    """
    present = frozenset(names)
    if previous_run_id is not None:
        return _chosen_manifest(folder, present, read, previous_run_id)
    candidates = sorted((name for name in present if is_manifest_name(name)), reverse=True)
    for name in ([POINTER_NAME] if POINTER_NAME in present else []) + candidates:
        manifest = FilterManifest.read(f"{folder}/{name}", read(name))
        if manifest.status == "SUCCESS":
            return manifest
    return None


def is_manifest_name(name: str) -> bool:
    """Whether an object of that name, without its path, is the manifest of a run."""
    return fnmatchcase(name, "manifest-*.json")


def _chosen_manifest(
    folder: str, names: frozenset[str], read: Callable[[str], bytes], run_id: str
) -> FilterManifest:
    name = f"manifest-{check_run_id(run_id)}.json"
    if name in names:
        manifest = FilterManifest.read(f"{folder}/{name}", read(name))
        if manifest.status == "SUCCESS":
            return manifest
    raise PermanentFailure(
        f"previous_run_id {run_id!r} names no successful run in {folder}; give the id of one, or none"
    )
