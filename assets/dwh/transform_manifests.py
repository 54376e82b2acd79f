"""The manifest of a transform run: what it read, what it wrote where, and which earlier runs it replaces.

Keys that decide what is read are required. Those that only inform may be missing.
"""

from collections.abc import Iterable
from datetime import date
from typing import Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, model_validator

from assets.dwh.coverage import Gap, Reading
from assets.dwh.documents import Document, Instant, Part, SchemaVersion
from assets.dwh.intervals import Interval
from assets.dwh.paths import Category, StoredPath
from assets.dwh.run_ids import RunId

TransformStatus = Literal["SUCCESS", "PENDING_APPROVAL", "FAILED"]


class TransformOutput(Part):
    """The rows of one category and row day."""

    category: Category
    day: date
    path: StoredPath
    records: NonNegativeInt
    files: NonNegativeInt = 0
    bytes: NonNegativeInt = 0


class ReasonCount(Part):
    """How many records were dropped for a reason."""

    reason: str
    count: NonNegativeInt


class DroppedRecords(Part):
    """The dropped records of a run, each for exactly one reason."""

    path: StoredPath
    records: NonNegativeInt
    reasons: tuple[ReasonCount, ...] = ()


class TransformQuality(Part):
    """What the quality gate said."""

    status: Literal["GREEN", "YELLOW", "RED"]
    drop_rate: NonNegativeFloat


class Approval(Part):
    """Who let a run pass that the gate had stopped, and why."""

    reason: str
    by: str
    at: Instant


class PrefixCoverage(Part):
    """The prefixes of the window that held no object."""

    gaps: tuple[Gap, ...] = ()


class TransformManifest(Document):
    """What a transform run leaves for its readers; it is written last."""

    schema_version: SchemaVersion = "1.0"
    run_id: RunId
    status: TransformStatus
    day: date
    """The run day: the local date of the microsecond before the window's end."""
    timezone: str
    created_at: Instant
    completed_at: Instant | None = None
    created_by: str = ""
    code_version: str = ""
    window: Interval | None
    source_timestamp: Instant
    outputs: tuple[TransformOutput, ...]
    dropped: DroppedRecords | None = None
    records_read: NonNegativeInt = 0
    records_written: NonNegativeInt = 0
    late_records: NonNegativeInt = 0
    early_records: NonNegativeInt = 0
    quality: TransformQuality | None = None
    approval: Approval | None = None
    coverage: PrefixCoverage = PrefixCoverage()
    supersedes: tuple[RunId, ...] = ()
    clean_sink: bool = True

    @model_validator(mode="after")
    def _outputs_must_differ(self) -> Self:
        if len({(output.category, output.day) for output in self.outputs}) < len(self.outputs):
            raise ValueError("outputs has two entries of one category and day")
        return self

    @property
    def reading(self) -> Reading | None:
        """What it read; None where it has no window."""
        if self.window is None:
            return None
        missing = tuple(Interval(start=gap.start, end=gap.end) for gap in self.coverage.gaps)
        return Reading(self.run_id, self.window, missing)

    def outputs_of(self, day: date) -> tuple[TransformOutput, ...]:
        """Its rows of a row day, by category."""
        return tuple(
            sorted(
                (output for output in self.outputs if output.day == day), key=lambda output: output.category
            )
        )

    def supersedes_run(self, other: "TransformManifest") -> bool:
        """Whether this run replaces another one: a later success of its run day, with all of its window."""
        return (
            self.status == "SUCCESS"
            and self.day == other.day
            and (other.created_at, other.run_id) < (self.created_at, self.run_id)
            and self.window is not None
            and other.window is not None
            and self.window.holds(other.window)
        )


def superseded_run_ids(manifests: Iterable[TransformManifest]) -> frozenset[str]:
    """The runs that another one of the same run day replaces. It takes all manifests of a run day to tell."""
    manifests = tuple(manifests)
    return frozenset(old.run_id for old in manifests if any(new.supersedes_run(old) for new in manifests))


def partly_overlapping(
    manifest: TransformManifest, others: Iterable[TransformManifest]
) -> tuple[TransformManifest, ...]:
    """The successful runs of the same run day whose windows cross the run's, to warn about, by creation.

    Windows of which one holds the other do not cross, nor do windows that only touch.
    """
    window = manifest.window
    if window is None:
        return ()
    crossing = [
        other
        for other in others
        if other.status == "SUCCESS" and other.day == manifest.day and _cross(window, other.window)
    ]
    return tuple(sorted(crossing, key=lambda other: (other.created_at, other.run_id)))


def _cross(one: Interval, other: Interval | None) -> bool:
    return (
        other is not None
        and one.start < other.end
        and other.start < one.end
        and not one.holds(other)
        and not other.holds(one)
    )
