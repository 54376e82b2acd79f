"""What one filter run is asked for, and what came of it.

Not here: the run itself (`filtering`), and how Dagster or a platform shows its outcome.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Final, Literal

from assets.dwh.adoption import Trigger
from assets.dwh.days import day_window, zone_of
from assets.dwh.filter_manifests import FilterManifest, FilterMode, FilterOutput
from assets.dwh.frames.columns import instant_column, resolved_columns
from assets.dwh.frames.dedup import DedupRule
from assets.dwh.intervals import Interval
from assets.dwh.job_events import Artifact
from assets.dwh.metrics import JobRun, Metrics
from assets.dwh.paths import FilteredImages, Location
from assets.dwh.run_ids import check_run_id

MAX_RECORDS_PER_FILE: Final = 500_000

NullKeys = Literal["keep", "quarantine"]


@dataclass(frozen=True, kw_only=True)
class FilterRequest:
    """What one run is asked for.

    Raises:
        UsageError: a column resolves to nothing.
        ValueError: a zone, a run id, the base or a number of records is not allowed.
    """

    run: JobRun
    """Its `job_run_id` names the folders of the run; one that starts again gets a new one."""
    day: date
    timezone: str = "America/Los_Angeles"
    base: Location
    """The folder of the filtered outputs; `transformed_images` lies beside it."""
    mode: FilterMode = "recompute"
    dedup_key_columns: tuple[str, ...] = ("data.mediaid",)
    dedup_order_column: str = "data.updated"
    time_column: str = "data.updated"
    null_keys: NullKeys = "keep"
    max_records_per_file: int = MAX_RECORDS_PER_FILE
    latest_copy: bool = False
    previous_run_id: str | None = None
    trigger: Trigger | None = None
    """What a command line says of the transform run before it."""

    def __post_init__(self) -> None:
        zone_of(self.timezone)
        check_run_id(self.run.job_run_id)
        self.places.transformed_images()
        if self.max_records_per_file < 1:
            raise ValueError(
                f"max_records_per_file {self.max_records_per_file} leaves no place for a record; give 1 up"
            )
        _ = self.rule

    @property
    def places(self) -> FilteredImages:
        """Where everything lies."""
        return FilteredImages(self.base, self.timezone)

    @property
    def window(self) -> Interval:
        """The day in UTC."""
        start, end = day_window(self.day, self.timezone)
        return Interval(start=start, end=end)

    @cached_property
    def rule(self) -> DedupRule:
        """Which rows compete, and by what."""
        return DedupRule(
            keys=resolved_columns("dedup_key_columns", self.dedup_key_columns),
            order=instant_column("dedup_order_column", self.dedup_order_column),
            time=instant_column("time_column", self.time_column),
            day=self.window,
        )

    @property
    def rule_version(self) -> str:
        """What tells the rows of this rule from those of another; empty for the columns of the contract."""
        columns = (self.rule.keys, self.rule.order)
        if columns == (("data.mediaid",), "data.updated"):
            return ""
        return hashlib.sha256(repr(columns).encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class InputRead:
    """One line of the table of inputs: a run, what was read of it, and what of that is in the output."""

    run_id: str
    """Empty for rows of a previous output that do not say where they came from."""
    kind: Literal["transformed", "adopted", "previous"]
    path: str | None
    source_timestamp: datetime
    records_read: int
    records_contributed: int


@dataclass(frozen=True, slots=True)
class Quarantined:
    """The rows without a key that were set aside."""

    path: Location
    records: int
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FilterOutcome:
    """What came of a run whose rows are current now."""

    manifest: FilterManifest
    output: FilterOutput
    """That of the manifest, which as a success has one."""
    manifest_path: Location
    metrics: Metrics
    artifacts: Mapping[str, Artifact]
    inputs: tuple[InputRead, ...]
    """By run id."""
    expected_run_ids: frozenset[str]
    """The transform runs and adopted inputs of the day; each must be in the lineage."""
    different_keys: int
    """Counted apart from the rows: as many as there are rows with a key, if every key is there once."""
    read_by_slot: Mapping[datetime, int]
    """Rows of all inputs by the begin of their 5 minutes, of those whose time is in the day."""
    kept_by_slot: Mapping[datetime, int]
    """The same of the output."""
    quarantined: Quarantined | None
    attempts: int
    """1, unless other runs of the day were faster."""

    @property
    def keyed_records(self) -> int:
        """Rows of the output that have a key."""
        without_key = 0 if self.quarantined is not None else self.output.null_key_records
        return self.output.record_count - without_key

    @property
    def missing_run_ids(self) -> frozenset[str]:
        """Inputs of the day that are not in the lineage."""
        return self.expected_run_ids - self.manifest.transform_run_ids
